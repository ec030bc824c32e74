//! A table of slots by their hashes: that of hashbrown.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::slot::Slot;

/// Slots by their hashes. Several may share a hash: callers tell which they mean.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: HashTable<Slot>,
}

impl Table {
    /// None yet, with room for so many.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { slots: HashTable::with_capacity(capacity) }
    }

    /// What the slot of this hash holds that is the `same`.
    #[inline]
    pub(crate) fn find(&self, hash: u64, same: impl Fn(u64) -> bool) -> Option<u64> {
        let slot = self.slots.find(hash, |slot| slot.hash == hash && same(slot.found));
        slot.map(|slot| slot.found)
    }

    /// Changes that slot in one step: `change` gets what it holds and gives what it is to hold,
    /// `None` for no slot.
    #[inline]
    pub(crate) fn change(
        &mut self,
        hash: u64,
        same: impl Fn(u64) -> bool,
        change: impl FnOnce(Option<u64>) -> Option<u64>,
    ) {
        let same = |slot: &Slot| slot.hash == hash && same(slot.found);
        match self.slots.entry(hash, same, |slot| slot.hash) {
            Entry::Occupied(mut entry) => match change(Some(entry.get().found)) {
                Some(found) => entry.get_mut().found = found,
                None => drop(entry.remove()),
            },
            Entry::Vacant(entry) => {
                if let Some(found) = change(None) {
                    entry.insert(Slot { hash, found });
                }
            }
        }
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Memory, in bytes, with vacant places.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.allocation_size()
    }

    /// Every slot, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Forgets all slots.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }
}
