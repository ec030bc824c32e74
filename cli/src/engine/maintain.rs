//! What goes on beside reads and writes, figures, snapshots, closing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::format::LogHead;
use siltdb_core::host::Host;
use siltdb_core::sealed::log_stats;
use siltdb_core::snapshot::{self, Sink, SnapshotReport};
use siltdb_core::stats::{SegmentStats, Stats};
use siltdb_core::storage::Storage;
use siltdb_core::types::Progress;

use super::lock::lock;
use super::seal::Changes;
use super::{Count, Engine};

/// Slots loaded between two looks at whatever else there is to do.
const LOAD_STEP_RECORDS: u64 = 50_000;
/// How often an idle store looks for expired records and files that can go.
const IDLE_LOOK: Duration = Duration::from_secs(30);

impl<S: Storage, H: Host> Engine<S, H> {
    /// Does a step of the work that goes on beside reads and writes: seals what was rolled, loads
    /// the index, compacts, removes files. `true` while there is more to do.
    ///
    /// # Errors
    /// Damage; the storage's failure. What failed in sealing and publishing poisons the store.
    pub fn work(&self) -> Result<bool> {
        if !self.is_poisoned() && self.seal_oldest()? {
            return Ok(true);
        }
        if self.load_index(LOAD_STEP_RECORDS)? {
            return Ok(true);
        }
        self.remove_retired()?;
        if self.options.compaction.auto && !self.is_poisoned() {
            return self.compact_step();
        }
        Ok(false)
    }

    /// The worker's thread: works while there is something to do, until the store is closed.
    pub(crate) fn work_until_closed(&self) {
        loop {
            // Failures show in the next write, read or check of what failed.
            while !self.wake.is_closed() && self.work().unwrap_or(false) {}
            if !self.wake.wait_for_work(IDLE_LOOK) {
                return;
            }
            self.compaction_due.store(true, Ordering::Release);
        }
    }

    /// The timer's thread: does what is due, until the store is closed.
    pub(crate) fn tick_until_closed(&self) {
        while self.wake.wait_until_due() {
            // A failure poisons the store, which the next write reports.
            let _ = self.tick();
        }
    }

    /// Ends the threads.
    pub(crate) fn stop(&self) {
        self.wake.close();
        self.queue.close();
    }

    /// Does what is due: writes out the write buffer, syncs flushed writes.
    ///
    /// # Errors
    /// As [`Engine::sync`].
    pub fn tick(&self) -> Result<()> {
        let now = self.host.now_us();
        let left = |since: u64, wait_ms: u64| {
            Duration::from_micros((wait_ms * 1000).saturating_sub(now.abs_diff(since)))
        };
        if let Some(since) = self.buffer.since() {
            let left = left(since, self.options.buffer_ms_max);
            if left.is_zero() {
                self.drain()?;
            } else {
                self.wake.due_in(left);
            }
        }
        let unsynced_since = lock(&self.log).unsynced_since();
        if let Some(since) = unsynced_since {
            let left = left(since, self.options.sync_interval_ms);
            if left.is_zero() {
                self.sync()?;
            } else {
                self.wake.due_in(left);
            }
        }
        Ok(())
    }

