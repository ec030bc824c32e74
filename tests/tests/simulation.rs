//! Seeded simulation (T3): random workloads, faults at random rates, clock jumps, and up to
//! thirty lives of the store a seed.
//!
//! A failing seed prints the line that replays it; `SILT_LOG=1` then shows every operation.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_tests::sim::Plant;
use siltdb_tests::simulation::{Simulation, replay, seeds};

/// Seeds that failed once: with faults, and with power losses only.
const FAILED_ONCE: &[(bool, u64)] = &[(true, 0), (true, 166), (true, 205), (false, 229)];

fn run(test: &str, faults: bool, seed: u64) -> u64 {
    let log = std::env::var_os("SILT_LOG").is_some();
    let simulation = Simulation { ops: 1_000, faults, plant: Plant::None, log };
    simulation
        .run(seed)
        .unwrap_or_else(|what| panic!("{what}\n{}", replay("simulation", test, seed)))
}

#[test]
fn faulty_disks() {
    for seed in seeds(1_000) {
        run("faulty_disks", true, seed);
    }
}

#[test]
fn power_losses_only() {
    for seed in seeds(1_000) {
        run("power_losses_only", false, seed);
    }
}

/// Equal seeds make equal runs, or a failing seed would be worth nothing.
#[test]
fn determinism() {
    let run = |seed| run("determinism", true, seed);
    for seed in seeds(100) {
        assert_eq!(run(seed), run(seed), "seed {seed} ran two ways");
    }
    assert_ne!(run(1), run(2), "the trace does not depend on the run");
}

#[test]
fn seeds_that_failed_once() {
    for (faults, seed) in FAILED_ONCE {
        run(if *faults { "faulty_disks" } else { "power_losses_only" }, *faults, *seed);
    }
}
