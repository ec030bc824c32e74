//! `silt salvage`.

use std::path::PathBuf;

use clap::Args;
use siltdb::SalvageReport;
use siltdb_core::error::{Error, ErrorKind};

use super::Context;
use super::progress::Bar;
use crate::numbers::{bytes_text, count_text, counted};
use crate::output::{EXIT_IO, Failure, Outcome, Run, file_path};
use crate::text::Encoding;
use crate::time;

/// Make a new store of what can still be read of a damaged one; exit code 1 if something is lost
///
/// The damaged store is not changed. Every record that stands whole in it is saved with its
/// history, and every place that cannot be read is named.
#[derive(Debug, Args)]
pub struct Salvage {
    /// Directory of the damaged store.
    source: PathBuf,
    /// Directory of the new store: absent or empty.
    target: PathBuf,
}

#[derive(serde::Serialize)]
struct DamageLine {
    file: String,
    offset: u64,
    bytes: u64,
}

#[derive(serde::Serialize)]
struct ReportLine {
    records: u64,
    segments: u64,
    seq: u64,
    manifest: bool,
    damaged_places: u64,
    lost_records: u64,
    parted_batches: u64,
    torn_bytes: u64,
}

impl Salvage {
    /// Saves what there is.
    pub fn run(self, context: &Context) -> Run {
        let bar = Bar::bytes("salvaging", None);
        let mut show = |progress| bar.show(&progress);
        let report = siltdb::salvage(&self.source, &self.target, &mut show);
        drop(bar);
        let report = report.map_err(|error| self.failure(&error))?;
        self.print(context, &report)?;
        Ok(if report.is_whole() { Outcome::Done } else { Outcome::Found })
    }

    /// What cannot be written names the new store, as the damaged one is only read.
    fn failure(&self, error: &Error) -> Failure {
        const WRITES: [&str; 5] = ["create", "append", "sync", "publish", "remove"];
        match error.kind() {
            ErrorKind::NotEmpty => Failure::new(
                EXIT_IO,
                error.code(),
                "the directory is not empty; name one that is, or one that is not there yet",
            )
            .at(self.target.display().to_string()),
            ErrorKind::Storage(e) if WRITES.contains(&e.op) => Failure::store(&self.target, error),
            _ => Failure::store(&self.source, error),
        }
    }

    fn print(&self, context: &Context, report: &SalvageReport) -> Run<()> {
        let mut out = context.out(Encoding::Plain);
        for damage in &report.damage {
            let file = file_path(&self.source, damage.file).display().to_string();
            let (offset, bytes) = (damage.offset, damage.len);
            if context.json {
                out.value(&DamageLine { file, offset, bytes })?;
            } else {
                out.line(&format!("{file}: {} at byte {offset} are lost", bytes_text(bytes)))?;
            }
        }
        if context.json {
            out.value(&ReportLine {
                records: report.records,
                segments: report.segments,
                seq: report.last_seq,
                manifest: report.manifest,
                damaged_places: report.damage.len() as u64,
                lost_records: report.lost_records,
                parted_batches: report.parted_batches,
                torn_bytes: report.torn_bytes,
            })?;
        } else {
            for line in lines(report) {
                out.line(&line)?;
            }
        }
        out.finish()
    }
}

/// The report for people.
fn lines(report: &SalvageReport) -> Vec<String> {
    let mut lines = vec![format!(
        "saved {} of {}, up to {} (seq {})",
        counted(report.records, "record"),
        counted(report.segments, "segment"),
        time::rfc3339(report.last_seq),
        report.last_seq
    )];
    if report.torn_bytes > 0 {
        let torn = bytes_text(report.torn_bytes);
        lines.push(format!("left out {torn} of a write that a stop had cut: no loss"));
    }
    if report.lost_records > 0 {
        let lost = counted(report.lost_records, "record");
        lines.push(format!("lost {lost} that sealed segments had counted"));
    }
    if report.parted_batches > 0 {
        let batches = match report.parted_batches {
            1 => String::from("1 batch"),
            more => format!("{} batches", count_text(more)),
        };
        lines.push(format!("saved a part only of {batches}"));
    }
    if !report.manifest {
        lines.push(String::from(
            "the newest manifest could not be read: history starts now, and deleted keys may be \
             back; rule of retention: 'silt retain'",
        ));
    }
    if report.is_whole() {
        lines.push(String::from("nothing is lost"));
    }
    lines
}
