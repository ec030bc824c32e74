//! The storage trait: write-once files named by kind and number.
//!
//! There is no rename, no overwrite and no truncation in place: a file is created, appended to,
//! perhaps resumed, and removed; a small file is published whole. Each method says what `Ok`
//! means, what `Err` means, and what a power loss during the call may leave behind. A backend is
//! right when it passes the conformance suite of the `siltdb-tests` crate.
//!
//! A file may be longer than what was appended (space reserved ahead): the format carries its
//! own lengths and never trusts a file's.

mod memory;

pub use crate::file_id::{FileId, FileKind};
pub use memory::{MemoryAppender, MemoryReader, MemoryStorage};

use crate::error::StorageError;

/// A place that holds the files of one store.
pub trait Storage {
    /// Reads one file; shared by many threads on native.
    type Reader: ReadAt;
    /// Appends to one file; owned by exactly one thread.
    type Appender: Append;

    /// Visits every existing file once with its length, in any order.
    ///
    /// Unknown names are skipped and never deleted. `Err`: nothing was learnt.
    ///
    /// # Errors
    /// The host's failure.
    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError>;

    /// Opens a file for reading. The reader sees all bytes appended before, and later ones once
    /// they are appended.
    ///
    /// # Errors
    /// `NotFound`; `NotReady` where an asynchronous host must open it first; the host's failure.
    fn open(&self, id: FileId) -> Result<Self::Reader, StorageError>;

    /// Creates an empty file and opens it for appending.
    ///
    /// The file is not durable until its first successful sync. `Err`: it may or may not exist.
    /// Power loss: it may or may not exist.
    ///
    /// # Errors
    /// `AlreadyExists`; the host's failure.
    fn create(&self, id: FileId) -> Result<Self::Appender, StorageError>;

    /// Opens a file for appending at `len`; bytes past `len` are gone for readers.
    ///
    /// `Err`: unchanged. Power loss: the length is the old one or `len`.
    ///
    /// # Errors
    /// `NotFound`; `UnexpectedEnd` when `len` is beyond the file's end; the host's failure.
    fn resume(&self, id: FileId, len: u64) -> Result<Self::Appender, StorageError>;

    /// Creates a whole small file, durable, its name included.
    ///
    /// `Err` and power loss: the file is absent or whole, never partial.
    ///
    /// # Errors
    /// `AlreadyExists`; the host's failure.
    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError>;

    /// Removes a file. Removing one that is not there is `Ok`.
    ///
    /// The caller has dropped every reader and appender of it. `Err`: it may or may not exist.
    /// Power loss, also later: the file may come back.
    ///
    /// # Errors
    /// The host's failure.
    fn remove(&self, id: FileId) -> Result<(), StorageError>;
}

/// Reads one file at any position.
pub trait ReadAt {
    /// The length of the file, in bytes, space reserved ahead included.
    ///
    /// # Errors
    /// The host's failure.
    fn len(&self) -> Result<u64, StorageError>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// The host's failure.
    fn is_empty(&self) -> Result<bool, StorageError> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` exactly with the bytes at `offset`; never a short `Ok`.
    ///
    /// # Errors
    /// `UnexpectedEnd` past the end; `Io` otherwise. `buf` then holds nothing of use.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError>;

    /// Whether reads are answered at once: asked before a step that cannot be repeated.
    ///
    /// # Errors
    /// `NotReady` where an asynchronous host must open the file first; the host's failure.
    fn ready(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// The bytes at `offset` without a copy, where the backend holds them in memory or mapped.
    ///
    /// `None` says nothing about the file: read it by [`ReadAt::read_at`] instead.
    fn borrow(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let _ = (offset, len);
        None
    }
}

/// Appends to one file.
pub trait Append {
    /// Bytes appended so far, space reserved ahead not included.
    fn len(&self) -> u64;

    /// Whether nothing was appended yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends all of `bytes`: on `Ok` readers in this process see them at [old len, new len).
    ///
    /// They are not durable yet. `Err`: the appender must not be used again, and any prefix of
    /// the bytes may be there. Power loss: any subset of the sectors written since the last
    /// sync, zeros or garbage included; bytes before the last sync are untouched.
    ///
    /// # Errors
    /// `OutOfSpace`; the host's failure.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError>;

    /// Makes all bytes, the length and the name of the file survive power loss.
    ///
    /// `Err`: everything since the last `Ok` is unknown for ever. It must never be retried: the
    /// caller stops writing. Power loss: as for [`Append::append`].
    ///
    /// # Errors
    /// The host's failure.
    fn sync(&mut self) -> Result<(), StorageError>;

    /// Says that nothing more is appended, so that space reserved ahead can be given back.
    ///
    /// Power loss: as for [`Append::append`]; call it before the last sync.
    ///
    /// # Errors
    /// The host's failure; the appended bytes are not affected.
    fn finish(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

impl<S: Storage + ?Sized> Storage for &S {
    type Reader = S::Reader;
    type Appender = S::Appender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        (**self).list(visit)
    }

    fn open(&self, id: FileId) -> Result<Self::Reader, StorageError> {
        (**self).open(id)
    }

    fn create(&self, id: FileId) -> Result<Self::Appender, StorageError> {
        (**self).create(id)
    }

    fn resume(&self, id: FileId, len: u64) -> Result<Self::Appender, StorageError> {
        (**self).resume(id, len)
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        (**self).publish(id, bytes)
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        (**self).remove(id)
    }
}
