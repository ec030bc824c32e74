//! Salvage: what is whole is saved, whatever is damaged around it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;
use std::collections::BTreeSet;

use siltdb_core::format::SEGMENT_HEADER_LEN;
use siltdb_core::storage::{FileId, FileKind, MemoryStorage, Storage};
use siltdb_core::{
    Batch, DumpPart, Durability, ErrorKind, Host, Options, Retention, SalvageReport, ScanOptions,
    Store, check, dump_segment, salvage,
};

struct Clock(Cell<u64>);

impl Host for Clock {
    fn now_us(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    fn random_u64(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

const HEADER_LEN: u64 = SEGMENT_HEADER_LEN as u64;

type TestStore = Store<MemoryStorage, Clock>;

fn options() -> Options {
    Options { retention: Retention::Forever, ..Options::default() }
}

fn open(storage: &MemoryStorage) -> TestStore {
    let clock = Clock(Cell::new(2_000_000));
    let options = Options { create: false, ..options() };
    Store::open(storage.clone(), clock, options).unwrap()
}

/// A sorted segment, a sealed one in order of arrival, and a log; batches of three records.
fn store() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let clock = Clock(Cell::new(1_000_000));
    let mut store = Store::open(storage.clone(), clock, options()).unwrap();
    for round in 0..4_u32 {
        for i in 0..12_u32 {
            let mut batch = Batch::new();
            for j in 0..3 {
                let key = format!("key-{:02}", (i * 3 + j * 7) % 24).into_bytes();
                if (i + j + round) % 5 == 4 {
                    batch.delete(&key);
                } else {
                    let len = if i == 3 && j == 1 { 5_000 } else { (i * j) as usize };
                    batch.set(&key, &vec![round as u8 + 1; len]);
                }
            }
            store.write(&batch, Some(Durability::Synced)).unwrap();
        }
        match round {
            1 => store.compact(&mut |_| {}).map(|_| ()).unwrap(),
            2 => store.seal().unwrap(),
            _ => {}
        }
    }
    store.close().unwrap();
    storage
}

/// What there is: seq, key, whether it is a delete, length of the value.
type Versions = BTreeSet<(u64, Vec<u8>, bool, u64)>;

fn versions(storage: &MemoryStorage) -> Versions {
    let mut versions = BTreeSet::new();
    for (id, _) in files(storage).iter().filter(|(id, _)| id.kind == FileKind::Segment) {
        dump_segment(storage, id.number, &mut |line| {
            if let DumpPart::Record { key, seq, tombstone, value_len, .. } = line.part {
                assert!(versions.insert((seq, key, tombstone, value_len)), "{id}: twice");
            }
            true
        })
        .unwrap();
    }
    versions
}

/// A copy whose files can be damaged.
fn copy(storage: &MemoryStorage) -> MemoryStorage {
    let copy = MemoryStorage::new();
    for (id, _) in files(storage) {
        copy.put(id, storage.bytes(id).unwrap());
    }
    copy
}

fn files(storage: &MemoryStorage) -> Vec<(FileId, u64)> {
    let mut files = Vec::new();
    storage.list(&mut |id, len| files.push((id, len))).unwrap();
    files.sort();
    files
}

/// Salvages, and checks that what was made is a sound store with as many records as reported.
fn saved(wreck: &MemoryStorage) -> (SalvageReport, Versions) {
    let before: Vec<_> = files(wreck).into_iter().map(|(id, _)| wreck.bytes(id)).collect();
    let target = MemoryStorage::new();
    let clock = Clock(Cell::new(5_000_000));
    let report = salvage(wreck, &target, &clock, &options(), &mut |_| {}).unwrap();
    let after: Vec<_> = files(wreck).into_iter().map(|(id, _)| wreck.bytes(id)).collect();
    assert_eq!(before, after, "the damaged store was touched");
    let checked = check(&target, &mut |_| {}).unwrap();
    assert_eq!((checked.problems, checked.records), (Vec::new(), report.records));
    (report, versions(&target))
}

#[test]
fn a_whole_store_comes_out_as_it_went_in() {
    let storage = store();
    let before = versions(&storage);
    let (report, after) = saved(&storage);
    assert!(after == before);
    assert!(report.is_whole() && report.segments == 3, "{report:?}");
    assert_eq!((report.torn_bytes, report.parted_batches), (0, 0));
    assert_eq!(report.last_seq, before.last().unwrap().0);

    let target = MemoryStorage::new();
    let clock = Clock(Cell::new(5_000_000));
    salvage(&storage, &target, &clock, &options(), &mut |_| {}).unwrap();
    let (mut old, mut new) = (open(&storage), open(&target));
    let middle = before.iter().nth(before.len() / 2).unwrap().0;
    for as_of in [Some(middle), None] {
        let scan = ScanOptions { as_of, ..ScanOptions::default() };
        let read = |store: &mut TestStore| -> Vec<_> {
            store.scan(&scan).unwrap().map(|r| r.unwrap()).map(|r| (r.key, r.value)).collect()
        };
        assert_eq!(read(&mut old), read(&mut new), "{as_of:?}");
    }
    // It goes on as any store.
    new.set(b"more", b"value").unwrap();
    new.compact(&mut |_| {}).unwrap();
    assert_eq!(new.get(b"more").unwrap().unwrap(), b"value");
}

/// Where every record stands: file, offset, length, seq, key.
fn places(storage: &MemoryStorage) -> Vec<(FileId, u64, u64, u64, Vec<u8>)> {
    let mut places = Vec::new();
    for (id, _) in files(storage).iter().filter(|(id, _)| id.kind == FileKind::Segment) {
        dump_segment(storage, id.number, &mut |line| {
            if let DumpPart::Record { key, seq, .. } = line.part {
                places.push((*id, line.offset, line.len, seq, key));
            }
            true
        })
        .unwrap();
    }
    places
}

#[test]
fn any_damaged_byte_costs_at_most_the_record_it_is_in() {
    let storage = store();
    let all = versions(&storage);
    let places = places(&storage);
    let of = |seq: u64, key: &[u8]| all.iter().find(|v| v.0 == seq && v.1 == key).unwrap();
    let (mut lost_once, mut noticed) = (0, 0);
    for (id, len) in files(&storage) {
        for at in (0..len).step_by(7) {
            let wreck = copy(&storage);
            let mut bytes = storage.bytes(id).unwrap();
            bytes[at as usize] ^= 0x5a;
            wreck.put(id, bytes);
            let (report, after) = saved(&wreck);
            assert!(after.is_subset(&all), "{id} {at}: records that never were");
            let lost: Vec<_> = all.difference(&after).collect();
            let hit = places
                .iter()
                .find(|(file, start, len, ..)| *file == id && (*start..start + len).contains(&at));
            // A log without its header cannot be read: where its seqs begin is said nowhere else.
            let header = at < HEADER_LEN && id.kind == FileKind::Segment;
            match hit {
                Some((.., seq, key)) => {
                    assert!(lost == [of(*seq, key)], "{id} {at}: {} lost", lost.len());
                    assert!(!report.is_whole(), "{id} {at}: {report:?}");
                    lost_once += 1;
                }
                None if header && !lost.is_empty() => {
                    let in_file = places.iter().filter(|place| place.0 == id).count();
                    assert_eq!(lost.len(), in_file, "{id} {at}");
                    assert!(!report.is_whole());
                }
                None => assert!(lost.is_empty(), "{id} {at}: {} lost", lost.len()),
            }
            noticed += u32::from(!report.is_whole());
        }
    }
    assert!(lost_once > 500 && noticed > lost_once, "{lost_once} {noticed}");
}

#[test]
fn without_a_manifest_every_record_is_saved_once() {
    let storage = store();
    let all = versions(&storage);
    let wreck = copy(&storage);
    for (id, _) in files(&storage).iter().filter(|(id, _)| id.kind == FileKind::Manifest) {
        wreck.remove(*id).unwrap();
    }
    let (report, after) = saved(&wreck);
    assert!(after == all);
    assert!(!report.manifest && !report.is_whole());
    assert!(report.damage.is_empty(), "{report:?}");

    // A segment beside a copy of itself under another name and number is no segment.
    let (first, _) = files(&wreck)[0];
    wreck.put(FileId::segment(900), wreck.bytes(first).unwrap());
    let (report, after) = saved(&wreck);
    assert!(after == all);
    assert_eq!(report.damage.len(), 1, "{report:?}");
}

#[test]
fn a_missing_segment_is_named_and_the_rest_is_saved() {
    let storage = store();
    let places = places(&storage);
    for (id, _) in files(&storage).iter().filter(|(id, _)| id.kind == FileKind::Segment) {
        let wreck = copy(&storage);
        wreck.remove(*id).unwrap();
        let (report, after) = saved(&wreck);
        let left = places.iter().filter(|place| place.0 != *id).count();
        assert_eq!(after.len(), left);
        let gone = (places.len() - left) as u64;
        assert!(!report.is_whole() && report.damage[0].file == *id, "{id}: {report:?}");
        // How many records the log holds is said nowhere but in it.
        assert!([0, gone].contains(&report.lost_records), "{id}: {report:?}");
    }
}

#[test]
fn files_cut_anywhere_give_what_stands_before_the_cut() {
    let storage = store();
    let places = places(&storage);
    for (id, len) in files(&storage) {
        // Between two records, too, where nothing looks cut.
        let ends = places.iter().filter(|place| place.0 == id).map(|place| place.1 + place.2);
        for cut in (0..len).step_by(41).chain(ends) {
            let wreck = copy(&storage);
            let mut bytes = storage.bytes(id).unwrap();
            bytes.truncate(cut as usize);
            wreck.put(id, bytes);
            let (report, after) = saved(&wreck);
            // The store was closed, so all of it was synced.
            let is_told = report.damage.iter().any(|damage| damage.file == id);
            assert!(is_told || after.len() == places.len(), "{id} {cut}: {report:?}");
            let whole = places
                .iter()
                .filter(|(file, start, len, ..)| {
                    *file != id || (cut >= HEADER_LEN && start + len <= cut)
                })
                .count();
            assert_eq!(after.len(), whole, "{id} {cut}");
        }
    }
}

#[test]
fn noise_is_no_store_and_no_panic() {
    let target = || MemoryStorage::new();
    let run = |source: &MemoryStorage, target: &MemoryStorage| {
        salvage(source, target, &Clock(Cell::new(1)), &options(), &mut |_| {})
    };
    assert!(run(&MemoryStorage::new(), &target()).is_err_and(|e| *e.kind() == ErrorKind::NoStore));
    let full = store();
    assert!(run(&full, &full).is_err_and(|e| *e.kind() == ErrorKind::NotEmpty));

    let mut state = 7_u64;
    for len in [0, 10, 100, 5_000, 20_000] {
        let noise: Vec<u8> = (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        let wreck = copy(&full);
        wreck.put(FileId::segment(70), noise.clone());
        wreck.put(FileId::manifest(70), noise);
        let (report, after) = saved(&wreck);
        assert!(after == versions(&full));
        assert!(!report.is_whole());
    }
}
