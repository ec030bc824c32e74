//! Seeded simulation: a random workload on a faulty disk, through many lives of the store.

use std::ops::Range;

use crate::check::{Depth, Outcome};
use crate::run::{Run, Stop};
use crate::sim::{CallKind, Faults, Loss, Plant, Random, mix};
use crate::store::Kind;
use crate::workload::{Op, Palette, small_disk, small_options};

/// How a simulated run is made, besides its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulation {
    /// The store under test.
    pub kind: Kind,
    /// Operations in all.
    pub ops: u64,
    /// Whether the disk fails; if not it still loses power.
    pub faults: bool,
    /// A bug planted in the disk.
    pub plant: Plant,
    /// Whether every operation is printed.
    pub log: bool,
}

impl Simulation {
    /// Runs one seed and gives a hash of every call, answer and image.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub fn run(&self, seed: u64) -> Result<u64, String> {
        let mut random = Random::new(seed);
        let options = small_options(seed);
        let mut run: Run =
            Run::unopened(self.kind, seed, crate::sim::SimStorage::new(small_disk(seed)), options);
        let result = self.lives(&mut random, &mut run);
        let trouble = |what: String| format!("life {}: {what}", run.opened);
        result.map_err(|t| trouble(t.what)).map(|()| run.trace)
    }

    fn lives(&self, random: &mut Random, run: &mut Run) -> Outcome {
        let lives = 1 + random.below(30);
        let palette = Palette { crash: false, ..Palette::ALL };
        run.storage.set_plant(self.plant);
        self.open(random, run, 0)?;
        for _ in 0..lives {
            let ops = self.ops / lives + 1;
            run.storage.set_faults(self.faults(random, ops * 4));
            for _ in 0..ops {
                let op = Op::random(random, palette);
                let result = run.step(&op);
                if self.log {
                    println!("{} {:?} {op:?}", run.storage.failures(), run.model.promise());
                }
                result?;
                if run.storage.is_dead() || !run.is_open() {
                    break;
                }
            }
            let stop = pick_stop(random, run.storage.is_dead());
            let least = run.stop(stop)?;
            if self.log {
                println!("{stop:?} {:?}", run.model.promise());
            }
            self.open(random, run, least)?;
            if random.one_in(3) {
                run.check(Depth::Full)?;
            }
        }
        let least = run.stop(Stop::Close)?;
        self.open(random, run, least)?;
        run.check(Depth::Full)
    }

    /// Opens the store: a few times on a disk that fails or a process that dies in it, at last
    /// on one that does not.
    fn open(&self, random: &mut Random, run: &mut Run, least: usize) -> Outcome {
        let mut least = least;
        for attempt in 0..4 {
            run.storage.set_plant(self.plant);
            if attempt < 3 && random.one_in(3) {
                run.storage.set_faults(self.faults(random, 40));
            } else {
                run.storage.set_faults(Faults::default());
            }
            if run.try_open()? && !run.storage.is_dead() {
                return run.settle(least);
            }
            let stop = pick_stop(random, true);
            least = least.min(run.stop(stop)?);
            if self.log {
                println!("again {stop:?} {:?}", run.model.promise());
            }
        }
        Err(String::from("the store does not open").into())
    }

    /// Faults for one life of about so many calls.
    fn faults(&self, random: &mut Random, calls: u64) -> Faults {
        let mut faults = Faults::default();
        if !self.faults || random.one_in(4) {
            return faults;
        }
        if random.one_in(2) {
            faults.die_at = Some(1 + random.below(calls));
        }
        for kind in CallKind::ALL {
            if random.one_in(4) {
                // Some kinds of call are a hundred times rarer than others: all sizes of rates.
                let span = 1 << random.below(12);
                faults = faults.rate(kind, 2 + random.below(span));
            }
        }
        if random.one_in(8) {
            faults.space = Some(random.below(60_000));
        }
        faults
    }
}

fn pick_stop(random: &mut Random, dead: bool) -> Stop {
    let seed = random.next_u64();
    match random.below(if dead { 8 } else { 12 }) {
        0..=2 => Stop::Death(seed),
        3 => Stop::Power(Loss::Everything),
        4 => Stop::Power(Loss::Nothing),
        5 => Stop::Power(Loss::Garbage(seed)),
        6 | 7 => Stop::Power(Loss::Random(mix(seed))),
        _ => Stop::Close,
    }
}

/// The seeds of a test: so many, times `SILT_SCALE`, from `SILT_FIRST` on; or, to replay it, the
/// one seed of `SILT_SEED`.
#[must_use]
pub fn seeds(count: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("SILT_SEED").or_else(|| number("SILT_FIRST")).unwrap_or(0);
    first..first + if number("SILT_SEED").is_some() { 1 } else { scaled(count) }
}

/// The line that replays a seed of a test.
#[must_use]
pub fn replay(program: &str, test: &str, seed: u64) -> String {
    format!("SILT_SEED={seed} cargo test -p siltdb-tests --test {program} {test}")
}

/// So many, times the environment's `SILT_SCALE` (a number, 1 by default).
#[must_use]
pub fn scaled(count: u64) -> u64 {
    let scale = std::env::var("SILT_SCALE").ok().and_then(|text| text.parse::<f64>().ok());
    ((count as f64 * scale.unwrap_or(1.0)) as u64).max(1)
}
