//! Crash-point enumeration (T2): scripted workloads, every storage call of each, every byte cut
//! of each append, and what a power loss may take; then crashes inside the recovery.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::options::{CompactionOptions, Durability, Options, Retention};
use siltdb_core::storage::FileKind;
use siltdb_tests::check::{Outcome, Trouble};
use siltdb_tests::crash::{Density, Recorded};
use siltdb_tests::run::Run;
use siltdb_tests::sim::{Loss, Random, SimOptions, SimStorage};
use siltdb_tests::simulation::{replay, seeds};
use siltdb_tests::store::{self, Kind};
use siltdb_tests::workload::{BatchOp, Op, Palette, small_disk, small_options};

const DENSITY: Density = Density { cuts: 16, random: 8, deep: 251 };

fn options(durability: Durability) -> Options {
    let compaction = CompactionOptions {
        dead_bytes_min: 100,
        tier_count: 2,
        tier_factor: 2,
        tier_bytes_min: 4_096,
        ..CompactionOptions::default()
    };
    Options {
        durability,
        segment_bytes: 4_096,
        seal_on_close_bytes: 1,
        retention: Retention::Latest,
        compaction,
        ..Options::default()
    }
}

/// Runs a script, judges every image of it and demands that there were enough.
fn enumerate(name: &str, seed: u64, disk: SimOptions, options: Options, ops: &[Op]) -> u64 {
    let kind = Kind::ALL[seed as usize % 3];
    let images = judge(kind, seed, disk, options, ops);
    let images = images
        .unwrap_or_else(|t| panic!("{kind:?}, {}\n{}", t.what, replay("crash_points", name, seed)));
    println!("{name}, seed {seed}: {images} images");
    images
}

fn judge(kind: Kind, seed: u64, disk: SimOptions, options: Options, ops: &[Op]) -> Outcome<u64> {
    Recorded::new(kind, seed, disk, options, ops)?.judge_all(DENSITY)
}

fn set(key: u8, value: u16) -> Op {
    Op::Set { key, value }
}

fn batch(keys: std::ops::Range<u8>, durability: Durability) -> Op {
    let op = |key| BatchOp {
        key,
        value: (key % 5 != 4).then_some(u16::from(key) * 7 + 1),
        ttl: None,
        condition: 0,
    };
    Op::Write { batch: keys.map(op).collect(), durability: Some(durability) }
}

/// Goal: the first creation, cut anywhere, leaves an empty store or none.
#[test]
fn creation() {
    for durability in [Durability::Synced, Durability::Flushed] {
        let ops = [set(1, 5), Op::Sync, Op::Reopen];
        let images =
            enumerate("creation", 1, SimOptions::default(), options(durability), &ops[..2]);
        assert!(images > 100, "only {images} images");
    }
}

/// Goal: a commit is seen whole or not at all, a synced one always.
#[test]
fn commits() {
    let ops = [
        set(1, 5),
        batch(0..10, Durability::Synced),
        set(1, 41),
        batch(5..15, Durability::Flushed),
        Op::Delete { key: 1 },
        batch(0..4, Durability::Synced),
        set(2, 62),
        Op::Sync,
        set(3, 56),
    ];
    for seed in 0..3 {
        let images =
            enumerate("commits", seed, small_disk(seed), options(Durability::Flushed), &ops);
        assert!(images > 3_000, "only {images} images");
    }
}

/// Goal: rolling, sealing and compaction, cut anywhere, leave the old files or the new ones; a
/// tombstone dropped too early, or a file that comes back, would show an old value.
#[test]
fn compaction() {
    let mut ops = Vec::new();
    for round in 0..3 {
        ops.push(batch(0..12, Durability::Flushed));
        ops.push(set(9, 56 + round));
        ops.push(Op::Delete { key: 3 });
        ops.push(Op::Seal);
    }
    ops.extend([Op::Delete { key: 9 }, Op::Delete { key: 0 }, Op::Seal, Op::Compact, set(3, 3)]);
    ops.extend([Op::Seal, Op::CompactStep(300), Op::CompactStep(1_000), set(4, 4), Op::Compact]);
    for seed in 0..3 {
        let images =
            enumerate("compaction", seed, small_disk(seed), options(Durability::Flushed), &ops);
        assert!(images > 3_000, "only {images} images");
    }
}

/// Goal: a restore that is cut anywhere leaves no store, or the whole copy.
#[test]
fn restore() {
    let mut run = Run::new(Kind::Single, 7, small_disk(7), options(Durability::Flushed)).unwrap();
    for op in [batch(0..12, Durability::Flushed), Op::Seal, Op::Delete { key: 3 }, set(9, 56)] {
        run.step(&op).unwrap();
    }
    let bytes = run.copy().unwrap();
    let disk = SimStorage::seeded(8);
    disk.record_points();
    store::restore(&disk, &bytes).unwrap();
    let (mut whole, mut none) = (0, 0);
    for point in disk.take_points() {
        for cut in (0..point.cuts()).filter(|cut| cut % 5 == 0 || cut + 1 == point.cuts()) {
            let seed = cut as u64;
            for loss in [Loss::Nothing, Loss::Everything, Loss::Garbage(seed), Loss::Random(seed)] {
                let image = point.at(cut).power_loss(loss);
                if image.files().iter().any(|(id, _)| id.kind == FileKind::Manifest) {
                    let fail = |t: Trouble| panic!("{} cut at {cut}: {}", point.describe(), t.what);
                    run.compare_copy(image).unwrap_or_else(fail);
                    whole += 1;
                } else {
                    let opened = run.compare_copy(image).unwrap_err().error.map(Error::into_kind);
                    let refused =
                        matches!(opened, Some(ErrorKind::NoStore | ErrorKind::Corrupt(_)));
                    assert!(refused, "{} cut at {cut}: {opened:?}", point.describe());
                    none += 1;
                }
            }
        }
    }
    assert!(whole >= 2 && none > 1_000, "{whole} images were whole, {none} no store");
}

/// Goal: none; whatever a random workload does, cut anywhere.
#[test]
fn random_workloads() {
    let palette = Palette { reopen: false, crash: false, clock: true, ttl: true };
    let mut images = 0;
    for seed in seeds(24) {
        let mut random = Random::new(seed);
        let ops: Vec<Op> = (0..40).map(|_| Op::random(&mut random, palette)).collect();
        images += enumerate("random_workloads", seed, small_disk(seed), small_options(seed), &ops);
    }
    assert!(images > 1_000, "only {images} images");
}
