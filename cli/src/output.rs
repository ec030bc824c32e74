//! What a command prints, and how it ends.
//!
//! Data goes to stdout, all else to stderr. A failure is one line: where, what, what to do, and
//! a stable code; with `--json` the line is a JSON object.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use siltdb::client::ClientError;
use siltdb_core::error::{Error, ErrorKind, StorageErrorKind};
use siltdb_core::storage::FileId;

use crate::interrupt;
use crate::text::{self, Encoding};
use crate::time;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// A key is absent, or a comparison or a check found something.
    Found,
    /// A script failed with this exit code, and why was told where it happened.
    Told(u8),
}

/// A failed command: its exit code and the line that says why.
#[derive(Debug)]
pub struct Failure {
    exit: u8,
    code: Cow<'static, str>,
    place: Option<String>,
    message: String,
    details: Vec<(&'static str, u64)>,
}

/// What every command gives back.
pub type Run<T = Outcome> = Result<T, Failure>;

pub const EXIT_USAGE: u8 = 2;
pub const EXIT_IO: u8 = 3;
pub const EXIT_CORRUPT: u8 = 4;

impl Failure {
    /// A failure of the given exit code and stable code.
    pub fn new(exit: u8, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { exit, code: code.into(), place: None, message: message.into(), details: Vec::new() }
    }

    /// The command line asks for something that cannot be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(EXIT_USAGE, "SILT_USAGE", message)
    }

    /// Input holds something that cannot be stored.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(EXIT_USAGE, "SILT_BAD_INPUT", message)
    }

    /// The host refused or failed.
    pub fn io(place: impl Into<String>, error: &io::Error) -> Self {
        let (exit, code) = match error.kind() {
            io::ErrorKind::BrokenPipe => (0, "SILT_IO"),
            io::ErrorKind::NotFound => (EXIT_IO, "SILT_NOT_FOUND"),
            io::ErrorKind::AlreadyExists => (EXIT_IO, "SILT_ALREADY_EXISTS"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (EXIT_IO, "SILT_DENIED")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (EXIT_IO, "SILT_OUT_OF_SPACE")
            }
            _ => (EXIT_IO, "SILT_IO"),
        };
        Self::new(exit, code, error.to_string()).at(place)
    }

    /// A failure of the store in `dir`.
    pub fn store(dir: &Path, error: &Error) -> Self {
        let mut failure = Self::new(exit_of(error), error.code(), store_message(dir, error))
            .at(dir.display().to_string());
        match error.kind() {
            ErrorKind::HistoryGone { oldest, .. } => failure.details.push(("oldest", *oldest)),
            ErrorKind::ConditionFailed { operation, found } => {
                failure.details.push(("found", *found));
                failure.details.push(("operation", *operation as u64));
            }
            _ => {}
        }
        failure
    }

    /// A failure of a server's call.
    pub fn server(url: &str, error: &ClientError) -> Self {
        let message = match (error.code.as_str(), error.detail("found"), error.detail("oldest")) {
            ("SILT_CONDITION_FAILED", Some(found), _) => condition_message(found),
            ("SILT_HISTORY_GONE", _, Some(oldest)) => format!(
                "history at that moment is no longer held; the oldest moment that can be read is \
                 {} (seq {oldest}); 'silt retain' sets how much is kept",
                time::rfc3339(oldest)
            ),
            _ => error.message.clone(),
        };
        let mut failure = Self::new(exit_of_code(&error.code), error.code.clone(), message).at(url);
        failure.details.clone_from(&error.details);
        failure
    }

    /// The number of that name that programs can read with `--json`.
    pub fn detail_of(&self, name: &str) -> Option<u64> {
        self.details.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    }

    /// Names the file, the directory or the input line the failure is about.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Names the line of the script, before the place the failure is about.
    #[must_use]
    pub fn in_script(mut self, line: Option<&str>) -> Self {
        if let Some(line) = line {
            self.place = Some(match self.place {
                Some(place) => format!("{line}: {place}"),
                None => line.to_owned(),
            });
        }
        self
    }

    /// Adds to the message what else the reader should know.
    #[must_use]
    pub fn and(mut self, more: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(more);
        self
    }

    /// Adds a number that programs can read with `--json`.
    #[must_use]
    pub fn detail(mut self, name: &'static str, number: u64) -> Self {
        self.details.push((name, number));
        self
    }

    /// Whether the reader of stdout went away, which ends a command quietly and well.
    fn is_broken_pipe(&self) -> bool {
        self.exit == 0
    }

    /// The line for people.
    fn human(&self) -> String {
        let mut line = String::from("silt: ");
        if let Some(place) = &self.place {
            line.push_str(place);
            line.push_str(": ");
        }
        let _ = write!(line, "{} [{}]", self.message, self.code);
        // File names and messages of the host may hold anything: the line stays one line.
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// The line for programs.
    fn json(&self) -> String {
        let mut line = Vec::new();
        line.extend_from_slice(b"{\"error\":");
        text::json_string(&self.code, &mut line);
        line.extend_from_slice(b",\"message\":");
        text::json_string(&self.message, &mut line);
        if let Some(place) = &self.place {
            line.extend_from_slice(b",\"where\":");
            text::json_string(place, &mut line);
        }
        for (name, number) in &self.details {
            let _ = write!(line, ",\"{name}\":{number}");
        }
        let _ = write!(line, ",\"exit\":{}}}", self.exit);
        String::from_utf8_lossy(&line).into_owned()
    }
}

