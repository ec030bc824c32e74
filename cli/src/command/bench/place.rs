//! Where the benchmark works: a directory of its own, gone when it ends.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::output::{Failure, Run};

/// A fresh directory that is removed when this is dropped. It never existed before, so nothing of
/// anybody else's is in it.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Makes a directory below `parent`, which must exist.
    pub fn create(parent: &Path) -> Run<Self> {
        let mut number = 0;
        loop {
            let path = parent.join(format!("silt-bench-{}-{number}", std::process::id()));
            match private_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(Failure::io(path.display().to_string(), &e)),
            }
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes what a phase made and nobody needs any more.
    pub fn remove(&self, name: &str) -> Run<()> {
        let path = self.0.join(name);
        fs::remove_dir_all(&path).map_err(|e| Failure::io(path.display().to_string(), &e))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is left: there is nothing else to do about it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
fn private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_dir(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
}
