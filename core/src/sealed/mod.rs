//! Sealed segments: the exact path through their fences, key tables and filters.

mod cursor;
mod gather;
mod open;
mod state;
mod window;

pub use cursor::{Cursor, Part, Version};
pub(crate) use open::footer_at_end;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use once_cell::race::OnceBox;

use crate::error::Result;
use crate::format::{
    BlockEntry, Directory, Fence, Footer, ManifestSegment, SegmentNumbers, decode_block,
};
use crate::memtable::Run;
use crate::segment_file::SegmentFile;
use crate::stats::SegmentStats;
use crate::storage::ReadAt;
use crate::types::owned;

/// A sealed segment. Fences and filter are read when they are first needed.
#[derive(Debug)]
pub struct Sealed<R> {
    /// The file.
    pub file: Arc<SegmentFile<R>>,
    /// What the footer says.
    pub footer: Footer,
    directory: OnceBox<Directory>,
}

impl<R: ReadAt> Sealed<R> {
    /// The segment's numbers.
    pub fn numbers(&self) -> &SegmentNumbers {
        &self.footer.numbers
    }

    /// Fences and filter, read at the first call.
    ///
    /// # Errors
    /// Damage; the storage's failure. A later call tries again.
    pub fn directory(&self) -> Result<&Directory> {
        self.directory.get_or_try_init(|| {
            let n = self.numbers();
            let fences_len = (n.filter_offset - n.fences_offset) as usize;
            let filter_len = (n.footer_offset - n.filter_offset) as usize;
            let fences = self.file.bytes(n.fences_offset, fences_len)?;
            let filter = self.file.bytes(n.filter_offset, filter_len)?;
            let directory = Directory::decode(&fences, &filter, n);
            Ok(Box::new(directory.map_err(|e| self.file.corrupt(n.fences_offset, e))?))
        })
    }

    /// Whether the files of these segments are read at once. All are asked, so that an
    /// asynchronous host opens all that it must at once.
    ///
    /// # Errors
    /// As [`ReadAt::ready`].
    pub fn all_ready<'a>(segments: impl IntoIterator<Item = &'a Arc<Self>>) -> Result<()>
    where
        R: 'a,
    {
        let mut all = Ok(());
        for sealed in segments {
            all = all.and(sealed.file.reader.ready());
        }
        Ok(all?)
    }

    /// Memory of fences and filter, if they are loaded, in bytes.
    pub fn memory(&self) -> usize {
        self.directory.get().map_or(0, Directory::bytes)
    }

    /// Whether the segment may hold a key of this hash; `false` is certain.
    ///
    /// # Errors
    /// As [`Sealed::directory`].
    pub fn may_contain(&self, hash: u64) -> Result<bool> {
        Ok(self.directory()?.filter.may_contain(hash))
    }

    /// The entries of a block, appended to `out`.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn block(&self, fence: &Fence, out: &mut Vec<BlockEntry>) -> Result<()> {
        let offset = self.numbers().data_end + u64::from(fence.table_offset);
        let bytes = self.file.bytes(offset, fence.table_len as usize)?;
        decode_block(&bytes, fence, self.numbers(), out).map_err(|e| self.file.corrupt(offset, e))
    }

    /// Bytes of expired frames at `now`, estimated from the footer's earliest and latest expiry.
    #[allow(clippy::cast_precision_loss)]
    pub fn expired_bytes(&self, now: u64) -> u64 {
        let n = self.numbers();
        if n.expiring_bytes == 0 || now < n.expires_min {
            return 0;
        }
        if now >= n.expires_max {
            return n.expiring_bytes;
        }
        let share = (now - n.expires_min) as f64 / (n.expires_max - n.expires_min) as f64;
        (n.expiring_bytes as f64 * share) as u64
    }

    /// The segment's entry in the manifest.
    pub fn entry(&self) -> ManifestSegment {
        ManifestSegment { footer: self.footer.clone(), dead_bytes: self.file.dead() }
    }

    /// Figures about the segment, expiry judged at `now`.
    pub fn stats(&self, now: u64) -> SegmentStats {
        let n = self.numbers();
        SegmentStats {
            number: n.number,
            state: if n.sorted { "sorted" } else { "arrival" },
            file_bytes: self.footer.file_len(),
            data_bytes: n.data_end,
            payload_bytes: n.payload_bytes,
            dead_bytes: self.file.dead(),
            expired_bytes: self.expired_bytes(now),
            records: n.records,
            tombstones: n.tombstones,
            min_seq: n.min_seq,
            max_seq: n.max_seq,
            first_key: self.footer.first_key.clone(),
            last_key: self.footer.last_key.clone(),
        }
    }
}

/// Figures about a log segment whose records are `run`, expiry judged at `now`.
pub fn log_stats<R: ReadAt>(
    file: &SegmentFile<R>,
    run: &Run,
    payload_bytes: u64,
    state: &'static str,
    now: u64,
) -> SegmentStats {
    let entries = (0..run.len()).map(|i| run.entry(i));
    let key = |at: Option<usize>| at.map_or(Vec::new(), |at| owned(run.key(at)));
    SegmentStats {
        number: file.number,
        state,
        file_bytes: file.readable(),
        data_bytes: file.readable(),
        payload_bytes,
        dead_bytes: file.dead(),
        expired_bytes: entries
            .clone()
            .filter(|e| e.expires != 0 && e.expires <= now)
            .map(|e| u64::from(e.len))
            .sum(),
        records: run.len() as u64,
        tombstones: entries.clone().filter(|e| e.tombstone).count() as u64,
        min_seq: entries.clone().map(|e| e.seq).min().unwrap_or(0),
        max_seq: entries.map(|e| e.seq).max().unwrap_or(0),
        first_key: key((!run.is_empty()).then_some(0)),
        last_key: key(run.len().checked_sub(1)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arc_with_non_send_sync)]
mod tests;
