//! How many connections there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections there are, in all and by address.
#[derive(Debug)]
pub struct Slots {
    max: usize,
    per_address_max: usize,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Slots {
    /// So many in all, and so many of one address that is not of this machine.
    #[must_use]
    pub fn new(max: usize, per_address_max: usize) -> Arc<Self> {
        let by_address = Mutex::default();
        Arc::new(Self { max, per_address_max, open: AtomicUsize::new(0), by_address })
    }

    /// A place for one more connection, if there is one.
    #[must_use]
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let mut slot = Slot { slots: Arc::clone(self), address: None };
        if address.is_loopback() {
            return Some(slot);
        }
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_insert(0);
        if *count >= self.per_address_max {
            drop(by_address);
            return None;
        }
        *count += 1;
        slot.address = Some(address);
        Some(slot)
    }
}

/// The place of one connection.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    address: Option<IpAddr>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        let mut by_address = self.slots.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}
