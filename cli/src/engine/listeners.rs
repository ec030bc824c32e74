//! Those who want to know of commits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock, Weak};

use super::lock::{read, write};

type Listen = dyn Fn(u64) + Send + Sync;

#[derive(Default)]
struct All {
    listeners: RwLock<Vec<Arc<Listen>>>,
    count: AtomicUsize,
}

/// Keeps a listener: dropping it ends the calls. The store drops the listener when it is closed.
pub struct Listening {
    all: Weak<All>,
    listen: Weak<Listen>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            let mut listeners = write(&all.listeners);
            listeners.retain(|listen| !Weak::ptr_eq(&Arc::downgrade(listen), &self.listen));
            all.count.store(listeners.len(), Ordering::Release);
        }
    }
}

/// The listeners.
#[derive(Default)]
pub(super) struct Listeners {
    all: Arc<All>,
}

impl Listeners {
    pub(super) fn add(&self, listen: Arc<Listen>) -> Listening {
        let kept = Arc::downgrade(&listen);
        let mut listeners = write(&self.all.listeners);
        listeners.push(listen);
        self.all.count.store(listeners.len(), Ordering::Release);
        Listening { all: Arc::downgrade(&self.all), listen: kept }
    }

    pub(super) fn tell(&self, seq: u64) {
        // Most stores have none.
        if self.all.count.load(Ordering::Acquire) > 0 {
            read(&self.all.listeners).iter().for_each(|listen| listen(seq));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_listener_hears_until_it_is_dropped() {
        let listeners = Listeners::default();
        listeners.tell(1);
        let heard = [const { AtomicU64::new(0) }; 2].map(Arc::new);
        let listen = |n: usize| {
            let heard = Arc::clone(&heard[n]);
            listeners.add(Arc::new(move |seq| heard.store(seq, Ordering::Relaxed)))
        };
        let (first, _second) = (listen(0), listen(1));
        listeners.tell(2);
        drop(first);
        listeners.tell(3);
        assert_eq!(heard.each_ref().map(|h| h.load(Ordering::Relaxed)), [2, 3]);
        // The store lets go of them when it is closed.
        drop(listeners);
        assert!(heard.iter().all(|heard| Arc::strong_count(heard) == 1));
    }
}
