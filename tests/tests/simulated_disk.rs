//! Tests of the simulated disk itself: what it may lose and what it must keep.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;

use siltdb_core::error::StorageErrorKind;
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};
use siltdb_tests::sim::{CallKind, Faults, Loss, Nth, SimOptions, SimStorage};

const ID: FileId = FileId::segment(1);

fn file(storage: &SimStorage, id: FileId) -> Option<Vec<u8>> {
    storage.files().into_iter().find(|(found, _)| *found == id).map(|(_, bytes)| bytes)
}

fn fail(kind: CallKind, n: u64, forever: bool) -> Faults {
    let error = StorageErrorKind::Io;
    Faults { nth: Some(Nth { kind: Some(kind), n, forever, error }), ..Faults::default() }
}

/// Every image of a few hundred seeds.
fn images(storage: &SimStorage) -> Vec<SimStorage> {
    let sectors = (0..storage.volatile_sectors()).map(Loss::Sector);
    let seeds = (0..300).map(Loss::Random).chain((0..5).map(Loss::Garbage));
    let losses = [Loss::Nothing, Loss::Everything].into_iter().chain(sectors).chain(seeds);
    losses.map(|loss| storage.power_loss(loss)).collect()
}

#[test]
fn synced_bytes_stay_and_the_rest_takes_every_shape() {
    let storage = SimStorage::seeded(1);
    let mut appender = storage.create(ID).unwrap();
    appender.append(&[1; 700]).unwrap();
    appender.sync().unwrap();
    appender.append(&[2; 1_000]).unwrap();
    // Sectors 512..1024 (its first 188 bytes are firm), 1024..1536 and 1536..1700.
    assert_eq!(storage.volatile_sectors(), 3);
    let mut lens = BTreeSet::new();
    let mut seconds = BTreeSet::<u8>::new();
    let mut garbage = false;
    for image in images(&storage) {
        let bytes = file(&image, ID).expect("a synced name is there");
        assert_eq!(bytes[..700], [1; 700], "synced bytes changed");
        assert!((700..=1_700).contains(&bytes.len()));
        lens.insert(bytes.len());
        seconds.extend(bytes.get(1_100));
        garbage |= bytes[700..].iter().any(|b| !matches!(b, 0..=2));
    }
    assert!(lens.contains(&700) && lens.contains(&1_700) && lens.len() > 20, "{lens:?}");
    assert!(seconds.contains(&0) && seconds.contains(&2) && garbage);
    assert_eq!(file(&storage.process_death(0), ID).unwrap().len(), 1_700);
}

#[test]
fn names_are_coin_tosses_until_synced() {
    let storage = SimStorage::seeded(2);
    let mut first = storage.create(ID).unwrap();
    first.append(b"never synced").unwrap();
    let mut second = storage.create(FileId::segment(2)).unwrap();
    second.append(b"synced").unwrap();
    second.sync().unwrap();
    drop(second);
    storage.remove(FileId::segment(2)).unwrap();
    storage.publish(FileId::manifest(1), b"published").unwrap();
    let mut seen = BTreeSet::new();
    for image in images(&storage) {
        let names: Vec<FileId> = image.files().into_iter().map(|(id, _)| id).collect();
        assert!(names.contains(&FileId::manifest(1)));
        assert_eq!(file(&image, FileId::manifest(1)).unwrap(), b"published");
        if let Some(bytes) = file(&image, FileId::segment(2)) {
            assert_eq!(bytes, b"synced", "a removed file comes back as it was");
        }
        seen.insert((names.contains(&ID), names.contains(&FileId::segment(2))));
    }
    assert_eq!(seen.len(), 4, "creation and removal are independent: {seen:?}");
    assert_eq!(
        storage.power_loss(Loss::Everything).files().len(),
        2,
        "removal undone, creation lost"
    );
    assert_eq!(storage.power_loss(Loss::Nothing).files().len(), 2, "removed, created");
}

