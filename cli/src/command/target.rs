//! Files that commands write: whole or not at all, and never over another by accident.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::output::{EXIT_IO, Failure, Run};

/// A file that appears under its name only once it is whole, or stdout for `-`.
pub struct Target {
    writer: Option<BufWriter<Box<dyn Write>>>,
    file: Option<File>,
    path: PathBuf,
    temporary: PathBuf,
    failed: Option<io::ErrorKind>,
    /// How messages call it.
    pub name: String,
}

impl Target {
    /// Begins to write `path`. An existing file is replaced only with `force`.
    pub fn create(path: &Path, force: bool) -> Run<Self> {
        let name = path.display().to_string();
        if path.exists() && !path.is_file() {
            return Err(Failure::usage("not a regular file").at(name));
        }
        if path.symlink_metadata().is_ok() && !force {
            return Err(Failure::new(
                EXIT_IO,
                "SILT_ALREADY_EXISTS",
                "the file exists already; use --force to replace it",
            )
            .at(name));
        }
        let mut temporary = path.as_os_str().to_owned();
        // Of this process alone: another may be writing the same file.
        temporary.push(format!(".{}.tmp", process::id()));
        let temporary = PathBuf::from(temporary);
        let failed = |e: io::Error| Failure::io(&name, &e);
        let file = File::create(&temporary).map_err(failed)?;
        let writer: Box<dyn Write> = Box::new(file.try_clone().map_err(failed)?);
        let writer = Some(BufWriter::with_capacity(256 << 10, writer));
        Ok(Self { writer, file: Some(file), path: path.to_owned(), temporary, failed: None, name })
    }

    /// Writes to stdout; `binary` bytes are kept off a terminal.
    pub fn stdout(binary: bool) -> Run<Self> {
        let stdout = io::stdout();
        if binary && stdout.is_terminal() {
            return Err(Failure::usage(
                "the snapshot is not text: send stdout to a file or a pipe, or name a file",
            ));
        }
        Ok(Self {
            writer: Some(BufWriter::with_capacity(256 << 10, Box::new(stdout.lock()))),
            file: None,
            path: PathBuf::new(),
            temporary: PathBuf::new(),
            failed: None,
            name: String::from("stdout"),
        })
    }

    /// Whether writing failed, in whatever words the caller was told.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether the reader of stdout went away.
    pub fn is_broken(&self) -> bool {
        self.failed == Some(io::ErrorKind::BrokenPipe)
    }

    /// Syncs what was written and gives it its name.
    pub fn finish(mut self) -> Run<()> {
        let result = self.publish();
        if result.is_ok() {
            self.file = None;
        }
        result.map_err(|e| Failure::io(&self.name, &e))
    }

    fn publish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.writer = None;
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        // The name is durable once its directory is; only Unix lets a directory be synced.
        if cfg!(unix) {
            let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(writer) = &mut self.writer else {
            return Err(io::Error::other("the file is finished"));
        };
        let written = writer.write(bytes);
        if let Err(e) = &written {
            self.failed = Some(e.kind());
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Given up half way: what was written is of no use under any name.
        if let Some(writer) = self.writer.take() {
            let _ = writer.into_parts();
        }
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
