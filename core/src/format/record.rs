//! A frame: one record with its checksum. FORMAT.md, section 6.
//!
//! ```text
//! crc u32 | tag u8, key_len, value_len, seq_delta (varints) [, expires (varint)]
//!         | key | value [| crc u32]
//! ```
//!
//! A small value shares the first checksum with header and key, so that one read and one pass
//! verify a record. A larger value has its own behind it, so that the key can be trusted without
//! reading the value.

use alloc::vec::Vec;

use super::{Decoded, Fields, Malformed, checksum, put, read_u32};
use crate::limits;

const TAG_TOMBSTONE: u8 = 1;
const TAG_EXPIRES: u8 = 2;
const TAG_MORE: u8 = 4;
const TAG_ALL: u8 = TAG_TOMBSTONE | TAG_EXPIRES | TAG_MORE;

const CRC_LEN: usize = 4;

/// The fixed part of a record's header, varints but for the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// Bit 0: tombstone. Bit 1: an expiry follows. Bit 2: the batch goes on in the next frame.
    pub tag: u8,
    /// Length of the key, in bytes.
    pub key_len: u16,
    /// Length of the value, in bytes; 0 for a tombstone.
    pub value_len: u32,
    /// Sequence number, less the segment's base.
    pub seq_delta: u64,
}

