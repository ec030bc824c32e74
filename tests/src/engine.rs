//! What the test programme asks of a store: the calls it makes, and the types they speak in.
//!
//! The programme is written against this trait and not against one store, so that it can be
//! tested itself: on the reference store, and on that store with bugs planted in it. A store is
//! put under test by implementing the trait, one line a call.

use siltdb_core::batch::Batch;
use siltdb_core::error::{Error, Result};
use siltdb_core::options::{Durability, Options, Retention};
use siltdb_core::storage::FileId;
use siltdb_core::store::Store;
use siltdb_core::view::View;

use crate::sim::{SimHost, SimReader, SimStorage};
pub use siltdb_core::types::{Change, Commit, Record, ScanOptions, Version};

/// A store under test.
pub trait Engine: Sized {
    /// A consistent read handle.
    type View: EngineView;

    /// Opens the store of this storage, or creates it.
    ///
    /// # Errors
    /// As every call below: what the store says.
    fn open(storage: SimStorage, host: SimHost, options: Options) -> Result<Self>;

    /// Closes the store cleanly. Dropping it is an unclean stop.
    ///
    /// # Errors
    /// Not all that was written is durable.
    fn close(self) -> Result<()>;

    /// The newest value of a key.
    ///
    /// # Errors
    /// What the store says.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// The newest record of a key.
    ///
    /// # Errors
    /// What the store says.
    fn get_record(&mut self, key: &[u8]) -> Result<Option<Record>>;

