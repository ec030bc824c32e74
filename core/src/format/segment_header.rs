//! The header of a segment. FORMAT.md, section 4.

use super::{
    Decoded, FORMAT_MAJOR, FORMAT_MINOR, Malformed, array, checksum, read_u16, read_u32, read_u64,
};

/// Length of a segment header, in bytes.
pub const SEGMENT_HEADER_LEN: usize = 88;

const MAGIC: [u8; 8] = *b"SILTSEGM";

/// How a segment came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// Written by the log: values stand in the order of their arrival.
    Arrival,
    /// Written by compaction: values stand in key order.
    Sorted,
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// How the segment came to be.
    pub kind: SegmentKind,
    /// Seed of the segment's checksums, random.
    pub salt: u32,
    /// The store the segment belongs to.
    pub store_id: [u8; 16],
    /// The segment's number.
    pub number: u64,
    /// Sequence numbers of the segment's records are stored less this one.
    pub base_seq: u64,
    /// Number of the log segment before this one, 0 if there was none or it was sealed.
    pub previous_number: u64,
    /// Length of that segment's data, in bytes.
    pub previous_len: u64,
    /// Last sequence number of that segment.
    pub previous_seq: u64,
}

impl SegmentHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
        bytes[10..12].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.store_id);
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.base_seq.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.previous_number.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.previous_len.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.previous_seq.to_le_bytes());
        let kind: u32 = match self.kind {
            SegmentKind::Arrival => 0,
            SegmentKind::Sorted => 1,
        };
        bytes[72..76].copy_from_slice(&kind.to_le_bytes());
        let crc = checksum(0, &bytes[..84]);
        bytes[84..88].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Verifies and decodes a header. `Ok(Err(major))` is one of a newer major format.
    ///
    /// # Errors
    /// When the bytes are not a segment header.
    pub fn decode(bytes: &[u8]) -> Decoded<core::result::Result<Self, u16>> {
        let bytes = bytes.get(..SEGMENT_HEADER_LEN).ok_or(Malformed("a segment header"))?;
        if bytes[..8] != MAGIC || read_u32(bytes, 84)? != checksum(0, &bytes[..84]) {
            return Err(Malformed("a segment header"));
        }
        let major = read_u16(bytes, 8)?;
        if major > FORMAT_MAJOR {
            return Ok(Err(major));
        }
        Ok(Ok(Self {
            kind: match read_u32(bytes, 72)? {
                0 => SegmentKind::Arrival,
                1 => SegmentKind::Sorted,
                _ => return Err(Malformed("a known kind of segment")),
            },
            salt: read_u32(bytes, 12)?,
            store_id: array(bytes, 16)?,
            number: read_u64(bytes, 32)?,
            base_seq: read_u64(bytes, 40)?,
            previous_number: read_u64(bytes, 48)?,
            previous_len: read_u64(bytes, 56)?,
            previous_seq: read_u64(bytes, 64)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_newer_formats_are_named() {
        let header = SegmentHeader {
            kind: SegmentKind::Sorted,
            salt: 5,
            store_id: [3; 16],
            number: 8,
            base_seq: 1 << 50,
            previous_number: 7,
            previous_len: 1234,
            previous_seq: 99,
        };
        let mut bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(Ok(header)));
        bytes[8] = 9;
        assert!(SegmentHeader::decode(&bytes).is_err(), "a flipped version is damage");
        let crc = checksum(0, &bytes[..84]);
        bytes[84..88].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Ok(Err(9)));
    }
}
