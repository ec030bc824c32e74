//! The cache that keeps nothing.

use super::CachedRecord;

/// Stands for a cache where there is none.
pub struct ValueCache;

impl ValueCache {
    /// Keeps nothing, however many bytes it is given.
    #[must_use]
    pub fn new(_bytes_max: usize) -> Self {
        Self
    }

    /// Never.
    #[must_use]
    pub fn takes(&self, _bytes: usize) -> bool {
        false
    }

    /// Nothing.
    pub fn get(&mut self, _segment: u64, _offset: u32) -> Option<&CachedRecord> {
        None
    }

    /// Drops the record.
    pub fn insert(&mut self, _segment: u64, _offset: u32, _record: CachedRecord) {}

    /// There is none.
    pub fn remove_segment(&mut self, _segment: u64) {}

    /// 0.
    #[must_use]
    pub fn bytes(&self) -> usize {
        0
    }

    /// 0.
    #[must_use]
    pub fn hits(&self) -> u64 {
        0
    }

    /// 0.
    #[must_use]
    pub fn misses(&self) -> u64 {
        0
    }
}
