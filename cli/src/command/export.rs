//! `silt export`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use siltdb::Record;
use siltdb::json::record_line;

use super::progress::Bar;
use super::range::RangeArgs;
use super::target::Target;
use super::{Context, EncodingArgs};
use crate::import::{Format, csv};
use crate::numbers::counted;
use crate::output::{self, Failure, Outcome, Run};
use crate::text::Encoding;

/// Write records as JSON lines, TSV or CSV, in key order
#[derive(Debug, Args)]
pub struct Export {
    /// The file; stdout if left out, or '-'.
    file: Option<PathBuf>,
    /// The form to write; told from the file's name if left out, jsonl for stdout.
    #[arg(long)]
    format: Option<Format>,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    /// TSV: write bytes as they are, with no backslash escapes.
    #[arg(long, conflicts_with_all = ["hex", "base64"])]
    literal: bool,
    #[command(flatten)]
    range: RangeArgs,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl Export {
    /// Writes every record of the range.
    pub fn run(self, context: &Context) -> Run {
        let options = self.range.options(&self.encoding)?;
        let file = self.file.as_deref().filter(|file| file.as_os_str() != "-");
        let format = self.format(file)?;
        let store = context.open_to_read()?;
        // Opened before the file is made, so that a read of lost history leaves no file.
        let scan = store.scan(&options)?;
        let total = store.len()?;
        let mut target = match file {
            Some(file) => Target::create(file, self.force)?,
            None => Target::stdout(false)?,
        };
        let bar = Bar::records("exporting", total);
        let form = Form { format, encoding: self.encoding.encoding(), literal: self.literal };
        let mut line = Vec::new();
        let (mut written, mut expiring) = (0, 0);
        for record in scan {
            let record = record?;
            line.clear();
            form.write(&record, &mut line)?;
            line.push(b'\n');
            target.write_all(&line).map_err(|e| Failure::io(&target.name, &e))?;
            written += 1;
            expiring += u64::from(record.expires.is_some());
            if written % 1024 == 0 {
                bar.set(written);
            }
        }
        target.finish()?;
        drop(bar);
        if expiring > 0 && format != Format::Jsonl {
            output::note(&format!(
                "silt: {} with an expiry, which this form cannot hold; jsonl keeps it",
                counted(expiring, "record")
            ));
        }
        Ok(Outcome::Done)
    }

    fn format(&self, file: Option<&Path>) -> Run<Format> {
        match (self.format, file) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Format::Jsonl),
            (None, Some(file)) => Format::of_name(file).ok_or_else(|| {
                Failure::usage("the name does not tell the form; add --format jsonl, tsv or csv")
                    .at(file.display().to_string())
            }),
        }
    }
}

struct Form {
    format: Format,
    encoding: Encoding,
    literal: bool,
}

impl Form {
    fn write(&self, record: &Record, line: &mut Vec<u8>) -> Run<()> {
        match (self.format, self.encoding) {
            (Format::Jsonl, _) => record_line(record, false, line),
            (Format::Tsv, Encoding::Plain) if self.literal => {
                check_literal(record)?;
                line.extend_from_slice(&record.key);
                line.push(b'\t');
                line.extend_from_slice(&record.value);
            }
            (Format::Csv, Encoding::Plain) => {
                csv::write_field(&record.key, line);
                line.push(b',');
                csv::write_field(&record.value, line);
            }
            (format, encoding) => {
                encoding.encode(&record.key, line);
                line.push(if format == Format::Csv { b',' } else { b'\t' });
                encoding.encode(&record.value, line);
            }
        }
        Ok(())
    }
}

/// Refuses what a line without escapes could not give back.
fn check_literal(record: &Record) -> Run<()> {
    let reason = if record.key.contains(&b'\t') {
        "a key holds a tab"
    } else if record.key.contains(&b'\n') || record.value.contains(&b'\n') {
        "a record holds a line end"
    } else if record.key.starts_with(b"\xef\xbb\xbf") {
        "a key begins with a byte order mark"
    } else if record.value.ends_with(b"\r") {
        "a value ends in a carriage return"
    } else {
        return Ok(());
    };
    let mut key = Vec::new();
    Encoding::Plain.encode(&record.key, &mut key);
    Err(Failure::input(format!("{reason}, which --literal cannot write; leave it out"))
        .at(format!("key {}", String::from_utf8_lossy(&key))))
}
