//! The cache of records, for backends that do not lend slices of their files.
//!
//! Without the feature `cache` nothing is kept and no code of it is linked: for backends that
//! have a cache of their own.

#[cfg_attr(not(feature = "cache"), path = "none.rs")]
mod records;

use alloc::boxed::Box;

pub use records::ValueCache;

/// A record that was read and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRecord {
    /// The key, then the value.
    bytes: Box<[u8]>,
    key_len: usize,
    /// Sequence number.
    pub seq: u64,
    /// Expiry, 0 for none.
    pub expires: u64,
    /// Whether it is a delete.
    pub tombstone: bool,
}

impl CachedRecord {
    /// A record as its frame tells of it.
    #[must_use]
    pub fn new(key: &[u8], value: &[u8], seq: u64, expires: u64, tombstone: bool) -> Self {
        Self { bytes: [key, value].concat().into(), key_len: key.len(), seq, expires, tombstone }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len]
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.bytes[self.key_len..]
    }
}
