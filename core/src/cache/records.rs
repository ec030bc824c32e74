//! The cache that keeps what was used last.

use alloc::vec::Vec;

use lru::LruCache;

use super::CachedRecord;

/// What an entry is counted for besides the bytes of its key and value.
const ENTRY_BYTES: usize = 128;

/// Records by their place; the one used longest ago is dropped first.
///
/// A place is never written twice, so what is found is never out of date.
pub struct ValueCache {
    records: LruCache<(u64, u32), CachedRecord>,
    bytes: usize,
    bytes_max: usize,
    hits: u64,
    misses: u64,
}

impl ValueCache {
    /// An empty cache of so many bytes; with 0 it keeps nothing.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { records: LruCache::unbounded(), bytes: 0, bytes_max, hits: 0, misses: 0 }
    }

    /// Whether a record of this many bytes would be kept.
    #[must_use]
    pub fn takes(&self, bytes: usize) -> bool {
        self.bytes_max > 0 && bytes <= self.bytes_max / 4
    }

    /// The record at this offset of this segment, if it is kept.
    pub fn get(&mut self, segment: u64, offset: u32) -> Option<&CachedRecord> {
        let record = self.records.get(&(segment, offset));
        if record.is_some() {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
        record
    }

    /// Keeps a record, unless it is larger than a quarter of the cache, and drops the records
    /// used longest ago until all fit.
    pub fn insert(&mut self, segment: u64, offset: u32, record: CachedRecord) {
        self.remove((segment, offset));
        if !self.takes(record.bytes.len()) {
            return;
        }
        self.bytes += record.bytes.len() + ENTRY_BYTES;
        self.records.put((segment, offset), record);
        while self.bytes > self.bytes_max
            && let Some((_, dropped)) = self.records.pop_lru()
        {
            self.bytes -= dropped.bytes.len() + ENTRY_BYTES;
        }
    }

    /// Drops every record of a segment.
    pub fn remove_segment(&mut self, segment: u64) {
        let places: Vec<_> =
            self.records.iter().map(|(place, _)| *place).filter(|p| p.0 == segment).collect();
        for place in places {
            self.remove(place);
        }
    }

    /// What the kept records are counted for, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many times a record was found.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// How many times a record was not found.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses
    }

    fn remove(&mut self, place: (u64, u32)) {
        if let Some(old) = self.records.pop(&place) {
            self.bytes -= old.bytes.len() + ENTRY_BYTES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    type Kept = ((u64, u32), CachedRecord);

    fn record(key: &[u8], value: &[u8], seq: u64) -> CachedRecord {
        CachedRecord::new(key, value, seq, 0, false)
    }

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn random_operations_agree_with_a_list() {
        for bytes_max in [0, 50, 150, 1_000, 9_000] {
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
                        let value = vec![next(&mut state) as u8; len];
                        let record = record(b"key", &value, next(&mut state));
                        assert_eq!((record.key(), record.value()), (&b"key"[..], &value[..]));
                        cache.insert(place.0, place.1, record.clone());
                        found.map(|i| model.remove(i));
                        if bytes_max > 0 && len + 3 <= bytes_max / 4 {
                            model.push((place, record));
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
                        let expected = kept.map(|kept| kept.1);
                        assert_eq!(cache.get(place.0, place.1), expected.as_ref());
                    }
                }
                assert_eq!(cache.bytes(), counted(&model));
                assert!(cache.bytes() <= bytes_max);
            }
            assert_eq!((cache.hits(), cache.misses()), (hits, misses));
        }
    }

    fn counted(model: &[Kept]) -> usize {
        model.iter().map(|kept| kept.1.bytes.len() + 128).sum()
    }

    #[test]
    fn no_budget_keeps_nothing() {
        let mut cache = ValueCache::new(0);
        cache.insert(1, 2, record(b"k", b"", 1));
        assert_eq!(cache.get(1, 2), None);
        assert_eq!(cache.bytes(), 0);
    }
}
