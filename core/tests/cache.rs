//! The cache of values, on a backend that lends no slices and counts its reads.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;
use std::rc::Rc;

use siltdb_core::error::StorageError;
use siltdb_core::storage::{FileId, MemoryAppender, MemoryReader, MemoryStorage, ReadAt, Storage};
use siltdb_core::{Batch, Durability, Host, Operation, Options, Store};

#[derive(Clone, Default)]
struct Counted {
    inner: MemoryStorage,
    reads: Rc<Cell<u64>>,
}

struct CountedReader {
    inner: MemoryReader,
    reads: Rc<Cell<u64>>,
}

impl ReadAt for CountedReader {
    fn len(&self) -> Result<u64, StorageError> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.reads.set(self.reads.get() + 1);
        self.inner.read_at(offset, buf)
    }
}

impl Storage for Counted {
    type Reader = CountedReader;
    type Appender = MemoryAppender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        self.inner.list(visit)
    }

    fn open(&self, id: FileId) -> Result<CountedReader, StorageError> {
        Ok(CountedReader { inner: self.inner.open(id)?, reads: Rc::clone(&self.reads) })
    }

    fn create(&self, id: FileId) -> Result<MemoryAppender, StorageError> {
        self.inner.create(id)
    }

    fn resume(&self, id: FileId, len: u64) -> Result<MemoryAppender, StorageError> {
        self.inner.resume(id, len)
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        self.inner.publish(id, bytes)
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        self.inner.remove(id)
    }
}

struct Clock(Cell<u64>);

impl Host for Clock {
    fn now_us(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    fn random_u64(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    }
}

fn open<'c>(
    storage: &Counted,
    clock: &'c Clock,
    cache_bytes: usize,
    hash_bits: u8,
) -> Store<Counted, &'c Clock> {
    let mut options = Options { cache_bytes, hash_bits, ..Options::default() };
    options.compaction.auto = false;
    options.durability = Durability::Flushed;
    Store::open(storage.clone(), clock, options).unwrap()
}

/// What `read` gives, and how many times the storage was read for it.
fn reads<T>(storage: &Counted, read: impl FnOnce() -> T) -> (T, u64) {
    let before = storage.reads.get();
    let value = read();
    (value, storage.reads.get() - before)
}

fn key(i: u64) -> Vec<u8> {
    format!("key-{i:04}").into_bytes()
}

#[test]
fn a_second_get_reads_nothing_and_the_figures_say_so() {
    let (storage, clock) = (Counted::default(), Clock(Cell::new(1_000_000)));
    let mut store = open(&storage, &clock, 1 << 20, 64);
    for i in 0..100 {
        store.set(&key(i), b"value").unwrap();
    }
    for sealed in [false, true] {
        if sealed {
            store.compact(&mut |_| {}).unwrap();
        }
        let before = store.stats().unwrap();
        for i in 0..100 {
            let (value, count) = reads(&storage, || store.get(&key(i)).unwrap());
            assert_eq!((value.as_deref(), count), (Some(&b"value"[..]), 1));
            let (value, count) = reads(&storage, || store.get_record(&key(i)).unwrap());
            assert_eq!((value.unwrap().value.as_slice(), count), (&b"value"[..], 0));
        }
        let after = store.stats().unwrap();
        assert_eq!(after.cache_hits - before.cache_hits, 100);
        assert_eq!(after.cache_misses - before.cache_misses, 100);
        // The records of the segment that is gone went with it.
        assert!((100 * 12..100 * 200).contains(&after.cache_bytes), "{}", after.cache_bytes);
    }
    let (value, count) = reads(&storage, || store.get(b"absent").unwrap());
    assert_eq!((value, count), (None, 0));
}

#[test]
fn nothing_cached_is_ever_out_of_date() {
    for (cache_bytes, hash_bits) in [(1 << 20, 64), (1 << 20, 3), (3_000, 64), (0, 64)] {
        let (storage, clock) = (Counted::default(), Clock(Cell::new(1_000_000)));
        let mut store = open(&storage, &clock, cache_bytes, hash_bits);
        let mut model: Vec<Option<Vec<u8>>> = vec![None; 60];
        let (mut state, mut hits) = (7_u64, 0);
        for step in 0..4_000_u64 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let (i, what) = ((state >> 40) % 60, (state >> 33) % 64);
            match what {
                0 => store.seal().unwrap(),
                1 => drop(store.compact(&mut |_| {}).unwrap()),
                2 => {
                    hits += store.stats().unwrap().cache_hits;
                    store.close().unwrap();
                    store = open(&storage, &clock, cache_bytes, hash_bits);
                }
                3..6 => {
                    store.delete(&key(i)).unwrap();
                    model[i as usize] = None;
                }
                6..9 => {
                    let expires = clock.now_us() + 1_000;
                    let value = Some(step.to_le_bytes().to_vec());
                    let mut batch = Batch::new();
                    let expires = Some(expires);
                    batch.push(Operation { key: key(i), value, expires, condition: None });
                    store.write(&batch, None).unwrap();
                    assert!(store.contains(&key(i)).unwrap());
                    clock.0.set(clock.0.get() + 1_000);
                    model[i as usize] = None;
                }
                9..20 => {
                    let value = vec![step as u8; (state % 900) as usize];
                    store.set(&key(i), &value).unwrap();
                    model[i as usize] = Some(value);
                }
                _ => assert_eq!(store.get(&key(i)).unwrap(), model[i as usize], "step {step}"),
            }
        }
        let stats = store.stats().unwrap();
        assert!(stats.cache_bytes <= cache_bytes as u64);
        hits += stats.cache_hits;
        if hash_bits == 64 {
            assert_eq!(hits > 0, cache_bytes > 0);
        }
    }
}
