//! Many threads on one store: what each of them may rely on, while segments are rolled, sealed and
//! compacted under them.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use siltdb::{
    Batch, CompactionOptions, Condition, Durability, Error, ErrorKind, Operation, Options,
    ScanOptions, Store,
};

/// So small that everything happens all the time.
fn busy() -> Options {
    Options {
        segment_bytes: 16 << 10,
        durability: Durability::Flushed,
        compaction: CompactionOptions {
            dead_bytes_min: 1 << 10,
            tier_bytes_min: 4 << 10,
            ..CompactionOptions::default()
        },
        ..Options::default()
    }
}

fn open(options: Options) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("db"), options).unwrap();
    (dir, store)
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value[..8].try_into().unwrap())
}

/// A value that begins with a number and is long enough to fill segments.
fn value(n: u64) -> Vec<u8> {
    let mut value = n.to_le_bytes().to_vec();
    value.resize(100, 7);
    value
}

/// Adds 1 to the number of a key by compare-and-set. Gives how often that had to be tried anew.
fn increment(store: &Store, key: &[u8], durability: Durability) -> u64 {
    for tries in 0.. {
        let found = store.get_record(key).unwrap();
        let (n, condition) = match &found {
            Some(record) => (number(&record.value), Condition::SeqIs(record.seq)),
            None => (0, Condition::Absent),
        };
        // Lets others come in between.
        thread::yield_now();
        let mut batch = Batch::new();
        batch.push(Operation {
            key: key.to_vec(),
            value: Some(value(n + 1)),
            expires: None,
            condition: Some(condition),
        });
        match store.write(&batch, Some(durability)).map_err(Error::into_kind) {
            Ok(_) => return tries,
            Err(ErrorKind::ConditionFailed { operation: 0, .. }) => {}
            Err(e) => panic!("{e:?}"),
        }
    }
    unreachable!("an increment is tried until it is done")
}

#[test]
fn no_update_is_lost() {
    let tries = AtomicU64::new(0);
    for durability in [Durability::Synced, Durability::Flushed, Durability::Buffered] {
        let (_dir, store) = open(busy());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for i in 0..150_u64 {
                        let key = [b'k', (i % 3) as u8];
                        tries.fetch_add(increment(&store, &key, durability), Ordering::Relaxed);
                    }
                });
            }
        });
        for key in 0..3 {
            let found = store.get(&[b'k', key]).unwrap().unwrap();
            assert_eq!(number(&found), 8 * 50, "{durability:?}");
        }
        store.close().unwrap();
    }
    assert!(tries.into_inner() > 0, "the threads never met");
}

/// Writers set five keys to one number each time; every way of reading sees them move together.
#[test]
fn batches_are_seen_whole_and_reads_never_go_back() {
    const KEYS: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
    let (_dir, store) = open(busy());
    let write = |n: u64, durability| {
        let mut batch = Batch::new();
        for key in KEYS {
            batch.set(key, &value(n));
        }
        store.write(&batch, Some(durability)).unwrap();
    };
    write(0, Durability::Flushed);
    let stop = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = [0; 5];
                while !stop.load(Ordering::Relaxed) {
                    let seen = KEYS.map(|key| number(&store.get(key).unwrap().unwrap()));
                    // Read one after the other: what is read later is not older.
                    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
                    assert!(last.iter().zip(seen).all(|(before, now)| *before <= now));
                    last = seen;
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                let view = store.view().unwrap();
                let got = number(&view.get(b"c").unwrap().unwrap().value);
                let records = view.scan(&ScanOptions::default()).unwrap();
                let seen: Vec<_> = records.map(|r| number(&r.unwrap().value)).collect();
                assert_eq!(seen, [got; 5]);
                assert!(last <= got, "{last} {got}");
                last = got;
                let newest = number(&store.get(b"a").unwrap().unwrap());
                assert!(got <= newest, "a view of later than what is read after it");
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        for n in 1..=3_000 {
            let durability =
                [Durability::Flushed, Durability::Buffered, Durability::Synced][n as usize % 3];
            write(n, durability);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(reads.into_inner() > 100);
    assert_eq!(number(&store.get(b"e").unwrap().unwrap()), 3_000);
    store.close().unwrap();
}

/// Readers of keys that are never written again, while others force the segments through every
/// change there is.
#[test]
fn readers_find_every_record_while_segments_are_replaced() {
    let (_dir, store) = open(busy());
    for key in 0..500_u32 {
        store.set(&key.to_be_bytes(), &value(key.into())).unwrap();
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..3_u32 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let mut key = thread;
                while !stop.load(Ordering::Relaxed) {
                    key = (key * 7 + 11) % 500;
                    let found = store.get(&key.to_be_bytes()).unwrap();
                    assert_eq!(found.map(|v| number(&v)), Some(key.into()));
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let range = ScanOptions { to: Some(vec![1]), ..ScanOptions::default() };
                assert_eq!(store.count(&range).unwrap(), 500);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                store.compact(&mut |_| ()).unwrap();
            }
        });
        for i in 0..6_000_u32 {
            store.set(&(u32::MAX - i % 700).to_be_bytes(), &value(1)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(store.stats().unwrap().bytes_compacted > 0);
    store.close().unwrap();
}

#[test]
fn writers_that_sync_at_the_same_time_share_syncs() {
    let (_dir, store) = open(Options::default());
    thread::scope(|scope| {
        for thread in 0..8_u8 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..200_u8 {
                    let commit = store.set(&[thread, i], b"value").unwrap();
                    assert_eq!(commit.durability, Durability::Synced);
                }
            });
        }
    });
    let stats = store.stats().unwrap();
    assert_eq!((stats.commits, stats.keys), (1_600, 1_600));
    assert!(stats.syncs < stats.commits, "{} syncs", stats.syncs);
    assert_eq!(stats.durable_seq, stats.last_seq);
    store.close().unwrap();
}

