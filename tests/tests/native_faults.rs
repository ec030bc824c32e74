//! The native backend when a file call fails: what the contract still promises, at every call.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use siltdb::native::fs::{OpenMode, RealFs};
use siltdb::native::{NativeOptions, NativeStorage};
use siltdb_core::error::{Error, ErrorKind, StorageError, StorageErrorKind};
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};
use siltdb_tests::posix::{Call, FaultFs, Seen, Verdict};

const ENOENT: i32 = 2;
const EINTR: i32 = 4;
const EIO: i32 = 5;
const EACCES: i32 = 13;
const EROFS: i32 = 30;
const ENOSPC: i32 = 28;

const SEGMENT: FileId = FileId::segment(1);

fn open(fs: &FaultFs, dir: &Path) -> Result<NativeStorage, Error> {
    NativeStorage::open_on(Arc::new(fs.clone()), dir, NativeOptions::default())
}

fn fresh() -> (tempfile::TempDir, FaultFs, NativeStorage) {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultFs::new(RealFs);
    let storage = open(&fs, dir.path()).unwrap();
    (dir, fs, storage)
}

fn changes(call: Call) -> bool {
    !matches!(call, Call::Open(OpenMode::Read) | Call::List | Call::Len | Call::Read)
}

/// A disk with room for so many bytes of each file: a write beyond fails, one across is short.
fn quota(room: u64) -> impl FnMut(&Seen) -> Verdict + Send {
    move |seen| match seen.call {
        Call::Write if seen.offset >= room => Verdict::Fail(ENOSPC),
        Call::Write => Verdict::Short((room - seen.offset) as usize),
        _ => Verdict::Go,
    }
}

#[test]
fn no_space_to_reserve_leaves_plain_growth_up_to_the_last_byte() {
    for room in [5_000_u64, 65_536 + 777, 200_000] {
        let (dir, fs, storage) = fresh();
        fs.plan(quota(room));
        let mut appender = storage.create(SEGMENT).unwrap();
        let mut appended = 0_u64;
        let e = loop {
            match appender.append(&[7; 100]).and_then(|()| appender.sync()) {
                Ok(()) => appended += 100,
                Err(e) => break e,
            }
        };
        assert_eq!(e.kind, StorageErrorKind::OutOfSpace);
        assert_eq!(appended, room / 100 * 100, "not all room was used");
        let file = dir.path().join(SEGMENT.to_string());
        let size = std::fs::metadata(file).unwrap().len();
        assert!(size <= room, "{size}");
        let cuts = fs.seen().iter().filter(|s| s.call == Call::SetLen).count();
        assert_eq!(cuts, 1, "reserving is given up after the first refusal");
        let reader = storage.open(SEGMENT).unwrap();
        let mut buf = vec![0; appended as usize];
        reader.read_at(0, &mut buf).unwrap();
        assert!(buf.iter().all(|b| *b == 7));
    }
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    // The data, then (for the first sync) the directory.
    for failing in [Call::Sync, Call::SyncDir] {
        for verdict in [Verdict::Fail(EIO), Verdict::FailAfter(EIO), Verdict::Fail(EINTR)] {
            let (_dir, fs, storage) = fresh();
            let mut appender = storage.create(SEGMENT).unwrap();
            appender.append(b"before").unwrap();
            let mut left = 1;
            fs.plan(move |seen| {
                if seen.call == failing && left > 0 {
                    left -= 1;
                    return verdict;
                }
                Verdict::Go
            });
            let e = appender.sync().unwrap_err();
            assert_eq!((e.op, e.file, e.kind), ("sync", Some(SEGMENT), StorageErrorKind::Io));
            let calls = fs.seen().len();
            for _ in 0..3 {
                assert!(appender.sync().is_err());
                assert!(appender.append(b"after").is_err());
                assert!(appender.finish().is_err());
            }
            assert_eq!(fs.seen().len(), calls, "the file is left alone after a failed sync");
            // Reading goes on.
            let mut buf = [0; 6];
            storage.open(SEGMENT).unwrap().read_at(0, &mut buf).unwrap();
            assert_eq!(&buf, b"before");
        }
    }
}

