//! The ordered table in memory of one active log segment. Values stay in the file.
//!
//! Writes only append. Ordering is put off until a scan or the seal asks for it, or is done by
//! another thread: it takes [`Memtable::unordered`], sorts outside the lock, and hands the
//! result to [`Memtable::install`].

mod chunk;
mod run;

pub use chunk::{Chunk, MemEntry};
pub use run::Run;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::limits::KEY_LEN_MAX;

/// A chunk is frozen once it has this many records.
const CHUNK_RECORDS: usize = 8_192;

/// The records of one active log segment.
#[derive(Debug, Default)]
pub struct Memtable {
    /// What arrived last.
    tail: Chunk,
    /// Frozen, unsorted, oldest first; all newer than the runs.
    chunks: Vec<Arc<Chunk>>,
    /// Sorted, oldest first.
    runs: Vec<Arc<Run>>,
    len: usize,
}

impl Memtable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record. The key is at most 65,535 bytes long; `expires` is 0 for never; `offset`
    /// and `len` are those of the frame in its segment.
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
        self.tail.bytes() + chunks + runs
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

    /// The frozen chunks that are still to be sorted, oldest first.
    #[must_use]
    pub fn unordered(&self) -> Vec<Arc<Chunk>> {
        self.chunks.clone()
    }

    /// Orders everything and returns the runs, oldest first.
    ///
    /// The two newest are merged while the newer is at least half as long as the older, so
    /// that there are few runs and a record is copied few times.
    pub fn order(&mut self) -> &[Arc<Run>] {
        self.freeze();
        self.merge_while(|newer, older| newer.len() * 2 >= older.len());
        for chunk in core::mem::take(&mut self.chunks) {
            self.runs.push(Arc::new(Run::sorted(&chunk)));
            self.merge_while(|newer, older| newer.len() * 2 >= older.len());
        }
        &self.runs
    }

    /// The runs there are by now, oldest first; without the records not ordered yet.
    #[must_use]
    pub fn runs(&self) -> Vec<Arc<Run>> {
        self.runs.clone()
    }

    /// Puts a run in the place of the chunks it was sorted from.
    ///
    /// Does nothing unless those are still the oldest chunks of [`Memtable::unordered`].
    pub fn install(&mut self, sorted: &[Arc<Chunk>], run: Arc<Run>) {
        let front = self.chunks.get(..sorted.len()).unwrap_or_default();
        let same = front.len() == sorted.len()
            && front.iter().zip(sorted).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs));
        if same && !sorted.is_empty() {
            debug_assert_eq!(run.len(), sorted.iter().map(|chunk| chunk.len()).sum::<usize>());
            self.chunks.drain(..sorted.len());
            self.runs.push(run);
        }
    }

    /// Orders everything into one run, as for sealing the segment.
    pub fn order_fully(&mut self) -> Arc<Run> {
        self.order();
        self.merge_while(|_, _| true);
        self.runs.first().cloned().unwrap_or_default()
    }

    /// Everything as one run.
    #[must_use]
    pub fn into_run(mut self) -> Arc<Run> {
        self.order_fully()
    }

    /// Merges the two newest runs while they, newer first, are to be merged.
    fn merge_while(&mut self, merge: impl Fn(&Run, &Run) -> bool) {
        while let [.., older, newer] = self.runs.as_slice()
            && merge(newer, older)
        {
            let merged = Arc::new(Run::merged(newer, older));
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(merged);
        }
    }
}

#[cfg(test)]
mod tests;
