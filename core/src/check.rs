//! Checking a store without opening it: everything is read, nothing is written.
//!
//! A sealed segment is walked twice: its groups in order, as they stand, and its key table in key
//! order, each entry against the frame it points at. Damage is collected, not stopped at.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{Error, ErrorKind, Result, StorageErrorKind};
use crate::format::{BlockEntry, Fence, Frame, GROUP_HEADER_LEN, GroupHeader, Manifest};
use crate::format::{Malformed, ManifestSegment, SEGMENT_HEADER_LEN, SegmentNumbers, seed_at};
use crate::index::KeyHasher;
use crate::recovery;
use crate::sealed::Sealed;
use crate::segment_file::SegmentFile;
use crate::stats::{CheckReport, Problem};
use crate::storage::{FileId, FileKind, ReadAt, Storage};
use crate::types::Progress;

/// A frame as it was found in the data.
struct Seen {
    offset: u32,
    len: u32,
    seq: u64,
    hash: u64,
    tombstone: bool,
}

/// What walking the data of a segment gave.
#[derive(Default)]
struct Walk {
    /// Ordered by offset.
    frames: Vec<Seen>,
    /// Start and length of every group, ordered.
    groups: Vec<(u64, u64)>,
    numbers: SegmentNumbers,
    damaged: bool,
    unfinished: bool,
}

/// Where the walk through a key table stands.
#[derive(Default)]
struct Order {
    key: Vec<u8>,
    seq: u64,
    any: bool,
}

/// Reads and verifies everything of the store in `storage`; changes nothing.
///
/// Memory is about 32 bytes for each record of the largest segment, and its largest group.
///
/// # Errors
/// `NoStore`; no readable manifest; `Unsupported`; the storage's failure, unless it is that bytes
/// cannot be read. All other damage is in the report.
pub fn check<S: Storage>(storage: &S, progress: &mut dyn FnMut(Progress)) -> Result<CheckReport> {
    let files = recovery::list(storage)?;
    let Some((id, len)) = files.iter().rfind(|(id, _)| id.kind == FileKind::Manifest) else {
        let Some((id, _)) = files.first() else { return Err(ErrorKind::NoStore.into()) };
        return Err(Error::corrupt(*id, 0, "a manifest beside it, which is missing"));
    };
    let manifest = recovery::read_manifest(storage, *id)?;
    let sealed = manifest.segments.iter().map(|s| s.footer.file_len()).sum::<u64>();
    let mut log_len = 0;
    for (id, len) in &files {
        if id.kind == FileKind::Segment && is_log(&manifest, id.number) {
            log_len += len;
        }
    }
    let total = len + sealed + log_len;
    let mut report = CheckReport { files: 1, bytes: *len, ..CheckReport::default() };
    for segment in &manifest.segments {
        progress(Progress { done: report.bytes, total });
        check_segment(storage, &manifest, segment, &mut report)?;
    }
    progress(Progress { done: report.bytes, total });
    check_log(storage, &manifest, &files, &mut report)?;
    progress(Progress { done: total, total });
    Ok(report)
}

fn is_log(manifest: &Manifest, number: u64) -> bool {
    number >= manifest.log.number
        && manifest.segments.iter().all(|s| s.footer.numbers.number != number)
}

fn problem(report: &mut CheckReport, file: FileId, offset: u64, what: &str) {
    report.problems.push(Problem { file, offset, what: String::from(what) });
}

/// Takes damage into the report; other errors end the check.
fn note(report: &mut CheckReport, file: FileId, offset: u64, error: Error) -> Result<()> {
    match error.kind() {
        ErrorKind::Corrupt(c) => problem(report, c.file, c.offset, c.what),
        ErrorKind::Storage(e)
            if matches!(e.kind, StorageErrorKind::Io | StorageErrorKind::UnexpectedEnd) =>
        {
            let what = ["bytes that can be read (", &error.message(), ")"].concat();
            problem(report, file, offset, &what);
        }
        _ => return Err(error),
    }
    Ok(())
}

