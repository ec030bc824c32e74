//! Those who want to know of commits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock, Weak};

use super::lock::{read, write};

type Listen = dyn Fn(u64) + Send + Sync;

/// Keeps a listener: dropping it ends the calls.
pub struct Listening {
    _listen: Arc<Listen>,
}

/// The listeners.
#[derive(Default)]
pub(super) struct Listeners {
    all: RwLock<Vec<Weak<Listen>>>,
    count: AtomicUsize,
}

impl Listeners {
    pub(super) fn add(&self, listen: Arc<Listen>) -> Listening {
        let mut all = write(&self.all);
        all.retain(|listen| listen.strong_count() > 0);
        all.push(Arc::downgrade(&listen));
        self.count.store(all.len(), Ordering::Release);
        Listening { _listen: listen }
    }

    pub(super) fn tell(&self, seq: u64) {
        // Most stores have none.
        if self.count.load(Ordering::Acquire) > 0 {
            read(&self.all).iter().filter_map(Weak::upgrade).for_each(|listen| listen(seq));
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
        assert_eq!(heard.map(|h| h.load(Ordering::Relaxed)), [2, 3]);
    }
}
