//! Clock and randomness of the operating system.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use siltdb_core::host::Host;

/// The operating system as a [`Host`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn now_us(&self) -> u64 {
        // A clock set before 1970 counts as 1970: order never depends on it.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    fn random_u64(&self) -> u64 {
        // The system's source fails only where it is missing altogether. Keys of the standard
        // library's hash maps are then the next best: nothing here is a secret, it must only
        // differ from store to store and from segment to segment.
        getrandom::u64().unwrap_or_else(|_| {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u64(self.now_us());
            hasher.finish()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_clock_counts_microseconds_and_random_numbers_differ() {
        let now = SystemHost.now_us();
        // From 2020 to 2100.
        assert!((1_577_836_800_000_000..4_102_444_800_000_000).contains(&now), "{now}");
        let numbers: BTreeSet<u64> = (0..1000).map(|_| SystemHost.random_u64()).collect();
        assert_eq!(numbers.len(), 1000);
    }
}
