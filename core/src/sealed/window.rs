//! Bytes of a file around the place a cursor stands at, read ahead while it moves in one direction.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::Result;
use crate::segment_file::SegmentFile;
use crate::storage::ReadAt;

/// Most bytes read ahead at a time.
const AHEAD_MAX: u64 = 256 << 10;

/// A part of a file, in memory.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    offset: u64,
    /// Bytes the last read went beyond what was asked for.
    ahead: u64,
}

impl Window {
    /// Makes sure that `wanted` is held. A read that goes on where the last one ended, in either
    /// direction, takes along as much more of `limits` as twice the read before did.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub(super) fn hold<R: ReadAt>(
        &mut self,
        file: &SegmentFile<R>,
        wanted: Range<u64>,
        limits: Range<u64>,
    ) -> Result<()> {
        let held = self.offset..self.offset + self.bytes.len() as u64;
        if held.start <= wanted.start && wanted.end <= held.end {
            return Ok(());
        }
        let mut read = wanted.clone();
        let more = (self.ahead * 2).max(wanted.end - wanted.start).min(AHEAD_MAX);
        if held.is_empty() {
            self.ahead = 0;
        } else if (held.start..=held.end).contains(&wanted.start) {
            self.ahead = more;
            read.end = read.end.saturating_add(more).min(limits.end).max(wanted.end);
        } else if (held.start..=held.end).contains(&wanted.end) {
            self.ahead = more;
            read.start = read.start.saturating_sub(more).max(limits.start).min(wanted.start);
        } else {
            self.ahead = 0;
        }
        self.offset = read.start;
        let done = file.read_into(read.start, (read.end - read.start) as usize, &mut self.bytes);
        if done.is_err() {
            // What the buffer holds now are not bytes of the file.
            self.bytes.clear();
        }
        done
    }

    /// Bytes that are held; empty if they are not.
    pub(super) fn bytes(&self, wanted: Range<u64>) -> &[u8] {
        let start = wanted.start.checked_sub(self.offset);
        let end = wanted.end.checked_sub(self.offset);
        match (start, end) {
            (Some(start), Some(end)) => self.bytes.get(start as usize..end as usize),
            _ => None,
        }
        .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Append, FileId, MemoryStorage, Storage};

    const LEN: u64 = 3_000_000;

    fn byte(at: u64) -> u8 {
        (at ^ (at >> 8) ^ (at >> 16)) as u8
    }

    #[test]
    fn any_walk_sees_the_files_bytes() {
        let storage = MemoryStorage::new();
        let bytes: Vec<u8> = (0..LEN).map(byte).collect();
        let id = FileId::segment(1);
        let written = storage.create(id).and_then(|mut appender| appender.append(&bytes));
        assert_eq!(written, Ok(()));
        let Ok(reader) = storage.open(id) else { unreachable!("the file is there") };
        let file = SegmentFile::new(1, 0, 0, reader, LEN);
        let (mut window, mut at, mut state) = (Window::default(), LEN / 2, 1_u64);
        for _ in 0..20_000 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let random = state >> 33;
            let len = 1 + random % 9_000;
            at = match random % 100 {
                0 => state % (LEN - len),
                1..50 => at.saturating_sub(len),
                _ => (at + len).min(LEN - len),
            };
            let wanted = at..at + len;
            assert_eq!(window.hold(&file, wanted.clone(), 1_000..LEN - 1_000), Ok(()));
            assert_eq!(window.bytes(wanted), &bytes[at as usize..(at + len) as usize]);
            assert!(window.bytes.len() as u64 <= AHEAD_MAX + 9_000);
        }
        assert!(window.hold(&file, LEN - 5..LEN + 5, 0..LEN).is_err());
        assert_eq!(window.bytes(LEN - 5..LEN), b"");
    }
}
