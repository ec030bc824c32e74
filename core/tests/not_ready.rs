//! A host that must open files before they are read: what meets a closed one is tried again, and
//! comes to the same answers and the same files as where all are open.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use siltdb_core::error::{Error, ErrorKind, StorageError, StorageErrorKind};
use siltdb_core::storage::{FileId, MemoryAppender, MemoryReader, MemoryStorage, ReadAt, Storage};
use siltdb_core::{Batch, Durability, Host, Options, ScanOptions, Store};

/// Files that are open, the longest first, and those that were asked for.
#[derive(Default)]
struct Files {
    open: Vec<FileId>,
    wanted: BTreeSet<FileId>,
    waits: u64,
}

/// Reads no file but open ones, where there is a limit.
#[derive(Clone, Default)]
struct Slow {
    inner: MemoryStorage,
    files: Rc<RefCell<Files>>,
    open_max: Option<usize>,
}

struct SlowReader {
    inner: MemoryReader,
    id: FileId,
    storage: Slow,
}

impl Slow {
    /// Opens what was asked for.
    fn prepare(&self) {
        let files = &mut *self.files.borrow_mut();
        files.open.extend(std::mem::take(&mut files.wanted));
        files.waits += 1;
    }

    /// Closes what is too much.
    fn rest(&self) {
        let files = &mut *self.files.borrow_mut();
        let over = files.open.len().saturating_sub(self.open_max.unwrap_or(usize::MAX));
        files.open.drain(..over);
    }

    fn need(&self, id: FileId) -> Result<(), StorageError> {
        let files = &mut *self.files.borrow_mut();
        if self.open_max.is_none() || files.open.contains(&id) {
            return Ok(());
        }
        files.wanted.insert(id);
        let kind = StorageErrorKind::NotReady;
        Err(StorageError::new("read", Some(id), kind))
    }
}

impl ReadAt for SlowReader {
    fn len(&self) -> Result<u64, StorageError> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.ready()?;
        self.inner.read_at(offset, buf)
    }

    fn ready(&self) -> Result<(), StorageError> {
        self.storage.need(self.id)
    }
}

impl Storage for Slow {
    type Reader = SlowReader;
    type Appender = MemoryAppender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        self.inner.list(visit)
    }

    fn open(&self, id: FileId) -> Result<SlowReader, StorageError> {
        Ok(SlowReader { inner: self.inner.open(id)?, id, storage: self.clone() })
    }

    fn create(&self, id: FileId) -> Result<MemoryAppender, StorageError> {
        self.inner.create(id)
    }

    fn resume(&self, id: FileId, len: u64) -> Result<MemoryAppender, StorageError> {
        self.need(id)?;
        self.inner.resume(id, len)
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        self.inner.publish(id, bytes)
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        self.inner.remove(id)
    }
}

/// A clock that stands still, and random bits that follow from each other.
struct Still(Cell<u64>);

impl Host for Still {
    fn now_us(&self) -> u64 {
        1_700_000_000_000_000
    }

    fn random_u64(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    }
}

type Slowly = Store<Slow, Still>;

/// Runs until all is ready, as a host does.
fn again<T>(storage: &Slow, mut run: impl FnMut() -> Result<T, Error>) -> T {
    loop {
        match run() {
            Err(e) if e.is_not_ready() => storage.prepare(),
            done => {
                storage.rest();
                return done.unwrap();
            }
        }
    }
}

fn open(storage: &Slow) -> Slowly {
    let mut options = Options { segment_bytes: 64 << 10, ..Options::default() };
    options.compaction.auto = false;
    // Old segments are rewritten without the newest ones, which tell what they supersede. A
    // compaction that met a closed one in the middle of a step would begin anew, and make others.
    options.compaction.dead_bytes_min = 0;
    options.durability = Durability::Flushed;
    again(storage, || Store::open(storage.clone(), Still(Cell::new(7)), options.clone()))
}

fn write(storage: &Slow, store: &mut Slowly, round: u32) {
    let mut batch = Batch::new();
    for i in 0..30 + round % 7 {
        batch.set(format!("key {i}").as_bytes(), format!("{round} ").repeat(600).as_bytes());
    }
    again(storage, || store.write(&batch, None));
}

/// All that is there now and at a moment before, as text.
fn contents(storage: &Slow, store: &mut Slowly, seq: u64) -> Vec<String> {
    let all =
        again(storage, || store.scan(&ScanOptions::default())?.collect::<Result<Vec<_>, Error>>());
    let mut found: Vec<_> = all.iter().map(|r| format!("{r:?}")).collect();
    for i in 0..36 {
        let key = format!("key {i}").into_bytes();
        found.push(format!("{:?}", again(storage, || store.get(&key))));
        let then = again(storage, || match store.get_as_of(&key, seq) {
            Err(e) if matches!(e.kind(), ErrorKind::HistoryGone { .. }) => Ok(Err(e)),
            then => then.map(Ok),
        });
        found.push(format!("{then:?}"));
    }
    found
}

/// What a store told, the bytes of its files at its end, and how often a file had to be opened.
struct Life {
    read: Vec<String>,
    files: Vec<(FileId, Vec<u8>)>,
    waits: u64,
}

fn life(open_max: Option<usize>) -> Life {
    let storage = Slow { open_max, ..Slow::default() };
    let mut store = open(&storage);
    let mut read = Vec::new();
    for round in 0..60 {
        write(&storage, &mut store, round);
        let due = again(&storage, || store.compact_due(16 << 10));
        read.push(format!("{due} {:?}", again(&storage, || store.get(b"key 3"))));
    }
    let seq = store.last_seq() - 3;
    while again(&storage, || store.compact_due(16 << 10)) {}
    read.extend(contents(&storage, &mut store, seq));
    // A small log, closed and gone on with, and then all of it compacted by hand.
    again(&storage, || store.set(b"key 0", b"last"));
    store.close().unwrap();
    let mut store = open(&storage);
    read.extend(contents(&storage, &mut store, seq));
    let mut full = again(&storage, || store.compact_begin());
    while again(&storage, || store.compact_next(&mut full, 16 << 10)) {}
    read.push(format!("{:?}", full.report()));
    read.extend(contents(&storage, &mut store, seq));
    store.close().unwrap();
    let mut files = Vec::new();
    storage.list(&mut |id, len| files.push((id, vec![0; len as usize]))).unwrap();
    files.sort();
    for (id, bytes) in &mut files {
        storage.inner.open(*id).unwrap().read_at(0, bytes).unwrap();
    }
    let waits = storage.files.borrow().waits;
    Life { read, files, waits }
}

#[test]
fn few_open_files_come_to_the_same_as_all() {
    let all = life(None);
    assert_eq!(all.waits, 0);
    for open_max in [1, 3] {
        let few = life(Some(open_max));
        assert!(few.waits > 100, "{} waits", few.waits);
        for (step, (one, other)) in few.read.iter().zip(&all.read).enumerate() {
            assert!(one == other, "what was read at {step} differs with {open_max} open files");
        }
        assert_eq!(few.read.len(), all.read.len());
        assert_eq!(few.files.len(), all.files.len());
        for (one, other) in few.files.iter().zip(&all.files) {
            assert!(one == other, "{} differs with {open_max} open files", one.0);
        }
    }
}
