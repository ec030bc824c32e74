//! What commands read and write before it is committed.
//!
//! Every command works on a [`Txn`]: it sees the store and what was written before it, and what it
//! writes is kept until the connection commits. So the writes of a pipeline share a commit, and
//! EXEC is nothing special. Whatever a write depends on (the value that INCR adds to, the key that
//! SETNX found absent) becomes a condition of the batch; if it no longer holds, the commands are
//! run again.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use siltdb_core::batch::check_key;
use siltdb_core::{Batch, Condition, Error, ErrorKind, Operation, Record};

use super::reply::Trouble;
use crate::Store;
use crate::server::budget::Held;
use crate::server::deletes::Deletes;
use crate::server::error::Failure;
use crate::server::limits;

/// Up to so many keys are looked through one by one.
const FEW: usize = 16;

/// A value with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The moment it expires, in microseconds since 1970.
    pub expires: Option<u64>,
}

/// What is known of a key.
#[derive(Debug)]
struct Entry {
    key: Vec<u8>,
    /// The sequence number that was read, 0 for none; the commit depends on it.
    seen: Option<u64>,
    /// What is to be written: `Some(None)` deletes.
    write: Option<Option<Value>>,
}

/// Reads and writes on the way to a commit.
#[derive(Debug)]
pub struct Txn {
    store: Store,
    entries: Vec<Entry>,
    /// Places of the keys in `entries`, once there are more than a few.
    places: HashMap<Vec<u8>, usize, foldhash::fast::RandomState>,
    writes: usize,
    bytes: usize,
    /// Bytes of the values that are to be written.
    values: usize,
    /// Why it cannot be committed: they are too many.
    too_large: Option<Error>,
    /// The memory of all keys of the store, where all are to be deleted.
    flushed: Option<Held>,
    value_len_max: usize,
    /// Every read becomes a condition: all is to happen at one moment.
    is_strict: bool,
    now_us: Option<u64>,
}

impl Txn {
    /// Nothing read and nothing written yet.
    pub fn new(store: Store, value_len_max: usize) -> Self {
        Self {
            store,
            entries: Vec::new(),
            places: HashMap::default(),
            writes: 0,
            bytes: 0,
            values: 0,
            too_large: None,
            flushed: None,
            value_len_max,
            is_strict: false,
            now_us: None,
        }
    }

    /// Forgets everything. From here on every read becomes a condition, or only those that a write
    /// depends on.
    pub fn reset(&mut self, is_strict: bool) {
        self.entries.clear();
        self.places.clear();
        (self.writes, self.bytes, self.values, self.now_us) = (0, 0, 0, None);
        (self.too_large, self.flushed) = (None, None);
        self.is_strict = is_strict;
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether anything is to be written.
    pub fn has_writes(&self) -> bool {
        self.writes > 0
    }

    /// Memory of what is to be written, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many keys are known.
    pub fn known(&self) -> usize {
        self.entries.len()
    }

    /// The clock, in microseconds since 1970, the same until the next [`Txn::reset`].
    pub fn now_us(&mut self) -> u64 {
        *self.now_us.get_or_insert_with(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
        })
    }

    /// The clock in milliseconds.
    pub fn now_ms(&mut self) -> i64 {
        i64::try_from(self.now_us() / 1_000).unwrap_or(i64::MAX)
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        if self.entries.len() <= FEW {
            return self.entries.iter().position(|entry| entry.key == key);
        }
        self.places.get(key).copied()
    }

    fn add(&mut self, entry: Entry) -> usize {
        self.bytes += entry.key.len() + 64;
        self.entries.push(entry);
        let place = self.entries.len() - 1;
        if place == FEW {
            let all = self.entries.iter().enumerate();
            self.places.extend(all.map(|(place, entry)| (entry.key.clone(), place)));
        } else if place > FEW {
            self.places.insert(self.entries[place].key.clone(), place);
        }
        place
    }

    /// What was written to the key here, if anything: `Some(None)` when it was deleted.
    fn written(&mut self, key: &[u8]) -> Option<Option<&Value>> {
        if self.writes == 0 {
            return None;
        }
        let place = self.find(key)?;
        self.entries[place].write.as_ref()?;
        let now = self.now_us();
        let written = self.entries[place].write.as_ref()?.as_ref();
        Some(written.filter(|value| value.expires.is_none_or(|expires| expires > now)))
    }

    /// The key is read: its sequence number becomes a condition, if one of it is not there yet.
    fn depend(&mut self, key: &[u8], seq: u64) {
        match self.find(key) {
            // What was written without looking depends on nothing.
            Some(place) => {
                let entry = &mut self.entries[place];
                if entry.write.is_none() {
                    entry.seen.get_or_insert(seq);
                }
            }
            None => {
                self.add(Entry { key: key.to_vec(), seen: Some(seq), write: None });
            }
        }
    }

    /// Whether reads become conditions: where they are part of one moment, or come after a write
    /// of the same pipeline, which they must not overtake.
    fn is_bound(&self) -> bool {
        self.is_strict || self.writes > 0
    }

