//! Snapshots and checks: what was written comes back, and no damage goes unseen.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;

use siltdb_core::storage::{FileId, FileKind, MemoryStorage, Storage};
use siltdb_core::{
    Batch, Durability, ErrorKind, Host, Operation, Options, Result, Retention, ScanOptions, Store,
    Version, check, restore,
};

struct Clock {
    now: Cell<u64>,
}

impl Host for Clock {
    fn now_us(&self) -> u64 {
        self.now.set(self.now.get() + 1);
        self.now.get()
    }

    fn random_u64(&self) -> u64 {
        self.now.get().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn open(storage: &MemoryStorage) -> Store<MemoryStorage, Clock> {
    let options = Options { retention: Retention::Forever, ..Options::default() };
    Store::open(storage.clone(), Clock { now: Cell::new(1_000_000) }, options).unwrap()
}

/// A few keys with history, deletes, expiries and a large value, in several segments.
fn fill(store: &mut Store<MemoryStorage, Clock>, rounds: u64, keys: u64) {
    for round in 0..rounds {
        for i in 0..keys {
            let key = format!("key-{i:03}").into_bytes();
            let len = if i == 3 && round == 1 { 5_000 } else { (i % 7) as usize };
            let value = ((i + round) % 5 != 4).then(|| vec![(i + round) as u8; len]);
            let expires = (value.is_some() && i % 4 == 1).then_some(9_000_000_000);
            let mut batch = Batch::new();
            batch.push(Operation { key, value, expires, condition: None });
            store.write(&batch, Some(Durability::Flushed)).unwrap();
        }
        if round == 1 {
            store.compact(&mut |_| {}).unwrap();
        } else {
            store.seal().unwrap();
        }
    }
}

fn file_count(storage: &MemoryStorage) -> usize {
    let mut count = 0;
    storage.list(&mut |_, _| count += 1).unwrap();
    count
}

fn snapshot(store: &mut Store<MemoryStorage, Clock>) -> Vec<u8> {
    let (mut bytes, mut last) = (Vec::new(), None);
    let report = store.snapshot(&mut bytes, &mut |p| last = Some((p.done, p.total))).unwrap();
    let len = bytes.len() as u64;
    assert_eq!((report.bytes, report.seq), (len, store.last_seq()));
    assert_eq!(last, Some((len, len)));
    bytes
}

#[test]
fn a_snapshot_restores_to_the_same_store() {
    let mut store = open(&MemoryStorage::new());
    fill(&mut store, 4, 50);
    let middle = store.last_seq() - 70;
    store.set(b"unsealed", b"value").unwrap();
    let bytes = snapshot(&mut store);
    let copy = MemoryStorage::new();
    let mut last = None;
    let report = restore(&copy, &mut &bytes[..], &mut |p| last = Some((p.done, p.total))).unwrap();
    assert_eq!(last, Some((report.bytes, report.bytes)));
    assert_eq!((report.seq, report.segments > 1), (store.last_seq(), true));
    let checked = check(&copy, &mut |_| {}).unwrap();
    assert_eq!((checked.problems, checked.records), (Vec::new(), report.records));
    let again = restore(&copy, &mut &bytes[..], &mut |_| {});
    assert_eq!(again, Err(ErrorKind::NotEmpty.into()));

    let mut restored = open(&copy);
    assert_eq!(restored.last_seq(), store.last_seq());
    for as_of in [None, Some(middle)] {
        let options = ScanOptions { as_of, ..ScanOptions::default() };
        let found: Vec<_> = restored.scan(&options).unwrap().map(Result::unwrap).collect();
        let expected: Vec<_> = store.scan(&options).unwrap().map(Result::unwrap).collect();
        assert!(!expected.is_empty());
        assert_eq!(found, expected);
    }
    for i in 0..50 {
        let key = format!("key-{i:03}").into_bytes();
        let history = |store: &mut Store<_, _>| -> Result<Vec<Version>> {
            store.history(&key).and_then(Iterator::collect)
        };
        assert_eq!(history(&mut restored).unwrap(), history(&mut store).unwrap());
        let past = store.get_as_of(&key, middle).unwrap();
        assert_eq!(restored.get_as_of(&key, middle).unwrap(), past);
    }
    restored.set(b"later", b"written").unwrap();
    restored.close().unwrap();
    assert_eq!(open(&copy).get(b"later").unwrap().as_deref(), Some(&b"written"[..]));
}

#[test]
fn an_empty_store_restores() {
    let bytes = snapshot(&mut open(&MemoryStorage::new()));
    let copy = MemoryStorage::new();
    assert_eq!(restore(&copy, &mut &bytes[..], &mut |_| {}).unwrap().segments, 0);
    assert!(open(&copy).is_empty().unwrap());
}

#[test]
fn no_damaged_snapshot_restores() {
    let mut store = open(&MemoryStorage::new());
    fill(&mut store, 2, 12);
    let mut bytes = snapshot(&mut store);
    let refused = |bytes: &[u8], what: &str| {
        let copy = MemoryStorage::new();
        let result = restore(&copy, &mut &bytes[..], &mut |_| {});
        assert!(matches!(&result, Err(e) if e.corruption().is_some()), "{what}: {result:?}");
        assert_eq!(file_count(&copy), 0, "{what}");
    };
    for at in 0..bytes.len() {
        for bits in [1, 0x80, 0xff] {
            bytes[at] ^= bits;
            refused(&bytes, &format!("byte {at}"));
            bytes[at] ^= bits;
        }
        refused(&bytes[..at], &format!("cut at {at}"));
    }
    bytes.push(0);
    refused(&bytes, "a byte too many");
}

#[test]
fn a_check_finds_every_flipped_bit_of_a_sealed_segment() {
    let storage = MemoryStorage::new();
    let mut store = open(&storage);
    fill(&mut store, 3, 12);
    store.close().unwrap();
    let good = check(&storage, &mut |_| {}).unwrap();
    assert_eq!(good.problems, Vec::new());
    assert!(good.records >= 36 && good.files > 2);
    let mut segments = Vec::new();
    storage.list(&mut |id, _| segments.push(id)).unwrap();
    segments.retain(|id| id.kind == FileKind::Segment);
    assert!(segments.len() > 1);
    for id in segments {
        let bytes = storage.bytes(id).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            storage.put(id, damaged);
            let report = check(&storage, &mut |_| {}).unwrap_or_default();
            assert!(report.problems.iter().any(|p| p.file == id), "{id}, bit {bit}");
        }
        storage.put(id, bytes[..bytes.len() / 2].to_vec());
        assert!(!check(&storage, &mut |_| {}).unwrap().problems.is_empty());
        storage.remove(id).unwrap();
        assert!(!check(&storage, &mut |_| {}).unwrap().problems.is_empty());
        storage.put(id, bytes);
    }
}

#[test]
fn a_check_reads_the_log_and_tells_where_no_store_is() {
    let storage = MemoryStorage::new();
    assert_eq!(check(&storage, &mut |_| {}), Err(ErrorKind::NoStore.into()));
    let mut store = open(&storage);
    store.set(b"key", b"value").unwrap();
    store.close().unwrap();
    let report = check(&storage, &mut |_| {}).unwrap();
    assert_eq!((report.records, report.problems.len()), (1, 0));
    let id = FileId::segment(1);
    let bytes = storage.bytes(id).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        storage.put(id, damaged);
        assert_eq!(check(&storage, &mut |_| {}).unwrap().problems.len(), 1, "bit {bit}");
    }
}
