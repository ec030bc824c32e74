//! The store on native files: the engine, and two threads that do what goes on beside reads and
//! writes.

mod handle;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Weak};

use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::{
    Batch, Commit, CompactionPlan, CompactionReport, Durability, Options, Progress, Record,
    Retention, ScanOptions, SegmentStats, SnapshotReport, Stats,
};

use self::handle::Handle;
use crate::engine::{Engine, Listening};
use crate::native::{NativeOptions, NativeReader, NativeStorage, SystemHost};
use crate::whole::WriteSink;

type NativeEngine = Engine<NativeStorage, SystemHost>;

/// Records of a range in key order, consistent at one seq. It keeps what it reads, whatever is
/// written meanwhile.
pub type Scan = siltdb_core::Scan<NativeReader>;
/// Keys that differ between two moments, in key order.
pub type Diff = siltdb_core::Diff<NativeReader>;
/// Versions of a key, newest first.
pub type History = siltdb_core::History<NativeReader>;
/// Versions in the order of commits.
pub type Changes = siltdb_core::Changes<NativeReader>;
/// A consistent read handle at one seq.
pub type View = siltdb_core::View<NativeReader>;

const CLOSED: ErrorKind = ErrorKind::Invalid("the store is closed");

/// A store in a directory. Clones share it; any thread may use any of them, and none waits for
/// another's disk: readers take no part in writes, syncs or compaction, and writers that sync at
/// the same time share one sync.
///
/// The last one dropped closes the store; [`Store::close`] does so too and says how it went.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// A reference to a store that does not keep it open.
#[derive(Clone)]
pub struct WeakStore {
    handle: Weak<Handle>,
}

impl WeakStore {
    /// The store, if somebody still has it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Store> {
        self.handle.upgrade().map(|handle| Store { handle })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("last_seq", &self.last_seq()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, or creates one if the options say so.
    ///
    /// # Errors
    /// `NoStore` where there is none, or only files of others; `Locked` names who holds it;
    /// `Corrupt`, `Unsupported`, and what the system says.
    ///
    /// # Crash behaviour
    /// A crash while opening leaves a store that opens to the same state.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        options.validate()?;
        let native = NativeOptions { create: options.create, ..NativeOptions::default() };
        let storage = NativeStorage::open(dir, native)?;
        let handle = Handle::open(Engine::open(storage, SystemHost, options)?)?;
        Ok(Self { handle: Arc::new(handle) })
    }

    fn with<T>(&self, run: impl FnOnce(&NativeEngine) -> Result<T>) -> Result<T> {
        match self.handle.engine.load().as_ref() {
            Some(engine) => run(engine),
            None => Err(CLOSED.into()),
        }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// Damage; the system's failure; a key out of the limits.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with(|engine| engine.get(key))
    }

