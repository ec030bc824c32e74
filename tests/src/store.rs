//! The stores under test, and what the test programme asks of them beyond single calls.

use std::collections::BTreeMap;

use siltdb::engine::Engine;
use siltdb_core::batch::Batch;
use siltdb_core::error::{ErrorKind, Result, StorageError};
use siltdb_core::host::Host;
use siltdb_core::options::{Durability, Options, Retention};
use siltdb_core::snapshot::Sink;
use siltdb_core::stats::{SegmentStats, Stats};
use siltdb_core::storage::{FileId, Storage};
use siltdb_core::store::Store;
use siltdb_core::types::{Change, Commit, Record, ScanOptions, Version};
use siltdb_core::view::View;

use crate::sim::{SimHost, SimReader, SimStorage};

/// Which store is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The store of one owner, which does all its work in its calls.
    Single,
    /// The engine of many threads. The test is its threads: it takes their steps in turn with
    /// everything else.
    Threads,
    /// Drawn at each open, so that either goes on with what the other left.
    Drawn,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Single, Kind::Threads, Kind::Drawn];
}

/// A store under test, over a simulated disk.
pub enum SimStore {
    /// See [`Kind::Single`].
    Single(Store<SimStorage, SimHost>),
    /// See [`Kind::Threads`].
    Threads(Threads),
}

/// A view of it.
pub type SimView = View<SimReader>;

/// The engine with what a test must know of it.
pub struct Threads {
    engine: Engine<SimStorage, SimHost>,
    storage: SimStorage,
    writes: u64,
}

/// The same call of either.
macro_rules! either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Single($store) => $call,
            Self::Threads(Threads { engine: $store, .. }) => $call,
        }
    };
}

/// Throws away what it is given.
struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::result::Result<(), StorageError> {
        Ok(())
    }
}

impl Threads {
    fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        let result = self.engine.write(batch, durability);
        self.writes += 1;
        if self.writes.is_multiple_of(2) {
            // The worker's failures show in the calls that follow.
            let _ = self.engine.work();
        }
        result
    }
}

/// The calls of a store; each says what the store says.
#[allow(clippy::missing_errors_doc, missing_docs)]
impl SimStore {
    pub fn open(kind: Kind, storage: SimStorage, host: SimHost, options: Options) -> Result<Self> {
        let drawn = kind == Kind::Drawn && host.random_u64().is_multiple_of(2);
        if kind == Kind::Single || drawn {
            return Store::open(storage, host, options).map(Self::Single);
        }
        let engine = Engine::open(storage.clone(), host, options)?;
        Ok(Self::Threads(Threads { engine, storage, writes: 0 }))
    }

