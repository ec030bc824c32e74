//! The store under test, and what the test programme asks of it beyond single calls.

use std::collections::BTreeMap;

use siltdb_core::error::{Error, Result};
use siltdb_core::stats::{SegmentStats, Stats};
use siltdb_core::storage::{FileId, Storage};
use siltdb_core::store::Store;
use siltdb_core::types::{Record, ScanOptions};
use siltdb_core::view::View;

use crate::sim::{SimHost, SimReader, SimStorage};

/// The single-owner store over a simulated disk.
pub type SimStore = Store<SimStorage, SimHost>;

/// A view of it.
pub type SimView = View<SimReader>;

/// All records of a scan.
///
/// # Errors
/// What the store says.
pub fn scan(store: &mut SimStore, options: &ScanOptions) -> Result<Vec<Record>> {
    store.scan(options)?.collect()
}

/// The segment that writes go to, if any.
///
/// # Errors
/// What the store says.
pub fn active_segment(store: &mut SimStore) -> Result<Option<FileId>> {
    let segments = store.segments()?;
    let active = segments.iter().find(|segment| segment.state == "active");
    Ok(active.map(|segment| FileId::segment(segment.number)))
}

/// A copy of the whole store as one file, and the sequence number it is of.
///
/// # Errors
/// What the store says.
pub fn snapshot(store: &mut SimStore) -> Result<(u64, Vec<u8>)> {
    let mut bytes = Vec::new();
    let report = store.snapshot(&mut bytes, &mut |_| {})?;
    if report.bytes != bytes.len() as u64 {
        return Err(Error::Invalid("a snapshot says another length than it has"));
    }
    Ok((report.seq, bytes))
}

/// Makes a store of a copy on an empty storage.
///
/// # Errors
/// What the store says.
pub fn restore(storage: &SimStorage, mut snapshot: &[u8]) -> Result<()> {
    siltdb_core::restore(storage, &mut snapshot, &mut |_| {}).map(|_| ())
}

/// Verifies all files and gives those that are damaged.
///
/// # Errors
/// The verification itself failed.
pub fn verify(storage: &SimStorage) -> Result<Vec<FileId>> {
    let report = siltdb_core::check(storage, &mut |_| {})?;
    Ok(report.problems.into_iter().map(|problem| problem.file).collect())
}

/// What is inconsistent in the store's own figures.
///
/// # Errors
/// What the store says.
pub fn figures_fault(store: &mut SimStore) -> Result<Option<String>> {
    let (len, stats, segments) = (store.len()?, store.stats()?, store.segments()?);
    let mut files = BTreeMap::new();
    store.storage().list(&mut |id, len| {
        files.insert(id, len);
    })?;
    Ok(fault_of(len, &stats, &segments, &files).map(|what| format!("{what}: {stats:?}")))
}

/// What does not fit together; `files` are those of the storage.
fn fault_of(
    len: u64,
    stats: &Stats,
    segments: &[SegmentStats],
    files: &BTreeMap<FileId, u64>,
) -> Option<&'static str> {
    let sum = |of: fn(&SegmentStats) -> u64| segments.iter().map(of).sum::<u64>();
    let file_len = |s: &SegmentStats| files.get(&FileId::segment(s.number)).copied();
    let fits = |s: &SegmentStats| {
        s.tombstones <= s.records
            && s.payload_bytes <= s.data_bytes
            && s.data_bytes <= s.file_bytes
            && s.min_seq <= s.max_seq
            && s.first_key <= s.last_key
    };
    let filled: Vec<_> = segments.iter().filter(|s| s.records > 0).collect();
    let faults = [
        (stats.keys != len, "keys differ from len"),
        (stats.keys > stats.records, "more keys than records"),
        (stats.segments != segments.len() as u64, "number of segments"),
        (stats.records != sum(|s| s.records), "sum of records"),
        (stats.file_bytes != sum(|s| s.file_bytes), "sum of file bytes"),
        (stats.payload_bytes != sum(|s| s.payload_bytes), "sum of payload bytes"),
        (stats.dead_bytes != sum(|s| s.dead_bytes), "sum of dead bytes"),
        (stats.durable_seq > stats.last_seq, "durable beyond the last seq"),
        (!segments.iter().all(fits), "a segment's figures"),
        (!segments.iter().all(|s| file_len(s) >= Some(s.file_bytes)), "a file is shorter"),
        (!filled.windows(2).all(|w| w[0].max_seq < w[1].min_seq), "ranges of seq overlap"),
        (segments.iter().any(|s| s.max_seq > stats.last_seq), "a seq beyond the last one"),
    ];
    faults.into_iter().find(|(fault, _)| *fault).map(|(_, what)| what)
}
