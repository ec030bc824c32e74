//! The files of one store in one directory.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use siltdb_core::error::{Error, StorageError, StorageErrorKind};
use siltdb_core::storage::{FileId, Storage};

use super::appender::{NativeAppender, write_all_at};
use super::error::storage_error;
use super::fs::{DirEntry, Fs, FsFile, OpenMode, RealFs};
use super::lock::{LOCK, Lock};
use super::reader::NativeReader;

/// Ending of a file that is not published yet.
const TMP: &str = ".tmp";

/// How a directory is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeOptions {
    /// Create the directory if there is none, and accept an empty one.
    pub create: bool,
    /// Change nothing: calls that would are `Denied`. Only a lock file is made where there is none
    /// and one can be. This opens a store on a read-only medium, too, and keeps writers out, but
    /// not other processes that only read.
    pub read_only: bool,
    /// Map files into memory for reads without a copy.
    pub map: bool,
    /// How far from its start a file that still grows is mapped, in bytes. This takes address
    /// space and no memory; records beyond are read by copy.
    pub map_ahead: u64,
    /// Most bytes reserved ahead of a file that is appended to and synced in turns; 0 reserves
    /// nothing.
    pub reserve_bytes_max: u64,
    /// What a second opener is told about the holder of the lock, after the process id.
    pub holder: String,
}

impl Default for NativeOptions {
    fn default() -> Self {
        // One system keeps mapped pages apart from what is written by calls.
        let coherent = cfg!(not(target_os = "openbsd"));
        Self {
            create: true,
            read_only: false,
            map: coherent && cfg!(target_pointer_width = "64"),
            map_ahead: 128 << 20,
            reserve_bytes_max: 1 << 20,
            holder: program_name(),
        }
    }
}

fn program_name() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map_or_else(|| "unknown".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// The files of one store in one directory, locked against every other opener.
///
/// Clones share the directory. The lock is given back when the last clone, reader and appender
/// is dropped.
#[derive(Debug, Clone)]
pub struct NativeStorage {
    dir: Arc<Dir>,
}

/// What storage, readers and appenders share.
#[derive(Debug)]
pub(super) struct Dir {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) path: PathBuf,
    pub(super) options: NativeOptions,
    /// Files that a reader or an appender has open.
    extents: Mutex<HashMap<FileId, Weak<Extent>>>,
    _lock: Lock,
}

/// How much of an open file is appended: what may be given out from a map.
#[derive(Debug)]
pub(super) struct Extent {
    appended: AtomicU64,
    appenders: AtomicU64,
}

impl Extent {
    pub(super) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    pub(super) fn set_appended(&self, len: u64) {
        self.appended.store(len, Ordering::Release);
    }

    pub(super) fn grows(&self) -> bool {
        self.appenders.load(Ordering::Acquire) > 0
    }

    pub(super) fn appender_opened(&self) {
        self.appenders.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn appender_closed(&self) {
        self.appenders.fetch_sub(1, Ordering::AcqRel);
    }
}

impl NativeStorage {
    /// Opens a directory and takes its lock.
    ///
    /// A directory is created with its missing parents, for the owner alone. Files left over
    /// from an interrupted [`Storage::publish`] are removed.
    ///
    /// # Errors
    /// [`Error::NoStore`] if there is no file of a store and `create` is off, or if there are
    /// only files of others; `Locked` if the store is open; `Denied` if everybody may write
    /// into the directory; what the system says.
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
        let dir = dir.as_ref();
        look(&*fs, dir, options.create && !options.read_only)?;
        let failed = |e: io::Error| storage_error("open", None, &e);
        refuse_world_writable(dir)?;
        let path = dir.canonicalize().map_err(failed)?;
        let lock = Lock::take(&path, &options.holder, options.read_only)?;
        if !options.read_only {
            settle(&*fs, &path).map_err(failed)?;
        }
        let extents = Mutex::default();
        Ok(Self { dir: Arc::new(Dir { fs, path, options, extents, _lock: lock }) })
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
        Err(StorageError { op, file: Some(id), kind: StorageErrorKind::Denied, message })
    }

