//! The cache of values, for backends that do not lend slices of their files.

use alloc::sync::Arc;
use alloc::vec::Vec;

use lru::LruCache;

/// What an entry is counted for besides the bytes of its value.
const ENTRY_BYTES: usize = 64;

/// Values by location; the one used longest ago is dropped first.
pub struct ValueCache {
    values: LruCache<(u64, u32), Arc<[u8]>>,
    bytes: usize,
    bytes_max: usize,
    hits: u64,
    misses: u64,
}

impl ValueCache {
    /// An empty cache of so many bytes; with 0 it keeps nothing.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { values: LruCache::unbounded(), bytes: 0, bytes_max, hits: 0, misses: 0 }
    }

    /// The value at this offset of this segment, if it is kept.
    pub fn get(&mut self, segment: u64, offset: u32) -> Option<Arc<[u8]>> {
        let value = self.values.get(&(segment, offset)).cloned();
        if value.is_some() {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
        value
    }

    /// Keeps a value, unless it is larger than a quarter of the cache, and drops the values
    /// used longest ago until all fit.
    pub fn insert(&mut self, segment: u64, offset: u32, value: Arc<[u8]>) {
        self.remove((segment, offset));
        if self.bytes_max == 0 || value.len() > self.bytes_max / 4 {
            return;
        }
        self.bytes += value.len() + ENTRY_BYTES;
        self.values.put((segment, offset), value);
        while self.bytes > self.bytes_max
            && let Some((_, dropped)) = self.values.pop_lru()
        {
            self.bytes -= dropped.len() + ENTRY_BYTES;
        }
    }

    /// Drops every value of a segment.
    pub fn remove_segment(&mut self, segment: u64) {
        let places: Vec<_> =
            self.values.iter().map(|(place, _)| *place).filter(|p| p.0 == segment).collect();
        for place in places {
            self.remove(place);
        }
    }

    /// What the kept values are counted for, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many times a value was found.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// How many times a value was not found.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses
    }

    fn remove(&mut self, place: (u64, u32)) {
        if let Some(old) = self.values.pop(&place) {
            self.bytes -= old.len() + ENTRY_BYTES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    type Kept = ((u64, u32), Arc<[u8]>);

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn random_operations_agree_with_a_list() {
        for bytes_max in [0, 50, 100, 1_000, 5_000] {
            let mut cache = ValueCache::new(bytes_max);
            // Used longest ago first.
            let mut model: Vec<Kept> = Vec::new();
            let (mut hits, mut misses) = (0, 0);
            let mut state = bytes_max as u64;
            for _ in 0..5_000 {
                let place = (next(&mut state) % 4, (next(&mut state) % 16) as u32);
                let found = model.iter().position(|kept| kept.0 == place);
                match next(&mut state) % 16 {
                    0 => {
                        cache.remove_segment(place.0);
                        model.retain(|kept| kept.0.0 != place.0);
                    }
                    1..8 => {
                        let len = (next(&mut state) % 400) as usize;
                        let value: Arc<[u8]> = vec![next(&mut state) as u8; len].into();
                        cache.insert(place.0, place.1, value.clone());
                        found.map(|i| model.remove(i));
                        if len <= bytes_max / 4 {
                            model.push((place, value));
                        }
                        while counted(&model) > bytes_max {
                            model.remove(0);
                        }
                    }
                    _ => {
                        let kept = found.map(|i| model.remove(i));
                        model.extend(kept.clone());
                        hits += u64::from(kept.is_some());
                        misses += u64::from(kept.is_none());
                        assert_eq!(cache.get(place.0, place.1), kept.map(|kept| kept.1));
                    }
                }
                assert_eq!(cache.bytes(), counted(&model));
                assert!(cache.bytes() <= bytes_max);
            }
            assert_eq!((cache.hits(), cache.misses()), (hits, misses));
        }
    }

    fn counted(model: &[Kept]) -> usize {
        model.iter().map(|kept| kept.1.len() + 64).sum()
    }

    #[test]
    fn no_budget_keeps_nothing() {
        let mut cache = ValueCache::new(0);
        cache.insert(1, 2, Arc::from([].as_slice()));
        assert_eq!((cache.get(1, 2), cache.bytes()), (None, 0));
    }
}
