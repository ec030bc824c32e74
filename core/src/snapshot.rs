//! Snapshots: a whole store as one stream, written and read in order. FORMAT.md, section 11.
//!
//! Both ways take bounded memory, whatever the size of the store: segments pass through in
//! pieces, and only the manifest is held whole.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::error::{Error, ErrorKind, Result, SNAPSHOT, StorageError};
use crate::format::{
    LogHead, Malformed, Manifest, ManifestSegment, PART_HEADER_LEN, PartHeader,
    SNAPSHOT_HEADER_LEN, SnapshotHeader, SnapshotTrailer, TRAILER_LEN, checksum,
};
use crate::limits;
use crate::sealed::Sealed;
use crate::sort::sort_pairs;
use crate::storage::{Append, FileId, FileKind, ReadAt, Storage};
use crate::types::Progress;

/// Most bytes held of a segment at once.
const CHUNK_LEN: usize = 1 << 20;
/// Length of a part's checksum, in bytes.
const CRC_LEN: usize = 4;
/// Length of a part's entry in the directory, in bytes.
const ENTRY_LEN: usize = PART_HEADER_LEN + 8 + CRC_LEN;
/// Largest file number: more digits do not fit a file's name.
const NUMBER_MAX: u64 = 9_999_999_999_999_999;

/// Takes the bytes of a snapshot, in order.
pub trait Sink {
    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// The host's failure; the snapshot is then worthless.
    fn write(&mut self, bytes: &[u8]) -> core::result::Result<(), StorageError>;
}

/// Gives the bytes of a snapshot, in order.
pub trait Source {
    /// Fills the front of `buf` and tells how many bytes that were; 0 is the end.
    ///
    /// # Errors
    /// The host's failure.
    fn read(&mut self, buf: &mut [u8]) -> core::result::Result<usize, StorageError>;
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> core::result::Result<(), StorageError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl Source for &[u8] {
    fn read(&mut self, buf: &mut [u8]) -> core::result::Result<usize, StorageError> {
        let len = buf.len().min(self.len());
        let (head, rest) = self.split_at(len);
        buf[..len].copy_from_slice(head);
        *self = rest;
        Ok(len)
    }
}

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// The state is the one at this sequence number.
    pub seq: u64,
    /// Length of the snapshot, in bytes.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Records, superseded ones included.
    pub records: u64,
    /// Checksum of all before the trailer.
    pub crc: u32,
}

/// Counts and sums what goes out.
struct Output<'a> {
    sink: &'a mut dyn Sink,
    progress: &'a mut dyn FnMut(Progress),
    offset: u64,
    total: u64,
    crc: u32,
    parts: Vec<(PartHeader, u64, u32)>,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write(bytes)?;
        self.crc = checksum(self.crc, bytes);
        self.offset += bytes.len() as u64;
        (self.progress)(Progress { done: self.offset, total: self.total });
        Ok(())
    }

    fn begin_part(&mut self, file: FileId, len: u64) -> Result<PartHeader> {
        let part = PartHeader { file, len };
        self.put(&part.encode())?;
        Ok(part)
    }

    fn end_part(&mut self, part: PartHeader, crc: u32) -> Result<()> {
        self.parts.push((part, self.offset - part.len, crc));
        self.put(&crc.to_le_bytes())
    }
}

/// Writes the store of `manifest` whose segments are `sealed` and whose log is empty.
///
/// # Errors
/// The sink's failure; the storage's failure.
pub fn write<R: ReadAt>(
    manifest: &Manifest,
    sealed: &[Arc<Sealed<R>>],
    seq: u64,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(Progress),
) -> Result<SnapshotReport> {
    let segments = sealed
        .iter()
        .map(|s| ManifestSegment { footer: s.footer.clone(), dead_bytes: s.file.dead() })
        .collect();
    let manifest = Manifest {
        last_seq: manifest.last_seq.max(seq),
        log: LogHead { len: 0, ..manifest.log },
        segments,
        ..*manifest
    };
    let bytes = manifest.encode();
    let total = total_len(&manifest, bytes.len() as u64);
    let mut out = Output { sink, progress, offset: 0, total, crc: 0, parts: Vec::new() };
    let parts = sealed.len() as u32 + 1;
    out.put(&SnapshotHeader { store_id: manifest.store_id, seq, parts }.encode())?;
    let part = out.begin_part(FileId::manifest(manifest.number), bytes.len() as u64)?;
    out.put(&bytes)?;
    out.end_part(part, checksum(0, &bytes))?;
    for sealed in sealed {
        write_segment(&mut out, sealed)?;
    }
    let directory = SnapshotTrailer::directory(&out.parts);
    out.put(&directory)?;
    let crc = out.crc;
    let trailer = SnapshotTrailer { directory_len: directory.len() as u32, file_crc: crc };
    out.put(&trailer.encode())?;
    Ok(report(&manifest, seq, out.offset, crc))
}

