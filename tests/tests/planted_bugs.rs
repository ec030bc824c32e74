//! Tests of the tests: bugs planted on purpose, in the disk and in the reference store, each of
//! which the harness must report; and the reference store without one, which it must pass.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_core::store::Store;
use siltdb_tests::engine::Engine;
use siltdb_tests::reference::{Reference, bug};
use siltdb_tests::sim::{Plant, SimHost, SimStorage};
use siltdb_tests::simulation::Simulation;

const SEEDS: usize = 60;

/// How many of some seeds report a failure.
fn reports<E: Engine>(plant: Plant, faults: bool) -> usize {
    let simulation = Simulation { ops: 300, faults, plant, log: false };
    (0..SEEDS).filter(|seed| simulation.run::<E>(*seed as u64).is_err()).count()
}

fn reports_bug<const BUG: u8>() -> usize {
    reports::<Reference<BUG>>(Plant::None, true)
}

#[test]
fn the_reference_store_is_sound() {
    for faults in [false, true] {
        assert_eq!(reports::<Reference<{ bug::NONE }>>(Plant::None, faults), 0);
    }
}

#[test]
fn a_missing_sync_is_reported() {
    for found in [
        reports::<Reference<{ bug::NONE }>>(Plant::MissingSync, false),
        reports::<Store<SimStorage, SimHost>>(Plant::MissingSync, false),
    ] {
        assert!(found > SEEDS / 2, "only {found} of {SEEDS} seeds noticed");
    }
}

#[test]
fn a_removal_before_the_publish_is_reported() {
    let found = reports::<Reference<{ bug::NONE }>>(Plant::SwappedPublishRemove, true);
    assert!(found > 0, "no seed noticed");
}

#[test]
fn bugs_of_a_store_are_reported() {
    for (name, found) in [
        ("a dropped tombstone", reports_bug::<{ bug::DROPPED_TOMBSTONE }>()),
        ("a slot dropped too early", reports_bug::<{ bug::DROPPED_SLOT }>()),
        ("a torn batch", reports_bug::<{ bug::TORN_BATCH }>()),
        ("no poison", reports_bug::<{ bug::NO_POISON }>()),
        ("an unchecked tail", reports_bug::<{ bug::UNCHECKED_TAIL }>()),
        ("records that never expire", reports_bug::<{ bug::NEVER_EXPIRES }>()),
        ("a tail that is kept", reports_bug::<{ bug::TAIL_KEPT }>()),
        ("order by the clock", reports_bug::<{ bug::CLOCK_ORDER }>()),
        ("a view that moves", reports_bug::<{ bug::MOVING_VIEW }>()),
        ("conditions not looked at", reports_bug::<{ bug::CONDITION_SKIPPED }>()),
    ] {
        println!("{name}: {found} of {SEEDS} seeds");
        assert!(found > 0, "{name}: no seed noticed");
    }
}
