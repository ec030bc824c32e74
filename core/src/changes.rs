//! The change feed: every version that is held of any key, in the order of commits.
//!
//! Segments cover disjoint ranges of sequence numbers, so they are read one after the other, the
//! oldest first; only the records of one are brought into order at a time.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::Result;
use crate::sealed::{Cursor, Part};
use crate::sort::sort_pairs;
use crate::storage::ReadAt;
use crate::types::{Changed, Version, expiry};

/// Versions in the order of commits; those of one batch stand together and share a seq.
#[derive(Debug)]
pub struct Changes<R> {
    /// Parts still to be read, newest first.
    parts: Vec<Part<R>>,
    /// After `start`, up to and with `end`.
    seqs: Range<u64>,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    current: Option<Current<R>>,
    failed: bool,
}

/// The part being read.
#[derive(Debug)]
struct Current<R> {
    cursor: Cursor<R>,
    /// Sequence number and ordinal of each version, latest commit first.
    left: Vec<(u64, u64)>,
}

impl<R: ReadAt> Changes<R> {
    /// The versions of keys from `from` to `to` with sequence numbers after `since`, up to and
    /// with `until`; `parts` are newest first.
    pub(crate) fn new(
        parts: Vec<Part<R>>,
        (since, until): (u64, u64),
        (from, to): (Vec<u8>, Option<Vec<u8>>),
    ) -> Self {
        Self { parts, seqs: since..until, from, to, current: None, failed: false }
    }

    /// The moment up to which changes are told of: what came later follows if one asks for the
    /// changes since then.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.seqs.end
    }

    fn step(&mut self) -> Result<Option<Changed>> {
        loop {
            if let Some(current) = &mut self.current {
                while let Some((_, ordinal)) = current.left.pop() {
                    if let Some(changed) = read(&mut current.cursor, ordinal)? {
                        return Ok(Some(changed));
                    }
                }
                self.current = None;
            }
            let Some(part) = self.parts.pop() else { return Ok(None) };
            self.current = self.begin(part)?;
        }
    }

    /// Brings the versions of a part into order, if it has some that are asked for.
    fn begin(&self, part: Part<R>) -> Result<Option<Current<R>>> {
        if let Part::Sealed(sealed) = &part
            && (sealed.numbers().max_seq <= self.seqs.start
                || sealed.numbers().min_seq > self.seqs.end)
        {
            return Ok(None);
        }
        let mut cursor = Cursor::new(part);
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
            if seq > self.seqs.start && seq <= self.seqs.end {
                left.push((seq, ordinal));
            }
        }
        sort_pairs(&mut left);
        left.reverse();
        Ok(Some(Current { cursor, left }))
    }
}

/// The version at an ordinal; `None` for one whose value compaction took away.
fn read<R: ReadAt>(cursor: &mut Cursor<R>, ordinal: u64) -> Result<Option<Changed>> {
    cursor.move_to(ordinal)?;
    let version = cursor.version();
    if version.tombstone && version.expires != 0 {
        return Ok(None);
    }
    let (key, seq, expires) = (version.key.to_vec(), version.seq, expiry(version.expires));
    let value = if version.tombstone { None } else { Some(cursor.with_value(<[u8]>::to_vec)?) };
    Ok(Some(Changed { key, version: Version { seq, value, expires } }))
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
