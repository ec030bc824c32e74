//! Sealing rolled segments and publishing manifests.

use std::sync::Arc;

use siltdb_core::error::Result;
use siltdb_core::format::{LogHead, Manifest};
use siltdb_core::host::Host;
use siltdb_core::options::Retention;
use siltdb_core::recovery;
use siltdb_core::sealed::Sealed;
use siltdb_core::storage::{FileId, Storage};

use super::lock::lock;
use super::table::LogSegment;
use super::{Count, Engine};

/// What the next manifest says differently.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) log: Option<LogHead>,
    pub(super) horizon: Option<u64>,
    pub(super) retention: Option<Retention>,
}

impl<S: Storage, H: Host> Engine<S, H> {
    /// Seals everything written until now.
    ///
    /// # Errors
    /// The storage's failure; it poisons the store.
    pub fn seal_all(&self) -> Result<()> {
        self.check_writable()?;
        self.drain()?;
        let last = {
            let mut log = lock(&self.log);
            self.roll(&mut log)?;
            log.next.number
        };
        while self.table.load().logs.iter().any(|log| log.file.number < last) {
            self.seal_oldest()?;
        }
        Ok(())
    }

    /// Seals the oldest rolled segment: its key table, filter and footer are appended and a
    /// manifest that lists it is published. `false` if none waits.
    ///
    /// # Errors
    /// The storage's failure; it poisons the store.
    ///
    /// # Crash behaviour
    /// The records are in the segment either way; until the manifest is published it counts as
    /// part of the log.
    pub(super) fn seal_oldest(&self) -> Result<bool> {
        self.check_writable()?;
        let sealing = lock(&self.sealing);
        let oldest = self.table.load().logs.first().cloned();
        let Some(log) = oldest.filter(|log| log.rolled().is_some()) else { return Ok(false) };
        let sealed = self.seal(&log);
        drop(sealing);
        self.or_poison(sealed)?;
        Ok(true)
    }

    fn seal(&self, log: &LogSegment<S>) -> Result<()> {
        let run = log.run();
        let mut writer = lock(&log.writer);
        let Some(writer_in) = writer.as_mut() else { return Ok(()) };
        let (data_end, header) = (writer_in.len(), *writer_in.header());
        let payload_bytes = log.payload_bytes();
        let tail = recovery::table_of(&run, &header, &self.hasher, data_end, payload_bytes);
        writer_in.seal(&tail.bytes)?;
        log.file.set_readable(writer_in.len());
        *writer = None;
        drop(writer);
        self.counters.add(Count::Syncs, 1);
        let sealed = Sealed::from_parts(Arc::clone(&log.file), tail.footer);
        let mut published = lock(&self.published);
        let mut segments = self.table.load().sealed.clone();
        segments.push(Arc::clone(&sealed));
        let changes = Changes { log: log.rolled().map(|r| r.next), ..Changes::default() };
        self.publish(&mut published, &segments, changes)?;
        self.change_table(|table| {
            table.sealed = segments;
            table.logs.retain(|other| other.file.number != log.file.number);
        });
        drop(published);
        let dead = log.rolled().map(|rolled| rolled.dead.clone());
        lock(&self.seals).push((log.file.number, dead.unwrap_or_default()));
        self.look_for_compaction();
        Ok(())
    }

    /// Publishes a manifest of these segments and removes the one before.
    pub(super) fn publish(
        &self,
        published: &mut Manifest,
        segments: &[Arc<Sealed<S::Reader>>],
        changes: Changes,
    ) -> Result<()> {
        let segments: Vec<_> = segments.iter().map(|sealed| sealed.entry()).collect();
        // Only sequence numbers of sealed segments may be named: others could be lost.
        let sealed_seq = segments.iter().map(|s| s.footer.numbers.max_seq).max().unwrap_or(0);
        let manifest = Manifest {
            number: published.number + 1,
            horizon: changes.horizon.unwrap_or(published.horizon),
            retention: changes.retention.unwrap_or(published.retention),
            last_seq: published.last_seq.max(sealed_seq),
            log: changes.log.unwrap_or(published.log),
            segments,
            ..*published
        };
        self.storage.publish(FileId::manifest(manifest.number), &manifest.encode())?;
        let before = std::mem::replace(published, manifest);
        self.storage.remove(FileId::manifest(before.number))?;
        Ok(())
    }

    /// Which superseded versions compaction keeps.
    pub fn retention(&self) -> Retention {
        self.table.load().retention
    }

    /// Changes which superseded versions compaction keeps, from now on.
    ///
    /// # Errors
    /// `Invalid`; the storage's failure, which poisons the store.
    pub fn set_retention(&self, retention: Retention) -> Result<()> {
        retention.validate()?;
        self.check_writable()?;
        let mut published = lock(&self.published);
        let segments = self.table.load().sealed.clone();
        let changes = Changes { retention: Some(retention), ..Changes::default() };
        let done = self.publish(&mut published, &segments, changes);
        self.or_poison(done)?;
        self.change_table(|table| table.retention = retention);
        drop(published);
        self.look_for_compaction();
        Ok(())
    }
}
