//! What the operating system said, as the storage trait says it.

use std::io::{self, ErrorKind};

use siltdb_core::error::{StorageError, StorageErrorKind, StorageFailure};
use siltdb_core::storage::FileId;

/// Translates a failure of the system; the message is the system's own.
pub(super) fn storage_error(op: &'static str, file: Option<FileId>, e: &io::Error) -> StorageError {
    StorageFailure { op, file, kind: kind(e), message: e.to_string() }.into()
}

fn kind(e: &io::Error) -> StorageErrorKind {
    match e.kind() {
        ErrorKind::NotFound => StorageErrorKind::NotFound,
        ErrorKind::AlreadyExists => StorageErrorKind::AlreadyExists,
        // A limit on the length of files is a quota, too.
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StorageErrorKind::OutOfSpace
        }
        ErrorKind::UnexpectedEof => StorageErrorKind::UnexpectedEnd,
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        // What some systems call a link where none is followed.
        | ErrorKind::TooManyLinks => StorageErrorKind::Denied,
        _ if is_link(e) => StorageErrorKind::Denied,
        _ => StorageErrorKind::Io,
    }
}

/// Whether the system refused to follow a link.
#[cfg(unix)]
fn is_link(e: &io::Error) -> bool {
    e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(not(unix))]
fn is_link(_: &io::Error) -> bool {
    false
}

/// Whether `e` says that there is no space, quota included.
pub(super) fn is_out_of_space(e: &io::Error) -> bool {
    kind(e) == StorageErrorKind::OutOfSpace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn every_kind_of_refusal_has_its_own_code() {
        use rustix::io::Errno;
        for (errno, expected) in [
            (Errno::NOENT, StorageErrorKind::NotFound),
            (Errno::EXIST, StorageErrorKind::AlreadyExists),
            (Errno::NOSPC, StorageErrorKind::OutOfSpace),
            (Errno::DQUOT, StorageErrorKind::OutOfSpace),
            (Errno::FBIG, StorageErrorKind::OutOfSpace),
            (Errno::ACCESS, StorageErrorKind::Denied),
            (Errno::PERM, StorageErrorKind::Denied),
            (Errno::ROFS, StorageErrorKind::Denied),
            (Errno::LOOP, StorageErrorKind::Denied),
            (Errno::ISDIR, StorageErrorKind::Denied),
            (Errno::NOTDIR, StorageErrorKind::Denied),
            (Errno::IO, StorageErrorKind::Io),
            (Errno::MFILE, StorageErrorKind::Io),
            (Errno::NFILE, StorageErrorKind::Io),
            (Errno::STALE, StorageErrorKind::Io),
        ] {
            let e = storage_error("append", None, &errno.into());
            assert_eq!(e.kind, expected, "{errno:?}");
            assert!(!e.message.is_empty(), "{errno:?}");
        }
        let eof = io::Error::from(ErrorKind::UnexpectedEof);
        assert_eq!(storage_error("read", None, &eof).kind, StorageErrorKind::UnexpectedEnd);
    }
}
