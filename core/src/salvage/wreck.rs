//! The files that salvage looks through.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::SalvageReport;
use crate::error::{ErrorKind, Result};
use crate::format::{Manifest, SEGMENT_HEADER_LEN, SegmentHeader, SegmentKind};
use crate::recovery;
use crate::sealed::footer_at_end;
use crate::segment_file::SegmentFile;
use crate::storage::{FileId, FileKind, ReadAt, Storage};

/// How far to go on where the host cannot read, in bytes.
pub(super) const UNREADABLE_LEN: u64 = 4096;

/// A segment to look through.
pub(super) struct Wreck<R> {
    pub(super) file: Arc<SegmentFile<R>>,
    /// Where data ends.
    pub(super) end: u64,
    /// How many records there should be, of a sealed segment.
    pub(super) records: Option<u64>,
    pub(super) kind: SegmentKind,
    /// Bytes known to be synced by what the manifest or the footer says, though the file may end
    /// before them.
    pub(super) synced: u64,
}

/// The newest manifest that holds; those above it are damage.
pub(super) fn newest_manifest<S: Storage>(
    source: &S,
    files: &[(FileId, u64)],
    report: &mut SalvageReport,
) -> Result<Option<Manifest>> {
    for (id, len) in files.iter().rev().filter(|(id, _)| id.kind == FileKind::Manifest) {
        match recovery::read_manifest(source, *id) {
            Ok(manifest) => {
                report.manifest = report.damage.is_empty();
                return Ok(Some(manifest));
            }
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => return Err(e),
            Err(_) => report.damaged(*id, 0, *len),
        }
    }
    Ok(None)
}

/// The segments that may hold data: those the manifest lists and those of the log behind them,
/// or all there are.
pub(super) fn wrecks<S: Storage>(
    source: &S,
    files: &[(FileId, u64)],
    manifest: Option<&Manifest>,
    report: &mut SalvageReport,
) -> Result<Vec<Wreck<S::Reader>>> {
    let listed = |number: u64| {
        let mut footers = manifest.iter().flat_map(|m| &m.segments).map(|s| &s.footer);
        footers.find(|footer| footer.numbers.number == number)
    };
    let mut wrecks = Vec::new();
    for (id, len) in files.iter().filter(|(id, _)| id.kind == FileKind::Segment) {
        let footer = listed(id.number);
        let is_old = manifest.is_some_and(|m| id.number < m.log.number);
        if footer.is_none() && is_old && report.manifest {
            continue;
        }
        let reader = source.open(*id)?;
        let header = match read_header(&reader, *len) {
            Ok(Some(header)) if header.number == id.number => Some(header),
            Ok(_) => None,
            Err(format) => return Err(ErrorKind::Unsupported { format, file: *id }.into()),
        };
        let (salt, base_seq, kind) = match (header, footer) {
            // An output that a compaction had not finished says nothing new.
            (Some(h), None) if h.kind != SegmentKind::Arrival && report.manifest => continue,
            (Some(h), _) => (h.salt, h.base_seq, h.kind),
            (None, Some(footer)) => {
                report.damaged(*id, 0, (*len).min(SEGMENT_HEADER_LEN as u64));
                // How its records are ordered makes no difference here.
                (footer.numbers.salt, footer.numbers.base_seq, SegmentKind::Sorted)
            }
            (None, None) => {
                let file = SegmentFile::new(id.number, 0, 0, reader, *len);
                let written = if written_len(&file, 0, *len) > 0 { *len } else { 0 };
                match written.max(synced_log(manifest, *id)) {
                    0 => {}
                    lost => report.damaged(*id, 0, lost),
                }
                continue;
            }
        };
        // What the manifest says of a segment, its own footer says too.
        let own = if footer.is_none() { footer_at_end(&reader, *len, salt) } else { None };
        let footer = footer.or(own.as_ref());
        let end = footer.map_or(*len, |footer| footer.numbers.data_end.min(*len));
        let synced = synced_log(manifest, *id);
        wrecks.push(Wreck {
            file: SegmentFile::new(id.number, salt, base_seq, reader, *len),
            end,
            records: footer.map(|footer| footer.numbers.records),
            kind,
            synced: footer.map_or(synced, |footer| footer.numbers.data_end),
        });
    }
    missing(files, manifest, report);
    report.segments = wrecks.len() as u64;
    Ok(wrecks)
}

/// Segments that the manifest lists or knows to hold some of the log, and that are not there.
fn missing(files: &[(FileId, u64)], manifest: Option<&Manifest>, report: &mut SalvageReport) {
    for segment in manifest.iter().flat_map(|m| &m.segments) {
        let id = FileId::segment(segment.footer.numbers.number);
        if !files.iter().any(|(file, _)| *file == id) {
            report.damaged(id, 0, segment.footer.file_len());
            report.lost_records += segment.footer.numbers.records;
        }
    }
    let Some(manifest) = manifest else { return };
    let head = FileId::segment(manifest.log.number);
    if manifest.log.len > 0 && !files.iter().any(|(file, _)| *file == head) {
        report.damaged(head, 0, manifest.log.len);
    }
}

/// How much of a segment of the log the manifest knows to be synced.
fn synced_log(manifest: Option<&Manifest>, id: FileId) -> u64 {
    let log = manifest.map(|m| m.log).filter(|log| log.number == id.number);
    log.map_or(0, |log| log.len)
}

/// The header, if it holds. `Err` is a newer format.
fn read_header<R: ReadAt>(
    reader: &R,
    len: u64,
) -> core::result::Result<Option<SegmentHeader>, u16> {
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    if len < bytes.len() as u64 || reader.read_at(0, &mut bytes).is_err() {
        return Ok(None);
    }
    SegmentHeader::decode(&bytes).map_or(Ok(None), |header| header.map(Some))
}

/// How many bytes behind `start` there are up to the last that is not zero.
pub(super) fn written_len<R: ReadAt>(file: &SegmentFile<R>, start: u64, end: u64) -> u64 {
    let (mut at, mut written) = (start, start);
    while at < end {
        let piece = (end - at).min(UNREADABLE_LEN);
        match file.bytes(at, piece as usize) {
            Ok(bytes) => {
                if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                    written = at + last as u64 + 1;
                }
            }
            Err(_) => written = at + piece,
        }
        at += piece;
    }
    written - start
}
