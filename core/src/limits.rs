//! Every bound of the store in one place, with the relations that must hold between them.
//!
//! A length read from disk, from the network or from a caller is compared with one of these
//! before memory is taken for it.

/// Longest key, in bytes.
pub const KEY_LEN_MAX: usize = 65_535;
/// Longest value, in bytes (512 MiB).
pub const VALUE_LEN_MAX: usize = 512 << 20;
/// Most bytes of encoded frames in one batch (1 GiB).
pub const BATCH_BYTES_MAX: usize = 1 << 30;
/// Most records in one batch.
pub const BATCH_RECORDS_MAX: usize = 1 << 24;
/// A segment's data region ends before this offset, so that an offset fits 32 bits.
pub const SEGMENT_DATA_MAX: u64 = u32::MAX as u64;
/// Smallest segment size that may be configured, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// Largest segment size that may be configured, in bytes (2 GiB): a batch may overshoot it.
pub const SEGMENT_BYTES_MAX: u64 = 2 << 30;
/// Most live segments of one store: an index slot holds 20 bits of segment number.
pub const SEGMENTS_MAX: usize = (1 << 20) - 1;
/// Largest manifest file, in bytes.
pub const MANIFEST_BYTES_MAX: u64 = 256 << 20;
/// Values up to this many bytes share one checksum with their header and key.
pub const SMALL_VALUE_LEN_MAX: usize = 4_096;
/// Most records in one block of a key table.
pub const BLOCK_RECORDS_MAX: usize = 32;
/// A block of a sorted segment is closed once it holds this many bytes of frames.
pub const BLOCK_BYTES: usize = 8 << 10;
/// Largest key table block, in bytes, as a reader accepts it.
pub const TABLE_BLOCK_BYTES_MAX: usize = 64 * BLOCK_RECORDS_MAX;
/// Largest versions count of a retention rule.
pub const RETAIN_VERSIONS_MAX: u32 = 1 << 20;
/// Largest sequence number: microseconds that still fit a JavaScript number exactly.
pub const SEQ_MAX: u64 = (1 << 53) - 1;

const _: () = assert!(SEGMENT_BYTES_MAX + (BATCH_BYTES_MAX as u64) < SEGMENT_DATA_MAX);
const _: () = assert!(VALUE_LEN_MAX + KEY_LEN_MAX + 64 < BATCH_BYTES_MAX);
const _: () = assert!(SEGMENT_BYTES_MIN < SEGMENT_BYTES_MAX);
