//! Bytes to types and back, without any input or output. The layout is FORMAT.md's.
//!
//! Decoders borrow from the bytes they are given, check every length before using it, and never
//! panic: whatever the bytes are, the answer is a value or [`Malformed`].

#[cfg(any(target_arch = "wasm32", test))]
mod crc;
mod fields;
mod filter;
mod footer;
mod group;
mod key_table;
mod manifest;
mod record;
mod segment_header;
mod snapshot;

#[cfg(target_arch = "wasm32")]
pub use crc::{Update, long_checksums_by};
pub use fields::put;
use fields::{Fields, put_bytes};
pub use filter::{Filter, FilterBuilder};
pub use footer::{FOOTER_TAIL_LEN, Footer, SegmentNumbers};
pub use group::{GROUP_HEADER_LEN, GROUP_MARKER, GroupHeader};
pub use key_table::{
    BlockEntry, Directory, Fence, TableBuilder, TableEntry, TableTail, decode_block,
};
pub use manifest::{LogHead, Manifest, ManifestSegment};
pub use record::{Frame, FrameHead, FrameKey, FrameSource, RecordHeader};
pub use segment_header::{SEGMENT_HEADER_LEN, SegmentHeader, SegmentKind};
pub use snapshot::{
    PART_HEADER_LEN, PartHeader, SNAPSHOT_HEADER_LEN, SnapshotHeader, SnapshotTrailer, TRAILER_LEN,
};

/// Major format number this version writes; a larger one is refused.
pub const FORMAT_MAJOR: u16 = 1;
/// Minor format number this version writes; larger ones are read.
pub const FORMAT_MINOR: u16 = 0;

/// Bytes that are not what the format says; the text says what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Result of a decoder.
pub type Decoded<T> = core::result::Result<T, Malformed>;

/// CRC-32 of the bytes, begun with `seed`: the checksum of what stands before them, or 0.
#[must_use]
pub fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "wasm32")]
    return crc::update(seed, bytes);
    #[cfg(not(target_arch = "wasm32"))]
    {
        let mut hasher = crc32fast::Hasher::new_with_initial(seed);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The checksum seed of something at `offset` of a segment with this salt: bytes of another
/// segment, or of another place of this one, do not pass.
#[must_use]
pub fn seed_at(salt: u32, offset: u64) -> u32 {
    salt ^ (offset as u32)
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Decoded<u16> {
    Ok(u16::from_le_bytes(array(bytes, at)?))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Decoded<u32> {
    Ok(u32::from_le_bytes(array(bytes, at)?))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> Decoded<u64> {
    Ok(u64::from_le_bytes(array(bytes, at)?))
}

pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Decoded<[u8; N]> {
    let end = at.checked_add(N).ok_or(Malformed("a length in range"))?;
    let part = bytes.get(at..end).ok_or(Malformed("more bytes"))?;
    part.try_into().map_err(|_| Malformed("more bytes"))
}
