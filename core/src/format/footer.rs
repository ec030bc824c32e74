//! The footer of a sealed segment: what the segment is, in numbers. FORMAT.md, section 7.
//!
//! ```text
//! numbers and keys (varints) | body_len u32 | crc u32 | "SILTFOOT"
//! ```
//!
//! The manifest holds the same numbers: a footer that differs from its manifest entry is damage.

use alloc::vec::Vec;

use super::{
    Decoded, Malformed, checksum, put, put_bytes, read_u32, seed_at, take_bytes, take_u8, take_u32,
    take_u64,
};
use crate::limits;

const MAGIC: [u8; 8] = *b"SILTFOOT";

/// Length of the fixed part at the end of a footer, in bytes.
pub const FOOTER_TAIL_LEN: usize = 16;

/// The numbers of a sealed segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentNumbers {
    /// The segment's number.
    pub number: u64,
    /// Seed of its checksums.
    pub salt: u32,
    /// Whether its values stand in key order.
    pub sorted: bool,
    /// What its sequence numbers are stored less.
    pub base_seq: u64,
    /// Smallest sequence number.
    pub min_seq: u64,
    /// Largest sequence number.
    pub max_seq: u64,
    /// Records, tombstones included.
    pub records: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Bytes of keys and values.
    pub payload_bytes: u64,
    /// Bytes of frames that carry an expiry.
    pub expiring_bytes: u64,
    /// Earliest expiry, 0 if there is none.
    pub expires_min: u64,
    /// Latest expiry, 0 if there is none.
    pub expires_max: u64,
    /// End of the groups; the key table's blocks start here.
    pub data_end: u64,
    /// End of the key table's blocks; the fences start here.
    pub fences_offset: u64,
    /// End of the fences; the filter starts here.
    pub filter_offset: u64,
    /// End of the filter; the footer starts here.
    pub footer_offset: u64,
}

/// The footer of a sealed segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footer {
    /// The numbers.
    pub numbers: SegmentNumbers,
    /// Smallest key.
    pub first_key: Vec<u8>,
    /// Largest key.
    pub last_key: Vec<u8>,
}

impl SegmentNumbers {
    fn decode(bytes: &mut &[u8]) -> Decoded<Self> {
        let (number, salt) = (take_u64(bytes)?, take_u32(bytes)?);
        let sorted = match take_u8(bytes)? {
            0 => false,
            1 => true,
            _ => return Err(Malformed("a well-formed field")),
        };
        let mut fields = [0; 13];
        for field in &mut fields {
            *field = take_u64(bytes)?;
        }
        let [base_seq, min_seq, max_seq, records, tombstones, fields @ ..] = fields;
        let [payload_bytes, expiring_bytes, expires_min, expires_max, fields @ ..] = fields;
        let [data_end, fences_offset, filter_offset, footer_offset] = fields;
        Ok(Self {
            number,
            salt,
            sorted,
            base_seq,
            min_seq,
            max_seq,
            records,
            tombstones,
            payload_bytes,
            expiring_bytes,
            expires_min,
            expires_max,
            data_end,
            fences_offset,
            filter_offset,
            footer_offset,
        })
    }
}

impl Footer {
    /// The footer's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_body(&mut bytes);
        let body_len = bytes.len() as u32;
        bytes.extend_from_slice(&body_len.to_le_bytes());
        let seed = seed_at(self.numbers.salt, self.numbers.footer_offset);
        let crc = checksum(seed, &[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&MAGIC);
        bytes
    }

    /// Length of the sealed segment's file, in bytes.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.numbers.footer_offset + self.encode().len() as u64
    }

    pub(super) fn encode_body(&self, out: &mut Vec<u8>) {
        let n = &self.numbers;
        put(out, n.number);
        put(out, n.salt);
        out.push(u8::from(n.sorted));
        for number in [
            n.base_seq,
            n.min_seq,
            n.max_seq,
            n.records,
            n.tombstones,
            n.payload_bytes,
            n.expiring_bytes,
            n.expires_min,
            n.expires_max,
            n.data_end,
            n.fences_offset,
            n.filter_offset,
            n.footer_offset,
        ] {
            put(out, number);
        }
        put_bytes(out, &self.first_key);
        put_bytes(out, &self.last_key);
    }

    pub(super) fn decode_body(bytes: &mut &[u8]) -> Decoded<Self> {
        let numbers = SegmentNumbers::decode(bytes)?;
        let first_key = take_bytes(bytes, limits::KEY_LEN_MAX)?.to_vec();
        let last_key = take_bytes(bytes, limits::KEY_LEN_MAX)?.to_vec();
        let n = &numbers;
        let ordered = n.data_end <= n.fences_offset
            && n.fences_offset <= n.filter_offset
            && n.filter_offset <= n.footer_offset
            && n.footer_offset <= u64::from(u32::MAX) * 8;
        if !ordered
            || n.data_end > limits::SEGMENT_DATA_MAX
            || n.max_seq > limits::SEQ_MAX
            || n.min_seq > n.max_seq
            || n.base_seq > n.min_seq
            || n.tombstones > n.records
            || n.records == 0
        {
            return Err(Malformed("segment numbers in range"));
        }
        Ok(Self { numbers, first_key, last_key })
    }

    /// Verifies and decodes a footer that ends at the end of `bytes`, for tools that have no
    /// manifest. `end` is where `bytes` ends in the file.
    ///
    /// # Errors
    /// When there is no whole footer.
    pub fn decode_at_end(bytes: &[u8], end: u64, salt: u32) -> Decoded<Self> {
        let expected = Malformed("a footer");
        let tail = bytes.len().checked_sub(FOOTER_TAIL_LEN).ok_or(expected)?;
        if bytes[tail + 8..] != MAGIC {
            return Err(expected);
        }
        let body_len = read_u32(bytes, tail)? as usize;
        let start = tail.checked_sub(body_len).ok_or(expected)?;
        let offset = end.checked_sub((bytes.len() - start) as u64).ok_or(expected)?;
        let crc = checksum(seed_at(salt, offset), &[&bytes[start..tail + 4]]);
        if read_u32(bytes, tail + 4)? != crc {
            return Err(expected);
        }
        Self::decode_body(&mut &bytes[start..tail])
    }
}
