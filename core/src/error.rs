//! Errors: what went wrong, where, and what to do about it.
//!
//! Every variant has a stable code ([`Error::code`]) that the command line, the server and the
//! JavaScript package share.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::ops::Deref;

use crate::file_id::FileId;
use crate::text::Text;

/// What an error names as the file where it means a snapshot.
pub(crate) const SNAPSHOT: FileId = FileId::manifest(0);

/// Result of a store operation.
pub type Result<T> = core::result::Result<T, Error>;

/// A failure of a store operation: one pointer to its [`ErrorKind`], so that a result costs next
/// to nothing more than what it gives when all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<ErrorKind>);

/// What a store operation can fail with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The host's storage refused or failed. What to do depends on the kind inside.
    Storage(StorageError),
    /// Bytes that were once known to be synced are damaged. Never raised for a torn tail.
    /// Run a check; restore a snapshot or salvage what is readable.
    Corrupt(Corruption),
    /// An earlier append or sync failed, so what reached the disk is unknown. Reads go on;
    /// reopen the store to write again.
    Poisoned,
    /// A key of no bytes was given.
    KeyEmpty,
    /// A key is longer than the limit.
    KeyTooLong {
        /// Length given, in bytes.
        len: usize,
        /// Longest allowed, in bytes.
        max: usize,
    },
    /// A value is longer than the limit.
    ValueTooLong {
        /// Length given, in bytes.
        len: usize,
        /// Longest allowed, in bytes.
        max: usize,
    },
    /// A batch holds more bytes or records than one commit may. Split it.
    BatchTooLarge {
        /// Size given (bytes or records).
        size: usize,
        /// Largest allowed.
        max: usize,
    },
    /// A condition of the batch did not hold; nothing of the batch was written.
    ConditionFailed {
        /// Position in the batch of the operation whose condition failed, from 0.
        operation: usize,
        /// Sequence number the key's newest live record has, 0 if the key is absent.
        found: u64,
    },
    /// The moment asked for is older than the history that is still held.
    HistoryGone {
        /// Moment asked for.
        asked: u64,
        /// Oldest sequence number (microseconds since 1970) that can be read.
        oldest: u64,
    },
    /// The store was written by a newer major format. It was not touched: update SiltDB.
    Unsupported {
        /// Major format number found.
        format: u16,
        /// File that carries it.
        file: FileId,
    },
    /// An option or argument is out of its range.
    Invalid(&'static str),
    /// The place to restore into or to create already holds a store.
    NotEmpty,
    /// There is no store where one was expected.
    NoStore,
}

/// A refusal or failure of the host's storage: one pointer to what it says, as an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageError(Box<StorageFailure>);

/// What a [`StorageError`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFailure {
    /// The operation, as the storage trait names it.
    pub op: &'static str,
    /// The file, where the operation is about one.
    pub file: Option<FileId>,
    /// What kind of failure, for programs.
    pub kind: StorageErrorKind,
    /// What the host said, for people. May be empty.
    pub message: String,
}

/// Kinds of storage failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// No such file.
    NotFound,
    /// The file exists already.
    AlreadyExists,
    /// An asynchronous host must open the file first; repeat the step afterwards.
    NotReady,
    /// No space, or a quota is used up. Nothing acknowledged is lost: free space and reopen.
    OutOfSpace,
    /// Another process, handle or tab holds the store.
    Locked,
    /// A read went past the end of the file.
    UnexpectedEnd,
    /// The host denies access (permissions, read-only medium, not a regular file).
    Denied,
    /// Any other input or output failure.
    Io,
}

/// Damage in bytes that should be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The damaged file; manifest 0, which no store has, for a snapshot.
    pub file: FileId,
    /// Where in it, in bytes from its start.
    pub offset: u64,
    /// What was expected there.
    pub what: &'static str,
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// What went wrong, to be taken apart: `match store.get(key).map_err(Error::into_kind)`.
    #[must_use]
    pub fn into_kind(self) -> ErrorKind {
        *self.0
    }

    /// The damage, if that is what it is about.
    #[must_use]
    pub fn corruption(&self) -> Option<&Corruption> {
        match self.kind() {
            ErrorKind::Corrupt(c) => Some(c),
            _ => None,
        }
    }

    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind() {
            ErrorKind::Storage(e) => e.kind.code(),
            ErrorKind::Corrupt(_) => "SILT_CORRUPT",
            ErrorKind::Poisoned => "SILT_POISONED",
            ErrorKind::KeyEmpty => "SILT_KEY_EMPTY",
            ErrorKind::KeyTooLong { .. } => "SILT_KEY_TOO_LONG",
            ErrorKind::ValueTooLong { .. } => "SILT_VALUE_TOO_LONG",
            ErrorKind::BatchTooLarge { .. } => "SILT_BATCH_TOO_LARGE",
            ErrorKind::ConditionFailed { .. } => "SILT_CONDITION_FAILED",
            ErrorKind::HistoryGone { .. } => "SILT_HISTORY_GONE",
            ErrorKind::Unsupported { .. } => "SILT_UNSUPPORTED",
            ErrorKind::Invalid(_) => "SILT_INVALID",
            ErrorKind::NotEmpty => "SILT_NOT_EMPTY",
            ErrorKind::NoStore => "SILT_NO_STORE",
        }
    }

    /// Whether an asynchronous host must open a file first, and repeat the step.
    #[must_use]
    pub fn is_not_ready(&self) -> bool {
        matches!(self.kind(), ErrorKind::Storage(e) if e.kind == StorageErrorKind::NotReady)
    }

    /// Makes a corruption error.
    #[must_use]
    pub fn corrupt(file: FileId, offset: u64, what: &'static str) -> Self {
        ErrorKind::Corrupt(Corruption { file, offset, what }).into()
    }
}

