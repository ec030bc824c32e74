//! The keyed hash of keys.

use siphasher::sip::SipHasher13;

/// Hashes keys with SipHash-1-3 under a secret of the store, cut to a number of bits.
#[derive(Debug, Clone, Copy)]
pub struct KeyHasher {
    key0: u64,
    key1: u64,
    mask: u64,
}

impl KeyHasher {
    /// A hasher with this secret that keeps so many bits; numbers out of 1 to 64 are clamped.
    #[must_use]
    pub fn new(key: [u8; 16], bits: u8) -> Self {
        let bits = u32::from(bits.clamp(1, 64));
        let key = u128::from_le_bytes(key);
        Self { key0: key as u64, key1: (key >> 64) as u64, mask: u64::MAX >> (64 - bits) }
    }

    /// The hash of a key: its lowest bits, the others 0.
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.key0, self.key1).hash(key) & self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_the_reference_cut_to_bits() {
        let key: [u8; 16] = core::array::from_fn(|i| i as u8);
        let full = SipHasher13::new_with_key(&key).hash(b"some key");
        assert_eq!(KeyHasher::new(key, 64).hash(b"some key"), full);
        for bits in 1..64 {
            let cut = KeyHasher::new(key, bits).hash(b"some key");
            assert_eq!(cut, full & ((1 << bits) - 1));
        }
        // The first reference vector of SipHash-1-3: stored hashes must never change.
        assert_eq!(KeyHasher::new(key, 64).hash(b""), 0xabac_0158_050f_c4dc);
    }

    #[test]
    fn bits_out_of_range_are_clamped() {
        assert!(KeyHasher::new([1; 16], 0).hash(b"x") <= 1);
        let full = KeyHasher::new([1; 16], 64).hash(b"x");
        assert_eq!(KeyHasher::new([1; 16], 200).hash(b"x"), full);
    }
}
