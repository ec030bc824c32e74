//! `silt snapshot`.

use std::path::PathBuf;

use clap::Args;
use siltdb::SnapshotReport;

use super::Context;
use super::progress::Bar;
use super::target::Target;
use crate::numbers::{bytes_text, counted};
use crate::output::{self, Failure, Out, Outcome, Run};
use crate::text::Encoding;
use crate::time;

/// Write a consistent copy of the whole store into one file
#[derive(Debug, Args)]
pub struct Snapshot {
    /// The file, usually NAME.silt; '-' for stdout.
    file: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

#[derive(serde::Serialize)]
struct Line {
    seq: u64,
    bytes: u64,
    segments: u64,
    records: u64,
    crc: String,
}

impl Snapshot {
    /// Writes the copy under a temporary name, and gives it its own once it is whole.
    pub fn run(self, context: &Context) -> Run {
        let store = context.open_to_read()?;
        let to_stdout = self.file.as_os_str() == "-";
        let mut target =
            if to_stdout { Target::stdout(true)? } else { Target::create(&self.file, self.force)? };
        let bar = Bar::bytes("copying", None);
        let written = store.snapshot(&mut target, &mut |progress| bar.show(&progress));
        drop(bar);
        let report = match written {
            Ok(report) => report,
            // A reader that went away ends a stream quietly; the store has no such word.
            Err(_) if to_stdout && target.is_broken() => return Ok(Outcome::Done),
            Err(failure) => return Err(target_failure(&target, failure)),
        };
        target.finish()?;
        if to_stdout {
            output::note(&report_text("copied", &report));
            return Ok(Outcome::Done);
        }
        print_report(context, "copied", &report)
    }
}

/// A failure to write names the file; any other is the store's.
fn target_failure(target: &Target, failure: Failure) -> Failure {
    if target.has_failed() { failure.at(&target.name) } else { failure }
}

fn report_text(verb: &str, report: &SnapshotReport) -> String {
    format!(
        "{verb} {} in {}, {}, as of {} (seq {}), crc {:08x}",
        counted(report.records, "record"),
        counted(report.segments, "segment"),
        bytes_text(report.bytes),
        time::rfc3339(report.seq),
        report.seq,
        report.crc
    )
}

/// Prints what a snapshot holds.
pub fn print_report(context: &Context, verb: &str, report: &SnapshotReport) -> Run {
    let mut out: Out = context.out(Encoding::Plain);
    if context.json {
        out.value(&Line {
            seq: report.seq,
            bytes: report.bytes,
            segments: report.segments,
            records: report.records,
            crc: format!("{:08x}", report.crc),
        })?;
    } else {
        out.line(&report_text(verb, report))?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}
