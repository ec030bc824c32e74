//! The phases, one after the other, each on a store that is fit for it.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use siltdb::{Durability, Options, Retention, ScanOptions};

use super::data::{Data, KEY_LEN, Random};
use super::measure::{Measured, Work, measure};
use super::place::Place;
use super::work::{AsOf, Get, Load, Put, RANGE_RECORDS, Reopen, Scan, Target};
use crate::output::Run;

/// Versions each key has in the store of the as-of reads.
pub const VERSIONS: u64 = 4;
/// Most keys of that store.
const HISTORY_KEYS_MAX: u64 = 50_000;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum What {
    /// Sets all keys in batches, flushed, with one sync at the end.
    Load,
    /// Sets new keys one by one, in each durability.
    Put,
    /// Reads the newest value of random keys.
    Get,
    /// Looks for random keys that are not there.
    Miss,
    /// Reads all records in key order.
    Scan,
    /// Reads 100 records in key order from a random key on.
    Range,
    /// Reads random keys as of one of four past moments.
    AsOf,
    /// Opens a closed store and reads one key.
    Reopen,
    /// Memory of the index, for each key.
    Memory,
}

impl What {
    /// The word for it, as it is asked for and printed.
    pub fn name(self) -> &'static str {
        match self {
            What::Load => "load",
            What::Put => "put",
            What::Get => "get",
            What::Miss => "miss",
            What::Scan => "scan",
            What::Range => "range",
            What::AsOf => "as-of",
            What::Reopen => "reopen",
            What::Memory => "memory",
        }
    }

    fn threaded(self) -> bool {
        matches!(self, What::Put | What::Get | What::Miss)
    }
}

/// One line of the result.
#[derive(Debug)]
pub struct Row {
    pub what: What,
    pub threads: usize,
    pub durability: Option<Durability>,
    pub measured: Measured,
}

/// Memory of a loaded store's index.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub keys: u64,
    pub index_bytes: u64,
}

/// What is to be measured, how and where.
pub struct Bench<'a> {
    pub place: &'a Place,
    pub data: Data,
    pub time: Duration,
    pub threads: Vec<usize>,
    pub only: Vec<What>,
    /// Told about each phase before it begins; a failure ends the run.
    pub begin: &'a dyn Fn(&str) -> Run<()>,
    pub rows: Vec<Row>,
    pub memory: Option<Memory>,
}

