//! The change feed: every version in the order of commits, and no more work than what is new.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;
use std::collections::BTreeMap;

use siltdb_core::storage::MemoryStorage;
use siltdb_core::{Batch, Durability, Host, Options, Retention, ScanOptions, Store};

struct TestHost(Cell<u64>);

impl TestHost {
    fn below(&self, n: u64) -> u64 {
        self.random_u64() % n
    }
}

impl Host for TestHost {
    fn now_us(&self) -> u64 {
        1_000_000
    }

    fn random_u64(&self) -> u64 {
        let mut x = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(x);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

fn options(segment_bytes: u64) -> Options {
    Options { segment_bytes, retention: Retention::Forever, ..Options::default() }
}

/// Seq, key and length of the value.
type Told = (u64, Vec<u8>, Option<usize>);

fn told(
    store: &mut Store<MemoryStorage, &TestHost>,
    since: u64,
    range: &ScanOptions,
) -> (Vec<Told>, u64) {
    let mut changes = store.changes(since, range).unwrap();
    let told = changes.by_ref().map(Result::unwrap);
    let told =
        told.map(|c| (c.version.seq, c.key, c.version.value.map(|value| value.len()))).collect();
    (told, changes.looked_at())
}

/// One batch of random operations, of which the last on each key counts.
fn batch(host: &TestHost, keys: u64) -> (Batch, BTreeMap<Vec<u8>, Option<usize>>) {
    let (mut batch, mut last) = (Batch::new(), BTreeMap::new());
    for _ in 0..=host.below(3) * host.below(2) * host.below(4) {
        let key = host.below(keys).to_string().into_bytes();
        let large = if host.below(30) == 0 { 6_000 } else { 20 };
        let value = (host.below(4) > 0).then(|| vec![7; host.below(large) as usize]);
        match &value {
            Some(value) => batch.set(&key, value),
            None => batch.delete(&key),
        };
        last.insert(key, value.map(|value| value.len()));
    }
    (batch, last)
}

#[test]
fn every_version_is_told_in_the_order_of_commits_wherever_it_lies() {
    for seed in 0..40 {
        let (host, storage) = (TestHost(Cell::new(seed)), MemoryStorage::new());
        let segment_bytes = if seed % 2 == 0 { 4_096 } else { 1 << 20 };
        let mut store = Store::open(storage.clone(), &host, options(segment_bytes)).unwrap();
        // With whether it is all of its commit: a write that waits in the buffer is replaced by
        // the next one of its key if both are.
        let mut waiting = Vec::<(Told, bool)>::new();
        let (mut all, mut moments) = (Vec::<Told>::new(), vec![0]);
        for _ in 0..300 {
            let (batch, last) = batch(&host, 40);
            let is_buffered = host.below(3) == 0;
            let level = if is_buffered { Durability::Buffered } else { Durability::Flushed };
            let seq = store.write(&batch, Some(level)).unwrap().seq;
            let written = last.into_iter().map(|(key, value)| (seq, key, value));
            if is_buffered {
                let is_single = batch.len() == 1;
                for told in written {
                    let before = waiting.iter().rposition(|(old, _)| old.1 == told.1);
                    if let Some(before) = before.filter(|at| is_single && waiting[*at].1) {
                        waiting.remove(before);
                    }
                    waiting.push((told, is_single));
                }
            } else {
                all.extend(waiting.drain(..).map(|(told, _)| told));
                all.extend(written);
            }
            match host.below(20) {
                0 => drop(store.count(&ScanOptions::default()).unwrap()),
                1 => {
                    store.close().unwrap();
                    store = Store::open(storage.clone(), &host, options(segment_bytes)).unwrap();
                }
                _ => continue,
            }
            all.extend(waiting.drain(..).map(|(told, _)| told));
            moments.push(seq);
        }
        all.extend(waiting.into_iter().map(|(told, _)| told));
        all.sort();
        let some =
            ScanOptions { from: Some(b"1".to_vec()), to: Some(b"3".to_vec()), ..<_>::default() };
        for since in moments {
            let mut expected = all.clone();
            expected.retain(|(seq, ..)| *seq > since);
            let found = told(&mut store, since, &ScanOptions::default()).0;
            assert_eq!(found, expected, "seed {seed}, since {since}");
            expected.retain(|(_, key, _)| key.as_slice() >= b"1" && key.as_slice() < b"3");
            assert_eq!(told(&mut store, since, &some).0, expected, "seed {seed}, since {since}");
        }
    }
}

#[test]
fn a_feed_that_is_up_to_date_looks_only_at_what_is_new() {
    let (host, storage) = (TestHost(Cell::new(1)), MemoryStorage::new());
    let mut store = Store::open(storage, &host, options(1 << 18)).unwrap();
    let all = ScanOptions::default();
    let mut since = 0;
    for i in 0..20_000_u32 {
        since = store.set(format!("key-{}", i % 5_000).as_bytes(), b"value").unwrap().seq;
    }
    assert!(store.stats().unwrap().segments > 1, "some of it is sealed");
    // Fewer than 16 that are old come along.
    for (i, scans) in [0, 1, 5, 0, 40].into_iter().zip([false, false, true, true, false]) {
        let mut batch = Batch::new();
        for key in 0..i {
            batch.set(&[b'n', key], b"new");
        }
        let last = if i == 0 { since } else { store.write(&batch, None).unwrap().seq };
        if scans {
            // That brings the log into the order of keys.
            store.count(&all).unwrap();
        }
        let (told, looked_at) = told(&mut store, since, &all);
        assert_eq!(told.len(), usize::from(i));
        assert!(looked_at < u64::from(i) + 16, "{looked_at} were looked at for {i}");
        since = last;
    }
}
