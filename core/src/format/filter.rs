//! A blocked Bloom filter over key hashes: "surely not here" without a read. FORMAT.md, section 7.
//!
//! Ten bits a key, seven probes inside one 64-byte block (Putze, Sanders, Singler: Cache-, Hash-
//! and Space-Efficient Bloom Filters, 2007): about one false positive in a hundred. It needs no
//! second pass, cannot fail to build, and no bytes make it read outside itself.

use crate::types::owned;
use alloc::vec;
use alloc::vec::Vec;

use super::{Decoded, Malformed};

const BLOCK_LEN: usize = 64;
const BITS_PER_KEY: usize = 10;
const PROBES: u32 = 7;

/// A filter as it stands in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    bits: Vec<u8>,
}

/// Builds a [`Filter`] for a known number of hashes.
#[derive(Debug)]
pub struct FilterBuilder {
    bits: Vec<u8>,
}

impl FilterBuilder {
    /// A filter sized for this many distinct hashes.
    #[must_use]
    pub fn new(hashes: usize) -> Self {
        let blocks = (hashes * BITS_PER_KEY).div_ceil(BLOCK_LEN * 8).max(1);
        Self { bits: vec![0; blocks * BLOCK_LEN] }
    }

    /// Adds a hash.
    pub fn add(&mut self, hash: u64) {
        let (block, mut probes) = place(hash, self.bits.len() / BLOCK_LEN);
        for _ in 0..PROBES {
            let bit = (probes & 511) as usize;
            self.bits[block * BLOCK_LEN + bit / 8] |= 1 << (bit % 8);
            probes >>= 9;
        }
    }

    /// The filter's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bits
    }
}

impl Filter {
    /// Takes the filter from its bytes.
    ///
    /// # Errors
    /// When the length is not that of a filter.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK_LEN) {
            return Err(Malformed("a filter of whole blocks"));
        }
        Ok(Self { bits: owned(bytes) })
    }

    /// Whether the hash may have been added; `false` is certain.
    #[must_use]
    pub fn may_contain(&self, hash: u64) -> bool {
        let (block, mut probes) = place(hash, self.bits.len() / BLOCK_LEN);
        for _ in 0..PROBES {
            let bit = (probes & 511) as usize;
            if self.bits[block * BLOCK_LEN + bit / 8] & (1 << (bit % 8)) == 0 {
                return false;
            }
            probes >>= 9;
        }
        true
    }

    /// Memory the filter takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bits.len()
    }
}

/// The block of a hash and the source of its seven nine-bit probes.
fn place(hash: u64, blocks: usize) -> (usize, u64) {
    // Stafford's variant 13 of MurmurHash3's finaliser: every bit of the hash moves every bit.
    let mut x = hash;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    // The upper half of a product of 128 bits, for which some targets have no instruction. There
    // are fewer than 2^32 blocks.
    let (high, low, blocks) = (x >> 32, x & u64::from(u32::MAX), blocks as u64);
    let block = ((high * blocks + ((low * blocks) >> 32)) >> 32) as usize;
    (block, x.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_added_is_missed_and_few_others_pass() {
        let mut builder = FilterBuilder::new(10_000);
        let hash = |i: u64| i.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(17);
        for i in 0..10_000 {
            builder.add(hash(i));
        }
        let filter = Filter::decode(&builder.finish()).expect("whole blocks");
        assert!((0..10_000).all(|i| filter.may_contain(hash(i))));
        let passed = (10_000..110_000).filter(|i| filter.may_contain(hash(*i))).count();
        assert!(passed < 2_000, "{passed} of 100000 passed");
        for blocks in [1, 3, 1 << 20, u32::MAX as usize] {
            for i in 0..1000 {
                let x = place(hash(i), 1).1.wrapping_mul(0xf1de_83e1_9937_733d);
                let exact = (u128::from(x) * blocks as u128) >> 64;
                assert_eq!(place(hash(i), blocks).0 as u128, exact);
            }
        }
        assert!(Filter::decode(&[]).is_err());
        assert!(Filter::decode(&[0; 63]).is_err());
    }
}
