//! The manifest: the list of live segments, published whole. FORMAT.md, section 8.
//!
//! ```text
//! "SILTMANI" | major u16 | minor u16 | fields and segments (varints) | crc u32
//! ```

use alloc::vec::Vec;

use super::{
    Decoded, FORMAT_MAJOR, FORMAT_MINOR, Fields, Footer, Malformed, checksum, put, read_u16,
    read_u32,
};
use crate::limits;
use crate::options::Retention;

const MAGIC: [u8; 8] = *b"SILTMANI";
const HEADER_LEN: usize = 12;

/// Where the log goes on: the first segment that is not sealed. Its file may not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHead {
    /// Number of the segment.
    pub number: u64,
    /// Its salt, known here too so that a damaged header can be told from an unwritten one.
    pub salt: u32,
    /// Bytes of the segment known synced when the manifest was published: all of it after a
    /// clean close.
    pub len: u64,
}

/// A live sealed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestSegment {
    /// What the segment's own footer says.
    pub footer: Footer,
    /// Bytes of superseded frames, as known when the manifest was published.
    pub dead_bytes: u64,
}

/// The list of live segments with all that is needed to open them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The manifest's own number.
    pub number: u64,
    /// Identity of the store, random.
    pub store_id: [u8; 16],
    /// Key of the hash that orders the index and the filters, random.
    pub hash_key: [u8; 16],
    /// Bits of the hash that are used.
    pub hash_bits: u8,
    /// Which superseded versions compaction keeps.
    pub retention: Retention,
    /// Oldest moment that can be read.
    pub horizon: u64,
    /// A sequence number no smaller than any in the sealed segments or dropped from them.
    pub last_seq: u64,
    /// Where the log goes on.
    pub log: LogHead,
    /// The sealed segments, oldest first.
    pub segments: Vec<ManifestSegment>,
}

impl Manifest {
    /// The manifest's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_MAJOR.to_le_bytes());
        out.extend_from_slice(&FORMAT_MINOR.to_le_bytes());
        put(&mut out, self.number);
        out.extend_from_slice(&self.store_id);
        out.extend_from_slice(&self.hash_key);
        out.push(self.hash_bits);
        let (kind, amount) = match self.retention {
            Retention::Latest => (0_u8, 0),
            Retention::Age { us } => (1, us),
            Retention::Versions { count } => (2, u64::from(count)),
            Retention::Forever => (3, 0),
        };
        out.push(kind);
        for number in [amount, self.horizon, self.last_seq, self.log.number] {
            put(&mut out, number);
        }
        put(&mut out, self.log.salt);
        put(&mut out, self.log.len);
        put(&mut out, self.segments.len() as u64);
        for segment in &self.segments {
            segment.footer.encode_body(&mut out);
            put(&mut out, segment.dead_bytes);
        }
        let crc = checksum(0, &out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Verifies and decodes a manifest. `Ok(Err(major))` is one of a newer major format.
    ///
    /// # Errors
    /// When the bytes are not a whole manifest.
    pub fn decode(bytes: &[u8]) -> Decoded<core::result::Result<Self, u16>> {
        let end = bytes.len().checked_sub(4).ok_or(Malformed("a manifest"))?;
        if end < HEADER_LEN
            || bytes[..8] != MAGIC
            || read_u32(bytes, end)? != checksum(0, &bytes[..end])
        {
            return Err(Malformed("a whole manifest"));
        }
        let major = read_u16(bytes, 8)?;
        if major > FORMAT_MAJOR {
            return Ok(Err(major));
        }
        let mut fields = Fields::new(&bytes[HEADER_LEN..end]);
        let manifest = Self::take(&mut fields)?;
        if fields.left() == 0 {
            Ok(Ok(manifest))
        } else {
            Err(Malformed("a manifest without leftovers"))
        }
    }

    fn take(fields: &mut Fields<'_>) -> Decoded<Self> {
        let (number, store_id, hash_key) = (fields.u64(), fields.array(), fields.array());
        let (hash_bits, kind, amount) = (fields.u8(), fields.u8(), fields.u64());
        let retention = match kind {
            0 => Retention::Latest,
            1 => Retention::Age { us: amount },
            2 => Retention::Versions {
                count: u32::try_from(amount).map_err(|_| Malformed("a count in range"))?,
            },
            3 => Retention::Forever,
            _ => return Err(Malformed("a known retention")),
        };
        let (horizon, last_seq) = (fields.u64(), fields.u64());
        let log = LogHead { number: fields.u64(), salt: fields.u32(), len: fields.u64() };
        let count = fields.u64();
        fields.whole()?;
        let mut manifest = Self {
            number,
            store_id,
            hash_key,
            hash_bits,
            retention,
            horizon,
            last_seq,
            log,
            segments: Vec::new(),
        };
        if count > limits::SEGMENTS_MAX as u64
            || !(1..=64).contains(&hash_bits)
            || last_seq > limits::SEQ_MAX
        {
            return Err(Malformed("manifest fields in range"));
        }
        for _ in 0..count {
            let footer = Footer::take(fields)?;
            manifest.segments.push(ManifestSegment { footer, dead_bytes: fields.u64() });
        }
        fields.whole()?;
        let ordered = |pair: &[ManifestSegment]| {
            pair[0].footer.numbers.max_seq <= pair[1].footer.numbers.min_seq
        };
        if !manifest.segments.windows(2).all(ordered) {
            return Err(Malformed("segments in the order of their sequence numbers"));
        }
        Ok(manifest)
    }
}
