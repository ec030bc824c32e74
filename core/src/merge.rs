//! Merges the versions of several parts into one order: keys ascending, sequence numbers
//! descending, or exactly the reverse.

use alloc::vec::Vec;

use crate::error::Result;
use crate::sealed::{Cursor, Part, Version};
use crate::storage::ReadAt;

#[derive(Debug)]
struct Source<R> {
    cursor: Cursor<R>,
    /// Ordinals still to come: `low..high`; the cursor stands on the next one.
    low: u64,
    high: u64,
}

/// A merge of parts over a range of keys.
#[derive(Debug)]
pub struct Merge<R> {
    sources: Vec<Source<R>>,
    reverse: bool,
    current: Option<usize>,
}

impl<R: ReadAt> Merge<R> {
    /// A merge of `parts` over the keys from `from` (inclusive) to `to` (exclusive).
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn new(parts: &[Part<R>], from: &[u8], to: Option<&[u8]>, reverse: bool) -> Result<Self> {
        let mut sources = Vec::with_capacity(parts.len());
        for part in parts {
            if let Part::Sealed(sealed) = part
                && (sealed.footer.last_key.as_slice() < from
                    || to.is_some_and(|to| sealed.footer.first_key.as_slice() >= to))
            {
                continue;
            }
            let mut cursor = Cursor::new(part.clone());
            let low = if from.is_empty() { 0 } else { cursor.lower_bound(from, u64::MAX)? };
            let high = match to {
                Some(to) => cursor.lower_bound(to, u64::MAX)?,
                None => cursor.len(),
            };
            if low < high {
                cursor.move_to(if reverse { high - 1 } else { low })?;
                sources.push(Source { cursor, low, high });
            }
        }
        Ok(Self { sources, reverse, current: None })
    }

    /// Moves to the next version. `false` at the end.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn advance(&mut self) -> Result<bool> {
        if let Some(at) = self.current.take() {
            let reverse = self.reverse;
            let source = &mut self.sources[at];
            if reverse {
                source.high -= 1;
            } else {
                source.low += 1;
            }
            if source.low < source.high {
                source.cursor.move_to(if reverse { source.high - 1 } else { source.low })?;
            } else {
                self.sources.swap_remove(at);
            }
        }
        let mut best: Option<usize> = None;
        for (at, source) in self.sources.iter().enumerate() {
            let Some(other) = best else {
                best = Some(at);
                continue;
            };
            let (a, b) = (source.cursor.version(), self.sources[other].cursor.version());
            let before = (a.key, u64::MAX - a.seq) < (b.key, u64::MAX - b.seq);
            if before != self.reverse {
                best = Some(at);
            }
        }
        self.current = best;
        Ok(best.is_some())
    }

    /// The cursor on the current version; `None` before the first and after the last.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor<R>> {
        self.current.map(|at| &self.sources[at].cursor)
    }

    /// The current version.
    #[must_use]
    pub fn version(&self) -> Option<Version<'_>> {
        self.cursor().map(Cursor::version)
    }
}
