//! A directory that holds one store: who may have it, and which of its files are open.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use siltdb_core::error::{self, Error, StorageError, StorageErrorKind, StorageFailure};
use siltdb_core::storage::FileId;

use super::error::storage_error;
use super::fs::{DirEntry, Fs};
use super::lock::{LOCK, Lock};

/// Ending of a file that is not published yet.
pub(super) const TMP: &str = ".tmp";

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

impl Dir {
    /// Makes sure that this is, or may become, a store's directory, and takes its lock.
    pub(super) fn open(fs: Arc<dyn Fs>, dir: &Path, options: NativeOptions) -> Result<Self, Error> {
        look(&*fs, dir, options.create && !options.read_only)?;
        let failed = |e: io::Error| storage_error("open", None, &e);
        refuse_world_writable(dir)?;
        let path = dir.canonicalize().map_err(failed)?;
        let lock = Lock::take(&path, &options.holder, options.read_only)?;
        if !options.read_only {
            settle(&*fs, &path).map_err(failed)?;
        }
        Ok(Self { fs, path, options, extents: Mutex::default(), _lock: lock })
    }

    /// The state shared by all that have the file open; `len` counts if nobody has.
    pub(super) fn extent(&self, id: FileId, len: u64) -> Arc<Extent> {
        let mut extents = self.extents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(extent) = extents.get(&id).and_then(Weak::upgrade) {
            return extent;
        }
        let extent =
            Arc::new(Extent { appended: AtomicU64::new(len), appenders: AtomicU64::new(0) });
        extents.insert(id, Arc::downgrade(&extent));
        extent
    }

    /// Forgets a file that is about to be removed.
    pub(super) fn forget(&self, id: FileId) {
        self.extents.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
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

/// Looks whether a store is or may be at `dir`, and creates the directory if it may.
fn look(fs: &dyn Fs, dir: &Path, create: bool) -> Result<(), Error> {
    let entries = match fs.list(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if !create {
                return Err(error::ErrorKind::NoStore.into());
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
    if !create || entries.iter().any(foreign) {
        Err(error::ErrorKind::NoStore.into())
    } else {
        Ok(())
    }
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
    let kind = StorageErrorKind::Denied;
    Err(StorageFailure { op: "open", file: None, kind, message }.into())
}

#[cfg(not(unix))]
fn refuse_world_writable(_: &Path) -> Result<(), StorageError> {
    Ok(())
}
