//! What differs between two views.

use core::mem::replace;

use super::{Scan, View};
use crate::error::Result;
use crate::storage::ReadAt;
use crate::types::{Change, Record, ScanOptions};

/// The keys of a range that differ between two moments, in key order: in their value or their
/// expiry. Writing the same again is no difference.
#[derive(Debug)]
pub struct Diff<R> {
    before: Scan<R>,
    after: Scan<R>,
    next_before: Option<Record>,
    next_after: Option<Record>,
    started: bool,
    left: u64,
}

impl<R: ReadAt> Diff<R> {
    /// Compares two views over a range. The limit counts changes; reverse is not looked at.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn new(before: &View<R>, after: &View<R>, options: &ScanOptions) -> Result<Self> {
        Ok(Self {
            before: before.scan_range(options, false)?,
            after: after.scan_range(options, false)?,
            next_before: None,
            next_after: None,
            started: false,
            left: options.limit.unwrap_or(u64::MAX),
        })
    }

    fn step(&mut self) -> Result<Option<Change>> {
        if !self.started {
            self.started = true;
            self.next_before = self.before.next().transpose()?;
            self.next_after = self.after.next().transpose()?;
        }
        loop {
            let order = match (&self.next_before, &self.next_after) {
                (None, None) => return Ok(None),
                (Some(_), None) => core::cmp::Ordering::Less,
                (None, Some(_)) => core::cmp::Ordering::Greater,
                (Some(a), Some(b)) => a.key.cmp(&b.key),
            };
            let (mut before, mut after) = (None, None);
            if order.is_le() {
                before = replace(&mut self.next_before, self.before.next().transpose()?);
            }
            if order.is_ge() {
                after = replace(&mut self.next_after, self.after.next().transpose()?);
            }
            let same = matches!((&before, &after), (Some(a), Some(b))
                if a.value == b.value && a.expires == b.expires);
            let Some(key) = before.as_ref().or(after.as_ref()).map(|r| r.key.clone()) else {
                return Ok(None);
            };
            if !same {
                return Ok(Some(Change { key, before, after }));
            }
        }
    }
}

impl<R: ReadAt> Iterator for Diff<R> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Result<Change>> {
        if self.left == 0 {
            return None;
        }
        let next = self.step().transpose();
        self.left = if matches!(next, Some(Ok(_))) { self.left - 1 } else { 0 };
        next
    }
}