fn write_segment<R: ReadAt>(out: &mut Output<'_>, sealed: &Sealed<R>) -> Result<()> {
    let len = sealed.footer.file_len();
    let part = out.begin_part(sealed.file.id(), len)?;
    let (mut at, mut crc) = (0, 0);
    while at < len {
        let piece = (len - at).min(CHUNK_LEN as u64);
        let bytes = sealed.file.bytes(at, piece as usize)?;
        crc = checksum(crc, &bytes);
        out.put(&bytes)?;
        at += piece;
    }
    out.end_part(part, crc)
}

fn total_len(manifest: &Manifest, manifest_len: u64) -> u64 {
    let around = (PART_HEADER_LEN + CRC_LEN + ENTRY_LEN) as u64;
    let ends = (SNAPSHOT_HEADER_LEN + TRAILER_LEN) as u64;
    let segments = manifest.segments.iter().map(|s| s.footer.file_len() + around);
    ends + manifest_len + around + segments.sum::<u64>()
}

fn report(manifest: &Manifest, seq: u64, bytes: u64, crc: u32) -> SnapshotReport {
    SnapshotReport {
        seq,
        bytes,
        segments: manifest.segments.len() as u64,
        records: manifest.segments.iter().map(|s| s.footer.numbers.records).sum(),
        crc,
    }
}

/// Restores a snapshot into an empty storage.
///
/// Every checksum is verified before the store comes to be: the manifest is published last. After
/// a failure nothing of the snapshot is left.
///
/// # Errors
/// `NotEmpty`; `Corrupt` with the place in the snapshot (its own header, directory and trailer go
/// by the name of manifest 0); `Unsupported`; the source's or the storage's failure.
///
/// # Crash behaviour
/// A crash leaves segments without a manifest, which do not open as a store: remove them and
/// restore again.
pub fn restore<S: Storage>(
    storage: &S,
    source: &mut dyn Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<SnapshotReport> {
    let mut empty = true;
    storage.list(&mut |_, _| empty = false)?;
    if !empty {
        return Err(ErrorKind::NotEmpty.into());
    }
    let mut created = Vec::new();
    let result = restore_into(storage, &mut Input::new(source, progress), &mut created);
    if result.is_err() {
        // The manifest first: no moment with a manifest that names removed segments. What cannot
        // be removed is named by the host's own error next time; the first error matters more.
        for id in created.into_iter().rev() {
            let _ = storage.remove(id);
        }
    }
    result
}

/// The snapshot that comes in is no whole one: `what` should stand at this byte of it.
fn damaged(at: u64, what: &'static str) -> Error {
    Error::corrupt(SNAPSHOT, at, what)
}

/// Counts and sums what comes in.
struct Input<'a> {
    source: &'a mut dyn Source,
    progress: &'a mut dyn FnMut(Progress),
    offset: u64,
    total: u64,
    crc: u32,
    parts: Vec<(PartHeader, u64, u32)>,
}

impl<'a> Input<'a> {
    fn new(source: &'a mut dyn Source, progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self { source, progress, offset: 0, total: 0, crc: 0, parts: Vec::new() }
    }

    /// Fills `buf` from the source.
    fn fill(&mut self, buf: &mut [u8]) -> Result<()> {
        let mut at = 0;
        while at < buf.len() {
            let len = self.source.read(&mut buf[at..])?.min(buf.len() - at);
            if len == 0 {
                let end = self.offset + at as u64;
                return Err(damaged(end, "more bytes: the snapshot is cut"));
            }
            at += len;
        }
        self.crc = checksum(self.crc, buf);
        self.offset += buf.len() as u64;
        let total = self.total.max(self.offset);
        (self.progress)(Progress { done: self.offset, total });
        Ok(())
    }

    fn part(&mut self) -> Result<PartHeader> {
        let (at, mut bytes) = (self.offset, [0; PART_HEADER_LEN]);
        self.fill(&mut bytes)?;
        PartHeader::decode(&bytes).map_err(|e| damaged(at, e.0))
    }

    fn end_part(&mut self, part: PartHeader, crc: u32) -> Result<()> {
        let (at, mut bytes) = (self.offset, [0; CRC_LEN]);
        self.fill(&mut bytes)?;
        if bytes != crc.to_le_bytes() {
            return Err(damaged(at, "the checksum of the part before it"));
        }
        self.parts.push((part, at - part.len, crc));
        Ok(())
    }
}

fn restore_into<S: Storage>(
    storage: &S,
    input: &mut Input<'_>,
    created: &mut Vec<FileId>,
) -> Result<SnapshotReport> {
    let mut bytes = [0; SNAPSHOT_HEADER_LEN];
    input.fill(&mut bytes)?;
    let decoded = SnapshotHeader::decode(&bytes).map_err(|e| damaged(0, e.0))?;
    let header = decoded.map_err(|format| ErrorKind::Unsupported { format, file: SNAPSHOT })?;
    let (manifest, manifest_bytes) = read_manifest(input, &header)?;
    input.total = total_len(&manifest, manifest_bytes.len() as u64);
    for segment in &manifest.segments {
        restore_segment(storage, input, created, &manifest, segment)?;
    }
    let crc = read_end(input)?;
    let id = FileId::manifest(manifest.number);
    created.push(id);
    storage.publish(id, &manifest_bytes)?;
    Ok(report(&manifest, header.seq, input.offset, crc))
}

