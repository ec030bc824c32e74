//! Records in order of their keys.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::chunk::{Chunk, MemEntry, prefix_of};
use crate::sort::{sort_pairs, sort_stable};

/// Records ordered by key, for one key the highest sequence number first, and for equal
/// sequence numbers the one that arrived last first.
///
/// All keys together must stay under 4 GiB, as those of one segment do.
#[derive(Debug, Default)]
pub struct Run {
    keys: Vec<u8>,
    entries: Vec<MemEntry>,
}

/// The order of records.
#[inline]
fn compare(a: &MemEntry, a_keys: &[u8], b: &MemEntry, b_keys: &[u8]) -> Ordering {
    a.prefix
        .cmp(&b.prefix)
        .then_with(|| a.key_in(a_keys).cmp(b.key_in(b_keys)))
        .then_with(|| b.seq.cmp(&a.seq))
        // Of those that arrived later the frames stand behind.
        .then_with(|| b.offset.cmp(&a.offset))
}

impl Run {
    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The record at this place, which must be less than the length.
    #[must_use]
    #[inline]
    pub fn entry(&self, i: usize) -> &MemEntry {
        &self.entries[i]
    }

    /// The key of the record at this place, which must be less than the length.
    #[must_use]
    #[inline]
    pub fn key(&self, i: usize) -> &[u8] {
        self.entries[i].key_in(&self.keys)
    }

    /// Memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys.capacity() + self.entries.capacity() * size_of::<MemEntry>()
    }

    /// The first place whose key is not less than this one; the length if there is none.
    #[must_use]
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let prefix = prefix_of(key);
        self.entries.partition_point(|entry| {
            entry.prefix.cmp(&prefix).then_with(|| entry.key_in(&self.keys).cmp(key)).is_lt()
        })
    }

    /// The records of a chunk in order.
    #[must_use]
    pub fn sorted(chunk: &Chunk) -> Run {
        let keys = chunk.keys.clone();
        let mut entries = chunk.entries.clone();
        sort_stable(&mut entries, |a, b| compare(a, &keys, b, &keys));
        Run { keys, entries }
    }

    /// The records' places in the run, in the order of their arrival.
    pub fn by_arrival(&self) -> impl Iterator<Item = usize> + use<> {
        let offsets = self.entries.iter().map(|entry| u64::from(entry.offset));
        let mut order: Vec<(u64, u64)> = offsets.zip(0..).collect();
        sort_pairs(&mut order);
        order.into_iter().map(|(_, at)| at as usize)
    }

    /// The records of two runs in order; every record of the newer arrived after the older's.
    #[must_use]
    pub fn merged(newer: &Run, older: &Run) -> Run {
        let mut run = Run {
            keys: Vec::with_capacity(newer.keys.len() + older.keys.len()),
            entries: Vec::with_capacity(newer.len() + older.len()),
        };
        let (mut n, mut o) = (0, 0);
        // Keys often arrive in their order.
        let apart = match (older.entries.last(), newer.entries.first()) {
            (Some(a), Some(b)) => compare(a, &older.keys, b, &newer.keys).is_lt(),
            _ => true,
        };
        while !apart && n < newer.len() && o < older.len() {
            let (a, b) = (&newer.entries[n], &older.entries[o]);
            if compare(a, &newer.keys, b, &older.keys).is_le() {
                run.copy(newer, n);
                n += 1;
            } else {
                run.copy(older, o);
                o += 1;
            }
        }
        for i in o..older.len() {
            run.copy(older, i);
        }
        for i in n..newer.len() {
            run.copy(newer, i);
        }
        run
    }

    fn copy(&mut self, from: &Run, i: usize) {
        let start = self.keys.len();
        debug_assert!(u32::try_from(start).is_ok(), "keys of one segment fit 4 GiB");
        self.keys.extend_from_slice(from.key(i));
        self.entries.push(MemEntry { key_start: start as u32, ..from.entries[i] });
    }
}
