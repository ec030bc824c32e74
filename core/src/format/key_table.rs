//! The key table of a sealed segment: where each record is, in key order. FORMAT.md, section 7.
//!
//! Blocks of up to 32 entries hold hash, length and, where values stand in order of arrival,
//! offset and sequence number. The fences, one a block, hold the block's first key. The keys
//! themselves are not repeated: they stand in the frames.

use alloc::vec::Vec;

use super::{
    Decoded, Fields, Filter, FilterBuilder, Footer, GROUP_HEADER_LEN, Malformed, SegmentNumbers,
    checksum, put, put_bytes, read_u32, seed_at,
};
use crate::limits::{BLOCK_RECORDS_MAX, KEY_LEN_MAX, TABLE_BLOCK_BYTES_MAX};
use crate::types::owned;

const FLAG_TOMBSTONE: u64 = 1;
const FLAG_OLDER: u64 = 2;
const TABLE_SEED: u32 = 0x7461_626c;
const FENCES_SEED: u32 = 0x666e_6365;
const FILTER_SEED: u32 = 0x666c_7472;

/// A record as it is added to a key table.
#[derive(Debug, Clone, Copy)]
pub struct TableEntry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Its hash.
    pub hash: u64,
    /// Sequence number.
    pub seq: u64,
    /// Whether the record is a delete.
    pub tombstone: bool,
    /// Expiry, 0 for none.
    pub expires: u64,
    /// Where the frame starts.
    pub offset: u32,
    /// Length of the frame, in bytes.
    pub len: u32,
}

/// A record as a key table's block tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockEntry {
    /// Hash of the key.
    pub hash: u64,
    /// Where the frame starts.
    pub offset: u32,
    /// Length of the frame, in bytes.
    pub len: u32,
    /// Sequence number; 0 in a sorted segment, where only the frame holds it.
    pub seq: u64,
    /// Whether the record is a delete.
    pub tombstone: bool,
    /// Whether the record is an older version of the key before it.
    pub older: bool,
}

/// One block of a key table, as the fences tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    key_start: u32,
    key_len: u32,
    /// How many records stand before the block.
    pub first: u64,
    /// How many records the block has.
    pub records: u32,
    /// Where the block starts, from the start of the table.
    pub table_offset: u32,
    /// Length of the block, in bytes.
    pub table_len: u32,
    /// Sorted segments: where the block's group starts. Otherwise 0.
    pub data_offset: u32,
    /// Sorted segments: length of the block's group, its header included. Otherwise 0.
    pub data_len: u32,
}

/// Fences and filter of a sealed segment, in memory.
#[derive(Debug)]
pub struct Directory {
    fences: Vec<Fence>,
    keys: Vec<u8>,
    /// The filter over the hashes of the segment's keys.
    pub filter: Filter,
}

/// Builds what stands behind the data of a segment: key table, fences, filter, footer.
#[derive(Debug)]
pub struct TableBuilder {
    numbers: SegmentNumbers,
    table: Vec<u8>,
    block_start: usize,
    block_records: u32,
    block_key: Vec<u8>,
    fences: Vec<u8>,
    hashes: Vec<u64>,
    first_key: Vec<u8>,
    last_key: Vec<u8>,
}

/// What stands behind the data of a sealed segment.
#[derive(Debug)]
pub struct TableTail {
    /// Key table, fences, filter and footer, as they are appended behind the data.
    pub bytes: Vec<u8>,
    /// The footer.
    pub footer: Footer,
}

impl TableBuilder {
    /// Begins the table of a segment.
    #[must_use]
    pub fn new(number: u64, salt: u32, sorted: bool, base_seq: u64) -> Self {
        let numbers = SegmentNumbers {
            number,
            salt,
            sorted,
            base_seq,
            min_seq: u64::MAX,
            ..SegmentNumbers::default()
        };
        Self {
            numbers,
            table: Vec::new(),
            block_start: 0,
            block_records: 0,
            block_key: Vec::new(),
            fences: Vec::new(),
            hashes: Vec::new(),
            first_key: Vec::new(),
            last_key: Vec::new(),
        }
    }

