//! One opener at a time, across processes and inside one; processes that only read may share.
//!
//! The operating system holds the lock and gives it back when the process ends, however it
//! ends: whether the file exists says nothing. Some systems lock per process rather than per
//! open file, so a table in this process refuses a second open as well.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use siltdb_core::error::{StorageError, StorageErrorKind, StorageFailure};

use super::error::storage_error;

/// Name of the lock file.
pub(crate) const LOCK: &str = "LOCK";

/// Directories this process has open, by their canonical paths.
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Holds a store's lock until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    dir: PathBuf,
    file: Option<File>,
    /// Whether the file names this process.
    noted: bool,
}

impl Lock {
    /// Takes the lock of `dir`, a canonical path, and notes there who `holder` is. For reading
    /// only, nothing is written, and there is no lock where there is no lock file and none can be
    /// made.
    pub(super) fn take(dir: &Path, holder: &str, read_only: bool) -> Result<Self, StorageError> {
        if !OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(dir.to_path_buf()) {
            return Err(locked("held by this process".to_owned()));
        }
        match take_file(dir, holder, read_only) {
            Ok(file) => Ok(Self { dir: dir.to_path_buf(), file, noted: !read_only }),
            Err(e) => {
                forget(dir);
                Err(e)
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, but for a process that another thread is just starting: it holds
        // a copy of the descriptor, and the lock with it, until it runs its own program.
        if let Some(file) = self.file.take() {
            if self.noted {
                // The next holder may be one that only reads, and must not be taken for this one.
                let _ = file.set_len(0);
            }
            let _ = file.unlock();
        }
        // Last: who finds the table free must find the file free.
        forget(&self.dir);
    }
}

fn forget(dir: &Path) {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(dir);
}

fn take_file(dir: &Path, holder: &str, read_only: bool) -> Result<Option<File>, StorageError> {
    let failed = |e: io::Error| storage_error("lock", None, &e);
    let path = dir.join(LOCK);
    let mut file = loop {
        let Some(mut file) = open_file(&path, read_only).map_err(failed)? else {
            return Ok(None);
        };
        // Those that only read keep writers out, and not each other.
        let taken = if read_only { file.try_lock_shared() } else { file.try_lock() };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(holder_of(&mut file))),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // Who makes a store that does not come about takes its lock file away again: a lock on
        // that keeps nobody out any more.
        if !is_removed(&file, &path).map_err(failed)? {
            break file;
        }
    };
    if !read_only {
        // Only a help to whoever finds the store locked: a full disk must not keep it shut.
        let note = format!("{} {holder}\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.write_all(note.as_bytes()));
    }
    Ok(Some(file))
}

/// Whether an open file, opened at this path, has no name any more. Windows keeps open files.
#[cfg(unix)]
fn is_removed(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let meta = file.metadata()?;
    // There are file systems that count no names.
    let there = || std::fs::symlink_metadata(path).is_ok_and(|there| there.ino() == meta.ino());
    Ok(meta.nlink() == 0 && !there())
}

#[cfg(not(unix))]
fn is_removed(_: &File, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Opens the lock file, or makes it; `None` where there is none and for reading only none can be
/// made: a medium that nobody can write to, or a directory that this user may only read.
fn open_file(path: &Path, read_only: bool) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true);
    super::fs::no_follow(&mut options);
    let mut writing = options.clone();
    writing.write(true).create(true).truncate(false);
    if !read_only {
        return writing.open(path).map(Some);
    }
    match options.open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => match writing.open(path) {
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
                ) =>
            {
                Ok(None)
            }
            other => other.map(Some),
        },
        other => other.map(Some),
    }
}

fn holder_of(file: &mut File) -> String {
    let mut note = String::new();
    // A holder between locking and writing leaves this empty, and so does one that only reads;
    // so does Windows, where a locked file cannot be read.
    let _ = file.take(1024).read_to_string(&mut note);
    let clean: String = note.trim_end().chars().filter(|c| !c.is_control()).collect();
    match clean.split_once(' ') {
        Some((pid, name)) if may_run(pid) => format!("held by process {pid} ({name})"),
        _ => "held by another process".to_owned(),
    }
}

/// Whether a process of this number may be running: a note can be left from one that was killed,
/// while the store is held by one that only reads and leaves none.
#[cfg(unix)]
fn may_run(pid: &str) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn may_run(_: &str) -> bool {
    true
}

fn locked(message: String) -> StorageError {
    StorageFailure { op: "lock", file: None, kind: StorageErrorKind::Locked, message }.into()
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_lock_file_that_is_taken_away_is_not_held() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK);
        let over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            // As one that has made the directory, and takes away what it made.
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if let Ok(Some(file)) = take_file(dir.path(), "another", false) {
                        std::fs::remove_file(&path).unwrap();
                        drop(file);
                    }
                }
            });
            let mut held = 0;
            while held < 300 {
                let Ok(Some(file)) = take_file(dir.path(), "this", false) else { continue };
                let there = std::fs::symlink_metadata(&path).map(|there| there.ino());
                if there.ok() != Some(file.metadata().unwrap().ino()) {
                    over.store(true, Ordering::Relaxed);
                    panic!("after {held} that were held, one was not");
                }
                held += 1;
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