impl StorageErrorKind {
    /// The stable code of this kind.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            StorageErrorKind::NotFound => "SILT_NOT_FOUND",
            StorageErrorKind::AlreadyExists => "SILT_ALREADY_EXISTS",
            StorageErrorKind::NotReady => "SILT_NOT_READY",
            StorageErrorKind::OutOfSpace => "SILT_OUT_OF_SPACE",
            StorageErrorKind::Locked => "SILT_LOCKED",
            StorageErrorKind::UnexpectedEnd => "SILT_UNEXPECTED_END",
            StorageErrorKind::Denied => "SILT_DENIED",
            StorageErrorKind::Io => "SILT_IO",
        }
    }
}

impl StorageError {
    /// An error without a message of the host's.
    #[must_use]
    pub fn new(op: &'static str, file: Option<FileId>, kind: StorageErrorKind) -> Self {
        StorageFailure { op, file, kind, message: String::new() }.into()
    }
}

impl From<StorageFailure> for StorageError {
    #[cold]
    fn from(failure: StorageFailure) -> Self {
        Self(Box::new(failure))
    }
}

impl Deref for StorageError {
    type Target = StorageFailure;

    fn deref(&self) -> &StorageFailure {
        &self.0
    }
}

impl From<StorageError> for Error {
    #[cold]
    fn from(e: StorageError) -> Self {
        ErrorKind::Storage(e).into()
    }
}

impl From<Corruption> for Error {
    fn from(c: Corruption) -> Self {
        ErrorKind::Corrupt(c).into()
    }
}

impl From<ErrorKind> for Error {
    #[cold]
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl Error {
    /// The text of this error, as it is displayed.
    #[must_use]
    pub fn message(&self) -> String {
        let mut text = Text::default();
        self.describe(&mut text);
        text.into_string()
    }

    fn describe<'a>(&self, text: &'a mut Text) -> &'a mut Text {
        match self.kind() {
            ErrorKind::Storage(e) => e.describe(text),
            ErrorKind::Corrupt(c) if c.file == SNAPSHOT => text
                .add("not a whole snapshot: at byte ")
                .number(c.offset)
                .add(" there should be ")
                .add(c.what)
                .add("; nothing was restored"),
            ErrorKind::Corrupt(c) => text
                .add(&c.file.name())
                .add(" is damaged at byte ")
                .number(c.offset)
                .add(": expected ")
                .add(c.what)
                .add("; restore a snapshot, or take what is readable with `silt salvage`"),
            ErrorKind::Poisoned => {
                text.add("an earlier write failed, so writing has stopped; reopen the store")
            }
            ErrorKind::KeyEmpty => text.add("the key is empty; a key has 1 to 65535 bytes"),
            ErrorKind::KeyTooLong { len, max } => too_long(text.add("the key has "), *len, *max),
            ErrorKind::ValueTooLong { len, max } => {
                too_long(text.add("the value has "), *len, *max)
            }
            ErrorKind::BatchTooLarge { size, max } => text
                .add("the batch has a size of ")
                .number(*size as u64)
                .add("; at most ")
                .number(*max as u64)
                .add(" is allowed: split it"),
            ErrorKind::ConditionFailed { operation, found } => {
                // First what whoever wrote one key, and has no other operation, wants to know.
                match found {
                    0 => text.add("the key has no value"),
                    found => text.add("the key has a value, of seq ").number(*found),
                }
                .add("; nothing was written (operation ")
                .number(*operation as u64)
                .add(")")
            }
            ErrorKind::HistoryGone { asked, oldest } => text
                .add("history at ")
                .number(*asked)
                .add(" is no longer held; the oldest readable moment is seq ")
                .number(*oldest),
            ErrorKind::Unsupported { format, file } => text
                .add(&file.name())
                .add(" has format ")
                .number(*format)
                .add(", newer than this version reads; update SiltDB (nothing was changed)"),
            ErrorKind::Invalid(what) => text.add(what),
            ErrorKind::NotEmpty => text.add("a store is already there; choose an empty place"),
            ErrorKind::NoStore => text.add("there is no store here"),
        }
    }
}

fn too_long(text: &mut Text, len: usize, max: usize) -> &mut Text {
    text.number(len as u64).add(" bytes; at most ").number(max as u64).add(" are allowed")
}

impl StorageFailure {
    fn describe<'a>(&self, text: &'a mut Text) -> &'a mut Text {
        text.add(self.op);
        if let Some(file) = self.file {
            text.add(" ").add(&file.name());
        }
        text.add(match self.kind {
            StorageErrorKind::NotFound => ": no such file",
            StorageErrorKind::AlreadyExists => ": the file exists already",
            StorageErrorKind::NotReady => ": the file is not open yet",
            StorageErrorKind::OutOfSpace => ": no space is left; free some and reopen",
            StorageErrorKind::Locked => ": the store is in use",
            StorageErrorKind::UnexpectedEnd => ": the file ends too early",
            StorageErrorKind::Denied => ": access is denied",
            StorageErrorKind::Io => ": input or output failed",
        });
        if !self.message.is_empty() {
            text.add(" (").add(&self.message).add(")");
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It says the same as an error of a store that it is the reason of.
        Error::from(self.clone()).fmt(f)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Storage(e) => Some(e),
            _ => None,
        }
    }
}

impl core::error::Error for StorageError {}
