//! Everything that stands in one segment, part by part, for people who look into a file.
//!
//! The parts come in the order of their places. Nothing is written, and the rest of the store is
//! not needed: a readable manifest only tells more surely what the file should be.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    BlockEntry, Footer, GROUP_HEADER_LEN, GroupHeader, Malformed, Manifest, SEGMENT_HEADER_LEN,
    SegmentHeader,
};
use crate::log::durable_behind;
use crate::recovery;
use crate::sealed::{Sealed, footer_at_end};
use crate::segment_file::{FRAME_GUESS, SegmentFile};
use crate::storage::{FileId, FileKind, ReadAt, Storage};
use crate::types::owned;

/// Bytes looked through at once for space that was never written.
const CHUNK_LEN: u64 = 64 << 10;

/// One part of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpLine {
    /// Where the part starts, in bytes from the start of the file.
    pub offset: u64,
    /// Its length, in bytes. That of a group includes its frames.
    pub len: u64,
    /// What it is.
    pub part: DumpPart,
}

/// What a part of a segment is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpPart {
    /// The segment's header.
    Segment(SegmentHeader),
    /// A group; its frames follow.
    Group {
        /// Bytes before the group that were not known synced when it was written.
        durable_gap: u64,
    },
    /// A frame.
    Record {
        /// The key.
        key: Vec<u8>,
        /// Length of the value, in bytes.
        value_len: u64,
        /// Sequence number.
        seq: u64,
        /// Whether it is a delete.
        tombstone: bool,
        /// Expiry, in microseconds since 1970.
        expires: Option<u64>,
        /// Whether the batch goes on in the next frame.
        more: bool,
    },
    /// A block of the key table; its entries follow.
    Table {
        /// How many entries it has.
        records: u32,
        /// Its first key, as the fences tell of it.
        first_key: Vec<u8>,
    },
    /// An entry of the key table, which has no place of its own worth telling.
    Entry(BlockEntry),
    /// The fences.
    Fences {
        /// How many blocks they tell of.
        blocks: u64,
    },
    /// The filter.
    Filter,
    /// The footer.
    Footer(Footer),
    /// Bytes of a log that are no group: what a stop in the middle of an append left. No write
    /// in them was acknowledged as synced.
    Torn,
    /// Space reserved ahead, all zeros.
    Reserved,
}

/// What is known of a segment beside its bytes.
#[derive(Default)]
pub(crate) struct Known {
    /// From the manifest, or from the end of the file.
    pub(crate) footer: Option<Footer>,
    /// Bytes of a log known synced by a clean close.
    pub(crate) synced: u64,
}

/// Takes a part; `false` ends the dump.
type Visit<'a> = &'a mut dyn FnMut(DumpLine) -> bool;

/// Where the walk through the groups ended.
enum Walked {
    /// The visitor has seen enough.
    Stopped,
    /// At the end of the data.
    Whole,
    /// At bytes that do not hold; the last whole batch ends at `kept`.
    Broken { at: u64, what: Malformed, kept: u64, durable: u64 },
}

/// Gives every part of the segment of this number to `visit`, until it says `false`.
///
/// # Errors
/// `NotFound`; `Unsupported`; `Corrupt` at the first damage, everything before it having been
/// given to `visit`; the storage's failure.
pub fn dump_segment<S: Storage>(storage: &S, number: u64, visit: Visit<'_>) -> Result<()> {
    let segment = Segment::open(storage, number)?;
    let known = known(storage, &segment);
    segment.dump(known, 0, visit)
}

/// As [`dump_segment`] where more is known of the segment, with those parts only that start at
/// `from` or behind it. Where a group starts at `from`, nothing before it is read.
pub(crate) fn dump_known<S: Storage>(
    storage: &S,
    number: u64,
    known: Known,
    from: u64,
    visit: Visit<'_>,
) -> Result<()> {
    let visit: Visit<'_> = &mut |line: DumpLine| line.offset < from || visit(line);
    Segment::open(storage, number)?.dump(known, from, visit)
}

/// A segment whose header was read.
struct Segment<R> {
    reader: R,
    id: FileId,
    header: SegmentHeader,
    file_len: u64,
}

impl<R: ReadAt> Segment<R> {
    fn open<S: Storage<Reader = R>>(storage: &S, number: u64) -> Result<Self> {
        let id = FileId::segment(number);
        let reader = storage.open(id)?;
        let file_len = reader.len()?;
        let header = read_header(&reader, id, file_len)?;
        Ok(Self { reader, id, header, file_len })
    }

