//! Finding the records of a segment, whatever is damaged around them.

use alloc::vec::Vec;

use super::wreck::{UNREADABLE_LEN, Wreck, written_len};
use super::{SalvageReport, Told};
use crate::error::{Error, ErrorKind, Result, StorageErrorKind};
use crate::format::{GROUP_HEADER_LEN, GROUP_MARKER, GroupHeader, SEGMENT_HEADER_LEN, SegmentKind};
use crate::segment_file::{FRAME_GUESS, SegmentFile};
use crate::storage::ReadAt;

/// Where a record was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) seq: u64,
    pub(super) wreck: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// What stands at a place.
enum Here {
    Group {
        durable: u64,
    },
    Frame {
        seq: u64,
        len: u64,
        more: bool,
    },
    Nothing,
    /// The host cannot read it.
    Unreadable,
}

/// Finds every whole record of a segment.
pub(super) fn scan<R: ReadAt>(
    wreck: &Wreck<R>,
    index: u32,
    found: &mut Vec<Found>,
    report: &mut SalvageReport,
    told: &mut Told<'_>,
) -> Result<()> {
    let (id, before) = (wreck.file.id(), found.len());
    let mut at = (SEGMENT_HEADER_LEN as u64).min(wreck.end);
    let (mut bad, mut durable) = (None, wreck.synced);
    // The batch under way: its seq and its first record.
    let mut batch: Option<(u64, usize)> = None;
    while at < wreck.end {
        let here = look(&wreck.file, at, wreck.end)?;
        if let (Some(start), Here::Group { .. } | Here::Frame { .. }) = (bad, &here) {
            report.damaged(id, start, at - start);
            bad = None;
        }
        let step = match here {
            Here::Group { durable: synced } => {
                durable = durable.max(synced);
                GROUP_HEADER_LEN as u64
            }
            Here::Frame { seq, len, more } => {
                if batch.is_some_and(|(open, _)| open != seq) {
                    report.parted_batches += 1;
                    batch = None;
                }
                let first = batch.map_or(found.len(), |(_, first)| first);
                batch = more.then_some((seq, first));
                found.push(Found { seq, wreck: index, offset: at as u32, len: len as u32 });
                len
            }
            Here::Nothing | Here::Unreadable => {
                bad.get_or_insert(at);
                if matches!(here, Here::Nothing) { 1 } else { UNREADABLE_LEN - at % UNREADABLE_LEN }
            }
        };
        at += step;
        told.add(step);
    }
    if wreck.end < wreck.synced {
        // Cut between two records, nothing looks wrong, and yet the rest is lost.
        bad.get_or_insert(wreck.end);
    }
    let is_log = wreck.records.is_none() && wreck.kind == SegmentKind::Arrival;
    let is_torn = is_log && bad.is_none_or(|start| start >= durable);
    if let Some((_, first)) = batch {
        if is_torn {
            // Never acknowledged, and not whole: as an open would, the end goes.
            found.truncate(first);
        } else {
            report.parted_batches += 1;
        }
    }
    if let Some(start) = bad {
        match written_len(&wreck.file, start, wreck.end) {
            len if is_torn => report.torn_bytes += len,
            0 if is_log => report.damaged(id, start, durable - start),
            _ => report.damaged(id, start, wreck.end.max(wreck.synced) - start),
        }
    }
    if let Some(records) = wreck.records {
        report.lost_records += records.saturating_sub((found.len() - before) as u64);
    }
    Ok(())
}

fn look<R: ReadAt>(file: &SegmentFile<R>, at: u64, end: u64) -> Result<Here> {
    if end - at >= GROUP_HEADER_LEN as u64 {
        match file.bytes(at, GROUP_HEADER_LEN) {
            Ok(bytes) if bytes[0] == GROUP_MARKER => {
                if let Ok(group) = GroupHeader::decode(&bytes, at, file.salt) {
                    return Ok(Here::Group { durable: group.durable_len });
                }
            }
            Err(error) if !is_damage(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    let frame = file.with_frame(at, FRAME_GUESS, |frame| {
        Ok(Here::Frame { seq: frame.seq, len: frame.len as u64, more: frame.more })
    });
    match frame {
        Ok(Here::Frame { len, .. }) if at + len > end => Ok(Here::Nothing),
        Ok(here) => Ok(here),
        Err(error) if error.corruption().is_some() => Ok(Here::Nothing),
        Err(error) if is_damage(&error) => Ok(Here::Unreadable),
        Err(error) => Err(error),
    }
}

/// Whether it is about bytes that do not hold or cannot be read.
fn is_damage(error: &Error) -> bool {
    let unreadable = |kind| matches!(kind, StorageErrorKind::Io | StorageErrorKind::UnexpectedEnd);
    match error.kind() {
        ErrorKind::Corrupt(_) => true,
        ErrorKind::Storage(error) => unreadable(error.kind),
        _ => false,
    }
}
