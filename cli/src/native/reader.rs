//! Reads one file, by copy or from a map.

use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};

use siltdb_core::error::StorageError;
use siltdb_core::storage::{FileId, ReadAt};

use super::dir::{Dir, Extent};
use super::error::storage_error;
use super::fs::FsFile;
use super::map::Map;

/// Reads a file of a [`super::NativeStorage`]; shared by any number of threads.
#[derive(Debug)]
pub struct NativeReader {
    id: FileId,
    file: Box<dyn FsFile>,
    extent: Arc<Extent>,
    /// Made at the first borrow; `None` inside if the file could not be mapped.
    map: OnceLock<Option<Map>>,
    // Last, so that the lock is given back last: under it, nobody cuts a mapped file.
    dir: Arc<Dir>,
}

impl NativeReader {
    pub(super) fn new(
        dir: Arc<Dir>,
        id: FileId,
        file: Box<dyn FsFile>,
        extent: Arc<Extent>,
    ) -> Self {
        Self { id, file, extent, map: OnceLock::new(), dir }
    }

    /// Maps the file. One that still grows gets a window beyond its end, so that the map need
    /// not be made again for every append.
    fn make_map(&self) -> Option<Map> {
        let file = self.file.file()?;
        let mut len = self.extent.appended();
        if self.extent.grows() {
            len = len.max(self.dir.options.map_ahead);
        }
        // An empty file cannot be mapped; any other refusal leaves reading by copy.
        Map::new(file, usize::try_from(len).ok()?).ok()
    }
}

impl ReadAt for NativeReader {
    fn len(&self) -> Result<u64, StorageError> {
        self.file.len().map_err(|e| storage_error("len", Some(self.id), &e))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        read_exact_at(&*self.file, buf, offset)
            .map_err(|e| storage_error("read", Some(self.id), &e))
    }

    fn borrow(&self, offset: u64, len: usize) -> Option<&[u8]> {
        if !self.dir.options.map {
            return None;
        }
        let appended = self.extent.appended();
        // Windows maps no further than the end, and cannot cut a mapped file.
        if appended == 0 || cfg!(windows) && self.extent.grows() {
            return None;
        }
        self.map.get_or_init(|| self.make_map()).as_ref()?.get(offset, len, appended)
    }
}

fn read_exact_at(file: &dyn FsFile, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    // No file reaches beyond what a signed offset can name; the system would call it invalid.
    if offset.saturating_add(buf.len() as u64) > i64::MAX as u64 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    while !buf.is_empty() {
        match file.read_at(buf, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buf = buf.get_mut(n..).unwrap_or_default();
                offset = offset.saturating_add(n as u64);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
