//! The contract of the storage trait, on real files.

use std::fs;

use siltdb::native::{NativeOptions, NativeReader, NativeStorage};
use siltdb_core::error::{StorageError, StorageErrorKind};
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};

use crate::{MANIFEST, SEGMENT, fresh, options};

fn kind<T>(result: Result<T, StorageError>) -> Option<StorageErrorKind> {
    result.err().map(|e| e.kind)
}

fn read(reader: &NativeReader, offset: u64, len: usize) -> Vec<u8> {
    let mut buf = vec![0xAA; len];
    reader.read_at(offset, &mut buf).unwrap();
    if let Some(borrowed) = reader.borrow(offset, len) {
        assert_eq!(borrowed, buf, "borrowed and read bytes differ at {offset}");
    }
    buf
}

#[test]
fn appended_bytes_are_read_by_readers_opened_before_and_after() {
    for map in [false, true] {
        let (_dir, storage) = fresh(map);
        let mut appender = storage.create(SEGMENT).unwrap();
        let before = storage.open(SEGMENT).unwrap();
        assert_eq!(before.borrow(0, 1), None);
        let mut expected = Vec::new();
        for i in 0..200_u32 {
            let bytes = vec![i as u8; 1 + (i as usize * 37) % 5000];
            appender.append(&bytes).unwrap();
            if i % 3 == 0 {
                appender.sync().unwrap();
            }
            let start = expected.len() as u64;
            expected.extend_from_slice(&bytes);
            assert_eq!(appender.len(), expected.len() as u64);
            assert_eq!(read(&before, start, bytes.len()), bytes);
            assert_eq!(before.borrow(start, bytes.len()).is_some(), map, "append {i}");
            assert_eq!(before.borrow(start, bytes.len() + 1), None, "past the appended bytes");
        }
        let after = storage.open(SEGMENT).unwrap();
        assert_eq!(read(&after, 0, expected.len()), expected);
        assert_eq!(after.borrow(7, 1000).is_some(), map);
    }
}

#[test]
fn a_read_past_the_end_fails_and_is_never_short() {
    for map in [false, true] {
        let (_dir, storage) = fresh(map);
        storage.publish(MANIFEST, b"0123456789").unwrap();
        let reader = storage.open(MANIFEST).unwrap();
        assert_eq!(reader.len().unwrap(), 10);
        assert_eq!(read(&reader, 0, 10), b"0123456789");
        assert_eq!(read(&reader, 10, 0), b"");
        for (offset, len) in [(0, 11), (9, 2), (10, 1), (u64::MAX - 1, 1), (1 << 62, 100)] {
            let mut buf = vec![0; len];
            let result = reader.read_at(offset, &mut buf);
            assert_eq!(kind(result), Some(StorageErrorKind::UnexpectedEnd), "{offset} {len}");
            assert_eq!(reader.borrow(offset, len), None, "{offset} {len}");
        }
    }
}

#[test]
fn reserved_space_is_given_back_by_finish_and_cut_by_resume() {
    let (dir, storage) = fresh(true);
    let path = dir.path().join(SEGMENT.to_string());
    let size = || fs::metadata(&path).unwrap().len();
    let mut appender = storage.create(SEGMENT).unwrap();
    let reader = storage.open(SEGMENT).unwrap();
    for _ in 0..10 {
        appender.append(b"0123456789").unwrap();
        appender.sync().unwrap();
    }
    assert!(size() > 100, "synced appends reserve space ahead");
    assert_eq!(reader.borrow(95, 10), None, "reserved space is not given out");
    assert_eq!(appender.len(), 100);
    appender.finish().unwrap();
    appender.sync().unwrap();
    assert_eq!(size(), 100);
    assert_eq!(reader.borrow(95, 5), Some(&b"56789"[..]));
    appender.append(b"more").unwrap();
    assert_eq!((size(), appender.len()), (104, 104), "nothing is reserved after finish");
    drop(appender);

    let mut appender = storage.resume(SEGMENT, 95).unwrap();
    assert_eq!((size(), appender.len()), (95, 95));
    assert_eq!(reader.borrow(95, 1), None, "cut bytes are gone for readers");
    assert_eq!(kind(reader.read_at(95, &mut [0])), Some(StorageErrorKind::UnexpectedEnd));
    appender.append(b"new").unwrap();
    assert_eq!(read(&reader, 93, 5), b"34new");
    drop(appender);
    assert_eq!(kind(storage.resume(SEGMENT, 99)), Some(StorageErrorKind::UnexpectedEnd));
    assert_eq!(size(), 98, "a refused resume changes nothing");
    assert_eq!(kind(storage.resume(MANIFEST, 0)), Some(StorageErrorKind::NotFound));
}

