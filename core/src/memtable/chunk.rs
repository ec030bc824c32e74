//! Records in order of arrival.

use alloc::vec::Vec;

use crate::limits::KEY_LEN_MAX;

/// One record of the active segment; its value stays in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemEntry {
    /// The first 8 bytes of the key, big-endian, padded with zeros: decides most comparisons.
    pub(super) prefix: u64,
    /// Sequence number.
    pub seq: u64,
    /// When the record expires; 0 for never.
    pub expires: u64,
    /// Offset of the frame in its segment.
    pub offset: u32,
    /// Bytes of the frame.
    pub len: u32,
    pub(super) key_start: u32,
    pub(super) key_len: u16,
    /// Whether the record is a tombstone.
    pub tombstone: bool,
}

const _: () = assert!(size_of::<MemEntry>() == 40);
const _: () = assert!(KEY_LEN_MAX <= u16::MAX as usize);

impl MemEntry {
    /// The key, out of the bytes that the entry was made for.
    #[inline]
    pub(super) fn key_in<'a>(&self, keys: &'a [u8]) -> &'a [u8] {
        let start = self.key_start as usize;
        &keys[start..start + usize::from(self.key_len)]
    }
}

/// The first 8 bytes of a key as a number that orders as they do.
pub(super) fn prefix_of(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let n = key.len().min(8);
    bytes[..n].copy_from_slice(&key[..n]);
    u64::from_be_bytes(bytes)
}

/// Records in order of arrival.
#[derive(Debug, Default)]
pub struct Chunk {
    pub(super) keys: Vec<u8>,
    pub(super) entries: Vec<MemEntry>,
}

impl Chunk {
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

    /// Memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys.capacity() + self.entries.capacity() * size_of::<MemEntry>()
    }

    /// Whether a key of this length still has a place that 32 bits can name.
    pub(super) fn has_room(&self, key_len: usize) -> bool {
        u32::try_from(self.keys.len() + key_len).is_ok()
    }

    /// Adds a record; its key's place and prefix are filled in.
    pub(super) fn push(&mut self, key: &[u8], mut entry: MemEntry) {
        entry.prefix = prefix_of(key);
        entry.key_start = self.keys.len() as u32;
        entry.key_len = key.len() as u16;
        self.keys.extend_from_slice(key);
        self.entries.push(entry);
    }
}
