//! One compaction: merges a run of neighbours into one sorted segment, step by step.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::newer::Newer;
use super::{Fate, Rules};
use crate::error::Result;
use crate::format::{FrameSource, GROUP_HEADER_LEN, SegmentHeader, TableBuilder, TableEntry};
use crate::index::KeyHasher;
use crate::limits::{BLOCK_BYTES, BLOCK_RECORDS_MAX};
use crate::log::{LogWriter, StagedRecord};
use crate::merge::Merge;
use crate::sealed::{Cursor, Part, Sealed, Version};
use crate::segment_file::SegmentFile;
use crate::storage::{FileId, Storage};

/// The output is appended by about so many bytes at a time.
const APPEND_BYTES: u64 = 512 << 10;

/// A compaction under way. Dropping it leaves its output as garbage for the next open;
/// [`Compaction::abandon`] removes it.
pub struct Compaction<S: Storage> {
    inputs: Vec<Arc<Sealed<S::Reader>>>,
    older: Vec<Arc<Sealed<S::Reader>>>,
    newer: Newer<S::Reader>,
    merge: Merge<S::Reader>,
    rules: Rules,
    hasher: KeyHasher,
    header: SegmentHeader,
    output: Option<Output<S>>,
    key: Vec<u8>,
    /// Sequence number of the version before, of the same key.
    before: Option<u64>,
    position: u32,
    dropped_hashes: Vec<u64>,
    dropped_records: u64,
    horizon: u64,
    done_bytes: u64,
}

struct Output<S: Storage> {
    writer: LogWriter<S::Appender>,
    table: TableBuilder,
    payload_bytes: u64,
}

/// A finished compaction, to be installed.
#[derive(Debug)]
pub struct Compacted<S: Storage> {
    /// The segments to be replaced, oldest first.
    pub inputs: Vec<Arc<Sealed<S::Reader>>>,
    /// What replaces them; nothing when no record was left.
    pub output: Option<Arc<Sealed<S::Reader>>>,
    /// Hashes of keys whose newest record of all sealed ones was dropped.
    pub dropped_hashes: Vec<u64>,
    /// Records dropped.
    pub dropped_records: u64,
    /// Oldest moment that reads the same as before.
    pub horizon: u64,
}

