//! Snapshots of a store that is written to meanwhile: each restores to exactly the state at its
//! seq, with all of its past; and a flipped bit in it is found.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use siltdb::{
    Batch, CompactionOptions, Durability, Error, ErrorKind, Options, Record, Retention,
    ScanOptions, SnapshotReport, Store,
};
use siltdb_tests::damage::{Files, files_of, place_in, scratch};
use siltdb_tests::sim::Random;

const WRITERS: u64 = 4;
const LEVELS: [Durability; 4] =
    [Durability::Flushed, Durability::Buffered, Durability::Flushed, Durability::Synced];

/// Everything happens all the time.
fn options(retention: Retention) -> Options {
    Options {
        segment_bytes: 16 << 10,
        buffer_ms_max: 1,
        retention,
        compaction: CompactionOptions {
            dead_ratio: 0.2,
            dead_bytes_min: 1 << 10,
            tier_count: 2,
            tier_bytes_min: 16 << 10,
            ..CompactionOptions::default()
        },
        ..Options::default()
    }
}

/// A sink that takes its time, so that much is written meanwhile.
struct Slow(Vec<u8>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_micros(500));
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a writer was told last.
#[derive(Default)]
struct Told {
    seq: AtomicU64,
    number: AtomicU64,
    begun: AtomicU64,
}

/// Writes numbered batches until told to stop: five keys with the number, and others at random.
fn write(store: &Store, writer: u64, told: &Told, stop: &AtomicBool) {
    let mut random = Random::new(writer);
    let level = LEVELS[writer as usize % LEVELS.len()];
    for number in 1_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let mut batch = Batch::new();
        for i in 0..5 {
            batch.set(format!("w{writer}-number{i}").as_bytes(), &number.to_be_bytes());
        }
        for _ in 0..random.below(4) {
            let key = format!("w{writer}-{:03}", random.below(100)).into_bytes();
            if random.one_in(3) {
                batch.delete(&key);
            } else {
                batch.set(&key, &random.bytes(100));
            }
        }
        told.begun.store(number, Ordering::SeqCst);
        let commit = store.write(&batch, Some(level)).unwrap();
        told.number.store(number, Ordering::SeqCst);
        told.seq.store(commit.seq, Ordering::SeqCst);
        // Readers and the snapshot get their turn, too.
        thread::sleep(Duration::from_micros(random.below(1_500)));
    }
}

fn scan(store: &Store, as_of: Option<u64>) -> Vec<Record> {
    let options = ScanOptions { as_of, ..ScanOptions::default() };
    store.scan(&options).unwrap().collect::<Result<_, _>>().unwrap()
}

fn restore(snapshot: &[u8], dir: &Path) -> SnapshotReport {
    siltdb::restore(&mut &*snapshot, dir, &mut |_| ()).unwrap()
}

/// Stops the writers also where a judgement panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Takes snapshots while threads write; `judge` gets the source, the restored copy, the seq, and
/// what each writer was told before and had begun after.
fn while_written(
    retention: Retention,
    mut judge: impl FnMut(&Store, &Store, u64, &[(u64, u64)]),
) -> Vec<u8> {
    let scratch = scratch();
    let source = Store::open(place_in(&scratch, "source"), options(retention)).unwrap();
    let (stop, told) = (AtomicBool::new(false), [(); WRITERS as usize].map(|()| Told::default()));
    let mut last = Vec::new();
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for writer in 0..WRITERS {
            let (store, told, stop) = (source.clone(), &told[writer as usize], &stop);
            scope.spawn(move || write(&store, writer, told, stop));
        }
        for round in 0..10 {
            thread::sleep(Duration::from_millis(20));
            let acknowledged: Vec<(u64, u64)> = told
                .iter()
                .map(|t| (t.seq.load(Ordering::SeqCst), t.number.load(Ordering::SeqCst)))
                .collect();
            let mut sink = Slow(Vec::new());
            let report = source.snapshot(&mut sink, &mut |_| ()).unwrap();
            let begun = told.iter().map(|t| t.begun.load(Ordering::SeqCst));
            let bounds: Vec<(u64, u64)> = acknowledged
                .iter()
                .zip(begun)
                .map(|((_, number), begun)| (*number, begun))
                .collect();
            assert!(acknowledged.iter().all(|(seq, _)| *seq <= report.seq), "{report:?}");
            assert_eq!(report.bytes, sink.0.len() as u64);
            let dir = scratch.path().join(format!("restored{round}"));
            assert_eq!(restore(&sink.0, &dir), report);
            let problems = siltdb::check(&dir, &mut |_| ()).unwrap().problems;
            assert_eq!(problems, []);
            let copy = Store::open(&dir, options(Retention::Latest)).unwrap();
            judge(&source, &copy, report.seq, &bounds);
            last = sink.0;
        }
    });
    last
}

