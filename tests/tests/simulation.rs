//! Seeded simulation (T3): random workloads, faults at random rates, clock jumps, and up to
//! thirty lives of the store a seed.
//!
//! A failing seed prints the line that replays it.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_tests::sim::Plant;
use siltdb_tests::simulation::{Simulation, scaled};

const FAULTY: Simulation = Simulation { ops: 1_000, faults: true, plant: Plant::None, log: false };
const LOSSY: Simulation = Simulation { ops: 1_000, faults: false, plant: Plant::None, log: false };

fn run(simulation: Simulation, seed: u64) -> u64 {
    simulation.run(seed).unwrap_or_else(|what| {
        panic!("{what}\nSILT_SEED={seed} cargo test -p siltdb-tests --test simulation replay")
    })
}

#[test]
fn faulty_disks() {
    for seed in 0..scaled(80) {
        run(FAULTY, seed);
    }
}

#[test]
fn power_losses_only() {
    for seed in 0..scaled(80) {
        run(LOSSY, 1_000_000 + seed);
    }
}

/// Equal seeds make equal runs, or a failing seed would be worth nothing.
#[test]
fn determinism() {
    for seed in 0..scaled(8) {
        assert_eq!(run(FAULTY, seed), run(FAULTY, seed), "seed {seed} ran two ways");
    }
    assert_ne!(run(FAULTY, 1), run(FAULTY, 2), "the trace does not depend on the run");
}

/// Runs the seed of the environment's `SILT_SEED`, or one that failed once.
#[test]
fn replay() {
    let seeds = std::env::var("SILT_SEED").ok().and_then(|text| text.parse().ok());
    for seed in seeds.into_iter().chain([8]) {
        let base = if seed < 1_000_000 { FAULTY } else { LOSSY };
        let simulation = Simulation { log: std::env::var_os("SILT_LOG").is_some(), ..base };
        let (first, second) = (run(simulation, seed), run(simulation, seed));
        println!("seed {seed} is fine; its trace is {first:016x}");
        assert_eq!(first, second, "seed {seed} ran two ways");
    }
}
