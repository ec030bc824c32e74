//! Reading a log segment after a stop, and saying where it stops being trustworthy.
//!
//! Two endings look alike and must not be confused: a torn tail (crash, expected) and rot in
//! bytes that were once synced (damage, reported). The group headers' `durable_len` tells them
//! apart. See FORMAT.md, section 9.

use alloc::vec::Vec;

use crate::error::{Error, Result};
use crate::format::{
    Frame, GROUP_HEADER_LEN, GROUP_MARKER, GroupHeader, SEGMENT_HEADER_LEN, seed_at,
};
use crate::segment_file::SegmentFile;
use crate::storage::ReadAt;
use crate::types::owned;

/// Bytes read at once when looking for group headers behind damage.
const SEARCH_LEN: usize = 256 << 10;

/// A record of a whole batch, as the scanner found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedRecord {
    /// The key.
    pub key: Vec<u8>,
    /// Sequence number.
    pub seq: u64,
    /// Whether it is a delete.
    pub tombstone: bool,
    /// Expiry, 0 for none.
    pub expires: u64,
    /// Offset of the frame.
    pub offset: u32,
    /// Length of the frame, in bytes.
    pub len: u32,
    /// Length of the value, in bytes.
    pub value_len: u32,
}

/// Where the trustworthy part of a log segment ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanEnd {
    /// End of the last whole batch, or of the header.
    pub len: u64,
    /// Largest length any group knew to be synced.
    pub durable_len: u64,
    /// Last sequence number, 0 if there is no record.
    pub last_seq: u64,
    /// Bytes behind `len` that were written: those of a torn append.
    pub dropped_bytes: u64,
    /// Whole records among these.
    pub dropped_records: u64,
}

/// What is found behind the last group that holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    /// The largest synced length that any group header tells of.
    pub(crate) durable_len: u64,
    /// Where the last byte ends that is not zero: space reserved ahead is.
    pub(crate) written: u64,
}

/// Scans a log segment of `file_len` bytes, of which `synced` are known synced by other means,
/// and gives every record of whole batches to `visit`.
///
/// # Errors
/// `Corrupt` when bytes once known synced do not hold; the storage's failure.
pub fn scan_log<R: ReadAt>(
    file: &SegmentFile<R>,
    file_len: u64,
    synced: u64,
    visit: &mut dyn FnMut(ScannedRecord),
) -> Result<ScanEnd> {
    let start = SEGMENT_HEADER_LEN as u64;
    let mut end = ScanEnd { len: start, durable_len: synced, ..ScanEnd::default() };
    let mut offset = start;
    let mut body = Vec::new();
    while let Some(header) = group_at(file, offset, file_len)? {
        end.durable_len = end.durable_len.max(header.durable_len);
        file.read_into(header.body(), header.body_len as usize, &mut body)?;
        let whole = scan_group(file, &header, &body, &mut end, visit);
        if !whole {
            offset = end.len;
            break;
        }
        offset = header.end();
        end.len = offset;
    }
    let behind = durable_behind(file, offset, file_len)?;
    end.dropped_bytes = behind.written - end.len;
    if end.dropped_records == 0 && end.dropped_bytes > 0 {
        end.dropped_records = records_of_cut_group(file, offset, behind.written)?;
    }
    let durable_len = end.durable_len.max(behind.durable_len);
    if durable_len > end.len {
        return Err(Error::corrupt(file.id(), end.len, "a group of the log that was synced"));
    }
    Ok(end)
}

fn group_at<R: ReadAt>(
    file: &SegmentFile<R>,
    offset: u64,
    file_len: u64,
) -> Result<Option<GroupHeader>> {
    if offset + GROUP_HEADER_LEN as u64 > file_len {
        return Ok(None);
    }
    let header = GroupHeader::decode(&file.bytes(offset, GROUP_HEADER_LEN)?, offset, file.salt);
    Ok(header.ok().filter(|header| header.end() <= file_len))
}

/// How many records of a group at `offset` are whole that ends behind the bytes written.
fn records_of_cut_group<R: ReadAt>(
    file: &SegmentFile<R>,
    offset: u64,
    written: u64,
) -> Result<u64> {
    let body = offset + GROUP_HEADER_LEN as u64;
    if body > written {
        return Ok(0);
    }
    let bytes = file.bytes(offset, (written - offset) as usize)?;
    if GroupHeader::decode(&bytes, offset, file.salt).is_err() {
        return Ok(0);
    }
    let (mut at, mut count) = (GROUP_HEADER_LEN, 0);
    while let Ok(frame) =
        Frame::decode(&bytes[at..], seed_at(file.salt, offset + at as u64), file.base_seq)
    {
        at += frame.len;
        count += 1;
    }
    Ok(count)
}

/// Gives the group's whole batches to `visit`; `false` when the group does not hold to its end.
fn scan_group<R: ReadAt>(
    file: &SegmentFile<R>,
    header: &GroupHeader,
    body: &[u8],
    end: &mut ScanEnd,
    visit: &mut dyn FnMut(ScannedRecord),
) -> bool {
    let mut pending = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let offset = header.body() + at as u64;
        let seed = seed_at(file.salt, offset);
        let Ok(frame) = Frame::decode(&body[at..], seed, file.base_seq) else {
            end.dropped_records += pending.len() as u64;
            return false;
        };
        at += frame.len;
        pending.push(ScannedRecord {
            key: owned(frame.key),
            seq: frame.seq,
            tombstone: frame.tombstone,
            expires: frame.expires.unwrap_or(0),
            offset: offset as u32,
            len: frame.len as u32,
            value_len: frame.value.len() as u32,
        });
        if !frame.more {
            for record in pending.drain(..) {
                end.last_seq = end.last_seq.max(record.seq);
                visit(record);
            }
            end.len = header.body() + at as u64;
        }
    }
    end.dropped_records += pending.len() as u64;
    pending.is_empty()
}

/// Looks through everything behind `offset`.
pub(crate) fn durable_behind<R: ReadAt>(
    file: &SegmentFile<R>,
    offset: u64,
    file_len: u64,
) -> Result<Behind> {
    let mut behind = Behind { durable_len: 0, written: offset };
    let mut start = offset;
    while start < file_len {
        let len = (file_len - start).min(SEARCH_LEN as u64) as usize;
        let bytes = file.bytes(start, len)?;
        if let Some(last) = bytes.iter().rposition(|b| *b != 0) {
            behind.written = start + last as u64 + 1;
        }
        for at in 0..(len + 1).saturating_sub(GROUP_HEADER_LEN) {
            if bytes[at] != GROUP_MARKER {
                continue;
            }
            let place = start + at as u64;
            if let Ok(header) = GroupHeader::decode(&bytes[at..], place, file.salt) {
                behind.durable_len = behind.durable_len.max(header.durable_len);
            }
        }
        if start + len as u64 == file_len {
            break;
        }
        start += (len - GROUP_HEADER_LEN + 1) as u64;
    }
    Ok(behind)
}
