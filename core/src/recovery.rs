//! Opening a store: manifest, sealed segments, then the log. FORMAT.md, section 9.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    FORMAT_MAJOR, FrameSource, LogHead, Manifest, ManifestSegment, SEGMENT_HEADER_LEN,
    SegmentHeader, SegmentKind, TableBuilder, TableEntry, TableTail,
};
use crate::host::{Host, random_bytes};
use crate::index::{KeyHasher, Location};
use crate::limits;
use crate::log::{LogWriter, ScanEnd, StagedRecord, scan_log};
use crate::memtable::{Memtable, Run};
use crate::options::Options;
use crate::sealed::Sealed;
use crate::segment_file::SegmentFile;
use crate::sort::sort_pairs;
use crate::storage::{Append, FileId, FileKind, ReadAt, Storage};

/// A group of a rewritten tail is appended once it has this many bytes.
const REWRITE_GROUP_LEN: u64 = 256 << 10;

/// What an open store is made of.
#[derive(Debug)]
pub struct Opened<R> {
    /// The manifest in force.
    pub manifest: Manifest,
    /// The sealed segments, oldest first.
    pub sealed: Vec<Arc<Sealed<R>>>,
    /// A cleanly closed log segment that writing may go on in.
    pub tail: Option<LogTail<R>>,
    /// Largest segment number in use.
    pub number_max: u64,
    /// Last sequence number.
    pub last_seq: u64,
    /// What opening found and did.
    pub report: RecoveryReport,
}

/// What an open found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// There was no store.
    pub created: bool,
    /// The log was found as a clean close leaves it.
    pub clean: bool,
    /// Sealed segments that the manifest lists; nothing of their records was read.
    pub segments: u64,
    /// Log segments read.
    pub log_segments: u64,
    /// Bytes of the log that hold, all of them read.
    pub log_bytes: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes behind them that are of no whole batch: a torn append's.
    pub dropped_bytes: u64,
    /// Whole records among these.
    pub dropped_records: u64,
    /// What holds of the log was copied into sealed segments.
    pub rewritten: bool,
    /// Files that no manifest lists, which were removed.
    pub removed_files: u64,
}

impl RecoveryReport {
    fn add<R>(&mut self, tail: &LogTail<R>) {
        self.log_segments += 1;
        self.log_bytes += tail.len;
        self.records += tail.memtable.len() as u64;
        self.dropped_bytes += tail.end.dropped_bytes;
        self.dropped_records += tail.end.dropped_records;
    }
}

/// A log segment that is not sealed, with its records.
#[derive(Debug)]
pub struct LogTail<R> {
    /// The file.
    pub file: Arc<SegmentFile<R>>,
    /// Its header.
    pub header: SegmentHeader,
    /// Its records.
    pub memtable: Memtable,
    /// End of its data.
    pub len: u64,
    /// Bytes of keys and values.
    pub payload_bytes: u64,
    end: ScanEnd,
}

/// Opens the store in `storage`, or creates one.
///
/// # Errors
/// `NoStore` when there is none and `options.create` is off; `Corrupt`; `Unsupported`; the
/// storage's failure.
///
/// # Crash behaviour
/// Opening writes only what it can repeat: a crash in it leaves a store that opens the same.
pub fn open<S: Storage, H: Host>(
    storage: &S,
    host: &H,
    options: &Options,
) -> Result<Opened<S::Reader>> {
    let files = list(storage)?;
    let Some(newest) = files.iter().rfind(|(id, _)| id.kind == FileKind::Manifest) else {
        if let Some((id, _)) = files.first() {
            return Err(Error::corrupt(*id, 0, "a manifest beside it, which is missing"));
        }
        return create(storage, host, options);
    };
    let manifest = read_manifest(storage, newest.0)?;
    let mut sealed = Vec::with_capacity(manifest.segments.len());
    for segment in &manifest.segments {
        let opened = Sealed::open(storage, &manifest.store_id, &segment.footer)?;
        opened.file.set_dead(segment.dead_bytes);
        sealed.push(opened);
    }
    let number_max = files
        .iter()
        .filter(|(id, _)| id.kind == FileKind::Segment)
        .map(|(id, _)| id.number)
        .fold(manifest.log.number, u64::max);
    let last_seq = manifest.last_seq;
    let report = RecoveryReport { segments: sealed.len() as u64, ..RecoveryReport::default() };
    let mut opened = Opened { manifest, sealed, tail: None, number_max, last_seq, report };
    let mut chain = read_chain(storage, &opened.manifest, &files)?;
    for tail in &chain {
        opened.report.add(tail);
        opened.last_seq = opened.last_seq.max(tail.end.last_seq);
    }
    let log = opened.manifest.log;
    let head = FileId::segment(log.number);
    let head_len = files.iter().find(|(id, _)| *id == head).map(|(_, len)| *len);
    if head_len.is_none() && log.len > 0 {
        return Err(Error::corrupt(head, 0, "the file, which is missing"));
    }
    // Bytes behind the end of a closed log are of writes that were lost: appending over them
    // could bring some of them back.
    let mut closed = chain.len() == 1 && chain[0].len == log.len && head_len == Some(log.len);
    closed |= planted!(TailKept) && chain.len() == 1;
    opened.report.rewritten = head_len.is_some() && !closed;
    opened.report.clean = !opened.report.rewritten;
    if opened.report.rewritten {
        rewrite(storage, host, &mut opened, chain)?;
    } else {
        make_firm(storage, &mut opened, &files)?;
        opened.tail = chain.pop();
    }
    opened.report.removed_files = remove_garbage(storage, &opened, &files)?;
    Ok(opened)
}

