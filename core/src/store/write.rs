//! Writing: stage, harden, apply, in a row.

use alloc::vec::Vec;

use super::{Active, Store};
use crate::batch::{Batch, Operation};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{FrameSource, SegmentHeader, SegmentKind};
use crate::host::Host;
use crate::index::Location;
use crate::limits;
use crate::log::LogWriter;
use crate::memtable::Memtable;
use crate::newest::Newest;
use crate::options::Durability;
use crate::segment_file::SegmentFile;
use crate::storage::{FileId, Storage};
use crate::types::Commit;

/// Least bytes of compaction done beside a commit while there is some to do.
const COMPACTION_STEP_BYTES: u64 = 64 << 10;

/// Bytes of commits that wait in memory for one append.
const AHEAD_BYTES_MAX: usize = 256 << 10;

/// An operation about to be written.
struct Staging<'a> {
    operation: &'a Operation,
    seq: u64,
}

impl<S: Storage, H: Host> Store<S, H> {
    /// Sets `key` to `value` with the store's durability.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.set(key, value);
        self.write(&batch, None)
    }

    /// Deletes `key` with the store's durability.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn delete(&mut self, key: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.delete(key);
        self.write(&batch, None)
    }

    /// Commits a batch, whole or not at all.
    ///
    /// # Errors
    /// `ConditionFailed` and limits: nothing was written. `Poisoned` and the storage's failures:
    /// whether the batch is in the store shows at the next open.
    ///
    /// # Crash behaviour
    /// The batch is whole or absent; once this returned it survives as its durability says.
    pub fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        self.write_as(batch, durability.unwrap_or(self.options.durability), false)
    }

    /// As [`Store::write`] to be flushed, but it may be in memory until [`Store::append`]: for
    /// owners that commit several and append once before they acknowledge them.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_ahead(&mut self, batch: &Batch) -> Result<Commit> {
        self.write_as(batch, Durability::Flushed, true)
    }

    /// Appends what [`Store::write_ahead`] has left in memory.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn append(&mut self) -> Result<()> {
        let before = self.counters.bytes_appended;
        self.drain()?;
        self.compact_beside(self.counters.bytes_appended - before);
        Ok(())
    }

    fn write_as(&mut self, batch: &Batch, durability: Durability, ahead: bool) -> Result<Commit> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        batch.validate()?;
        let mut operations = self.judge(batch)?;
        let before = operations.len();
        if self.options.skip_identical {
            operations = self.without_identical(operations)?;
            self.counters.identical_skipped += (before - operations.len()) as u64;
        }
        if operations.is_empty() {
            // The newest value may itself still wait to reach the level asked for.
            match durability {
                Durability::Synced => drop(self.sync()?),
                Durability::Flushed => self.drain()?,
                Durability::Buffered => {}
            }
            return Ok(Commit { seq: self.last_seq, durability, written: false });
        }
        let now = self.host.now_us();
        let mut seq = self.now().max(self.last_seq + 1);
        if planted!(ClockOrder) {
            seq = now;
        }
        if seq > limits::SEQ_MAX {
            return Err(ErrorKind::Invalid("the clock is beyond the year 2255").into());
        }
        self.counters.commits += 1;
        let ahead = ahead && self.has_room(batch);
        if durability == Durability::Buffered || ahead {
            self.last_seq = seq;
            self.buffer.push(operations, batch.len() == 1 && !ahead, seq, now);
            if self.buffer.bytes() >= self.options.buffer_bytes_max {
                self.drain()?;
                self.compact_beside(self.options.buffer_bytes_max as u64);
            }
            return Ok(Commit { seq, durability, written: true });
        }
        self.drain()?;
        let staging: Vec<_> =
            operations.into_iter().map(|operation| Staging { operation, seq }).collect();
        let before = self.counters.bytes_appended;
        self.commit(&staging, durability == Durability::Synced)?;
        self.compact_beside(self.counters.bytes_appended - before);
        Ok(Commit { seq, durability, written: true })
    }

    /// Whether the segment takes the batch with all that waits, so that appending it later makes
    /// no new file, which an asynchronous host may have to open first.
    fn has_room(&self, batch: &Batch) -> bool {
        let bytes = self.buffer.bytes() + batch.bytes_max();
        self.active.as_ref().is_some_and(|active| {
            active.writer.is_some()
                && active.len < self.options.segment_bytes
                && bytes < AHEAD_BYTES_MAX
        })
    }

    /// Judges the conditions and keeps the last operation on every key.
    fn judge<'b>(&mut self, batch: &'b Batch) -> Result<Vec<&'b Operation>> {
        for (at, key, condition) in batch.conditions() {
            self.drain()?;
            let found = self.get_record(key)?.map_or(0, |record| record.seq);
            if !condition.holds(found) {
                return Err(ErrorKind::ConditionFailed { operation: at, found }.into());
            }
        }
        let operations = batch.operations();
        if batch.is_ascending() {
            return Ok(operations.iter().collect());
        }
        let mut newest = Newest::new(self.hasher, operations.len());
        let mut kept: Vec<_> = operations.iter().map(Some).collect();
        for (at, operation) in operations.iter().enumerate() {
            let before = newest.insert(&operation.key, at, |at| &operations[at].key);
            if let Some(before) = before {
                kept[before] = None;
            }
        }
        Ok(kept.into_iter().flatten().collect())
    }

    fn without_identical<'b>(
        &mut self,
        operations: Vec<&'b Operation>,
    ) -> Result<Vec<&'b Operation>> {
        let mut kept = Vec::with_capacity(operations.len());
        for operation in operations {
            let found = self.get_record(&operation.key)?;
            let same = match (&found, &operation.value) {
                (Some(record), Some(value)) => {
                    record.value == *value && record.expires == operation.expires
                }
                _ => false,
            };
            if !same {
                kept.push(operation);
            }
        }
        Ok(kept)
    }

    /// Writes the buffered operations, all in one atomic append.
    pub(super) fn drain(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        let mut buffer = self.buffer.take();
        let staging: Vec<_> =
            buffer.iter().map(|b| Staging { operation: &b.operation, seq: b.seq }).collect();
        let result = self.commit(&staging, false);
        if result.is_ok() {
            buffer.clear();
        }
        // After a failure it stays, so that reads know what they cannot tell of.
        self.buffer = buffer;
        result
    }

    fn commit(&mut self, staging: &[Staging<'_>], sync: bool) -> Result<()> {
        let Some(first) = staging.first() else { return Ok(()) };
        let result = self.make_room(staging).and_then(|()| self.make_active(first.seq));
        if !self.poisoned && result.as_ref().is_err_and(Error::is_not_ready) {
            // Nothing was written: an asynchronous host opens the file and asks again.
            return result;
        }
        let result = result.and_then(|()| self.commit_inner(staging, sync));
        self.poisoned |= result.is_err() && !planted!(NoPoison);
        result
    }

    /// Compacts a step beside a commit that appended so many bytes.
    fn compact_beside(&mut self, appended: u64) {
        if self.options.compaction.auto && self.compaction_due {
            // Compaction keeps ahead of writing by a factor; what it cannot read it leaves as it
            // is, for reads and checks to report: the commit itself is done.
            let budget = COMPACTION_STEP_BYTES + 8 * appended;
            self.compaction_due = self.compact_step(budget).unwrap_or(false);
        }
    }

    fn commit_inner(&mut self, staging: &[Staging<'_>], sync: bool) -> Result<()> {
        let Some(active) = &mut self.active else { return Err(ErrorKind::Poisoned.into()) };
        let Some(writer) = &mut active.writer else { return Err(ErrorKind::Poisoned.into()) };
        let mut places = Vec::with_capacity(staging.len());
        for (at, Staging { operation, seq }) in staging.iter().enumerate() {
            places.push(writer.stage(&FrameSource {
                key: &operation.key,
                value: operation.value.as_deref(),
                seq: *seq,
                expires: operation.expires.filter(|_| operation.value.is_some()),
                more: at + 1 < staging.len() && !planted!(TornBatch),
            }));
        }
        let len_before = writer.len();
        writer.harden(sync && !planted!(MissingSync))?;
        self.counters.groups += 1;
        self.counters.syncs += u64::from(sync);
        self.counters.bytes_appended += writer.len() - len_before;
        active.len = writer.len();
        active.file.set_readable(active.len);
        for (Staging { operation, seq }, place) in staging.iter().zip(places) {
            let tombstone = operation.value.is_none();
            let expires = operation.expires.filter(|_| !tombstone).unwrap_or(0);
            let value_len = operation.value.as_ref().map_or(0, Vec::len);
            active.payload_bytes += (operation.key.len() + value_len) as u64;
            active.memtable.push(&operation.key, *seq, tombstone, expires, place.offset, place.len);
            let location =
                Location::new(active.file.number, place.offset, place.len as usize, tombstone);
            let before = self.index.insert(self.hasher.hash(&operation.key), location);
            if let Some(before) = before
                && let Some(file) = self.files.get(before.segment())
            {
                file.add_dead(before.len_max());
            }
            self.last_seq = self.last_seq.max(*seq);
        }
        if sync {
            self.durable_seq = self.last_seq;
            self.unsynced_since = None;
        } else if self.unsynced_since.is_none() {
            self.unsynced_since = Some(self.host.now_us());
        }
        Ok(())
    }

    /// Seals the active segment if it is full or the batch would not fit.
    fn make_room(&mut self, staging: &[Staging<'_>]) -> Result<()> {
        let Some(active) = &self.active else { return Ok(()) };
        let bytes: u64 = staging
            .iter()
            .map(|s| {
                let value = s.operation.value.as_ref().map_or(0, Vec::len);
                (s.operation.key.len() + value + 48) as u64
            })
            .sum();
        if active.len >= self.options.segment_bytes
            || active.len + bytes >= limits::SEGMENT_DATA_MAX - (1 << 20)
        {
            self.seal()?;
        }
        Ok(())
    }

    /// Makes sure there is an active segment that can be appended to.
    pub(super) fn make_active(&mut self, seq: u64) -> Result<()> {
        if let Some(active) = &mut self.active {
            if active.writer.is_none() {
                let appender = self.storage.resume(active.file.id(), active.len)?;
                active.writer = Some(LogWriter::resume(appender, active.header, active.len));
            }
            return Ok(());
        }
        let number = self.manifest.log.number;
        let header = SegmentHeader {
            kind: SegmentKind::Arrival,
            salt: self.manifest.log.salt,
            store_id: self.manifest.store_id,
            number,
            base_seq: seq,
            previous_number: 0,
            previous_len: 0,
            previous_seq: 0,
        };
        let id = FileId::segment(number);
        let appender = self.storage.create(id)?;
        let reader = self.storage.open(id)?;
        let file = SegmentFile::new(number, header.salt, seq, reader, 0);
        self.files.add(&file);
        self.active = Some(Active {
            file,
            header,
            writer: Some(LogWriter::create(appender, header)),
            memtable: Memtable::new(),
            len: 0,
            payload_bytes: 0,
        });
        Ok(())
    }

    /// What a write is acknowledged for unless it says otherwise.
    pub fn durability(&self) -> Durability {
        self.options.durability
    }

    /// Makes every earlier write survive power loss, and gives the last sequence number.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn sync(&mut self) -> Result<u64> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        self.drain()?;
        if let Some(writer) = self.active.as_mut().and_then(|active| active.writer.as_mut())
            && !writer.is_durable()
        {
            self.counters.syncs += 1;
            if let Err(e) = writer.sync() {
                self.poisoned = true;
                return Err(e);
            }
        }
        self.durable_seq = self.last_seq;
        self.unsynced_since = None;
        Ok(self.durable_seq)
    }
}
