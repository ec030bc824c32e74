//! What is measured: writes, reads, and opening.

use std::path::{Path, PathBuf};

use siltdb::{Batch, Durability, Error, Options, ScanOptions, Store};

use super::data::{Data, KEY_LEN, Random};
use super::measure::Work;
use crate::output::{EXIT_CORRUPT, Failure, Run};

/// Most records in a batch of a load, and most bytes of values.
const BATCH_RECORDS_MAX: u64 = 1_000;
const BATCH_BYTES_MAX: u64 = 8 << 20;
/// Records a range scan reads.
pub const RANGE_RECORDS: u64 = 100;

/// An open store, and where it is.
#[derive(Debug, Clone)]
pub struct Target {
    pub store: Store,
    pub dir: PathBuf,
}

impl Target {
    /// Opens the store in `dir`, or makes it.
    pub fn open(dir: &Path, options: Options) -> Run<Self> {
        let store = Store::open(dir, options).map_err(|e| Failure::store(dir, &e))?;
        Ok(Self { store, dir: dir.to_owned() })
    }

    /// Closes the store for all that have it.
    pub fn close(self) -> Run<()> {
        self.store.close().map_err(|e| Failure::store(&self.dir, &e))
    }

    /// The failure line of the store's error.
    pub fn failed(&self, error: &Error) -> Failure {
        Failure::store(&self.dir, error)
    }

    fn wrong(&self, key: &[u8]) -> Failure {
        let key = String::from_utf8_lossy(key);
        let message = format!("key {key}: what is read is not what was written");
        Failure::new(EXIT_CORRUPT, "SILT_CORRUPT", message).at(self.dir.display().to_string())
    }
}

/// Records in a batch of a load.
pub fn batch_records(data: &Data) -> u64 {
    (BATCH_BYTES_MAX / (data.value_bytes as u64 + 1)).clamp(1, BATCH_RECORDS_MAX)
}

/// Sets all keys once, in batches, and syncs at the end.
pub struct Load {
    pub target: Target,
    pub data: Data,
    pub version: u64,
    pub next: u64,
    pub values: Vec<Vec<u8>>,
}

impl Work for Load {
    fn prepare(&mut self) -> Run<bool> {
        let left = (self.data.keys - self.next).min(batch_records(&self.data));
        self.values.resize(usize::try_from(left).unwrap_or(0), Vec::new());
        for (id, value) in (self.next..).zip(&mut self.values) {
            self.data.value(id, self.version, value);
        }
        Ok(left > 0)
    }

    fn step(&mut self) -> Run<u64> {
        let mut batch = Batch::new();
        for (id, value) in (self.next..).zip(&self.values) {
            batch.set(&self.data.key(id), value);
        }
        self.next += self.values.len() as u64;
        let store = &self.target.store;
        let mut done = store.write(&batch, Some(Durability::Flushed)).map(|_| ());
        if self.next == self.data.keys {
            done = done.and_then(|()| store.sync().map(|_| ()));
        }
        done.map_err(|e| self.target.failed(&e))?;
        Ok(self.values.len() as u64)
    }
}

/// Sets new keys one by one, with the durability of the store's options.
pub struct Put {
    pub target: Target,
    pub data: Data,
    pub next: u64,
    pub threads: u64,
    pub key: [u8; KEY_LEN],
    pub value: Vec<u8>,
}

impl Work for Put {
    fn prepare(&mut self) -> Run<bool> {
        self.key = self.data.key(self.next);
        self.data.value(self.next, 0, &mut self.value);
        self.next += self.threads;
        Ok(true)
    }

    fn step(&mut self) -> Run<u64> {
        let done = self.target.store.set(&self.key, &self.value);
        done.map(|_| 1).map_err(|e| self.target.failed(&e))
    }
}

/// Reads the newest values of random keys, those there are or others.
pub struct Get {
    pub target: Target,
    pub data: Data,
    pub random: Random,
    pub missing: bool,
    pub key: [u8; KEY_LEN],
    pub value: Vec<u8>,
}

