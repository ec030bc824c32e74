//! The change feed: every version that is held of any key, in the order of commits.
//!
//! Segments cover disjoint ranges of sequence numbers, so they are read one after the other, the
//! oldest first; only the records of one are brought into order at a time. Of a log segment only
//! what is new is looked at, so that a feed that is up to date costs what is written, however much
//! there is.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::error::Result;
use crate::memtable::Memtable;
use crate::sealed::{Cursor, Part, Sealed};
use crate::segment_file::SegmentFile;
use crate::sort::{sort_pairs, sort_stable};
use crate::storage::ReadAt;
use crate::types::{Changed, ScanOptions, Version, expiry, owned};

/// Where changes are read from: what one segment may have that is new.
#[derive(Debug)]
pub enum Source<R> {
    /// A sealed segment.
    Sealed(Arc<Sealed<R>>),
    /// Offset and greatest possible length of frames of a log segment.
    Log(Arc<SegmentFile<R>>, Vec<(u32, u32)>),
}

impl<R> Source<R> {
    /// What a log segment may have that is newer than `since`.
    #[must_use]
    pub fn log(file: &Arc<SegmentFile<R>>, memtable: &Memtable, since: u64) -> Self {
        Self::Log(Arc::clone(file), memtable.arrivals().after(since))
    }
}

/// Versions in the order of commits; those of one batch stand together, in the order of their
/// keys, and share a seq.
#[derive(Debug)]
pub struct Changes<R> {
    /// What is still to be read, newest first.
    sources: Vec<Source<R>>,
    /// After `start`, up to and with `end`.
    seqs: Range<u64>,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    keys_only: bool,
    current: Option<Current<R>>,
    looked_at: u64,
    failed: bool,
}

/// The segment being read, and what of it is still to be told, latest commit first.
#[derive(Debug)]
enum Current<R> {
    /// Sequence numbers and ordinals.
    Sealed(Box<Cursor<R>>, Vec<(u64, u64)>),
    Log(Arc<SegmentFile<R>>, Vec<New>),
}

/// A version in the log that is asked for.
#[derive(Debug, Clone, Copy)]
struct New {
    seq: u64,
    /// Place of the key among those that were read.
    key: (usize, usize),
    offset: u32,
    len: u32,
}

impl<R: ReadAt> Changes<R> {
    /// The versions of a range of keys with sequence numbers after `since`, up to and with
    /// `until`; `sources` are newest first.
    ///
    /// Whoever asks must know that `since` is not before the horizon: what was committed and
    /// compacted away since then is not told of.
    #[must_use]
    pub fn new(sources: Vec<Source<R>>, (since, until): (u64, u64), options: &ScanOptions) -> Self {
        let ((from, to), seqs, keys_only) = (options.range(), since..until, options.keys_only);
        Self { sources, seqs, from, to, keys_only, current: None, looked_at: 0, failed: false }
    }