    /// The state shared by all that have the file open; `len` counts if nobody has.
    fn extent(&self, id: FileId, len: u64) -> Arc<Extent> {
        let mut extents = self.dir.extents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(extent) = extents.get(&id).and_then(Weak::upgrade) {
            return extent;
        }
        let extent =
            Arc::new(Extent { appended: AtomicU64::new(len), appenders: AtomicU64::new(0) });
        extents.insert(id, Arc::downgrade(&extent));
        extent
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
        Ok(NativeReader::new(Arc::clone(&self.dir), id, file, self.extent(id, len)))
    }

    fn create(&self, id: FileId) -> Result<NativeAppender, StorageError> {
        self.refuse_if_read_only("create", id)?;
        let file = self.open_file("create", id, OpenMode::Create)?;
        Ok(NativeAppender::new(Arc::clone(&self.dir), id, file, self.extent(id, 0), 0))
    }

    fn resume(&self, id: FileId, len: u64) -> Result<NativeAppender, StorageError> {
        let failed = |e: io::Error| storage_error("resume", Some(id), &e);
        self.refuse_if_read_only("resume", id)?;
        let file = self.open_file("resume", id, OpenMode::Write)?;
        let size = file.len().map_err(failed)?;
        if len > size {
            let message = format!("{size} bytes are there, {len} were expected");
            let kind = StorageErrorKind::UnexpectedEnd;
            return Err(StorageError { op: "resume", file: Some(id), kind, message });
        }
        let extent = self.extent(id, len);
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
        self.dir.extents.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match self.dir.fs.unlink(&self.dir.path.join(id.to_string())) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(storage_error("remove", Some(id), &e)),
            _ => Ok(()),
        }
    }
}

/// Looks whether a store is or may be at `dir`, and creates the directory if it may.
fn look(fs: &dyn Fs, dir: &Path, create: bool) -> Result<(), Error> {
    let entries = match fs.list(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if !create {
                return Err(Error::NoStore);
            }
            return make_dirs(fs, dir).map_err(|e| storage_error("create", None, &e).into());
        }
        Err(e) => return Err(storage_error("open", None, &e).into()),
    };
    let name = |e: &DirEntry| e.name.to_string_lossy().into_owned();
    if entries.iter().any(|e| FileId::parse(&name(e)).is_some()) {
        return Ok(());
    }
    let foreign = |e: &DirEntry| {
        let name = name(e);
        name != LOCK && name != "lost+found" && !name.starts_with('.') && !is_leftover(e)
    };
    if !create || entries.iter().any(foreign) { Err(Error::NoStore) } else { Ok(()) }
}

/// Removes what interrupted publications left, and makes the names durable: a killed process may
/// have left some that are seen now and gone after a power loss, and what is decided from here on
/// must not stand on them.
fn settle(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    for entry in fs.list(dir)? {
        if is_leftover(&entry) {
            fs.unlink(&dir.join(&entry.name))?;
        }
    }
    fs.sync_dir(dir)
}

/// Creates `dir` and its missing parents, durably.
fn make_dirs(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match fs.make_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound && parent != dir => {
            make_dirs(fs, parent)?;
            fs.make_dir(dir)?;
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    match fs.sync_dir(parent) {
        // One may be allowed to create names in a directory and not to open it.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Whether this is a file whose publication was interrupted.
fn is_leftover(entry: &DirEntry) -> bool {
    let name = entry.name.to_str().and_then(|name| name.strip_suffix(TMP));
    name.and_then(FileId::parse).is_some()
}

#[cfg(unix)]
fn refuse_world_writable(dir: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = dir.metadata().map_err(|e| storage_error("open", None, &e))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o002 == 0 {
        return Ok(());
    }
    let message = format!(
        "everybody may write into {} (mode {mode:o}); take that away with: chmod o-w",
        dir.display()
    );
    Err(StorageError { op: "open", file: None, kind: StorageErrorKind::Denied, message })
}

#[cfg(not(unix))]
fn refuse_world_writable(_: &Path) -> Result<(), StorageError> {
    Ok(())
}
