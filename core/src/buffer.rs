//! The write buffer: opt-in, in memory, so that overwrites coalesce before they reach the disk.
//!
//! A single operation replaces the buffered single operation on the same key. Operations of a
//! batch are kept whole, so that a batch stays visible whole or not at all at every moment.

use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::batch::Operation;

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
#[derive(Debug, Default)]
pub struct WriteBuffer {
    operations: Vec<Option<Buffered>>,
    newest: HashMap<Vec<u8>, usize>,
    bytes: usize,
    since: u64,
    first_seq: u64,
    coalesced: u64,
}

impl WriteBuffer {
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
            let Some(before) = self.newest.insert(operation.key.clone(), at) else { continue };
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
        self.newest.get(key).and_then(|at| self.operations[*at].as_ref())
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

fn cost(operation: &Operation) -> usize {
    2 * operation.key.len() + operation.value.as_ref().map_or(0, Vec::len) + 128
}
