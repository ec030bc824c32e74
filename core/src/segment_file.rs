//! One live segment's file: reading frames from it, verified.

use alloc::vec;
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
    pub fn new(number: u64, salt: u32, base_seq: u64, reader: R, readable: u64) -> Self {
        let readable = AtomicUsize::new(usize::try_from(readable).unwrap_or(usize::MAX));
        Self { number, salt, base_seq, reader, readable, dead: AtomicUsize::new(0) }
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

    /// Gives `read` the bytes at `offset`, borrowed where the backend can lend them.
    ///
    /// # Errors
    /// Damage when the range is not inside the segment; the storage's failure.
    pub fn with_bytes<T>(
        &self,
        offset: u64,
        len: usize,
        read: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.readable()) {
            return Err(self.corrupt(offset, Malformed("bytes inside the segment")));
        }
        if let Some(bytes) = self.reader.borrow(offset, len) {
            return read(bytes);
        }
        let mut buf = vec![0; len];
        self.reader.read_at(offset, &mut buf)?;
        read(&buf)
    }

    /// The bytes at `offset` without a copy, where the backend can lend them.
    pub fn lend(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len as u64)?;
        if end > self.readable() { None } else { self.reader.borrow(offset, len) }
    }

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    /// As [`SegmentFile::with_bytes`].
    pub fn read_into(&self, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.readable()) {
            return Err(self.corrupt(offset, Malformed("bytes inside the segment")));
        }
        buf.clear();
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
        let room = self.room(offset)?;
        let mut read = Some(read);
        let first = self.with_bytes(offset, len_max.min(room), |bytes| {
            let head = FrameHead::decode(bytes).map_err(|e| self.corrupt(offset, e))?;
            if head.frame_len() > bytes.len() {
                return Ok(Err(head.frame_len()));
            }
            self.decode(bytes, offset, read.take()).map(Ok)
        })?;
        match first {
            Ok(value) => Ok(value),
            Err(len) => {
                self.with_bytes(offset, len, |bytes| self.decode(bytes, offset, read.take()))
            }
        }
    }

    fn decode<T>(
        &self,
        bytes: &[u8],
        offset: u64,
        read: Option<impl FnOnce(Frame<'_>) -> Result<T>>,
    ) -> Result<T> {
        let seed = seed_at(self.salt, offset);
        let frame =
            Frame::decode(bytes, seed, self.base_seq).map_err(|e| self.corrupt(offset, e))?;
        match read {
            Some(read) => read(frame),
            None => Err(Error::Invalid("a frame is read once")),
        }
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
        let room = self.room(offset)?;
        let small = limits::SMALL_VALUE_LEN_MAX + 64;
        let guess = if frame_len <= small { frame_len } else { HEAD_GUESS };
        let head = self.with_bytes(offset, guess.min(room), |bytes| {
            FrameHead::decode(bytes).map_err(|e| self.corrupt(offset, e))
        })?;
        self.with_bytes(offset, head.key_checked_len(), |bytes| {
            FrameKey::decode(bytes, seed_at(self.salt, offset))
                .map(read)
                .map_err(|e| self.corrupt(offset, e))
        })
    }

    fn room(&self, offset: u64) -> Result<usize> {
        let room = self.readable().saturating_sub(offset);
        if room == 0 {
            return Err(self.corrupt(offset, Malformed("bytes inside the segment")));
        }
        Ok(usize::try_from(room).unwrap_or(usize::MAX))
    }
}
