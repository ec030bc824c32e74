//! Runs a workload on a store over a simulated disk, beside the model.
//!
//! Every answer is compared as it comes. After a crash the reopened store must equal the model
//! at some edge, at least the last one promised; the run goes on from there.

mod read;
mod restart;
mod write;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::host::Host;
use siltdb_core::options::Options;
use siltdb_core::storage::FileId;

use crate::check::{Depth, Outcome, Trouble, ok, wrong};
use crate::model::Model;
use crate::sim::{Loss, SimHost, SimOptions, SimStorage};
use crate::store::{Kind, SimStore, SimView};
use crate::workload::{Op, key, value};
pub use read::frame_at;

/// How a store stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It was closed.
    Close,
    /// The process died.
    Death(u64),
    /// The power failed.
    Power(Loss),
}

/// A store with its disk, its host and its model.
pub struct Run {
    /// The store under test.
    pub kind: Kind,
    /// The disk. A crash replaces it by an image of itself.
    pub storage: SimStorage,
    /// The host.
    pub host: SimHost,
    /// What the store is opened with.
    pub options: Options,
    /// What it should hold.
    pub model: Model,
    /// Calls of storage and stops so far, hashed.
    pub trace: u64,
    /// How many times the store was opened.
    pub opened: u64,
    /// Whether faults and their counts go on when the disk is replaced by its image.
    pub carry_faults: bool,
    store: Option<SimStore>,
    /// Views, each with the moment at which it judges expiry.
    views: Vec<(SimView, u64)>,
    /// A commit that failed: it may be found after a reopen, or never.
    doubt: bool,
    /// First edge that waits in the write buffer.
    buffered_from: Option<usize>,
    /// The furthest the clock ever stood.
    clock_max: u64,
}

impl Run {
    /// A new store on a new disk.
    ///
    /// # Errors
    /// It could not be created.
    pub fn new(kind: Kind, seed: u64, disk: SimOptions, options: Options) -> Outcome<Self> {
        let mut run = Self::unopened(kind, seed, SimStorage::new(disk), options);
        run.open()?;
        Ok(run)
    }

    /// A run whose store is not open yet.
    #[must_use]
    pub fn unopened(kind: Kind, seed: u64, storage: SimStorage, options: Options) -> Self {
        Self {
            kind,
            storage,
            host: SimHost::new(seed),
            model: Model::new(options.retention),
            options,
            trace: 0,
            opened: 0,
            carry_faults: false,
            store: None,
            views: Vec::new(),
            doubt: false,
            buffered_from: None,
            clock_max: 0,
        }
    }

    /// Opens the store without looking at what it holds.
    ///
    /// # Errors
    /// The store's, in words.
    pub fn open(&mut self) -> Outcome {
        if !self.try_open()? {
            wrong!("open failed, as a fault of the disk explains");
        }
        Ok(())
    }

    /// Opens the store, or gives false when a fault of the disk explains that it did not open.
    ///
    /// # Errors
    /// An error that no fault explains.
    pub fn try_open(&mut self) -> Outcome<bool> {
        self.tick_clock();
        if self.opened % 3 == 1 {
            self.verify_image()?;
        }
        let failures = self.storage.failures();
        let store = SimStore::open(
            self.kind,
            self.storage.clone(),
            self.host.clone(),
            self.options.clone(),
        );
        match ok("open", store) {
            Ok(store) => {
                self.store = Some(store);
                self.opened += 1;
                Ok(true)
            }
            Err(trouble) => self.excuse(Err(trouble), failures).map(|()| false),
        }
    }

    /// The segment that writes go to.
    ///
    /// # Errors
    /// The store's.
    pub fn active_segment(&mut self) -> Outcome<Option<FileId>> {
        let Some(store) = self.store.as_mut() else { return Ok(None) };
        ok("active_segment", store.active_segment())
    }

    /// Whether a store is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.store.is_some()
    }

    /// Runs one operation and compares what it gives.
    ///
    /// # Errors
    /// The first answer that is wrong, and every error that no fault explains.
    pub fn step(&mut self, op: &Op) -> Outcome {
        self.tick_clock();
        self.model.compacts(self.clock_max);
        let failures = self.storage.failures();
        let result = catch_unwind(AssertUnwindSafe(|| self.try_step(op)));
        let result = result.unwrap_or_else(|panic| Err(panicked(&*panic)));
        if self.store.as_ref().is_none_or(|store| store.buffered_bytes() == 0) {
            self.buffered_from = None;
        }
        self.excuse(result, failures)
    }

    /// Lets an error pass that a fault of the disk explains: one in this step, or for
    /// `Poisoned` an earlier one.
    fn excuse(&self, result: Outcome, failures: u64) -> Outcome {
        match result.as_ref().map_err(|trouble| trouble.error.as_ref().map(Error::kind)) {
            Err(Some(ErrorKind::Storage(_))) if self.storage.failures() > failures => Ok(()),
            Err(Some(ErrorKind::Poisoned)) if self.storage.failures() > 0 => Ok(()),
            _ => result,
        }
    }

    fn try_step(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Set { key: k, value: v } => self.set(&key(*k), &value(*v)),
            Op::Delete { key: k } => self.delete(&key(*k)),
            Op::Write { batch, durability } => self.write_ops(batch, *durability),
            Op::Sync => self.sync(),
            Op::Tick => self.simple("tick", SimStore::tick),
            Op::Seal => self.simple("seal", SimStore::seal),
            Op::Compact => self.simple("compact", SimStore::compact),
            Op::CompactStep(bytes) => {
                self.simple("compact_step", |store| store.compact_step(*bytes))
            }
            Op::LoadIndex(records) => self.simple("load_index", |store| store.load_index(*records)),
            Op::Get { key: k, back } => self.get(&key(*k), *back),
            Op::Scan(scan) => self.scan(scan),
            Op::Diff { from, to, scan } => self.diff(*from, *to, scan),
            Op::CheckAll => self.check(Depth::Full),
            Op::TakeView { back } => self.take_view(*back),
            Op::DropView => self.drop_view(),
            Op::SetRetention(n) => self.set_retention(*n),
            Op::Advance(us) => {
                self.host.advance(*us);
                Ok(())
            }
            Op::Rewind(us) => {
                self.host.set(self.host.now_us().saturating_sub(*us));
                Ok(())
            }
            Op::Freeze(frozen) => {
                self.host.freeze(*frozen);
                Ok(())
            }
            Op::Snapshot => self.snapshot(),
            Op::Verify => self.verify(),
            Op::Reopen => self.restart(Stop::Close),
            Op::Kill(seed) => self.restart(Stop::Death(*seed)),
            Op::PowerLoss(seed) => self.restart(Stop::Power(match seed % 8 {
                0 => Loss::Nothing,
                1 => Loss::Everything,
                _ => Loss::Random(*seed),
            })),
        }
    }

    fn tick_clock(&mut self) {
        self.host.advance(3);
        self.clock_max = self.clock_max.max(self.host.now_us());
    }
}

/// A panic of the store is trouble like any other: it must not hide the seed that made it.
fn panicked(panic: &(dyn Any + Send)) -> Trouble {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
    Trouble::from(format!("panic: {text}"))
}