/// A record to be encoded.
#[derive(Debug, Clone, Copy)]
pub struct FrameSource<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value, or `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    /// Sequence number.
    pub seq: u64,
    /// Expiry, in microseconds since 1970. A tombstone that has one stands for a record that
    /// expired then and was compacted away.
    pub expires: Option<u64>,
    /// Whether the batch goes on in the next frame.
    pub more: bool,
}

/// A decoded frame; key and value borrow from the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value; empty for a tombstone.
    pub value: &'a [u8],
    /// Sequence number.
    pub seq: u64,
    /// Whether the record is a delete.
    pub tombstone: bool,
    /// Expiry, in microseconds since 1970.
    pub expires: Option<u64>,
    /// Whether the batch goes on in the next frame.
    pub more: bool,
    /// Length of the frame, in bytes.
    pub len: usize,
    /// Where the value starts in the frame.
    pub value_start: usize,
}

/// A frame's header and key, verified without the value where that is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameKey<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The header.
    pub head: FrameHead,
}

/// A frame's header. Not verified: its checksum may cover the value too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The fixed part.
    pub header: RecordHeader,
    /// Expiry, in microseconds since 1970.
    pub expires: Option<u64>,
    /// Where the key starts in the frame.
    pub key_start: usize,
}

impl FrameHead {
    /// Reads the header at the front of `bytes`.
    ///
    /// # Errors
    /// When the bytes end too early or a field is out of its range.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut fields = Fields::new(bytes.get(CRC_LEN..).ok_or(Malformed("a frame header"))?);
        let header = RecordHeader {
            tag: fields.u8(),
            key_len: fields.u16(),
            value_len: fields.u32(),
            seq_delta: fields.u64(),
        };
        let expires = (header.tag & TAG_EXPIRES != 0).then(|| fields.u64());
        fields.whole()?;
        let tombstone = header.tag & TAG_TOMBSTONE != 0;
        if header.tag & !TAG_ALL != 0
            || header.key_len == 0
            || header.value_len as usize > limits::VALUE_LEN_MAX
            || (tombstone && header.value_len != 0)
        {
            return Err(Malformed("a frame header with fields in range"));
        }
        Ok(Self { header, expires, key_start: bytes.len() - fields.left() })
    }

    /// Length of the whole frame, in bytes.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        let value_len = self.header.value_len as usize;
        let tail = if is_small(value_len) { 0 } else { CRC_LEN };
        self.value_start() + value_len + tail
    }

    /// Where the value starts in the frame.
    #[must_use]
    pub fn value_start(&self) -> usize {
        self.key_start + usize::from(self.header.key_len)
    }

    /// Bytes from the frame's start that its first checksum covers, the checksum included.
    #[must_use]
    pub fn key_checked_len(&self) -> usize {
        let value_len = self.header.value_len as usize;
        self.value_start() + if is_small(value_len) { value_len } else { 0 }
    }

    /// Whether the record is a delete.
    #[must_use]
    pub fn tombstone(&self) -> bool {
        self.header.tag & TAG_TOMBSTONE != 0
    }

    /// Whether the batch goes on in the next frame.
    #[must_use]
    pub fn more(&self) -> bool {
        self.header.tag & TAG_MORE != 0
    }

    /// The record's sequence number in a segment with this base.
    ///
    /// # Errors
    /// When the sum is out of range.
    pub fn seq(&self, base_seq: u64) -> Decoded<u64> {
        match base_seq.checked_add(self.header.seq_delta) {
            Some(seq) if seq <= limits::SEQ_MAX => Ok(seq),
            _ => Err(Malformed("a sequence number in range")),
        }
    }
}

impl<'a> FrameKey<'a> {
    /// Verifies the first checksum and gives header and key. `bytes` must reach at least
    /// [`FrameHead::key_checked_len`]; the value of a larger frame need not be there.
    ///
    /// # Errors
    /// When the bytes end too early or the checksum differs.
    pub fn decode(bytes: &'a [u8], seed: u32) -> Decoded<Self> {
        let head = FrameHead::decode(bytes)?;
        let checked =
            bytes.get(CRC_LEN..head.key_checked_len()).ok_or(Malformed("a whole frame"))?;
        if read_u32(bytes, 0)? != checksum(seed, checked) {
            return Err(Malformed("a frame with a right checksum"));
        }
        let key =
            bytes.get(head.key_start..head.value_start()).ok_or(Malformed("a whole frame"))?;
        Ok(Self { key, head })
    }
}

impl<'a> Frame<'a> {
    /// Verifies and decodes the frame at the front of `bytes`, which may be longer.
    ///
    /// # Errors
    /// When the bytes end too early, a field is out of range or a checksum differs.
    pub fn decode(bytes: &'a [u8], seed: u32, base_seq: u64) -> Decoded<Self> {
        let FrameKey { key, head } = FrameKey::decode(bytes, seed)?;
        let value_end = head.value_start() + head.header.value_len as usize;
        let value = bytes.get(head.value_start()..value_end).ok_or(Malformed("a whole frame"))?;
        if !is_small(value.len()) && read_u32(bytes, value_end)? != checksum(seed, value) {
            return Err(Malformed("a value with a right checksum"));
        }
        Ok(Self {
            key,
            value,
            seq: head.seq(base_seq)?,
            tombstone: head.tombstone(),
            expires: head.expires,
            more: head.more(),
            len: head.frame_len(),
            value_start: head.value_start(),
        })
    }
}

impl FrameSource<'_> {
    /// Appends the frame to `out` and gives its length.
    ///
    /// The caller has checked key and value against the limits, and `seq >= base_seq`.
    pub fn encode(&self, out: &mut Vec<u8>, seed: u32, base_seq: u64) -> usize {
        let value = self.value.unwrap_or(&[]);
        let mut tag = if self.value.is_none() { TAG_TOMBSTONE } else { 0 };
        if self.expires.is_some() {
            tag |= TAG_EXPIRES;
        }
        if self.more {
            tag |= TAG_MORE;
        }
        assert!(self.seq >= base_seq, "a record older than its segment's base");
        let header = RecordHeader {
            tag,
            key_len: self.key.len() as u16,
            value_len: value.len() as u32,
            seq_delta: self.seq - base_seq,
        };
        let start = out.len();
        out.extend_from_slice(&[0; CRC_LEN]);
        out.push(header.tag);
        put(out, header.key_len);
        put(out, header.value_len);
        put(out, header.seq_delta);
        if let Some(expires) = self.expires {
            put(out, expires);
        }
        out.extend_from_slice(self.key);
        let crc = if is_small(value.len()) {
            out.extend_from_slice(value);
            checksum(seed, &out[start + CRC_LEN..])
        } else {
            let crc = checksum(seed, &out[start + CRC_LEN..]);
            out.extend_from_slice(value);
            out.extend_from_slice(&checksum(seed, value).to_le_bytes());
            crc
        };
        out[start..start + CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        out.len() - start
    }
}

fn is_small(value_len: usize) -> bool {
    value_len <= limits::SMALL_VALUE_LEN_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn source<'a>(key: &'a [u8], value: Option<&'a [u8]>, expires: Option<u64>) -> FrameSource<'a> {
        FrameSource { key, value, seq: 1_000_123, expires, more: true }
    }

    #[test]
    fn frames_round_trip_and_every_flipped_bit_is_found() {
        let large = vec![7; limits::SMALL_VALUE_LEN_MAX + 1];
        for (value, expires) in [
            (Some(&b"value"[..]), None),
            (Some(&b""[..]), Some(9_999_999_999)),
            (None, None),
            (Some(&large[..]), None),
        ] {
            let mut bytes = Vec::new();
            let len = source(b"key", value, expires).encode(&mut bytes, 77, 1_000_000);
            assert_eq!(len, bytes.len());
            let frame = Frame::decode(&bytes, 77, 1_000_000).expect("a whole frame");
            assert_eq!(
                (frame.key, frame.value, frame.seq, frame.expires, frame.tombstone, frame.more),
                (&b"key"[..], value.unwrap_or(&[]), 1_000_123, expires, value.is_none(), true)
            );
            assert_eq!(frame.len, len);
            let step = if bytes.len() > 1000 { 97 } else { 1 };
            for bit in (0..bytes.len() * 8).step_by(step) {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(Frame::decode(&bytes, 77, 1_000_000).is_err(), "bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            for cut in 0..bytes.len().min(100) {
                assert!(Frame::decode(&bytes[..cut], 77, 1_000_000).is_err(), "cut {cut}");
            }
            assert!(Frame::decode(&bytes, 78, 1_000_000).is_err(), "another salt or place");
        }
    }

    #[test]
    fn a_large_value_is_not_needed_for_its_key() {
        let large = vec![7; limits::SMALL_VALUE_LEN_MAX + 1];
        let mut bytes = Vec::new();
        source(b"key", Some(&large), None).encode(&mut bytes, 1, 0);
        let frame = FrameKey::decode(&bytes[..40], 1).expect("header and key");
        assert_eq!(frame.key, b"key");
        assert_eq!(frame.head.frame_len(), bytes.len());
    }
}
