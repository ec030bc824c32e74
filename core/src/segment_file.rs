//! One live segment's file: reading frames from it, verified.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::format::{Frame, FrameHead, FrameKey, Malformed, seed_at};
use crate::limits;
use crate::storage::{FileId, ReadAt};

/// What is read of a frame of unknown length first, to have most of them whole, in bytes.
pub(crate) const FRAME_GUESS: usize = limits::SMALL_VALUE_LEN_MAX + 512;
/// What is read of a frame of unknown length first, to have its head, in bytes.
const HEAD_GUESS: usize = 512;

/// A live segment's file with what is needed to decode its frames.
#[derive(Debug)]
pub struct SegmentFile<R> {
    /// The segment's number.
    pub number: u64,
    /// Seed of its checksums.
    pub salt: u32,
    /// What its sequence numbers are stored less.
    pub base_seq: u64,
    /// The file.
    pub reader: R,
    /// Bytes that may be read.
    readable: AtomicUsize,
    /// Bytes of superseded frames: advice for compaction.
    dead: AtomicUsize,
}

impl<R: ReadAt> SegmentFile<R> {
    /// A segment of which `readable` bytes are written.
    pub fn new(number: u64, salt: u32, base_seq: u64, reader: R, readable: u64) -> Arc<Self> {
        let readable = AtomicUsize::new(usize::try_from(readable).unwrap_or(usize::MAX));
        Arc::new(Self { number, salt, base_seq, reader, readable, dead: AtomicUsize::new(0) })
    }

    /// The file's name.
    pub fn id(&self) -> FileId {
        FileId::segment(self.number)
    }

    /// Says that so many bytes are written now.
    pub fn set_readable(&self, len: u64) {
        self.readable.store(usize::try_from(len).unwrap_or(usize::MAX), Ordering::Release);
    }

    /// Bytes that may be read.
    pub fn readable(&self) -> u64 {
        self.readable.load(Ordering::Acquire) as u64
    }

    /// Counts superseded bytes.
    pub fn add_dead(&self, bytes: usize) {
        self.dead.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Superseded bytes counted so far.
    pub fn dead(&self) -> u64 {
        self.dead.load(Ordering::Relaxed) as u64
    }

    /// Sets the count of superseded bytes.
    pub fn set_dead(&self, bytes: u64) {
        self.dead.store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// An error of damage in this file.
    pub fn corrupt(&self, offset: u64, found: Malformed) -> Error {
        Error::corrupt(self.id(), offset, found.0)
    }

    /// The bytes at `offset`, borrowed where the backend can lend them.
    ///
    /// # Errors
    /// Damage when the range is not inside the segment; the storage's failure.
    pub fn bytes(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>> {
        if let Some(bytes) = self.lend(offset, len) {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut bytes = Vec::new();
        self.read_into(offset, len, &mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    /// The bytes at `offset` without a copy, where the backend can lend them.
    pub fn lend(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len as u64)?;
        if end > self.readable() { None } else { self.reader.borrow(offset, len) }
    }

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    /// As [`SegmentFile::bytes`].
    pub fn read_into(&self, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.readable()) {
            return Err(self.corrupt(offset, Malformed("bytes inside the segment")));
        }
        // What was in it stays: it is written over.
        buf.resize(len, 0);
        self.reader.read_at(offset, buf)?;
        Ok(())
    }

    /// Gives `read` the verified frame at `offset`, of which `len_max` bounds the length where it
    /// is known; otherwise it is found out by a second read.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn with_frame<T>(
        &self,
        offset: u64,
        len_max: usize,
        read: impl FnOnce(Frame<'_>) -> Result<T>,
    ) -> Result<T> {
        let bytes = self.frame_bytes(offset, len_max)?;
        let frame = Frame::decode(&bytes, seed_at(self.salt, offset), self.base_seq);
        read(frame.map_err(|e| self.corrupt(offset, e))?)
    }

    /// At least the whole frame at `offset`, unverified.
    fn frame_bytes(&self, offset: u64, len_max: usize) -> Result<Cow<'_, [u8]>> {
        let bytes = self.bytes(offset, len_max.min(self.room(offset)?))?;
        let head = FrameHead::decode(&bytes).map_err(|e| self.corrupt(offset, e))?;
        if head.frame_len() <= bytes.len() {
            return Ok(bytes);
        }
        self.bytes(offset, head.frame_len())
    }

    /// Gives `read` the verified header and key of the frame at `offset`, without its value where
    /// the value is large.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn with_key<T>(
        &self,
        offset: u64,
        frame_len: usize,
        read: impl FnOnce(FrameKey<'_>) -> T,
    ) -> Result<T> {
        let bytes = self.key_bytes(offset, frame_len)?;
        let key = FrameKey::decode(&bytes, seed_at(self.salt, offset));
        key.map(read).map_err(|e| self.corrupt(offset, e))
    }

    /// What the checksum of the key covers of the frame at `offset`.
    fn key_bytes(&self, offset: u64, frame_len: usize) -> Result<Cow<'_, [u8]>> {
        let small = limits::SMALL_VALUE_LEN_MAX + 64;
        let guess = if frame_len <= small { frame_len } else { HEAD_GUESS };
        let bytes = self.bytes(offset, guess.min(self.room(offset)?))?;
        let head = FrameHead::decode(&bytes).map_err(|e| self.corrupt(offset, e))?;
        self.bytes(offset, head.key_checked_len())
    }

    fn room(&self, offset: u64) -> Result<usize> {
        let room = self.readable().saturating_sub(offset);
        if room == 0 {
            return Err(self.corrupt(offset, Malformed("bytes inside the segment")));
        }
        Ok(usize::try_from(room).unwrap_or(usize::MAX))
    }
}
