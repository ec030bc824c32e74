//! A dump shows every byte of a segment once, and stops at damage without a panic.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;

use siltdb_core::storage::{FileId, FileKind, MemoryStorage, Storage};
use siltdb_core::{
    Batch, DumpLine, DumpPart, Durability, Error, ErrorKind, Host, Operation, Options, Retention,
    Store, dump_segment,
};

struct Clock(Cell<u64>);

impl Host for Clock {
    fn now_us(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    fn random_u64(&self) -> u64 {
        self.0.get().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

type TestStore = Store<MemoryStorage, Clock>;

fn put(store: &mut TestStore, range: std::ops::Range<u32>, round: u32) {
    let mut batch = Batch::new();
    for i in range {
        let key = format!("key-{i:03}").into_bytes();
        let len = if i == 3 { 5_000 } else { i as usize % 7 };
        let value = (!(i + round).is_multiple_of(5)).then(|| vec![round as u8; len]);
        let expires = (value.is_some() && i % 4 == 1).then_some(9_000_000_000);
        batch.push(Operation { key, value, expires, condition: None });
        if i % 3 == 0 {
            store.write(&batch, Some(Durability::Flushed)).unwrap();
            batch = Batch::new();
        }
    }
    if !batch.is_empty() {
        store.write(&batch, Some(Durability::Flushed)).unwrap();
    }
}

/// A sorted segment, a sealed one in order of arrival, and a log that was closed.
fn store() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let options = Options { retention: Retention::Forever, ..Options::default() };
    let mut store = Store::open(storage.clone(), Clock(Cell::new(1_000_000)), options).unwrap();
    put(&mut store, 0..40, 0);
    store.seal().unwrap();
    put(&mut store, 10..30, 1);
    store.compact(&mut |_| {}).unwrap();
    put(&mut store, 20..45, 2);
    store.seal().unwrap();
    put(&mut store, 0..9, 3);
    store.close().unwrap();
    storage
}

fn numbers(storage: &MemoryStorage, kind: FileKind) -> Vec<u64> {
    let mut numbers = Vec::new();
    storage.list(&mut |id, _| numbers.extend((id.kind == kind).then_some(id.number))).unwrap();
    numbers.sort_unstable();
    numbers
}

fn dump(storage: &MemoryStorage, number: u64) -> (Vec<DumpLine>, Result<(), Error>) {
    let mut lines = Vec::new();
    let ended = dump_segment(storage, number, &mut |line| {
        lines.push(line);
        true
    });
    (lines, ended)
}

fn kinds(lines: &[DumpLine]) -> [usize; 6] {
    let count = |is: fn(&DumpPart) -> bool| lines.iter().filter(|l| is(&l.part)).count();
    [
        count(|p| matches!(p, DumpPart::Record { tombstone: false, .. })),
        count(|p| matches!(p, DumpPart::Record { tombstone: true, .. })),
        count(|p| matches!(p, DumpPart::Entry(_))),
        count(|p| matches!(p, DumpPart::Table { .. })),
        count(|p| matches!(p, DumpPart::Footer(_))),
        count(|p| matches!(p, DumpPart::Torn | DumpPart::Reserved)),
    ]
}

#[test]
fn every_byte_is_in_one_part() {
    let storage = store();
    let numbers = numbers(&storage, FileKind::Segment);
    assert_eq!(numbers.len(), 3);
    let mut found: Vec<_> = Vec::new();
    for number in &numbers {
        let (lines, ended) = dump(&storage, *number);
        assert_eq!(ended, Ok(()));
        found.push(kinds(&lines));
        let (mut end, mut inside) = (0, 0);
        for line in &lines {
            match line.part {
                DumpPart::Entry(_) => continue,
                DumpPart::Record { .. } => {
                    assert_eq!(line.offset, inside);
                    inside += line.len;
                }
                _ => {
                    assert!(inside == 0 || inside == end, "frames fill their group");
                    assert_eq!(line.offset, end);
                    inside = line.offset + 14;
                    end += line.len;
                    if !matches!(line.part, DumpPart::Group { .. }) {
                        inside = 0;
                    }
                }
            }
        }
        assert_eq!(end, storage.bytes(FileId::segment(*number)).unwrap().len() as u64);
    }
    found.sort_unstable();
    assert_eq!(found, [[7, 2, 0, 0, 0, 0], [20, 5, 25, 1, 1, 0], [48, 12, 60, 2, 1, 0]]);
}

#[test]
fn a_visitor_that_has_enough_is_not_called_again() {
    let storage = store();
    for number in numbers(&storage, FileKind::Segment) {
        let all = dump(&storage, number).0;
        for most in 1..all.len() {
            let mut seen = 0;
            let ended = dump_segment(&storage, number, &mut |_| {
                seen += 1;
                seen < most
            });
            assert_eq!((ended, seen), (Ok(()), most));
        }
    }
}

/// Goal: whatever byte is damaged, what stands before it is shown, and then the damage is named.
/// Method: flip every byte of every segment in turn, with the manifest there and without.
#[test]
fn damage_ends_a_dump_with_its_place() {
    let whole = store();
    let manifest = FileId::manifest(numbers(&whole, FileKind::Manifest)[0]);
    for number in numbers(&whole, FileKind::Segment) {
        let id = FileId::segment(number);
        let (all, _) = dump(&whole, number);
        let bytes = whole.bytes(id).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x21;
            let storage = MemoryStorage::new();
            storage.put(id, damaged);
            let (lines, _) = dump(&storage, number);
            let rest = lines.last().is_some_and(|l| matches!(l.part, DumpPart::Torn));
            assert!(all.starts_with(&lines[..lines.len() - usize::from(rest)]), "byte {at}");

            storage.put(manifest, whole.bytes(manifest).unwrap());
            let (lines, ended) = dump(&storage, number);
            let Err(ErrorKind::Corrupt(found)) = ended.map_err(Error::into_kind) else {
                panic!("byte {at}")
            };
            assert!(all.starts_with(&lines), "byte {at}");
            assert_eq!(found.file, id);
            let last = lines.iter().map(|l| l.offset).max().unwrap_or(0);
            assert!(last <= at as u64, "byte {at}");
        }
    }
}

#[test]
fn cut_files_never_panic() {
    let whole = store();
    let manifest = FileId::manifest(numbers(&whole, FileKind::Manifest)[0]);
    for number in numbers(&whole, FileKind::Segment) {
        let id = FileId::segment(number);
        let bytes = whole.bytes(id).unwrap();
        for len in 0..bytes.len() {
            let storage = MemoryStorage::new();
            storage.put(id, bytes[..len].to_vec());
            dump(&storage, number).1.ok();
            storage.put(manifest, whole.bytes(manifest).unwrap());
            let ended = dump(&storage, number).1;
            assert!(
                matches!(&ended, Err(e) if e.corruption().is_some()),
                "cut to {len}: {ended:?}"
            );
        }
    }
}

#[test]
fn reserved_space_and_a_torn_tail_are_shown_as_such() {
    let whole = store();
    let number = *numbers(&whole, FileKind::Segment).last().unwrap();
    let id = FileId::segment(number);
    for (tail, torn) in [(vec![0; 100_000], false), (vec![7; 5], true)] {
        let mut bytes = whole.bytes(id).unwrap();
        let len = bytes.len() as u64;
        bytes.extend_from_slice(&tail);
        whole.put(id, bytes);
        let (lines, ended) = dump(&whole, number);
        assert_eq!(ended, Ok(()));
        let last = lines.last().unwrap();
        assert_eq!((last.offset, last.len), (len, tail.len() as u64));
        assert_eq!(last.part == DumpPart::Torn, torn);
        assert_eq!(last.part == DumpPart::Reserved, !torn);
        let short = whole.bytes(id).unwrap();
        whole.put(id, short[..len as usize].to_vec());
    }
    let missing = dump(&whole, 77).1;
    assert!(matches!(&missing, Err(e) if matches!(e.kind(), ErrorKind::Storage(_))), "{missing:?}");
}