/// Fails once Ctrl-C was pressed.
pub fn check_interrupt() -> Run<()> {
    if interrupt::is_set() {
        return Err(Failure::new(130, "SILT_INTERRUPTED", "stopped by Ctrl-C"));
    }
    Ok(())
}

/// Prints a failure and gives the exit code of the process.
pub fn finish(result: Run, json: bool) -> ExitCode {
    ExitCode::from(tell(result, json))
}

/// Prints a failure and gives the exit code of the command.
pub fn tell(result: Run, json: bool) -> u8 {
    match result {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Found) => 1,
        Ok(Outcome::Told(code)) => code,
        Err(failure) => {
            if !failure.is_broken_pipe() {
                let line = if json { failure.json() } else { failure.human() };
                // Nobody is left to be told when stderr is closed.
                let _ = writeln!(io::stderr(), "{line}");
            }
            failure.exit
        }
    }
}

fn exit_of(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Corrupt(_) | ErrorKind::Unsupported { .. } => EXIT_CORRUPT,
        ErrorKind::Storage(e) if e.kind == StorageErrorKind::Locked => 5,
        ErrorKind::ConditionFailed { .. } => 6,
        ErrorKind::HistoryGone { .. } => 7,
        ErrorKind::KeyEmpty
        | ErrorKind::KeyTooLong { .. }
        | ErrorKind::ValueTooLong { .. }
        | ErrorKind::BatchTooLarge { .. }
        | ErrorKind::Invalid(_) => EXIT_USAGE,
        _ => EXIT_IO,
    }
}

/// The exit code of a failure that a server tells by its stable code.
fn exit_of_code(code: &str) -> u8 {
    match code {
        "SILT_CORRUPT" | "SILT_UNSUPPORTED" => EXIT_CORRUPT,
        "SILT_LOCKED" => 5,
        "SILT_CONDITION_FAILED" => 6,
        "SILT_HISTORY_GONE" => 7,
        "SILT_KEY_EMPTY"
        | "SILT_KEY_TOO_LONG"
        | "SILT_VALUE_TOO_LONG"
        | "SILT_BATCH_TOO_LARGE"
        | "SILT_INVALID"
        | "SILT_BAD_INPUT"
        | "SILT_USAGE" => EXIT_USAGE,
        _ => EXIT_IO,
    }
}

fn condition_message(found: u64) -> String {
    match found {
        0 => String::from("the condition failed: the key is absent; nothing was written"),
        found => {
            format!("the condition failed: the key is at seq {found}; nothing was written")
        }
    }
}

