//! The engine for many threads: the parts of `siltdb-core`, composed with locks.
//!
//! | who | holds | while |
//! |---|---|---|
//! | the leader of a group | `log`, the active segment's writer | staging, append, sync |
//! | a buffered write | `clock` | it gets its sequence number and enters the buffer |
//! | whoever seals, compacts or changes the retention | `published` | the manifest is published |
//! | a reader of the newest value | one shard of the index | 8 bytes are copied |
//! | a view being made | nothing | segments and runs are pinned, runs perhaps ordered |
//!
//! Readers hold no lock across a read of a file: they pin the table of live segments, which is
//! swapped whole. Locks are taken in the order `log`, `clock`, buffer; `log`, `sealing`,
//! `published`, `tables`; `compacting`, `published`, `tables`.
//!
//! The engine starts no thread. Its owner calls [`Engine::work`] while there is work and
//! [`Engine::tick`] when something is due, from threads of its own or, in tests, in turn with
//! everything else.

mod buffer;
mod compact;
mod counters;
mod listeners;
mod lock;
mod log;
mod maintain;
mod queue;
mod read;
mod seal;
mod shards;
mod table;
mod wake;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::format::{LogHead, Manifest};
use siltdb_core::host::Host;
use siltdb_core::index::KeyHasher;
use siltdb_core::indexing::{self, Loader};
use siltdb_core::options::Options;
use siltdb_core::recovery;
use siltdb_core::sealed::Sealed;
use siltdb_core::storage::Storage;

use self::buffer::Buffer;
use self::compact::{Compactor, Seal};
use self::counters::{Count, Counters};
use self::listeners::Listeners;
use self::lock::lock;
use self::log::Log;
use self::queue::Queue;
use self::shards::Shards;
use self::table::{LogSegment, Table};
use self::wake::Wake;

pub use self::listeners::Listening;

/// An open store that any number of threads use at once.
pub struct Engine<S: Storage, H: Host> {
    storage: S,
    host: H,
    options: Options,
    hasher: KeyHasher,
    store_id: [u8; 16],
    shards: Shards,
    table: ArcSwap<Table<S>>,
    /// Held while the table is replaced.
    tables: Mutex<()>,
    buffer: Buffer,
    queue: Queue,
    log: Mutex<Log<S>>,
    /// The last sequence number given away.
    clock: Mutex<u64>,
    /// The manifest in force.
    published: Mutex<Manifest>,
    /// Largest segment number in use.
    number_max: Mutex<u64>,
    /// Held by whoever seals.
    sealing: Mutex<()>,
    /// Held by whoever compacts.
    compacting: Mutex<Compactor<S>>,
    /// Segments sealed since the planner looked, with the superseded bytes of each segment when
    /// they were rolled.
    seals: Mutex<Vec<Seal>>,
    loader: Mutex<Loader<S::Reader>>,
    is_loaded: AtomicBool,
    /// Replaced segments that a reader may still use.
    retired: Mutex<Vec<Arc<Sealed<S::Reader>>>>,
    /// Whether automatic compaction has something to do or to look for.
    compaction_due: AtomicBool,
    /// Last sequence number that index and memtable know.
    visible_seq: AtomicU64,
    /// Last sequence number acknowledged, buffered ones included.
    last_seq: AtomicU64,
    durable_seq: AtomicU64,
    poisoned: AtomicBool,
    counters: Counters,
    wake: Wake,
    listeners: Listeners,
}