    fn dump(self, known: Known, from: u64, visit: Visit<'_>) -> Result<()> {
        let Self { reader, id, header, file_len } = self;
        let len = SEGMENT_HEADER_LEN as u64;
        if !visit(DumpLine { offset: 0, len, part: DumpPart::Segment(header) }) {
            return Ok(());
        }
        if header.number != id.number {
            return Err(Error::corrupt(id, 32, "the number that is in the file's name"));
        }
        let file = SegmentFile::new(id.number, header.salt, header.base_seq, reader, file_len);
        match known.footer {
            Some(footer) => dump_sealed(file, footer, (from, file_len), visit),
            None => dump_log(&file, known.synced, (from, file_len), visit),
        }
    }
}

fn read_header<R: ReadAt>(reader: &R, id: FileId, file_len: u64) -> Result<SegmentHeader> {
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    if file_len < bytes.len() as u64 {
        return Err(Error::corrupt(id, file_len, "a segment header"));
    }
    reader.read_at(0, &mut bytes)?;
    match SegmentHeader::decode(&bytes).map_err(|e| Error::corrupt(id, 0, e.0))? {
        Ok(header) => Ok(header),
        Err(format) => Err(ErrorKind::Unsupported { format, file: id }.into()),
    }
}

/// Looks for the segment's footer and synced length. What cannot be read is not known: whoever
/// dumps a segment may have nothing else left.
fn known<S: Storage>(storage: &S, segment: &Segment<S::Reader>) -> Known {
    let Segment { reader, header, file_len, .. } = segment;
    let manifest = newest_manifest(storage).filter(|m| m.store_id == header.store_id);
    let mut known = Known::default();
    if let Some(manifest) = manifest {
        let listed = |footer: &Footer| footer.numbers.number == header.number;
        let footers = manifest.segments.into_iter().map(|s| s.footer);
        known.footer = footers.into_iter().find(listed);
        if manifest.log.number == header.number {
            known.synced = manifest.log.len;
        }
    }
    if known.footer.is_none() {
        known.footer = footer_at_end(reader, *file_len, header.salt);
    }
    known
}

fn newest_manifest<S: Storage>(storage: &S) -> Option<Manifest> {
    let files = recovery::list(storage).ok()?;
    let newest = files.iter().rfind(|(id, _)| id.kind == FileKind::Manifest)?;
    recovery::read_manifest(storage, newest.0).ok()
}

fn dump_log<R: ReadAt>(
    file: &SegmentFile<R>,
    synced: u64,
    (from, file_len): (u64, u64),
    visit: Visit<'_>,
) -> Result<()> {
    let (at, what, kept, durable) = match walk_groups(file, (from, file_len), true, visit)? {
        Walked::Broken { at, what, kept, durable } => (at, what, kept, durable),
        Walked::Whole if synced > file_len => {
            return Err(file.corrupt(file_len, Malformed("more bytes: the file is cut")));
        }
        Walked::Whole | Walked::Stopped => return Ok(()),
    };
    // As recovery judges it: bytes known to be synced have rotted, others are a torn tail.
    if durable.max(synced).max(durable_behind(file, at, file_len)?.durable_len) > kept {
        return Err(file.corrupt(at, what));
    }
    show_rest(file, at, file_len, visit)
}

/// Shows what stands behind the last part that holds.
fn show_rest<R: ReadAt>(
    file: &SegmentFile<R>,
    at: u64,
    file_len: u64,
    visit: Visit<'_>,
) -> Result<()> {
    let (mut start, mut zeros) = (at, true);
    while zeros && start < file_len {
        let len = (file_len - start).min(CHUNK_LEN);
        zeros = file.bytes(start, len as usize)?.iter().all(|b| *b == 0);
        start += len;
    }
    let part = if zeros { DumpPart::Reserved } else { DumpPart::Torn };
    visit(DumpLine { offset: at, len: file_len - at, part });
    Ok(())
}

/// Shows groups and frames between `from` and `end`. In a `log` no batch goes on in another group.
fn walk_groups<R: ReadAt>(
    file: &SegmentFile<R>,
    (from, end): (u64, u64),
    log: bool,
    visit: Visit<'_>,
) -> Result<Walked> {
    let mut offset = SEGMENT_HEADER_LEN as u64;
    if from > offset && from < end && group_at(file, from, end)?.is_ok() {
        offset = from;
    }
    let (mut kept, mut durable) = (offset, 0);
    while offset < end {
        let broken = |at, what, kept, durable| Ok(Walked::Broken { at, what, kept, durable });
        let header = match group_at(file, offset, end)? {
            Ok(header) => header,
            Err(what) => return broken(offset, what, kept, durable),
        };
        durable = durable.max(header.durable_len);
        if header.end() <= from {
            offset = header.end();
            kept = offset;
            continue;
        }
        let part = DumpPart::Group { durable_gap: offset - header.durable_len };
        if !visit(DumpLine { offset, len: header.end() - offset, part }) {
            return Ok(Walked::Stopped);
        }
        let (mut at, mut unfinished) = (header.body(), false);
        while at < header.end() {
            let (line, more) = match frame_at(file, at, header.end())? {
                Ok(found) => found,
                Err(what) => return broken(at, what, kept, durable),
            };
            at += line.len;
            unfinished = more;
            if !more {
                kept = at;
            }
            if !visit(line) {
                return Ok(Walked::Stopped);
            }
        }
        offset = header.end();
        if unfinished && log {
            return broken(offset, Malformed("the end of the batch"), kept, durable);
        }
    }
    Ok(Walked::Whole)
}

