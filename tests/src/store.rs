//! The store under test, and what the test programme asks of it beyond single calls.

use std::collections::BTreeMap;

use siltdb::engine::Engine;
use siltdb_core::error::{Error, Result};
use siltdb_core::host::Host;
use siltdb_core::stats::{SegmentStats, Stats};
use siltdb_core::storage::{FileId, Storage};
use siltdb_core::store::Store;
use siltdb_core::types::{Commit, Progress, Record, ScanOptions, Version};
use siltdb_core::view::{Diff, Scan, View};
use siltdb_core::{Batch, CompactionReport, Durability, Options, Retention, Sink, SnapshotReport};

use crate::sim::{SimHost, SimReader, SimStorage};

/// The store over a simulated disk: the single-owner engine, or the engine of threads driven by one.
///
/// Which one it is, is drawn at each open, so that either goes on with what the other left.
#[allow(clippy::large_enum_variant)]
pub enum SimStore {
    /// `siltdb_core::Store`.
    Single(Store<SimStorage, SimHost>),
    /// `siltdb::engine::Engine`, with the number of its writes so far.
    Shared(Engine<SimStorage, SimHost>, u32),
}

/// The same call of either engine.
macro_rules! either {
    ($store:ident, $it:ident => $call:expr) => {
        match $store {
            SimStore::Single($it) => $call,
            SimStore::Shared($it, _) => $call,
        }
    };
}

/// What both engines do, under their names.
#[allow(missing_docs, clippy::missing_errors_doc)]
impl SimStore {
    pub fn open(storage: SimStorage, host: SimHost, options: Options) -> Result<Self> {
        if host.random_u64().is_multiple_of(2) {
            return Self::open_single(storage, host, options);
        }
        Engine::open(storage, host, options).map(|engine| Self::Shared(engine, 0))
    }

    pub fn open_single(storage: SimStorage, host: SimHost, options: Options) -> Result<Self> {
        Store::open(storage, host, options).map(Self::Single)
    }

    pub fn close(self) -> Result<()> {
        either!(self, it => it.close())
    }

    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        either!(self, it => it.get(key))
    }

    pub fn get_with<T>(&mut self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        either!(self, it => it.get_with(key, read))
    }

    pub fn get_record(&mut self, key: &[u8]) -> Result<Option<Record>> {
        either!(self, it => it.get_record(key))
    }

    pub fn get_as_of(&mut self, key: &[u8], seq: u64) -> Result<Option<Record>> {
        either!(self, it => it.get_as_of(key, seq))
    }

    pub fn contains(&mut self, key: &[u8]) -> Result<bool> {
        self.get_with(key, |_| ()).map(|found| found.is_some())
    }

    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.set(key, value);
        self.write(&batch, None)
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.delete(key);
        self.write(&batch, None)
    }

    /// The engine of threads works in the background of some writes.
    pub fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        if let Self::Shared(engine, writes) = self {
            *writes += 1;
            if *writes % 4 == 0 && !engine.is_poisoned() {
                engine.work()?;
            }
        }
        either!(self, it => it.write(batch, durability))
    }

    pub fn sync(&mut self) -> Result<u64> {
        either!(self, it => it.sync())
    }

    pub fn scan(&mut self, options: &ScanOptions) -> Result<Scan<SimReader>> {
        either!(self, it => it.scan(options))
    }

    pub fn count(&mut self, options: &ScanOptions) -> Result<u64> {
        either!(self, it => it.count(options))
    }

    pub fn len(&mut self) -> Result<u64> {
        either!(self, it => it.len())
    }

    pub fn is_empty(&mut self) -> Result<bool> {
        either!(self, it => it.is_empty())
    }

    pub fn history(&mut self, key: &[u8]) -> Result<Vec<Version>> {
        either!(self, it => it.history(key))
    }

    pub fn diff(&mut self, from: u64, to: u64, options: &ScanOptions) -> Result<Diff<SimReader>> {
        either!(self, it => it.diff(from, to, options))
    }

    pub fn view(&mut self) -> Result<SimView> {
        either!(self, it => it.view())
    }

    pub fn view_as_of(&mut self, seq: u64) -> Result<SimView> {
        either!(self, it => it.view_as_of(seq))
    }

    pub fn tick(&mut self) -> Result<()> {
        match self {
            Self::Single(store) => store.tick(),
            Self::Shared(engine, _) => engine.tick().and_then(|()| engine.work()).map(|_| ()),
        }
    }

    pub fn seal(&mut self) -> Result<()> {
        match self {
            Self::Single(store) => store.seal(),
            Self::Shared(engine, _) => engine.seal_all(),
        }
    }

    pub fn compact(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<CompactionReport> {
        either!(self, it => it.compact(progress))
    }

    pub fn compact_step(&mut self, budget_bytes: u64) -> Result<bool> {
        match self {
            Self::Single(store) => store.compact_step(budget_bytes),
            Self::Shared(engine, _) if engine.is_poisoned() => Err(Error::Poisoned),
            Self::Shared(engine, _) => engine.work(),
        }
    }

    pub fn load_index(&mut self, budget_records: u64) -> Result<bool> {
        either!(self, it => it.load_index(budget_records))
    }

    pub fn retention(&self) -> Retention {
        either!(self, it => it.retention())
    }

    pub fn set_retention(&mut self, retention: Retention) -> Result<()> {
        either!(self, it => it.set_retention(retention))
    }

    pub fn stats(&mut self) -> Result<Stats> {
        either!(self, it => it.stats())
    }

    pub fn segments(&mut self) -> Result<Vec<SegmentStats>> {
        either!(self, it => it.segments())
    }

    pub fn snapshot(
        &mut self,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SnapshotReport> {
        either!(self, it => it.snapshot(sink, progress))
    }

    pub fn last_seq(&self) -> u64 {
        either!(self, it => it.last_seq())
    }

    pub fn horizon(&self) -> u64 {
        either!(self, it => it.horizon())
    }

    pub fn is_poisoned(&self) -> bool {
        either!(self, it => it.is_poisoned())
    }

    pub fn buffered_bytes(&self) -> usize {
        either!(self, it => it.buffered_bytes())
    }

    pub fn storage(&self) -> &SimStorage {
        either!(self, it => it.storage())
    }
}

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
