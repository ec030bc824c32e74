//! A cursor over the versions one part holds, in the order (key ascending, seq descending), moved
//! by ordinal, so that both directions are the same work.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Sealed;
use crate::error::{Error, Result};
use crate::format::{BlockEntry, Frame, GROUP_HEADER_LEN, GroupHeader, Malformed, seed_at};
use crate::memtable::Run;
use crate::segment_file::SegmentFile;
use crate::storage::ReadAt;

/// Something that holds ordered versions: a sealed segment or a run of a memtable.
#[derive(Debug)]
pub enum Part<R> {
    /// A sealed segment.
    Sealed(Arc<Sealed<R>>),
    /// An ordered run in memory, with the file its values stand in.
    Run(Arc<SegmentFile<R>>, Arc<Run>),
}

impl<R> Clone for Part<R> {
    fn clone(&self) -> Self {
        match self {
            Part::Sealed(sealed) => Part::Sealed(Arc::clone(sealed)),
            Part::Run(file, run) => Part::Run(Arc::clone(file), Arc::clone(run)),
        }
    }
}

/// The version a cursor stands on, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Sequence number.
    pub seq: u64,
    /// Whether it is a delete.
    pub tombstone: bool,
    /// Expiry, 0 for none.
    pub expires: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Current {
    seq: u64,
    tombstone: bool,
    expires: u64,
    offset: u32,
    len: u32,
}

/// Stands on one version of a part.
#[derive(Debug)]
pub struct Cursor<R> {
    part: Part<R>,
    len: u64,
    current: Current,
    key: Vec<u8>,
    /// Block that `entries` (and, in a sorted segment, `data`) belong to.
    block: Option<usize>,
    entries: Vec<BlockEntry>,
    data: Vec<u8>,
    data_offset: u64,
}

impl<R: ReadAt> Part<R> {
    /// The file the part's values stand in.
    pub fn file(&self) -> &Arc<SegmentFile<R>> {
        match self {
            Part::Sealed(sealed) => &sealed.file,
            Part::Run(file, _) => file,
        }
    }

    /// How many versions the part holds.
    pub fn len(&self) -> u64 {
        match self {
            Part::Sealed(sealed) => sealed.numbers().records,
            Part::Run(_, run) => run.len() as u64,
        }
    }

    /// Whether the part holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<R: ReadAt> Cursor<R> {
    /// A cursor that stands nowhere yet.
    pub fn new(part: Part<R>) -> Self {
        Self {
            len: part.len(),
            part,
            current: Current::default(),
            key: Vec::new(),
            block: None,
            entries: Vec::new(),
            data: Vec::new(),
            data_offset: 0,
        }
    }

