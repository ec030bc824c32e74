//! File calls whose reads are recorded: which bytes of which file were asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use siltdb::native::fs::{DirEntry, Fs, FsFile, OpenMode, RealFs};

/// Ranges of bytes read, by file name.
pub type Reads = BTreeMap<String, Vec<Range<u64>>>;

/// The real file calls, with every read recorded. Files are never mapped. Clones share the record.
#[derive(Debug, Clone, Default)]
pub struct ReadingFs {
    reads: Arc<Mutex<Reads>>,
}

#[derive(Debug)]
struct ReadFile {
    inner: Box<dyn FsFile>,
    name: String,
    reads: Arc<Mutex<Reads>>,
}

impl ReadingFs {
    /// What was read so far.
    ///
    /// # Panics
    /// A thread panicked while it read.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.reads.lock().unwrap().clone()
    }
}

/// Bytes read in all, those read twice counted twice.
#[must_use]
pub fn bytes_of(reads: &Reads) -> u64 {
    reads.values().flatten().map(|range| range.end - range.start).sum()
}

impl Fs for ReadingFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn FsFile>> {
        let inner = RealFs.open(path, mode)?;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Ok(Box::new(ReadFile { inner, name, reads: Arc::clone(&self.reads) }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        RealFs.list(dir)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename_new(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        RealFs.unlink(path)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        RealFs.make_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealFs.sync_dir(dir)
    }
}

impl FsFile for ReadFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = self.inner.read_at(buf, offset)?;
        let mut reads = self.reads.lock().unwrap();
        reads.entry(self.name.clone()).or_default().push(offset..offset + len as u64);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.inner.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn file(&self) -> Option<&File> {
        None
    }
}

/// The files of a directory with their lengths.
///
/// # Panics
/// The system refuses.
#[must_use]
pub fn lengths(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.path(), file.metadata().unwrap().len())).collect()
}
