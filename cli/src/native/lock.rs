//! One opener at a time, across processes and inside one.
//!
//! The operating system holds the lock and gives it back when the process ends, however it
//! ends: whether the file exists says nothing. Some systems lock per process rather than per
//! open file, so a table in this process refuses a second open as well.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use siltdb_core::error::{StorageError, StorageErrorKind};

use super::error::storage_error;

/// Name of the lock file.
pub(super) const LOCK: &str = "LOCK";

/// Directories this process has open, by their canonical paths.
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Holds a store's lock until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    dir: PathBuf,
    file: Option<File>,
}

impl Lock {
    /// Takes the lock of `dir`, a canonical path, and notes there who `holder` is.
    ///
    /// For reading only, a medium that nobody can write to needs no lock if it has no lock file.
    pub(super) fn take(dir: &Path, holder: &str, read_only: bool) -> Result<Self, StorageError> {
        if !OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(dir.to_path_buf()) {
            return Err(locked("held by this process".to_owned()));
        }
        match take_file(dir, holder, read_only) {
            Ok(file) => Ok(Self { dir: dir.to_path_buf(), file }),
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
    let mut options = OpenOptions::new();
    options.read(true);
    super::fs::no_follow(&mut options);
    let path = dir.join(LOCK);
    let opened = match options.clone().write(true).create(true).truncate(false).open(&path) {
        Err(e) if read_only && e.kind() == ErrorKind::ReadOnlyFilesystem => {
            match options.open(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                other => other,
            }
        }
        other => other,
    };
    let mut file = opened.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked(holder_of(&mut file))),
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    // Only a help to whoever finds the store locked: a full disk must not keep it shut.
    let note = format!("{} {holder}\n", std::process::id());
    let _ = file.set_len(0).and_then(|()| file.write_all(note.as_bytes()));
    Ok(Some(file))
}

fn holder_of(file: &mut File) -> String {
    let mut note = String::new();
    // A holder between locking and writing leaves this empty; so does Windows, where a locked
    // file cannot be read.
    let _ = file.take(1024).read_to_string(&mut note);
    let clean: String = note.trim_end().chars().filter(|c| !c.is_control()).collect();
    match clean.split_once(' ') {
        Some((pid, name)) => format!("held by process {pid} ({name})"),
        None => "held by another process".to_owned(),
    }
}

fn locked(message: String) -> StorageError {
    StorageError { op: "lock", file: None, kind: StorageErrorKind::Locked, message }
}
