//! A plan says what a compaction then does, and automatic compaction comes to rest.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;

use siltdb_core::storage::MemoryStorage;
use siltdb_core::{Durability, Host, Options, Retention, Store};

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

type TestStore = Store<MemoryStorage, Clock>;

const SEGMENT_BYTES: u64 = 16 << 10;

fn open(storage: &MemoryStorage, auto: bool, retention: Retention) -> TestStore {
    let mut options = Options { segment_bytes: SEGMENT_BYTES, retention, ..Options::default() };
    options.durability = Durability::Flushed;
    options.compaction.auto = auto;
    options.compaction.dead_bytes_min = 1_000;
    options.compaction.tier_bytes_min = 4_000;
    Store::open(storage.clone(), Clock(Cell::new(1_000_000)), options).unwrap()
}

fn write(store: &mut TestStore, keys: std::ops::Range<u64>, round: u64) {
    for i in keys {
        store.set(format!("key-{i:05}").as_bytes(), &[round as u8; 90]).unwrap();
    }
}

fn numbers(store: &mut TestStore) -> Vec<u64> {
    store.segments().unwrap().iter().map(|s| s.number).collect()
}

#[test]
fn a_plan_says_what_is_then_done() {
    let mut store = open(&MemoryStorage::new(), false, Retention::Latest);
    assert_eq!(store.compaction_plan().unwrap(), []);
    let mut merged = 0;
    for round in 0..8 {
        // With and without an active segment, with and without anything dead.
        write(&mut store, 0..300 * (round % 4), round);
        if round % 2 == 0 {
            store.seal().unwrap();
        }
        let before = numbers(&mut store);
        let plans = store.compaction_plan().unwrap();
        assert_eq!(numbers(&mut store), before, "a plan changes nothing");
        let (mut last, mut total) = (0, 0);
        let report = store
            .compact(&mut |progress| {
                assert!(progress.done >= last && progress.done <= progress.total);
                (last, total) = (progress.done, progress.total);
            })
            .unwrap();
        assert_eq!((last, report.input_bytes), (total, total));
        assert_eq!(report.runs, plans.len() as u64);
        let after = numbers(&mut store);
        let inputs: Vec<u64> = plans.iter().flat_map(|p| p.inputs.clone()).collect();
        assert!(inputs.iter().all(|n| before.contains(n) && !after.contains(n)), "{inputs:?}");
        assert!(before.iter().all(|n| inputs.contains(n) || after.contains(n)));
        merged += inputs.len();
        // The active segment counts as it was before it was sealed.
        let planned: u64 = plans.iter().map(|p| p.input_bytes).sum();
        assert!((planned..=planned + planned / 4).contains(&report.input_bytes));
        let dead: u64 = plans.iter().map(|p| p.dead_bytes).sum();
        let stats = store.stats().unwrap();
        assert_eq!(stats.dead_bytes, 0);
        if !plans.is_empty() {
            let left = planned - dead;
            assert!(report.output_bytes.abs_diff(left) <= planned / 4, "{left} {report:?}");
        }
        assert_eq!(store.compaction_plan().unwrap(), [], "nothing is left to do");
        let nothing = store.compact(&mut |_| {}).unwrap();
        assert_eq!((nothing.runs, numbers(&mut store)), (0, after));
    }
    assert!(merged > 10);
}

#[test]
fn automatic_compaction_comes_to_rest_and_bounds_what_is_written() {
    let retentions = [Retention::Latest, Retention::Forever, Retention::Versions { count: 2 }];
    for retention in retentions {
        let storage = MemoryStorage::new();
        let mut store = open(&storage, true, retention);
        let keys = 2_000;
        for round in 0..8 {
            write(&mut store, 0..keys, round);
        }
        let mut steps = 0;
        while store.compact_step(1 << 16).unwrap() {
            steps += 1;
            assert!(steps < 10_000, "{retention:?}: no rest");
        }
        let stats = store.stats().unwrap();
        let amplification = 1.0 + stats.bytes_compacted as f64 / stats.bytes_appended as f64;
        assert!(amplification < 5.0, "{retention:?}: {amplification}");
        assert!(stats.segments < 24, "{retention:?}: {} segments", stats.segments);
        if retention == Retention::Latest {
            let most = 2 * keys * 130 + 3 * SEGMENT_BYTES;
            assert!(stats.file_bytes < most, "{} bytes of files", stats.file_bytes);
        }
        store.close().unwrap();
        // What an automatic compaction left behind unfinished is not there any more.
        let mut again = open(&storage, false, retention);
        let value = again.get(b"key-00007").unwrap().unwrap();
        assert_eq!(value, [7; 90]);
    }
}