fn store_message(dir: &Path, error: &Error) -> String {
    match error.kind() {
        ErrorKind::Storage(e) if e.kind == StorageErrorKind::Locked => {
            let holder = e.message.trim();
            let holder = holder.strip_prefix("held by ").unwrap_or(holder);
            let by = if holder.is_empty() { "another process" } else { holder };
            format!("the store is in use by {by}; stop it or use --db for another store")
        }
        ErrorKind::Storage(_) if dir.is_file() => {
            String::from("this is a file and no directory of a store; use --db to name one")
        }
        ErrorKind::NoStore if holds_files(dir) => String::from(
            "the directory holds other files and no store; use --db to name a store or an empty \
             directory",
        ),
        ErrorKind::NoStore => format!(
            "there is no store here; make one with 'silt --db {0} set KEY VALUE' or \
             'silt --db {0} import FILE', or use --db to name another",
            dir.display()
        ),
        ErrorKind::HistoryGone { asked, oldest } => format!(
            "history at {} (seq {asked}) is no longer held; the oldest moment that can be read is \
             {} (seq {oldest}); 'silt retain' sets how much is kept",
            time::rfc3339(*asked),
            time::rfc3339(*oldest)
        ),
        ErrorKind::ConditionFailed { found, .. } => condition_message(*found),
        _ => error.to_string(),
    }
}

fn holds_files(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut names| names.next().is_some())
}

/// The path of a file of a store.
pub fn file_path(dir: &Path, file: FileId) -> PathBuf {
    dir.join(file.to_string())
}

/// Buffered stdout that knows the form of its lines.
pub struct Out {
    stdout: BufWriter<StdoutLock<'static>>,
    line: Vec<u8>,
    /// How keys and values stand in lines of text.
    pub encoding: Encoding,
}

impl Out {
    /// Takes stdout.
    pub fn new(encoding: Encoding) -> Self {
        let stdout = BufWriter::with_capacity(64 << 10, io::stdout().lock());
        Self { stdout, line: Vec::new(), encoding }
    }

    /// Whether a person is reading.
    pub fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Run<()> {
        check_interrupt()?;
        self.stdout.write_all(bytes).map_err(|e| Failure::io("stdout", &e))
    }

    /// Writes one line of text; control characters in it are the caller's care.
    pub fn line(&mut self, line: &str) -> Run<()> {
        self.bytes(line.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes one JSON value as a line.
    pub fn value(&mut self, value: &impl serde::Serialize) -> Run<()> {
        self.fill(|line, _| {
            // Writing numbers and strings to memory cannot fail.
            let _ = serde_json::to_writer(line, value);
        })
    }

    /// Writes one line made by `fill` in a buffer that is used again.
    pub fn fill(&mut self, fill: impl FnOnce(&mut Vec<u8>, Encoding)) -> Run<()> {
        check_interrupt()?;
        self.line.clear();
        fill(&mut self.line, self.encoding);
        self.line.push(b'\n');
        self.stdout.write_all(&self.line).map_err(|e| Failure::io("stdout", &e))
    }

    /// Writes out what is buffered, for readers who wait for it.
    pub fn flush(&mut self) -> Run<()> {
        self.stdout.flush().map_err(|e| Failure::io("stdout", &e))
    }

    /// Writes out what is buffered; every command ends with it, so that a full disk is noticed.
    pub fn finish(mut self) -> Run<()> {
        self.stdout.flush().map_err(|e| Failure::io("stdout", &e))
    }
}

/// Tells people what was done, beside the data. Nobody is left to be told when stderr is closed.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_whatever_a_path_holds() {
        let failure = Failure::new(5, "SILT_LOCKED", "in use").at("a\nb\x1b[1m");
        assert_eq!(failure.human(), "silt: a b [1m: in use [SILT_LOCKED]");
        assert!(!failure.json().contains('\n'));
    }

    #[test]
    fn every_error_has_its_exit_code() {
        let dir = Path::new("x");
        let code = |error: Error| Failure::store(dir, &error).exit;
        assert_eq!(code(ErrorKind::KeyEmpty.into()), 2);
        assert_eq!(code(ErrorKind::NoStore.into()), 3);
        assert_eq!(code(Error::corrupt(FileId::segment(1), 0, "x")), 4);
        assert_eq!(code(ErrorKind::ConditionFailed { operation: 0, found: 0 }.into()), 6);
        assert_eq!(code(ErrorKind::HistoryGone { asked: 1, oldest: 2 }.into()), 7);
    }
}