    /// Adds the next record: keys ascending, versions of a key newest first.
    pub fn add(&mut self, entry: &TableEntry<'_>) {
        let n = &mut self.numbers;
        let older = n.records > 0 && self.last_key == entry.key;
        if n.records == 0 {
            self.first_key = owned(entry.key);
        }
        if self.block_records == 0 {
            self.block_start = self.table.len();
            self.block_key.clear();
            self.block_key.extend_from_slice(entry.key);
        }
        if !older {
            self.last_key.clear();
            self.last_key.extend_from_slice(entry.key);
            self.hashes.push(entry.hash);
        }
        n.records += 1;
        n.tombstones += u64::from(entry.tombstone);
        n.min_seq = n.min_seq.min(entry.seq);
        n.max_seq = n.max_seq.max(entry.seq);
        if entry.expires != 0 && !entry.tombstone {
            let first = n.expiring_bytes == 0;
            n.expiring_bytes += u64::from(entry.len);
            n.expires_min = if first { entry.expires } else { n.expires_min.min(entry.expires) };
            n.expires_max = n.expires_max.max(entry.expires);
        }
        let flags = u64::from(entry.tombstone) * FLAG_TOMBSTONE + u64::from(older) * FLAG_OLDER;
        self.table.extend_from_slice(&entry.hash.to_le_bytes());
        put(&mut self.table, u64::from(entry.len) << 2 | flags);
        if !n.sorted {
            let delta = entry.seq - n.base_seq;
            self.table.extend_from_slice(&entry.offset.to_le_bytes());
            put(&mut self.table, delta);
        }
        self.block_records += 1;
        if !self.numbers.sorted && self.block_records as usize == BLOCK_RECORDS_MAX {
            self.end_block(0, 0);
        }
    }

    /// How many records the open block has.
    #[must_use]
    pub fn block_records(&self) -> usize {
        self.block_records as usize
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.records == 0
    }

    /// Ends the open block. A sorted segment names the group that holds the block's frames.
    pub fn end_block(&mut self, data_offset: u32, data_len: u32) {
        if self.block_records == 0 {
            return;
        }
        let seed = seed_at(self.numbers.salt, self.block_start as u64) ^ TABLE_SEED;
        let crc = checksum(seed, &self.table[self.block_start..]);
        self.table.extend_from_slice(&crc.to_le_bytes());
        let table_len = (self.table.len() - self.block_start) as u32;
        put_bytes(&mut self.fences, &self.block_key);
        for number in [self.block_records, table_len, data_offset, data_len] {
            put(&mut self.fences, number);
        }
        self.block_records = 0;
    }

    /// Ends the table: its bytes are to be appended at `data_end`, the end of the groups.
    #[must_use]
    pub fn finish(mut self, data_end: u64, payload_bytes: u64) -> TableTail {
        self.end_block(0, 0);
        let salt = self.numbers.salt;
        let mut bytes = self.table;
        let n = &mut self.numbers;
        n.payload_bytes = payload_bytes;
        n.data_end = data_end;
        n.fences_offset = data_end + bytes.len() as u64;
        let crc = checksum(salt ^ FENCES_SEED, &self.fences);
        bytes.extend_from_slice(&self.fences);
        bytes.extend_from_slice(&crc.to_le_bytes());
        n.filter_offset = data_end + bytes.len() as u64;
        let mut filter = FilterBuilder::new(self.hashes.len());
        for hash in &self.hashes {
            filter.add(*hash);
        }
        let filter = filter.finish();
        let crc = checksum(salt ^ FILTER_SEED, &filter);
        bytes.extend_from_slice(&filter);
        bytes.extend_from_slice(&crc.to_le_bytes());
        n.footer_offset = data_end + bytes.len() as u64;
        let footer =
            Footer { numbers: self.numbers, first_key: self.first_key, last_key: self.last_key };
        bytes.extend_from_slice(&footer.encode());
        TableTail { bytes, footer }
    }
}

