//! What supersedes a run from outside: the segments newer than it, asked for keys in their order.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::Result;
use crate::format::{BlockEntry, Directory, Malformed};
use crate::sealed::Sealed;
use crate::storage::ReadAt;

/// The segments newer than a run, oldest first.
#[derive(Debug)]
pub(super) struct Newer<R> {
    segments: Vec<Probe<R>>,
}

/// One segment, and the block of its key table that was asked last.
#[derive(Debug)]
struct Probe<R> {
    sealed: Arc<Sealed<R>>,
    block: usize,
    loaded: Option<usize>,
    entries: Vec<BlockEntry>,
}

impl<R: ReadAt> Newer<R> {
    pub(super) fn new(segments: &[Arc<Sealed<R>>]) -> Self {
        let probe = |sealed: &Arc<Sealed<R>>| Probe {
            sealed: Arc::clone(sealed),
            block: 0,
            loaded: None,
            entries: Vec::new(),
        };
        Self { segments: segments.iter().map(probe).collect() }
    }

    /// These segments.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Arc<Sealed<R>>> {
        self.segments.iter().map(|probe| &probe.sealed)
    }

    /// The oldest version of `key` in these segments, if there is one. Keys are asked for in
    /// ascending order.
    pub(super) fn superseder(&mut self, key: &[u8], hash: u64) -> Result<Option<u64>> {
        for probe in &mut self.segments {
            let found = probe.oldest(key, hash)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl<R: ReadAt> Probe<R> {
    /// The oldest version of `key` in the segment.
    fn oldest(&mut self, key: &[u8], hash: u64) -> Result<Option<u64>> {
        let footer = &self.sealed.footer;
        let inside = footer.first_key.as_slice() <= key && key <= footer.last_key.as_slice();
        if !inside || !self.sealed.may_contain(hash)? {
            return Ok(None);
        }
        let sealed = Arc::clone(&self.sealed);
        let directory = sealed.directory()?;
        self.block = seek(directory, self.block, key);
        // Its versions may begin in this block, and go on in the next ones.
        let (mut block, mut found) = (self.block, None);
        loop {
            self.load(directory, block)?;
            for entry in &self.entries {
                if entry.older && found.is_some() {
                    found = Some(*entry);
                } else if found.is_some() {
                    return self.seq(found);
                } else if !entry.older && entry.hash == hash && self.is_key(entry, key)? {
                    found = Some(*entry);
                }
            }
            block += 1;
            if block == directory.blocks() || directory.first_key(block) > key {
                return self.seq(found);
            }
        }
    }

    fn load(&mut self, directory: &Directory, block: usize) -> Result<()> {
        if self.loaded != Some(block) {
            self.loaded = None;
            self.entries.clear();
            self.sealed.block(&directory.fence(block), &mut self.entries)?;
            self.loaded = Some(block);
        }
        Ok(())
    }

    fn is_key(&self, entry: &BlockEntry, key: &[u8]) -> Result<bool> {
        let (offset, len) = (u64::from(entry.offset), entry.len as usize);
        self.sealed.file.with_key(offset, len, |found| found.key == key)
    }

    fn seq(&self, entry: Option<BlockEntry>) -> Result<Option<u64>> {
        let file = &self.sealed.file;
        let Some(entry) = entry else { return Ok(None) };
        if !self.sealed.numbers().sorted {
            return Ok(Some(entry.seq));
        }
        let (offset, len) = (u64::from(entry.offset), entry.len as usize);
        let seq = file.with_key(offset, len, |found| found.head.seq(file.base_seq))?;
        seq.map(Some).map_err(|Malformed(e)| file.corrupt(offset, Malformed(e)))
    }
}

/// The last block that begins before `key`, from `block` on; the first if none does.
fn seek(directory: &Directory, block: usize, key: &[u8]) -> usize {
    let begins_before =
        |block: usize| block < directory.blocks() && directory.first_key(block) < key;
    let (mut low, mut step) = (block, 1);
    while begins_before(low + step) {
        low += step;
        step *= 2;
    }
    // `low` begins before the key or is where the search began; `low + step` does not.
    let mut high = low + step;
    while low + 1 < high {
        let middle = low.midpoint(high);
        if begins_before(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
