//! Figures about a store.

use alloc::string::String;
use alloc::vec::Vec;

use crate::file_id::FileId;
use crate::options::Retention;

/// Figures about a whole store. Counters start at the open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Keys that have a value, as the index knows them. One that has expired counts until
    /// compaction drops it, those that share a 64-bit hash do not count, and more may come while
    /// `index_loaded` is false: what is exact is [`crate::Store::count`].
    pub keys: u64,
    /// Live segments, the active one included.
    pub segments: u64,
    /// Records held, superseded ones included.
    pub records: u64,
    /// Bytes of the live segments' files.
    pub file_bytes: u64,
    /// Bytes of keys and values of all records held.
    pub payload_bytes: u64,
    /// Bytes of superseded frames.
    pub dead_bytes: u64,
    /// Bytes of frames that are not superseded.
    pub live_bytes: u64,
    /// Memory of the hash index.
    pub index_bytes: u64,
    /// Memory of the ordered table of the active segment.
    pub memtable_bytes: u64,
    /// Memory of the cache of values.
    pub cache_bytes: u64,
    /// Reads answered by the cache.
    pub cache_hits: u64,
    /// Reads the cache could not answer.
    pub cache_misses: u64,
    /// Last sequence number.
    pub last_seq: u64,
    /// Last sequence number known to survive power loss.
    pub durable_seq: u64,
    /// Oldest moment that can be read.
    pub horizon: u64,
    /// Which superseded versions compaction keeps.
    pub retention: Retention,
    /// Commits since the open.
    pub commits: u64,
    /// Groups appended since the open.
    pub groups: u64,
    /// Syncs since the open.
    pub syncs: u64,
    /// Bytes appended to the log since the open.
    pub bytes_appended: u64,
    /// Bytes written by compaction since the open.
    pub bytes_compacted: u64,
    /// Operations not written because the value was already the newest.
    pub identical_skipped: u64,
    /// Operations replaced in the write buffer before they were written.
    pub coalesced: u64,
    /// Identity of the store.
    pub store_id: [u8; 16],
    /// Number of the manifest in force.
    pub manifest: u64,
    /// Whether every slot of the index is loaded.
    pub index_loaded: bool,
}

impl Stats {
    /// The sums over all live segments; everything else is left at its default.
    #[must_use]
    pub fn of_segments(segments: &[SegmentStats]) -> Self {
        let sum = |of: fn(&SegmentStats) -> u64| segments.iter().map(of).sum::<u64>();
        let (data_bytes, dead_bytes) = (sum(|s| s.data_bytes), sum(|s| s.dead_bytes));
        Self {
            segments: segments.len() as u64,
            records: sum(|s| s.records),
            file_bytes: sum(|s| s.file_bytes),
            payload_bytes: sum(|s| s.payload_bytes),
            dead_bytes,
            live_bytes: data_bytes.saturating_sub(dead_bytes),
            ..Self::default()
        }
    }
}

/// Figures about one live segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentStats {
    /// The segment's number.
    pub number: u64,
    /// `active`, `arrival` (sealed, values in order of arrival) or `sorted`.
    pub state: &'static str,
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes of groups.
    pub data_bytes: u64,
    /// Bytes of keys and values.
    pub payload_bytes: u64,
    /// Bytes of superseded frames.
    pub dead_bytes: u64,
    /// Bytes of expired frames, estimated.
    pub expired_bytes: u64,
    /// Records, tombstones included.
    pub records: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Smallest sequence number.
    pub min_seq: u64,
    /// Largest sequence number.
    pub max_seq: u64,
    /// Smallest key.
    pub first_key: Vec<u8>,
    /// Largest key.
    pub last_key: Vec<u8>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records verified.
    pub records: u64,
    /// Everything that is not as it should be.
    pub problems: Vec<Problem>,
}

/// One thing a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: FileId,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What was expected there.
    pub what: String,
}
