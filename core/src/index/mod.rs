//! The index: from the hash of a key to where its newest record lies.
//!
//! A slot holds no key, only 16 bytes. Whoever reads the record compares the key; hashes that
//! several keys share are marked [`Location::EXACT`] and looked up another way.

mod hash;
#[cfg(any(test, target_arch = "wasm32"))]
mod probing;
mod slot;
#[cfg(not(target_arch = "wasm32"))]
mod table;

pub use hash::KeyHasher;
#[cfg(target_arch = "wasm32")]
pub(crate) use probing::Table;
pub use slot::{Location, Shard};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use table::Table;

use alloc::vec::Vec;

/// How many tables the index is split into.
pub const SHARDS: usize = 64;

/// Slots that are changed one at a time: an index of one owner, or one that threads share.
pub trait Slots {
    /// The location stored for this hash.
    fn get(&self, hash: u64) -> Option<Location>;

    /// Changes the slot of this hash in one step: `change` gets what is there and gives what is
    /// to be there, `None` for a vacant slot.
    fn update(&mut self, hash: u64, change: impl FnOnce(Option<Location>) -> Option<Location>);
}

/// The shard of a hash.
///
/// Takes neither the lowest bits nor the top seven, which the table in the shard uses itself.
/// Hashes of 40 bits and fewer are all in one shard.
#[must_use]
pub fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize & (SHARDS - 1)
}

/// The index of a store: its shards grow one at a time, so that growth never moves everything.
pub struct Index {
    shards: Vec<Shard>,
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::new()).collect() }
    }

    /// The location stored for this hash.
    #[must_use]
    pub fn get(&self, hash: u64) -> Option<Location> {
        self.shards[shard_of(hash)].get(hash)
    }

    /// Stores a location for this hash and returns the one it replaced.
    pub fn insert(&mut self, hash: u64, location: Location) -> Option<Location> {
        self.shards[shard_of(hash)].insert(hash, location)
    }

    /// How many slots are neither tombstones nor [`Location::EXACT`].
    #[must_use]
    pub fn live(&self) -> u64 {
        self.shards.iter().map(Shard::live).sum()
    }

    /// How many slots are occupied.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Whether no slot is occupied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(Shard::is_empty)
    }

    /// Memory of all tables, in bytes, with vacant slots and control bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(Shard::bytes).sum()
    }

    /// Every hash with its location, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Location)> {
        self.shards.iter().flat_map(Shard::iter)
    }
}

impl Slots for Index {
    fn get(&self, hash: u64) -> Option<Location> {
        Index::get(self, hash)
    }

    fn update(&mut self, hash: u64, change: impl FnOnce(Option<Location>) -> Option<Location>) {
        self.shards[shard_of(hash)].update(hash, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn location(random: u64) -> Location {
        if random.is_multiple_of(11) {
            return Location::EXACT;
        }
        Location::new(random % 1000, (random >> 10) as u32, 77, random.is_multiple_of(3))
    }

    fn agrees(index: &Index, model: &BTreeMap<u64, Location>) {
        let live = model.values().filter(|l| !l.tombstone() && !l.is_exact()).count();
        assert_eq!(index.live(), live as u64);
        assert_eq!(index.len(), model.len());
        assert_eq!(index.is_empty(), model.is_empty());
        assert_eq!(&index.iter().collect::<BTreeMap<_, _>>(), model);
        assert!(index.bytes() >= index.len() * 17);
    }

    #[test]
    fn random_operations_agree_with_a_map() {
        for bits in [1, 8, 41, 64] {
            let hasher = KeyHasher::new([bits; 16], bits);
            let (mut index, mut model) = (Index::new(), BTreeMap::new());
            let mut state = u64::from(bits);
            for step in 0..20_000 {
                let hash = hasher.hash(&(next(&mut state) % 3000).to_le_bytes());
                let new = location(next(&mut state));
                let old = model.get(&hash).copied();
                match next(&mut state) % 5 {
                    0 => assert_eq!(index.insert(hash, new), model.insert(hash, new)),
                    1 => {
                        index.update(hash, |found| {
                            assert_eq!(found, old);
                            Some(found.unwrap_or(new))
                        });
                        model.entry(hash).or_insert(new);
                    }
                    2 => {
                        index.update(hash, |found| found.map(|_| new));
                        model.entry(hash).and_modify(|l| *l = new);
                    }
                    3 => {
                        index.update(hash, |_| None);
                        model.remove(&hash);
                    }
                    _ => assert_eq!(index.get(hash), old),
                }
                if step % 1000 == 0 {
                    agrees(&index, &model);
                }
            }
            agrees(&index, &model);
        }
    }

    #[test]
    fn full_hashes_spread_over_all_shards() {
        let hasher = KeyHasher::new([7; 16], 64);
        let mut counts = [0_u32; SHARDS];
        for i in 0..64_000_u32 {
            counts[shard_of(hasher.hash(&i.to_le_bytes()))] += 1;
        }
        assert!(counts.iter().all(|&n| (800..1200).contains(&n)), "{counts:?}");
    }
}
