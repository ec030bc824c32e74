//! The ordered table in memory of one active log segment. Values stay in the file.
//!
//! Writes only append. Ordering is put off until a scan or the seal asks for it, or is done by
//! another thread: it takes a [`Memtable::fork`], orders that outside the lock, and hands the
//! result to [`Memtable::install`].

mod arrivals;
mod chunk;
mod run;

pub use arrivals::Arrivals;
pub use chunk::{Chunk, MemEntry};
pub use run::Run;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::limits::KEY_LEN_MAX;

/// A chunk is frozen once it has this many records. Where one thread does everything it sorts the
/// last one before a range is read: that must not take long.
const CHUNK_RECORDS: usize = if cfg!(target_arch = "wasm32") { 1_024 } else { 8_192 };

/// The records of one active log segment.
#[derive(Debug, Default)]
pub struct Memtable {
    /// What arrived last.
    tail: Chunk,
    /// Frozen, unsorted, oldest first; all newer than the runs.
    chunks: Vec<Arc<Chunk>>,
    /// Sorted, oldest first.
    runs: Vec<Arc<Run>>,
    /// Of all of them.
    arrivals: Arrivals,
    len: usize,
}

impl Memtable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record. The key is at most 65,535 bytes long; `expires` is 0 for never; `offset`
    /// and `len` are those of the frame in its segment, behind all that were added before.
    pub fn push(
        &mut self,
        key: &[u8],
        seq: u64,
        tombstone: bool,
        expires: u64,
        offset: u32,
        len: u32,
    ) {
        debug_assert!(key.len() <= KEY_LEN_MAX);
        if !self.tail.has_room(key.len()) {
            self.freeze();
        }
        let (prefix, key_start, key_len) = (0, 0, 0);
        let entry = MemEntry { prefix, seq, expires, offset, len, key_start, key_len, tombstone };
        self.tail.push(key, entry);
        self.arrivals.push(seq, offset, len);
        self.len += 1;
        if self.tail.len() >= CHUNK_RECORDS {
            self.freeze();
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Where they stand, in the order they came.
    #[must_use]
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|chunk| chunk.bytes()).sum();
        let runs: usize = self.runs.iter().map(|run| run.bytes()).sum();
        self.tail.bytes() + chunks + runs + self.arrivals.bytes()
    }

    /// Closes the chunk that records are added to, if it has any, so that it can be sorted.
    pub fn freeze(&mut self) {
        if !self.tail.is_empty() {
            let mut chunk = core::mem::take(&mut self.tail);
            chunk.keys.shrink_to_fit();
            chunk.entries.shrink_to_fit();
            self.chunks.push(Arc::new(chunk));
        }
    }

    /// The same records, sharing their memory, to be ordered outside a lock and handed to
    /// [`Memtable::install`].
    #[must_use]
    pub fn fork(&mut self) -> Fork {
        self.freeze();
        let (chunks, runs) = (self.chunks.clone(), self.runs.clone());
        let table = Memtable {
            tail: Chunk::default(),
            chunks: chunks.clone(),
            runs: runs.clone(),
            // Of no use for bringing records into order.
            arrivals: Arrivals::default(),
            len: self.len,
        };
        Fork { chunks, runs, table }
    }

    /// Takes over the order of a fork, unless this table was ordered meanwhile. Records added
    /// since the fork are kept either way.
    pub fn install(&mut self, fork: &Fork) {
        let front = self.chunks.get(..fork.chunks.len()).unwrap_or_default();
        if same(front, &fork.chunks) && same(&self.runs, &fork.runs) {
            self.chunks.splice(..fork.chunks.len(), fork.table.chunks.iter().cloned());
            self.runs.clone_from(&fork.table.runs);
        }
    }

    /// Whether a record was added that no run holds yet.
    #[must_use]
    pub fn is_unordered(&self) -> bool {
        !self.tail.is_empty() || !self.chunks.is_empty()
    }

    /// The runs there are by now, oldest first; without the records not ordered yet.
    #[must_use]
    pub fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// Orders the frozen chunk that is oldest, if there is one: the order of everything is then
    /// little work.
    pub fn order_frozen(&mut self) {
        if !self.chunks.is_empty() {
            let chunk = self.chunks.remove(0);
            self.runs.push(Arc::new(Run::sorted(&chunk)));
            self.merge(false);
        }
    }

    /// Orders everything and returns the runs, oldest first.
    ///
    /// The two newest are merged while the newer is at least half as long as the older, so
    /// that there are few runs and a record is copied few times.
    pub fn order(&mut self) -> &[Arc<Run>] {
        self.freeze();
        self.merge(false);
        while !self.chunks.is_empty() {
            self.order_frozen();
        }
        &self.runs
    }

    /// Orders everything into one run, as for sealing the segment.
    pub fn order_fully(&mut self) -> Arc<Run> {
        self.order();
        self.merge(true);
        self.runs.first().cloned().unwrap_or_default()
    }

    /// Merges the two newest runs while that is to be done: always, or while they are about
    /// equally long.
    fn merge(&mut self, always: bool) {
        while let [.., older, newer] = self.runs.as_slice()
            && (always || newer.len() * 2 >= older.len())
        {
            let merged = Arc::new(Run::merged(newer, older));
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(merged);
        }
    }
}

/// The records of a table at one moment, apart from it.
#[derive(Debug)]
pub struct Fork {
    /// What the table had to be ordered, and its runs, when it was forked.
    chunks: Vec<Arc<Chunk>>,
    runs: Vec<Arc<Run>>,
    table: Memtable,
}

impl Fork {
    /// As [`Memtable::order`].
    pub fn order(&mut self) -> &[Arc<Run>] {
        self.table.order()
    }

    /// As [`Memtable::order_fully`].
    pub fn order_fully(&mut self) -> Arc<Run> {
        self.table.order_fully()
    }
}

fn same<T>(a: &[Arc<T>], b: &[Arc<T>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

#[cfg(test)]
mod tests;
