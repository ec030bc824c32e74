//! Many threads at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use siltdb::native::NativeStorage;
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};

use crate::{SEGMENT, fresh, options};

/// The byte at each place of the file, so that a reader can tell any part by itself.
fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

#[test]
fn readers_see_every_appended_byte_while_the_file_grows_is_reserved_and_finished() {
    const LEN: u64 = 3 << 20;
    for map in [false, true] {
        let (_dir, storage) = fresh(map);
        let appended = AtomicU64::new(0);
        let mut appender = storage.create(SEGMENT).unwrap();
        let shared = storage.open(SEGMENT).unwrap();
        thread::scope(|scope| {
            for t in 0..4_u64 {
                let (appended, storage, shared) = (&appended, &storage, &shared);
                scope.spawn(move || {
                    let own = storage.open(SEGMENT).unwrap();
                    let reader = if t % 2 == 0 { shared } else { &own };
                    let mut seed = t;
                    let (mut seen, mut borrowed) = (0, 0_u64);
                    while seen < LEN {
                        seen = appended.load(Ordering::Acquire);
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let len = (seed >> 33) % 6000;
                        if len >= seen {
                            continue;
                        }
                        // Often the very last bytes.
                        let at =
                            if seed % 3 == 0 { seen - len } else { (seed >> 20) % (seen - len) };
                        let mut buf = vec![0; len as usize];
                        reader.read_at(at, &mut buf).unwrap();
                        assert!((at..).zip(&buf).all(|(at, b)| *b == byte(at)), "{at} {len}");
                        if let Some(bytes) = reader.borrow(at, len as usize) {
                            assert_eq!(bytes, buf);
                            borrowed += 1;
                        }
                    }
                    assert_eq!(borrowed > 0, map);
                });
            }
            let mut at = 0;
            for round in 0_u64.. {
                let end = (at + 1 + round * 37 % 9000).min(LEN);
                let bytes: Vec<u8> = (at..end).map(byte).collect();
                appender.append(&bytes).unwrap();
                if round % 5 == 0 {
                    appender.sync().unwrap();
                }
                if end == LEN {
                    appender.finish().unwrap();
                    appender.sync().unwrap();
                }
                at = end;
                appended.store(at, Ordering::Release);
                if at == LEN {
                    break;
                }
            }
        });
    }
}

#[test]
fn of_many_openers_exactly_one_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let start = Barrier::new(8);
        let held = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    match NativeStorage::open(dir.path().join("store"), options(true)) {
                        Ok(storage) => held.lock().unwrap().push(storage),
                        Err(e) => assert_eq!(e.code(), "SILT_LOCKED"),
                    }
                });
            }
        });
        assert_eq!(held.lock().unwrap().len(), 1);
    }
}

#[test]
fn creating_one_name_from_two_threads_succeeds_once() {
    let (_dir, storage) = fresh(true);
    for number in 1..=20 {
        let id = FileId::segment(number);
        let start = Barrier::new(4);
        let winners = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    winners.fetch_add(storage.create(id).is_ok().into(), Ordering::Relaxed);
                });
            }
            for n in 0..2 {
                let (start, winners, storage) = (&start, &winners, &storage);
                scope.spawn(move || {
                    start.wait();
                    let id = FileId::manifest(number * 2 + n);
                    storage.publish(id, &[n as u8; 5000]).unwrap();
                    winners.fetch_add(10, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(winners.load(Ordering::Relaxed), 21);
    }
}

// A process being started holds copies of all descriptors for a moment, and a lock with them.
#[cfg(unix)]
#[test]
fn starting_processes_does_not_keep_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) == 0 {
                    // With a change of directory it is a fork in earnest.
                    let mut command = std::process::Command::new("true");
                    assert!(command.current_dir("/").status().unwrap().success());
                }
            });
        }
        for _ in 0..300 {
            let opened = NativeStorage::open(dir.path(), options(true));
            if opened.is_err() {
                done.store(1, Ordering::Relaxed);
            }
            drop(opened.unwrap());
        }
        done.store(1, Ordering::Relaxed);
    });
}
