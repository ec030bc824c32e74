//! What reads and writes give back.

use alloc::vec::Vec;

use crate::options::Durability;

/// A live record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Vec<u8>,
    /// The value; empty when only keys were asked for.
    pub value: Vec<u8>,
    /// Sequence number of the commit that wrote it: microseconds since 1970.
    pub seq: u64,
    /// The moment it expires, in microseconds since 1970.
    pub expires: Option<u64>,
}

impl Record {
    /// Bytes of key and value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Sequence number of the commit that wrote it.
    pub seq: u64,
    /// The value, or `None` for a delete; empty when only keys were asked for.
    pub value: Option<Vec<u8>>,
    /// The moment it expires, in microseconds since 1970.
    pub expires: Option<u64>,
}

impl Version {
    /// Bytes of the value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len)
    }
}

/// One version in the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The key.
    pub key: Vec<u8>,
    /// What became of it.
    pub version: Version,
}

impl Changed {
    /// Bytes of key and value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.len() + self.version.size()
    }
}

/// What a write reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Sequence number of the commit, or of the newest record when nothing needed writing.
    pub seq: u64,
    /// The level reached.
    pub durability: Durability,
    /// Whether anything was written: `false` when every value was already the newest.
    pub written: bool,
}

/// How a key differs between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Vec<u8>,
    /// The record at the first moment.
    pub before: Option<Record>,
    /// The record at the second moment.
    pub after: Option<Record>,
}

impl Change {
    /// Bytes of key and values.
    #[must_use]
    pub fn size(&self) -> usize {
        let value = |record: &Option<Record>| record.as_ref().map_or(0, |r| r.value.len());
        self.key.len() + value(&self.before) + value(&self.after)
    }
}

/// What to scan or count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// First key, inclusive.
    pub from: Option<Vec<u8>>,
    /// Last key, exclusive.
    pub to: Option<Vec<u8>>,
    /// Only keys that begin with these bytes.
    pub prefix: Option<Vec<u8>>,
    /// Largest key first.
    pub reverse: bool,
    /// At most so many records.
    pub limit: Option<u64>,
    /// Leave values empty.
    pub keys_only: bool,
    /// As of this moment instead of now.
    pub as_of: Option<u64>,
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

impl ScanOptions {
    /// The range of keys: from inclusive, to exclusive.
    pub(crate) fn range(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let from = self.from.as_deref().unwrap_or_default().max(prefix);
        let end = after_prefix(prefix);
        let to = match (self.to.as_deref(), end.as_deref()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        (owned(from), to.map(owned))
    }
}

/// The first key after all keys with this prefix, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = owned(prefix);
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    *end.last_mut()? += 1;
    Some(end)
}

/// Whether a record of this expiry (0 for none) is gone at `moment`.
pub fn is_expired(expires: u64, moment: u64) -> bool {
    expires != 0 && expires <= moment
}

/// An expiry as callers see it, of one as frames hold it, 0 for none.
pub fn expiry(expires: u64) -> Option<u64> {
    (expires != 0).then_some(expires)
}

/// A copy of bytes. The standard library's way is inlined: at all the places that copy keys and
/// values it takes half a kilobyte of the packed npm engine.
#[inline(never)]
#[must_use]
pub fn owned(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}