#[test]
fn a_snapshot_is_the_state_at_its_seq_with_all_of_its_past() {
    let mut random = Random::new(3);
    let mut states = 0;
    let mut past = Vec::new();
    while_written(Retention::Forever, |source, copy, seq, _| {
        assert_eq!(copy.last_seq(), seq);
        assert_eq!(copy.retention(), Retention::Forever);
        let expected = scan(source, Some(seq));
        assert!(scan(copy, None) == expected, "at {seq}");
        states += usize::from(scan(source, None) != expected);
        past.push(seq);
        for _ in 0..4 {
            let moment = past[0] + random.below(seq - past[0] + 1);
            assert!(scan(copy, Some(moment)) == scan(source, Some(moment)), "as of {moment}");
        }
        for record in expected.iter().step_by(7) {
            let history = |store: &Store| -> Vec<_> {
                store.history(&record.key).unwrap().map(Result::unwrap).collect()
            };
            let mut expected = history(source);
            expected.retain(|version| version.seq <= seq);
            assert_eq!(history(copy), expected);
        }
    });
    // Had nobody written meanwhile, nothing would have been shown.
    assert!(states > 6, "only {states} snapshots were overtaken");
}

#[test]
fn a_snapshot_holds_whole_batches_and_all_that_was_acknowledged_before() {
    while_written(Retention::Latest, |_, copy, _, bounds| {
        for (writer, (acknowledged, begun)) in bounds.iter().enumerate() {
            let numbers: Vec<u64> = (0..5)
                .filter_map(|i| copy.get(format!("w{writer}-number{i}").as_bytes()).unwrap())
                .map(|value| u64::from_be_bytes(value.try_into().unwrap()))
                .collect();
            let first = numbers.first().copied().unwrap_or(0);
            assert!(numbers.iter().all(|number| *number == first), "{numbers:?}");
            assert!((5 * u64::from(first > 0)) == numbers.len() as u64);
            assert!((*acknowledged..=*begun).contains(&first), "{first}: {acknowledged}, {begun}");
        }
    });
}

#[test]
fn a_flipped_bit_in_a_large_snapshot_is_found() {
    let mut snapshot = while_written(Retention::Forever, |_, _, _, _| ());
    let scratch = scratch();
    let dir = scratch.path().join("restored");
    let mut random = Random::new(4);
    assert!(snapshot.len() > 100_000, "{} bytes", snapshot.len());
    for _ in 0..500 {
        let bit = random.index(snapshot.len() * 8);
        snapshot[bit / 8] ^= 1 << (bit % 8);
        match siltdb::restore(&mut &snapshot[..], &dir, &mut |_| ()).map_err(Error::into_kind) {
            Err(ErrorKind::Corrupt(_) | ErrorKind::Unsupported { .. }) => {}
            other => panic!("bit {bit}: {other:?}"),
        }
        snapshot[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(files_of(&dir), Files::new(), "bit {bit}");
        let _ = std::fs::remove_dir_all(&dir);
    }
    restore(&snapshot, &dir);
}
