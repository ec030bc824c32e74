//! The hash index, shared by threads: one lock for each of its shards.
//!
//! A reader holds one shard's lock for as long as it copies 8 bytes. Whoever applies a group holds
//! the locks of all its shards at once, so that no reader sees a part of a batch.

use std::sync::{RwLock, RwLockWriteGuard};

use siltdb_core::index::{Location, SHARDS, Shard, Slots, shard_of};

use super::lock::{read, write};

/// A shard on a cache line of its own.
#[repr(align(128))]
struct Padded(RwLock<Shard>);

/// The index.
pub(super) struct Shards {
    shards: Vec<Padded>,
}

const _: () = assert!(SHARDS <= u64::BITS as usize, "a bit for every shard");

impl Shards {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Padded(RwLock::new(Shard::new()))).collect() }
    }

    fn of(&self, hash: u64) -> &RwLock<Shard> {
        &self.shards[shard_of(hash)].0
    }

    pub(super) fn get(&self, hash: u64) -> Option<Location> {
        read(self.of(hash)).get(hash)
    }

    /// Stores all `places` as one step, and calls `publish` at its end, before any reader sees a
    /// part. `replaced` gets each location that was taken over.
    pub(super) fn apply(
        &self,
        places: impl Iterator<Item = (u64, Location)> + Clone,
        mut replaced: impl FnMut(Location),
        publish: impl FnOnce(),
    ) {
        let mask = places.clone().fold(0_u64, |mask, (hash, _)| mask | 1 << shard_of(hash));
        // In order of the shards, so that two appliers could not wait for each other.
        let mut guards: [Option<RwLockWriteGuard<'_, Shard>>; SHARDS] = [const { None }; SHARDS];
        let mut left = mask;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            guards[at] = Some(write(&self.shards[at].0));
            left &= left - 1;
        }
        for (hash, place) in places {
            if let Some(shard) = &mut guards[shard_of(hash)]
                && let Some(before) = shard.insert(hash, place)
            {
                replaced(before);
            }
        }
        publish();
    }

    /// As [`Shards::apply`] for one place.
    pub(super) fn apply_one(
        &self,
        (hash, place): (u64, Location),
        replaced: impl FnOnce(Location),
        publish: impl FnOnce(),
    ) {
        let mut shard = write(self.of(hash));
        let before = shard.insert(hash, place);
        publish();
        drop(shard);
        if let Some(before) = before {
            replaced(before);
        }
    }

    pub(super) fn live(&self) -> u64 {
        self.shards.iter().map(|shard| read(&shard.0).live()).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| read(&shard.0).bytes()).sum()
    }
}

impl Slots for &Shards {
    fn get(&self, hash: u64) -> Option<Location> {
        Shards::get(self, hash)
    }

    fn update(&mut self, hash: u64, change: impl FnOnce(Option<Location>) -> Option<Location>) {
        write(self.of(hash)).update(hash, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn place(n: u64) -> Location {
        Location::new(1, n as u32, 10, false)
    }

    /// Hashes of different shards.
    fn hashes() -> [u64; 3] {
        [1 << 40, 2 << 40, 9 << 40]
    }

    #[test]
    fn a_batch_is_seen_whole() {
        let (shards, stop) = (Shards::new(), AtomicBool::new(false));
        shards.apply(hashes().into_iter().map(|hash| (hash, place(0))), |_| (), || ());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..=20_000 {
                    let places = hashes().into_iter().map(move |hash| (hash, place(n)));
                    shards.apply(places, |_| (), || ());
                }
                stop.store(true, Ordering::Relaxed);
            });
            loop {
                let stopped = stop.load(Ordering::Relaxed);
                // Read one after the other, what a batch wrote never goes back.
                let seen = hashes().map(|hash| shards.get(hash).map_or(0, Location::offset));
                assert!(seen[0] <= seen[1] && seen[1] <= seen[2], "{seen:?}");
                if stopped {
                    assert_eq!(seen, [20_000; 3]);
                    break;
                }
            }
        });
        assert_eq!(shards.live(), 3);
    }

    #[test]
    fn what_is_taken_over_is_told() {
        let shards = Shards::new();
        let mut told = Vec::new();
        shards.apply_one((5, place(1)), |before| told.push(before), || ());
        shards.apply_one((5, place(2)), |before| told.push(before), || ());
        shards.apply([(5, place(3)), (5, place(4))].into_iter(), |b| told.push(b), || ());
        assert_eq!(told, [place(1), place(2), place(3)]);
        (&shards).update(5, |found| {
            assert_eq!(found, Some(place(4)));
            None
        });
        assert_eq!(shards.get(5), None);
    }
}