impl<S: Storage, H: Host> Engine<S, H> {
    /// Opens the store in `storage`, or creates one. Reads are right at once; the hash index is
    /// loaded by [`Engine::work`].
    ///
    /// # Errors
    /// `Invalid` options; `NoStore`; `Corrupt`; `Unsupported`; the storage's failure.
    ///
    /// # Crash behaviour
    /// A crash while opening leaves a store that opens to the same state.
    pub fn open(storage: S, host: H, options: Options) -> Result<Self> {
        options.validate()?;
        let opened = recovery::open(&storage, &host, &options)?;
        let manifest = opened.manifest;
        let hasher = KeyHasher::new(manifest.hash_key, manifest.hash_bits);
        let mut table = Table {
            sealed: opened.sealed,
            logs: Vec::new(),
            files: HashMap::default(),
            horizon: manifest.horizon,
            retention: manifest.retention,
        };
        for file in table.sealed.iter().map(|s| Arc::clone(&s.file)).collect::<Vec<_>>() {
            table.add_file(&file);
        }
        let (shards, loader) = (Shards::new(), Loader::new(&table.sealed));
        let mut active = None;
        if let Some(mut tail) = opened.tail {
            let run = tail.memtable.order_fully();
            indexing::load_log(&mut &shards, &hasher, &tail.file, &run);
            table.add_file(&tail.file);
            let log =
                LogSegment::new(tail.file, tail.header, None, tail.memtable, tail.payload_bytes);
            let log = Arc::new(log);
            table.logs.push(Arc::clone(&log));
            active = Some(log);
        }
        let (next, last_seq) = (LogHead { len: 0, ..manifest.log }, opened.last_seq);
        let engine = Self {
            hasher,
            store_id: manifest.store_id,
            shards,
            tables: Mutex::new(()),
            buffer: Buffer::new(hasher),
            queue: Queue::default(),
            log: Mutex::new(Log::new(active, next, last_seq)),
            clock: Mutex::new(last_seq),
            published: Mutex::new(manifest),
            number_max: Mutex::new(opened.number_max),
            sealing: Mutex::new(()),
            compacting: Mutex::new(Compactor::default()),
            seals: Mutex::new(Vec::new()),
            is_loaded: AtomicBool::new(loader.is_done()),
            loader: Mutex::new(loader),
            retired: Mutex::new(Vec::new()),
            compaction_due: AtomicBool::new(true),
            visible_seq: AtomicU64::new(last_seq),
            last_seq: AtomicU64::new(last_seq),
            durable_seq: AtomicU64::new(last_seq),
            poisoned: AtomicBool::new(false),
            counters: Counters::default(),
            wake: Wake::default(),
            listeners: Listeners::default(),
            table: ArcSwap::from_pointee(table),
            storage,
            host,
            options,
        };
        Ok(engine)
    }

    /// Replaces the table of live segments by a changed one.
    fn change_table(&self, change: impl FnOnce(&mut Table<S>)) {
        let _tables = lock(&self.tables);
        let mut table = Table::clone(&self.table.load());
        change(&mut table);
        self.table.store(Arc::new(table));
    }

    /// The clock, never behind the last commit, nor behind the horizon: what compaction dropped
    /// as expired stays expired when the clock steps back.
    pub fn now(&self) -> u64 {
        self.host.now_us().max(self.last_seq()).max(self.horizon())
    }

    fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// The storage the store is in.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// Whether a failed append or sync has stopped writing.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Memory of the writes that wait in the write buffer, in bytes, about; 0 if none waits.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.bytes()
    }

    fn check_writable(&self) -> Result<()> {
        if self.is_poisoned() { Err(ErrorKind::Poisoned.into()) } else { Ok(()) }
    }

    /// Last sequence number acknowledged.
    pub fn last_seq(&self) -> u64 {
        self.last_seq.load(Ordering::Acquire)
    }

    fn set_last(&self, seq: u64) {
        self.last_seq.fetch_max(seq, Ordering::AcqRel);
    }

    fn visible_seq(&self) -> u64 {
        self.visible_seq.load(Ordering::Acquire)
    }

    fn set_visible(&self, seq: u64) {
        self.visible_seq.store(seq, Ordering::Release);
        self.set_last(seq);
    }

    /// Calls `listen` with the last sequence number after each group of commits that readers see,
    /// until the guard is dropped. It is called with locks held: it is short and does not use the
    /// store. What waits in the write buffer is told of when it is written out.
    pub fn on_commit(&self, listen: impl Fn(u64) + Send + Sync + 'static) -> Listening {
        self.listeners.add(Arc::new(listen))
    }

    /// Last sequence number known to survive power loss.
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq.load(Ordering::Acquire)
    }

    fn set_durable(&self, seq: u64) {
        self.durable_seq.fetch_max(seq, Ordering::AcqRel);
    }

    /// Oldest moment that can be read.
    pub fn horizon(&self) -> u64 {
        self.table.load().horizon
    }
}