    /// Gives `read` the value of a key.
    ///
    /// # Errors
    /// What the store says.
    pub fn read<T>(
        &mut self,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Trouble> {
        if let Some(written) = self.written(key) {
            return Ok(written.map(|value| read(&value.bytes)));
        }
        if !self.is_bound() {
            return Ok(self.store.get_with(key, read)?);
        }
        let record = self.store.get_record(key)?;
        self.depend(key, record.as_ref().map_or(0, |record| record.seq));
        Ok(record.map(|record| read(&record.value)))
    }

    /// The value of a key with its end.
    ///
    /// # Errors
    /// What the store says.
    pub fn value(&mut self, key: &[u8]) -> Result<Option<Value>, Trouble> {
        self.look(key, self.is_bound())
    }

    /// As [`Txn::value`], for a command whose writes follow from it.
    ///
    /// # Errors
    /// What the store says.
    pub fn value_to_change(&mut self, key: &[u8]) -> Result<Option<Value>, Trouble> {
        self.look(key, true)
    }

    fn look(&mut self, key: &[u8], depend: bool) -> Result<Option<Value>, Trouble> {
        if let Some(written) = self.written(key) {
            return Ok(written.cloned());
        }
        let record = self.store.get_record(key)?;
        if depend {
            self.depend(key, record.as_ref().map_or(0, |record| record.seq));
        }
        Ok(record.map(|Record { value, expires, .. }| Value { bytes: value, expires }))
    }

    /// Asks that a key still has this sequence number when all is committed, 0 for none.
    pub fn require(&mut self, key: &[u8], seq: u64) {
        if self.find(key).is_none() {
            self.add(Entry { key: key.to_vec(), seen: Some(seq), write: None });
        }
    }

    /// Sets a key.
    ///
    /// # Errors
    /// The key or the value is too long.
    pub fn set(&mut self, key: &[u8], bytes: Vec<u8>, expires: Option<u64>) -> Result<(), Trouble> {
        check_key(key)?;
        if bytes.len() > self.value_len_max {
            let text = "string exceeds maximum allowed size (proto-max-bulk-len)";
            return Err(Trouble::err(text));
        }
        self.bytes += bytes.len();
        let value = Value { bytes, expires };
        if expires.is_some_and(|expires| expires <= self.now_us()) {
            // It is over as it begins.
            return self.delete(key);
        }
        self.put(key, Some(value))
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// The key is too long.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), Trouble> {
        check_key(key)?;
        self.put(key, None)
    }

    /// Deletes all keys: these of the store, and those that were written here.
    ///
    /// # Errors
    /// As [`Txn::delete`].
    pub fn flush(&mut self, deletes: Deletes) -> Result<(), Trouble> {
        for entry in self.entries.iter_mut().filter(|entry| entry.write.is_some()) {
            entry.write = Some(None);
        }
        self.values = 0;
        for operation in deletes.batch.operations() {
            self.put(&operation.key, None)?;
        }
        self.flushed = Some(deletes.held);
        Ok(())
    }

    fn put(&mut self, key: &[u8], write: Option<Value>) -> Result<(), Trouble> {
        let place = match self.find(key) {
            Some(place) => place,
            None => self.add(Entry { key: key.to_vec(), seen: None, write: None }),
        };
        let entry = &mut self.entries[place];
        let len = |value: Option<&Value>| value.map_or(0, |value| value.bytes.len());
        let old = len(entry.write.as_ref().and_then(Option::as_ref));
        // A short request may make a long value: they must not pile up until they are committed.
        let (size, max) = (
            self.values - old + len(write.as_ref()),
            limits::BATCH_BYTES_MAX.max(self.value_len_max),
        );
        if size > max {
            let error = Error::from(ErrorKind::BatchTooLarge { size, max });
            self.too_large = Some(error.clone());
            return Err(error.into());
        }
        self.values = size;
        self.writes += usize::from(entry.write.is_none());
        entry.write = Some(write);
        Ok(())
    }

    /// What was written here, for commands that look at many keys: `None` for a deleted one.
    pub fn writes(&self) -> impl Iterator<Item = (&[u8], Option<&Value>)> {
        let all = self.entries.iter();
        all.filter_map(|entry| Some((entry.key.as_slice(), entry.write.as_ref()?.as_ref())))
    }

    /// Whether the commit depends on nothing.
    pub fn is_plain(&self) -> bool {
        self.entries.iter().all(|entry| entry.seen.is_none())
    }

    /// Whether anything it depends on has changed; without writes that is all there is to commit.
    ///
    /// # Errors
    /// What the store says.
    pub fn has_changed(&self) -> Result<bool, Failure> {
        for entry in &self.entries {
            let Some(seen) = entry.seen else { continue };
            if seq_of(&self.store, &entry.key)? != seen {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why it cannot be committed, if it cannot.
    pub fn too_large(&self) -> Option<&Error> {
        self.too_large.as_ref()
    }

    /// The memory of the keys of the store, if all are to be deleted.
    pub fn take_flushed(&mut self) -> Option<Held> {
        self.flushed.take()
    }

    /// Moves what is to be written, with its conditions, to the end of a batch.
    pub fn take(&mut self, batch: &mut Batch) {
        for entry in self.entries.drain(..) {
            let condition = entry.seen.map(condition);
            match (entry.write, condition) {
                (Some(write), condition) => {
                    let (value, expires) =
                        write.map_or((None, None), |value| (Some(value.bytes), value.expires));
                    batch.push(Operation { key: entry.key, value, expires, condition });
                }
                (None, Some(condition)) => {
                    batch.require(&entry.key, condition);
                }
                (None, None) => {}
            }
        }
        self.reset(self.is_strict);
    }
}

/// The sequence number of a key's record, 0 for none.
///
/// # Errors
/// What the store says.
pub fn seq_of(store: &Store, key: &[u8]) -> Result<u64, Failure> {
    Ok(store.get_record(key)?.map_or(0, |record| record.seq))
}

/// That a key has a sequence number, 0 for none.
fn condition(seq: u64) -> Condition {
    if seq == 0 { Condition::Absent } else { Condition::SeqIs(seq) }
}
