//! The files of one store in one directory.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use siltdb_core::error::{Error, StorageError, StorageErrorKind, StorageFailure};
use siltdb_core::storage::{FileId, Storage};

use super::appender::{NativeAppender, write_all_at};
use super::dir::{Dir, NativeOptions, TMP};
use super::error::storage_error;
use super::fs::{Fs, FsFile, OpenMode, RealFs};
use super::reader::NativeReader;

/// The files of one store in one directory, locked against every other opener.
///
/// Clones share the directory. The lock is given back when the last clone, reader and appender
/// is dropped.
#[derive(Debug, Clone)]
pub struct NativeStorage {
    dir: Arc<Dir>,
}

impl NativeStorage {
    /// Opens a directory and takes its lock.
    ///
    /// A directory is created with its missing parents, for the owner alone. Files left over
    /// from an interrupted [`Storage::publish`] are removed.
    ///
    /// # Errors
    /// [`siltdb_core::ErrorKind::NoStore`] if there is no file of a store and `create` is off, or
    /// if there are only files of others; `Locked` if the store is open; `Denied` if everybody may
    /// write into the directory; what the system says.
    pub fn open(dir: impl AsRef<Path>, options: NativeOptions) -> Result<Self, Error> {
        Self::open_on(Arc::new(RealFs), dir, options)
    }

    /// As [`NativeStorage::open`], through another implementation of the file calls. The
    /// directory and its lock must be real ones all the same.
    ///
    /// # Errors
    /// As [`NativeStorage::open`].
    pub fn open_on(
        fs: Arc<dyn Fs>,
        dir: impl AsRef<Path>,
        options: NativeOptions,
    ) -> Result<Self, Error> {
        Ok(Self { dir: Arc::new(Dir::open(fs, dir.as_ref(), options)?) })
    }

    /// The canonical path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir.path
    }

    fn open_file(
        &self,
        op: &'static str,
        id: FileId,
        mode: OpenMode,
    ) -> Result<Box<dyn FsFile>, StorageError> {
        let path = self.dir.path.join(id.to_string());
        self.dir.fs.open(&path, mode).map_err(|e| storage_error(op, Some(id), &e))
    }

    fn refuse_if_read_only(&self, op: &'static str, id: FileId) -> Result<(), StorageError> {
        if !self.dir.options.read_only {
            return Ok(());
        }
        let message = "the store was opened for reading only".to_owned();
        let kind = StorageErrorKind::Denied;
        Err(StorageFailure { op, file: Some(id), kind, message }.into())
    }

    fn write_and_name(&self, id: FileId, bytes: &[u8]) -> io::Result<()> {
        let (fs, dir) = (&self.dir.fs, &self.dir.path);
        let tmp = dir.join(format!("{id}{TMP}"));
        let file = match fs.open(&tmp, OpenMode::Create) {
            // Left by a publish of this process that failed.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                fs.unlink(&tmp)?;
                fs.open(&tmp, OpenMode::Create)?
            }
            other => other?,
        };
        let named = write_all_at(&*file, bytes, 0)
            .and_then(|()| file.sync_data())
            .and_then(|()| fs.rename_new(&tmp, &dir.join(id.to_string())));
        if let Err(e) = named {
            drop(file);
            // If this fails too, the next open removes it.
            let _ = fs.unlink(&tmp);
            return Err(e);
        }
        fs.sync_dir(dir)
    }
}

impl Storage for NativeStorage {
    type Reader = NativeReader;
    type Appender = NativeAppender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        let entries =
            self.dir.fs.list(&self.dir.path).map_err(|e| storage_error("list", None, &e))?;
        for entry in entries {
            // Whatever bears a name of the store's is told, even a link: left out, a manifest
            // that is one would be passed over for an older one. Opening it is refused.
            if let Some(id) = entry.name.to_str().and_then(FileId::parse) {
                visit(id, entry.len);
            }
        }
        Ok(())
    }

    fn open(&self, id: FileId) -> Result<NativeReader, StorageError> {
        let file = self.open_file("open", id, OpenMode::Read)?;
        let len = file.len().map_err(|e| storage_error("open", Some(id), &e))?;
        Ok(NativeReader::new(Arc::clone(&self.dir), id, file, self.dir.extent(id, len)))
    }

    fn create(&self, id: FileId) -> Result<NativeAppender, StorageError> {
        self.refuse_if_read_only("create", id)?;
        let file = self.open_file("create", id, OpenMode::Create)?;
        Ok(NativeAppender::new(Arc::clone(&self.dir), id, file, self.dir.extent(id, 0), 0))
    }

    fn resume(&self, id: FileId, len: u64) -> Result<NativeAppender, StorageError> {
        let failed = |e: io::Error| storage_error("resume", Some(id), &e);
        self.refuse_if_read_only("resume", id)?;
        let file = self.open_file("resume", id, OpenMode::Write)?;
        let size = file.len().map_err(failed)?;
        if len > size {
            let message = format!("{size} bytes are there, {len} were expected");
            let kind = StorageErrorKind::UnexpectedEnd;
            return Err(StorageFailure { op: "resume", file: Some(id), kind, message }.into());
        }
        let extent = self.dir.extent(id, len);
        // Before the cut: a mapped page past the end must not be given out any more.
        extent.set_appended(len);
        if len < size {
            file.set_len(len).map_err(failed)?;
        }
        Ok(NativeAppender::new(Arc::clone(&self.dir), id, file, extent, len))
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        self.refuse_if_read_only("publish", id)?;
        self.write_and_name(id, bytes).map_err(|e| storage_error("publish", Some(id), &e))
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        self.refuse_if_read_only("remove", id)?;
        self.dir.forget(id);
        match self.dir.fs.unlink(&self.dir.path.join(id.to_string())) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(storage_error("remove", Some(id), &e)),
            _ => Ok(()),
        }
    }
}
