//! `silt stats`.

use std::io::Write as _;

use clap::Args;
use data_encoding::HEXLOWER;
use siltdb::json::{SegmentForm, StatsForm, rule_text};
use siltdb::{SegmentStats, Stats as StoreStats};

use super::Context;
use crate::numbers::{bytes_text, count_text};
use crate::output::{Out, Outcome, Run};
use crate::text::Encoding;
use crate::time;

/// Show what the store holds and takes
///
/// A key that has expired is among the keys until compaction drops it; 'silt count' is exact.
#[derive(Debug, Args)]
pub struct Stats {
    /// One line a segment, oldest first.
    #[arg(long)]
    segments: bool,
}

impl Stats {
    /// Prints one table, or one JSON line a store or segment.
    pub fn run(self, context: &Context) -> Run {
        let store = context.open_to_read()?;
        let mut out = context.out(Encoding::Plain);
        if self.segments {
            let segments = store.segments()?;
            if context.json {
                for segment in segments {
                    out.value(&SegmentForm::from(segment))?;
                }
            } else {
                segment_table(&segments, &mut out)?;
            }
        } else {
            let stats = store.stats()?;
            if context.json {
                out.value(&StatsForm::from(stats))?;
            } else {
                let segments = store.segments()?;
                stats_table(&stats, &segments, &mut out)?;
            }
        }
        out.finish()?;
        Ok(Outcome::Done)
    }
}

fn moment_text(seq: u64) -> String {
    if seq == 0 { String::from("none yet") } else { format!("{} (seq {seq})", time::rfc3339(seq)) }
}

/// From which moment on the store can be read.
fn readable_text(horizon: u64, segments: &[SegmentStats]) -> String {
    let oldest = segments.iter().filter(|s| s.records > 0).map(|s| s.min_seq).min();
    match (horizon, oldest) {
        (0, Some(oldest)) => format!("the beginning: {}", moment_text(oldest)),
        (0, None) => String::from("the beginning"),
        _ => moment_text(horizon),
    }
}

fn stats_table(stats: &StoreStats, segments: &[SegmentStats], out: &mut Out) -> Run<()> {
    let rows = [
        ("store id", HEXLOWER.encode(&stats.store_id)),
        ("keys", count_text(stats.keys)),
        ("records held", count_text(stats.records)),
        ("segments", count_text(stats.segments)),
        ("files", bytes_text(stats.file_bytes)),
        ("keys and values", bytes_text(stats.payload_bytes)),
        ("live", bytes_text(stats.live_bytes)),
        ("dead", bytes_text(stats.dead_bytes)),
        ("retention", rule_text(stats.retention)),
        ("last write", moment_text(stats.last_seq)),
        ("durable up to", moment_text(stats.durable_seq)),
        ("readable since", readable_text(stats.horizon, segments)),
        ("index memory", bytes_text(stats.index_bytes)),
        ("memtable memory", bytes_text(stats.memtable_bytes)),
        ("cache memory", bytes_text(stats.cache_bytes)),
        ("manifest", stats.manifest.to_string()),
    ];
    for (name, value) in rows {
        out.line(&format!("{name:<16} {value}"))?;
    }
    Ok(())
}

fn segment_table(segments: &[SegmentStats], out: &mut Out) -> Run<()> {
    out.line(&format!(
        "{:>8}  {:<8}  {:>10}  {:>10}  {:>10}  {:>10}  {:>12}  {:>10}  {:<27}  {:<27}  keys",
        "segment",
        "state",
        "file",
        "payload",
        "dead",
        "expired",
        "records",
        "tombstones",
        "oldest",
        "newest"
    ))?;
    for s in segments {
        out.fill(|line, encoding| {
            // Writing to memory cannot fail.
            let _ = write!(
                line,
                "{:>8}  {:<8}  {:>10}  {:>10}  {:>10}  {:>10}  {:>12}  {:>10}  {:<27}  {:<27}  ",
                s.number,
                s.state,
                bytes_text(s.file_bytes),
                bytes_text(s.payload_bytes),
                bytes_text(s.dead_bytes),
                bytes_text(s.expired_bytes),
                count_text(s.records),
                count_text(s.tombstones),
                if s.records == 0 { String::new() } else { time::rfc3339(s.min_seq) },
                if s.records == 0 { String::new() } else { time::rfc3339(s.max_seq) },
            );
            encoding.encode(&s.first_key, line);
            line.extend_from_slice(b" .. ");
            encoding.encode(&s.last_key, line);
        })?;
    }
    Ok(())
}
