//! Counters since the open.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    Commits,
    Groups,
    Syncs,
    BytesAppended,
    BytesCompacted,
    IdenticalSkipped,
}

/// One number for each of [`Count`].
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; 6]);

impl Counters {
    pub(super) fn add(&self, count: Count, n: u64) {
        if n > 0 {
            self.0[count as usize].fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}