#[test]
fn a_failed_sync_is_never_made_good() {
    let storage = SimStorage::seeded(3);
    let mut appender = storage.create(ID).unwrap();
    appender.append(&[1; 512]).unwrap();
    appender.sync().unwrap();
    appender.append(&[2; 1_024]).unwrap();
    storage.set_faults(fail(CallKind::Sync, 1, false));
    assert_eq!(appender.sync().unwrap_err().kind, StorageErrorKind::Io);
    drop(appender);
    // The process starts again, still sees the bytes or zeros, and syncs what follows them.
    let mut shown = BTreeSet::new();
    let mut kept = BTreeSet::new();
    for seed in 0..20 {
        let next = storage.process_death(seed);
        shown.insert(file(&next, ID).unwrap()[600]);
        let mut appender = next.resume(ID, 1_536).unwrap();
        appender.append(&[3; 100]).unwrap();
        appender.sync().unwrap();
        for image in images(&next) {
            let bytes = file(&image, ID).unwrap();
            assert_eq!(bytes.len(), 1_636, "the later sync holds for the length");
            assert_eq!((bytes[511], bytes[1_536]), (1, 3), "and for its own bytes");
            kept.insert(bytes[600]);
        }
    }
    assert_eq!(shown, BTreeSet::from([0, 2]), "bytes of a failed sync may be shown or not");
    assert!(kept.contains(&0) && kept.contains(&2), "and vanish later, or not: {kept:?}");
}

#[test]
fn a_cut_may_come_back_and_new_bytes_may_show_old_ones() {
    let storage = SimStorage::with_files(SimOptions::default(), vec![(ID, vec![7; 2_000])]);
    let mut appender = storage.resume(ID, 100).unwrap();
    assert_eq!(file(&storage, ID).unwrap().len(), 100);
    appender.append(&[8; 1_000]).unwrap();
    let mut seen = BTreeSet::new();
    for image in images(&storage) {
        let bytes = file(&image, ID).unwrap();
        assert_eq!(bytes[..100], [7; 100]);
        seen.insert((bytes.len(), bytes.get(600).copied()));
    }
    for state in [(2_000, Some(7)), (1_100, Some(8)), (1_100, Some(7))] {
        assert!(seen.contains(&state), "{state:?} is missing");
    }
    appender.sync().unwrap();
    let image = storage.power_loss(Loss::Everything);
    assert_eq!(file(&image, ID).unwrap(), [vec![7; 100], vec![8; 1_000]].concat());
}

#[test]
fn faults_come_when_asked_for_and_leave_what_they_may() {
    let mut prefixes = BTreeSet::new();
    for seed in 0..60 {
        let storage = SimStorage::seeded(seed);
        storage.set_faults(fail(CallKind::Append, 2, false));
        let mut appender = storage.create(ID).unwrap();
        appender.append(&[1; 10]).unwrap();
        appender.append(&[2; 6]).unwrap_err();
        prefixes.insert(file(&storage, ID).unwrap().len());
    }
    assert_eq!(prefixes, (10..=16).collect(), "any prefix");

    let storage = SimStorage::seeded(0);
    storage.set_faults(Faults { space: Some(1_000), ..Faults::default() });
    let mut appender = storage.create(ID).unwrap();
    appender.append(&[1; 900]).unwrap();
    let e = appender.append(&[2; 200]).unwrap_err();
    assert_eq!(e.kind, StorageErrorKind::OutOfSpace);
    assert_eq!(file(&storage, ID).unwrap().len(), 1_000, "what fits is there");
    let e = storage.publish(FileId::manifest(1), b"no room").unwrap_err();
    assert_eq!(e.kind, StorageErrorKind::OutOfSpace);

    let storage = SimStorage::with_files(SimOptions::default(), vec![(ID, vec![7; 600])]);
    let reader = storage.open(ID).unwrap();
    for (forever, later) in [(false, true), (true, false)] {
        storage.set_faults(fail(CallKind::Read, 2, forever));
        let mut buf = [0; 4];
        assert!(reader.read_at(0, &mut buf).is_ok());
        assert!(reader.read_at(0, &mut buf).is_err());
        assert_eq!(reader.read_at(0, &mut buf).is_ok(), later);
    }
}