/// Every file of the store with its length, ordered by kind and number.
pub(crate) fn list<S: Storage>(storage: &S) -> Result<Vec<(FileId, u64)>> {
    // Kinds one after the other: numbers have 16 decimal digits at most.
    let start = |kind: FileKind| u64::from(kind == FileKind::Manifest) << 63;
    let mut files = Vec::new();
    storage.list(&mut |id, len| files.push((start(id.kind) | id.number, len)))?;
    sort_pairs(&mut files);
    let manifests = start(FileKind::Manifest);
    let id = |place| {
        if place < manifests { FileId::segment(place) } else { FileId::manifest(place - manifests) }
    };
    Ok(files.into_iter().map(|(place, len)| (id(place), len)).collect())
}

/// Reads and verifies one manifest.
pub(crate) fn read_manifest<S: Storage>(storage: &S, id: FileId) -> Result<Manifest> {
    let reader = storage.open(id)?;
    let len = reader.len()?;
    if len > limits::MANIFEST_BYTES_MAX {
        return Err(Error::corrupt(id, 0, "a manifest of at most 256 MiB"));
    }
    let mut bytes = alloc::vec![0; len as usize];
    reader.read_at(0, &mut bytes)?;
    match Manifest::decode(&bytes).map_err(|e| Error::corrupt(id, 0, e.0))? {
        Ok(manifest) if manifest.number == id.number => Ok(manifest),
        Ok(_) => Err(Error::corrupt(id, 12, "the manifest's own number")),
        Err(format) => Err(ErrorKind::Unsupported { format, file: id }.into()),
    }
}

fn create<S: Storage, H: Host>(
    storage: &S,
    host: &H,
    options: &Options,
) -> Result<Opened<S::Reader>> {
    if !options.create {
        return Err(ErrorKind::NoStore.into());
    }
    let manifest = Manifest {
        number: 1,
        store_id: random_bytes(host),
        hash_key: random_bytes(host),
        hash_bits: options.hash_bits,
        retention: options.retention,
        horizon: 0,
        last_seq: 0,
        log: LogHead { number: 1, salt: host.random_u64() as u32, len: 0 },
        segments: Vec::new(),
    };
    storage.publish(FileId::manifest(1), &manifest.encode())?;
    let report = RecoveryReport { created: true, clean: true, ..RecoveryReport::default() };
    Ok(Opened { manifest, sealed: Vec::new(), tail: None, number_max: 1, last_seq: 0, report })
}

/// Reads the log segments from the manifest's head on, each one's successor checked against it.
pub(crate) fn read_chain<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    files: &[(FileId, u64)],
) -> Result<Vec<LogTail<S::Reader>>> {
    let mut chain: Vec<LogTail<S::Reader>> = Vec::new();
    let numbers = files
        .iter()
        .filter(|(id, _)| id.kind == FileKind::Segment && id.number >= manifest.log.number);
    for (id, file_len) in numbers {
        let reader = storage.open(*id)?;
        let is_head = id.number == manifest.log.number;
        let Some(header) = log_header(&reader, *id, *file_len, manifest)? else {
            if is_head {
                undamaged_head(reader, manifest, *file_len)?;
                break;
            }
            continue;
        };
        if !is_head {
            let Some(last) = chain.last() else { break };
            if header.previous_number != last.header.number {
                continue;
            }
            if header.previous_len > last.end.len || header.previous_seq > last.end.last_seq {
                // A hole before this segment: it was never durable, unless it says so itself.
                let tail = scan_tail(reader, header, *file_len, 0)?;
                if tail.end.durable_len > 0 {
                    let at = last.end.len;
                    return Err(Error::corrupt(last.file.id(), at, "records that were synced"));
                }
                break;
            }
        }
        let synced = if is_head { manifest.log.len } else { 0 };
        chain.push(scan_tail(reader, header, *file_len, synced)?);
    }
    Ok(chain)
}