#[test]
fn a_sync_with_nothing_new_asks_nothing_of_the_system() {
    let (_dir, fs, storage) = fresh();
    let mut appender = storage.create(SEGMENT).unwrap();
    appender.append(b"x").unwrap();
    fs.plan(|_| Verdict::Go);
    appender.sync().unwrap();
    let calls: Vec<Call> = fs.seen().iter().map(|s| s.call).collect();
    assert_eq!(calls, [Call::Sync, Call::SyncDir], "data, and the name the first time");
    appender.sync().unwrap();
    assert_eq!(fs.seen().len(), 2);
    appender.append(b"y").unwrap();
    fs.plan(|_| Verdict::Go);
    appender.sync().unwrap();
    let calls: Vec<Call> = fs.seen().iter().map(|s| s.call).collect();
    assert_eq!(calls, [Call::Sync]);
    // The last append reserved space; giving it back is a change to sync.
    fs.plan(|_| Verdict::Go);
    appender.finish().unwrap();
    appender.sync().unwrap();
    let calls: Vec<Call> = fs.seen().iter().map(|s| s.call).collect();
    assert_eq!(calls, [Call::SetLen, Call::Sync]);
}

#[test]
fn short_and_interrupted_calls_are_carried_on() {
    let (_dir, fs, storage) = fresh();
    fs.plan(|seen| match seen.call {
        Call::Read | Call::Write if seen.index % 3 == 0 => Verdict::Fail(EINTR),
        Call::Read | Call::Write => Verdict::Short(seen.index as usize % 7 + 1),
        _ => Verdict::Go,
    });
    let bytes: Vec<u8> = (0..1000_u32).map(|i| (i % 251) as u8).collect();
    let mut appender = storage.create(SEGMENT).unwrap();
    appender.append(&bytes).unwrap();
    storage.publish(FileId::manifest(1), &bytes).unwrap();
    for id in [SEGMENT, FileId::manifest(1)] {
        let mut buf = vec![0; bytes.len()];
        storage.open(id).unwrap().read_at(0, &mut buf).unwrap();
        assert_eq!(buf, bytes);
    }
    // A write that takes nothing would go on for ever.
    fs.plan(|seen| if seen.call == Call::Write { Verdict::Short(0) } else { Verdict::Go });
    assert_eq!(appender.append(b"x").unwrap_err().kind, StorageErrorKind::Io);
}

#[test]
fn a_publish_that_fails_leaves_the_file_absent_or_whole() {
    let id = FileId::manifest(1);
    let bytes = vec![9; 3000];
    for errno in [ENOSPC, EIO, EACCES] {
        for n in 0_u64.. {
            let (dir, fs, storage) = fresh();
            fs.plan(move |s| if s.index == n { Verdict::Fail(errno) } else { Verdict::Go });
            let result = storage.publish(id, &bytes);
            if fs.seen().len() as u64 <= n {
                // Every call had its turn.
                assert!(result.is_ok() && n >= 5, "{n} calls");
                break;
            }
            let e = result.unwrap_err();
            assert_eq!((e.op, e.file), ("publish", Some(id)));
            let last = fs.seen()[n as usize].call;
            assert_eq!(storage.open(id).is_ok(), last == Call::SyncDir, "after {last:?}");
            drop(storage);
            let storage = open(&FaultFs::new(RealFs), dir.path()).unwrap();
            let mut count = 0;
            storage
                .list(&mut |found, len| {
                    assert_eq!((found, len), (id, 3000));
                    count += 1;
                })
                .unwrap();
            assert_eq!(count == 1, last == Call::SyncDir);
            let names = std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(names, 1 + count, "nothing is left behind but the lock");
        }
    }
}

