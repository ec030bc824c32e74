//! `silt batch`.

use std::path::PathBuf;

use clap::Args;
use siltdb::json::{self, Part};
use siltdb::{Batch as Operations, Durability, Options};
use siltdb_core::batch::{check_key, check_value_len};
use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

use super::input::Input;
use super::set::DurabilityArgs;
use super::{CommitLine, Context};
use crate::import::{Lines, ReadError};
use crate::output::{EXIT_USAGE, Failure, Outcome, Run};
use crate::text::Encoding;

/// Commit operations from JSON lines, all of them or none
#[derive(Debug, Args)]
#[command(after_help = "\
{\"op\":\"set\",\"key\":\"a\",\"value\":\"b\"} or {\"op\":\"delete\",\"key\":\"a\"} a line; also
key_base64, value_base64, \"ttl\":\"10m\", \"if_absent\":true, \"if_seq\":N. A line
{\"op\":\"check\",\"key\":\"a\",\"if_seq\":N} only asks for a condition.")]
pub struct Batch {
    /// The file; '-' for stdin.
    file: PathBuf,
    #[command(flatten)]
    durability: DurabilityArgs,
}

impl Batch {
    /// Reads every line before anything is written.
    pub fn run(self, context: &Context) -> Run {
        let input = Input::open(&self.file)?;
        let (operations, numbers) = read(input.reader, &input.name)?;
        let store = context.open(Options::default())?;
        let durability = self.durability.or(Durability::Synced);
        let line = if operations.is_empty() && operations.required().is_empty() {
            CommitLine { seq: store.last_seq()?, durability: durability.name(), deleted: None }
        } else {
            let commit = store.write(&operations, Some(durability)).map_err(|failure| {
                let Some(operation) = failure.detail_of("operation") else { return failure };
                let line = usize::try_from(operation).ok().and_then(|i| numbers.get(i).copied());
                let line = line.unwrap_or_default();
                failure.at(format!("{}: line {line}", input.name)).detail("line", line)
            })?;
            CommitLine::new(&commit)
        };
        store.close()?;
        if context.json {
            let mut out = context.out(Encoding::Plain);
            out.value(&line)?;
            out.finish()?;
        }
        Ok(Outcome::Done)
    }
}

/// The operations, and the number of the line that each stands on.
fn read(reader: Box<dyn std::io::BufRead>, name: &str) -> Run<(Operations, Vec<u64>)> {
    let mut lines = Lines::new(reader);
    let mut operations = Operations::new();
    // Operations are numbered first, then checks.
    let (mut numbers, mut checks) = (Vec::new(), Vec::new());
    loop {
        let (line, text) = match lines.next_line() {
            Ok(Some(next)) => next,
            Ok(None) => {
                numbers.append(&mut checks);
                return Ok((operations, numbers));
            }
            Err(ReadError::Io(e)) => return Err(Failure::io(name, &e)),
            Err(ReadError::Line { line, reason }) => return Err(refused(name, line, reason)),
        };
        if text.trim_ascii().is_empty() {
            continue;
        }
        let part = json::part(text).map_err(|reason| refused(name, line, reason))?;
        let value_len = match &part {
            Part::Operation(operation) => operation.value.as_ref().map_or(0, Vec::len),
            Part::Check(..) => 0,
        };
        check_key(part.key()).and_then(|()| check_value_len(value_len)).map_err(|e| {
            Failure::new(EXIT_USAGE, e.code(), e.to_string())
                .at(format!("{name}: line {line}"))
                .and("nothing was written")
        })?;
        if matches!(part, Part::Check(..)) {
            checks.push(line)
        } else {
            numbers.push(line)
        }
        part.add_to(&mut operations);
        if operations.len() > BATCH_RECORDS_MAX || operations.bytes_max() > BATCH_BYTES_MAX {
            let max = BATCH_BYTES_MAX;
            let size = operations.bytes_max();
            let error = Error::from(ErrorKind::BatchTooLarge { size, max });
            return Err(Failure::new(EXIT_USAGE, error.code(), error.to_string()).at(name));
        }
    }
}

fn refused(name: &str, line: u64, reason: String) -> Failure {
    Failure::input(reason)
        .at(format!("{name}: line {line}"))
        .and("nothing was written")
        .detail("line", line)
}
