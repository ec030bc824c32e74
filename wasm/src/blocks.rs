//! Blocks of files in the engine's memory: each call into JavaScript costs more than the few bytes
//! that most reads want.

use alloc::vec::Vec;

use siltdb_core::error::StorageError;

const BLOCK_LEN: usize = 4 << 10;
/// Blocks that share a set: the one used longest ago gives way.
const WAYS: usize = 4;
/// A longer read is worth a call: it takes what is here and fills nothing.
const FILL_MAX: usize = 2 * BLOCK_LEN;
/// Blocks of one number in neighbouring files belong to sets so far apart, that files of the usual
/// size fill all sets before they share any.
const FILE_STRIDE: usize = 2053;

/// The first bytes of a block of a file, none if it is not held.
#[derive(Clone, Default)]
struct Block {
    file: u64,
    number: u64,
    bytes: Vec<u8>,
}

/// Blocks of files. All that is appended is told, also what comes in place of what was cut off or
/// removed: so none is out of date.
pub(crate) struct Blocks {
    /// Sets of [`WAYS`] blocks, each in the order of their use; made when first used.
    blocks: Vec<Block>,
    sets: usize,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl Blocks {
    /// Takes about so many bytes at most, and those only as they are used.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { blocks: Vec::new(), sets: bytes_max / (BLOCK_LEN * WAYS), hits: 0, misses: 0 }
    }

    /// Memory of the blocks, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes.capacity()).sum()
    }

    /// The bytes of a block. One that is not here comes empty, if it is to be made, in place of
    /// the one of its set used longest ago.
    fn block(&mut self, file: u64, number: u64, make: bool) -> Option<&mut Vec<u8>> {
        if self.sets == 0 {
            return None;
        }
        if self.blocks.is_empty() {
            self.blocks.resize(self.sets * WAYS, Block::default());
        }
        // In the numbers of the target: a remainder of longer ones takes twice as long.
        let place = (number as usize).wrapping_add((file as usize).wrapping_mul(FILE_STRIDE));
        let first = place % self.sets;
        let set = &mut self.blocks[first * WAYS..(first + 1) * WAYS];
        let at = set.iter().position(|block| block.file == file && block.number == number);
        if at.is_none() && !make {
            return None;
        }
        for before in (0..at.unwrap_or(WAYS - 1)).rev() {
            set.swap(before, before + 1);
        }
        let block = &mut set[0];
        if at.is_none() {
            (block.file, block.number) = (file, number);
            block.bytes.clear();
            block.bytes.reserve_exact(BLOCK_LEN);
        }
        Some(&mut block.bytes)
    }

    /// Fills `buf` with the bytes at `offset` of a file; `read` reads a block that is not here, as
    /// far as the file goes. `false`: it is to be read from the file.
    pub(crate) fn read(
        &mut self,
        file: u64,
        offset: u64,
        buf: &mut [u8],
        mut read: impl FnMut(u64, &mut Vec<u8>) -> Result<(), StorageError>,
    ) -> Result<bool, StorageError> {
        let fill = buf.len() <= FILL_MAX;
        let mut done = 0;
        while done < buf.len() {
            let (number, start) = place(offset + done as u64);
            let end = BLOCK_LEN.min(start + buf.len() - done);
            let Some(bytes) = self.block(file, number, fill) else { return Ok(false) };
            let held = bytes.len() >= end;
            if !held && fill {
                bytes.resize(BLOCK_LEN, 0);
                let filled = read(number * BLOCK_LEN as u64, bytes);
                if filled.is_err() {
                    bytes.clear();
                }
                filled?;
            }
            let Some(bytes) = bytes.get(start..end) else { return Ok(false) };
            buf[done..done + bytes.len()].copy_from_slice(bytes);
            done += bytes.len();
            self.hits += u64::from(held);
            self.misses += u64::from(!held);
        }
        Ok(true)
    }

    /// Learns of bytes that were appended at `offset` of a file.
    pub(crate) fn append(&mut self, file: u64, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let (number, start) = place(offset + done as u64);
            let end = bytes.len().min(done + BLOCK_LEN - start);
            // What stands before them in a block that is not here is not known. Of what is long no
            // block is made: not all of it is read soon, and new memory costs more than a read.
            let block = self.block(file, number, start == 0 && bytes.len() <= FILL_MAX);
            if let Some(block) = block.filter(|block| block.len() >= start) {
                block.truncate(start);
                block.extend_from_slice(&bytes[done..end]);
            }
            done = end;
        }
    }
}

/// The number of the block that an offset is in, and where in it.
fn place(offset: u64) -> (u64, usize) {
    (offset / BLOCK_LEN as u64, (offset % BLOCK_LEN as u64) as usize)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    /// Files that grow, are cut off and grow anew read right through few blocks.
    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_read_is_what_the_files_hold() {
        let mut files = vec![Vec::<u8>::new(); 5];
        let mut blocks = Blocks::new(24 * BLOCK_LEN);
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) as usize % below
        };
        for _ in 0..200_000 {
            let number = random(files.len());
            let file = &mut files[number];
            match random(40) {
                0 => file.truncate(random(file.len() + 1)),
                1..15 => {
                    let len = [40, 300, 9_000][random(3)];
                    let bytes: Vec<u8> = (0..1 + random(len)).map(|_| random(256) as u8).collect();
                    blocks.append(number as u64, file.len() as u64, &bytes);
                    file.extend_from_slice(&bytes);
                }
                _ if file.is_empty() => {}
                _ => {
                    let at = random(file.len());
                    let len = 1 + random((file.len() - at).min(20_000));
                    let mut buf = vec![0; len];
                    let read = |offset: u64, bytes: &mut Vec<u8>| {
                        let rest = &file[offset as usize..];
                        bytes.truncate(rest.len());
                        let len = bytes.len();
                        bytes.copy_from_slice(&rest[..len]);
                        Ok(())
                    };
                    if blocks.read(number as u64, at as u64, &mut buf, read).is_ok_and(|here| here)
                    {
                        assert_eq!(buf, file[at..at + len], "{number} {at} {len}");
                    } else {
                        assert!(len > FILL_MAX);
                    }
                }
            }
        }
        assert!(blocks.hits > 10_000 && blocks.misses > 10_000);
        assert!(blocks.bytes() <= 24 * BLOCK_LEN);
    }
}
