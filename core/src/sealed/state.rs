//! Where a cursor stands, and the bytes it holds for that.
//!
//! Nothing is allocated for a step. In a sorted segment the groups are walked frame by frame out of
//! a window that is read ahead; its key table is not needed for that. In an arrival segment, and
//! for the value of a record in memory, one frame is read, or borrowed where the backend lends.

use alloc::vec::Vec;

use super::gather::Gather;
use super::window::Window;
use super::{Sealed, Version};
use crate::error::Result;
use crate::format::{
    BlockEntry, Frame, FrameHead, GROUP_HEADER_LEN, GroupHeader, Malformed, decode_block, seed_at,
};
use crate::memtable::Run;
use crate::segment_file::SegmentFile;
use crate::storage::ReadAt;

/// Frames up to this many bytes are read whole where only their key is asked for.
const WHOLE_FRAME_MAX: u32 = 8 << 10;

/// Where the value of the version at hand is.
#[derive(Debug, Clone, Copy, Default)]
enum Value {
    /// In the file, still to be read and verified.
    #[default]
    Unread,
    /// Verified, so many bytes into the frame, which the backend lent.
    Lent { start: usize, len: usize },
    /// Verified, so many bytes into `frame`.
    InFrame { start: usize, len: usize },
    /// Verified, so many bytes into what `gather` holds.
    Gathered { start: usize, len: usize },
    /// Verified, at this offset of the file, in `data`.
    InData { start: u64, len: u64 },
}

/// Where a cursor stands.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Vec<u8>,
    seq: u64,
    expires: u64,
    tombstone: bool,
    pub(super) offset: u32,
    pub(super) len: u32,
    value: Value,
    /// One frame, where the backend does not lend.
    frame: Vec<u8>,
    /// Arrival segments and records in memory: this and the next few frames.
    gather: Gather,
    block: Block,
    /// Arrival segments: the entries of the block, and the key table around it.
    entries: Vec<BlockEntry>,
    table: Window,
    /// Sorted segments: the groups, and where the frames of the block start in its group, as far
    /// as they were walked.
    data: Window,
    starts: Vec<u32>,
}

/// The block at hand, none when it has no records.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    number: usize,
    /// Ordinals of its records: `first..end`.
    first: u64,
    end: u64,
    /// Sorted segments: its group.
    data_offset: u64,
    data_len: u32,
}

