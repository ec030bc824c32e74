//! What all connections share.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::clients::Clients;
use super::lanes::Lanes;
use crate::server::Shared;

/// Cursors of SCAN that are remembered.
const CURSORS_MAX: usize = 16_384;
/// Bytes of the keys they stand for.
const CURSOR_BYTES_MAX: usize = 16 << 20;

/// What all connections share.
#[derive(Debug)]
pub struct Resp {
    /// What all protocols share.
    pub shared: Arc<Shared>,
    /// The connections.
    pub clients: Clients,
    /// Cursors of SCAN.
    pub cursors: Cursors,
    /// Where the server listens.
    pub local: SocketAddr,
    /// Threads that serve connections.
    pub threads: usize,
    /// Where requests go that got into each other's way.
    pub lanes: Lanes,
    compacting: AtomicBool,
}

impl Resp {
    /// Nobody is connected yet.
    pub fn new(shared: Arc<Shared>, local: SocketAddr, threads: usize) -> Self {
        Self {
            shared,
            clients: Clients::default(),
            cursors: Cursors::default(),
            local,
            threads,
            compacting: AtomicBool::new(false),
            lanes: Lanes::default(),
        }
    }

    /// Whether BGREWRITEAOF is at work.
    pub fn is_compacting(&self) -> bool {
        self.compacting.load(Ordering::Relaxed)
    }

    /// Begins to compact, unless that is under way.
    pub fn compact(self: &Arc<Self>) -> bool {
        if self.compacting.swap(true, Ordering::Relaxed) {
            return false;
        }
        let resp = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = resp.shared.store.compact(|_| ()).await {
                tracing::error!(error = error.code(), "the compaction failed");
            }
            resp.compacting.store(false, Ordering::Relaxed);
        });
        true
    }
}

/// Cursors of SCAN: numbers that stand for the last key that was told. The oldest are forgotten
/// when there are too many.
#[derive(Debug, Default)]
pub struct Cursors {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: BTreeMap<u64, Vec<u8>>,
    numbers: HashMap<Vec<u8>, u64>,
    bytes: usize,
    last: u64,
}

impl Cursors {
    /// The key a cursor stands for.
    pub fn get(&self, cursor: u64) -> Option<Vec<u8>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys.get(&cursor).cloned()
    }

    /// A cursor for a key.
    pub fn put(&self, key: Vec<u8>) -> u64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(&key) {
            return *number;
        }
        known.last += 1;
        let number = known.last;
        known.bytes += key.len();
        known.numbers.insert(key.clone(), number);
        known.keys.insert(number, key);
        while (known.keys.len() > CURSORS_MAX || known.bytes > CURSOR_BYTES_MAX)
            && let Some((_, key)) = known.keys.pop_first()
        {
            known.bytes -= key.len();
            known.numbers.remove(&key);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_stand_for_their_keys_until_there_are_too_many() {
        let cursors = Cursors::default();
        let first = cursors.put(b"a".to_vec());
        assert_eq!(cursors.put(b"a".to_vec()), first);
        assert_eq!(cursors.get(first).as_deref(), Some(&b"a"[..]));
        assert_eq!(cursors.get(first + 1), None);
        for i in 0..CURSORS_MAX {
            cursors.put(i.to_le_bytes().to_vec());
        }
        assert_eq!(cursors.get(first), None, "forgotten");
        assert_eq!(cursors.known.lock().map(|known| known.numbers.len()).ok(), Some(CURSORS_MAX));
    }
}