#[test]
fn what_is_flushed_or_buffered_is_synced_and_written_out_by_itself() {
    let options = Options { sync_interval_ms: 20, buffer_ms_max: 5, ..Options::default() };
    let (_dir, store) = open(options);
    let mut batch = Batch::new();
    batch.set(b"k", b"v");
    let commit = store.write(&batch, Some(Durability::Buffered)).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while store.stats().unwrap().durable_seq < commit.seq {
        assert!(Instant::now() < until, "nobody synced");
        thread::sleep(Duration::from_millis(2));
    }
    store.close().unwrap();
}

#[test]
fn closing_waits_for_calls_and_refuses_later_ones() {
    for _ in 0..20 {
        let (dir, store) = open(busy());
        let written = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread in 0..4_u8 {
                let (store, written) = (store.clone(), &written);
                scope.spawn(move || {
                    for i in 0_u32.. {
                        let key = [&[thread][..], &i.to_be_bytes()].concat();
                        match store.set(&key, b"v").map_err(Error::into_kind) {
                            Ok(_) => written.fetch_add(1, Ordering::Relaxed),
                            Err(ErrorKind::Invalid("the store is closed")) => return,
                            Err(e) => panic!("{e:?}"),
                        };
                    }
                });
            }
            thread::sleep(Duration::from_millis(3));
            store.clone().close().unwrap();
        });
        drop(store);
        // The directory is free again, and everything that was acknowledged is in it.
        let store = Store::open(dir.path().join("db"), busy()).unwrap();
        assert_eq!(store.count(&ScanOptions::default()).unwrap(), written.into_inner());
        store.close().unwrap();
    }
}

// Goal: what a thread wrote it reads, also while another thread's write takes it out of the write
// buffer, and the group that this joins rolls the segment first. Method: many writers that share
// groups and syncs, tiny segments, and buffered writes that are looked at all the time.
#[test]
fn a_buffered_write_is_never_out_of_sight() {
    let options = Options { segment_bytes: 4 << 10, ..busy() };
    let (_dir, store) = open(options);
    let until = Instant::now() + Duration::from_secs(3);
    thread::scope(|scope| {
        for thread in 0..8_u8 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0.. {
                    if Instant::now() > until {
                        break;
                    }
                    let key = [b'k', thread];
                    let batch = Batch::new().set(&key, &value(n).repeat(10)).clone();
                    let buffered = thread < 2;
                    let durability =
                        if buffered { Durability::Buffered } else { Durability::Synced };
                    store.write(&batch, Some(durability)).unwrap();
                    for _ in 0..if buffered { 50 } else { 1 } {
                        let found = store.get(&key).unwrap().map(|found| number(&found));
                        assert_eq!(found, Some(n), "thread {thread}");
                    }
                }
            });
        }
    });
}

