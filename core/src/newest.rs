//! Which of many operations is the newest on its key.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::index::{KeyHasher, Slot};

/// Places of operations in a list, by their keys; whoever asks shows the list.
#[derive(Debug)]
pub(crate) struct Newest {
    hasher: KeyHasher,
    places: HashTable<Slot>,
}

impl Newest {
    /// None yet, with room for so many.
    pub(crate) fn new(hasher: KeyHasher, capacity: usize) -> Self {
        Self { hasher, places: HashTable::with_capacity(capacity) }
    }

    /// Where the newest operation on `key` is.
    pub(crate) fn get<'a>(&self, key: &[u8], key_at: impl Fn(usize) -> &'a [u8]) -> Option<usize> {
        let hash = self.hasher.hash(key);
        let same = |slot: &Slot| slot.hash == hash && key_at(slot.found as usize) == key;
        self.places.find(hash, same).map(|slot| slot.found as usize)
    }

    /// Tells that the newest operation on `key` is at `at`, and gives where it was before.
    pub(crate) fn insert<'a>(
        &mut self,
        key: &[u8],
        at: usize,
        key_at: impl Fn(usize) -> &'a [u8],
    ) -> Option<usize> {
        let hash = self.hasher.hash(key);
        let same = |slot: &Slot| slot.hash == hash && key_at(slot.found as usize) == key;
        let slot = Slot { hash, found: at as u64 };
        match self.places.entry(hash, same, Slot::hash) {
            Entry::Occupied(mut entry) => {
                Some(core::mem::replace(entry.get_mut(), slot).found as usize)
            }
            Entry::Vacant(entry) => {
                entry.insert(slot);
                None
            }
        }
    }

    /// Forgets all places.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_found_whether_or_not_hashes_are_shared() {
        for bits in [1, 64] {
            let keys: [&[u8]; 6] = [b"a", b"b", b"a", b"c", b"b", b"a"];
            let mut newest = Newest::new(KeyHasher::new([7; 16], bits), 0);
            let before: [_; 6] =
                core::array::from_fn(|at| newest.insert(keys[at], at, |other| keys[other]));
            assert_eq!(before, [None, None, Some(0), None, Some(1), Some(2)]);
            let found = |key: &[u8]| newest.get(key, |at| keys[at]);
            assert_eq!([found(b"a"), found(b"b"), found(b"c")], [Some(5), Some(4), Some(3)]);
            assert_eq!(found(b"d"), None);
        }
    }
}
