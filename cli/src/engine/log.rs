//! The log as its one holder sees it: staging, hardening, rolling.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use siltdb_core::batch::Operation;
use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::format::{FrameSource, LogHead, SegmentHeader, SegmentKind};
use siltdb_core::host::Host;
use siltdb_core::index::Location;
use siltdb_core::limits;
use siltdb_core::log::LogWriter;
use siltdb_core::memtable::Memtable;
use siltdb_core::recovery;
use siltdb_core::segment_file::SegmentFile;
use siltdb_core::storage::{FileId, Storage};

use super::lock::lock;
use super::table::{LogSegment, Rolled};
use super::{Count, Engine};

/// Most rolled segments that wait to be sealed: their keys take memory.
const ROLLED_MAX: usize = 4;

/// Records of a group that memory is kept for.
const GROUP_RECORDS_KEPT: usize = 16 << 10;

/// A record that is staged and that index and memtable do not know yet.
#[derive(Clone, Copy)]
struct Pending {
    hash: u64,
    key_start: usize,
    key_len: usize,
    value_len: usize,
    seq: u64,
    /// 0 for never.
    expires: u64,
    offset: u32,
    len: u32,
    tombstone: bool,
}

/// What only the holder of the log may touch.
pub(super) struct Log<S: Storage> {
    active: Option<Arc<LogSegment<S>>>,
    /// The segment that is created next.
    pub(super) next: LogHead,
    /// Number, length and last sequence number of the segment rolled last.
    previous: (u64, u64, u64),
    /// Rolled segments that may not be synced yet; one that is gone was sealed.
    unsynced: Vec<Weak<LogSegment<S>>>,
    /// The group being staged.
    pending: Vec<Pending>,
    keys: Vec<u8>,
    /// How many write buffers are staged with the group.
    buffers: usize,
    /// Whether someone in the group asked for a sync.
    sync: bool,
    /// Last sequence number applied.
    applied_seq: u64,
    /// When the oldest write that is not synced was made, in microseconds since 1970.
    unsynced_since: Option<u64>,
}

impl<S: Storage> Log<S> {
    pub(super) fn new(active: Option<Arc<LogSegment<S>>>, next: LogHead, last_seq: u64) -> Self {
        Self {
            active,
            next,
            previous: (0, 0, 0),
            unsynced: Vec::new(),
            pending: Vec::new(),
            keys: Vec::new(),
            buffers: 0,
            sync: false,
            applied_seq: last_seq,
            unsynced_since: None,
        }
    }

    pub(super) fn active(&self) -> Option<&Arc<LogSegment<S>>> {
        self.active.as_ref()
    }

    pub(super) fn unsynced_since(&self) -> Option<u64> {
        self.unsynced_since
    }

    /// Whether the group has a record of one of these hashes.
    pub(super) fn touches(&self, hash: u64) -> bool {
        self.pending.iter().any(|pending| pending.hash == hash)
    }

    /// A write buffer was staged whole.
    pub(super) fn buffer_staged(&mut self) {
        self.buffers += 1;
    }

    /// Asks for a sync with the group.
    pub(super) fn ask_for_sync(&mut self) {
        self.sync = true;
    }

    fn forget_group(&mut self) {
        // One large group must not hold its memory for good.
        self.pending.clear();
        self.pending.shrink_to(GROUP_RECORDS_KEPT);
        self.keys.clear();
        self.keys.shrink_to(64 * GROUP_RECORDS_KEPT);
        self.buffers = 0;
        self.sync = false;
    }
}

impl<S: Storage, H: Host> Engine<S, H> {
    /// Adds one atomic unit of operations with their sequence numbers to the group.
    pub(super) fn stage<'a>(
        &self,
        log: &mut Log<S>,
        operations: impl ExactSizeIterator<Item = (&'a Operation, u64)>,
        bytes: usize,
    ) -> Result<()> {
        self.make_room(log, bytes as u64)?;
        let mut left = operations.len();
        for (operation, seq) in operations {
            left -= 1;
            let active = self.make_active(log, seq)?;
            let mut writer = lock(&active.writer);
            let writer = writer.as_mut().ok_or(ErrorKind::Poisoned)?;
            let value = operation.value.as_deref();
            let expires = operation.expires.filter(|_| value.is_some());
            let source = FrameSource { key: &operation.key, value, seq, expires, more: left > 0 };
            let place = writer.stage(&source);
            log.pending.push(Pending {
                hash: self.hasher.hash(&operation.key),
                key_start: log.keys.len(),
                key_len: operation.key.len(),
                value_len: value.map_or(0, <[u8]>::len),
                seq,
                expires: expires.unwrap_or(0),
                offset: place.offset,
                len: place.len,
                tombstone: value.is_none(),
            });
            log.keys.extend_from_slice(&operation.key);
        }
        Ok(())
    }

    /// Rolls to a new segment if the one at hand is full or the operations would not fit.
    fn make_room(&self, log: &mut Log<S>, bytes: u64) -> Result<()> {
        let Some(active) = &log.active else { return Ok(()) };
        let len = match lock(&active.writer).as_ref() {
            Some(writer) => writer.staged_len(),
            None => active.file.readable(),
        };
        if len >= self.options.segment_bytes || len + bytes >= limits::SEGMENT_DATA_MAX - (1 << 20)
        {
            // A sync that was asked for is of what follows, too.
            let sync = log.sync;
            self.finish(log)?;
            log.sync = sync;
            self.roll(log)?;
        }
        Ok(())
    }