impl Bench<'_> {
    /// Measures everything asked for.
    pub fn run(&mut self) -> Run<()> {
        if self.wants(What::Put) {
            for durability in [Durability::Synced, Durability::Flushed, Durability::Buffered] {
                for threads in self.threads.clone() {
                    self.put(durability, threads)?;
                }
            }
        }
        let others = [
            What::Load,
            What::Get,
            What::Miss,
            What::Scan,
            What::Range,
            What::Reopen,
            What::Memory,
        ];
        if others.into_iter().any(|what| self.wants(what)) {
            self.reads()?;
        }
        if self.wants(What::AsOf) {
            self.as_of()?;
        }
        self.rows.sort_by_key(|row| row.what);
        Ok(())
    }

    fn wants(&self, what: What) -> bool {
        self.only.contains(&what)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn measure<W: Work + Send>(
        &mut self,
        what: What,
        durability: Option<Durability>,
        works: Vec<W>,
    ) -> Run<()> {
        let threads = works.len();
        let level = durability.map_or(String::new(), |d| format!(", {}", d.name()));
        (self.begin)(&match threads {
            1 => format!("{}{level}", what.name()),
            _ => format!("{}{level}, {threads} threads", what.name()),
        })?;
        // A load ends with its keys; it is not cut off.
        let time = if what == What::Load { Duration::MAX } else { self.time };
        let measured = measure(works, time)?;
        self.rows.push(Row { what, threads, durability, measured });
        Ok(())
    }

    /// Single puts, in a store of their own: how fast they are must not depend on the order of
    /// the phases.
    fn put(&mut self, durability: Durability, threads: usize) -> Run<()> {
        let name = format!("put-{}-{threads}", durability.name());
        let options = Options { durability, ..Options::default() };
        let target = Target::open(&self.dir(&name), options)?;
        let puts = (0..threads as u64).map(|thread| Put {
            target: target.clone(),
            data: self.data,
            next: thread,
            threads: threads as u64,
            key: [0; KEY_LEN],
            value: Vec::new(),
        });
        self.measure(What::Put, Some(durability), puts.collect())?;
        target.close()?;
        self.place.remove(&name)
    }

    fn load(&self, target: &Target, data: Data, version: u64) -> Load {
        Load { target: target.clone(), data, version, next: 0, values: Vec::new() }
    }

    /// The load, and all that reads what it left.
    fn reads(&mut self) -> Run<()> {
        let dir = self.dir("keys");
        let target = Target::open(&dir, Options::default())?;
        let load = self.load(&target, self.data, 0);
        self.measure(What::Load, Some(Durability::Flushed), vec![load])?;
        if !self.wants(What::Load) {
            self.rows.pop();
        }
        for what in [What::Get, What::Miss] {
            self.gets(what, &target)?;
        }
        for what in [What::Scan, What::Range] {
            self.scans(what, &target)?;
        }
        if self.wants(What::Memory) {
            let stats = target.store.stats().map_err(|e| target.failed(&e))?;
            self.memory = Some(Memory { keys: stats.keys, index_bytes: stats.index_bytes });
        }
        target.close()?;
        if self.wants(What::Reopen) {
            let random = Random::new(self.data.seed, 2);
            let (data, key, value) = (self.data, [0; KEY_LEN], Vec::new());
            let reopen = Reopen { dir, data, random, open: None, key, value };
            self.measure(What::Reopen, None, vec![reopen])?;
        }
        self.place.remove("keys")
    }

    fn gets(&mut self, what: What, target: &Target) -> Run<()> {
        if !self.wants(what) {
            return Ok(());
        }
        for threads in self.threads.clone() {
            let gets = (0..threads as u64).map(|thread| Get {
                target: target.clone(),
                data: self.data,
                random: Random::new(self.data.seed, thread),
                missing: what == What::Miss,
                key: [0; KEY_LEN],
                value: Vec::new(),
            });
            self.measure(what, None, gets.collect())?;
        }
        Ok(())
    }

    fn scans(&mut self, what: What, target: &Target) -> Run<()> {
        if !self.wants(what) {
            return Ok(());
        }
        let limit = (what == What::Range).then_some(RANGE_RECORDS);
        let options = ScanOptions { limit, ..ScanOptions::default() };
        let random = Random::new(self.data.seed, 1);
        let scan = Scan { target: target.clone(), data: self.data, random, options };
        self.measure(what, None, vec![scan])
    }

    fn as_of(&mut self) -> Run<()> {
        let options = Options { retention: Retention::Forever, ..Options::default() };
        let target = Target::open(&self.dir("history"), options)?;
        let data = Data { keys: self.data.keys.min(HISTORY_KEYS_MAX), ..self.data };
        let mut moments = Vec::new();
        (self.begin)("writing four versions of each key")?;
        for version in 0..VERSIONS {
            measure(vec![self.load(&target, data, version)], Duration::MAX)?;
            moments.push(target.store.last_seq());
        }
        let random = Random::new(data.seed, 3);
        let (key, value) = ([0; KEY_LEN], Vec::new());
        let reads = AsOf { target: target.clone(), data, random, moments, seq: 0, key, value };
        self.measure(What::AsOf, None, vec![reads])?;
        target.close()?;
        self.place.remove("history")
    }
}

/// How many phases there will be, for whoever shows progress.
pub fn phases(only: &[What], threads: usize) -> u64 {
    let rows = |what: &What| match what {
        What::Put => 3 * threads,
        What::Memory => 0,
        What::AsOf => 2,
        what if what.threaded() => threads,
        _ => 1,
    };
    only.iter().map(|what| rows(what) as u64).sum()
}
