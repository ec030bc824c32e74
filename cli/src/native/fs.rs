//! The seam to the operating system: the few file calls the backend makes, one method each.
//!
//! [`RealFs`] passes them on. Tests put another implementation in its place, to record every
//! call of a run for replay after a power loss, or to make the Nth call fail. The seam adds a
//! virtual call to a system call and nothing else, so there is no faster way around it.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A file that must not exist yet, for reading and writing.
    Create,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without its directory.
    pub name: OsString,
    /// Length in bytes of what the name stands for; a link is not followed.
    pub len: u64,
}

/// File calls that take a path.
pub trait Fs: Debug + Send + Sync {
    /// Opens a regular file; a link in the last place of the path is refused, not followed.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn FsFile>>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Gives a file another name in the same directory, which must not be taken.
    ///
    /// # Errors
    /// `AlreadyExists` when it is; else what the system says.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name that stands for a file.
    ///
    /// # Errors
    /// What the system says.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory for the owner alone.
    ///
    /// # Errors
    /// What the system says.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names of a directory, and the absence of removed ones, survive power loss.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// Calls on one open file. Closing is dropping.
pub trait FsFile: Debug + Send + Sync {
    /// Length of the file in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at a position: how many bytes, 0 at the end of the file.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at a position: how many bytes of `bytes` were taken.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes the bytes and the length survive power loss. Never called again after an error.
    ///
    /// # Errors
    /// What the system says.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The system's file, for mapping it into memory; `None` where it must not be mapped.
    fn file(&self) -> Option<&File>;
}

/// The real operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn FsFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => _ = options.write(true),
            OpenMode::Create => _ = options.write(true).create_new(true),
        }
        sys::no_follow(&mut options);
        let file = options.open(path)?;
        // A pipe or a device would block, or lose what is written to it.
        if !file.metadata()?.file_type().is_file() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not a regular file"));
        }
        sys::refuse_standard_stream(&file)?;
        Ok(Box::new(RealFile(file)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) => {
                    entries.push(DirEntry { name: entry.file_name(), len: metadata.len() });
                }
                // Removed since the directory was read.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(entries)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        sys::rename_new(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        sys::unlink(path)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        sys::make_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        sys::sync_dir(dir)
    }
}

#[derive(Debug)]
struct RealFile(File);

impl FsFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        sys::read_at(&self.0, buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        sys::write_at(&self.0, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.0)
    }
}

/// Publishes by a second name for the same file, where renaming would overwrite.
///
/// A file system without such names gets a look and a rename: nobody else makes names between
/// the two, for the store's lock is held.
fn link_or_rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        // The leftover name goes at the next open if it does not go now.
        Ok(()) => {
            let _ = fs::remove_file(from);
            Ok(())
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
        Err(_) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(e) => Err(e),
        },
    }
}

pub(super) use sys::no_follow;

#[cfg(unix)]
mod sys {
    use std::fs::{DirBuilder, File, OpenOptions};
    use std::io;
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::OFlags;

    pub(in super::super) fn no_follow(options: &mut OpenOptions) {
        // Opening a pipe must not wait for its other end; a regular file does not care.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }

    pub(super) fn refuse_standard_stream(file: &File) -> io::Result<()> {
        refuse_low(file.as_raw_fd())
    }

    /// A program that closed its standard streams would print its messages into the store.
    pub(super) fn refuse_low(fd: RawFd) -> io::Result<()> {
        if fd > 2 {
            return Ok(());
        }
        Err(io::Error::other(format!("got descriptor {fd}: a standard stream is closed")))
    }

    pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buf, offset)
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    pub(super) fn unlink(path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(dir)
    }

    pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            // An old kernel or a file system that cannot.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => super::link_or_rename(from, to),
            Err(e) => Err(e.into()),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        super::link_or_rename(from, to)
    }
}

#[cfg(windows)]
mod sys {
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::os::windows::fs::{FileExt, OpenOptionsExt};
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    /// Opens the link itself, which the check for a regular file then refuses.
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    pub(in super::super) fn no_follow(options: &mut OpenOptions) {
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }

    pub(super) fn refuse_standard_stream(_: &File) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match file.seek_read(buf, offset) {
            // What reading past the end is called here.
            Err(e) if e.raw_os_error() == Some(38) => Ok(0),
            other => other,
        }
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    pub(super) fn unlink(path: &Path) -> io::Result<()> {
        patiently(|| fs::remove_file(path))
    }

    pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
        fs::create_dir(dir)
    }

    /// Names are durable with the file's own sync; a directory cannot be synced.
    pub(super) fn sync_dir(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        patiently(|| super::link_or_rename(from, to))
    }

    /// Virus scanners and indexers open new files for a moment, and nothing else can then be
    /// done with their names: access denied, or a sharing violation.
    fn patiently(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        for wait_ms in [1, 5, 20, 50, 100, 200] {
            match call() {
                Err(e) if matches!(e.raw_os_error(), Some(5 | 32)) => {
                    thread::sleep(Duration::from_millis(wait_ms));
                }
                other => return other,
            }
        }
        call()
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_descriptors_of_standard_streams_are_refused() {
        for fd in 0..=2 {
            let e = sys::refuse_low(fd).unwrap_err();
            assert!(e.to_string().contains(&format!("descriptor {fd}")), "{e}");
        }
        sys::refuse_low(3).unwrap();
        sys::refuse_low(i32::MAX).unwrap();
    }

    #[test]
    fn publishing_by_a_second_name_overwrites_nothing_either() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for rename in [link_or_rename, sys::rename_new] {
            fs::write(path("tmp"), b"new").unwrap();
            fs::write(path("taken"), b"old").unwrap();
            let e = rename(&path("tmp"), &path("taken")).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(path("taken")).unwrap(), b"old");
            rename(&path("tmp"), &path("free")).unwrap();
            assert_eq!(fs::read(path("free")).unwrap(), b"new");
            assert!(!path("tmp").exists());
            fs::remove_file(path("free")).unwrap();
            let e = rename(&path("tmp"), &path("free")).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::NotFound);
        }
    }
}