fn scan_tail<R: ReadAt>(
    reader: R,
    header: SegmentHeader,
    file_len: u64,
    synced: u64,
) -> Result<LogTail<R>> {
    let file = SegmentFile::new(header.number, header.salt, header.base_seq, reader, file_len);
    let (mut memtable, mut payload_bytes) = (Memtable::new(), 0);
    let end = scan_log(&file, file_len, synced, &mut |r| {
        payload_bytes += r.key.len() as u64 + u64::from(r.value_len);
        memtable.push(&r.key, r.seq, r.tombstone, r.expires, r.offset, r.len);
    })?;
    file.set_readable(end.len);
    Ok(LogTail { file, header, memtable, len: end.len, payload_bytes, end })
}

/// The header of a log segment of this store, `None` when it does not hold.
fn log_header<R: ReadAt>(
    reader: &R,
    id: FileId,
    file_len: u64,
    manifest: &Manifest,
) -> Result<Option<SegmentHeader>> {
    if file_len < SEGMENT_HEADER_LEN as u64 {
        return Ok(None);
    }
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    reader.read_at(0, &mut bytes)?;
    let header = match SegmentHeader::decode(&bytes) {
        Ok(Ok(header)) => header,
        Ok(Err(format)) => return Err(ErrorKind::Unsupported { format, file: id }.into()),
        Err(_) => return Ok(None),
    };
    let is_head = id.number == manifest.log.number;
    let ours = header.store_id == manifest.store_id
        && header.number == id.number
        && (!is_head || header.salt == manifest.log.salt)
        && header.kind == SegmentKind::Arrival;
    Ok(ours.then_some(header))
}

/// A head without a header was never written, unless a group behind it says it was synced.
fn undamaged_head<R: ReadAt>(reader: R, manifest: &Manifest, file_len: u64) -> Result<()> {
    let LogHead { number, salt, len } = manifest.log;
    let file = SegmentFile::new(number, salt, 0, reader, file_len);
    if len > 0 || crate::log::durable_behind(&file, 0, file_len)?.durable_len > 0 {
        return Err(Error::corrupt(file.id(), 0, "a segment header that was synced"));
    }
    Ok(())
}

/// Publishes the manifest once more where the call that published it may not have come to its
/// end: a power loss could still take it, and the one before is about to be removed.
fn make_firm<S: Storage>(
    storage: &S,
    opened: &mut Opened<S::Reader>,
    files: &[(FileId, u64)],
) -> Result<()> {
    let others = files.iter().filter(|(id, _)| id.kind == FileKind::Manifest).count() > 1;
    if (others || opened.manifest.number == 1) && !planted!(ManifestNotFirm) {
        opened.manifest.number += 1;
        let id = FileId::manifest(opened.manifest.number);
        storage.publish(id, &opened.manifest.encode())?;
    }
    Ok(())
}

/// Copies what an unclean stop left of the log into new, sealed, synced segments: what a failed
/// sync may have left in the host's cache only is not built upon.
fn rewrite<S: Storage, H: Host>(
    storage: &S,
    host: &H,
    opened: &mut Opened<S::Reader>,
    chain: Vec<LogTail<S::Reader>>,
) -> Result<()> {
    let manifest = &mut opened.manifest;
    let hasher = KeyHasher::new(manifest.hash_key, manifest.hash_bits);
    for mut tail in chain {
        if tail.memtable.is_empty() {
            continue;
        }
        let number = next_number(&mut opened.number_max);
        let header = SegmentHeader {
            number,
            salt: host.random_u64() as u32,
            previous_number: 0,
            previous_len: 0,
            previous_seq: 0,
            ..tail.header
        };
        let writer = LogWriter::create(storage.create(FileId::segment(number))?, header);
        let sealed = rewrite_tail(storage, writer, &hasher, &mut tail)?;
        let footer = sealed.footer.clone();
        manifest.segments.push(ManifestSegment { footer, dead_bytes: 0 });
        opened.sealed.push(sealed);
    }
    manifest.number += 1;
    manifest.last_seq = manifest.last_seq.max(opened.last_seq);
    manifest.log = LogHead {
        number: next_number(&mut opened.number_max),
        salt: host.random_u64() as u32,
        len: 0,
    };
    storage.publish(FileId::manifest(manifest.number), &manifest.encode())?;
    Ok(())
}

