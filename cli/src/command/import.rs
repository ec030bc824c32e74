//! `silt import`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use siltdb::{Batch, Commit, Durability, Operation, Options};
use siltdb_core::batch::{check_key, check_value_len};

use super::input::Input;
use super::opened::Opened;
use super::progress::Bar;
use super::set::DurabilityArgs;
use super::{Context, EncodingArgs};
use crate::import::{Format, ReadError, Reader};
use crate::numbers::{bytes_text, count_text, counted};
use crate::output::{self, Failure, Outcome, Run};
use crate::text::Encoding;

/// A batch is written once it has this many records.
const BATCH_RECORDS: usize = 1_000;
/// A batch is written once it has this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// Load records from JSON lines, TSV or CSV
#[derive(Debug, Args)]
#[command(after_help = "\
jsonl  {\"key\":\"a\",\"value\":\"b\"} a line, with key_base64 / value_base64 for bytes that are not
       UTF-8, and \"ttl\":\"10m\" or \"expires\":MICROSECONDS where a record expires.
tsv    key, tab, value; \\t \\n \\r \\\\ and \\xNN stand for bytes, unless --literal is given.
csv    two fields, quoted as in RFC 4180.

A line that cannot be read stops the import: it is named with its number, and the records
before it are stored.")]
pub struct Import {
    /// The file; '-' for stdin.
    file: PathBuf,
    /// The form of the file; told from its name if left out, jsonl for stdin.
    #[arg(long)]
    format: Option<Format>,
    /// The first line is a header: leave it out.
    #[arg(long)]
    header: bool,
    /// TSV: take backslashes as they stand.
    #[arg(long, conflicts_with_all = ["hex", "base64"])]
    literal: bool,
    /// Do not write a value that the key has already.
    #[arg(long)]
    skip_identical: bool,
    #[command(flatten)]
    durability: DurabilityArgs,
    #[command(flatten)]
    encoding: EncodingArgs,
}

#[derive(serde::Serialize)]
struct Line {
    seq: u64,
    durability: &'static str,
    records: u64,
    bytes: u64,
    identical: u64,
    seconds: f64,
}

impl Import {
    /// Stores every record of the file, in batches, and syncs once at the end.
    pub fn run(self, context: &Context) -> Run {
        if self.skip_identical && (context.server.is_some() || context.in_shell()) {
            return Err(Failure::usage(
                "--skip-identical works on a store in a directory, and not in the shell",
            ));
        }
        let input = Input::open(&self.file)?;
        let format = self.format()?;
        let bar = Bar::bytes("importing", input.len);
        let mut reader = Reader::new(input.reader, format, self.encoding.encoding(), self.literal);
        let options = Options { skip_identical: self.skip_identical, ..Options::default() };
        let durability = self.durability.or(Durability::Flushed);
        let mut loader = Loader::new(context, context.open(options)?, durability);
        let started = Instant::now();
        let mut result = if self.header { reader.skip_header() } else { Ok(()) }
            .map_err(|e| read_failure(&input.name, e));
        while result.is_ok() {
            bar.set(reader.consumed());
            result = match reader.next_row() {
                Ok(Some(row)) => {
                    let operation = Operation {
                        key: row.key,
                        value: Some(row.value),
                        expires: row.expires,
                        condition: None,
                    };
                    let place = || format!("{}: line {}", input.name, reader.line());
                    loader.add(operation, place)
                }
                Ok(None) => break,
                Err(e) => Err(read_failure(&input.name, e)),
            };
        }
        drop(bar);
        loader.finish(result, started)
    }

    fn format(&self) -> Run<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        if self.file.as_os_str() == "-" {
            return Ok(Format::Jsonl);
        }
        Format::of_name(&self.file).ok_or_else(|| {
            Failure::usage("the name does not tell the form; add --format jsonl, tsv or csv")
                .at(self.file.display().to_string())
        })
    }
}

fn read_failure(name: &str, error: ReadError) -> Failure {
    match error {
        ReadError::Io(e) => Failure::io(name, &e),
        ReadError::Line { line, reason } => {
            Failure::input(reason).at(format!("{name}: line {line}")).detail("line", line)
        }
    }
}

/// Collects records into batches and writes them.
struct Loader<'a> {
    context: &'a Context,
    store: Opened,
    durability: Durability,
    batch: Batch,
    stored: u64,
    bytes: u64,
    last: Option<Commit>,
}

impl<'a> Loader<'a> {
    fn new(context: &'a Context, store: Opened, durability: Durability) -> Self {
        Self { context, store, durability, batch: Batch::new(), stored: 0, bytes: 0, last: None }
    }

    /// Adds one record; `place` names its line should it be refused.
    fn add(&mut self, operation: Operation, place: impl FnOnce() -> String) -> Run<()> {
        let value_len = operation.value.as_ref().map_or(0, Vec::len);
        check_key(&operation.key).and_then(|()| check_value_len(value_len)).map_err(|e| {
            Failure::new(crate::output::EXIT_USAGE, e.code(), e.to_string()).at(place())
        })?;
        let len = operation.key.len() + value_len;
        if self.batch.len() >= BATCH_RECORDS || self.batch.bytes_max() + len > BATCH_BYTES {
            self.write()?;
        }
        self.batch.push(operation);
        Ok(())
    }

    fn write(&mut self) -> Run<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let commit = self.store.write(&self.batch, Some(self.durability))?;
        self.last = Some(commit);
        self.stored += self.batch.len() as u64;
        for operation in self.batch.operations() {
            self.bytes +=
                (operation.key.len() + operation.value.as_ref().map_or(0, Vec::len)) as u64;
        }
        self.batch.clear();
        Ok(())
    }

    /// Writes what is left, syncs, and says what was stored, also where `result` is a failure.
    fn finish(mut self, result: Run<()>, started: Instant) -> Run {
        // After a failed write nothing more can be stored; after a bad line all before it can.
        let written = self.write().and_then(|()| self.store.sync().map(|_| ()));
        let stored = self.stored;
        let count = counted(stored, "record");
        let are = if stored == 1 { "is" } else { "are" };
        let ended = match (result, written) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(failure), Ok(())) => Err(failure.and(&format!("{count} before it {are} stored"))),
            (Ok(()), Err(failure)) | (Err(failure), Err(_)) => {
                Err(failure.and(&format!("{count} written, but not confirmed to be synced")))
            }
        };
        if let Err(failure) = ended {
            return Err(failure.detail("stored", stored));
        }
        let stats = self.store.stats()?;
        let line = Line {
            seq: self.last.as_ref().map_or(stats.last_seq, |commit| commit.seq),
            durability: Durability::Synced.name(),
            records: stored,
            bytes: self.bytes,
            identical: if self.store.is_remote() { 0 } else { stats.identical_skipped },
            seconds: 0.0,
        };
        self.store.close()?;
        report(self.context, Line { seconds: started.elapsed().as_secs_f64(), ..line })
    }
}

fn report(context: &Context, line: Line) -> Run {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rate = (line.records as f64 / line.seconds.max(1e-6)) as u64;
    let mut text = format!(
        "imported {}, {}, in {:.2} s ({} records/s)",
        counted(line.records, "record"),
        bytes_text(line.bytes),
        line.seconds,
        count_text(rate)
    );
    if line.identical > 0 {
        text.push_str(&format!("; {} identical skipped", count_text(line.identical)));
    }
    output::note(&text);
    if context.json {
        let mut out = context.out(Encoding::Plain);
        out.value(&line)?;
        out.finish()?;
    }
    Ok(Outcome::Done)
}
