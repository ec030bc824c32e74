//! The write buffer: opt-in, in memory, so that overwrites coalesce before they reach the disk.
//!
//! A single operation replaces the buffered single operation on the same key. Operations of a
//! batch are kept whole, so that a batch stays visible whole or not at all at every moment.

use alloc::vec::Vec;

use crate::batch::Operation;
use crate::index::KeyHasher;
use crate::newest::Newest;

/// An operation that waits to be written, with its sequence number.
#[derive(Debug, Clone)]
pub struct Buffered {
    /// The operation; its condition was already judged.
    pub operation: Operation,
    /// Its sequence number.
    pub seq: u64,
    single: bool,
}

/// Operations that wait to be written.
#[derive(Debug)]
pub struct WriteBuffer {
    hasher: KeyHasher,
    operations: Vec<Option<Buffered>>,
    newest: Newest,
    bytes: usize,
    since: u64,
    first_seq: u64,
    coalesced: u64,
}

impl WriteBuffer {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(hasher: KeyHasher) -> Self {
        Self {
            hasher,
            operations: Vec::new(),
            newest: Newest::new(hasher, 0),
            bytes: 0,
            since: 0,
            first_seq: 0,
            coalesced: 0,
        }
    }

    /// Takes out all that waits.
    #[must_use]
    pub fn take(&mut self) -> Self {
        core::mem::replace(self, Self::new(self.hasher))
    }

    /// Adds the operations of one commit; `single` if nothing else was committed with them.
    pub fn push<'a>(
        &mut self,
        operations: impl IntoIterator<Item = &'a Operation>,
        single: bool,
        seq: u64,
        now: u64,
    ) {
        if self.operations.is_empty() {
            self.since = now;
            self.first_seq = seq;
        }
        for operation in operations {
            self.bytes += cost(operation);
            let at = self.operations.len();
            self.operations.push(Some(Buffered { operation: operation.clone(), seq, single }));
            let key_at = |at| key_of(&self.operations, at);
            let Some(before) = self.newest.insert(&operation.key, at, key_at) else { continue };
            let replaced = &mut self.operations[before];
            if single
                && replaced.as_ref().is_some_and(|b| b.single)
                && let Some(old) = replaced.take()
            {
                self.bytes -= cost(&old.operation);
                self.coalesced += 1;
            }
        }
    }

    /// The newest buffered operation on `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Buffered> {
        let at = self.newest.get(key, |at| key_of(&self.operations, at))?;
        self.operations[at].as_ref()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Memory of the waiting operations, in bytes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest waiting operation came, in microseconds since 1970.
    #[must_use]
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Whether something waits that a reader as of `seq` must see.
    #[must_use]
    pub fn holds_at(&self, seq: u64) -> bool {
        !self.is_empty() && seq >= self.first_seq
    }

    /// How many operations were replaced before they were written.
    #[must_use]
    pub fn coalesced(&self) -> u64 {
        self.coalesced
    }

    /// Everything that waits, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Buffered> {
        self.operations.iter().flatten()
    }

    /// Forgets everything that waits, once it is written.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.newest.clear();
        self.bytes = 0;
    }
}

fn key_of(operations: &[Option<Buffered>], at: usize) -> &[u8] {
    operations[at].as_ref().map_or(&[], |buffered| &buffered.operation.key)
}

fn cost(operation: &Operation) -> usize {
    operation.key.len() + operation.value.as_ref().map_or(0, Vec::len) + 128
}
