//! The new store of what was found.

use alloc::vec::Vec;

use super::scan::Found;
use super::wreck::Wreck;
use super::{SalvageReport, Told};
use crate::error::Result;
use crate::format::{FrameSource, LogHead, Manifest, ManifestSegment, SegmentHeader, SegmentKind};
use crate::host::{Host, random_bytes};
use crate::index::KeyHasher;
use crate::limits;
use crate::log::LogWriter;
use crate::memtable::Memtable;
use crate::options::{Options, Retention};
use crate::recovery;
use crate::segment_file::SegmentFile;
use crate::storage::{FileId, ReadAt, Storage};

/// A group of the new store ends with the first batch that reaches this.
const GROUP_LEN: u64 = 512 << 10;

/// The store that is made of what was found.
pub(super) struct NewStore<'a, S: Storage, H: Host> {
    target: &'a S,
    host: &'a H,
    hasher: KeyHasher,
    segment_bytes: u64,
    /// Its log's number is that of the segment to come.
    pub(super) manifest: Manifest,
    open: Option<NewSegment<S>>,
}

struct NewSegment<S: Storage> {
    writer: LogWriter<S::Appender>,
    memtable: Memtable,
    payload_bytes: u64,
}

impl<'a, S: Storage, H: Host> NewStore<'a, S, H> {
    pub(super) fn begin(
        target: &'a S,
        host: &'a H,
        options: &Options,
        old: Option<&Manifest>,
    ) -> Self {
        let manifest = Manifest {
            number: 1,
            store_id: random_bytes(host),
            hash_key: random_bytes(host),
            hash_bits: options.hash_bits,
            // Nothing of what was saved is dropped before somebody says so.
            retention: old.map_or(Retention::Forever, |old| old.retention),
            horizon: old.map_or(0, |old| old.horizon),
            last_seq: old.map_or(0, |old| old.last_seq),
            log: LogHead { number: 1, salt: host.random_u64() as u32, len: 0 },
            segments: Vec::new(),
        };
        Self {
            target,
            host,
            hasher: KeyHasher::new(manifest.hash_key, manifest.hash_bits),
            segment_bytes: options.segment_bytes.min(limits::SEGMENT_DATA_MAX),
            manifest,
            open: None,
        }
    }

    /// Copies what was found, in the order of seqs, and publishes the manifest.
    pub(super) fn write(
        &mut self,
        wrecks: &[Wreck<S::Reader>],
        found: &[Found],
        report: &mut SalvageReport,
        told: &mut Told<'_>,
    ) -> Result<()> {
        for batch in found.chunk_by(|a, b| a.seq == b.seq) {
            let batch = distinct(wrecks, batch)?;
            let len: u64 = batch.iter().map(|record| u64::from(record.len)).sum();
            self.make_room(batch[0].seq, len)?;
            for (i, record) in batch.iter().enumerate() {
                self.copy(wrecks, record, i + 1 < batch.len())?;
            }
            self.end_batch()?;
            report.records += batch.len() as u64;
            report.last_seq = batch[0].seq;
            told.add(len);
        }
        self.seal()?;
        let last_seq = self.manifest.last_seq.max(report.last_seq);
        self.manifest.last_seq = last_seq;
        if !report.manifest {
            // What compaction had dropped is not known, so only the present can be told.
            self.manifest.horizon = self.manifest.horizon.max(last_seq);
        }
        self.target.publish(FileId::manifest(1), &self.manifest.encode())?;
        Ok(())
    }

    /// Seals the segment that is too full for `len` bytes more, and begins one where none is.
    fn make_room(&mut self, seq: u64, len: u64) -> Result<()> {
        if self.open.as_ref().is_some_and(|s| s.writer.staged_len() + len > self.segment_bytes) {
            self.seal()?;
        }
        if self.open.is_none() {
            let LogHead { number, salt, .. } = self.manifest.log;
            let header = SegmentHeader {
                store_id: self.manifest.store_id,
                number,
                kind: SegmentKind::Arrival,
                salt,
                base_seq: seq,
                previous_number: 0,
                previous_len: 0,
                previous_seq: 0,
            };
            let writer = LogWriter::create(self.target.create(FileId::segment(number))?, header);
            self.open = Some(NewSegment { writer, memtable: Memtable::new(), payload_bytes: 0 });
        }
        Ok(())
    }

    fn copy(&mut self, wrecks: &[Wreck<S::Reader>], record: &Found, more: bool) -> Result<()> {
        let Some(NewSegment { writer, memtable, payload_bytes }) = &mut self.open else {
            return Ok(());
        };
        let file = &wrecks[record.wreck as usize].file;
        file.with_frame(u64::from(record.offset), record.len as usize, |frame| {
            *payload_bytes += (frame.key.len() + frame.value.len()) as u64;
            let (key, seq, expires) = (frame.key, frame.seq, frame.expires);
            let value = (!frame.tombstone).then_some(frame.value);
            let place = writer.stage(&FrameSource { key, value, seq, expires, more });
            let expires = expires.unwrap_or(0);
            memtable.push(key, seq, frame.tombstone, expires, place.offset, place.len);
            Ok(())
        })
    }

    fn end_batch(&mut self) -> Result<()> {
        match &mut self.open {
            Some(NewSegment { writer, .. }) if writer.staged_len() - writer.len() >= GROUP_LEN => {
                writer.harden(false)
            }
            _ => Ok(()),
        }
    }

    fn seal(&mut self) -> Result<()> {
        let Some(NewSegment { mut writer, mut memtable, payload_bytes }) = self.open.take() else {
            return Ok(());
        };
        writer.harden(false)?;
        let SegmentHeader { number, salt, base_seq, .. } = *writer.header();
        let reader = self.target.open(FileId::segment(number))?;
        let file = SegmentFile::new(number, salt, base_seq, reader, writer.len());
        let run = memtable.order_fully();
        let sealed = recovery::seal(&mut writer, &run, &self.hasher, payload_bytes, file)?;
        let footer = sealed.footer.clone();
        self.manifest.segments.push(ManifestSegment { footer, dead_bytes: 0 });
        let salt = self.host.random_u64() as u32;
        self.manifest.log = LogHead { number: number + 1, salt, len: 0 };
        Ok(())
    }
}

/// The records of one seq without those that were found twice: in a segment and in what a
/// compaction or a recovery had made of it.
fn distinct<R: ReadAt>(wrecks: &[Wreck<R>], batch: &[Found]) -> Result<Vec<Found>> {
    if batch.iter().all(|record| record.wreck == batch[0].wreck) {
        return Ok(batch.to_vec());
    }
    let mut keyed = Vec::with_capacity(batch.len());
    for record in batch {
        let file = &wrecks[record.wreck as usize].file;
        let key = file
            .with_key(u64::from(record.offset), record.len as usize, |found| found.key.to_vec())?;
        keyed.push((key, *record));
    }
    keyed.sort();
    keyed.dedup_by(|a, b| a.0 == b.0);
    Ok(keyed.into_iter().map(|(_, record)| record).collect())
}
