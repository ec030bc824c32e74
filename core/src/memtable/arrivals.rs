//! Where the records of a log segment stand, in the order they came: what is newer than a moment
//! is found without a look at what is older.

use alloc::vec::Vec;

/// Records between two marks.
pub(crate) const MARK_RECORDS: usize = 16;

/// The place of every record, oldest first.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// Offsets of the frames, ascending.
    offsets: Vec<u32>,
    /// The highest sequence number up to the end of each stretch of [`MARK_RECORDS`] records.
    marks: Vec<u64>,
    /// End of the last frame.
    end: u32,
}

impl Arrivals {
    /// Adds the record that came last.
    pub(super) fn push(&mut self, seq: u64, offset: u32, len: u32) {
        let highest = self.marks.last().copied().unwrap_or(0).max(seq);
        if self.offsets.len().is_multiple_of(MARK_RECORDS) {
            self.marks.push(highest);
        } else if let Some(mark) = self.marks.last_mut() {
            *mark = highest;
        }
        self.offsets.push(offset);
        self.end = offset + len;
    }

    /// Offset and greatest possible length of every frame that is newer than `seq`, and of fewer
    /// than `MARK_RECORDS` that are not.
    #[must_use]
    pub fn after(&self, seq: u64) -> Vec<(u32, u32)> {
        let first = self.marks.partition_point(|mark| *mark <= seq) * MARK_RECORDS;
        let new = self.offsets.get(first..).unwrap_or_default();
        let end_of = |at: usize| new.get(at + 1).copied().unwrap_or(self.end);
        new.iter().enumerate().map(|(at, offset)| (*offset, end_of(at) - offset)).collect()
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.offsets.capacity() * size_of::<u32>() + self.marks.capacity() * size_of::<u64>()
    }
}