#[test]
fn unsynced_appends_reserve_nothing() {
    let (dir, storage) = fresh(true);
    let mut appender = storage.create(SEGMENT).unwrap();
    for i in 1..=100_u64 {
        appender.append(&[1; 1000]).unwrap();
        let size = fs::metadata(dir.path().join(SEGMENT.to_string())).unwrap().len();
        assert_eq!(size, i * 1000);
    }
}

#[test]
fn names_are_never_taken_twice() {
    let (dir, storage) = fresh(true);
    storage.publish(MANIFEST, b"first").unwrap();
    drop(storage.create(SEGMENT).unwrap());
    assert_eq!(kind(storage.publish(MANIFEST, b"second")), Some(StorageErrorKind::AlreadyExists));
    assert_eq!(kind(storage.create(MANIFEST)), Some(StorageErrorKind::AlreadyExists));
    assert_eq!(kind(storage.publish(SEGMENT, b"x")), Some(StorageErrorKind::AlreadyExists));
    assert_eq!(kind(storage.create(SEGMENT)), Some(StorageErrorKind::AlreadyExists));
    assert_eq!(read(&storage.open(MANIFEST).unwrap(), 0, 5), b"first");
    let tmp = dir.path().join(format!("{MANIFEST}.tmp"));
    assert!(!tmp.exists(), "a refused publish leaves nothing");
}

#[test]
fn list_and_remove() {
    let (_dir, storage) = fresh(true);
    storage.publish(MANIFEST, b"12345").unwrap();
    storage.create(FileId::segment(7)).unwrap().append(b"123").unwrap();
    let list = || {
        let mut found = Vec::new();
        storage.list(&mut |id, len| found.push((id, len))).unwrap();
        found.sort_unstable();
        found
    };
    assert_eq!(list(), [(FileId::segment(7), 3), (MANIFEST, 5)]);
    storage.remove(MANIFEST).unwrap();
    storage.remove(MANIFEST).unwrap();
    assert_eq!(list(), [(FileId::segment(7), 3)]);
    assert_eq!(kind(storage.open(MANIFEST)), Some(StorageErrorKind::NotFound));
    storage.publish(MANIFEST, b"again").unwrap();
    assert_eq!(read(&storage.open(MANIFEST).unwrap(), 0, 5), b"again");
}

#[test]
fn files_outlive_the_storage_and_the_lock_goes_with_the_last_user() {
    let (dir, storage) = fresh(true);
    let mut appender = storage.create(SEGMENT).unwrap();
    appender.append(b"kept").unwrap();
    drop(storage);
    let again = || NativeStorage::open(dir.path(), options(true));
    assert_eq!(again().err().map(|e| e.code()), Some("SILT_LOCKED"));
    drop(appender);
    let storage = again().unwrap();
    assert_eq!(read(&storage.open(SEGMENT).unwrap(), 0, 4), b"kept");
}

#[test]
fn a_reader_maps_a_growing_file_only_as_far_as_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let options = NativeOptions { map_ahead: 8192, ..NativeOptions::default() };
    let storage = NativeStorage::open(dir.path(), options).unwrap();
    let mut appender = storage.create(SEGMENT).unwrap();
    let reader = storage.open(SEGMENT).unwrap();
    for _ in 0..30 {
        appender.append(&[3; 1000]).unwrap();
        assert!(reader.borrow(0, 1000).is_some());
    }
    assert!(reader.borrow(8000, 192).is_some());
    assert_eq!(reader.borrow(8000, 193), None);
    assert_eq!(read(&reader, 8000, 193), [3; 193]);
}
