//! Bugs that random workloads found late or might miss, each by the shortest way to it.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_core::batch::{Batch, Operation};
use siltdb_core::error::{Error, ErrorKind, StorageErrorKind};
use siltdb_core::host::Host;
use siltdb_core::options::{Durability, Options};
use siltdb_core::storage::FileKind;
use siltdb_tests::check::{Depth, Outcome};
use siltdb_tests::run::{Run, Stop};
use siltdb_tests::sim::{CallKind, Faults, Loss, Nth, SECTOR, SimHost, SimOptions, SimStorage};
use siltdb_tests::store::{Kind, SimStore};

fn options(durability: Durability) -> Options {
    Options { durability, ..Options::default() }
}

fn fails(kind: CallKind, n: u64) -> Faults {
    let nth = Nth { kind: Some(kind), n, forever: false, error: StorageErrorKind::Io };
    Faults { nth: Some(nth), ..Faults::default() }
}

/// A store that was closed and gone on with by one group whose end is a sector's.
fn gone_on_with(kind: Kind, seed: u64, len: usize) -> Outcome<Run> {
    let mut run = Run::new(kind, seed, SimOptions::default(), options(Durability::Flushed))?;
    run.set(b"a", &[1; 40])?;
    run.restart(Stop::Close)?;
    run.set(b"a", &vec![2; len])?;
    Ok(run)
}

/// Goal: of a log that was closed, gone on with and cut by a power loss, no group that was lost
/// returns when the next life appends just as much.
#[test]
fn no_group_of_an_earlier_life_returns() {
    let is_aligned = |len: &usize| {
        let files = gone_on_with(Kind::Single, 0, *len).unwrap().storage.files();
        files.iter().any(|(id, bytes)| id.kind == FileKind::Segment && bytes.len() % SECTOR == 0)
    };
    let len = (500..1_100).find(is_aligned).unwrap();
    let run = |kind, first: u64, second: u64| -> Outcome {
        let mut run = gone_on_with(kind, first, len)?;
        run.set(b"a", &[3; 300])?;
        run.restart(Stop::Power(Loss::Random(first)))?;
        run.set(b"a", &vec![4; len])?;
        run.restart(Stop::Power(Loss::Random(second)))
    };
    for (first, second) in (0..60).flat_map(|first| (0..60).map(move |second| (first, second))) {
        for kind in Kind::ALL {
            run(kind, first, second)
                .unwrap_or_else(|t| panic!("{kind:?}, losses {first}, {second}: {}", t.what));
        }
    }
}

/// Goal: a manifest whose publish failed, and which is there all the same, is not built upon: a
/// power loss may still take it.
#[test]
fn a_manifest_of_a_failed_publish_is_published_again() {
    for (seed, kind) in (0..40).flat_map(|seed| Kind::ALL.map(|kind| (seed, kind))) {
        let disk = SimStorage::seeded(seed);
        disk.set_faults(fails(CallKind::Publish, 1 + seed % 2));
        let mut run = Run::unopened(kind, seed, disk, options(Durability::Synced));
        let mut outcome = || -> Outcome {
            if run.try_open()? {
                // The close publishes, too, and fails then.
                run.set(b"a", b"1")?;
            }
            let least = run.stop(Stop::Close)?;
            run.open()?;
            run.settle(least)?;
            run.set(b"bb", b"2")?;
            run.restart(Stop::Power(Loss::Everything))?;
            run.check(Depth::Full)
        };
        outcome().unwrap_or_else(|t| panic!("{kind:?}, seed {seed}: {}", t.what));
    }
}

/// Goal: a write is as safe as its answer says, even if the value was there already, in the
/// write buffer.
#[test]
fn a_flushed_write_of_a_buffered_value_survives() {
    let options = Options { skip_identical: true, ..options(Durability::Buffered) };
    for kind in Kind::ALL {
        let mut run = Run::new(kind, 1, SimOptions::default(), options.clone()).unwrap();
        run.set(b"a", b"1").unwrap();
        run.write(Batch::new().set(b"a", b"1"), Some(Durability::Flushed)).unwrap();
        run.restart(Stop::Death(1)).unwrap();
        assert_eq!(run.model.promise().flushed, 1);
        run.check(Depth::Full).unwrap();
    }
}

/// Goal: when the write buffer cannot be written out, the store refuses what would have to tell
/// of it, answers the rest, and tries nothing again.
#[test]
fn a_buffer_that_cannot_be_written_out() {
    Kind::ALL.into_iter().for_each(buffer_that_cannot_be_written_out);
}

fn buffer_that_cannot_be_written_out(kind: Kind) {
    let (disk, host) = (SimStorage::seeded(1), SimHost::new(1));
    let mut store =
        SimStore::open(kind, disk.clone(), host.clone(), options(Durability::Buffered)).unwrap();
    store.set(b"a", b"old").unwrap();
    store.set(b"b", b"old").unwrap();
    let before = store.sync().unwrap();
    store.seal().unwrap();
    host.advance(10);
    store.set(b"a", b"new").unwrap();
    disk.set_faults(fails(CallKind::Create, 1));
    assert!(matches!(
        store.scan(&siltdb_core::ScanOptions::default()).map_err(Error::into_kind),
        Err(ErrorKind::Storage(_))
    ));
    disk.set_faults(Faults::default());
    for _ in 0..2 {
        assert_eq!(store.get(b"a"), Err(ErrorKind::Poisoned.into()));
        assert_eq!(
            store.count(&siltdb_core::ScanOptions::default()),
            Err(ErrorKind::Poisoned.into())
        );
        assert_eq!(store.len(), Err(ErrorKind::Poisoned.into()));
        assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"old"[..]));
        assert_eq!(store.get_as_of(b"a", before).unwrap().unwrap().value, b"old");
        assert_eq!(store.stats().unwrap().keys, 2);
        host.advance(1_000_000);
        assert!(matches!(
            store.tick().map_err(Error::into_kind),
            Ok(()) | Err(ErrorKind::Poisoned)
        ));
        assert_eq!(disk.calls_of(CallKind::Create), 0);
    }
    drop(store);
    let mut store = SimStore::open(kind, disk, host, options(Durability::Buffered)).unwrap();
    assert_eq!(store.len().unwrap(), 2);
}

/// Goal: a clock that steps back brings no expired record back once compaction dropped it, and
/// what is written then can be read as of its own moment.
#[test]
fn the_clock_steps_back_behind_the_horizon() {
    Kind::ALL.into_iter().for_each(clock_steps_back_behind_the_horizon);
}

fn clock_steps_back_behind_the_horizon(kind: Kind) {
    let (disk, host) = (SimStorage::seeded(1), SimHost::new(1));
    let mut store = SimStore::open(kind, disk, host.clone(), options(Durability::Synced)).unwrap();
    let expires = host.now_us() + 50;
    let mut batch = Batch::new();
    batch.push(Operation {
        key: b"a".to_vec(),
        value: Some(b"1".to_vec()),
        expires: Some(expires),
        condition: None,
    });
    store.write(&batch, None).unwrap();
    host.advance(100);
    store.compact().unwrap();
    host.set(SimHost::START_US);
    assert_eq!(store.horizon(), expires);
    assert_eq!(store.get(b"a").unwrap(), None);
    let commit = store.set(b"b", b"2").unwrap();
    assert!(commit.seq >= store.horizon());
    assert_eq!(store.get_as_of(b"b", commit.seq).unwrap().unwrap().value, b"2");
}
