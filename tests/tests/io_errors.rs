//! Fail-the-Nth (T4): for a set of workloads, every call of every kind fails, once or from then
//! on, with every error it may have; the store must say so, keep what it promised, and go on
//! after a reopen.
#![allow(clippy::unwrap_used, missing_docs)]

use siltdb_core::error::StorageErrorKind;
use siltdb_core::options::Options;
use siltdb_tests::check::{Depth, Outcome, Trouble};
use siltdb_tests::run::{Run, Stop};
use siltdb_tests::sim::{CallKind, Faults, Loss, Nth, Random, SimStorage, mix};
use siltdb_tests::simulation::{replay, seeds};
use siltdb_tests::store::Kind;
use siltdb_tests::workload::{Op, Palette, small_disk, small_options};

const ERRORS: [StorageErrorKind; 3] =
    [StorageErrorKind::Io, StorageErrorKind::OutOfSpace, StorageErrorKind::Denied];

struct Workload {
    kind: Kind,
    seed: u64,
    options: Options,
    ops: Vec<Op>,
}

impl Workload {
    fn new(kind: Kind, seed: u64) -> Self {
        let palette = Palette { crash: false, ..Palette::ALL };
        let mut random = Random::new(seed ^ 0x10E5);
        let mut ops: Vec<Op> = (0..45).map(|_| Op::random(&mut random, palette)).collect();
        // Every workload seals, compacts, reopens and reads everything at least once.
        let fixed = [Op::Seal, Op::Set { key: 3, value: 9 }, Op::Seal, Op::Compact, Op::Reopen];
        for (n, op) in fixed.into_iter().enumerate() {
            ops.insert(12 + 7 * n, op);
        }
        Self { kind, seed, options: small_options(seed), ops }
    }

    /// How many calls of each kind the workload makes when nothing fails.
    fn calls(&self) -> [u64; 10] {
        let mut run = Run::unopened(self.kind, self.seed, self.disk(), self.options.clone());
        run.carry_faults = true;
        run.open().unwrap();
        for op in &self.ops {
            run.step(op).unwrap_or_else(|trouble| panic!("seed {}: {}", self.seed, trouble.what));
        }
        CallKind::ALL.map(|kind| run.storage.calls_of(kind))
    }

    fn disk(&self) -> SimStorage {
        SimStorage::new(small_disk(self.seed))
    }

    /// Runs with one fault, then stops, opens on a sound disk, compares and lives on.
    fn run(&self, nth: Nth) -> Outcome<bool> {
        let mut run = Run::unopened(self.kind, self.seed, self.disk(), self.options.clone());
        run.storage.set_faults(Faults { nth: Some(nth), ..Faults::default() });
        run.carry_faults = true;
        let mut failed = !run.try_open()?;
        if failed {
            run.storage.set_faults(Faults::default());
            let least = run.stop(Stop::Death(nth.n))?;
            run.open()?;
            run.settle(least)?;
        }
        for op in &self.ops {
            failed |= run.storage.failures() > 0;
            run.step(op)?;
            failed |= !run.is_open();
        }
        run.check(Depth::Full)?;
        failed |= run.storage.failures() > 0;
        let seed = mix(self.seed ^ nth.n);
        let stops = [
            Stop::Death(seed),
            Stop::Power(Loss::Everything),
            Stop::Power(Loss::Random(seed)),
            Stop::Close,
        ];
        run.storage.set_faults(Faults::default());
        let least = run.stop(stops[nth.n as usize % 4])?;
        run.open()?;
        run.settle(least)?;
        for op in &self.ops[..10] {
            run.step(op)?;
        }
        run.check(Depth::Full)?;
        run.restart(Stop::Power(Loss::Everything))?;
        run.check(Depth::Light)?;
        Ok(failed)
    }
}

fn fail_every_call(test: &str, kinds: &[CallKind], workloads: u64) {
    let (mut runs, mut hits) = (0, 0);
    for (seed, kind) in seeds(workloads).flat_map(|seed| Kind::ALL.map(|kind| (seed, kind))) {
        let workload = Workload::new(kind, seed);
        let calls = workload.calls();
        for kind in kinds {
            for n in 1..=calls[*kind as usize] {
                for forever in [false, true] {
                    let error = ERRORS[(n as usize + seed as usize) % 3];
                    let nth = Nth { kind: Some(*kind), n, forever, error };
                    let fail = |trouble: Trouble| -> bool {
                        panic!(
                            "{kind:?}, {nth:?}: {}\n{}",
                            trouble.what,
                            replay("io_errors", test, seed)
                        )
                    };
                    hits += u64::from(workload.run(nth).unwrap_or_else(fail));
                    runs += 1;
                }
            }
        }
    }
    println!("{runs} runs, in {hits} of them the fault was met");
    assert!(runs > 0 && hits * 10 > runs * 9, "{hits} of {runs} runs met their fault");
}

#[test]
fn writes() {
    fail_every_call("writes", &[CallKind::Append, CallKind::Sync], 20);
}

#[test]
fn names() {
    use CallKind::{Create, Finish, Publish, Remove, Resume};
    fail_every_call("names", &[Create, Publish, Remove, Resume, Finish], 20);
}

#[test]
fn reads() {
    fail_every_call("reads", &[CallKind::Read, CallKind::Open, CallKind::List], 20);
}

/// Goal: a full disk stops writing, loses nothing, and writing goes on once there is space.
#[test]
fn out_of_space() {
    for (seed, kind) in seeds(60).flat_map(|seed| Kind::ALL.map(|kind| (seed, kind))) {
        let workload = Workload::new(kind, 1_000 + seed);
        for space in [0, 200, 1_000, 3_000, 6_000, 12_000] {
            let run = || -> Outcome {
                let mut run = Run::unopened(kind, seed, workload.disk(), workload.options.clone());
                run.open()?;
                run.storage.set_faults(Faults { space: Some(space), ..Faults::default() });
                for op in workload.ops.iter().filter(|op| **op != Op::Reopen) {
                    run.step(op)?;
                }
                run.check(Depth::Full)?;
                let least = run.stop(Stop::Death(seed))?;
                run.open()?;
                run.settle(least)?;
                for op in &workload.ops {
                    run.step(op)?;
                }
                run.check(Depth::Full)
            };
            run().unwrap_or_else(|t| {
                panic!(
                    "{kind:?}, {space} bytes: {}\n{}",
                    t.what,
                    replay("io_errors", "out_of_space", seed)
                )
            });
        }
    }
}
