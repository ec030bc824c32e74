//! Seeded simulation (T3): random workloads, faults at random rates, clock jumps, and up to
//! thirty lives of the store a seed.
//!
//! A failing seed prints the line that replays it; `SILT_LOG=1` then shows every operation.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_tests::sim::Plant;
use siltdb_tests::simulation::{Simulation, replay, seeds};
use siltdb_tests::store::Kind;

/// Seeds that failed once: with faults, and with power losses only.
const FAILED_ONCE: &[(Kind, bool, u64)] = &[
    (Kind::Single, true, 0),
    (Kind::Single, true, 166),
    (Kind::Single, true, 205),
    (Kind::Single, false, 229),
];

fn run(test: &str, kind: Kind, faults: bool, seed: u64) -> u64 {
    let log = std::env::var_os("SILT_LOG").is_some();
    let simulation = Simulation { kind, ops: 1_000, faults, plant: Plant::None, log };
    simulation
        .run(seed)
        .unwrap_or_else(|what| panic!("{kind:?}, {what}\n{}", replay("simulation", test, seed)))
}

#[test]
fn faulty_disks() {
    for seed in seeds(400) {
        for kind in Kind::ALL {
            run("faulty_disks", kind, true, seed);
        }
    }
}

#[test]
fn power_losses_only() {
    for seed in seeds(400) {
        for kind in Kind::ALL {
            run("power_losses_only", kind, false, seed);
        }
    }
}

/// Equal seeds make equal runs, or a failing seed would be worth nothing.
#[test]
fn determinism() {
    let run = |seed| Kind::ALL.map(|kind| run("determinism", kind, true, seed));
    for seed in seeds(40) {
        assert_eq!(run(seed), run(seed), "seed {seed} ran two ways");
    }
    assert_ne!(run(1), run(2), "the trace does not depend on the run");
}

#[test]
fn seeds_that_failed_once() {
    for (kind, faults, seed) in FAILED_ONCE {
        run(if *faults { "faulty_disks" } else { "power_losses_only" }, *kind, *faults, *seed);
    }
}