fn rewrite_tail<S: Storage>(
    storage: &S,
    mut writer: LogWriter<S::Appender>,
    hasher: &KeyHasher,
    tail: &mut LogTail<S::Reader>,
) -> Result<Arc<Sealed<S::Reader>>> {
    let run = tail.memtable.order_fully();
    let mut memtable = Memtable::new();
    for i in run.by_arrival() {
        let entry = run.entry(i);
        let (place, more) =
            tail.file.with_frame(u64::from(entry.offset), entry.len as usize, |frame| {
                let place = writer.stage(&FrameSource {
                    key: frame.key,
                    value: (!frame.tombstone).then_some(frame.value),
                    seq: frame.seq,
                    expires: frame.expires,
                    more: frame.more,
                });
                Ok((place, frame.more))
            })?;
        let StagedRecord { offset, len } = place;
        memtable.push(run.key(i), entry.seq, entry.tombstone, entry.expires, offset, len);
        // A batch never spans groups.
        if !more && writer.staged_len() - writer.len() >= REWRITE_GROUP_LEN {
            writer.harden(false)?;
        }
    }
    writer.harden(true)?;
    let header = *writer.header();
    let reader = storage.open(FileId::segment(header.number))?;
    let file = SegmentFile::new(header.number, header.salt, header.base_seq, reader, writer.len());
    seal(&mut writer, &memtable.order_fully(), hasher, tail.payload_bytes, file)
}

/// Seals the segment of `writer`, whose records are `run` and whose file is `file`.
pub(crate) fn seal<A: Append, R: ReadAt>(
    writer: &mut LogWriter<A>,
    run: &Run,
    hasher: &KeyHasher,
    payload_bytes: u64,
    file: Arc<SegmentFile<R>>,
) -> Result<Arc<Sealed<R>>> {
    let tail = table_of(run, writer.header(), hasher, writer.len(), payload_bytes);
    writer.seal(&tail.bytes)?;
    file.set_readable(writer.len());
    Ok(Sealed::from_parts(file, tail.footer))
}

/// The key table, fences, filter and footer of a log segment.
pub fn table_of(
    run: &Run,
    header: &SegmentHeader,
    hasher: &KeyHasher,
    data_end: u64,
    payload_bytes: u64,
) -> TableTail {
    let mut table = TableBuilder::new(header.number, header.salt, false, header.base_seq);
    for i in 0..run.len() {
        let (entry, key) = (run.entry(i), run.key(i));
        table.add(&TableEntry {
            key,
            hash: hasher.hash(key),
            seq: entry.seq,
            tombstone: entry.tombstone,
            expires: entry.expires,
            offset: entry.offset,
            len: entry.len,
        });
    }
    table.finish(data_end, payload_bytes)
}

/// The next segment number: none whose low bits mean something else in an index slot.
pub fn next_number(number_max: &mut u64) -> u64 {
    *number_max += 1;
    while Location::new(*number_max, 0, 0, false).is_exact() {
        *number_max += 1;
    }
    *number_max
}

/// Removes files that the manifest does not list: leftovers of what did not come to its end.
fn remove_garbage<S: Storage>(
    storage: &S,
    opened: &Opened<S::Reader>,
    files: &[(FileId, u64)],
) -> Result<u64> {
    let manifest = &opened.manifest;
    let live = |id: &FileId| match id.kind {
        FileKind::Manifest => id.number == manifest.number,
        FileKind::Segment => {
            opened.tail.as_ref().is_some_and(|tail| tail.file.number == id.number)
                || manifest.segments.iter().any(|s| s.footer.numbers.number == id.number)
        }
    };
    let mut removed = 0;
    for (id, _) in files.iter().filter(|(id, _)| !live(id)) {
        storage.remove(*id)?;
        removed += 1;
    }
    Ok(removed)
}

const _: () = assert!(FORMAT_MAJOR == 1, "recovery reads format 1");
