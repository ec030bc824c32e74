//! A group header: what one append of the log begins with. FORMAT.md, section 5.
//!
//! ```text
//! 0  marker u8 = 0xA5
//! 1  flags u8         0; a reader refuses others
//! 2  body_len u32     bytes of frames that follow
//! 6  durable_gap u32  this group's offset less the length of the segment known synced
//! 10 crc u32          of bytes 0..10, seeded by the salt and the group's offset
//! ```

use super::{Decoded, Malformed, checksum, read_u32, seed_at};

/// Length of a group header, in bytes.
pub const GROUP_HEADER_LEN: usize = 14;
/// First byte of every group header: a scanner looks for it behind damage.
pub const GROUP_MARKER: u8 = 0xA5;

/// The header of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupHeader {
    /// Where the group starts in its segment.
    pub offset: u64,
    /// Bytes of frames that follow the header.
    pub body_len: u32,
    /// Bytes of the segment known synced when the group was written; at most `offset`.
    pub durable_len: u64,
}

impl GroupHeader {
    /// The header's bytes in a segment with this salt.
    #[must_use]
    pub fn encode(&self, salt: u32) -> [u8; GROUP_HEADER_LEN] {
        let gap = (self.offset - self.durable_len) as u32;
        let mut bytes = [0; GROUP_HEADER_LEN];
        bytes[0] = GROUP_MARKER;
        bytes[2..6].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[6..10].copy_from_slice(&gap.to_le_bytes());
        let crc = checksum(seed_at(salt, self.offset), &bytes[..10]);
        bytes[10..14].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Verifies and decodes the header at the front of `bytes`, which stand at `offset`.
    ///
    /// # Errors
    /// When the bytes are not a group header of this segment at this place.
    pub fn decode(bytes: &[u8], offset: u64, salt: u32) -> Decoded<Self> {
        let bytes = bytes.get(..GROUP_HEADER_LEN).ok_or(Malformed("a group header"))?;
        if bytes[0] != GROUP_MARKER || bytes[1] != 0 {
            return Err(Malformed("a group header"));
        }
        let crc = checksum(seed_at(salt, offset), &bytes[..10]);
        let gap = u64::from(read_u32(bytes, 6)?);
        if read_u32(bytes, 10)? != crc || gap > offset {
            return Err(Malformed("a group header"));
        }
        Ok(Self { offset, body_len: read_u32(bytes, 2)?, durable_len: offset - gap })
    }

    /// Where the frames of the group start in its segment.
    #[must_use]
    pub fn body(&self) -> u64 {
        self.offset + GROUP_HEADER_LEN as u64
    }

    /// Where the group ends in its segment.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.body() + u64::from(self.body_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_only_at_its_place_and_salt() {
        let header = GroupHeader { offset: 500, body_len: 90, durable_len: 400 };
        let bytes = header.encode(9);
        assert_eq!(GroupHeader::decode(&bytes, 500, 9), Ok(header));
        assert!(GroupHeader::decode(&bytes, 501, 9).is_err());
        assert!(GroupHeader::decode(&bytes, 500, 8).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(GroupHeader::decode(&flipped, 500, 9).is_err(), "bit {bit}");
        }
    }
}
