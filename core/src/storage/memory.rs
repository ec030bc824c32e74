//! The memory backend: files are byte vectors. For tests, examples and hosts without a disk.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::{Append, FileId, ReadAt, Storage};
use crate::error::{StorageError, StorageErrorKind};

type File = Rc<RefCell<Vec<u8>>>;

/// Files held in memory. Clones share the same files, so a store can be closed and opened again.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    files: Rc<RefCell<BTreeMap<FileId, File>>>,
}

/// Reads a file of [`MemoryStorage`].
#[derive(Debug)]
pub struct MemoryReader {
    id: FileId,
    file: File,
}

/// Appends to a file of [`MemoryStorage`].
#[derive(Debug)]
pub struct MemoryAppender {
    file: File,
}

impl MemoryStorage {
    /// An empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the bytes of a file.
    #[must_use]
    pub fn bytes(&self, id: FileId) -> Option<Vec<u8>> {
        self.files.borrow().get(&id).map(|file| file.borrow().clone())
    }

    /// Puts a file in place, whatever was there before: for tests that damage a store.
    pub fn put(&self, id: FileId, bytes: Vec<u8>) {
        self.files.borrow_mut().insert(id, Rc::new(RefCell::new(bytes)));
    }

    fn find(&self, op: &'static str, id: FileId) -> Result<File, StorageError> {
        let missing = || StorageError::new(op, Some(id), StorageErrorKind::NotFound);
        self.files.borrow().get(&id).cloned().ok_or_else(missing)
    }
}

impl Storage for MemoryStorage {
    type Reader = MemoryReader;
    type Appender = MemoryAppender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        for (id, file) in self.files.borrow().iter() {
            visit(*id, file.borrow().len() as u64);
        }
        Ok(())
    }

    fn open(&self, id: FileId) -> Result<MemoryReader, StorageError> {
        Ok(MemoryReader { id, file: self.find("open", id)? })
    }

    fn create(&self, id: FileId) -> Result<MemoryAppender, StorageError> {
        let mut files = self.files.borrow_mut();
        if files.contains_key(&id) {
            return Err(StorageError::new("create", Some(id), StorageErrorKind::AlreadyExists));
        }
        let file = File::default();
        files.insert(id, Rc::clone(&file));
        Ok(MemoryAppender { file })
    }

    fn resume(&self, id: FileId, len: u64) -> Result<MemoryAppender, StorageError> {
        let file = self.find("resume", id)?;
        let size = file.borrow().len();
        match usize::try_from(len) {
            Ok(len) if len <= size => file.borrow_mut().truncate(len),
            _ => {
                return Err(StorageError::new("resume", Some(id), StorageErrorKind::UnexpectedEnd));
            }
        }
        Ok(MemoryAppender { file })
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        let mut files = self.files.borrow_mut();
        if files.contains_key(&id) {
            return Err(StorageError::new("publish", Some(id), StorageErrorKind::AlreadyExists));
        }
        files.insert(id, Rc::new(RefCell::new(bytes.to_vec())));
        Ok(())
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        if let Some(file) = self.files.borrow_mut().remove(&id) {
            assert_eq!(Rc::strong_count(&file), 1, "{id} removed while it is still open");
        }
        Ok(())
    }
}

impl ReadAt for MemoryReader {
    fn len(&self) -> Result<u64, StorageError> {
        Ok(self.file.borrow().len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let file = self.file.borrow();
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| file.get(start..start.checked_add(buf.len())?));
        let end = || StorageError::new("read", Some(self.id), StorageErrorKind::UnexpectedEnd);
        buf.copy_from_slice(bytes.ok_or_else(end)?);
        Ok(())
    }
}

impl Append for MemoryAppender {
    fn len(&self) -> u64 {
        self.file.borrow().len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}
