//! The simulated disk and host.
//!
//! # Fault model
//! The store is built for this disk and no kinder one; FORMAT.md states the same model.
//!
//! 1. Bytes covered by a successful sync, and published files, do not change by a power loss.
//! 2. Of bytes appended since, any subset of 512-byte sectors may reach the disk, in any order.
//!    A sector that did not may hold what stood there before, zeros, random bytes or another
//!    file's bytes; it may be torn between two of these. The length is the old one, the new one
//!    or any between.
//! 3. Whether a name created since its last successful sync exists, and whether a removed one
//!    is gone, are independent coin tosses. A removed file comes back as its last life left it,
//!    until a new file of that name is synced. A published file is absent or whole; its name is
//!    settled by the publish that returned `Ok`, by nothing else.
//! 4. A failed sync settles nothing: the bytes it was asked for are unknown for ever. They go on
//!    being seen, a later sync of them succeeds, and still a power loss may take them; the death
//!    of the process may, too, once the cache drops them.
//! 5. Any call may fail: out of space, I/O, denied. A failed append leaves any prefix of its
//!    bytes, a failed create, publish or remove may have happened, a read fails once or for good.
//! 6. The process may die in any call: a prefix of its effect is there, all earlier ones are.
//!
//! The disk also asserts what the contract asks of its caller: no use of an appender that
//! failed (so no sync is tried twice), one appender for a file, no removal of an open file.
//!
//! Everything is seeded: the same seed and the same calls give the same bytes and the same
//! [`SimStorage::trace`].

mod calls;
mod disk;
mod fault;
mod host;
mod image;
mod random;
mod state;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use siltdb_core::storage::{FileId, MemoryStorage};

pub use calls::{SimAppender, SimReader};
pub use disk::SECTOR;
use disk::{Disk, File};
pub use fault::{CallKind, Faults, Nth, Plant};
pub use host::SimHost;
pub use image::Loss;
pub use random::{Random, mix};
use state::{Change, State};

/// What a simulated disk is like, apart from its faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimOptions {
    /// Seed of every choice the disk makes.
    pub seed: u64,
    /// Files take space ahead in steps of so many bytes; 0 for none.
    pub reserve: usize,
    /// Whether readers lend slices.
    pub lend: bool,
}

/// A disk in memory that fails, loses and tears as the fault model says. Clones share it.
#[derive(Debug, Clone)]
pub struct SimStorage {
    state: Rc<RefCell<State>>,
}

/// The disk as it was when a call that changes it was about to be made.
#[derive(Debug, Clone)]
pub struct CrashPoint {
    before: Disk,
    call: Change,
    options: SimOptions,
    /// What the test had marked last; see [`SimStorage::mark`].
    pub mark: u64,
    /// Number of the call among those that change the disk, from 0.
    pub number: usize,
}

impl SimStorage {
    /// An empty disk.
    #[must_use]
    pub fn new(options: SimOptions) -> Self {
        Self::with_disk(Disk::default(), options)
    }