fn check_segment<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    segment: &ManifestSegment,
    report: &mut CheckReport,
) -> Result<()> {
    let footer = &segment.footer;
    let n = &footer.numbers;
    let id = FileId::segment(n.number);
    report.files += 1;
    if n.max_seq > manifest.last_seq {
        problem(report, id, 0, "sequence numbers that the manifest's last one covers");
    }
    let sealed = match Sealed::open(storage, &manifest.store_id, footer) {
        Ok(sealed) => sealed,
        Err(e) => {
            note(report, id, 0, e)?;
            // The manifest tells what the footer said, so that the rest can still be walked.
            let reader = match storage.open(id) {
                Ok(reader) => reader,
                Err(e) if e.kind == StorageErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            let readable = reader.len()?.min(footer.file_len());
            let file = SegmentFile::new(n.number, n.salt, n.base_seq, reader, readable);
            Sealed::from_parts(file, footer.clone())
        }
    };
    report.bytes += sealed.file.readable();
    let hasher = KeyHasher::new(manifest.hash_key, manifest.hash_bits);
    let walk = walk_data(&sealed, &hasher, report)?;
    report.records += walk.frames.len() as u64;
    if !walk.damaged {
        compare_numbers(&walk, n, id, report);
    }
    check_table(&sealed, &walk, report)
}

/// Walks the groups from the header to the end of the data.
fn walk_data<R: ReadAt>(
    sealed: &Sealed<R>,
    hasher: &KeyHasher,
    report: &mut CheckReport,
) -> Result<Walk> {
    let (file, end) = (&sealed.file, sealed.numbers().data_end);
    let mut walk = Walk::default();
    let (mut offset, mut body) = (SEGMENT_HEADER_LEN as u64, Vec::new());
    while offset < end {
        let header = file.bytes(offset, GROUP_HEADER_LEN).and_then(|bytes| {
            GroupHeader::decode(&bytes, offset, file.salt).map_err(|e| file.corrupt(offset, e))
        });
        let read = header.and_then(|header| {
            if header.end() > end {
                return Err(file.corrupt(offset, Malformed("a group inside the data")));
            }
            file.read_into(header.body(), header.body_len as usize, &mut body)?;
            Ok(header)
        });
        let header = match read {
            Ok(header) => header,
            Err(e) => {
                walk.damaged = true;
                note(report, file.id(), offset, e)?;
                return Ok(walk);
            }
        };
        walk.groups.push((offset, header.end() - offset));
        walk_group(file, &header, &body, hasher, &mut walk, report);
        offset = header.end();
    }
    if offset != end {
        walk.damaged = true;
        problem(report, file.id(), offset, "the end of the data");
    }
    Ok(walk)
}

fn walk_group<R: ReadAt>(
    file: &SegmentFile<R>,
    header: &GroupHeader,
    body: &[u8],
    hasher: &KeyHasher,
    walk: &mut Walk,
    report: &mut CheckReport,
) {
    let mut at = 0;
    while at < body.len() {
        let offset = header.body() + at as u64;
        let frame = match Frame::decode(&body[at..], seed_at(file.salt, offset), file.base_seq) {
            Ok(frame) => frame,
            Err(e) => {
                walk.damaged = true;
                problem(report, file.id(), offset, e.0);
                return;
            }
        };
        let n = &mut walk.numbers;
        let first = n.records == 0;
        n.min_seq = if first { frame.seq } else { n.min_seq.min(frame.seq) };
        n.max_seq = n.max_seq.max(frame.seq);
        n.records += 1;
        n.tombstones += u64::from(frame.tombstone);
        n.payload_bytes += (frame.key.len() + frame.value.len()) as u64;
        let expires = frame.expires.filter(|expires| *expires != 0 && !frame.tombstone);
        if let Some(expires) = expires {
            let first = n.expiring_bytes == 0;
            n.expiring_bytes += frame.len as u64;
            n.expires_min = if first { expires } else { n.expires_min.min(expires) };
            n.expires_max = n.expires_max.max(expires);
        }
        walk.unfinished = frame.more;
        walk.frames.push(Seen {
            offset: offset as u32,
            len: frame.len as u32,
            seq: frame.seq,
            hash: hasher.hash(frame.key),
            tombstone: frame.tombstone,
        });
        at += frame.len;
    }
}

fn compare_numbers(walk: &Walk, n: &SegmentNumbers, id: FileId, report: &mut CheckReport) {
    let found = &walk.numbers;
    let expiries = |n: &SegmentNumbers| (n.expiring_bytes, n.expires_min, n.expires_max);
    let same = [
        (found.records == n.records, "as many records as the footer says"),
        (found.tombstones == n.tombstones, "as many deletes as the footer says"),
        (found.min_seq == n.min_seq, "the smallest sequence number the footer says"),
        (found.max_seq == n.max_seq, "the largest sequence number the footer says"),
        (found.payload_bytes == n.payload_bytes, "as many payload bytes as the footer says"),
        (expiries(found) == expiries(n), "the expiries the footer says"),
        (!walk.unfinished, "the end of the last batch"),
    ];
    for (_, what) in same.iter().filter(|(same, _)| !same) {
        problem(report, id, n.footer_offset, what);
    }
}

/// Walks the key table in key order.
fn check_table<R: ReadAt>(sealed: &Sealed<R>, walk: &Walk, report: &mut CheckReport) -> Result<()> {
    let (n, id) = (sealed.numbers(), sealed.file.id());
    let directory = match sealed.directory() {
        Ok(directory) => directory,
        Err(e) => return note(report, id, n.fences_offset, e),
    };
    let (mut order, mut entries, mut damaged) = (Order::default(), Vec::new(), false);
    for block in 0..directory.blocks() {
        let fence = directory.fence(block);
        let place = n.data_end + u64::from(fence.table_offset);
        entries.clear();
        if let Err(e) = sealed.block(&fence, &mut entries) {
            damaged = true;
            note(report, id, place, e)?;
            continue;
        }
        if n.sorted {
            check_group(walk, &fence, &entries, id, report);
        }
        for (at, entry) in entries.iter().enumerate() {
            if !check_entry(sealed, walk, entry, &mut order, report)? {
                damaged = true;
                continue;
            }
            if at == 0 && directory.first_key(block) != order.key {
                problem(report, id, place, "a block that begins with its fence's key");
            }
            let first = block == 0 && at == 0;
            if first && sealed.footer.first_key != order.key {
                problem(report, id, n.footer_offset, "the smallest key");
            }
            if !directory.filter.may_contain(entry.hash) {
                problem(report, id, n.filter_offset, "the key's hash in the filter");
            }
        }
    }
    if !damaged && sealed.footer.last_key != order.key {
        problem(report, id, n.footer_offset, "the largest key");
    }
    Ok(())
}

/// A block of a sorted segment tells of exactly one group.
fn check_group(
    walk: &Walk,
    fence: &Fence,
    entries: &[BlockEntry],
    id: FileId,
    report: &mut CheckReport,
) {
    let group = (u64::from(fence.data_offset), u64::from(fence.data_len));
    let frames: u64 = entries.iter().map(|entry| u64::from(entry.len)).sum();
    let known = walk.groups.binary_search(&group).is_ok();
    if (!known && !walk.damaged) || frames + GROUP_HEADER_LEN as u64 != group.1 {
        problem(report, id, group.0, "the group its key table tells of");
    }
}

/// Checks one entry against its frame and the entry before; `false` when there is no such frame.
fn check_entry<R: ReadAt>(
    sealed: &Sealed<R>,
    walk: &Walk,
    entry: &BlockEntry,
    order: &mut Order,
    report: &mut CheckReport,
) -> Result<bool> {
    let (file, id) = (&sealed.file, sealed.file.id());
    let offset = u64::from(entry.offset);
    let Ok(at) = walk.frames.binary_search_by_key(&entry.offset, |seen| seen.offset) else {
        // Behind damage that is reported already, frames are not known.
        if !walk.damaged {
            problem(report, id, offset, "a frame where the key table points");
        }
        return Ok(false);
    };
    let seen = &walk.frames[at];
    let same = seen.len == entry.len
        && seen.tombstone == entry.tombstone
        && seen.hash == entry.hash
        && (sealed.numbers().sorted || seen.seq == entry.seq);
    if !same {
        problem(report, id, offset, "the record its key table tells of");
    }
    let key = match file.with_key(offset, seen.len as usize, |found| found.key.to_vec()) {
        Ok(key) => key,
        Err(e) => return note(report, id, offset, e).map(|()| false),
    };
    let repeated = order.any && key == order.key;
    let ordered = !order.any || key > order.key || (repeated && seen.seq < order.seq);
    // The entry before may be one that could not be read.
    if !ordered || (repeated != entry.older && !walk.damaged) {
        problem(report, id, offset, "records in the order of their keys");
    }
    *order = Order { key, seq: seen.seq, any: true };
    Ok(true)
}

/// Reads the log as recovery does.
fn check_log<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    files: &[(FileId, u64)],
    report: &mut CheckReport,
) -> Result<()> {
    let head = FileId::segment(manifest.log.number);
    if manifest.log.len > 0 && !files.iter().any(|(id, _)| *id == head) {
        problem(report, head, 0, "the file, which is missing");
    }
    match recovery::read_chain(storage, manifest, files) {
        Ok(chain) => {
            for tail in chain {
                report.files += 1;
                report.bytes += tail.len;
                report.records += tail.memtable.len() as u64;
            }
            Ok(())
        }
        Err(e) => note(report, head, 0, e),
    }
}