    /// Loads slots of about so many records into the index. `true` while there is more to load.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn load_index(&self, budget_records: u64) -> Result<bool> {
        if self.is_loaded.load(Ordering::Acquire) {
            return Ok(false);
        }
        let mut loader = lock(&self.loader);
        let more = loader.step(&mut &self.shards, budget_records)?;
        self.is_loaded.store(!more, Ordering::Release);
        Ok(more)
    }

    pub(super) fn load_index_fully(&self) -> Result<()> {
        while self.load_index(u64::MAX)? {}
        Ok(())
    }

    /// How many keys have a record that is not a delete.
    ///
    /// Kept in memory: exact as long as no two live keys share a 64-bit hash and no expired
    /// record waits for compaction. [`Engine::count`] is always exact.
    ///
    /// # Errors
    /// Damage or the storage's failure while the index is loaded to its end.
    pub fn len(&self) -> Result<u64> {
        self.drain_for_reading(u64::MAX)?;
        self.load_index_fully()?;
        Ok(self.shards.live())
    }

    /// Whether [`Engine::len`] is 0.
    ///
    /// # Errors
    /// As [`Engine::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Figures about the store, without what a poisoned one could not write out.
    ///
    /// # Errors
    /// As [`Engine::len`].
    pub fn stats(&self) -> Result<Stats> {
        if !self.is_poisoned() {
            self.drain()?;
        }
        self.load_index_fully()?;
        let segments = self.segments()?;
        let table = self.table.load_full();
        let manifest = lock(&self.published).number;
        let memtables = table.logs.iter().map(|log| lock(&log.memtable).bytes() as u64);
        Ok(Stats {
            keys: self.shards.live(),
            index_bytes: self.shards.bytes() as u64,
            memtable_bytes: memtables.sum(),
            last_seq: self.last_seq(),
            durable_seq: self.durable_seq(),
            horizon: table.horizon,
            retention: table.retention,
            commits: self.counters.get(Count::Commits),
            groups: self.counters.get(Count::Groups),
            syncs: self.counters.get(Count::Syncs),
            bytes_appended: self.counters.get(Count::BytesAppended),
            bytes_compacted: self.counters.get(Count::BytesCompacted),
            identical_skipped: self.counters.get(Count::IdenticalSkipped),
            coalesced: self.buffer.coalesced(),
            store_id: self.store_id,
            manifest,
            index_loaded: self.is_loaded.load(Ordering::Acquire),
            ..Stats::of_segments(&segments)
        })
    }

    /// Figures about every live segment, oldest first, the active one last.
    ///
    /// # Errors
    /// The storage's failure.
    pub fn segments(&self) -> Result<Vec<SegmentStats>> {
        let (now, table) = (self.now(), self.table.load_full());
        let mut segments: Vec<_> = table.sealed.iter().map(|s| s.stats(now)).collect();
        for log in &table.logs {
            let state = if log.rolled().is_some() { "rolled" } else { "active" };
            segments.push(log_stats(&log.file, &log.run(), log.payload_bytes(), state, now));
        }
        Ok(segments)
    }

    /// Writes the whole store, history included, into `sink`, as it was at one moment after the
    /// call. Reads and writes go on meanwhile.
    ///
    /// # Errors
    /// The sink's failure; as [`Engine::compact`]. A failed sink leaves the store as it is.
    ///
    /// # Crash behaviour
    /// The store is not affected. What the sink has taken until then does not restore.
    pub fn snapshot(
        &self,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SnapshotReport> {
        self.seal_all()?;
        let published = lock(&self.published);
        let (manifest, table) = (published.clone(), self.table.load_full());
        drop(published);
        // The log segments of the table are not a part of it, and need not be kept.
        let sealed = table.sealed.clone();
        drop(table);
        snapshot::write(&manifest, &sealed, manifest.last_seq, sink, progress)
    }

    /// Closes the store cleanly: everything is synced, and the next open reads no values but
    /// those of a small unsealed tail.
    ///
    /// # Errors
    /// As [`Engine::write`]. A poisoned store closes with `Poisoned` and loses nothing synced.
    pub fn close(self) -> Result<()> {
        self.check_writable()?;
        self.drain()?;
        self.remove_retired()?;
        lock(&self.compacting).abandon(&self.storage);
        let active = lock(&self.log).active().cloned();
        let Some(active) = active else { return self.seal_all() };
        if lock(&active.writer).is_none() {
            return Ok(());
        }
        if active.file.readable() >= self.options.seal_on_close_bytes {
            return self.seal_all();
        }
        while self.seal_oldest()? {}
        let mut writer = lock(&active.writer);
        let Some(writer) = writer.as_mut() else { return Err(ErrorKind::Poisoned.into()) };
        writer.close()?;
        let log = LogHead { number: active.file.number, salt: active.file.salt, len: writer.len() };
        let mut published = lock(&self.published);
        let segments: Vec<Arc<_>> = self.table.load().sealed.clone();
        let changes = Changes { log: Some(log), ..Changes::default() };
        self.publish(&mut published, &segments, changes)
    }
}