    /// An empty disk of this seed, with nothing reserved or lent.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::new(SimOptions { seed, ..SimOptions::default() })
    }

    /// A disk on which these files are settled.
    #[must_use]
    pub fn with_files(options: SimOptions, files: Vec<(FileId, Vec<u8>)>) -> Self {
        let files = files.into_iter().map(|(id, bytes)| (id, File::settled(bytes))).collect();
        Self::with_disk(Disk { files, ghosts: Vec::new() }, options)
    }

    fn with_disk(disk: Disk, options: SimOptions) -> Self {
        let state = State {
            disk,
            options,
            faults: Faults::default(),
            random: Random::new(options.seed),
            calls: 0,
            calls_by_kind: [0; 10],
            dead: false,
            plant: Plant::None,
            unsettled: None,
            paused: false,
            failures: 0,
            failed_syncs: 0,
            trace: 0,
            readers: BTreeMap::new(),
            appenders: BTreeMap::new(),
            bad: Vec::new(),
            points: None,
            mark: 0,
        };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Sets the faults from now on; call counts start again.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state.borrow_mut();
        state.faults = faults;
        state.calls = 0;
        state.calls_by_kind = [0; 10];
    }

    /// Takes over the faults of another disk, and how far their counts are.
    pub fn carry_faults(&self, other: &SimStorage) {
        let (mut state, other) = (self.state.borrow_mut(), other.state.borrow());
        state.faults = other.faults.clone();
        state.calls = other.calls;
        state.calls_by_kind = other.calls_by_kind;
    }

    /// Calls since the faults were set.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.borrow().calls
    }

    /// Calls of one kind since the faults were set.
    #[must_use]
    pub fn calls_of(&self, kind: CallKind) -> u64 {
        self.state.borrow().calls_by_kind[kind as usize]
    }

    /// Plants a bug: the disk then breaks its contract, and the test programme must notice.
    pub fn set_plant(&self, plant: Plant) {
        self.state.borrow_mut().plant = plant;
    }

    /// Pauses the faults, or lets them go on. Calls made meanwhile are not counted.
    pub fn pause_faults(&self, paused: bool) {
        self.state.borrow_mut().paused = paused;
    }

    /// How many syncs have failed.
    #[must_use]
    pub fn failed_syncs(&self) -> u64 {
        self.state.borrow().failed_syncs
    }

    /// How many calls have failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.state.borrow().failures
    }

    /// Whether the process died in a call; every later call failed without effect.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state.borrow().dead
    }

    /// A hash over every call with its bytes and outcome: equal for equal runs.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.state.borrow().trace
    }

    /// The files as a reader sees them.
    #[must_use]
    pub fn files(&self) -> Vec<(FileId, Vec<u8>)> {
        let state = self.state.borrow();
        state.disk.files.iter().map(|(id, file)| (*id, file.bytes.to_vec())).collect()
    }

    /// The files as a reader sees them, in the plain memory backend.
    #[must_use]
    pub fn to_memory(&self) -> MemoryStorage {
        let memory = MemoryStorage::new();
        for (id, bytes) in self.files() {
            memory.put(id, bytes);
        }
        memory
    }

    /// A legal disk after a power loss now, with no faults. This disk is not changed.
    #[must_use]
    pub fn power_loss(&self, loss: Loss) -> Self {
        let state = self.state.borrow();
        Self::with_disk(state.disk.power_loss(loss), state.options)
    }

    /// The disk after the death of the process now, with no faults: what was not settled still
    /// is not. This disk is not changed.
    #[must_use]
    pub fn process_death(&self, seed: u64) -> Self {
        let state = self.state.borrow();
        Self::with_disk(state.disk.process_death(seed), state.options)
    }

    /// How many sectors a power loss now may take.
    #[must_use]
    pub fn volatile_sectors(&self) -> usize {
        self.state.borrow().disk.volatile_sectors()
    }

    /// From now on keeps a [`CrashPoint`] for every call that changes the disk.
    pub fn record_points(&self) {
        self.state.borrow_mut().points = Some(Vec::new());
    }

    /// The crash points kept, oldest first; recording ends.
    #[must_use]
    pub fn take_points(&self) -> Vec<CrashPoint> {
        self.state.borrow_mut().points.take().unwrap_or_default()
    }

    /// Marks the calls that follow: crash points carry the mark.
    pub fn mark(&self, mark: u64) {
        self.state.borrow_mut().mark = mark;
    }

    /// Readers and appenders that are open.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        let state = self.state.borrow();
        state.readers.values().chain(state.appenders.values()).sum()
    }
}

impl CrashPoint {
    /// How many partial effects the call has: none, all, and for an append every byte cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        match &self.call {
            Change::Append(_, bytes) => bytes.len() + 1,
            _ => 2,
        }
    }

    /// The disk with part `cut` (from 0) of the call's effect, the process being gone.
    #[must_use]
    pub fn at(&self, cut: usize) -> SimStorage {
        let mut disk = self.before.clone();
        match &self.call {
            Change::Append(id, bytes) => {
                let part = &bytes[..cut.min(bytes.len())];
                if let Some(file) = disk.files.get_mut(id) {
                    file.append(part, self.options.reserve);
                }
            }
            change if cut > 0 => change.apply(&mut disk, self.options.reserve),
            _ => {}
        }
        SimStorage::with_disk(disk, self.options)
    }

    /// What the call was, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.call {
            Change::Append(id, bytes) => format!("append {} bytes to {id}", bytes.len()),
            Change::Publish(id, bytes) => format!("publish {id} ({} bytes)", bytes.len()),
            Change::Create(id) => format!("create {id}"),
            Change::Resume(id, len) => format!("resume {id} at {len}"),
            Change::Remove(id) => format!("remove {id}"),
            Change::Sync(id) => format!("sync {id}"),
            Change::Finish(id) => format!("finish {id}"),
        }
    }
}
