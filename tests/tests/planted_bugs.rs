//! Tests of the tests: bugs planted on purpose, each of which the programme must report.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_tests::sim::Plant;
use siltdb_tests::simulation::Simulation;

const SEEDS: usize = 60;

/// How many of some seeds report a failure.
fn reports(plant: Plant, faults: bool) -> usize {
    let simulation = Simulation { ops: 300, faults, plant, log: false };
    (0..SEEDS).filter(|seed| simulation.run(*seed as u64).is_err()).count()
}

#[test]
fn a_missing_sync_is_reported() {
    let found = reports(Plant::MissingSync, false);
    assert!(found > SEEDS / 2, "only {found} of {SEEDS} seeds noticed");
}

#[test]
fn a_removal_before_the_publish_is_reported() {
    let found = reports(Plant::SwappedPublishRemove, true);
    assert!(found > 0, "no seed noticed");
}
