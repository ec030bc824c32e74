//! Frames of neighbouring versions that stand apart in their file, read together.
//!
//! In an arrival segment, and in the log, neighbours in key order stand anywhere. A cursor that
//! goes on in one direction therefore has the next few frames copied at once: reads in the order of
//! the file, neighbours there as one, and copies that do not wait for each other's cache misses.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::Result;
use crate::segment_file::SegmentFile;
use crate::sort::sort_pairs;
use crate::storage::ReadAt;

/// Most frames gathered at a time.
const FRAMES_MAX: u64 = 32;
/// Most bytes gathered at a time.
const BYTES_MAX: usize = 64 << 10;
/// Frames so many bytes apart are read as one.
const GAP_MAX: u32 = 256;

/// Where a frame stands: offset and length.
pub(super) type Place = (u32, u32);

/// The frames around the version at hand, and how the cursor came there.
#[derive(Debug, Default)]
pub(super) struct Gather {
    bytes: Vec<u8>,
    /// Ordinal of the first frame, and where each starts in `bytes`, the end of the last included.
    first: u64,
    starts: Vec<usize>,
    ordinal: u64,
    /// Steps in a row to the next version, or to the one before.
    steps: u64,
    forwards: bool,
    /// Places with their ordinals less `first`, in the order of the file, and bytes of some.
    order: Vec<(u64, u64)>,
    read: Vec<u8>,
}

/// A place as a number that orders as it does.
fn packed((offset, len): Place) -> u64 {
    u64::from(offset) << 32 | u64::from(len)
}

fn unpacked(place: u64) -> Place {
    ((place >> 32) as u32, place as u32)
}

impl Gather {
    /// Notes that the cursor moves to a version.
    #[inline]
    pub(super) fn step(&mut self, ordinal: u64) {
        let forwards = ordinal == self.ordinal.wrapping_add(1);
        let goes_on = forwards || ordinal.wrapping_add(1) == self.ordinal;
        self.steps = match (goes_on, forwards == self.forwards) {
            (true, true) => self.steps + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        self.forwards = forwards;
        self.ordinal = ordinal;
    }

    /// Where in the gathered bytes the frame of the version at hand is.
    pub(super) fn frame(&self) -> Option<Range<usize>> {
        let at = usize::try_from(self.ordinal.checked_sub(self.first)?).ok()?;
        Some(*self.starts.get(at)?..*self.starts.get(at + 1)?)
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Gathers the frames of the version at hand and the next ones in the cursor's direction, out
    /// of those whose ordinals are in `limits`: the more, the longer it goes on. Nothing if it has
    /// just turned up, or if frames are large.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub(super) fn fill<R: ReadAt>(
        &mut self,
        file: &SegmentFile<R>,
        limits: Range<u64>,
        place: &dyn Fn(u64) -> Place,
    ) -> Result<()> {
        let count = (self.steps / 2).min(FRAMES_MAX);
        if count < 2 || self.frame().is_some() {
            return Ok(());
        }
        let wanted = if self.forwards {
            self.ordinal..(self.ordinal + count).min(limits.end)
        } else {
            (self.ordinal + 1).saturating_sub(count).max(limits.start)..self.ordinal + 1
        };
        self.starts.clear();
        self.bytes.clear();
        self.order.clear();
        self.first = wanted.start;
        let mut bytes = 0;
        for (ordinal, at) in wanted.zip(0..) {
            let place = place(ordinal);
            self.order.push((packed(place), at));
            self.starts.push(bytes);
            bytes += place.1 as usize;
        }
        self.starts.push(bytes);
        let read = match bytes {
            0..=BYTES_MAX => self.read(file, bytes),
            _ => Ok(false),
        };
        if !matches!(read, Ok(true)) {
            self.starts.clear();
        }
        read.map(drop)
    }

    /// Copies the frames at the places in `order`, which have so many bytes: one after the other
    /// where the storage lends them.
    fn read<R: ReadAt>(&mut self, file: &SegmentFile<R>, bytes: usize) -> Result<bool> {
        let lent = self.order.iter().all(|(place, _)| {
            let (offset, len) = unpacked(*place);
            let lent = file.lend(u64::from(offset), len as usize);
            self.bytes.extend_from_slice(lent.unwrap_or_default());
            lent.is_some()
        });
        if lent {
            return Ok(true);
        }
        self.bytes.resize(bytes, 0);
        sort_pairs(&mut self.order);
        let mut at = 0;
        while at < self.order.len() {
            let (first, len) = unpacked(self.order[at].0);
            let (from, mut end) = (at, first.saturating_add(len));
            at += 1;
            while let Some((offset, len)) = self.order.get(at).map(|next| unpacked(next.0))
                && offset <= end.saturating_add(GAP_MAX)
            {
                end = end.max(offset.saturating_add(len));
                at += 1;
            }
            file.read_into(u64::from(first), (end - first) as usize, &mut self.read)?;
            for (place, frame) in &self.order[from..at] {
                let (offset, len) = unpacked(*place);
                let (offset, start) = ((offset - first) as usize, self.starts[*frame as usize]);
                self.bytes[start..start + len as usize]
                    .copy_from_slice(&self.read[offset..offset + len as usize]);
            }
        }
        Ok(true)
    }
}
