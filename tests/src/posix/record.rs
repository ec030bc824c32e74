//! File calls that are recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use siltdb::native::fs::{DirEntry, Fs, FsFile, OpenMode, RealFs};

/// One call that changed something, or asked for it to last. Paths are relative to the root of
/// the recording; files are numbered by creation, for a name may come to stand for another file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    Create {
        path: PathBuf,
        file: usize,
    },
    Write {
        file: usize,
        offset: u64,
        bytes: Vec<u8>,
    },
    SetLen {
        file: usize,
        len: u64,
    },
    Sync {
        file: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: usize,
    },
    Unlink {
        path: PathBuf,
    },
    MakeDir {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
    /// The run says how far it got: what it promised before stands in the mark.
    Mark(u64),
}

/// What a run did, in order.
pub type Recording = Vec<Event>;

#[derive(Debug, Default)]
struct Log {
    events: Recording,
    names: BTreeMap<PathBuf, usize>,
    files: usize,
}

/// The real file calls below one directory, recorded. Clones share the recording.
///
/// The directory must be empty at the start: the recording knows nothing of older files.
#[derive(Debug, Clone)]
pub struct RecordingFs {
    root: PathBuf,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug)]
struct RecordedFile {
    inner: Box<dyn FsFile>,
    file: usize,
    log: Arc<Mutex<Log>>,
}

impl RecordingFs {
    /// Records the calls below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.canonicalize().unwrap(), log: Arc::default() }
    }

    /// Puts a mark into the recording.
    pub fn mark(&self, mark: u64) {
        self.log.lock().unwrap().events.push(Event::Mark(mark));
    }

    /// What was recorded so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.log.lock().unwrap().events.clone()
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap().to_path_buf()
    }

    /// Makes a call and records it if it was done; the lock keeps both in the same order.
    fn done<T>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
        record: impl FnOnce(&mut Log),
    ) -> io::Result<T> {
        let mut log = self.log.lock().unwrap();
        let result = make()?;
        record(&mut log);
        Ok(result)
    }
}

impl Fs for RecordingFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn FsFile>> {
        let name = self.relative(path);
        let mut file = 0;
        let open = || RealFs.open(path, mode);
        let inner = self.done(open, |log| {
            if mode == OpenMode::Create {
                log.names.insert(name.clone(), log.files);
                log.events.push(Event::Create { path: name.clone(), file: log.files });
                log.files += 1;
            }
            file = log.names[&name];
        })?;
        Ok(Box::new(RecordedFile { inner, file, log: Arc::clone(&self.log) }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        RealFs.list(dir)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (source, target) = (self.relative(from), self.relative(to));
        let rename = || RealFs.rename_new(from, to);
        self.done(rename, |log| {
            let file = log.names.remove(&source).unwrap();
            log.names.insert(target.clone(), file);
            log.events.push(Event::Rename { from: source, to: target, file });
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let name = self.relative(path);
        let unlink = || RealFs.unlink(path);
        self.done(unlink, |log| {
            log.names.remove(&name);
            log.events.push(Event::Unlink { path: name });
        })
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let path = self.relative(dir);
        self.done(|| RealFs.make_dir(dir), |log| log.events.push(Event::MakeDir { path }))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let path = self.relative(dir);
        self.done(|| RealFs.sync_dir(dir), |log| log.events.push(Event::SyncDir { path }))
    }
}

impl RecordedFile {
    fn done<T>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
        record: impl FnOnce(&T) -> Event,
    ) -> io::Result<T> {
        let mut log = self.log.lock().unwrap();
        let result = make()?;
        log.events.push(record(&result));
        Ok(result)
    }
}

impl FsFile for RecordedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let file = self.file;
        let write = || self.inner.write_at(bytes, offset);
        self.done(write, |n| Event::Write { file, offset, bytes: bytes[..*n].to_vec() })
    }

    fn sync_data(&self) -> io::Result<()> {
        let file = self.file;
        self.done(|| self.inner.sync_data(), |()| Event::Sync { file })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let file = self.file;
        self.done(|| self.inner.set_len(len), |()| Event::SetLen { file, len })
    }

    fn file(&self) -> Option<&File> {
        self.inner.file()
    }
}