impl<S: Storage> Compaction<S> {
    /// Begins a compaction of `sealed[run]`, into the segment of `header`.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn begin(
        sealed: &[Arc<Sealed<S::Reader>>],
        run: core::ops::Range<usize>,
        header: SegmentHeader,
        hasher: KeyHasher,
        rules: Rules,
    ) -> Result<Self> {
        let inputs = sealed[run.clone()].to_vec();
        let parts: Vec<_> = inputs.iter().map(|s| Part::Sealed(Arc::clone(s))).collect();
        Ok(Self {
            merge: Merge::new(&parts, &[], None, false)?,
            inputs,
            older: sealed[..run.start].to_vec(),
            newer: Newer::new(&sealed[run.end..]),
            rules,
            hasher,
            header,
            output: None,
            key: Vec::new(),
            before: None,
            position: 0,
            dropped_hashes: Vec::new(),
            dropped_records: 0,
            horizon: 0,
            done_bytes: 0,
        })
    }

    /// Numbers of the segments that are to be replaced, oldest first.
    #[must_use]
    pub fn inputs(&self) -> Vec<u64> {
        self.inputs.iter().map(|s| s.file.number).collect()
    }

    /// Gives the compaction up and removes its output.
    pub fn abandon(mut self, storage: &S) {
        if let Some(output) = self.output.take() {
            drop(output);
            // If this fails the file is garbage, which the next open removes.
            let _ = storage.remove(FileId::segment(self.header.number));
        }
    }

    /// Bytes of input frames looked at so far.
    #[must_use]
    pub fn done_bytes(&self) -> u64 {
        self.done_bytes
    }

    /// Bytes of input data.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.inputs.iter().map(|s| s.numbers().data_end).sum()
    }

    /// Asks for the files that a step reads, since a step cannot be repeated.
    ///
    /// # Errors
    /// `NotReady`: the compaction goes on once they are open. Damage; the storage's failure.
    pub fn ready(&self) -> Result<()> {
        Sealed::all_ready(self.inputs.iter().chain(self.newer.segments()))?;
        // Of older segments only the filter is asked, which stays in memory.
        self.older.iter().try_for_each(|older| older.directory().map(drop))
    }

    /// Works through about so many bytes of input. `false` when all of it is done.
    ///
    /// # Errors
    /// Damage; the storage's failure. The compaction must then be given up.
    /// See [`Compaction::ready`].
    pub fn step(&mut self, storage: &S, budget_bytes: u64) -> Result<bool> {
        let until = self.done_bytes.saturating_add(budget_bytes);
        while self.done_bytes < until {
            if !self.merge.advance()? {
                return Ok(false);
            }
            self.take_version(storage)?;
        }
        Ok(true)
    }

    fn take_version(&mut self, storage: &S) -> Result<()> {
        let Some(cursor) = self.merge.cursor() else { return Ok(()) };
        let version = cursor.version();
        self.done_bytes += u64::from(cursor.frame_place().1);
        let (seq, tombstone, expires) = (version.seq, version.tombstone, version.expires);
        let hash = self.hasher.hash(version.key);
        if self.position == 0 || self.key != version.key {
            self.key.clear();
            self.key.extend_from_slice(version.key);
            self.position = 0;
            self.before = self.newer.superseder(version.key, hash)?;
        }
        let newest = self.position == 0;
        let superseded = self.before.is_some();
        let (newer, position) = (self.before.replace(seq), self.position);
        self.position += 1;
        let fate = self.rules.judge(seq, tombstone, expires, newer, position);
        let Fate::Drop(mut death) = fate else { return self.keep(storage, hash, tombstone) };
        if let Some(newer) = newer
            && death < newer
            && may_hold(&self.older, hash)?
        {
            // It died by itself, and until it was superseded it hid what older segments hold.
            let Fate::Drop(later) = self.rules.judge(seq, false, 0, Some(newer), position) else {
                self.horizon = self.horizon.max(death);
                return self.keep(storage, hash, true);
            };
            death = later;
        }
        // What stands alone on top must go on hiding what older segments hold.
        let hides = newest && !superseded && may_hold(&self.older, hash)?;
        if hides && !planted!(DroppedTombstone) {
            if !tombstone {
                self.horizon = self.horizon.max(death);
            }
            return self.keep(storage, hash, true);
        }
        if newest && !superseded {
            // Otherwise the slot points to what superseded it, or to nothing of this run.
            self.dropped_hashes.push(hash);
        }
        if !tombstone || superseded || !newest {
            self.horizon = self.horizon.max(death);
        }
        self.dropped_records += 1;
        Ok(())
    }

    /// Copies the version the merge stands on, or a tombstone in its place.
    fn keep(&mut self, storage: &S, hash: u64, tombstone: bool) -> Result<()> {
        if self.output.is_none() {
            let appender = storage.create(FileId::segment(self.header.number))?;
            let SegmentHeader { number, salt, base_seq, .. } = self.header;
            self.output = Some(Output {
                writer: LogWriter::create(appender, self.header),
                table: TableBuilder::new(number, salt, true, base_seq),
                payload_bytes: 0,
            });
        }
        let (Some(output), Some(cursor)) = (&mut self.output, self.merge.cursor_mut()) else {
            return Ok(());
        };
        output.add(cursor, hash, tombstone)
    }

    /// Seals the output, synced.
    ///
    /// # Errors
    /// The storage's failure.
    pub fn finish(mut self, storage: &S) -> Result<Compacted<S>> {
        let output = match self.output.take() {
            None => None,
            Some(mut output) => {
                output.end_block();
                output.writer.harden(false)?;
                let number = self.header.number;
                let tail = output.table.finish(output.writer.len(), output.payload_bytes);
                output.writer.seal(&tail.bytes)?;
                let reader = storage.open(FileId::segment(number))?;
                let SegmentHeader { salt, base_seq, .. } = self.header;
                let len = output.writer.len();
                let file = SegmentFile::new(number, salt, base_seq, reader, len);
                Some(Sealed::from_parts(file, tail.footer))
            }
        };
        Ok(Compacted {
            inputs: self.inputs,
            output,
            dropped_hashes: self.dropped_hashes,
            dropped_records: self.dropped_records,
            horizon: self.horizon,
        })
    }
}

impl<S: Storage> Output<S> {
    /// Copies the version that `cursor` stands on, or a tombstone in its place.
    fn add(&mut self, cursor: &mut Cursor<S::Reader>, hash: u64, tombstone: bool) -> Result<()> {
        if tombstone {
            self.stage(cursor.version(), None, hash);
        } else {
            let (version, value) = cursor.record()?;
            self.stage(version, Some(value), hash);
        }
        let group_len = (self.writer.staged_len() - self.writer.group_offset()) as usize;
        if self.table.block_records() == BLOCK_RECORDS_MAX || group_len >= BLOCK_BYTES {
            self.end_block();
            if self.writer.staged_len() - self.writer.len() >= APPEND_BYTES {
                self.writer.harden(false)?;
            }
        }
        Ok(())
    }

    fn stage(&mut self, version: Version<'_>, value: Option<&[u8]>, hash: u64) {
        let Version { key, seq, expires, .. } = version;
        self.payload_bytes += (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        let expiry = (expires != 0).then_some(expires);
        let frame = FrameSource { key, value, seq, expires: expiry, more: false };
        let StagedRecord { offset, len } = self.writer.stage(&frame);
        let tombstone = value.is_none();
        self.table.add(&TableEntry { key, hash, seq, tombstone, expires, offset, len });
    }

    /// Ends the group and the block of the key table that tells of it.
    fn end_block(&mut self) {
        if self.table.block_records() > 0 {
            let start = self.writer.group_offset();
            self.writer.end_group();
            let len = self.writer.staged_len() - start;
            debug_assert!(len > GROUP_HEADER_LEN as u64);
            self.table.end_block(start as u32, len as u32);
        }
    }
}

fn may_hold<R: crate::storage::ReadAt>(older: &[Arc<Sealed<R>>], hash: u64) -> Result<bool> {
    for sealed in older {
        if sealed.may_contain(hash)? {
            return Ok(true);
        }
    }
    Ok(false)
}
