//! File calls that fail when they are told to.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use siltdb::native::fs::{DirEntry, Fs, FsFile, OpenMode};

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Call {
    Open(OpenMode),
    List,
    Rename,
    Unlink,
    MakeDir,
    SyncDir,
    Len,
    Read,
    Write,
    Sync,
    SetLen,
}

/// A call about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How many calls were made before it.
    pub index: u64,
    /// Which call it is.
    pub call: Call,
    /// The last part of its path.
    pub name: String,
    /// Where it reads or writes, and the new length for a cut.
    pub offset: u64,
    /// How many bytes it reads or writes.
    pub len: usize,
}

/// What is to happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Go,
    /// It fails with this number of the system's, and does nothing.
    Fail(i32),
    /// It is made, and fails all the same.
    FailAfter(i32),
    /// It reads or writes so many bytes at most.
    Short(usize),
}

type Plan = Box<dyn FnMut(&Seen) -> Verdict + Send>;

struct Control {
    plan: Plan,
    seen: Vec<Seen>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}

/// File calls that go to another implementation unless a plan has them fail. Clones share both.
#[derive(Debug, Clone)]
pub struct FaultFs {
    inner: Arc<dyn Fs>,
    control: Arc<Mutex<Control>>,
}

#[derive(Debug)]
struct FaultFile {
    inner: Box<dyn FsFile>,
    name: String,
    control: Arc<Mutex<Control>>,
}

impl FaultFs {
    /// Calls of `inner`, none of which fails yet.
    pub fn new(inner: impl Fs + 'static) -> Self {
        let control = Control { plan: Box::new(|_| Verdict::Go), seen: Vec::new() };
        Self { inner: Arc::new(inner), control: Arc::new(Mutex::new(control)) }
    }

    /// From now on asks `plan` before every call. Calls are counted from 0 again.
    pub fn plan(&self, plan: impl FnMut(&Seen) -> Verdict + Send + 'static) {
        let mut control = self.control.lock().unwrap();
        control.plan = Box::new(plan);
        control.seen.clear();
    }

    /// The calls since the plan was made.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.control.lock().unwrap().seen.clone()
    }

    fn run<T>(
        &self,
        call: Call,
        path: &Path,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        run(&self.control, call, &name(path), (0, 0), |_| make())
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn run<T>(
    control: &Mutex<Control>,
    call: Call,
    name: &str,
    (offset, len): (u64, usize),
    make: impl FnOnce(usize) -> io::Result<T>,
) -> io::Result<T> {
    let verdict = {
        let mut control = control.lock().unwrap();
        let index = control.seen.len() as u64;
        let seen = Seen { index, call, name: name.to_owned(), offset, len };
        control.seen.push(seen.clone());
        (control.plan)(&seen)
    };
    match verdict {
        Verdict::Go => make(len),
        Verdict::Fail(errno) => Err(io::Error::from_raw_os_error(errno)),
        Verdict::FailAfter(errno) => {
            let _ = make(len);
            Err(io::Error::from_raw_os_error(errno))
        }
        Verdict::Short(most) => make(len.min(most)),
    }
}

impl Fs for FaultFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn FsFile>> {
        let inner = self.run(Call::Open(mode), path, || self.inner.open(path, mode))?;
        let control = Arc::clone(&self.control);
        Ok(Box::new(FaultFile { inner, name: name(path), control }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.run(Call::List, dir, || self.inner.list(dir))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Call::Rename, to, || self.inner.rename_new(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.run(Call::Unlink, path, || self.inner.unlink(path))
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.run(Call::MakeDir, dir, || self.inner.make_dir(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.run(Call::SyncDir, dir, || self.inner.sync_dir(dir))
    }
}

impl FaultFile {
    fn run<T>(
        &self,
        call: Call,
        at: (u64, usize),
        make: impl FnOnce(usize) -> io::Result<T>,
    ) -> io::Result<T> {
        run(&self.control, call, &self.name, at, make)
    }
}

impl FsFile for FaultFile {
    fn len(&self) -> io::Result<u64> {
        self.run(Call::Len, (0, 0), |_| self.inner.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = (offset, buf.len());
        self.run(Call::Read, at, |len| self.inner.read_at(&mut buf[..len], offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at = (offset, bytes.len());
        self.run(Call::Write, at, |len| self.inner.write_at(&bytes[..len], offset))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.run(Call::Sync, (0, 0), |_| self.inner.sync_data())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.run(Call::SetLen, (len, 0), |_| self.inner.set_len(len))
    }

    fn file(&self) -> Option<&File> {
        self.inner.file()
    }
}
