//! Writing the active segment: stage (pure), harden (the only input and output).
//!
//! Applying is the owner's: index and memtable learn of a group only after it was hardened.

use alloc::vec::Vec;

use crate::error::{ErrorKind, Result};
use crate::format::{
    FrameSource, GROUP_HEADER_LEN, GroupHeader, SEGMENT_HEADER_LEN, SegmentHeader, seed_at,
};
use crate::limits;
use crate::storage::Append;

/// Memory kept for the next group, in bytes.
const MEMORY_KEPT: usize = 4 << 20;

/// Where a staged record will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedRecord {
    /// Offset of its frame in the segment.
    pub offset: u32,
    /// Length of its frame, in bytes.
    pub len: u32,
}

/// Appends groups to one segment.
#[derive(Debug)]
pub struct LogWriter<A> {
    appender: A,
    header: SegmentHeader,
    /// Bytes appended, of which `durable` are synced.
    len: u64,
    durable: u64,
    /// What is not appended yet: the segment header if nothing is, groups, the open one last.
    staged: Vec<u8>,
    /// Where in it the open group starts, if there is one.
    open: Option<usize>,
    poisoned: bool,
}

impl<A: Append> LogWriter<A> {
    /// A writer of a new segment, whose header goes out with the first group.
    pub fn create(appender: A, header: SegmentHeader) -> Self {
        Self {
            appender,
            header,
            len: 0,
            durable: 0,
            staged: Vec::new(),
            open: None,
            poisoned: false,
        }
    }

    /// A writer that goes on at `len`, all of it known synced.
    pub fn resume(appender: A, header: SegmentHeader, len: u64) -> Self {
        let (staged, open) = (Vec::new(), None);
        Self { appender, header, len, durable: len, staged, open, poisoned: false }
    }

    /// The segment's header.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Bytes appended.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether every appended byte is synced.
    pub fn is_durable(&self) -> bool {
        self.durable == self.len
    }

    /// Whether an append or a sync failed.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Bytes the segment has with all that is staged.
    pub fn staged_len(&self) -> u64 {
        self.len + self.staged.len() as u64
    }

    fn begin_group(&mut self) {
        if self.open.is_none() {
            if self.len == 0 && self.staged.is_empty() {
                self.staged.extend_from_slice(&self.header.encode());
            }
            self.open = Some(self.staged.len());
            self.staged.extend_from_slice(&[0; GROUP_HEADER_LEN]);
        }
    }

    /// Where the group being staged starts in the segment.
    pub fn group_offset(&self) -> u64 {
        match self.open {
            Some(start) => self.len + start as u64,
            None => self.staged_len().max(SEGMENT_HEADER_LEN as u64),
        }
    }

    /// Ends the group being staged: the next record begins another one. Pure.
    pub fn end_group(&mut self) {
        let offset = self.group_offset();
        let Some(start) = self.open.take() else { return };
        let body = start + GROUP_HEADER_LEN;
        let body_len = (self.staged.len() - body) as u32;
        let header = GroupHeader { offset, body_len, durable_len: self.durable };
        self.staged[start..body].copy_from_slice(&header.encode(self.header.salt));
    }

    /// Adds a record to the group. Pure: nothing is written.
    pub fn stage(&mut self, record: &FrameSource<'_>) -> StagedRecord {
        self.begin_group();
        let offset = self.staged_len();
        debug_assert!(offset < limits::SEGMENT_DATA_MAX);
        let seed = seed_at(self.header.salt, offset);
        let len = record.encode(&mut self.staged, seed, self.header.base_seq);
        StagedRecord { offset: offset as u32, len: len as u32 }
    }

    /// Throws away what is staged.
    pub fn discard(&mut self) {
        self.staged.clear();
        self.open = None;
    }

    /// Appends what is staged, and syncs the segment if asked to.
    ///
    /// # Errors
    /// Any error poisons the writer: bytes of the group may or may not be on disk.
    ///
    /// # Crash behaviour
    /// A crash here loses all of it or keeps a prefix of its batches, never part of one.
    pub fn harden(&mut self, sync: bool) -> Result<()> {
        self.append_staged()?;
        if sync { self.sync() } else { Ok(()) }
    }

    /// Gives reserved space back and syncs everything, for a clean close.
    ///
    /// # Errors
    /// As [`LogWriter::harden`].
    pub fn close(&mut self) -> Result<()> {
        self.append_staged()?;
        self.trim()?;
        self.sync()
    }

    fn append_staged(&mut self) -> Result<()> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        self.end_group();
        if self.staged.is_empty() {
            return Ok(());
        }
        let done = self.appender.append(&self.staged);
        self.guard(done)?;
        self.len += self.staged.len() as u64;
        self.staged.clear();
        // One large value must not hold its memory for good.
        self.staged.shrink_to(MEMORY_KEPT);
        Ok(())
    }

    /// Appends the tail of a sealed segment behind the data, gives reserved space back and syncs.
    ///
    /// # Errors
    /// As [`LogWriter::harden`].
    pub fn seal(&mut self, tail: &[u8]) -> Result<()> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        let done = self.appender.append(tail);
        self.guard(done)?;
        self.len += tail.len() as u64;
        self.trim()?;
        self.sync()
    }

    fn trim(&mut self) -> Result<()> {
        let done = self.appender.finish();
        self.guard(done)
    }

    /// Makes everything appended survive power loss.
    ///
    /// # Errors
    /// As [`LogWriter::harden`].
    pub fn sync(&mut self) -> Result<()> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        if self.durable < self.len {
            let done = self.appender.sync();
            self.guard(done)?;
            self.durable = self.len;
        }
        Ok(())
    }

    fn guard(&mut self, done: core::result::Result<(), crate::error::StorageError>) -> Result<()> {
        done.map_err(|e| {
            self.poisoned = !planted!(NoPoison);
            e.into()
        })
    }
}
