//! Keeps the index in step with sealed segments: loading it after an open, moving it to what a
//! compaction wrote.
//!
//! Both work one slot at a time and never take a slot away from a newer record, so writes may go
//! on between any two slots.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::error::Result;
use crate::format::BlockEntry;
use crate::index::{KeyHasher, Location, Slots};
use crate::memtable::Run;
use crate::sealed::Sealed;
use crate::segment_file::SegmentFile;
use crate::storage::ReadAt;

/// Loads the slots of sealed segments, newest segments first.
#[derive(Debug)]
pub struct Loader<R> {
    /// Segments that are not loaded yet, oldest first.
    left: Vec<Arc<Sealed<R>>>,
    /// Blocks already loaded of the newest of these.
    blocks: usize,
    entries: Vec<BlockEntry>,
}

impl<R: ReadAt> Loader<R> {
    /// A loader of these segments, oldest first.
    #[must_use]
    pub fn new(sealed: &[Arc<Sealed<R>>]) -> Self {
        Self { left: sealed.to_vec(), blocks: 0, entries: Vec::new() }
    }

    /// Whether every slot is loaded.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Loads slots of about so many records. `true` while there is more to load.
    ///
    /// # Errors
    /// Damage; the storage's failure. The same step may be tried again.
    pub fn step(&mut self, slots: &mut impl Slots, budget_records: u64) -> Result<bool> {
        let mut left = budget_records;
        while let Some(sealed) = self.left.last()
            && left > 0
        {
            let directory = sealed.directory()?;
            if self.blocks == 0 {
                sealed.file.set_dead(0);
            }
            if self.blocks == directory.blocks() {
                self.left.pop();
                self.blocks = 0;
                continue;
            }
            self.entries.clear();
            sealed.block(&directory.fence(self.blocks), &mut self.entries)?;
            for entry in &self.entries {
                take_slot(slots, sealed, entry, &[]);
            }
            self.blocks += 1;
            left = left.saturating_sub(self.entries.len() as u64);
        }
        Ok(!self.is_done())
    }
}

fn place_of<R>(sealed: &Sealed<R>, entry: &BlockEntry) -> Location {
    Location::new(sealed.file.number, entry.offset, entry.len as usize, entry.tombstone)
}

/// Whether it is in one of these few segments: the library would search for it in blocks.
fn points_into(replaced: &[u32], found: Location) -> bool {
    replaced.iter().any(|segment| *segment == found.segment())
}

/// Points the slot of an entry at its segment, unless it names a newer record. One that points
/// into a segment of `replaced` names an older place of this very record.
fn take_slot<R: ReadAt>(
    slots: &mut impl Slots,
    sealed: &Sealed<R>,
    entry: &BlockEntry,
    replaced: &[u32],
) {
    let place = place_of(sealed, entry);
    let mut dead = entry.older;
    if !dead {
        slots.update(entry.hash, |found| match found {
            None => Some(place),
            Some(found) if points_into(replaced, found) => Some(place),
            // Two keys of one segment share a hash: which is newer, only frames tell.
            Some(found) if found.segment() == place.segment() => Some(Location::EXACT),
            Some(found) => {
                dead = !found.is_exact();
                Some(found)
            }
        });
    }
    if dead {
        sealed.file.add_dead(entry.len as usize);
    }
}

/// Loads the slots of a log segment that nothing older was loaded before.
pub fn load_log<R: ReadAt>(
    slots: &mut impl Slots,
    hasher: &KeyHasher,
    file: &SegmentFile<R>,
    run: &Run,
) {
    for i in run.by_arrival() {
        let entry = run.entry(i);
        let place = Location::new(file.number, entry.offset, entry.len as usize, entry.tombstone);
        slots.update(hasher.hash(run.key(i)), |before| {
            if let Some(before) = before {
                file.add_dead(before.len_max());
            }
            Some(place)
        });
    }
}

/// Moves each slot that points into a replaced segment to the record's new place in `output`.
///
/// # Errors
/// Damage; the storage's failure.
pub fn retarget<R: ReadAt>(
    slots: &mut impl Slots,
    output: &Sealed<R>,
    replaced: &[u32],
) -> Result<()> {
    retarget_blocks(slots, output, replaced, 0..usize::MAX)
}

/// As [`retarget`], for some of the blocks of the output's key table.
///
/// # Errors
/// As [`retarget`].
pub fn retarget_blocks<R: ReadAt>(
    slots: &mut impl Slots,
    output: &Sealed<R>,
    replaced: &[u32],
    blocks: Range<usize>,
) -> Result<()> {
    let directory = output.directory()?;
    let mut entries = Vec::new();
    for block in blocks.start..blocks.end.min(directory.blocks()) {
        entries.clear();
        output.block(&directory.fence(block), &mut entries)?;
        for entry in &entries {
            take_slot(slots, output, entry, replaced);
        }
    }
    Ok(())
}

/// Drops the slots of dropped records that still point into a replaced segment. Where a segment
/// of `older` may hold the hash, the slot is left to the exact path instead.
///
/// # Errors
/// Damage; the storage's failure.
pub fn drop_slots<R: ReadAt>(
    slots: &mut impl Slots,
    hashes: &[u64],
    replaced: &[u32],
    older: &[Arc<Sealed<R>>],
) -> Result<()> {
    let points_there =
        |found: Option<Location>| found.is_some_and(|found| points_into(replaced, found));
    for hash in hashes {
        if planted!(DroppedSlot) {
            slots.update(*hash, |_| None);
        }
        if !points_there(slots.get(*hash)) {
            continue;
        }
        let mut held = false;
        for sealed in older {
            held |= sealed.may_contain(*hash)?;
        }
        slots.update(*hash, |found| match found {
            Some(_) if points_there(found) => held.then_some(Location::EXACT),
            other => other,
        });
    }
    Ok(())
}