impl Work for Get {
    fn prepare(&mut self) -> Run<bool> {
        let id = self.random.below(self.data.keys);
        if self.missing {
            self.key = self.data.key(self.data.keys + id);
        } else {
            self.key = self.data.key(id);
            self.data.value(id, 0, &mut self.value);
        }
        Ok(true)
    }

    fn step(&mut self) -> Run<u64> {
        let value = &self.value;
        let right = self.target.store.get_with(&self.key, |found| found == value.as_slice());
        match right.map_err(|e| self.target.failed(&e))? {
            Some(true) if !self.missing => Ok(1),
            None if self.missing => Ok(1),
            _ => Err(self.target.wrong(&self.key)),
        }
    }
}

/// Reads random keys as they were at one of several moments.
pub struct AsOf {
    pub target: Target,
    pub data: Data,
    pub random: Random,
    /// The moment after each version was written.
    pub moments: Vec<u64>,
    pub seq: u64,
    pub key: [u8; KEY_LEN],
    pub value: Vec<u8>,
}

impl Work for AsOf {
    fn prepare(&mut self) -> Run<bool> {
        let id = self.random.below(self.data.keys);
        let version = self.random.below(self.moments.len() as u64);
        self.seq = self.moments[usize::try_from(version).unwrap_or(0)];
        self.key = self.data.key(id);
        self.data.value(id, version, &mut self.value);
        Ok(true)
    }

    fn step(&mut self) -> Run<u64> {
        let found = self.target.store.get_as_of(&self.key, self.seq);
        match found.map_err(|e| self.target.failed(&e))? {
            Some(record) if record.value == self.value => Ok(1),
            _ => Err(self.target.wrong(&self.key)),
        }
    }
}

/// Reads records in key order: all of them, or some from a random key on.
pub struct Scan {
    pub target: Target,
    pub data: Data,
    pub random: Random,
    pub options: ScanOptions,
}

impl Work for Scan {
    fn prepare(&mut self) -> Run<bool> {
        if self.options.limit.is_some() {
            let id = self.random.below(self.data.keys);
            self.options.from = Some(self.data.key(id).to_vec());
        }
        Ok(true)
    }

    fn step(&mut self) -> Run<u64> {
        let failed = |e: &Error| self.target.failed(e);
        let (mut last, mut records) = (Vec::new(), 0);
        for record in self.target.store.scan(&self.options).map_err(|e| failed(&e))? {
            let record = record.map_err(|e| failed(&e))?;
            if record.key <= last || record.value.len() != self.data.value_bytes {
                return Err(self.target.wrong(&record.key));
            }
            last = record.key;
            records += 1;
        }
        let from_a_key = self.options.from.is_some();
        if records == 0 || (!from_a_key && records != self.data.keys) {
            return Err(self.target.wrong(&last));
        }
        Ok(records)
    }
}

/// Opens a store that was closed, and reads one key.
pub struct Reopen {
    pub dir: PathBuf,
    pub data: Data,
    pub random: Random,
    pub open: Option<Target>,
    pub key: [u8; KEY_LEN],
    pub value: Vec<u8>,
}

impl Work for Reopen {
    fn prepare(&mut self) -> Run<bool> {
        if let Some(target) = self.open.take() {
            target.close()?;
        }
        let id = self.random.below(self.data.keys);
        self.key = self.data.key(id);
        self.data.value(id, 0, &mut self.value);
        Ok(true)
    }

    fn step(&mut self) -> Run<u64> {
        let target = Target::open(&self.dir, Options::default())?;
        let found = target.store.get(&self.key).map_err(|e| target.failed(&e))?;
        if found.as_ref() != Some(&self.value) {
            return Err(target.wrong(&self.key));
        }
        self.open = Some(target);
        Ok(1)
    }
}
