//! Tests of the tests: bugs planted on purpose, in the engine and in the disk, each of which the
//! programme must report within so many seeds, while it passes the engine without them.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_core::planted::{Bug, plant};
use siltdb_tests::sim::Plant;
use siltdb_tests::simulation::Simulation;
use siltdb_tests::store::Kind;

/// Seeds that are tried until one reports a bug.
const SEEDS: u64 = 400;

/// The first seed that reports a failure, with faults and without, and what it reports.
fn reported(bug: Option<Bug>, in_disk: Plant, seeds: u64) -> Option<(u64, String)> {
    plant(bug);
    let found = (0..seeds).find_map(|seed| {
        let simulation = |faults| Simulation {
            kind: Kind::Single,
            ops: 300,
            faults,
            plant: in_disk,
            log: false,
        };
        let result = simulation(false).run(seed).and_then(|_| simulation(true).run(seed));
        result.err().map(|what| (seed, what))
    });
    plant(None);
    found
}

#[test]
fn without_a_bug_nothing_is_reported() {
    assert_eq!(reported(None, Plant::None, 60), None);
}

#[test]
fn bugs_of_the_engine_are_reported() {
    for bug in Bug::ALL {
        let found = reported(Some(bug), Plant::None, SEEDS);
        let (seed, what) = found.unwrap_or_else(|| panic!("{bug:?}: no seed of {SEEDS} noticed"));
        println!("{bug:?}: seed {seed}: {}", what.lines().next().unwrap_or_default());
    }
}

#[test]
fn bugs_of_the_disk_are_reported() {
    for bug in [Plant::MissingSync, Plant::SwappedPublishRemove] {
        let found = reported(None, bug, SEEDS);
        let (seed, what) = found.unwrap_or_else(|| panic!("{bug:?}: no seed of {SEEDS} noticed"));
        println!("{bug:?}: seed {seed}: {}", what.lines().next().unwrap_or_default());
    }
}
