//! Bytes of files kept near: a scan of records in the order of their keys reads here and there in
//! a log, and each call into JavaScript costs more than what it brings.

use siltdb_core::error::StorageError;

const BLOCK_LEN: usize = 4 << 10;
const BLOCKS: usize = 1024;

/// Blocks of files, each in the one place that its file and number give it. Files only grow, and
/// only whole blocks are kept: what is kept stays right.
#[derive(Default)]
pub(crate) struct Near {
    /// Which block stands at a place: the file's number, and the block's from 1.
    blocks: Vec<(u64, u64)>,
    bytes: Vec<u8>,
}

impl Near {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Fills `buf` with the bytes at `offset` of a file of `len` bytes, if that takes no more
    /// than two whole blocks; `read` reads one that is not here. `false`: nothing was done.
    pub(crate) fn read(
        &mut self,
        file: u64,
        (offset, len): (u64, u64),
        buf: &mut [u8],
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), StorageError>,
    ) -> Result<bool, StorageError> {
        let (first, end) = (offset / BLOCK_LEN as u64, offset + buf.len() as u64);
        let last = end.saturating_sub(1) / BLOCK_LEN as u64;
        if buf.is_empty() || last > first + 1 || (last + 1) * BLOCK_LEN as u64 > len {
            return Ok(false);
        }
        if self.blocks.is_empty() {
            self.blocks.resize(BLOCKS, (0, 0));
            self.bytes.resize(BLOCKS * BLOCK_LEN, 0);
        }
        let (mut at, mut filled) = ((offset % BLOCK_LEN as u64) as usize, 0);
        for block in first..=last {
            let place = (block.wrapping_add(file.wrapping_mul(389)) % BLOCKS as u64) as usize;
            let bytes = &mut self.bytes[place * BLOCK_LEN..(place + 1) * BLOCK_LEN];
            if self.blocks[place] != (file, block + 1) {
                self.blocks[place] = (0, 0);
                read(block * BLOCK_LEN as u64, bytes)?;
                self.blocks[place] = (file, block + 1);
            }
            let count = (BLOCK_LEN - at).min(buf.len() - filled);
            buf[filled..filled + count].copy_from_slice(&bytes[at..at + count]);
            (at, filled) = (0, filled + count);
        }
        Ok(true)
    }
}
