//! Storage conformance: every sentence of the storage trait's contract that can be checked
//! without a crash, as one suite that runs on every backend.
//!
//! A rule gives a message instead of panicking, so that the suite itself can be tested on
//! backends that are broken on purpose.
//!
//! ```
//! use siltdb_core::storage::MemoryStorage;
//! use siltdb_tests::conformance::Conformance;
//!
//! Conformance::new(MemoryStorage::new, |storage| storage).assert();
//! ```

use std::collections::BTreeMap;

use siltdb_core::error::{StorageError, StorageErrorKind};
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};

/// What a rule found wrong.
type Verdict = Result<(), String>;

/// Puts files that are not the store's beside those that are.
type Plant<S> = Box<dyn Fn(&S)>;

/// A rule's name and its check.
type Rule<S> = (&'static str, fn(&Conformance<S>) -> Verdict);

/// One rule of the contract that a backend broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the rule.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// The suite, made for one backend.
pub struct Conformance<S> {
    fresh: Box<dyn Fn() -> S>,
    reopen: Box<dyn Fn(S) -> S>,
    strays: Option<Plant<S>>,
}

/// Fails the rule with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

impl<S: Storage> Conformance<S> {
    /// A suite for a backend: `fresh` gives a new empty storage, `reopen` ends the use of one
    /// and opens the same files again.
    pub fn new(fresh: impl Fn() -> S + 'static, reopen: impl Fn(S) -> S + 'static) -> Self {
        Self { fresh: Box::new(fresh), reopen: Box::new(reopen), strays: None }
    }

    /// Also checks that files which are not the store's are left alone: `plant` puts some of
    /// them (odd names, directories) beside the store's files.
    #[must_use]
    pub fn with_strays(mut self, plant: impl Fn(&S) + 'static) -> Self {
        self.strays = Some(Box::new(plant));
        self
    }

    /// Runs every rule on a storage of its own.
    ///
    /// # Panics
    /// When a rule is broken; the message names all of them.
    pub fn assert(&self) {
        let violations = self.check();
        assert!(violations.is_empty(), "the storage contract is broken: {violations:#?}");
    }

    /// Runs every rule on a storage of its own and gives those that were broken.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let rules: [Rule<S>; 19] = [
            ("a fresh storage is empty", Self::starts_empty),
            ("list visits every file once", Self::list_visits_once),
            ("what is not there is NotFound", Self::missing_is_not_found),
            ("an existing file is never created again", Self::create_refuses_existing),
            ("append is seen at once and whole", Self::append_is_seen),
            ("a reader sees later appends", Self::reader_sees_later_appends),
            ("reads are exact or UnexpectedEnd", Self::reads_are_exact),
            ("borrow agrees with read_at", Self::borrow_agrees),
            ("an empty file is a file", Self::empty_file),
            ("a large append is one append", Self::large_append),
            ("appenders do not mix", Self::appenders_do_not_mix),
            ("resume goes on at the length given", Self::resume_continues),
            ("resume beyond the end is UnexpectedEnd", Self::resume_beyond_end),
            ("publish makes a whole file", Self::publish_is_whole),
            ("remove is final and idempotent", Self::remove_is_idempotent),
            ("a removed name starts empty", Self::remove_then_create),
            ("finish changes no appended byte", Self::finish_keeps_bytes),
            ("a reopened storage holds the same", Self::reopen_keeps_all),
            ("strays are skipped and kept", Self::strays_are_kept),
        ];
        let run = |(rule, check): Rule<S>| check(self).err().map(|what| Violation { rule, what });
        rules.into_iter().filter_map(run).collect()
    }

    fn starts_empty(&self) -> Verdict {
        let storage = (self.fresh)();
        ensure!(list(&storage)?.is_empty(), "list visits {:?}", list(&storage)?);
        let storage = (self.reopen)(storage);
        ensure!(list(&storage)?.is_empty(), "after reopening, list visits something");
        Ok(())
    }

    fn list_visits_once(&self) -> Verdict {
        let storage = (self.fresh)();
        let mut lens = BTreeMap::new();
        for n in 1..=100_u64 {
            let id = FileId::segment(n * n);
            write(&storage, id, &pattern(n, n as usize * 7))?;
            lens.insert(id, n * 7);
        }
        for n in [1, 4, 9_999_999_999_999_999] {
            ok("publish", storage.publish(FileId::manifest(n), &pattern(n, 30)))?;
            lens.insert(FileId::manifest(n), 30);
        }
        let found = list(&storage)?;
        ensure!(found.keys().eq(lens.keys()), "listed {:?}", found.keys());
        for (id, len) in &lens {
            // Space reserved ahead counts, so a segment may be listed longer, never shorter.
            ensure!(found[id] >= *len, "{id} is listed with {} bytes, has {len}", found[id]);
            let reader = ok("open", storage.open(*id))?;
            let seen = ok("len", reader.len())?;
            ensure!(seen == found[id], "{id}: list says {} and the reader {seen}", found[id]);
        }
        Ok(())
    }

    fn missing_is_not_found(&self) -> Verdict {
        let storage = (self.fresh)();
        write(&storage, FileId::segment(1), b"here")?;
        for id in [FileId::segment(2), FileId::manifest(1)] {
            refused("open", storage.open(id), StorageErrorKind::NotFound, id)?;
            refused("resume", storage.resume(id, 0), StorageErrorKind::NotFound, id)?;
        }
        ensure!(list(&storage)?.len() == 1, "asking for a missing file made one");
        Ok(())
    }

    fn create_refuses_existing(&self) -> Verdict {
        let storage = (self.fresh)();
        let (made, published) = (FileId::segment(5), FileId::segment(6));
        write(&storage, made, b"first")?;
        ok("publish", storage.publish(published, b"whole"))?;
        for id in [made, published] {
            let exists = StorageErrorKind::AlreadyExists;
            refused("create", storage.create(id), exists, id)?;
            refused("publish", storage.publish(id, b"other"), exists, id)?;
        }
        expect(&storage, made, b"first")?;
        expect(&storage, published, b"whole")
    }

    fn append_is_seen(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(1);
        let mut appender = ok("create", storage.create(id))?;
        ensure!(appender.is_empty(), "a new appender is not empty");
        let mut all = Vec::new();
        for n in 0..40_u64 {
            let bytes = pattern(n, (n as usize * 37) % 1_500);
            ok("append", appender.append(&bytes))?;
            all.extend_from_slice(&bytes);
            ensure!(
                appender.len() == all.len() as u64,
                "len is {} not {}",
                appender.len(),
                all.len()
            );
            if n % 7 == 3 {
                ok("sync", appender.sync())?;
                ensure!(appender.len() == all.len() as u64, "a sync changed the length");
            }
            expect(&storage, id, &all)?;
        }
        drop(appender);
        expect(&storage, id, &all)
    }

    fn reader_sees_later_appends(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(1);
        let mut appender = ok("create", storage.create(id))?;
        ok("append", appender.append(b"before"))?;
        let early = ok("open", storage.open(id))?;
        ensure!(read(&early, 0, 6)? == b"before", "the bytes appended before are not seen");
        ok("append", appender.append(b" after"))?;
        ensure!(read(&early, 0, 12)? == b"before after", "later bytes are not seen");
        ok("append", appender.append(&pattern(9, 70_000)))?;
        ok("sync", appender.sync())?;
        drop(appender);
        ensure!(read(&early, 12, 70_000)? == pattern(9, 70_000), "the last append is not seen");
        let late = ok("open", storage.open(id))?;
        ensure!(read(&late, 0, 12)? == read(&early, 0, 12)?, "two readers disagree");
        Ok(())
    }

    fn reads_are_exact(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(3);
        let bytes = pattern(3, 1_300);
        write(&storage, id, &bytes)?;
        let reader = ok("open", storage.open(id))?;
        for (offset, len) in [(0, 1), (0, 1_300), (1_299, 1), (511, 2), (512, 512), (700, 0)] {
            let seen = read(&reader, offset, len)?;
            let start = offset as usize;
            ensure!(seen == bytes[start..start + len], "wrong bytes at {offset} for {len}");
        }
        let end = ok("len", reader.len())?;
        ensure!(!ok("is_empty", reader.is_empty())?, "a file with bytes says it is empty");
        let past = [(end, 1), (end - 1, 2), (0, end as usize + 1), (end + 9, 4)];
        for (offset, len) in past.into_iter().chain([(u64::MAX - 2, 2), (u64::MAX, 9)]) {
            let result = reader.read_at(offset, &mut vec![0; len]);
            let what = format!("read of {len} bytes at {offset} of {end}");
            refused(&what, result, StorageErrorKind::UnexpectedEnd, id)?;
        }
        Ok(())
    }

    fn borrow_agrees(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(1);
        let bytes = pattern(1, 9_000);
        write(&storage, id, &bytes)?;
        let reader = ok("open", storage.open(id))?;
        for (offset, len) in [(0, 9_000), (4_095, 2), (8_999, 1), (17, 0)] {
            if let Some(slice) = reader.borrow(offset, len) {
                let start = offset as usize;
                ensure!(slice == &bytes[start..start + len], "wrong slice at {offset} for {len}");
            }
        }
        let end = ok("len", reader.len())?;
        for (offset, len) in [(end, 1), (end - 1, 2), (u64::MAX, 2), (1, usize::MAX)] {
            ensure!(reader.borrow(offset, len).is_none(), "a slice past the end at {offset}");
        }
        Ok(())
    }

    fn empty_file(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(8);
        let mut appender = ok("create", storage.create(id))?;
        ok("append of nothing", appender.append(b""))?;
        ok("sync", appender.sync())?;
        ensure!(appender.is_empty(), "nothing was appended, yet the length is {}", appender.len());
        drop(appender);
        let storage = (self.reopen)(storage);
        ensure!(list(&storage)?.contains_key(&id), "the empty file is not listed");
        let reader = ok("open", storage.open(id))?;
        ensure!(read(&reader, 0, 0)?.is_empty(), "a read of nothing gave something");
        drop(reader);
        let appender = ok("resume", storage.resume(id, 0))?;
        ensure!(appender.is_empty(), "resumed at 0, yet the length is {}", appender.len());
        Ok(())
    }

    fn large_append(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(1);
        let bytes = pattern(77, (5 << 20) + 3);
        let mut appender = ok("create", storage.create(id))?;
        ok("append", appender.append(b"x"))?;
        ok("append", appender.append(&bytes))?;
        ensure!(appender.len() == bytes.len() as u64 + 1, "the length is {}", appender.len());
        let reader = ok("open", storage.open(id))?;
        for start in (0..bytes.len()).step_by(1_000_003) {
            let len = (bytes.len() - start).min(1_000_003);
            let seen = read(&reader, start as u64 + 1, len)?;
            ensure!(seen == bytes[start..start + len], "wrong bytes at {start}");
        }
        Ok(())
    }

    fn appenders_do_not_mix(&self) -> Verdict {
        let storage = (self.fresh)();
        let ids = [FileId::segment(1), FileId::segment(2), FileId::manifest(2)];
        let mut appenders = Vec::new();
        for id in ids {
            appenders.push(ok("create", storage.create(id))?);
        }
        for round in 0..20_u64 {
            for (n, appender) in appenders.iter_mut().enumerate() {
                ok("append", appender.append(&pattern(round + 100 * n as u64, 13)))?;
            }
        }
        drop(appenders);
        for (n, id) in ids.into_iter().enumerate() {
            let all: Vec<u8> =
                (0..20).flat_map(|round| pattern(round + 100 * n as u64, 13)).collect();
            expect(&storage, id, &all)?;
        }
        Ok(())
    }

    fn resume_continues(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(4);
        let bytes = pattern(4, 2_000);
        write(&storage, id, &bytes)?;
        let early = ok("open", storage.open(id))?;
        let mut appender = ok("resume", storage.resume(id, 700))?;
        ensure!(appender.len() == 700, "resumed at 700, yet the length is {}", appender.len());
        for reader in [&early, &ok("open", storage.open(id))?] {
            ensure!(read(reader, 0, 700)? == bytes[..700], "bytes before the length changed");
            let mut gone = [0; 100];
            match reader.read_at(700, &mut gone) {
                // Space reserved ahead may stand there, what stood there before may not.
                Ok(()) => ensure!(gone[..] != bytes[700..800], "truncated bytes are still seen"),
                Err(e) => refused("read", Err::<(), _>(e), StorageErrorKind::UnexpectedEnd, id)?,
            }
        }
        ok("append", appender.append(b"new end"))?;
        ok("sync", appender.sync())?;
        ensure!(appender.len() == 707, "the length is {} not 707", appender.len());
        let all = [&bytes[..700], b"new end"].concat();
        ensure!(read(&early, 0, 707)? == all, "an older reader does not see the new end");
        drop((appender, early));
        let storage = (self.reopen)(storage);
        expect(&storage, id, &all)?;
        let appender = ok("resume", storage.resume(id, 707))?;
        ensure!(appender.len() == 707, "resumed at the end, yet the length is {}", appender.len());
        Ok(())
    }

    fn resume_beyond_end(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(4);
        write(&storage, id, b"twelve bytes")?;
        let end = list(&storage)?[&id];
        for len in [end + 1, end + (1 << 40), u64::MAX] {
            let result = storage.resume(id, len);
            refused("resume", result, StorageErrorKind::UnexpectedEnd, id)?;
        }
        ensure!(list(&storage)?[&id] == end, "a refused resume changed the length");
        expect(&storage, id, b"twelve bytes")
    }

    fn publish_is_whole(&self) -> Verdict {
        let storage = (self.fresh)();
        for (number, len) in [(1, 1), (2, 511), (3, 512), (4, 513), (5, 100_000)] {
            let id = FileId::manifest(number);
            let bytes = pattern(number, len);
            ok("publish", storage.publish(id, &bytes))?;
            let reader = ok("open", storage.open(id))?;
            let seen = ok("len", reader.len())?;
            ensure!(seen == len as u64, "{id} has {seen} bytes, {len} were published");
            ensure!(read(&reader, 0, len)? == bytes, "{id} has other bytes");
        }
        let storage = (self.reopen)(storage);
        ensure!(list(&storage)?.len() == 5, "published files are missing after reopening");
        expect(&storage, FileId::manifest(5), &pattern(5, 100_000))
    }

    fn remove_is_idempotent(&self) -> Verdict {
        let storage = (self.fresh)();
        let (segment, manifest) = (FileId::segment(1), FileId::manifest(1));
        write(&storage, segment, b"to go")?;
        write(&storage, FileId::segment(2), b"to stay")?;
        ok("publish", storage.publish(manifest, b"to go, too"))?;
        for id in [segment, manifest] {
            for _ in 0..2 {
                ok("remove", storage.remove(id))?;
                refused("open", storage.open(id), StorageErrorKind::NotFound, id)?;
                refused("resume", storage.resume(id, 0), StorageErrorKind::NotFound, id)?;
                ensure!(!list(&storage)?.contains_key(&id), "{id} is listed after its removal");
            }
        }
        ok("remove of a file that never was", storage.remove(FileId::segment(99)))?;
        let storage = (self.reopen)(storage);
        ensure!(list(&storage)?.len() == 1, "a removed file came back");
        expect(&storage, FileId::segment(2), b"to stay")
    }

    fn remove_then_create(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(1);
        write(&storage, id, &pattern(1, 5_000))?;
        ok("remove", storage.remove(id))?;
        let mut appender = ok("create", storage.create(id))?;
        ensure!(appender.is_empty(), "the new file starts with {} bytes", appender.len());
        ok("append", appender.append(b"second life"))?;
        drop(appender);
        expect(&storage, id, b"second life")?;
        ok("remove", storage.remove(id))?;
        ok("publish", storage.publish(id, b"third"))?;
        expect(&storage, id, b"third")
    }

    fn finish_keeps_bytes(&self) -> Verdict {
        let storage = (self.fresh)();
        let id = FileId::segment(1);
        let bytes = pattern(1, 3_000);
        let mut appender = ok("create", storage.create(id))?;
        let reader = ok("open", storage.open(id))?;
        ok("append", appender.append(&bytes))?;
        ok("finish", appender.finish())?;
        ensure!(appender.len() == 3_000, "finish changed the length to {}", appender.len());
        ok("sync", appender.sync())?;
        ensure!(read(&reader, 0, 3_000)? == bytes, "finish changed what a reader sees");
        drop((appender, reader));
        let storage = (self.reopen)(storage);
        expect(&storage, id, &bytes)
    }

    /// Appended bytes outlive the one who appended them, synced or not: what a flushed write
    /// is promised.
    fn reopen_keeps_all(&self) -> Verdict {
        let storage = (self.fresh)();
        for n in 1..=9_u64 {
            let mut appender = ok("create", storage.create(FileId::segment(n)))?;
            ok("append", appender.append(&pattern(n, 600)))?;
            if n % 2 == 0 {
                ok("sync", appender.sync())?;
            }
            ok("append", appender.append(&pattern(n + 50, 600)))?;
        }
        let mut storage = storage;
        for _ in 0..2 {
            storage = (self.reopen)(storage);
            ensure!(list(&storage)?.len() == 9, "files are missing after reopening");
            for n in 1..=9 {
                let all = [pattern(n, 600), pattern(n + 50, 600)].concat();
                expect(&storage, FileId::segment(n), &all)?;
            }
        }
        Ok(())
    }

    fn strays_are_kept(&self) -> Verdict {
        let Some(plant) = &self.strays else { return Ok(()) };
        let storage = (self.fresh)();
        write(&storage, FileId::segment(1), b"ours")?;
        plant(&storage);
        ensure!(list(&storage)?.len() == 1, "list visits strays: {:?}", list(&storage)?);
        let storage = (self.reopen)(storage);
        ensure!(list(&storage)?.len() == 1, "after reopening, list visits strays");
        ok("remove", storage.remove(FileId::segment(1)))?;
        ensure!(list(&storage)?.is_empty(), "list visits strays once the store is gone");
        Ok(())
    }
}