impl State {
    #[inline]
    pub(super) fn version(&self) -> Version<'_> {
        Version { key: &self.key, seq: self.seq, tombstone: self.tombstone, expires: self.expires }
    }

    pub(super) fn move_in_run(&mut self, run: &Run, ordinal: usize) {
        let entry = run.entry(ordinal);
        self.key.clear();
        self.key.extend_from_slice(run.key(ordinal));
        self.seq = entry.seq;
        self.expires = entry.expires;
        self.tombstone = entry.tombstone;
        (self.offset, self.len) = (entry.offset, entry.len);
        self.value = Value::Unread;
        self.gather.step(ordinal as u64);
    }

    /// Has the frames of this and the next records read together.
    pub(super) fn gather_in_run<R: ReadAt>(
        &mut self,
        file: &SegmentFile<R>,
        run: &Run,
    ) -> Result<()> {
        self.gather.fill(file, 0..run.len() as u64, &|ordinal| {
            let entry = run.entry(ordinal as usize);
            (entry.offset, entry.len)
        })
    }

    pub(super) fn move_in_sorted<R: ReadAt>(
        &mut self,
        sealed: &Sealed<R>,
        ordinal: u64,
    ) -> Result<()> {
        if !(self.block.first..self.block.end).contains(&ordinal) {
            self.enter_group(sealed, ordinal)?;
        }
        self.value = Value::Unread;
        let file = &*sealed.file;
        let Block { data_offset, data_len, first, end, .. } = self.block;
        let (data_end, at) = (data_offset + u64::from(data_len), (ordinal - first) as usize);
        while self.starts.len() <= at {
            let start = self.starts[self.starts.len() - 1];
            let offset = data_offset + u64::from(start);
            let head = FrameHead::decode(self.data.bytes(offset..data_end))
                .map_err(|e| file.corrupt(offset, e))?;
            self.starts.push(start.saturating_add(head.frame_len() as u32).min(data_len));
        }
        let offset = data_offset + u64::from(self.starts[at]);
        let bytes = self.data.bytes(offset..data_end);
        let frame = Frame::decode(bytes, seed_at(file.salt, offset), file.base_seq)
            .map_err(|e| file.corrupt(offset, e))?;
        let next = self.starts[at] + frame.len as u32;
        if ordinal + 1 == end {
            if next != data_len {
                return Err(file.corrupt(offset, Malformed("the last frame of its group")));
            }
        } else if self.starts.len() == at + 1 {
            self.starts.push(next);
        }
        self.key.clear();
        self.key.extend_from_slice(frame.key);
        self.seq = frame.seq;
        self.expires = frame.expires.unwrap_or(0);
        self.tombstone = frame.tombstone;
        (self.offset, self.len) = (offset as u32, frame.len as u32);
        let start = offset + frame.value_start as u64;
        self.value = Value::InData { start, len: frame.value.len() as u64 };
        Ok(())
    }

    fn enter_group<R: ReadAt>(&mut self, sealed: &Sealed<R>, ordinal: u64) -> Result<()> {
        let block = self.find_block(sealed, ordinal)?;
        let file = &*sealed.file;
        let wanted = block.data_offset..block.data_offset + u64::from(block.data_len);
        self.data.hold(file, wanted.clone(), 0..sealed.numbers().data_end)?;
        let offset = block.data_offset;
        let header = GroupHeader::decode(self.data.bytes(wanted), offset, file.salt)
            .map_err(|e| file.corrupt(offset, e))?;
        if header.end() != offset + u64::from(block.data_len) {
            return Err(file.corrupt(offset, Malformed("a group of its block's length")));
        }
        self.starts.clear();
        self.starts.push(GROUP_HEADER_LEN as u32);
        self.block = block;
        Ok(())
    }

    pub(super) fn move_in_arrival<R: ReadAt>(
        &mut self,
        sealed: &Sealed<R>,
        ordinal: u64,
    ) -> Result<()> {
        if !(self.block.first..self.block.end).contains(&ordinal) {
            self.enter_block(sealed, ordinal)?;
        }
        let Block { first, end, .. } = self.block;
        let entry = self.entries[(ordinal - first) as usize];
        self.gather.step(ordinal);
        let entries = &self.entries;
        self.gather.fill(&sealed.file, first..end, &|ordinal| {
            let entry = &entries[(ordinal - first) as usize];
            (entry.offset, entry.len)
        })?;
        self.read_key(&sealed.file, entry.offset, entry.len)?;
        if self.seq != entry.seq || self.tombstone != entry.tombstone {
            let offset = u64::from(entry.offset);
            return Err(sealed.file.corrupt(offset, DIFFERENT));
        }
        Ok(())
    }

    fn enter_block<R: ReadAt>(&mut self, sealed: &Sealed<R>, ordinal: u64) -> Result<()> {
        let block = self.find_block(sealed, ordinal)?;
        let (file, numbers) = (&*sealed.file, sealed.numbers());
        let fence = sealed.directory()?.fence(block.number);
        let start = numbers.data_end + u64::from(fence.table_offset);
        let wanted = start..start + u64::from(fence.table_len);
        self.table.hold(file, wanted.clone(), numbers.data_end..numbers.fences_offset)?;
        self.entries.clear();
        decode_block(self.table.bytes(wanted), &fence, numbers, &mut self.entries)
            .map_err(|e| file.corrupt(start, e))?;
        self.block = block;
        Ok(())
    }

    /// The block of an ordinal: mostly the one beside the block at hand, which is given up.
    fn find_block<R: ReadAt>(&mut self, sealed: &Sealed<R>, ordinal: u64) -> Result<Block> {
        let directory = sealed.directory()?;
        let before = core::mem::take(&mut self.block);
        let number = if before.end > 0 && ordinal == before.end {
            before.number + 1
        } else if before.end > 0 && ordinal + 1 == before.first {
            before.number - 1
        } else {
            directory.block_of_ordinal(ordinal)
        };
        let fence = directory.fence(number);
        Ok(Block {
            number,
            first: fence.first,
            end: fence.first + u64::from(fence.records),
            data_offset: u64::from(fence.data_offset),
            data_len: fence.data_len,
        })
    }

    /// Reads and verifies the key of the frame at `offset`, and its value if it is small.
    fn read_key<R: ReadAt>(&mut self, file: &SegmentFile<R>, offset: u32, len: u32) -> Result<()> {
        let at = u64::from(offset);
        (self.offset, self.len, self.value) = (offset, len, Value::Unread);
        let gathered = self.gather.frame();
        if len > WHOLE_FRAME_MAX && gathered.is_none() {
            return self.read_large_key(file);
        }
        let lent = file.lend(at, len as usize).filter(|_| gathered.is_none());
        let bytes = if let Some(range) = gathered.clone() {
            self.gather.bytes(range)
        } else if let Some(bytes) = lent {
            bytes
        } else {
            file.read_into(at, len as usize, &mut self.frame)?;
            &self.frame
        };
        let frame = Frame::decode(bytes, seed_at(file.salt, at), file.base_seq)
            .map_err(|e| file.corrupt(at, e))?;
        self.key.clear();
        self.key.extend_from_slice(frame.key);
        (self.seq, self.tombstone) = (frame.seq, frame.tombstone);
        self.expires = frame.expires.unwrap_or(0);
        let (start, len) = (frame.value_start, frame.value.len());
        self.value = match (gathered, lent) {
            (Some(range), _) => Value::Gathered { start: range.start + start, len },
            (None, Some(_)) => Value::Lent { start, len },
            (None, None) => Value::InFrame { start, len },
        };
        Ok(())
    }

    /// Reads and verifies the key of the large frame at hand, without its value.
    fn read_large_key<R: ReadAt>(&mut self, file: &SegmentFile<R>) -> Result<()> {
        let (offset, len) = (u64::from(self.offset), self.len as usize);
        let (key, mut seq) = (&mut self.key, Ok(0));
        let (mut expires, mut tombstone) = (None, false);
        file.with_key(offset, len, |found| {
            key.clear();
            key.extend_from_slice(found.key);
            seq = found.head.seq(file.base_seq);
            (expires, tombstone) = (found.head.expires, found.head.tombstone());
        })?;
        self.seq = seq.map_err(|e| file.corrupt(offset, e))?;
        (self.expires, self.tombstone) = (expires.unwrap_or(0), tombstone);
        Ok(())
    }

    /// The version at hand with its value.
    pub(super) fn record<'a, R: ReadAt>(
        &'a mut self,
        file: &'a SegmentFile<R>,
    ) -> Result<(Version<'a>, &'a [u8])> {
        let (offset, frame_len) = (u64::from(self.offset), self.len as usize);
        match self.value {
            Value::InFrame { start, len } => {
                let value = self.frame.get(start..start + len).unwrap_or_default();
                return Ok((self.version(), value));
            }
            Value::Gathered { start, len } => {
                return Ok((self.version(), self.gather.bytes(start..start + len)));
            }
            Value::InData { start, len } => {
                return Ok((self.version(), self.data.bytes(start..start + len)));
            }
            Value::Lent { start, len } => {
                let lent = file.lend(offset, frame_len).and_then(|b| b.get(start..start + len));
                if let Some(value) = lent {
                    return Ok((self.version(), value));
                }
            }
            Value::Unread => {}
        }
        let bytes = if let Some(range) = self.gather.frame() {
            self.gather.bytes(range)
        } else if let Some(bytes) = file.lend(offset, frame_len) {
            bytes
        } else {
            self.value = Value::Unread;
            file.read_into(offset, frame_len, &mut self.frame)?;
            &self.frame
        };
        let frame = Frame::decode(bytes, seed_at(file.salt, offset), file.base_seq)
            .map_err(|e| file.corrupt(offset, e))?;
        if frame.key != self.key || frame.seq != self.seq {
            return Err(file.corrupt(offset, DIFFERENT));
        }
        Ok((self.version(), frame.value))
    }
}

const DIFFERENT: Malformed = Malformed("the record its key table tells of");