#[test]
fn commits_that_nobody_waits_for_share_syncs_and_are_told_of_one_by_one() {
    let (dir, store) = open(Options::default());
    let heard = std::sync::Arc::new(AtomicU64::new(0));
    let listening = {
        let heard = heard.clone();
        store.on_commit(move |seq| heard.store(seq, Ordering::Relaxed)).unwrap()
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    for i in 0..5_000_u32 {
        let mut batch = Batch::new();
        batch.set(&i.to_be_bytes(), b"value");
        let sender = sender.clone();
        store.submit(batch, None, move |result| sender.send((i, result)).unwrap());
    }
    let mut seqs: Vec<u64> = Vec::new();
    for (at, (i, result)) in receiver.iter().take(5_000).enumerate() {
        // Those of one thread are committed in the order they came.
        assert_eq!(at, i as usize);
        seqs.push(result.unwrap().seq);
    }
    assert!(seqs.is_sorted());
    assert_eq!(heard.load(Ordering::Relaxed), store.last_seq());
    let stats = store.stats().unwrap();
    assert!(stats.syncs < 2_500, "{} syncs for 5,000 commits", stats.syncs);
    drop(listening);
    store.set(b"unheard", b"").unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), seqs[4_999]);
    let mut empty_key = Batch::new();
    empty_key.set(b"", b"");
    store
        .submit(empty_key, None, move |result| assert_eq!(result, Err(ErrorKind::KeyEmpty.into())));
    store.clone().close().unwrap();
    store.submit(Batch::new(), None, |result| assert!(result.is_err()));
    let store = Store::open(dir.path().join("db"), Options::default()).unwrap();
    assert_eq!(store.count(&ScanOptions::default()).unwrap(), 5_001);
    store.close().unwrap();
}

#[test]
fn a_try_to_write_waits_for_no_other_thread_and_is_synced_like_any_write() {
    let (dir, store) = open(Options::default());
    let mut batch = Batch::new();
    batch.set(b"k", b"v");
    let commit = store.try_write(&batch, None).unwrap().unwrap();
    assert_eq!((commit.durability, commit.written), (Durability::Synced, true));
    let stats = store.stats().unwrap();
    assert_eq!((stats.syncs, stats.durable_seq), (1, commit.seq));

    // Whoever writes is held up by its first answer.
    let ((is_up, held_up), (go, gone)) =
        (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    store.submit(Batch::new(), Some(Durability::Synced), move |_| {
        is_up.send(()).unwrap();
        let _ = gone.recv();
    });
    held_up.recv().unwrap();
    for durability in [Durability::Flushed, Durability::Synced] {
        assert_eq!(store.try_write(&batch, Some(durability)), None);
    }
    assert_eq!(store.last_seq(), commit.seq, "nothing is done");
    let mut bad = Batch::new();
    bad.set(b"", b"");
    assert_eq!(store.try_write(&bad, None), Some(Err(ErrorKind::KeyEmpty.into())));
    drop(go);
    // Soon nobody writes any more, and those in line are taken along.
    let answer = std::iter::repeat_with(|| store.try_write(&batch, None)).flatten().next();
    assert!(answer.is_some_and(|answer| answer.is_ok_and(|later| later.seq > commit.seq)));
    store.clone().close().unwrap();
    assert!(store.try_write(&batch, None).unwrap().is_err());
    drop((dir, store));
}

#[test]
fn a_store_whose_last_handle_an_answer_drops_is_closed_all_the_same() {
    let (dir, store) = open(Options::default());
    let (sender, answered) = std::sync::mpsc::channel();
    let mut batch = Batch::new();
    batch.set(b"k", b"v");
    let last = store.clone();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    store.submit(batch, None, move |result| {
        let _ = gone.recv();
        drop(last);
        sender.send(result.is_ok()).unwrap();
    });
    drop(store);
    drop(go);
    assert_eq!(answered.recv(), Ok(true));
    // Its lock is given back when it is closed.
    let again = std::iter::repeat_with(|| Store::open(dir.path().join("db"), busy()));
    let again = again.flatten().next().unwrap();
    assert_eq!(again.get(b"k").unwrap().as_deref(), Some(b"v".as_slice()));
}