    /// Gives the newest value of a key to a function, without a copy where possible.
    ///
    /// # Errors
    /// What the store says.
    fn get_with<T>(&mut self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>>;

    /// Whether a key is live.
    ///
    /// # Errors
    /// What the store says.
    fn contains(&mut self, key: &[u8]) -> Result<bool>;

    /// The record of a key as of a moment.
    ///
    /// # Errors
    /// What the store says.
    fn get_as_of(&mut self, key: &[u8], seq: u64) -> Result<Option<Record>>;

    /// Sets one key.
    ///
    /// # Errors
    /// What the store says.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Commit>;

    /// Deletes one key.
    ///
    /// # Errors
    /// What the store says.
    fn delete(&mut self, key: &[u8]) -> Result<Commit>;

    /// Commits a batch.
    ///
    /// # Errors
    /// What the store says.
    fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Result<Commit>;

    /// Makes all that was written durable; gives the last durable sequence number.
    ///
    /// # Errors
    /// What the store says.
    fn sync(&mut self) -> Result<u64>;

    /// All records of a scan.
    ///
    /// # Errors
    /// What the store says.
    fn scan(&mut self, options: &ScanOptions) -> Result<Vec<Record>>;

    /// How many records a scan has.
    ///
    /// # Errors
    /// What the store says.
    fn count(&mut self, options: &ScanOptions) -> Result<u64>;

    /// How many keys are live.
    ///
    /// # Errors
    /// What the store says.
    fn len(&mut self) -> Result<u64>;

    /// Whether no key is live.
    ///
    /// # Errors
    /// What the store says.
    fn is_empty(&mut self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The versions of a key that are still held, newest first.
    ///
    /// # Errors
    /// What the store says.
    fn history(&mut self, key: &[u8]) -> Result<Vec<Version>>;

    /// The changes between two moments, in key order.
    ///
    /// # Errors
    /// What the store says.
    fn diff(&mut self, from: u64, to: u64, options: &ScanOptions) -> Result<Vec<Change>>;

    /// A view of now.
    ///
    /// # Errors
    /// What the store says.
    fn view(&mut self) -> Result<Self::View>;

    /// A view of a moment of the past.
    ///
    /// # Errors
    /// What the store says.
    fn view_as_of(&mut self, seq: u64) -> Result<Self::View>;

    /// Does what has come due: writes the buffer out, syncs what was flushed.
    ///
    /// # Errors
    /// What the store says.
    fn tick(&mut self) -> Result<()>;

    /// Seals the active segment.
    ///
    /// # Errors
    /// What the store says.
    fn seal(&mut self) -> Result<()>;

    /// Compacts all that is worth it.
    ///
    /// # Errors
    /// What the store says.
    fn compact(&mut self) -> Result<()>;

    /// Compacts about so many bytes.
    ///
    /// # Errors
    /// What the store says.
    fn compact_step(&mut self, bytes: u64) -> Result<()>;

    /// Loads about so many slots of the index.
    ///
    /// # Errors
    /// What the store says.
    fn load_index(&mut self, records: u64) -> Result<()>;

    /// Sequence number of the last commit.
    fn last_seq(&self) -> u64;

    /// The oldest moment that can be read.
    fn horizon(&self) -> u64;

    /// The retention rule.
    fn retention(&self) -> Retention;

    /// Changes the retention rule.
    ///
    /// # Errors
    /// What the store says.
    fn set_retention(&mut self, retention: Retention) -> Result<()>;

    /// The segment that writes go to, if any.
    ///
    /// # Errors
    /// What the store says.
    fn active_segment(&mut self) -> Result<Option<FileId>>;

    /// What is inconsistent in the store's own statistics, if it keeps any.
    ///
    /// # Errors
    /// What the store says.
    fn statistics_fault(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    /// A copy of the whole store as one file, and the sequence number it is of; `None` where the
    /// store makes none.
    ///
    /// # Errors
    /// What the store says.
    fn snapshot(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }

    /// Makes a store of a copy on an empty storage.
    ///
    /// # Errors
    /// What the store says.
    fn restore(storage: &SimStorage, snapshot: &[u8]) -> Result<()> {
        let _ = (storage, snapshot);
        Err(Error::Invalid("this store makes no copies"))
    }

    /// Verifies all files and gives those that are damaged; `None` where the store cannot.
    ///
    /// # Errors
    /// The verification itself failed.
    fn verify(storage: &SimStorage) -> Result<Option<Vec<FileId>>> {
        let _ = storage;
        Ok(None)
    }
}

/// The engine, as the test programme calls it.
impl Engine for Store<SimStorage, SimHost> {
    type View = View<SimReader>;

    fn open(storage: SimStorage, host: SimHost, options: Options) -> Result<Self> {
        Store::open(storage, host, options)
    }

    fn close(self) -> Result<()> {
        Store::close(self)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Store::get(self, key)
    }

    fn get_record(&mut self, key: &[u8]) -> Result<Option<Record>> {
        Store::get_record(self, key)
    }

    fn get_with<T>(&mut self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Store::get_with(self, key, read)
    }

    fn contains(&mut self, key: &[u8]) -> Result<bool> {
        Store::contains(self, key)
    }

    fn get_as_of(&mut self, key: &[u8], seq: u64) -> Result<Option<Record>> {
        Store::get_as_of(self, key, seq)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Commit> {
        Store::set(self, key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<Commit> {
        Store::delete(self, key)
    }

    fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        Store::write(self, batch, durability)
    }

    fn sync(&mut self) -> Result<u64> {
        Store::sync(self)
    }

    fn scan(&mut self, options: &ScanOptions) -> Result<Vec<Record>> {
        Store::scan(self, options)?.collect()
    }

    fn count(&mut self, options: &ScanOptions) -> Result<u64> {
        Store::count(self, options)
    }

    fn len(&mut self) -> Result<u64> {
        Store::len(self)
    }

    fn history(&mut self, key: &[u8]) -> Result<Vec<Version>> {
        Store::history(self, key)
    }

    fn diff(&mut self, from: u64, to: u64, options: &ScanOptions) -> Result<Vec<Change>> {
        Store::diff(self, from, to, options)?.collect()
    }

    fn view(&mut self) -> Result<Self::View> {
        Store::view(self)
    }

    fn view_as_of(&mut self, seq: u64) -> Result<Self::View> {
        Store::view_as_of(self, seq)
    }

    fn tick(&mut self) -> Result<()> {
        Store::tick(self)
    }

    fn seal(&mut self) -> Result<()> {
        Store::seal(self)
    }

    fn compact(&mut self) -> Result<()> {
        Store::compact(self, &mut |_| {}).map(|_| ())
    }

    fn compact_step(&mut self, bytes: u64) -> Result<()> {
        Store::compact_step(self, bytes).map(|_| ())
    }

    fn load_index(&mut self, records: u64) -> Result<()> {
        Store::load_index(self, records).map(|_| ())
    }

    fn last_seq(&self) -> u64 {
        Store::last_seq(self)
    }

    fn horizon(&self) -> u64 {
        Store::horizon(self)
    }

    fn retention(&self) -> Retention {
        Store::retention(self)
    }

    fn set_retention(&mut self, retention: Retention) -> Result<()> {
        Store::set_retention(self, retention)
    }

    fn active_segment(&mut self) -> Result<Option<FileId>> {
        let segments = Store::segments(self)?;
        let active = segments.iter().find(|segment| segment.state == "active");
        Ok(active.map(|segment| FileId::segment(segment.number)))
    }
}

impl EngineView for View<SimReader> {
    fn seq(&self) -> u64 {
        View::seq(self)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        View::get(self, key)
    }

    fn scan(&mut self, options: &ScanOptions) -> Result<Vec<Record>> {
        View::scan(self, options)?.collect()
    }
}

/// Whether the crash and fault tests run on the engine (`SILT_ENGINE=1`) or, by default, on the
/// reference store. The default becomes the engine once it passes them.
#[must_use]
pub fn engine_asked_for() -> bool {
    std::env::var_os("SILT_ENGINE").is_some()
}

/// A consistent read handle of a store under test.
pub trait EngineView {
    /// The moment it shows.
    fn seq(&self) -> u64;

    /// The record of a key.
    ///
    /// # Errors
    /// What the store says.
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>>;

    /// All records of a scan.
    ///
    /// # Errors
    /// What the store says.
    fn scan(&mut self, options: &ScanOptions) -> Result<Vec<Record>>;
}