#[test]
fn the_system_refuses_what_it_likes_and_is_quoted() {
    let (dir, fs, storage) = fresh();
    storage.publish(FileId::manifest(1), b"m").unwrap();
    for (errno, kind, text) in [
        (EACCES, StorageErrorKind::Denied, "denied"),
        (EROFS, StorageErrorKind::Denied, "Read-only"),
        (ENOSPC, StorageErrorKind::OutOfSpace, "No space"),
        (EIO, StorageErrorKind::Io, "Input/output"),
        (ENOENT, StorageErrorKind::NotFound, "No such file"),
    ] {
        fs.plan(move |_| Verdict::Fail(errno));
        let check = |op: &str, e: StorageError, expected: StorageErrorKind| {
            assert_eq!((e.op, e.kind), (op, expected));
            assert!(e.message.contains(text), "{e}");
        };
        check("list", storage.list(&mut |_, _| {}).unwrap_err(), kind);
        check("open", storage.open(FileId::manifest(1)).unwrap_err(), kind);
        check("create", storage.create(SEGMENT).unwrap_err(), kind);
        check("resume", storage.resume(FileId::manifest(1), 0).unwrap_err(), kind);
        check("publish", storage.publish(FileId::manifest(2), b"x").unwrap_err(), kind);
        match storage.remove(FileId::manifest(1)) {
            // What is not there is removed.
            Ok(()) => assert_eq!(errno, ENOENT),
            Err(e) => check("remove", e, kind),
        }
        fs.plan(|_| Verdict::Go);
        let reader = storage.open(FileId::manifest(1)).unwrap();
        fs.plan(move |_| Verdict::Fail(errno));
        check("read", reader.read_at(0, &mut [0]).unwrap_err(), kind);
        check("len", reader.len().unwrap_err(), kind);
    }
    drop(storage);
    // A medium that became read-only: opening says so, and leaves the lock free.
    fs.plan(|seen| if changes(seen.call) { Verdict::Fail(EROFS) } else { Verdict::Go });
    match open(&fs, dir.path()).map_err(Error::into_kind) {
        Err(ErrorKind::Storage(e)) => assert_eq!(e.kind, StorageErrorKind::Denied),
        other => panic!("{other:?}"),
    }
    fs.plan(|_| Verdict::Go);
    open(&fs, dir.path()).unwrap();
}

/// A short life of a store; `Ok` bytes by file go into `synced`.
fn script(
    fs: &FaultFs,
    dir: &Path,
    synced: &mut BTreeMap<FileId, Vec<u8>>,
    unsure: &mut Vec<FileId>,
) -> Result<(), Error> {
    let storage = open(fs, dir)?;
    for number in 1..=3_u64 {
        let id = FileId::segment(number);
        let mut appender = storage.create(id)?;
        let mut bytes = Vec::new();
        for _ in 0..3 {
            let part = vec![number as u8; 700];
            appender.append(&part)?;
            bytes.extend_from_slice(&part);
            appender.sync()?;
            synced.insert(id, bytes.clone());
        }
        appender.finish()?;
        appender.sync()?;
        drop(appender);
        let manifest = FileId::manifest(number);
        storage.publish(manifest, &[number as u8; 90])?;
        synced.insert(manifest, vec![number as u8; 90]);
        if number > 1 {
            let old = FileId::manifest(number - 1);
            unsure.push(old);
            storage.remove(old)?;
        }
    }
    let mut appender = storage.resume(FileId::segment(3), 2100)?;
    appender.append(b"tail")?;
    appender.sync()?;
    Ok(())
}

#[test]
fn whichever_call_fails_synced_bytes_are_kept_and_the_next_open_goes_on() {
    let mut failures = 0;
    for once in [true, false] {
        for errno in [EIO, ENOSPC, EACCES] {
            for n in 0_u64.. {
                let root = tempfile::tempdir().unwrap();
                let dir = root.path().join("store");
                let fs = FaultFs::new(RealFs);
                fs.plan(move |seen| {
                    let hit = if once { seen.index == n } else { seen.index >= n };
                    if hit { Verdict::Fail(errno) } else { Verdict::Go }
                });
                let (mut synced, mut unsure) = (BTreeMap::new(), Vec::new());
                let result = script(&fs, &dir, &mut synced, &mut unsure);
                if fs.seen().len() as u64 <= n {
                    result.unwrap();
                    break;
                }
                failures += u64::from(result.is_err());
                let storage = NativeStorage::open(&dir, NativeOptions::default()).unwrap();
                for (id, bytes) in synced {
                    if unsure.contains(&id) && storage.open(id).is_err() {
                        continue;
                    }
                    let mut buf = vec![0; bytes.len()];
                    storage.open(id).unwrap().read_at(0, &mut buf).unwrap();
                    assert_eq!(buf, bytes, "{id} after failure of call {n} with {errno}");
                }
                storage.publish(FileId::manifest(9), b"goes on").unwrap();
            }
        }
    }
    assert!(failures > 200, "{failures}");
}