    /// The segment to append to, created or resumed if need be.
    fn make_active(&self, log: &mut Log<S>, seq: u64) -> Result<Arc<LogSegment<S>>> {
        if let Some(active) = &log.active {
            let mut writer = lock(&active.writer);
            if writer.is_none() {
                let len = active.file.readable();
                let appender = self.storage.resume(active.file.id(), len)?;
                *writer = Some(LogWriter::resume(appender, active.header, len));
            }
            drop(writer);
            return Ok(Arc::clone(active));
        }
        let LogHead { number, salt, .. } = log.next;
        let (previous_number, previous_len, previous_seq) = log.previous;
        let header = SegmentHeader {
            kind: SegmentKind::Arrival,
            salt,
            store_id: self.store_id,
            number,
            base_seq: seq,
            previous_number,
            previous_len,
            previous_seq,
        };
        let id = FileId::segment(number);
        let appender = self.storage.create(id)?;
        let reader = self.storage.open(id)?;
        let file = SegmentFile::new(number, salt, seq, reader, 0);
        let writer = Some(LogWriter::create(appender, header));
        let active = Arc::new(LogSegment::new(file, header, writer, Memtable::new(), 0));
        self.change_table(|table| {
            table.add_file(&active.file);
            table.logs.push(Arc::clone(&active));
        });
        log.active = Some(Arc::clone(&active));
        Ok(active)
    }

    /// Ends the segment at hand, if it has records: it waits to be sealed, and the log goes on in
    /// a new one. Nothing is written for that, so writers do not wait.
    pub(super) fn roll(&self, log: &mut Log<S>) -> Result<()> {
        let Some(active) = &log.active else { return Ok(()) };
        if lock(&active.memtable).is_empty() {
            return Ok(());
        }
        let active = self.make_active(log, log.applied_seq)?;
        log.previous = (active.header.number, active.file.readable(), log.applied_seq);
        log.next = LogHead {
            number: recovery::next_number(&mut lock(&self.number_max)),
            salt: self.host.random_u64() as u32,
            len: 0,
        };
        let files = self.table.load();
        let dead = files.files.values().map(|file| (file.number, file.dead())).collect();
        active.roll(Rolled { next: log.next, dead });
        log.active = None;
        log.unsynced.push(Arc::downgrade(&active));
        drop(active);
        self.wake.work();
        if self.table.load().logs.len() > ROLLED_MAX {
            // Sealing falls behind: whoever writes helps.
            self.seal_oldest()?;
        }
        Ok(())
    }

    /// Hardens and applies the group.
    ///
    /// # Errors
    /// Any error poisons the store: what of the group is on disk shows at the next open.
    pub(super) fn finish(&self, log: &mut Log<S>) -> Result<()> {
        if log.pending.is_empty() && !log.sync {
            return Ok(());
        }
        let result = self.harden(log);
        if result.is_ok() {
            self.apply(log);
        } else {
            self.poison();
        }
        log.forget_group();
        result
    }

    fn harden(&self, log: &mut Log<S>) -> Result<()> {
        if log.sync {
            // What stands in earlier segments survives before what stands in this one.
            for rolled in log.unsynced.drain(..).filter_map(|rolled| rolled.upgrade()) {
                self.counters.add(Count::Syncs, u64::from(rolled.sync()?));
            }
        }
        let Some(active) = &log.active else { return Ok(()) };
        let mut writer = lock(&active.writer);
        let Some(writer) = writer.as_mut() else { return Ok(()) };
        let before = writer.len();
        let syncs = log.sync && (!log.pending.is_empty() || !writer.is_durable());
        writer.harden(log.sync)?;
        active.file.set_readable(writer.len());
        self.counters.add(Count::Syncs, u64::from(syncs));
        self.counters.add(Count::Groups, u64::from(!log.pending.is_empty()));
        self.counters.add(Count::BytesAppended, writer.len() - before);
        Ok(())
    }

    /// Tells memtable and index of the hardened group.
    fn apply(&self, log: &mut Log<S>) {
        if let Some(last) = log.pending.last()
            && let Some(active) = &log.active
        {
            log.applied_seq = log.applied_seq.max(last.seq);
            self.apply_to_memtable(log, active);
            self.apply_to_index(log, active);
            self.listeners.tell(log.applied_seq);
        }
        if log.sync {
            self.set_durable(log.applied_seq);
            log.unsynced_since = None;
        } else if log.unsynced_since.is_none() {
            log.unsynced_since = Some(self.host.now_us());
            self.wake.due_in(Duration::from_millis(self.options.sync_interval_ms));
        }
    }

    fn apply_to_memtable(&self, log: &Log<S>, active: &LogSegment<S>) {
        let mut payload_bytes = 0;
        let mut memtable = lock(&active.memtable);
        for p in &log.pending {
            let key = &log.keys[p.key_start..p.key_start + p.key_len];
            memtable.push(key, p.seq, p.tombstone, p.expires, p.offset, p.len);
            payload_bytes += (p.key_len + p.value_len) as u64;
        }
        drop(memtable);
        active.payload_bytes.fetch_add(payload_bytes, Ordering::Relaxed);
    }

    fn apply_to_index(&self, log: &Log<S>, active: &LogSegment<S>) {
        let number = active.file.number;
        let place =
            |p: &Pending| (p.hash, Location::new(number, p.offset, p.len as usize, p.tombstone));
        let table = self.table.load();
        // What was buffered goes out of sight while the shards are locked: earlier, a reader might
        // find it nowhere; later, instead of a newer record.
        let publish = || {
            self.buffer.written(log.buffers);
            self.set_visible(log.applied_seq);
        };
        if let [one] = log.pending.as_slice() {
            self.shards.apply_one(place(one), |before| table.supersede(before), publish);
        } else {
            let places = log.pending.iter().map(place);
            self.shards.apply(places, |before| table.supersede(before), publish);
        }
    }
}
