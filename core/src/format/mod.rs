//! Bytes to types and back, without any input or output. The layout is FORMAT.md's.
//!
//! Decoders borrow from the bytes they are given, check every length before using it, and never
//! panic: whatever the bytes are, the answer is a value or [`Malformed`].

#[cfg(any(target_arch = "wasm32", test))]
mod crc;
mod filter;
mod footer;
mod group;
mod key_table;
mod manifest;
mod record;
mod segment_header;
mod snapshot;

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

/// CRC-32 of the parts, one after the other, begun with `seed`.
#[must_use]
#[cfg(target_arch = "wasm32")]
pub fn checksum(seed: u32, parts: &[&[u8]]) -> u32 {
    parts.iter().fold(seed, |crc, part| crc::update(crc, part))
}

/// CRC-32 of the parts, one after the other, begun with `seed`.
#[must_use]
#[cfg(not(target_arch = "wasm32"))]
pub fn checksum(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
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

/// Takes one postcard value off the front of `bytes`.
pub(crate) fn take<'a, T: serde::Deserialize<'a>>(bytes: &mut &'a [u8]) -> Decoded<T> {
    let (value, rest) =
        postcard::take_from_bytes(bytes).map_err(|_| Malformed("a well-formed field"))?;
    *bytes = rest;
    Ok(value)
}

/// Appends one postcard value of at most `N` bytes to `out`.
pub(crate) fn put<T: serde::Serialize, const N: usize>(out: &mut alloc::vec::Vec<u8>, value: &T) {
    let mut buf = [0; N];
    // N is chosen by the caller as the longest encoding, so this cannot fail.
    let Ok(bytes) = postcard::to_slice(value, &mut buf) else {
        unreachable!("a postcard value longer than its bound")
    };
    out.extend_from_slice(bytes);
}

/// Appends a length (varint) and the bytes.
pub(crate) fn put_bytes(out: &mut alloc::vec::Vec<u8>, bytes: &[u8]) {
    put::<u64, 10>(out, &(bytes.len() as u64));
    out.extend_from_slice(bytes);
}

/// Takes a length (varint) and that many bytes, borrowed.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8], max: usize) -> Decoded<&'a [u8]> {
    let len = usize::try_from(take::<u64>(bytes)?).map_err(|_| Malformed("a length in range"))?;
    if len > max {
        return Err(Malformed("a length in range"));
    }
    let (head, rest) = bytes.split_at_checked(len).ok_or(Malformed("more bytes"))?;
    *bytes = rest;
    Ok(head)
}
