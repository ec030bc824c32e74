//! Sealing, publishing, loading the index, figures, closing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Store;
use crate::error::{ErrorKind, Result};
use crate::format::{LogHead, Manifest, ManifestSegment};
use crate::host::Host;
use crate::options::Retention;
use crate::recovery;
use crate::sealed::log_stats;
use crate::stats::{SegmentStats, Stats};
use crate::storage::{FileId, Storage};

impl<S: Storage, H: Host> Store<S, H> {
    /// Seals the active segment, if it has records: its key table, filter and footer are
    /// appended and a manifest that lists it is published.
    ///
    /// # Errors
    /// The storage's failure; it poisons the store.
    ///
    /// # Crash behaviour
    /// The records are in the segment either way; until the manifest is published the segment
    /// counts as part of the log.
    pub fn seal(&mut self) -> Result<()> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        self.drain()?;
        if self.active.as_ref().is_none_or(|active| active.memtable.is_empty()) {
            return Ok(());
        }
        if let Err(e) = self.make_active(self.last_seq) {
            // The file that it goes on in may have to be opened first: nothing is done until then.
            self.poisoned |= !e.is_not_ready();
            return Err(e);
        }
        let result = self.seal_active();
        if result.is_err() {
            self.poisoned = true;
        }
        result
    }

    fn seal_active(&mut self) -> Result<()> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let Some(writer) = &mut active.writer else { return Ok(()) };
        let run = active.memtable.order_fully();
        let file = Arc::clone(&active.file);
        let sealed = recovery::seal(writer, &run, &self.hasher, active.payload_bytes, file)?;
        self.counters.syncs += 1;
        let mut segments = self.manifest_segments();
        segments.push(sealed.entry());
        let log = self.next_log();
        self.publish(segments, log, self.manifest.horizon, self.manifest.retention)?;
        self.durable_seq = self.durable_seq.max(sealed.numbers().max_seq);
        self.sealed.push(sealed);
        self.active = None;
        self.note_sealed();
        self.unsynced_since = None;
        Ok(())
    }

    fn next_log(&mut self) -> LogHead {
        let number = recovery::next_number(&mut self.number_max);
        LogHead { number, salt: self.host.random_u64() as u32, len: 0 }
    }

    pub(super) fn manifest_segments(&self) -> Vec<ManifestSegment> {
        self.sealed.iter().map(|s| s.entry()).collect()
    }

    /// Publishes a manifest and removes the one before.
    pub(super) fn publish(
        &mut self,
        segments: Vec<ManifestSegment>,
        log: LogHead,
        horizon: u64,
        retention: Retention,
    ) -> Result<()> {
        // Only sequence numbers of sealed segments may be named: others could be lost.
        let sealed_seq = segments.iter().map(|s| s.footer.numbers.max_seq).max().unwrap_or(0);
        let manifest = Manifest {
            number: self.manifest.number + 1,
            horizon,
            retention,
            last_seq: self.manifest.last_seq.max(sealed_seq),
            log,
            segments,
            ..self.manifest
        };
        let before = FileId::manifest(self.manifest.number);
        if planted!(RemovedBeforePublished) {
            self.storage.remove(before)?;
        }
        self.storage.publish(FileId::manifest(manifest.number), &manifest.encode())?;
        self.manifest = manifest;
        self.storage.remove(before)?;
        Ok(())
    }

    /// Which superseded versions compaction keeps.
    pub fn retention(&self) -> Retention {
        self.manifest.retention
    }

    /// Changes which superseded versions compaction keeps, from now on.
    ///
    /// # Errors
    /// `Invalid`; the storage's failure, which poisons the store.
    pub fn set_retention(&mut self, retention: Retention) -> Result<()> {
        retention.validate()?;
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        let (segments, log) = (self.manifest_segments(), self.manifest.log);
        let result = self.publish(segments, log, self.manifest.horizon, retention);
        self.poisoned |= result.is_err();
        result
    }

    /// Loads slots of about so many records into the index, newest segments first. `true` while
    /// there is more to load.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn load_index(&mut self, budget_records: u64) -> Result<bool> {
        self.loader.step(&mut self.index, budget_records)
    }

    /// In how many microseconds [`Store::tick`] has the write buffer to write out or flushed
    /// writes to sync; `None` for nothing.
    pub fn due_us(&self) -> Option<u64> {
        if self.poisoned {
            return None;
        }
        let now = self.host.now_us();
        // A clock that stepped back makes it due, as it does in `tick`, once it is far enough off.
        let left = |since: u64, ms: u64| (ms * 1000).saturating_sub(now.abs_diff(since));
        let buffer = (!self.buffer.is_empty())
            .then(|| left(self.buffer.since(), self.options.buffer_ms_max));
        let sync = self.unsynced_since.map(|since| left(since, self.options.sync_interval_ms));
        buffer.into_iter().chain(sync).min()
    }

    /// Does what is due: writes out the write buffer, syncs flushed writes, removes files that
    /// no view reads any more, loads a part of the index, compacts a step.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn tick(&mut self) -> Result<()> {
        let now = self.host.now_us();
        let buffer_us = self.options.buffer_ms_max * 1000;
        if !self.buffer.is_empty() && now.abs_diff(self.buffer.since()) >= buffer_us {
            self.drain()?;
        }
        let sync_us = self.options.sync_interval_ms * 1000;
        if self.unsynced_since.is_some_and(|since| now.abs_diff(since) >= sync_us) {
            self.sync()?;
        }
        self.remove_retired()?;
        self.load_index(10_000)?;
        if self.options.compaction.auto && !self.poisoned {
            self.compaction_due = self.compact_step(1 << 20)?;
        }
        Ok(())
    }

    /// Removes the files of replaced segments that no view reads any more.
    pub(super) fn remove_retired(&mut self) -> Result<()> {
        let mut at = 0;
        while at < self.retired.len() {
            let sealed = &self.retired[at];
            if Arc::strong_count(sealed) > 1 || Arc::strong_count(&sealed.file) > 1 {
                at += 1;
                continue;
            }
            let id = sealed.file.id();
            drop(self.retired.swap_remove(at));
            self.storage.remove(id)?;
        }
        Ok(())
    }

    /// Closes the store cleanly: everything is synced, and the next open reads no values but
    /// those of a small unsealed tail.
    ///
    /// # Errors
    /// As [`Store::write`]. A poisoned store closes with `Poisoned` and loses nothing synced.
    pub fn close(mut self) -> Result<()> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        self.drain()?;
        // The index goes with the store; what this leaves, the next open removes.
        let _ = self.finish_install();
        self.abandon_compaction();
        let Some(active) = &mut self.active else { return Ok(()) };
        let Some(writer) = &mut active.writer else { return Ok(()) };
        if active.len >= self.options.seal_on_close_bytes {
            return self.seal();
        }
        writer.close()?;
        let log = LogHead { len: writer.len(), ..self.manifest.log };
        let segments = self.manifest_segments();
        self.publish(segments, log, self.manifest.horizon, self.manifest.retention)
    }

    /// Figures about the store, without what a poisoned one could not write out.
    ///
    /// # Errors
    /// Damage or the storage's failure while lengths are asked for.
    pub fn stats(&mut self) -> Result<Stats> {
        if !self.poisoned {
            self.drain()?;
        }
        while self.load_index(u64::MAX)? {}
        self.finish_install()?;
        let segments = self.segments()?;
        Ok(Stats {
            keys: self.index.live(),
            index_bytes: self.index.bytes() as u64,
            memtable_bytes: self.active.as_ref().map_or(0, |a| a.memtable.bytes() as u64),
            cache_bytes: self.cache.bytes() as u64,
            cache_hits: self.cache.hits(),
            cache_misses: self.cache.misses(),
            last_seq: self.last_seq,
            durable_seq: self.durable_seq,
            horizon: self.manifest.horizon,
            retention: self.manifest.retention,
            commits: self.counters.commits,
            groups: self.counters.groups,
            syncs: self.counters.syncs,
            bytes_appended: self.counters.bytes_appended,
            bytes_compacted: self.counters.bytes_compacted,
            identical_skipped: self.counters.identical_skipped,
            coalesced: self.buffer.coalesced(),
            store_id: self.manifest.store_id,
            manifest: self.manifest.number,
            index_loaded: self.loader.is_done(),
            ..Stats::of_segments(&segments)
        })
    }

    /// Figures about every live segment, oldest first, the active one last.
    ///
    /// # Errors
    /// The storage's failure.
    pub fn segments(&mut self) -> Result<Vec<SegmentStats>> {
        let now = self.now();
        let mut segments: Vec<_> = self.sealed.iter().map(|s| s.stats(now)).collect();
        if let Some(active) = &mut self.active {
            let run = active.memtable.order_fully();
            let state = "active";
            segments.push(log_stats(&active.file, &run, active.payload_bytes, state, now));
        }
        Ok(segments)
    }
}