    /// Gives `read` the value of `key`, without a copy where files are mapped.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_with<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        self.with(|engine| engine.get_with(key, read))
    }

    /// The record of `key`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_record(&self, key: &[u8]) -> Result<Option<Record>> {
        self.with(|engine| engine.get_record(key))
    }

    /// The sequence number of the newest record of `key`, be it a delete or expired; 0 if none is
    /// known. Two calls that give the same enclose no write of the key, unless compaction forgot
    /// a delete.
    ///
    /// # Errors
    /// As [`Store::get`].
    #[cfg(feature = "server")]
    pub(crate) fn newest_seq(&self, key: &[u8]) -> Result<u64> {
        self.with(|engine| engine.newest_seq(key))
    }

    /// The record of `key` as of a past moment.
    ///
    /// # Errors
    /// `HistoryGone` when the moment is older than what is held; as [`Store::get`].
    pub fn get_as_of(&self, key: &[u8], seq: u64) -> Result<Option<Record>> {
        self.with(|engine| engine.get_as_of(key, seq))
    }

    /// Whether `key` has a live record.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        self.with(|engine| engine.get_with(key, |_| ())).map(|found| found.is_some())
    }

    /// Sets `key` to `value`, with the durability of the store's options.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn set(&self, key: &[u8], value: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.set(key, value);
        self.write(&batch, None)
    }

    /// Deletes `key`, with the durability of the store's options.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn delete(&self, key: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.delete(key);
        self.write(&batch, None)
    }

    /// Commits a batch, whole or not at all.
    ///
    /// # Errors
    /// `ConditionFailed`, and nothing is written; keys or values out of the limits; the system's
    /// failure, which stops writing until the store is opened again.
    ///
    /// # Crash behaviour
    /// A crash keeps the whole batch or nothing of it.
    pub fn write(&self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        self.with(|engine| engine.write(batch, durability))
    }

    /// As [`Store::write`], unless another thread is writing: then nothing is done, and there is no
    /// answer. It waits for the disk, and for nobody else.
    pub fn try_write(
        &self,
        batch: &Batch,
        durability: Option<Durability>,
    ) -> Option<Result<Commit>> {
        match self.handle.engine.load_full() {
            Some(engine) => engine.try_write(batch, durability),
            None => Some(Err(CLOSED.into())),
        }
    }

    /// Commits a batch without waiting for it: `done` is called with what [`Store::write`] would
    /// give, from another thread or from this one. It is short and does not use the store.
    ///
    /// Any number of commits may be under way; those that come together share one append and one
    /// sync.
    pub fn submit(
        &self,
        batch: Batch,
        durability: Option<Durability>,
        done: impl FnOnce(Result<Commit>) + Send + 'static,
    ) {
        let engine = self.handle.engine.load_full();
        match engine.ok_or(CLOSED.into()).and_then(|engine| {
            self.handle.start_committer(&engine)?;
            Ok(engine)
        }) {
            Ok(engine) => engine.submit(batch, durability, done),
            Err(e) => done(Err(e)),
        }
    }

    /// Calls `listen` with the last seq after each group of commits that readers see, until what
    /// this gives is dropped. It is short and does not use the store.
    ///
    /// # Errors
    /// The store is closed.
    pub fn on_commit(&self, listen: impl Fn(u64) + Send + Sync + 'static) -> Result<Listening> {
        self.with(|engine| Ok(engine.on_commit(listen)))
    }

    /// Makes all that was written before survive power loss; gives the last such seq.
    ///
    /// # Errors
    /// The system's failure, which stops writing until the store is opened again.
    pub fn sync(&self) -> Result<u64> {
        self.with(NativeEngine::sync)
    }

    /// The live records of a range, in key order, consistent at one moment.
    ///
    /// # Errors
    /// `HistoryGone`; damage; the system's failure.
    pub fn scan(&self, options: &ScanOptions) -> Result<Scan> {
        self.with(|engine| engine.scan(options))
    }

    /// How many live records a range has, exactly.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn count(&self, options: &ScanOptions) -> Result<u64> {
        self.with(|engine| engine.count(options))
    }

    /// How many live keys there are, as kept in memory: exact as long as no two live keys share a
    /// 64-bit hash and no expired record waits for compaction.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn len(&self) -> Result<u64> {
        self.with(NativeEngine::len)
    }

    /// Whether there is no live key.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn is_empty(&self) -> Result<bool> {
        self.with(NativeEngine::is_empty)
    }

    /// Every version of `key` that is still held, newest first, one value in memory at a time.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn history(&self, key: &[u8]) -> Result<History> {
        self.with(|engine| engine.history(key))
    }

    /// The keys of a range that differ between two moments, in key order.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn diff(&self, from: u64, to: u64, options: &ScanOptions) -> Result<Diff> {
        self.with(|engine| engine.diff(from, to, options))
    }

    /// Every version of the keys of a range that was committed after `since`, in the order of
    /// commits; versions of one batch share a seq. Of the options, the range and `keys_only` are
    /// looked at.
    ///
    /// # Errors
    /// `HistoryGone` when something committed after `since` may have been compacted away; as
    /// [`Store::view`].
    pub fn changes(&self, since: u64, options: &ScanOptions) -> Result<Changes> {
        self.with(|engine| engine.changes(since, options))
    }

    /// A view of the store as it is now. It reads without waiting for writers.
    ///
    /// # Errors
    /// The system's failure while the write buffer is written out.
    pub fn view(&self) -> Result<View> {
        self.with(NativeEngine::view)
    }

    /// A view of the store as of a moment.
    ///
    /// # Errors
    /// `HistoryGone` when the moment is older than what is held; as [`Store::view`].
    pub fn view_as_of(&self, seq: u64) -> Result<View> {
        self.with(|engine| engine.view_as_of(seq))
    }

    /// What [`Store::compact`] would do, in order. Changes nothing.
    ///
    /// # Errors
    /// Damage; the system's failure.
    pub fn compaction_plan(&self) -> Result<Vec<CompactionPlan>> {
        self.with(NativeEngine::compaction_plan)
    }

    /// Compacts everything that is worth it.
    ///
    /// # Errors
    /// Damage; the system's failure. Nothing is lost: the old segments stay until the new one is
    /// published.
    ///
    /// # Crash behaviour
    /// The store holds the old set of segments or the new one.
    pub fn compact(&self, progress: &mut dyn FnMut(Progress)) -> Result<CompactionReport> {
        self.with(|engine| engine.compact(progress))
    }

    /// Writes a consistent copy of the whole store, as it was at one moment after the call. Reads
    /// and writes go on meanwhile.
    ///
    /// # Errors
    /// Damage; the failure of `out` or of the system. What was written is then of no use.
    pub fn snapshot(
        &self,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SnapshotReport> {
        self.with(|engine| engine.snapshot(&mut WriteSink(out), progress))
    }

    /// Figures about the store.
    ///
    /// # Errors
    /// Damage or the system's failure.
    pub fn stats(&self) -> Result<Stats> {
        self.with(NativeEngine::stats)
    }

    /// Figures about every live segment, oldest first.
    ///
    /// # Errors
    /// The system's failure.
    pub fn segments(&self) -> Result<Vec<SegmentStats>> {
        self.with(NativeEngine::segments)
    }

    /// Which superseded versions compaction keeps.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.handle.engine.load().as_ref().map_or(Retention::Latest, |engine| engine.retention())
    }

    /// Changes which superseded versions compaction keeps, from now on.
    ///
    /// # Errors
    /// `Invalid`; the system's failure.
    pub fn set_retention(&self, retention: Retention) -> Result<()> {
        self.with(|engine| engine.set_retention(retention))
    }

    /// Last sequence number.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.handle.engine.load().as_ref().map_or(0, |engine| engine.last_seq())
    }

    /// The moment of the newest state: the clock, never behind the last commit. What expired since
    /// that commit is gone at this moment, as it is for reads of the newest state.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.handle.engine.load().as_ref().map_or(0, |engine| engine.now())
    }

    /// Last seq known to survive power loss.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.handle.engine.load().as_ref().map_or(0, |engine| engine.durable_seq())
    }

    /// Whether a write or sync failed, which stops writing until the store is opened again.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.handle.engine.load().as_ref().is_some_and(|engine| engine.is_poisoned())
    }

    /// A reference that does not keep the store open.
    #[must_use]
    pub fn downgrade(&self) -> WeakStore {
        WeakStore { handle: Arc::downgrade(&self.handle) }
    }

    /// Oldest moment that can be read.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.handle.engine.load().as_ref().map_or(0, |engine| engine.horizon())
    }

    /// Closes the store for all its clones: what was written is synced, and the next open is a
    /// quick one.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub fn close(self) -> Result<()> {
        self.handle.close()
    }
}
