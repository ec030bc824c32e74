//! Model test (T1): random calls of all kinds on a small store, every answer compared with the
//! model, reopening, compaction, sealing, crashes and clock jumps among them.
//!
//! A failure is shrunk to the fewest and smallest operations that still fail.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use siltdb_core::options::{Durability, Options};
use siltdb_tests::check::Depth;
use siltdb_tests::run::{Run, Stop};
use siltdb_tests::simulation::{replay, seeds};
use siltdb_tests::store::Kind;
use siltdb_tests::workload::{Op, Palette, Raw, small_disk, small_options};

/// Random workloads of one seed.
const CASES: u32 = 100;

fn case(seed: u64, options: Options, palette: Palette, raws: &[Raw]) -> Result<(), TestCaseError> {
    let kind = Kind::ALL[seed as usize % 3];
    let mut done = Vec::new();
    let fail = |done: &[Op], what: String| {
        let last = done.len().saturating_sub(40);
        TestCaseError::fail(format!(
            "{what}\n{kind:?}, seed {seed}, last operations: {:#?}",
            &done[last..]
        ))
    };
    let mut run =
        Run::new(kind, seed, small_disk(seed), options).map_err(|t| fail(&done, t.what))?;
    for raw in raws {
        let op = Op::from_raw(*raw, palette);
        done.push(op.clone());
        run.step(&op).map_err(|trouble| fail(&done, trouble.what))?;
    }
    let end = |run: &mut Run| {
        run.check(Depth::Full)?;
        run.restart(Stop::Close)?;
        run.check(Depth::Full)
    };
    end(&mut run).map_err(|trouble| fail(&done, format!("at the end: {}", trouble.what)))
}

/// Runs cases of each of some seeds.
fn cases(test: &str, count: u64, palette: Palette, adjust: fn(u64) -> Options) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    for seed in seeds(count) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let raws = prop::collection::vec(any::<Raw>(), 1..400);
        TestRunner::new_with_rng(config.clone(), random)
            .run(&(0_u64..1 << 32, raws), |(seed, raws)| case(seed, adjust(seed), palette, &raws))
            .unwrap_or_else(|e| panic!("{e}\n{}", replay("model", test, seed)));
    }
}

#[test]
fn all_calls() {
    cases("all_calls", 20, Palette::ALL, small_options);
}

#[test]
fn all_calls_without_crashes() {
    let palette = Palette { crash: false, clock: false, ..Palette::ALL };
    cases("all_calls_without_crashes", 10, palette, small_options);
}

/// Every key shares its hash with others: answers must stay right.
#[test]
fn colliding_hashes() {
    let colliding = |seed| Options { hash_bits: 1 + (seed % 8) as u8, ..small_options(seed) };
    cases("colliding_hashes", 8, Palette::ALL, colliding);
}

#[test]
fn write_buffer() {
    let buffered = |seed| Options { durability: Durability::Buffered, ..small_options(seed) };
    cases("write_buffer", 6, Palette::ALL, buffered);
}
