//! The single-owner store: every part in a row, synchronous, over any storage.

mod compact;
mod files;
mod maintain;
mod read;
mod snapshot;
mod write;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use compact::FullCompaction;
use files::Files;

use crate::buffer::WriteBuffer;
use crate::cache::ValueCache;
use crate::compaction::{Compaction, Planner};
use crate::error::Result;
use crate::format::{Manifest, SegmentHeader};
use crate::host::Host;
use crate::index::{Index, KeyHasher};
use crate::indexing::{self, Loader};
use crate::log::LogWriter;
use crate::memtable::Memtable;
use crate::options::Options;
use crate::recovery::{self, RecoveryReport};
use crate::sealed::Sealed;
use crate::segment_file::SegmentFile;
use crate::storage::Storage;

/// The log segment that is not sealed.
struct Active<S: Storage> {
    file: Arc<SegmentFile<S::Reader>>,
    header: SegmentHeader,
    /// `None` after a clean close until the first write.
    writer: Option<LogWriter<S::Appender>>,
    memtable: Memtable,
    len: u64,
    payload_bytes: u64,
}

/// Counters since the open.
#[derive(Debug, Default)]
struct Counters {
    commits: u64,
    groups: u64,
    syncs: u64,
    bytes_appended: u64,
    bytes_compacted: u64,
    identical_skipped: u64,
}

/// A store with one owner. Dropping it without [`Store::close`] is an unclean stop.
pub struct Store<S: Storage, H: Host> {
    storage: S,
    host: H,
    options: Options,
    hasher: KeyHasher,
    manifest: Manifest,
    number_max: u64,
    /// Oldest first.
    sealed: Vec<Arc<Sealed<S::Reader>>>,
    active: Option<Active<S>>,
    /// Every live file by the low bits of its number, as slots name it.
    files: Files<S::Reader>,
    index: Index,
    loader: Loader<S::Reader>,
    buffer: WriteBuffer,
    cache: ValueCache,
    compaction: Option<Compaction<S>>,
    /// A finished compaction that the index is still to learn of.
    installing: Option<Box<compact::Installing<S>>>,
    planner: Planner,
    /// Replaced segments that a view may still read; removed when the last one is dropped.
    retired: Vec<Arc<Sealed<S::Reader>>>,
    last_seq: u64,
    durable_seq: u64,
    /// When the oldest write that is not synced was made, in microseconds since 1970.
    unsynced_since: Option<u64>,
    poisoned: bool,
    /// Whether automatic compaction has something to do or to look for.
    compaction_due: bool,
    /// Last commit that automatic compaction was chosen after while nobody waited.
    idle_at: u64,
    counters: Counters,
    recovery: RecoveryReport,
}

impl<S: Storage, H: Host> Store<S, H> {
    /// Opens the store in `storage`, or creates one.
    ///
    /// Reads are right at once; call [`Store::load_index`] to load the hash index, which
    /// reads and writes also do step by step.
    ///
    /// # Errors
    /// `Invalid` options; `NoStore`; `Corrupt`; `Unsupported`; the storage's failure.
    ///
    /// # Crash behaviour
    /// A crash while opening leaves a store that opens to the same state.
    pub fn open(storage: S, host: H, options: Options) -> Result<Self> {
        options.validate()?;
        let opened = recovery::open(&storage, &host, &options)?;
        let hasher = KeyHasher::new(opened.manifest.hash_key, opened.manifest.hash_bits);
        let mut store = Self {
            hasher,
            number_max: opened.number_max,
            loader: Loader::new(&opened.sealed),
            files: Files::new(),
            index: Index::new(),
            active: None,
            buffer: WriteBuffer::new(hasher),
            cache: ValueCache::new(options.cache_bytes),
            compaction: None,
            installing: None,
            idle_at: 0,
            planner: Planner::new(),
            retired: Vec::new(),
            last_seq: opened.last_seq,
            durable_seq: opened.last_seq,
            unsynced_since: None,
            poisoned: false,
            compaction_due: true,
            counters: Counters::default(),
            recovery: opened.report,
            sealed: opened.sealed,
            manifest: opened.manifest,
            storage,
            host,
            options,
        };
        for sealed in &store.sealed {
            store.files.add(&sealed.file);
        }
        if let Some(tail) = opened.tail {
            store.adopt(tail);
        }
        Ok(store)
    }

    /// Takes over a cleanly closed log segment: its records go into the index.
    fn adopt(&mut self, tail: recovery::LogTail<S::Reader>) {
        let recovery::LogTail { file, header, mut memtable, len, payload_bytes, .. } = tail;
        self.files.add(&file);
        let run = memtable.order_fully();
        indexing::load_log(&mut self.index, &self.hasher, &file, &run);
        self.active = Some(Active { file, header, writer: None, memtable, len, payload_bytes });
    }

    /// The clock, never behind [`Store::not_before`].
    fn now(&self) -> u64 {
        self.host.now_us().max(self.not_before())
    }

    /// The last commit, or the horizon if that is later: what compaction dropped as expired stays
    /// expired when the clock steps back.
    fn not_before(&self) -> u64 {
        self.last_seq.max(self.manifest.horizon)
    }

    /// The storage the store is in.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The host's clock and randomness.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Identity of the store.
    pub fn store_id(&self) -> [u8; 16] {
        self.manifest.store_id
    }

    /// Last sequence number.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// What opening the store found and did.
    pub fn recovery(&self) -> RecoveryReport {
        self.recovery
    }

    /// Oldest moment that can be read.
    pub fn horizon(&self) -> u64 {
        self.manifest.horizon
    }

    /// Memory of the writes that wait in the write buffer, in bytes, about; 0 if none waits.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// Whether a failed append or sync has stopped writing.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}
