//! The storage conformance suite on the backends without files, and on backends that are broken
//! on purpose: a suite that cannot fail proves nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;

use siltdb_core::error::{StorageError, StorageErrorKind, StorageFailure};
use siltdb_core::storage::{Append, FileId, MemoryStorage, ReadAt, Storage};
use siltdb_tests::conformance::Conformance;
use siltdb_tests::sim::{SimOptions, SimStorage};

#[test]
fn memory_keeps_the_contract() {
    Conformance::new(MemoryStorage::new, |storage| storage).assert();
}

#[test]
fn simulated_disk_keeps_the_contract() {
    for (reserve, lend) in [(0, false), (0, true), (4_096, false), (1_000, true)] {
        let options = SimOptions { seed: 7, reserve, lend };
        let fresh = move || SimStorage::new(options);
        // Reopening is the death of the process: what was appended outlives it, synced or not.
        Conformance::new(fresh, |storage: SimStorage| storage.process_death(1)).assert();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breakage {
    None,
    /// `list` visits the first file twice.
    ListsTwice,
    /// `open` of a missing file says `Io`.
    MissingIsIo,
    /// `create` empties a file that exists.
    CreateEmpties,
    /// `create` and the rest work, but `publish` puts its file over one that exists.
    PublishReplaces,
    /// Every append drops its last byte when it is longer than 600.
    ShortAppend,
    /// A reader sees the file as it was when it was opened.
    FrozenReader,
    /// A read past the end gives `Ok` with zeros.
    ZerosPastEnd,
    /// A slice is lent from one byte further on.
    SlicesShifted,
    /// A resume cuts nothing off.
    ResumeKeepsTail,
    /// A resume past the end fills the gap with zeros.
    ResumeGrows,
    /// The second removal of a file fails.
    RemoveTwiceFails,
    /// A removal hides nothing.
    RemoveIgnored,
    /// Errors name no file.
    Nameless,
    /// `finish` gives back one byte too much.
    FinishCuts,
    /// Bytes never synced are gone after reopening.
    ReopenDropsUnsynced,
}

/// The memory backend with one rule broken.
struct Broken {
    inner: MemoryStorage,
    how: Breakage,
    fresh: Cell<bool>,
}

struct BrokenReader {
    inner: <MemoryStorage as Storage>::Reader,
    how: Breakage,
    len: u64,
    bytes: Vec<u8>,
}

struct BrokenAppender {
    inner: <MemoryStorage as Storage>::Appender,
    storage: MemoryStorage,
    id: FileId,
    how: Breakage,
    synced: u64,
}

impl Broken {
    fn new(how: Breakage) -> Self {
        Self { inner: MemoryStorage::new(), how, fresh: Cell::new(true) }
    }

    fn appender(&self, id: FileId, inner: <MemoryStorage as Storage>::Appender) -> BrokenAppender {
        BrokenAppender { inner, storage: self.inner.clone(), id, how: self.how, synced: 0 }
    }

    fn breaks(&self, how: Breakage) -> bool {
        self.how == how
    }
}

impl Storage for Broken {
    type Reader = BrokenReader;
    type Appender = BrokenAppender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        self.fresh.set(true);
        self.inner.list(&mut |id, len| {
            visit(id, len);
            if self.breaks(Breakage::ListsTwice) && self.fresh.replace(false) {
                visit(id, len);
            }
        })
    }

    fn open(&self, id: FileId) -> Result<BrokenReader, StorageError> {
        let inner = self.inner.open(id).map_err(|e| {
            let mut failure = StorageFailure::clone(&e);
            if self.breaks(Breakage::MissingIsIo) {
                failure.kind = StorageErrorKind::Io;
            }
            if self.breaks(Breakage::Nameless) {
                failure.file = None;
            }
            StorageError::from(failure)
        })?;
        let len = inner.len()?;
        let bytes = self.inner.bytes(id).unwrap();
        Ok(BrokenReader { inner, how: self.how, len, bytes })
    }

    fn create(&self, id: FileId) -> Result<BrokenAppender, StorageError> {
        if self.breaks(Breakage::CreateEmpties) {
            self.inner.remove(id)?;
        }
        Ok(self.appender(id, self.inner.create(id)?))
    }

    fn resume(&self, id: FileId, len: u64) -> Result<BrokenAppender, StorageError> {
        let bytes = self.inner.bytes(id);
        if let Some(bytes) = bytes.filter(|_| self.breaks(Breakage::ResumeGrows)) {
            let len = usize::try_from(len).unwrap_or(usize::MAX).min(1 << 20);
            if len > bytes.len() {
                let grown = [bytes.clone(), vec![0; len - bytes.len()]].concat();
                self.inner.put(id, grown);
            }
        }
        if self.breaks(Breakage::ResumeKeepsTail) {
            let end = self.inner.open(id)?.len()?;
            return Ok(self.appender(id, self.inner.resume(id, end.max(len))?));
        }
        Ok(self.appender(id, self.inner.resume(id, len)?))
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        if self.breaks(Breakage::PublishReplaces) {
            self.inner.put(id, bytes.to_vec());
            return Ok(());
        }
        self.inner.publish(id, bytes)
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        if self.breaks(Breakage::RemoveIgnored) {
            return Ok(());
        }
        if self.breaks(Breakage::RemoveTwiceFails) && self.inner.bytes(id).is_none() {
            return Err(StorageError::new("remove", Some(id), StorageErrorKind::NotFound));
        }
        self.inner.remove(id)
    }
}

impl ReadAt for BrokenReader {
    fn len(&self) -> Result<u64, StorageError> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        if self.how == Breakage::FrozenReader && offset + buf.len() as u64 > self.len {
            return Err(StorageError::new("read", None, StorageErrorKind::UnexpectedEnd));
        }
        let result = self.inner.read_at(offset, buf);
        if self.how == Breakage::ZerosPastEnd && result.is_err() {
            buf.fill(0);
            return Ok(());
        }
        result
    }

    fn borrow(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let shift = usize::from(self.how == Breakage::SlicesShifted);
        let start = usize::try_from(offset).ok()?.checked_add(shift)?;
        self.bytes.get(start..start.checked_add(len)?)
    }
}

