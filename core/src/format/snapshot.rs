//! A snapshot: a whole store in one file. FORMAT.md, section 11.
//!
//! ```text
//! header | (part header | bytes | crc u32)* | directory | trailer
//! ```
//!
//! The manifest is the first part, the segments follow, oldest first. The directory names every
//! part with its place; the trailer ends the file with a checksum of all before it.

use alloc::vec::Vec;

use super::{
    Decoded, FORMAT_MAJOR, FORMAT_MINOR, Malformed, array, checksum, read_u16, read_u32, read_u64,
};
use crate::file_id::{FileId, FileKind};

/// Length of a snapshot's header, in bytes.
pub const SNAPSHOT_HEADER_LEN: usize = 48;
/// Length of a part's header, in bytes.
pub const PART_HEADER_LEN: usize = 24;
/// Length of the trailer, in bytes.
pub const TRAILER_LEN: usize = 24;

const MAGIC: [u8; 8] = *b"SILTSNAP";
const END_MAGIC: [u8; 8] = *b"SILTSEND";

/// The header of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The store the snapshot is of.
    pub store_id: [u8; 16],
    /// The state it holds is the one at this sequence number.
    pub seq: u64,
    /// How many parts follow.
    pub parts: u32,
}

/// The header of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartHeader {
    /// Which file the part holds.
    pub file: FileId,
    /// Length of its bytes.
    pub len: u64,
}

/// The end of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotTrailer {
    /// Length of the directory before the trailer, in bytes.
    pub directory_len: u32,
    /// Checksum of the whole file before the trailer.
    pub file_crc: u32,
}

impl SnapshotHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SNAPSHOT_HEADER_LEN] {
        let mut bytes = [0; SNAPSHOT_HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
        bytes[10..12].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.store_id);
        bytes[28..36].copy_from_slice(&self.seq.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.parts.to_le_bytes());
        let crc = checksum(0, &bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Verifies and decodes a header. `Ok(Err(major))` is one of a newer major format.
    ///
    /// # Errors
    /// When the bytes are not a snapshot's header.
    pub fn decode(bytes: &[u8]) -> Decoded<core::result::Result<Self, u16>> {
        let bytes = bytes.get(..SNAPSHOT_HEADER_LEN).ok_or(Malformed("a snapshot's header"))?;
        if bytes[..8] != MAGIC || read_u32(bytes, 44)? != checksum(0, &bytes[..44]) {
            return Err(Malformed("a snapshot's header"));
        }
        let major = read_u16(bytes, 8)?;
        if major > FORMAT_MAJOR {
            return Ok(Err(major));
        }
        Ok(Ok(Self {
            store_id: array(bytes, 12)?,
            seq: read_u64(bytes, 28)?,
            parts: read_u32(bytes, 36)?,
        }))
    }
}

impl PartHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; PART_HEADER_LEN] {
        let mut bytes = [0; PART_HEADER_LEN];
        bytes[0] = match self.file.kind {
            FileKind::Segment => 0,
            FileKind::Manifest => 1,
        };
        bytes[4..12].copy_from_slice(&self.file.number.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.len.to_le_bytes());
        let crc = checksum(0, &bytes[..20]);
        bytes[20..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Verifies and decodes a part's header.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let bytes = bytes.get(..PART_HEADER_LEN).ok_or(Malformed("a part's header"))?;
        if read_u32(bytes, 20)? != checksum(0, &bytes[..20]) {
            return Err(Malformed("a part's header"));
        }
        let number = read_u64(bytes, 4)?;
        let file = match bytes[0] {
            0 => FileId::segment(number),
            1 => FileId::manifest(number),
            _ => return Err(Malformed("a known kind of part")),
        };
        Ok(Self { file, len: read_u64(bytes, 12)? })
    }
}

impl SnapshotTrailer {
    /// The trailer's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[..4].copy_from_slice(&self.directory_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.file_crc.to_le_bytes());
        let crc = checksum(0, &bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes[16..].copy_from_slice(&END_MAGIC);
        bytes
    }

    /// Verifies and decodes a trailer.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let bytes = bytes.get(..TRAILER_LEN).ok_or(Malformed("a snapshot's trailer"))?;
        if bytes[16..] != END_MAGIC || read_u32(bytes, 12)? != checksum(0, &bytes[..12]) {
            return Err(Malformed("a snapshot's trailer"));
        }
        Ok(Self { directory_len: read_u32(bytes, 0)?, file_crc: read_u32(bytes, 4)? })
    }

    /// The directory's bytes for these parts, each with where its bytes start and their checksum.
    #[must_use]
    pub fn directory(parts: &[(PartHeader, u64, u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (part, offset, crc) in parts {
            bytes.extend_from_slice(&part.encode());
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        bytes
    }
}