/// Bytes that differ for each seed and position.
fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut random = crate::sim::Random::new(seed);
    (0..len).map(|_| random.next_u64() as u8).collect()
}

fn ok<T>(what: &str, result: Result<T, StorageError>) -> Result<T, String> {
    result.map_err(|e| format!("{what} failed: {e}"))
}

/// Demands a refusal of this kind that names the file.
fn refused<T>(
    what: &str,
    result: Result<T, StorageError>,
    kind: StorageErrorKind,
    id: FileId,
) -> Verdict {
    let Err(e) = result else { return Err(format!("{what} of {id} gave Ok instead of {kind:?}")) };
    ensure!(e.kind == kind, "{what} of {id} gave {:?} instead of {kind:?}", e.kind);
    ensure!(e.file == Some(id), "{what} of {id} names {:?}", e.file);
    Ok(())
}

fn list<S: Storage>(storage: &S) -> Result<BTreeMap<FileId, u64>, String> {
    let mut found = BTreeMap::new();
    let mut twice = None;
    let mut visit = |id, len| {
        if found.insert(id, len).is_some() {
            twice = Some(id);
        }
    };
    ok("list", storage.list(&mut visit))?;
    twice.map_or(Ok(found), |id| Err(format!("list visits {id} twice")))
}

fn write<S: Storage>(storage: &S, id: FileId, bytes: &[u8]) -> Verdict {
    let mut appender = ok("create", storage.create(id))?;
    ok("append", appender.append(bytes))?;
    ok("sync", appender.sync())
}

fn read<R: ReadAt>(reader: &R, offset: u64, len: usize) -> Result<Vec<u8>, String> {
    let mut buf = vec![0xA5; len];
    let result = reader.read_at(offset, &mut buf);
    ok(&format!("read of {len} bytes at {offset}"), result)?;
    Ok(buf)
}

/// Demands that the file starts with these bytes; only reserved space may follow.
fn expect<S: Storage>(storage: &S, id: FileId, bytes: &[u8]) -> Verdict {
    let reader = ok("open", storage.open(id))?;
    let len = ok("len", reader.len())?;
    ensure!(len >= bytes.len() as u64, "{id} has {len} bytes instead of {}", bytes.len());
    ensure!(read(&reader, 0, bytes.len())? == bytes, "{id} holds other bytes");
    Ok(())
}
