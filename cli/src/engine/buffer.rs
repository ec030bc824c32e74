//! The write buffer, shared by threads.
//!
//! What is being written out stays readable until the index knows of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use siltdb_core::batch::Operation;
use siltdb_core::buffer::{Buffered, WriteBuffer};
use siltdb_core::index::KeyHasher;

use super::lock::{read, write};

struct Stages {
    current: WriteBuffer,
    /// Taken out to be written, oldest first.
    draining: Vec<Arc<WriteBuffer>>,
    /// Operations replaced in buffers that are gone.
    coalesced: u64,
}

/// Operations that are acknowledged and not written yet.
pub(super) struct Buffer {
    stages: RwLock<Stages>,
    /// Whether there may be any: spares readers the lock.
    used: AtomicBool,
}

impl Buffer {
    /// Nothing waits yet.
    pub(super) fn new(hasher: KeyHasher) -> Self {
        let current = WriteBuffer::new(hasher);
        let stages = RwLock::new(Stages { current, draining: Vec::new(), coalesced: 0 });
        Self { stages, used: AtomicBool::new(false) }
    }

    /// The newest buffered operation on `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<Buffered> {
        if !self.is_used() {
            return None;
        }
        let stages = read(&self.stages);
        let draining = stages.draining.iter().rev().map(AsRef::as_ref);
        std::iter::once(&stages.current).chain(draining).find_map(|b| b.get(key)).cloned()
    }

    /// Adds the operations of one commit; `single` if it has but one. Gives the bytes that wait.
    pub(super) fn push(&self, operations: &[Operation], single: bool, seq: u64, now: u64) -> usize {
        let mut stages = write(&self.stages);
        stages.current.push(operations, single, seq, now);
        self.used.store(true, Ordering::Release);
        stages.current.bytes()
    }

    /// Whether there is anything that the index does not know of.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Whether a reader as of `seq` must see something that the index does not know of.
    pub(super) fn holds_at(&self, seq: u64) -> bool {
        if !self.is_used() {
            return false;
        }
        let stages = read(&self.stages);
        stages.current.holds_at(seq) || stages.draining.iter().any(|b| b.holds_at(seq))
    }

    /// Memory of what the index does not know of yet, in bytes, about; 0 if there is nothing.
    pub(super) fn bytes(&self) -> usize {
        let stages = read(&self.stages);
        stages.current.bytes() + stages.draining.iter().map(|b| b.bytes()).sum::<usize>()
    }

    /// When the oldest operation that waits came, in microseconds since 1970.
    pub(super) fn since(&self) -> Option<u64> {
        let stages = read(&self.stages);
        (!stages.current.is_empty()).then(|| stages.current.since())
    }

    /// Takes out all that waits, to be written. It stays readable until [`Buffer::written`].
    pub(super) fn take(&self) -> Option<Arc<WriteBuffer>> {
        if !self.is_used() {
            return None;
        }
        let mut stages = write(&self.stages);
        if stages.current.is_empty() {
            return None;
        }
        let taken = Arc::new(stages.current.take());
        stages.coalesced += taken.coalesced();
        stages.draining.push(Arc::clone(&taken));
        Some(taken)
    }

    /// Forgets the oldest `count` buffers that were taken: the index knows of them now.
    ///
    /// One that was taken since may not even be staged: it stays in sight.
    pub(super) fn written(&self, count: usize) {
        if count == 0 {
            return;
        }
        let mut stages = write(&self.stages);
        stages.draining.drain(..count);
        let is_used = !stages.current.is_empty() || !stages.draining.is_empty();
        self.used.store(is_used, Ordering::Release);
    }

    /// How many operations were replaced before they were written.
    pub(super) fn coalesced(&self) -> u64 {
        let stages = read(&self.stages);
        stages.coalesced + stages.current.coalesced()
    }
}
