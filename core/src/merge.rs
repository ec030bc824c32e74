//! Merges the versions of several parts into one order: keys ascending, sequence numbers
//! descending, or exactly the reverse.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

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
    /// In the order of the versions they stand on; the first is the current one once begun.
    /// Boxed, for they change places at every other step.
    #[allow(clippy::vec_box)]
    sources: Vec<Box<Source<R>>>,
    reverse: bool,
    begun: bool,
}

impl<R: ReadAt> Merge<R> {
    /// A merge of `parts` over the keys from `from` (inclusive) to `to` (exclusive).
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn new(parts: &[Part<R>], from: &[u8], to: Option<&[u8]>, reverse: bool) -> Result<Self> {
        let mut sources: Vec<Box<Source<R>>> = Vec::with_capacity(parts.len());
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
                let source = Box::new(Source { cursor, low, high });
                // Parts are few, and of two that begin alike the newer stays before the older.
                let at = sources.partition_point(|s| order(s, &source, reverse).is_le());
                sources.insert(at, source);
            }
        }
        Ok(Self { sources, reverse, begun: false })
    }

    /// Moves to the next version. `false` at the end.
    ///
    /// # Errors
    /// Damage; the storage's failure. The merge must then be given up.
    pub fn advance(&mut self) -> Result<bool> {
        let reverse = self.reverse;
        let Some(source) = self.sources.first_mut() else { return Ok(false) };
        if !self.begun {
            self.begun = true;
            return Ok(true);
        }
        if reverse {
            source.high -= 1;
        } else {
            source.low += 1;
        }
        if source.low == source.high {
            self.sources.remove(0);
            return Ok(!self.sources.is_empty());
        }
        source.cursor.move_to(if reverse { source.high - 1 } else { source.low })?;
        let (first, others) = self.sources.split_at(1);
        // Mostly it stays the first, or comes just behind the next.
        let passed = match others.first() {
            Some(next) if order(&first[0], next, reverse).is_gt() => {
                1 + others[1..].partition_point(|other| order(&first[0], other, reverse).is_gt())
            }
            _ => 0,
        };
        for at in 0..passed {
            self.sources.swap(at, at + 1);
        }
        Ok(true)
    }

    fn current(&self) -> Option<&Source<R>> {
        self.sources.first().filter(|_| self.begun).map(|source| &**source)
    }

    /// The cursor on the current version; `None` before the first and after the last.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor<R>> {
        self.current().map(|source| &source.cursor)
    }

    /// The same, to read the value with.
    #[must_use]
    pub fn cursor_mut(&mut self) -> Option<&mut Cursor<R>> {
        let begun = self.begun;
        self.sources.first_mut().filter(|_| begun).map(|source| &mut source.cursor)
    }

    /// The current version.
    #[must_use]
    pub fn version(&self) -> Option<Version<'_>> {
        self.cursor().map(Cursor::version)
    }
}

/// The order of what two sources stand on.
#[inline]
fn order<R: ReadAt>(a: &Source<R>, b: &Source<R>, reverse: bool) -> Ordering {
    let (a, b) = (a.cursor.version(), b.cursor.version());
    let order = a.key.cmp(b.key).then_with(|| b.seq.cmp(&a.seq));
    if reverse { order.reverse() } else { order }
}
