//! The versions of one key.

use alloc::vec::Vec;

use super::View;
use crate::error::Result;
use crate::sealed::{self, Cursor};
use crate::storage::ReadAt;
use crate::types::{Version, expiry, owned};

impl<R: ReadAt> View<R> {
    /// The versions of `key` up to the view's moment, newest first: those that were the newest at
    /// some readable moment, or are among as many as the retention keeps. Each is read when it is
    /// asked for.
    ///
    /// What is older may or may not have been compacted away and is left out.
    #[must_use]
    pub fn history(&self, key: &[u8]) -> History<R> {
        History {
            view: self.clone(),
            key: owned(key),
            parts_entered: 0,
            cursor: None,
            newer: None,
            told: 0,
            ended: false,
        }
    }
}

/// The versions of a key, newest first. It holds one value at a time.
#[derive(Debug)]
pub struct History<R> {
    view: View<R>,
    key: Vec<u8>,
    parts_entered: usize,
    /// The part being read, and the ordinal that comes next in it.
    cursor: Option<(Cursor<R>, u64)>,
    /// The seq of the version told last.
    newer: Option<u64>,
    told: u32,
    ended: bool,
}

impl<R: ReadAt> History<R> {
    /// Moves to the next version; `false` when no part holds one more.
    fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some((cursor, at)) = &mut self.cursor {
                if *at < cursor.len() {
                    cursor.move_to(*at)?;
                    *at += 1;
                    if cursor.version().key == self.key {
                        return Ok(true);
                    }
                }
                self.cursor = None;
            }
            let Some(part) = self.view.0.parts.get(self.parts_entered) else { return Ok(false) };
            self.parts_entered += 1;
            if self.view.may_hold(part, &self.key)? {
                let mut cursor = Cursor::new(part.clone());
                let at = cursor.lower_bound(&self.key, self.view.0.seq)?;
                self.cursor = Some((cursor, at));
            }
        }
    }

    fn step(&mut self) -> Result<Option<Version>> {
        if !self.advance()? {
            return Ok(None);
        }
        let Some((cursor, _)) = &mut self.cursor else { return Ok(None) };
        let sealed::Version { seq, tombstone, expires, .. } = cursor.version();
        let held = self.view.0.held;
        let is_superseded = self.newer.is_some_and(|newer| newer <= held.horizon);
        // The value of a delete with an expiry is compacted away; what is older, no moment reads.
        if is_superseded && self.told >= held.versions || tombstone && expires != 0 {
            return Ok(None);
        }
        let value = if tombstone { None } else { Some(owned(cursor.record()?.1)) };
        self.newer = Some(seq);
        self.told = self.told.saturating_add(1);
        Ok(Some(Version { seq, value, expires: expiry(expires) }))
    }
}

impl<R: ReadAt> Iterator for History<R> {
    type Item = Result<Version>;

    fn next(&mut self) -> Option<Result<Version>> {
        if self.ended {
            return None;
        }
        let next = self.step().transpose();
        // After an error the place is unknown: end rather than skip versions.
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
