//! Which of many operations is the newest on its key.

use crate::index::{KeyHasher, Table};

/// Places of operations in a list, by their keys; whoever asks shows the list.
#[derive(Debug)]
pub(crate) struct Newest {
    hasher: KeyHasher,
    places: Table,
}

impl Newest {
    /// None yet, with room for so many.
    pub(crate) fn new(hasher: KeyHasher, capacity: usize) -> Self {
        Self { hasher, places: Table::with_capacity(capacity) }
    }

    /// Where the newest operation on `key` is.
    pub(crate) fn get<'a>(&self, key: &[u8], key_at: impl Fn(usize) -> &'a [u8]) -> Option<usize> {
        let same = |at: u64| key_at(at as usize) == key;
        self.places.find(self.hasher.hash(key), same).map(|at| at as usize)
    }

    /// Tells that the newest operation on `key` is at `at`, and gives where it was before.
    pub(crate) fn insert<'a>(
        &mut self,
        key: &[u8],
        at: usize,
        key_at: impl Fn(usize) -> &'a [u8],
    ) -> Option<usize> {
        let mut before = None;
        let same = |at: u64| key_at(at as usize) == key;
        self.places.change(self.hasher.hash(key), same, |found| {
            before = found.map(|at| at as usize);
            Some(at as u64)
        });
        before
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
