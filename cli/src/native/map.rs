//! A file mapped into memory, for reads without a copy: the only unsafe code of this crate.
//!
//! Two things make a mapped byte dangerous. Touching a page wholly past the file's end kills the
//! process, so a slice is given out only inside the bytes the caller knows to be appended: the
//! backend never cuts a file below those while it is open. And a byte must not change under a
//! slice; appended bytes are never written again. What another program does to the files is
//! outside both, as it is for every store that maps files: it would have to ignore the lock.

use std::fs::File;
use std::io;
use std::slice;

#[cfg(unix)]
use memmap2::Advice;
use memmap2::{MmapOptions, MmapRaw};

/// Slices longer than this are asked for as a whole before they are touched: a page, for a
/// shorter one lies on two at most.
#[cfg(unix)]
const PREFETCH_LEN: usize = 4096;

/// A window from the file's start, perhaps longer than the file.
#[derive(Debug)]
pub(super) struct Map {
    raw: MmapRaw,
}

impl Map {
    /// Maps the first `len` bytes. `len` may go beyond the file's end, except on Windows.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Self> {
        let raw = MmapOptions::new().len(len).map_raw_read_only(file)?;
        // Otherwise the system reads half a megabyte around every page that is not in memory,
        // which made a cold read of 100 bytes seven times dearer than reading by copy.
        #[cfg(unix)]
        let _ = raw.advise(Advice::Random);
        Ok(Self { raw })
    }

    /// The bytes at `offset`, if they lie inside the window and inside `appended`, the length of
    /// the file that is never written again nor cut off while this map lives.
    pub(super) fn get(&self, offset: u64, len: usize, appended: u64) -> Option<&[u8]> {
        let end = offset.checked_add(len as u64)?;
        if end > appended || end > self.raw.len() as u64 {
            return None;
        }
        let start = usize::try_from(offset).ok()?;
        // Otherwise its pages are read one by one as they are touched: eight times slower for
        // 64 KiB that are not in memory.
        #[cfg(unix)]
        if len > PREFETCH_LEN {
            let _ = self.raw.advise_range(Advice::WillNeed, start, len);
        }
        // SAFETY: offset + len is inside the mapping (checked above), which lives as long as
        // `self`; the mapping is readable; the bytes are inside the appended part of the file,
        // which exists on disk and is not changed or cut while the file is open.
        #[allow(unsafe_code)]
        let bytes = unsafe { slice::from_raw_parts(self.raw.as_ptr().add(start), len) };
        Some(bytes)
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::FileExt;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn only_appended_bytes_inside_the_window_are_given() {
        let map = Map::new(&file(b"0123456789"), 8).unwrap();
        assert_eq!(map.get(0, 8, 10), Some(&b"01234567"[..]));
        assert_eq!(map.get(3, 2, 10), Some(&b"34"[..]));
        assert_eq!(map.get(8, 0, 10), Some(&b""[..]));
        assert_eq!(map.get(0, 9, 10), None, "past the window");
        assert_eq!(map.get(0, 8, 7), None, "past the appended bytes");
        assert_eq!(map.get(u64::MAX, 2, u64::MAX), None, "overflow");
        assert_eq!(map.get(1 << 40, 0, u64::MAX), None);
    }

    #[test]
    fn a_window_beyond_the_end_shows_bytes_appended_later() {
        let file = file(b"start");
        let map = Map::new(&file, 1 << 20).unwrap();
        assert_eq!(map.get(0, 5, 5), Some(&b"start"[..]));
        assert_eq!(map.get(5, 1, 5), None);
        let more = vec![b'x'; 100_000];
        file.write_all_at(&more, 5).unwrap();
        assert_eq!(map.get(0, 5, 100_005), Some(&b"start"[..]));
        assert_eq!(map.get(5, 100_000, 100_005), Some(&more[..]));
    }
}