type Found<T> = core::result::Result<T, Malformed>;

fn group_at<R: ReadAt>(file: &SegmentFile<R>, at: u64, end: u64) -> Result<Found<GroupHeader>> {
    let len = GROUP_HEADER_LEN.min((end - at) as usize);
    let header = GroupHeader::decode(&file.bytes(at, len)?, at, file.salt);
    Ok(header.and_then(|header| {
        if header.end() <= end { Ok(header) } else { Err(Malformed("a group inside the data")) }
    }))
}

fn frame_at<R: ReadAt>(
    file: &SegmentFile<R>,
    at: u64,
    end: u64,
) -> Result<Found<(DumpLine, bool)>> {
    let line = file.with_frame(at, FRAME_GUESS, |frame| {
        let part = DumpPart::Record {
            key: owned(frame.key),
            value_len: frame.value.len() as u64,
            seq: frame.seq,
            tombstone: frame.tombstone,
            expires: frame.expires,
            more: frame.more,
        };
        Ok((DumpLine { offset: at, len: frame.len as u64, part }, frame.more))
    });
    match line {
        Ok((line, more)) if at + line.len <= end => Ok(Ok((line, more))),
        Ok(_) => Ok(Err(Malformed("a frame inside its group"))),
        Err(e) => match e.corruption() {
            Some(damage) => Ok(Err(Malformed(damage.what))),
            None => Err(e),
        },
    }
}

fn dump_sealed<R: ReadAt>(
    file: Arc<SegmentFile<R>>,
    footer: Footer,
    (from, file_len): (u64, u64),
    visit: Visit<'_>,
) -> Result<()> {
    let n = footer.numbers;
    if (n.salt, n.base_seq) != (file.salt, file.base_seq) {
        return Err(file.corrupt(0, Malformed("the header of the segment its footer tells of")));
    }
    if from < n.data_end {
        match walk_groups(&file, (from, n.data_end.min(file_len)), false, visit)? {
            Walked::Stopped => return Ok(()),
            Walked::Broken { at, what, .. } => return Err(file.corrupt(at, what)),
            Walked::Whole => {}
        }
    }
    let sealed = Sealed::from_parts(file, footer);
    if !dump_table(&sealed, from, visit)? {
        return Ok(());
    }
    let bytes = sealed.footer.encode();
    let end = n.footer_offset + bytes.len() as u64;
    if *sealed.file.bytes(n.footer_offset, bytes.len())? != *bytes {
        let what = Malformed("the footer the manifest tells of");
        return Err(sealed.file.corrupt(n.footer_offset, what));
    }
    let part = DumpPart::Footer(sealed.footer.clone());
    let go_on = visit(DumpLine { offset: n.footer_offset, len: bytes.len() as u64, part });
    if go_on && end < file_len { show_rest(&sealed.file, end, file_len, visit) } else { Ok(()) }
}

/// Shows key table, fences and filter; `false` when the visitor has seen enough.
fn dump_table<R: ReadAt>(sealed: &Sealed<R>, from: u64, visit: Visit<'_>) -> Result<bool> {
    let n = sealed.numbers();
    let directory = sealed.directory()?;
    let mut entries = Vec::new();
    for block in 0..directory.blocks() {
        let fence = directory.fence(block);
        let (offset, len) = (n.data_end + u64::from(fence.table_offset), fence.table_len);
        if offset < from {
            continue;
        }
        entries.clear();
        sealed.block(&fence, &mut entries)?;
        let first_key = owned(directory.first_key(block));
        let part = DumpPart::Table { records: fence.records, first_key };
        if !visit(DumpLine { offset, len: u64::from(len), part }) {
            return Ok(false);
        }
        for entry in &entries {
            if !visit(DumpLine { offset, len: 0, part: DumpPart::Entry(*entry) }) {
                return Ok(false);
            }
        }
    }
    let blocks = directory.blocks() as u64;
    let fences_len = n.filter_offset - n.fences_offset;
    let part = DumpPart::Fences { blocks };
    if !visit(DumpLine { offset: n.fences_offset, len: fences_len, part }) {
        return Ok(false);
    }
    let len = n.footer_offset - n.filter_offset;
    Ok(visit(DumpLine { offset: n.filter_offset, len, part: DumpPart::Filter }))
}
