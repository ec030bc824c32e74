//! A view: consistent reads at one moment, on the exact path.
//!
//! A view pins the segments and runs it reads, so compaction and writes go on beside it.

mod diff;
mod history;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::{swap, take};

pub use self::diff::Diff;
pub use self::history::History;
use crate::error::Result;
use crate::index::KeyHasher;
use crate::merge::Merge;
use crate::sealed::{Cursor, Part};
use crate::storage::ReadAt;
use crate::types::{Record, ScanOptions, expiry, is_expired, owned};

/// How much history the store held for sure when a view was made.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Oldest moment that could be read.
    pub horizon: u64,
    /// So many newest versions of every key are kept, whatever their age.
    pub versions: u32,
}

/// A consistent read handle at a sequence number. Its clones share what it pins.
#[derive(Debug)]
pub struct View<R>(Arc<Pinned<R>>);

#[derive(Debug)]
struct Pinned<R> {
    /// Newest first.
    parts: Vec<Part<R>>,
    hasher: KeyHasher,
    seq: u64,
    /// The moment expiry is judged at.
    moment: u64,
    held: Held,
}

impl<R> Clone for View<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: ReadAt> View<R> {
    /// A view over parts, newest first, at `seq`, judging expiry at `moment`.
    pub fn new(parts: Vec<Part<R>>, hasher: KeyHasher, seq: u64, moment: u64, held: Held) -> Self {
        Self(Arc::new(Pinned { parts, hasher, seq, moment, held }))
    }

    /// The sequence number the view is at.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    /// The oldest moment that could be read when the view was made.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.0.held.horizon
    }

    /// The record of `key`, if it is live at the view's moment.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn get(&self, key: &[u8]) -> Result<Option<Record>> {
        for part in &self.0.parts {
            if !self.may_hold(part, key)? {
                continue;
            }
            let mut cursor = Cursor::new(part.clone());
            let at = cursor.lower_bound(key, self.0.seq)?;
            if at == cursor.len() {
                continue;
            }
            cursor.move_to(at)?;
            let found = cursor.version();
            if found.key != key {
                continue;
            }
            let live = !found.tombstone && !is_expired(found.expires, self.0.moment);
            if !live {
                break;
            }
            let (version, value) = cursor.record()?;
            let (key, expires) = (owned(version.key), expiry(version.expires));
            return Ok(Some(Record { key, value: owned(value), seq: version.seq, expires }));
        }
        Ok(None)
    }

    fn may_hold(&self, part: &Part<R>, key: &[u8]) -> Result<bool> {
        let Part::Sealed(sealed) = part else { return Ok(true) };
        let footer = &sealed.footer;
        let outside = footer.numbers.min_seq > self.0.seq
            || key < footer.first_key.as_slice()
            || key > footer.last_key.as_slice();
        Ok(!outside && sealed.may_contain(self.0.hasher.hash(key))?)
    }

    /// The live records of a range, in key order. `as_of` in the options is not looked at: the
    /// view has its own moment.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn scan(&self, options: &ScanOptions) -> Result<Scan<R>> {
        let mut scan = self.scan_range(options, options.reverse)?;
        scan.keys_only = options.keys_only;
        scan.left = options.limit.unwrap_or(u64::MAX);
        Ok(scan)
    }

    /// All live records of the range of these options.
    fn scan_range(&self, options: &ScanOptions, reverse: bool) -> Result<Scan<R>> {
        let (from, to) = options.range();
        Ok(Scan {
            merge: Merge::new(&self.0.parts, &from, to.as_deref(), reverse)?,
            seq: self.0.seq,
            moment: self.0.moment,
            reverse,
            keys_only: false,
            left: u64::MAX,
            done_key: Vec::new(),
            candidate: Candidate::default(),
            finished: Candidate::default(),
        })
    }

    /// How many live records a range has, exactly.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn count(&self, options: &ScanOptions) -> Result<u64> {
        let (mut count, mut scan) = (0, self.scan(options)?);
        scan.keys_only = true;
        while let Some(record) = scan.next_with(&mut |_, _, _, _| {}) {
            record?;
            count += 1;
        }
        Ok(count)
    }
}

