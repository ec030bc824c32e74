//! A table of slots by their hashes, for pages: a third of the code of hashbrown's, which is made
//! for instructions that WebAssembly has not.
//!
//! A slot stands at the place of its hash or, while others are there, behind it.

use alloc::vec;
use alloc::vec::Vec;

use super::slot::Slot;

/// What stands in a place without a slot: no slot holds it.
const VACANT: u64 = u64::MAX;
/// Places of the smallest table.
const PLACES_MIN: usize = 8;

/// Slots by their hashes. Several may share a hash: callers tell which they mean.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// A power of two of them, or none; at most three quarters are taken.
    places: Vec<Slot>,
    len: usize,
}

impl Table {
    /// None yet, with room for so many.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut table = Self::default();
        if capacity > 0 {
            table.grow(capacity + capacity / 3 + 1);
        }
        table
    }

    /// What the slot of this hash holds that is the `same`.
    #[inline]
    pub(crate) fn find(&self, hash: u64, same: impl Fn(u64) -> bool) -> Option<u64> {
        let slot = self.places.get(self.place(hash, same))?;
        (slot.found != VACANT).then_some(slot.found)
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
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow(self.places.len() * 2);
        }
        let at = self.place(hash, same);
        let before = self.places[at].found;
        match change((before != VACANT).then_some(before)) {
            Some(found) => {
                self.places[at] = Slot { hash, found };
                self.len += usize::from(before == VACANT);
            }
            None if before != VACANT => self.remove(at),
            None => {}
        }
    }

    /// Where that slot stands, or else where it would.
    #[inline]
    fn place(&self, hash: u64, same: impl Fn(u64) -> bool) -> usize {
        let mut at = self.home(hash);
        while let Some(slot) = self.places.get(at)
            && slot.found != VACANT
            && !(slot.hash == hash && same(slot.found))
        {
            at = self.home(at as u64 + 1);
        }
        at
    }

    /// The place of a hash; that of a place is the place itself.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        hash as usize & self.places.len().wrapping_sub(1)
    }

    /// Takes a slot out, and moves those behind it that then stand nearer to their places.
    fn remove(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            at = self.home(at as u64 + 1);
            let slot = self.places[at];
            if slot.found == VACANT {
                break;
            }
            let way = |from: usize| self.home(at.wrapping_sub(from) as u64);
            if way(self.home(slot.hash)) >= way(hole) {
                self.places[hole] = slot;
                hole = at;
            }
        }
        self.places[hole].found = VACANT;
        self.len -= 1;
    }

    /// Makes at least so many places.
    #[inline(never)]
    fn grow(&mut self, places: usize) {
        let vacant = Slot { hash: 0, found: VACANT };
        let places = vec![vacant; places.max(PLACES_MIN).next_power_of_two()];
        for slot in core::mem::replace(&mut self.places, places) {
            if slot.found != VACANT {
                let at = self.place(slot.hash, |_| false);
                self.places[at] = slot;
            }
        }
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory, in bytes, with vacant places.
    pub(crate) fn bytes(&self) -> usize {
        self.places.len() * size_of::<Slot>()
    }

    /// Every slot, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.places.iter().filter(|slot| slot.found != VACANT)
    }

    /// Forgets all slots.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// Slots of a few hashes that are near each other, at the end of the table too.
    #[test]
    fn slots_are_found_whatever_was_taken_out_before() {
        for bits in [1_u64, 3, 6, 64] {
            let (mut table, mut model) = (Table::default(), BTreeMap::new());
            let mut state = bits;
            for step in 0..30_000_u64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let hash = (state >> 33).wrapping_sub(40) & (u64::MAX >> (64 - bits));
                let key = (state >> 20) % 50;
                let same = |found: u64| found % 50 == key;
                let (before, put) = (model.get(&(hash, key)).copied(), state >> 62 > 0);
                assert_eq!(table.find(hash, same), before);
                let after = put.then_some(step * 50 + key);
                table.change(hash, same, |found| {
                    assert_eq!(found, before);
                    after
                });
                match after {
                    Some(found) => model.insert((hash, key), found),
                    None => model.remove(&(hash, key)),
                };
                assert_eq!(table.len(), model.len());
            }
            let mut held: Vec<_> =
                table.iter().map(|s| ((s.hash, s.found % 50), s.found)).collect();
            held.sort_unstable();
            assert!(held.into_iter().eq(model));
        }
    }

    #[test]
    fn it_grows_only_when_it_is_full() {
        let mut table = Table::with_capacity(1000);
        let bytes = table.bytes();
        for hash in 0..1000 {
            table.change(hash, |_| true, |_| Some(hash));
        }
        assert_eq!((table.bytes(), table.len()), (bytes, 1000));
        assert!((0..1000).all(|hash| table.find(hash, |_| true) == Some(hash)));
        table.clear();
        assert_eq!((table.bytes(), table.find(3, |_| true)), (0, None));
    }
}