    /// How many versions the part holds.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the part holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Moves to the version of this ordinal, from 0 to `len() - 1`.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn move_to(&mut self, ordinal: u64) -> Result<()> {
        match self.part.clone() {
            Part::Run(_, run) => {
                let entry = run.entry(ordinal as usize);
                self.key.clear();
                self.key.extend_from_slice(run.key(ordinal as usize));
                self.current = Current {
                    seq: entry.seq,
                    tombstone: entry.tombstone,
                    expires: entry.expires,
                    offset: entry.offset,
                    len: entry.len,
                };
                Ok(())
            }
            Part::Sealed(sealed) => self.move_in_sealed(&sealed, ordinal),
        }
    }

    fn move_in_sealed(&mut self, sealed: &Sealed<R>, ordinal: u64) -> Result<()> {
        let block = sealed.directory()?.block_of_ordinal(ordinal);
        self.load_block(sealed, block)?;
        let first = sealed.directory()?.fence(block).first;
        let entry = self.entries[(ordinal - first) as usize];
        let file = &sealed.file;
        let offset = u64::from(entry.offset);
        let (key, current) = (&mut self.key, &mut self.current);
        let mut set = |found: &[u8], seq: u64, expires: Option<u64>, tombstone: bool| {
            key.clear();
            key.extend_from_slice(found);
            *current = Current {
                seq,
                tombstone,
                expires: expires.unwrap_or(0),
                offset: entry.offset,
                len: entry.len,
            };
        };
        let tombstone = if sealed.numbers().sorted {
            let frame = group_frame(&self.data, self.data_offset, file, offset, entry.len)?;
            set(frame.key, frame.seq, frame.expires, frame.tombstone);
            frame.tombstone
        } else {
            let seq = file.with_key(offset, entry.len as usize, |found| {
                let seq = found.head.seq(file.base_seq);
                set(found.key, entry.seq, found.head.expires, found.head.tombstone());
                (seq, found.head.tombstone())
            })?;
            if seq.0 != Ok(entry.seq) {
                return Err(file.corrupt(offset, Malformed("the record its key table tells of")));
            }
            seq.1
        };
        if tombstone != entry.tombstone {
            return Err(file.corrupt(offset, Malformed("the record its key table tells of")));
        }
        Ok(())
    }

    fn load_block(&mut self, sealed: &Sealed<R>, block: usize) -> Result<()> {
        if self.block == Some(block) {
            return Ok(());
        }
        self.block = None;
        self.entries.clear();
        let fence = sealed.directory()?.fence(block);
        sealed.block(&fence, &mut self.entries)?;
        if sealed.numbers().sorted {
            let offset = u64::from(fence.data_offset);
            sealed.file.read_into(offset, fence.data_len as usize, &mut self.data)?;
            self.data_offset = offset;
            let header = GroupHeader::decode(&self.data, offset, sealed.file.salt)
                .map_err(|e| sealed.file.corrupt(offset, e))?;
            if header.body_len as usize + GROUP_HEADER_LEN != self.data.len() {
                return Err(sealed
                    .file
                    .corrupt(offset, Malformed("a group of its block's length")));
            }
        }
        self.block = Some(block);
        Ok(())
    }

    /// The version the cursor stands on.
    pub fn version(&self) -> Version<'_> {
        Version {
            key: &self.key,
            seq: self.current.seq,
            tombstone: self.current.tombstone,
            expires: self.current.expires,
        }
    }

    /// Offset and length of the frame the cursor stands on.
    pub fn frame_place(&self) -> (u32, u32) {
        (self.current.offset, self.current.len)
    }

    /// Gives `read` the value of the version the cursor stands on.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn with_value<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let file = self.part.file();
        let offset = u64::from(self.current.offset);
        if let Part::Sealed(sealed) = &self.part
            && sealed.numbers().sorted
        {
            let len = self.current.len;
            let frame = group_frame(&self.data, self.data_offset, file, offset, len)?;
            return Ok(read(frame.value));
        }
        file.with_frame(offset, self.current.len as usize, |frame| {
            if frame.key != self.key || frame.seq != self.current.seq {
                return Err(file.corrupt(offset, Malformed("the record its key table tells of")));
            }
            Ok(read(frame.value))
        })
    }

    /// The first ordinal whose version is not before (`key`, `seq`) in the order: keys
    /// ascending, sequence numbers descending. `len()` if there is none.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn lower_bound(&mut self, key: &[u8], seq: u64) -> Result<u64> {
        let (mut low, mut high) = match self.part.clone() {
            Part::Run(_, run) => (run.lower_bound(key) as u64, self.len),
            Part::Sealed(sealed) => {
                let directory = sealed.directory()?;
                if directory.blocks() == 0 {
                    return Err(Error::corrupt(sealed.file.id(), 0, "a segment with blocks"));
                }
                (directory.fence(directory.block_of_key(key)).first, self.len)
            }
        };
        // Gallop from the first candidate: it is mostly near.
        let mut step = 16;
        while low < high {
            let probe = (low + step).min(high) - 1;
            self.move_to(probe)?;
            if self.before(key, seq) {
                low = probe + 1;
                step *= 2;
            } else {
                high = probe;
                break;
            }
        }
        while low < high {
            let middle = low.midpoint(high);
            self.move_to(middle)?;
            if self.before(key, seq) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn before(&self, key: &[u8], seq: u64) -> bool {
        let found = self.version();
        (found.key, u64::MAX - found.seq) < (key, u64::MAX - seq)
    }
}

/// The verified frame at `offset` of the file, out of a group's bytes that start at `start`.
fn group_frame<'a, R: ReadAt>(
    group: &'a [u8],
    start: u64,
    file: &SegmentFile<R>,
    offset: u64,
    len: u32,
) -> Result<Frame<'a>> {
    let at = (offset - start) as usize;
    group
        .get(at..at + len as usize)
        .ok_or(Malformed("a frame inside its group"))
        .and_then(|bytes| Frame::decode(bytes, seed_at(file.salt, offset), file.base_seq))
        .map_err(|e| file.corrupt(offset, e))
}
