//! Watched keys: EXEC runs only if none of them has changed.

use std::collections::HashMap;
use std::sync::Arc;

use super::reply::Trouble;
use super::txn::seq_of;
use crate::Store;
use crate::server::budget::{Budget, Held};
use crate::server::error::Failure;
use crate::server::limits;

/// What a key had when it was watched.
#[derive(Debug)]
struct Seen {
    /// The sequence number of its record, 0 for none.
    seq: u64,
    /// That of its newest record, be it a delete: a key may be set and deleted again.
    newest: u64,
}

/// The watched keys of a connection.
#[derive(Debug)]
pub struct Watched {
    keys: HashMap<Vec<u8>, Seen, foldhash::fast::RandomState>,
    /// Their memory.
    held: Held,
}

/// Memory that a key takes besides its bytes, about.
const SEEN_LEN: usize = 64;

impl Watched {
    /// No keys, whose memory will be of this budget.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { keys: HashMap::default(), held: budget.nothing() }
    }

    /// Watches one more key. Watched again, it must still be as it was at the first time.
    ///
    /// # Errors
    /// Too many are watched; what the store says.
    pub fn watch(&mut self, store: &Store, key: &[u8]) -> Result<(), Trouble> {
        if self.keys.contains_key(key) {
            return Ok(());
        }
        let bytes = key.len() + SEEN_LEN;
        let fits = self.held.bytes() + bytes <= limits::WATCHED_BYTES_MAX;
        if !fits || !self.held.grow(bytes) {
            return Err(Failure::busy("too many keys are watched").into());
        }
        let newest = store.newest_seq(key).map_err(Failure::from)?;
        self.keys.insert(key.to_vec(), Seen { seq: seq_of(store, key)?, newest });
        Ok(())
    }

    /// Watches nothing any more.
    pub fn clear(&mut self) {
        self.keys = HashMap::default();
        self.held.shrink_to(0);
    }

    /// The keys, and the sequence number that each must have, 0 for none.
    pub fn keys(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.keys.iter().map(|(key, seen)| (key.as_slice(), seen.seq))
    }

    /// Whether one of them has changed.
    ///
    /// # Errors
    /// What the store says.
    pub fn has_changed(&self, store: &Store) -> Result<bool, Failure> {
        for (key, seen) in &self.keys {
            if store.newest_seq(key)? != seen.newest || seq_of(store, key)? != seen.seq {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