#[test]
fn death_leaves_a_prefix_and_silence() {
    let mut lens = BTreeSet::new();
    for seed in 0..50 {
        let storage = SimStorage::seeded(seed);
        let mut appender = storage.create(ID).unwrap();
        storage.set_faults(Faults { die_at: Some(1), ..Faults::default() });
        appender.append(&[1; 4]).unwrap_err();
        assert!(storage.is_dead());
        appender.append(&[1; 4]).unwrap_err();
        storage.publish(FileId::manifest(1), b"x").unwrap_err();
        drop(appender);
        lens.insert(file(&storage.process_death(0), ID).unwrap().len());
        assert_eq!(storage.files().len(), 1);
    }
    assert_eq!(lens, (0..=4).collect());
}

#[test]
fn crash_points_give_every_cut_of_every_call() {
    let storage = SimStorage::seeded(4);
    storage.record_points();
    let mut appender = storage.create(ID).unwrap();
    appender.append(b"abc").unwrap();
    storage.mark(9);
    appender.sync().unwrap();
    storage.publish(FileId::manifest(1), b"m").unwrap();
    let points = storage.take_points();
    let counts: Vec<(usize, u64)> = points.iter().map(|p| (p.cuts(), p.mark)).collect();
    assert_eq!(counts, [(2, 0), (4, 0), (2, 9), (2, 9)]);
    assert_eq!(points[0].at(0).files().len(), 0);
    assert_eq!(file(&points[1].at(2), ID).unwrap(), b"ab");
    let unsynced = points[2].at(0).power_loss(Loss::Everything);
    assert_eq!(unsynced.files().len(), 0, "before the sync the name may be lost");
    let synced = points[2].at(1).power_loss(Loss::Everything);
    assert_eq!(file(&synced, ID).unwrap(), b"abc");
    let maybe = points[3].at(1);
    assert!(file(&maybe.power_loss(Loss::Everything), FileId::manifest(1)).is_none());
    assert!(file(&maybe.power_loss(Loss::Nothing), FileId::manifest(1)).is_some());
}

#[test]
fn equal_seeds_give_equal_runs() {
    let run = |seed| {
        let storage = SimStorage::seeded(seed);
        storage.set_faults(Faults::default().rate(CallKind::Append, 3).rate(CallKind::Create, 4));
        for n in 1..60 {
            if let Ok(mut appender) = storage.create(FileId::segment(n)) {
                let _ = appender.append(&[n as u8; 100]);
            }
        }
        let image = storage.power_loss(Loss::Random(seed));
        (storage.trace(), storage.files(), image.files())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
    assert!(run(5).1.len() < 59, "some creations failed");
}

#[test]
#[should_panic(expected = "append after a failure")]
fn an_appender_that_failed_is_not_used_again() {
    let storage = SimStorage::seeded(0);
    storage.set_faults(fail(CallKind::Append, 1, false));
    let mut appender = storage.create(ID).unwrap();
    appender.append(b"x").unwrap_err();
    let _ = appender.append(b"y");
}

#[test]
#[should_panic(expected = "sync after a failure")]
fn a_sync_is_not_tried_twice() {
    let storage = SimStorage::seeded(0);
    storage.set_faults(fail(CallKind::Sync, 1, false));
    let mut appender = storage.create(ID).unwrap();
    appender.sync().unwrap_err();
    let _ = appender.sync();
}

#[test]
#[should_panic(expected = "removed while it is still open")]
fn an_open_file_is_not_removed() {
    let storage = SimStorage::with_files(SimOptions::default(), vec![(ID, vec![7; 9])]);
    let _reader = storage.open(ID).unwrap();
    let _ = storage.remove(ID);
}
