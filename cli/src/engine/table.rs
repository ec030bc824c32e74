//! The live segments, as readers see them: swapped whole, never changed in place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use siltdb_core::changes::Source;
use siltdb_core::error::Result;
use siltdb_core::format::{LogHead, SegmentHeader};
use siltdb_core::index::Location;
use siltdb_core::log::LogWriter;
use siltdb_core::memtable::{Memtable, Run};
use siltdb_core::options::Retention;
use siltdb_core::sealed::{Part, Sealed};
use siltdb_core::segment_file::SegmentFile;
use siltdb_core::storage::Storage;
use siltdb_core::view::Held;

use super::lock::lock;

/// A segment of the log: the one being appended to, or one that waits to be sealed.
pub(super) struct LogSegment<S: Storage> {
    pub(super) file: Arc<SegmentFile<S::Reader>>,
    pub(super) header: SegmentHeader,
    /// `None` after a clean close until the first write, and once it is sealed.
    pub(super) writer: Mutex<Option<LogWriter<S::Appender>>>,
    pub(super) memtable: Mutex<Memtable>,
    /// Held by whoever orders the memtable, beside its own lock.
    ordering: Mutex<()>,
    pub(super) payload_bytes: AtomicU64,
    rolled: OnceLock<Rolled>,
}

/// What is known of a segment once it is rolled.
pub(super) struct Rolled {
    /// The segment that the log goes on in.
    pub(super) next: LogHead,
    /// Superseded bytes of it and of each older segment by number, when it was rolled: by records
    /// that are sealed when it is.
    pub(super) dead: Vec<(u64, u64)>,
}

impl<S: Storage> LogSegment<S> {
    pub(super) fn new(
        file: Arc<SegmentFile<S::Reader>>,
        header: SegmentHeader,
        writer: Option<LogWriter<S::Appender>>,
        memtable: Memtable,
        payload_bytes: u64,
    ) -> Self {
        Self {
            file,
            header,
            writer: Mutex::new(writer),
            memtable: Mutex::new(memtable),
            ordering: Mutex::new(()),
            payload_bytes: AtomicU64::new(payload_bytes),
            rolled: OnceLock::new(),
        }
    }

    /// Makes what was appended survive power loss. `true` if that took a sync.
    pub(super) fn sync(&self) -> Result<bool> {
        match lock(&self.writer).as_mut() {
            Some(writer) if !writer.is_durable() => writer.sync().map(|()| true),
            _ => Ok(false),
        }
    }

    /// The records in order, in runs, oldest first. Writers wait only while pointers are copied.
    pub(super) fn runs(&self) -> Vec<Arc<Run>> {
        let ordering = lock(&self.ordering);
        let mut memtable = lock(&self.memtable);
        if !memtable.is_unordered() {
            return memtable.runs().to_vec();
        }
        let mut fork = memtable.fork();
        drop(memtable);
        let runs = fork.order().to_vec();
        lock(&self.memtable).install(&fork);
        drop(ordering);
        runs
    }

    /// The records in order, as one run.
    pub(super) fn run(&self) -> Arc<Run> {
        let ordering = lock(&self.ordering);
        let mut fork = lock(&self.memtable).fork();
        let run = fork.order_fully();
        lock(&self.memtable).install(&fork);
        drop(ordering);
        run
    }

    pub(super) fn payload_bytes(&self) -> u64 {
        self.payload_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn rolled(&self) -> Option<&Rolled> {
        self.rolled.get()
    }

    pub(super) fn roll(&self, rolled: Rolled) {
        // Only the holder of the log rolls, and rolls a segment once.
        let _ = self.rolled.set(rolled);
    }
}

/// The live segments and what holds for reads of them.
pub(super) struct Table<S: Storage> {
    /// Oldest first.
    pub(super) sealed: Vec<Arc<Sealed<S::Reader>>>,
    /// Newer than the sealed ones, oldest first.
    pub(super) logs: Vec<Arc<LogSegment<S>>>,
    /// Every file that a slot of the index may name, by the low bits of its number.
    pub(super) files: HashMap<u32, Arc<SegmentFile<S::Reader>>, foldhash::fast::RandomState>,
    pub(super) horizon: u64,
    pub(super) retention: Retention,
}

impl<S: Storage> Clone for Table<S> {
    fn clone(&self) -> Self {
        Self {
            sealed: self.sealed.clone(),
            logs: self.logs.clone(),
            files: self.files.clone(),
            horizon: self.horizon,
            retention: self.retention,
        }
    }
}

impl<S: Storage> Table<S> {
    pub(super) fn add_file(&mut self, file: &Arc<SegmentFile<S::Reader>>) {
        self.files.insert(Location::segment_id(file.number), Arc::clone(file));
    }

    /// Counts the bytes of a record whose slot was taken over.
    pub(super) fn supersede(&self, before: Location) {
        if let Some(file) = self.files.get(&before.segment()) {
            file.add_dead(before.len_max());
        }
    }

    /// The largest sequence number that is sealed: compaction drops nothing because of a later
    /// one.
    pub(super) fn sealed_seq(&self) -> u64 {
        self.sealed.iter().map(|sealed| sealed.numbers().max_seq).max().unwrap_or(0)
    }

    pub(super) fn held(&self) -> Held {
        let versions = match self.retention {
            Retention::Versions { count } => count,
            _ => 0,
        };
        Held { horizon: self.horizon, versions }
    }

    /// Where what is newer than `since` is read from, newest first.
    pub(super) fn changes(&self, since: u64) -> Vec<Source<S::Reader>> {
        let logs = self.logs.iter().rev();
        let logs = logs.map(|log| Source::log(&log.file, &lock(&log.memtable), since));
        let sealed = self.sealed.iter().rev();
        logs.chain(sealed.map(|sealed| Source::Sealed(Arc::clone(sealed)))).collect()
    }

    /// The parts of a view, newest first.
    pub(super) fn parts(&self) -> Vec<Part<S::Reader>> {
        let mut parts = Vec::with_capacity(self.sealed.len() + self.logs.len());
        for log in self.logs.iter().rev() {
            let runs = log.runs();
            parts.extend(runs.into_iter().rev().map(|run| Part::Run(Arc::clone(&log.file), run)));
        }
        parts.extend(self.sealed.iter().rev().map(|sealed| Part::Sealed(Arc::clone(sealed))));
        parts
    }
}
