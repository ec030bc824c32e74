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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_in_all_and_fewer_for_one_address_and_come_back() {
        let slots = Slots::new(4, 2);
        let (far, farther) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let own = IpAddr::from([127, 0, 0, 1]);
        let mut taken: Vec<_> = (0..2).map(|_| slots.take(far)).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(slots.take(far).is_none(), "a third of one address");
        // One that was refused takes no place of the others.
        taken.push(slots.take(farther));
        taken.push(slots.take(own));
        assert!(taken.iter().all(Option::is_some));
        assert!(slots.take(own).is_none() && slots.take(farther).is_none(), "a fifth in all");
        taken.remove(0);
        assert!(slots.take(far).is_some());
        taken.clear();
        assert!(slots.by_address.lock().is_ok_and(|all| all.is_empty()), "addresses are kept");
        // This machine's own are limited only in all.
        let own: Vec<_> = (0..4).map(|_| slots.take(own)).collect();
        assert!(own.iter().all(Option::is_some));
    }
}
