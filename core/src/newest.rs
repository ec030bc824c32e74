//! Which of many operations is the newest on its key.

use hashbrown::HashTable;

use crate::index::KeyHasher;

/// The place of the newest operation on a key. The keys are where the operations are.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u64,
    at: usize,
}

impl Place {
    fn hash(&self) -> u64 {
        self.hash
    }
}

/// Places of operations in a list, by their keys; whoever asks shows the list.
#[derive(Debug)]
pub(crate) struct Newest {
    hasher: KeyHasher,
    places: HashTable<Place>,
}

impl Newest {
    /// None yet, with room for so many.
    pub(crate) fn new(hasher: KeyHasher, capacity: usize) -> Self {
        Self { hasher, places: HashTable::with_capacity(capacity) }
    }

    /// Where the newest operation on `key` is.
    pub(crate) fn get<'a>(&self, key: &[u8], key_at: impl Fn(usize) -> &'a [u8]) -> Option<usize> {
        let hash = self.hasher.hash(key);
        let found = self.places.find(hash, |p| p.hash == hash && key_at(p.at) == key);
        found.map(|place| place.at)
    }

    /// Tells that the newest operation on `key` is at `at`, and gives where it was before.
    pub(crate) fn insert<'a>(
        &mut self,
        key: &[u8],
        at: usize,
        key_at: impl Fn(usize) -> &'a [u8],
    ) -> Option<usize> {
        let hash = self.hasher.hash(key);
        let same = |p: &Place| p.hash == hash && key_at(p.at) == key;
        if let Some(place) = self.places.find_mut(hash, same) {
            return Some(core::mem::replace(&mut place.at, at));
        }
        self.places.insert_unique(hash, Place { hash, at }, Place::hash);
        None
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
