//! Work on a store as a whole: checking it, streaming it out, making one of a stream.

use std::io::{Read, Write};
use std::path::Path;

use siltdb_core::error::{
    Error, ErrorKind, Result, StorageError, StorageErrorKind, StorageFailure,
};
use siltdb_core::format::{SNAPSHOT_HEADER_LEN, SnapshotHeader};
use siltdb_core::storage::MemoryStorage;
use siltdb_core::{
    CheckReport, DumpLine, Options, Progress, SalvageReport, Sink, SnapshotReport, Source,
};

use crate::native::{LOCK, NativeOptions, NativeStorage, SystemHost};

/// A writer as the engine sees it.
pub(crate) struct WriteSink<'a>(pub &'a mut dyn Write);

impl Sink for WriteSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> core::result::Result<(), StorageError> {
        self.0.write_all(bytes).map_err(|e| stream_error("write the snapshot", &e))
    }
}

struct ReadSource<'a>(&'a mut dyn Read);

impl Source for ReadSource<'_> {
    fn read(&mut self, buf: &mut [u8]) -> core::result::Result<usize, StorageError> {
        loop {
            match self.0.read(buf) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(stream_error("read the snapshot", &e)),
                Ok(len) => return Ok(len),
            }
        }
    }
}

fn stream_error(op: &'static str, error: &std::io::Error) -> StorageError {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull => StorageErrorKind::OutOfSpace,
        std::io::ErrorKind::PermissionDenied => StorageErrorKind::Denied,
        _ => StorageErrorKind::Io,
    };
    StorageFailure { op, file: None, kind, message: error.to_string() }.into()
}

/// Checks every byte of the store in `dir`, which nobody may have open. Changes nothing.
///
/// # Errors
/// `NoStore`; `Locked`; damage that keeps the check from going on; the system's failure.
pub fn check(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<CheckReport> {
    siltdb_core::check(&open_to_look(dir)?, progress)
}

/// Gives every part of one segment of the store in `dir`, which nobody may have open, to `visit`
/// until it says `false`. Changes nothing.
///
/// # Errors
/// `NoStore`; `Locked`; `Corrupt` at the first damage, everything before it having been given to
/// `visit`; the system's failure, such as that there is no such segment.
pub fn dump_segment(
    dir: &Path,
    number: u64,
    visit: &mut dyn FnMut(DumpLine) -> bool,
) -> Result<()> {
    siltdb_core::dump_segment(&open_to_look(dir)?, number, visit)
}

fn open_to_look(dir: &Path) -> Result<NativeStorage> {
    let options = NativeOptions { create: false, read_only: true, ..NativeOptions::default() };
    NativeStorage::open(dir, options)
}

/// Makes a store of a snapshot in `dir`, which must be absent or empty.
///
/// # Errors
/// `NotEmpty`; `Corrupt` if the snapshot is damaged; the system's failure. No store is made then,
/// and nothing at all if `input` does not even begin as a snapshot.
///
/// # Crash behaviour
/// A crash leaves no store or the whole one.
pub fn restore(
    input: &mut dyn Read,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<SnapshotReport> {
    if !is_empty(dir) {
        return Err(ErrorKind::NotEmpty.into());
    }
    let mut head = Vec::new();
    let wanted = SNAPSHOT_HEADER_LEN as u64;
    input.take(wanted).read_to_end(&mut head).map_err(|e| stream_error("read the snapshot", &e))?;
    if !matches!(SnapshotHeader::decode(&head), Ok(Ok(_))) {
        // The engine says what is wrong with it.
        return siltdb_core::restore(&MemoryStorage::new(), &mut &head[..], progress);
    }
    let storage = NativeStorage::open(dir, NativeOptions::default())?;
    siltdb_core::restore(&storage, &mut ReadSource(&mut (&head[..]).chain(input)), progress)
}

/// Makes a store in `to`, which must be absent or empty, of what can still be read of the damaged
/// one in `from`, which nobody may have open and which is not changed.
///
/// # Errors
/// `NotEmpty`; `NoStore`; `Locked`; `Unsupported`; the system's failure. No store is made then.
///
/// # Crash behaviour
/// A crash leaves no store or the whole one.
pub fn salvage(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<SalvageReport> {
    if !is_empty(to) || to.is_file() {
        return Err(ErrorKind::NotEmpty.into());
    }
    let source = open_to_look(from)?;
    let target = NativeStorage::open(to, NativeOptions::default()).map_err(not_made)?;
    siltdb_core::salvage(&source, &target, &SystemHost, &Options::default(), progress)
}

/// The failure to open a new store as one to create it, which cannot be the old one's.
fn not_made(error: Error) -> Error {
    let ErrorKind::Storage(e) = error.kind() else { return error };
    let failure = StorageFailure { op: "create", ..StorageFailure::clone(e) };
    StorageError::from(failure).into()
}

/// Whether there is nothing in `dir` but what an earlier attempt that failed left.
fn is_empty(dir: &Path) -> bool {
    let Ok(mut names) = std::fs::read_dir(dir) else { return true };
    names.all(|entry| entry.is_ok_and(|entry| entry.file_name() == LOCK))
}