    /// The moment up to which changes are told of: what came later follows if one asks for the
    /// changes since then.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.seqs.end
    }

    /// How many records were looked at so far, told or not.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    fn step(&mut self) -> Result<Option<Changed>> {
        loop {
            match &mut self.current {
                Some(Current::Sealed(cursor, left)) => {
                    while let Some((_, ordinal)) = left.pop() {
                        if let Some(changed) = read(cursor, ordinal, self.keys_only)? {
                            return Ok(Some(changed));
                        }
                    }
                }
                Some(Current::Log(file, left)) => {
                    if let Some(new) = left.pop() {
                        return read_in_log(file, new, self.keys_only).map(Some);
                    }
                }
                None => {}
            }
            let Some(source) = self.sources.pop() else { return Ok(None) };
            self.current = match source {
                Source::Sealed(sealed) => self.begin(sealed)?,
                Source::Log(file, places) => Some(self.begin_in_log(file, &places)?),
            };
        }
    }

    fn is_new(&self, seq: u64) -> bool {
        seq > self.seqs.start && seq <= self.seqs.end
    }

    /// Brings the versions of a sealed segment into order, if it has some that are asked for.
    fn begin(&mut self, sealed: Arc<Sealed<R>>) -> Result<Option<Current<R>>> {
        let numbers = sealed.numbers();
        if numbers.max_seq <= self.seqs.start || numbers.min_seq > self.seqs.end {
            return Ok(None);
        }
        let mut cursor = Cursor::new(Part::Sealed(sealed));
        let first = match self.from.as_slice() {
            [] => 0,
            from => cursor.lower_bound(from, u64::MAX)?,
        };
        let end = match &self.to {
            Some(to) => cursor.lower_bound(to, u64::MAX)?,
            None => cursor.len(),
        };
        let mut left = Vec::new();
        for ordinal in first..end {
            cursor.move_to(ordinal)?;
            let seq = cursor.version().seq;
            if self.is_new(seq) {
                left.push((seq, ordinal));
            }
        }
        self.looked_at += end.saturating_sub(first);
        sort_pairs(&mut left);
        left.reverse();
        Ok(Some(Current::Sealed(Box::new(cursor), left)))
    }

    /// Brings versions in the log into order.
    fn begin_in_log(
        &mut self,
        file: Arc<SegmentFile<R>>,
        places: &[(u32, u32)],
    ) -> Result<Current<R>> {
        let (mut left, mut keys) = (Vec::new(), Vec::new());
        for &(offset, len) in places {
            let place = u64::from(offset);
            file.with_key(place, len as usize, |frame| {
                let seq = frame.head.seq(file.base_seq)?;
                let is_in_range = frame.key >= self.from.as_slice()
                    && self.to.as_ref().is_none_or(|to| frame.key < to.as_slice());
                if self.is_new(seq) && is_in_range {
                    let start = keys.len();
                    keys.extend_from_slice(frame.key);
                    left.push(New { seq, key: (start, keys.len()), offset, len });
                }
                Ok(())
            })?
            .map_err(|e| file.corrupt(place, e))?;
        }
        self.looked_at += places.len() as u64;
        let key = |new: &New| keys.get(new.key.0..new.key.1);
        sort_stable(&mut left, |a, b| b.seq.cmp(&a.seq).then_with(|| key(b).cmp(&key(a))));
        Ok(Current::Log(file, left))
    }
}

/// The version at an ordinal; `None` for one whose value compaction took away.
fn read<R: ReadAt>(
    cursor: &mut Cursor<R>,
    ordinal: u64,
    keys_only: bool,
) -> Result<Option<Changed>> {
    cursor.move_to(ordinal)?;
    let version = cursor.version();
    if version.tombstone && version.expires != 0 {
        return Ok(None);
    }
    let (key, seq, expires) = (owned(version.key), version.seq, expiry(version.expires));
    let value = match (version.tombstone, keys_only) {
        (true, _) => None,
        (false, true) => Some(Vec::new()),
        (false, false) => Some(owned(cursor.record()?.1)),
    };
    Ok(Some(Changed { key, version: Version { seq, value, expires } }))
}

fn read_in_log<R: ReadAt>(file: &SegmentFile<R>, new: New, keys_only: bool) -> Result<Changed> {
    if keys_only {
        return file.with_key(u64::from(new.offset), new.len as usize, |frame| {
            let value = (!frame.head.tombstone()).then(Vec::new);
            let version = Version { seq: new.seq, value, expires: frame.head.expires };
            Changed { key: owned(frame.key), version }
        });
    }
    file.with_frame(u64::from(new.offset), new.len as usize, |frame| {
        let value = (!frame.tombstone).then(|| owned(frame.value));
        let version = Version { seq: frame.seq, value, expires: frame.expires };
        Ok(Changed { key: owned(frame.key), version })
    })
}

impl<R: ReadAt> Iterator for Changes<R> {
    type Item = Result<Changed>;

    fn next(&mut self) -> Option<Result<Changed>> {
        if self.failed {
            return None;
        }
        let next = self.step().transpose();
        // After an error the place is unknown: end rather than skip versions.
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