impl Directory {
    /// Takes the directory from the fences and the filter, as they stand in the segment.
    ///
    /// # Errors
    /// When a checksum differs or the fences do not fit the segment's numbers.
    pub fn decode(fences: &[u8], filter: &[u8], numbers: &SegmentNumbers) -> Decoded<Self> {
        let mut fields = Fields::new(checked(fences, numbers.salt ^ FENCES_SEED)?);
        let filter = Filter::decode(checked(filter, numbers.salt ^ FILTER_SEED)?)?;
        let table_len = numbers.fences_offset - numbers.data_end;
        let mut directory = Self { fences: Vec::new(), keys: Vec::new(), filter };
        let (mut first, mut table_offset) = (0_u64, 0_u64);
        while fields.left() > 0 {
            let key = fields.bytes(KEY_LEN_MAX);
            let fence = Fence {
                key_start: directory.keys.len() as u32,
                key_len: key.len() as u32,
                first,
                records: fields.u32(),
                table_offset: table_offset as u32,
                table_len: fields.u32(),
                data_offset: fields.u32(),
                data_len: fields.u32(),
            };
            fields.whole()?;
            let data_end = u64::from(fence.data_offset) + u64::from(fence.data_len);
            if fence.records == 0
                || fence.records as usize > BLOCK_RECORDS_MAX
                || fence.table_len as usize > TABLE_BLOCK_BYTES_MAX
                || data_end > numbers.data_end
                || (numbers.sorted && (fence.data_len as usize) < GROUP_HEADER_LEN)
            {
                return Err(Malformed("fences in range"));
            }
            first += u64::from(fence.records);
            table_offset += u64::from(fence.table_len);
            directory.keys.extend_from_slice(key);
            directory.fences.push(fence);
        }
        if first != numbers.records || table_offset != table_len {
            return Err(Malformed("fences that cover the key table"));
        }
        Ok(directory)
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.fences.len()
    }

    /// The fence of a block.
    #[must_use]
    pub fn fence(&self, block: usize) -> Fence {
        self.fences[block]
    }

    /// The first key of a block.
    #[must_use]
    pub fn first_key(&self, block: usize) -> &[u8] {
        let fence = &self.fences[block];
        &self.keys[fence.key_start as usize..(fence.key_start + fence.key_len) as usize]
    }

    /// The first block that can hold `key` or a larger one.
    #[must_use]
    pub fn block_of_key(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.fences.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.first_key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.saturating_sub(1)
    }

    /// The block that holds the record of this ordinal.
    #[must_use]
    pub fn block_of_ordinal(&self, ordinal: u64) -> usize {
        self.fences.partition_point(|fence| fence.first <= ordinal).saturating_sub(1)
    }

    /// Memory the directory takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.fences.len() * size_of::<Fence>() + self.keys.len() + self.filter.bytes()
    }
}

/// Decodes the entries of a block and appends them to `out`.
///
/// # Errors
/// When the checksum differs or an entry is out of range.
pub fn decode_block(
    bytes: &[u8],
    fence: &Fence,
    numbers: &SegmentNumbers,
    out: &mut Vec<BlockEntry>,
) -> Decoded<()> {
    let seed = seed_at(numbers.salt, u64::from(fence.table_offset)) ^ TABLE_SEED;
    let mut fields = Fields::new(checked(bytes, seed)?);
    let mut offset = u64::from(fence.data_offset) + GROUP_HEADER_LEN as u64;
    for _ in 0..fence.records {
        let hash = u64::from_le_bytes(fields.array());
        let packed = fields.u64();
        let len = u32::try_from(packed >> 2).map_err(|_| Malformed("a length in range"))?;
        let mut seq = 0;
        if !numbers.sorted {
            offset = u64::from(u32::from_le_bytes(fields.array()));
            seq = numbers
                .base_seq
                .checked_add(fields.u64())
                .ok_or(Malformed("a sequence number in range"))?;
        }
        fields.whole()?;
        if offset + u64::from(len) > numbers.data_end {
            return Err(Malformed("a frame inside the data"));
        }
        out.push(BlockEntry {
            hash,
            offset: offset as u32,
            len,
            seq,
            tombstone: packed & FLAG_TOMBSTONE != 0,
            older: packed & FLAG_OLDER != 0,
        });
        offset += u64::from(len);
    }
    if fields.left() == 0 { Ok(()) } else { Err(Malformed("a block without leftovers")) }
}

/// Splits off and verifies a checksum at the end.
fn checked(bytes: &[u8], seed: u32) -> Decoded<&[u8]> {
    let end = bytes.len().checked_sub(4).ok_or(Malformed("a checksum"))?;
    if read_u32(bytes, end)? != checksum(seed, &bytes[..end]) {
        return Err(Malformed("a right checksum"));
    }
    Ok(&bytes[..end])
}
