//! The footer of a sealed segment: what the segment is, in numbers. FORMAT.md, section 7.
//!
//! ```text
//! numbers and keys (varints) | body_len u32 | crc u32 | "SILTFOOT"
//! ```
//!
//! The manifest holds the same numbers: a footer that differs from its manifest entry is damage.

use alloc::vec::Vec;

use super::{Decoded, Fields, Malformed, checksum, put, put_bytes, read_u32, seed_at};
use crate::limits;
use crate::types::owned;

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
    fn take(fields: &mut Fields<'_>) -> Self {
        let mut n = Self { number: fields.u64(), salt: fields.u32(), ..Self::default() };
        let sorted = fields.u8();
        n.sorted = sorted == 1;
        if sorted > 1 {
            fields.refuse();
        }
        for number in n.rest() {
            *number = fields.u64();
        }
        n
    }

    /// The numbers behind the first three, in the order of the format.
    fn rest(&mut self) -> [&mut u64; 13] {
        [
            &mut self.base_seq,
            &mut self.min_seq,
            &mut self.max_seq,
            &mut self.records,
            &mut self.tombstones,
            &mut self.payload_bytes,
            &mut self.expiring_bytes,
            &mut self.expires_min,
            &mut self.expires_max,
            &mut self.data_end,
            &mut self.fences_offset,
            &mut self.filter_offset,
            &mut self.footer_offset,
        ]
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
        let crc = checksum(seed, &bytes);
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
        let mut n = self.numbers;
        put(out, n.number);
        put(out, n.salt);
        out.push(u8::from(n.sorted));
        for number in n.rest() {
            put(out, *number);
        }
        put_bytes(out, &self.first_key);
        put_bytes(out, &self.last_key);
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Decoded<Self> {
        let numbers = SegmentNumbers::take(fields);
        let first_key = owned(fields.bytes(limits::KEY_LEN_MAX));
        let last_key = owned(fields.bytes(limits::KEY_LEN_MAX));
        fields.whole()?;
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
        let crc = checksum(seed_at(salt, offset), &bytes[start..tail + 4]);
        if read_u32(bytes, tail + 4)? != crc {
            return Err(expected);
        }
        Self::take(&mut Fields::new(&bytes[start..tail]))
    }
}
