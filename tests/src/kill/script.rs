//! What the children of one series do, and with which options.

use siltdb_core::batch::{Batch, Operation};
use siltdb_core::options::{CompactionOptions, Durability, Options, Retention};

use crate::sim::{Random, mix};

/// How long after the start of a life its short-lived records expire, at most.
pub(super) const SHORT_US: u64 = 40_000;
/// Long after any test.
const LONG_US: u64 = 3_600_000_000;

/// A series of lives on one directory.
#[derive(Debug, Clone)]
pub struct Series {
    /// All else follows from it.
    pub seed: u64,
    /// How many threads write.
    pub threads: u64,
    /// Options of the store.
    pub options: Options,
    keys: u64,
    levels: &'static [Option<Durability>],
}

/// One step of a thread.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Commits operations, at this level if one is given.
    Write(Batch, Option<Durability>),
    /// Syncs all that was written before.
    Sync,
    /// Compacts all that is worth it.
    Compact,
}

impl Series {
    /// The series of this seed; `levels` are the durabilities its writes ask for.
    #[must_use]
    pub fn new(seed: u64, levels: &'static [Option<Durability>]) -> Self {
        let mut random = Random::new(mix(seed));
        let mut pick = |of: &[u64]| of[random.index(of.len())];
        let retentions = [
            Retention::Latest,
            Retention::Forever,
            Retention::Versions { count: 3 },
            Retention::Age { us: 30_000 },
        ];
        let compaction = CompactionOptions {
            auto: true,
            dead_ratio: 0.1,
            dead_bytes_min: 1,
            tier_count: pick(&[2, 3, 4]) as usize,
            tier_factor: 2,
            tier_bytes_min: pick(&[4096, 16 << 10]),
            input_bytes_max: 2 << 30,
        };
        let options = Options {
            segment_bytes: pick(&[4096, 8192, 32 << 10]),
            seal_on_close_bytes: pick(&[1, 4096, 1 << 20]),
            sync_interval_ms: pick(&[1, 5, 250]),
            buffer_bytes_max: pick(&[512, 4096, 64 << 10]) as usize,
            buffer_ms_max: pick(&[1, 10, 1000]),
            hash_bits: pick(&[64, 64, 8]) as u8,
            compaction,
            retention: retentions[seed as usize % 4],
            ..Options::default()
        };
        let (threads, keys) = (pick(&[1, 2, 4]), pick(&[10, 40, 150]));
        Self { seed, threads, options, keys, levels }
    }

    /// Keys of a thread begin with this.
    #[must_use]
    pub fn prefix(thread: u64) -> Vec<u8> {
        format!("t{thread}-").into_bytes()
    }

    /// The keys that a thread always writes together, with one value.
    #[must_use]
    pub fn together(thread: u64) -> Vec<Vec<u8>> {
        (0..5).map(|i| format!("t{thread}-together{i}").into_bytes()).collect()
    }
}

/// The steps of one thread in one life, without end.
#[derive(Debug)]
pub struct Script {
    series: Series,
    random: Random,
    life: u64,
    thread: u64,
    step: u64,
    base_us: u64,
}

impl Script {
    /// The steps of `thread` in a life that starts at `base_us`.
    #[must_use]
    pub fn new(series: &Series, life: u64, thread: u64, base_us: u64) -> Self {
        let random = Random::new(mix(series.seed) ^ mix(life << 8 | thread));
        Self { series: series.clone(), random, life, thread, step: 0, base_us }
    }

    /// The next step.
    pub fn step(&mut self) -> Act {
        self.step += 1;
        let mut batch = Batch::new();
        match self.random.below(100) {
            0..40 => self.set(&mut batch),
            40..55 => {
                batch.delete(&self.key());
            }
            55..75 => {
                for _ in 0..2 + self.random.below(6) {
                    if self.random.one_in(3) {
                        batch.delete(&self.key());
                    } else {
                        self.set(&mut batch);
                    }
                }
            }
            75..85 => {
                let value = self.value(0);
                for key in Series::together(self.thread) {
                    batch.set(&key, &value);
                }
            }
            // As an import does: many records of its own in one batch.
            85..92 => {
                let first = self.random.below(400);
                for i in first..first + 20 + self.random.below(60) {
                    let value = self.value(i);
                    batch.set(format!("t{}-load{i:04}", self.thread).as_bytes(), &value);
                }
            }
            92..98 => return Act::Sync,
            _ => return Act::Compact,
        }
        let level = self.series.levels[self.random.index(self.series.levels.len())];
        Act::Write(batch, level)
    }

    fn key(&mut self) -> Vec<u8> {
        format!("t{}-{:04}", self.thread, self.random.below(self.series.keys)).into_bytes()
    }

    /// No two values are alike.
    fn value(&mut self, n: u64) -> Vec<u8> {
        let mut value =
            format!("life {} thread {} step {} {n};", self.life, self.thread, self.step)
                .into_bytes();
        let len = match self.random.below(40) {
            0 => 4_000 + self.random.index(3_000),
            1..10 => 0,
            _ => self.random.index(150),
        };
        value.resize(value.len() + len, b'a' + (self.step % 26) as u8);
        value
    }

    fn set(&mut self, batch: &mut Batch) {
        let expires = match self.random.below(20) {
            0 => Some(self.base_us + LONG_US),
            1 => Some(self.base_us + self.random.below(SHORT_US)),
            _ => None,
        };
        let (key, value) = (self.key(), Some(self.value(batch.len() as u64)));
        batch.push(Operation { key, value, expires, condition: None });
    }
}
