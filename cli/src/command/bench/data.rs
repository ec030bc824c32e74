//! Keys and values of the benchmark: the same for the same seed, and nothing to compress.

/// Length of every key, in bytes.
pub const KEY_LEN: usize = 24;

/// Makes keys and values out of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Data {
    /// What all is derived from.
    pub seed: u64,
    /// How many keys the store of the reads holds.
    pub keys: u64,
    /// Length of every value, in bytes.
    pub value_bytes: usize,
}

/// A small generator of random numbers (splitmix64).
#[derive(Debug, Clone, Copy)]
pub struct Random(u64);

impl Random {
    /// A generator of its own for each `stream`.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream)))
    }

    /// Sixty-four random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(end);
        (product >> 64) as u64
    }
}

/// Stafford's mix 13: every input bit stirs every output bit, and no two inputs meet.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Data {
    /// The key of this number: 24 hexadecimal digits, unique, in no order.
    pub fn key(&self, id: u64) -> [u8; KEY_LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Two halves of a permutation and of the number itself: unique below 2^32.
        let high = mix(self.seed ^ mix(id.wrapping_add(1)));
        let mut key = [0; KEY_LEN];
        for (i, digit) in key.iter_mut().enumerate() {
            let word = if i < 16 { high >> (60 - 4 * i) } else { id >> (4 * (23 - i)) };
            *digit = DIGITS[(word & 15) as usize];
        }
        key
    }

    /// Makes `value` that of this key number, as it was written the `version`th time.
    pub fn value(&self, id: u64, version: u64, value: &mut Vec<u8>) {
        let mut random = Random::new(self.seed, mix(id).wrapping_add(version << 1 | 1));
        value.clear();
        while value.len() < self.value_bytes {
            value.extend_from_slice(&random.next().to_le_bytes());
        }
        value.truncate(self.value_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_differ_and_come_back_with_their_seed() {
        let data = Data { seed: 7, keys: 1_000, value_bytes: 100 };
        let keys: BTreeSet<_> = (0..10_000).map(|id| data.key(id)).collect();
        assert_eq!(keys.len(), 10_000);
        assert_eq!(data.key(5), Data { keys: 1, ..data }.key(5));
        assert_ne!(data.key(5), Data { seed: 8, ..data }.key(5));
        assert!(data.key(0).iter().all(u8::is_ascii_hexdigit));
    }

    #[test]
    fn values_differ_by_key_and_version() {
        let data = Data { seed: 7, keys: 10, value_bytes: 13 };
        let mut values = BTreeSet::new();
        for (id, version) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)] {
            let mut value = vec![9; 50];
            data.value(id, version, &mut value);
            assert_eq!(value.len(), 13);
            values.insert(value);
        }
        assert_eq!(values.len(), 5);
    }

    #[test]
    fn numbers_stay_below_their_end() {
        let mut random = Random::new(1, 2);
        let seen: BTreeSet<u64> = (0..1_000).map(|_| random.below(10)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }
}