fn read_manifest(input: &mut Input<'_>, header: &SnapshotHeader) -> Result<(Manifest, Vec<u8>)> {
    let at = input.offset;
    let part = input.part()?;
    let fits = part.file.kind == FileKind::Manifest && part.len <= limits::MANIFEST_BYTES_MAX;
    if !fits {
        return Err(damaged(at, "a manifest of at most 256 MiB"));
    }
    let (start, mut bytes) = (input.offset, Vec::new());
    // Memory is taken as bytes come, not as the header claims.
    while (bytes.len() as u64) < part.len {
        let before = bytes.len();
        let piece = (part.len - before as u64).min(CHUNK_LEN as u64) as usize;
        bytes.resize(before + piece, 0);
        input.fill(&mut bytes[before..])?;
    }
    input.end_part(part, checksum(0, &bytes))?;
    let corrupt = |e: Malformed| damaged(start, e.0);
    let decoded = Manifest::decode(&bytes).map_err(corrupt)?;
    let manifest = decoded.map_err(|format| ErrorKind::Unsupported { format, file: part.file })?;
    let segments = manifest.segments.iter().map(|s| s.footer.numbers.number);
    let mut numbers: Vec<_> = segments.chain([manifest.log.number]).map(|n| (n, 0)).collect();
    sort_pairs(&mut numbers);
    let distinct = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    let in_range = |number: u64| (1..=NUMBER_MAX).contains(&number);
    let whole = manifest.number == part.file.number
        && manifest.store_id == header.store_id
        && manifest.log.len == 0
        && header.seq <= manifest.last_seq
        && u64::from(header.parts) == manifest.segments.len() as u64 + 1
        && in_range(manifest.number)
        && numbers.iter().all(|(number, _)| in_range(*number))
        && distinct;
    if !whole {
        return Err(corrupt(Malformed("the manifest of this snapshot")));
    }
    Ok((manifest, bytes))
}

fn restore_segment<S: Storage>(
    storage: &S,
    input: &mut Input<'_>,
    created: &mut Vec<FileId>,
    manifest: &Manifest,
    segment: &ManifestSegment,
) -> Result<()> {
    let at = input.offset;
    let part = input.part()?;
    let id = FileId::segment(segment.footer.numbers.number);
    if part != (PartHeader { file: id, len: segment.footer.file_len() }) {
        return Err(damaged(at, "the next segment of the manifest"));
    }
    let start = input.offset;
    created.push(id);
    let mut appender = storage.create(id)?;
    let mut buf = vec![0; part.len.min(CHUNK_LEN as u64) as usize];
    let (mut left, mut crc) = (part.len, 0);
    while left > 0 {
        let piece = left.min(CHUNK_LEN as u64) as usize;
        input.fill(&mut buf[..piece])?;
        crc = checksum(crc, &buf[..piece]);
        appender.append(&buf[..piece])?;
        left -= piece as u64;
    }
    input.end_part(part, crc)?;
    appender.finish()?;
    appender.sync()?;
    drop(appender);
    match Sealed::open(storage, &manifest.store_id, &segment.footer) {
        Ok(_) => Ok(()),
        // Where it is in the file is known; what helps is where it is in the snapshot.
        Err(e) => Err(match e.corruption() {
            Some(c) => damaged(start + c.offset, c.what),
            None => e,
        }),
    }
}

/// Reads directory and trailer, and that nothing follows. Gives the checksum of all before.
fn read_end(input: &mut Input<'_>) -> Result<u32> {
    let directory = SnapshotTrailer::directory(&input.parts);
    let at = input.offset;
    let mut buf = vec![0; ENTRY_LEN];
    for expected in directory.chunks(ENTRY_LEN) {
        let place = input.offset;
        input.fill(&mut buf)?;
        if buf != expected {
            return Err(damaged(place, "the directory of the parts before it"));
        }
    }
    let crc = input.crc;
    let (end, mut bytes) = (input.offset, [0; TRAILER_LEN]);
    input.fill(&mut bytes)?;
    let trailer = SnapshotTrailer::decode(&bytes).map_err(|e| damaged(end, e.0))?;
    if u64::from(trailer.directory_len) != end - at || trailer.file_crc != crc {
        return Err(damaged(end, "the trailer of this snapshot"));
    }
    if input.source.read(&mut [0])? != 0 {
        return Err(damaged(input.offset, "the end of the snapshot"));
    }
    Ok(crc)
}