    pub fn close(self) -> Result<()> {
        either!(self, store => store.close())
    }

    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        either!(self, store => store.get(key))
    }

    pub fn get_record(&mut self, key: &[u8]) -> Result<Option<Record>> {
        either!(self, store => store.get_record(key))
    }

    pub fn get_with<T>(&mut self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        either!(self, store => store.get_with(key, read))
    }

    pub fn contains(&mut self, key: &[u8]) -> Result<bool> {
        match self {
            Self::Single(store) => store.contains(key),
            Self::Threads(threads) => Ok(threads.engine.get_with(key, |_| ())?.is_some()),
        }
    }

    pub fn get_as_of(&mut self, key: &[u8], seq: u64) -> Result<Option<Record>> {
        either!(self, store => store.get_as_of(key, seq))
    }

    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Commit> {
        match self {
            Self::Single(store) => store.set(key, value),
            Self::Threads(threads) => threads.write(Batch::new().set(key, value), None),
        }
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<Commit> {
        match self {
            Self::Single(store) => store.delete(key),
            Self::Threads(threads) => threads.write(Batch::new().delete(key), None),
        }
    }

    pub fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        match self {
            Self::Single(store) => store.write(batch, durability),
            Self::Threads(threads) => threads.write(batch, durability),
        }
    }

    /// The sequence number that the next commit must get.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        match self {
            Self::Single(store) => {
                store.host().now_us().max(store.last_seq() + 1).max(store.horizon())
            }
            Self::Threads(threads) => threads.engine.upcoming_seq(),
        }
    }

    pub fn sync(&mut self) -> Result<u64> {
        either!(self, store => store.sync())
    }

    pub fn scan(&mut self, options: &ScanOptions) -> Result<Vec<Record>> {
        either!(self, store => store.scan(options)?.collect())
    }

    pub fn count(&mut self, options: &ScanOptions) -> Result<u64> {
        either!(self, store => store.count(options))
    }

    #[allow(clippy::len_without_is_empty)]
    pub fn len(&mut self) -> Result<u64> {
        either!(self, store => store.len())
    }

    pub fn history(&mut self, key: &[u8]) -> Result<Vec<Version>> {
        either!(self, store => store.history(key)?.collect())
    }

    pub fn diff(&mut self, from: u64, to: u64, options: &ScanOptions) -> Result<Vec<Change>> {
        either!(self, store => store.diff(from, to, options)?.collect())
    }

    pub fn view(&mut self) -> Result<SimView> {
        either!(self, store => store.view())
    }

    pub fn view_as_of(&mut self, seq: u64) -> Result<SimView> {
        either!(self, store => store.view_as_of(seq))
    }

    pub fn tick(&mut self) -> Result<()> {
        match self {
            Self::Single(store) => store.tick(),
            Self::Threads(threads) => {
                threads.engine.tick()?;
                threads.engine.work().map(drop)
            }
        }
    }

    pub fn seal(&mut self) -> Result<()> {
        match self {
            Self::Single(store) => store.seal(),
            // A snapshot seals first.
            Self::Threads(threads) => threads.engine.snapshot(&mut Nowhere, &mut |_| {}).map(drop),
        }
    }

    pub fn compact(&mut self) -> Result<()> {
        either!(self, store => store.compact(&mut |_| {}).map(drop))
    }

    pub fn compact_step(&mut self, bytes: u64) -> Result<()> {
        match self {
            Self::Single(store) => store.compact_step(bytes).map(drop),
            Self::Threads(threads) => threads.engine.work().map(drop),
        }
    }

    pub fn load_index(&mut self, records: u64) -> Result<()> {
        match self {
            Self::Single(store) => store.load_index(records).map(drop),
            Self::Threads(threads) => threads.engine.work().map(drop),
        }
    }

    #[must_use]
    pub fn last_seq(&self) -> u64 {
        either!(self, store => store.last_seq())
    }

    #[must_use]
    pub fn horizon(&self) -> u64 {
        either!(self, store => store.horizon())
    }

    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        either!(self, store => store.is_poisoned())
    }

    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        either!(self, store => store.buffered_bytes())
    }

    #[must_use]
    pub fn retention(&self) -> Retention {
        either!(self, store => store.retention())
    }

    pub fn set_retention(&mut self, retention: Retention) -> Result<()> {
        either!(self, store => store.set_retention(retention))
    }

    pub fn stats(&mut self) -> Result<Stats> {
        either!(self, store => store.stats())
    }

    pub fn segments(&mut self) -> Result<Vec<SegmentStats>> {
        either!(self, store => store.segments())
    }

    #[must_use]
    pub fn storage(&self) -> &SimStorage {
        match self {
            Self::Single(store) => store.storage(),
            Self::Threads(threads) => &threads.storage,
        }
    }

    /// A copy of the whole store as one file, and the sequence number it is of.
    pub fn snapshot(&mut self) -> Result<(u64, Vec<u8>)> {
        let mut bytes = Vec::new();
        let report = either!(self, store => store.snapshot(&mut bytes, &mut |_| {}))?;
        if report.bytes != bytes.len() as u64 {
            return Err(ErrorKind::Invalid("a snapshot says another length than it has").into());
        }
        Ok((report.seq, bytes))
    }

    /// The segment that writes go to, if any.
    pub fn active_segment(&mut self) -> Result<Option<FileId>> {
        let segments = self.segments()?;
        let active = segments.iter().find(|segment| segment.state == "active");
        Ok(active.map(|segment| FileId::segment(segment.number)))
    }
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