impl Append for BrokenAppender {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let short = usize::from(self.how == Breakage::ShortAppend && bytes.len() > 600);
        self.inner.append(&bytes[..bytes.len() - short])
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.synced = self.inner.len();
        self.inner.sync()
    }

    fn finish(&mut self) -> Result<(), StorageError> {
        if self.how == Breakage::FinishCuts {
            self.inner = self.storage.resume(self.id, self.inner.len() - 1)?;
        }
        self.inner.finish()
    }
}

impl Drop for BrokenAppender {
    fn drop(&mut self) {
        if self.how == Breakage::ReopenDropsUnsynced {
            let _ = self.storage.resume(self.id, self.synced);
        }
    }
}

#[test]
fn every_breakage_is_found() {
    let rules_broken = |how| {
        let suite = Conformance::new(move || Broken::new(how), |storage| storage);
        suite.check().into_iter().map(|violation| violation.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules_broken(Breakage::None), Vec::<&str>::new());
    for (how, rule) in [
        (Breakage::ListsTwice, "list visits every file once"),
        (Breakage::MissingIsIo, "what is not there is NotFound"),
        (Breakage::CreateEmpties, "an existing file is never created again"),
        (Breakage::PublishReplaces, "an existing file is never created again"),
        (Breakage::ShortAppend, "append is seen at once and whole"),
        (Breakage::FrozenReader, "a reader sees later appends"),
        (Breakage::ZerosPastEnd, "reads are exact or UnexpectedEnd"),
        (Breakage::SlicesShifted, "borrow agrees with read_at"),
        (Breakage::ResumeKeepsTail, "resume goes on at the length given"),
        (Breakage::ResumeGrows, "resume beyond the end is UnexpectedEnd"),
        (Breakage::RemoveTwiceFails, "remove is final and idempotent"),
        (Breakage::RemoveIgnored, "a removed name starts empty"),
        (Breakage::Nameless, "what is not there is NotFound"),
        (Breakage::FinishCuts, "finish changes no appended byte"),
        (Breakage::ReopenDropsUnsynced, "a reopened storage holds the same"),
    ] {
        let broken = rules_broken(how);
        assert!(broken.contains(&rule), "{how:?} was found as {broken:?}, not as {rule:?}");
    }
}

#[test]
fn strays_are_left_alone() {
    // A storage that keeps foreign names beside the store's: only the suite's rule is tried here,
    // on one that lists them and one that does not.
    for lists_strays in [false, true] {
        let suite = Conformance::new(MemoryStorage::new, |storage| storage);
        let suite = suite.with_strays(move |storage: &MemoryStorage| {
            if lists_strays {
                storage.put(FileId::manifest(77), b"stray".to_vec());
            }
        });
        let broken = suite.check();
        assert_eq!(broken.len(), usize::from(lists_strays), "{broken:?}");
    }
}