/// Takes key, value, sequence number and expiry (0 for none) of a record.
pub type Read<'a> = &'a mut dyn FnMut(&[u8], &[u8], u64, u64);

/// Live records of a range, in key order.
#[derive(Debug)]
pub struct Scan<R> {
    merge: Merge<R>,
    seq: u64,
    moment: u64,
    reverse: bool,
    keys_only: bool,
    left: u64,
    /// Forward: the key whose visible version was already seen.
    done_key: Vec<u8>,
    /// Reverse: the newest visible version so far of the key at hand, and that of the key before.
    candidate: Candidate,
    finished: Candidate,
}

/// A version that is the newest one of its key, unless another comes.
#[derive(Debug, Default)]
struct Candidate {
    key: Vec<u8>,
    value: Vec<u8>,
    seq: u64,
    expires: u64,
    live: bool,
}

impl Candidate {
    fn give(&self, read: Read<'_>) {
        read(&self.key, &self.value, self.seq, self.expires);
    }
}

impl<R: ReadAt> Scan<R> {
    /// Gives `read` key, value, sequence number and expiry (0 for none) of the next record, as
    /// [`Iterator::next`] gives the record itself. Nothing is allocated for it.
    ///
    /// # Errors
    /// As [`Iterator::next`]: damage; the storage's failure.
    pub fn next_with(&mut self, read: Read<'_>) -> Option<Result<()>> {
        if self.left == 0 {
            return None;
        }
        let given = if self.reverse { self.backward(read) } else { self.forward(read) };
        // After an error the merge's place is unknown: end rather than skip records.
        self.left = if matches!(given, Ok(true)) { self.left - 1 } else { 0 };
        match given {
            Ok(given) => given.then_some(Ok(())),
            Err(e) => Some(Err(e)),
        }
    }

    /// Gives `read` the next live version and its value; `false` at the end.
    fn forward(&mut self, read: Read<'_>) -> Result<bool> {
        while self.merge.advance()? {
            let Some(cursor) = self.merge.cursor_mut() else { break };
            let version = cursor.version();
            if version.seq > self.seq || version.key == self.done_key {
                continue;
            }
            self.done_key.clear();
            self.done_key.extend_from_slice(version.key);
            if version.tombstone || is_expired(version.expires, self.moment) {
                continue;
            }
            let (version, value) =
                if self.keys_only { (version, &[][..]) } else { cursor.record()? };
            read(version.key, value, version.seq, version.expires);
            return Ok(true);
        }
        Ok(false)
    }

    /// As [`Scan::forward`]. Of a key the oldest version comes first: which is the newest visible
    /// one shows at the next key.
    fn backward(&mut self, read: Read<'_>) -> Result<bool> {
        while self.merge.advance()? {
            let Some(cursor) = self.merge.cursor_mut() else { break };
            let version = cursor.version();
            if version.seq > self.seq {
                continue;
            }
            let is_finished = self.candidate.live && self.candidate.key != version.key;
            swap(&mut self.candidate, &mut self.finished);
            let candidate = &mut self.candidate;
            candidate.key.clear();
            candidate.key.extend_from_slice(version.key);
            (candidate.seq, candidate.expires) = (version.seq, version.expires);
            candidate.live = !version.tombstone && !is_expired(version.expires, self.moment);
            candidate.value.clear();
            if candidate.live && !self.keys_only {
                candidate.value.extend_from_slice(cursor.record()?.1);
            }
            if is_finished {
                self.finished.give(read);
                return Ok(true);
            }
        }
        let given = take(&mut self.candidate.live);
        if given {
            self.candidate.give(read);
        }
        Ok(given)
    }
}

impl<R: ReadAt> Iterator for Scan<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let mut record = None;
        let given = self.next_with(&mut |key, value, seq, expires| {
            let expires = expiry(expires);
            record = Some(Record { key: owned(key), value: owned(value), seq, expires });
        });
        match given? {
            Ok(()) => record.map(Ok),
            Err(e) => Some(Err(e)),
        }
    }
}
