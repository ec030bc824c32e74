//! The memory that requests and replies may take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::limits;

/// Bytes held over all connections, up to a limit.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    max: usize,
    readers: Semaphore,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        let readers = Semaphore::new(limits::UNCOUNTED_READS_MAX);
        Arc::new(Self { used: AtomicUsize::new(0), max, readers })
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes bytes, until what this gives is dropped; `None` when so many are not left.
    #[must_use]
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let mut held = self.nothing();
        held.grow(bytes).then_some(held)
    }

    /// No bytes yet, to be grown.
    #[must_use]
    pub fn nothing(self: &Arc<Self>) -> Held {
        Held { budget: Arc::clone(self), bytes: 0 }
    }

    /// Waits for leave to read a record: how long it is, and so whether there is room for it, is
    /// known only when it is read. To be given back as soon as it is counted or dropped.
    pub async fn uncounted(&self) -> Uncounted<'_> {
        Uncounted { _permit: self.readers.acquire().await.ok() }
    }

    /// As [`Budget::uncounted`], in a thread that may wait.
    pub fn uncounted_blocking(&self) -> Uncounted<'_> {
        match self.readers.try_acquire() {
            Ok(permit) => Uncounted { _permit: Some(permit) },
            Err(_) => Handle::current().block_on(self.uncounted()),
        }
    }
}

/// Leave to have one record in memory that is not counted yet.
#[derive(Debug)]
pub struct Uncounted<'a> {
    /// Missing only where nobody is made to wait any more.
    _permit: Option<SemaphorePermit<'a>>,
}

/// Bytes taken from a budget; dropping it gives them back.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    /// Takes more; `false` when so many are not left, and then nothing is taken.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Budget { used, max, .. } = &*self.budget;
        let mut now = used.load(Ordering::Relaxed);
        loop {
            let Some(sum) = now.checked_add(bytes).filter(|sum| sum <= max) else { return false };
            match used.compare_exchange_weak(now, sum, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(other) => now = other,
            }
        }
        self.bytes += bytes;
        true
    }

    /// Gives back all but so many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let back = self.bytes.saturating_sub(bytes);
        self.bytes -= back;
        self.budget.used.fetch_sub(back, Ordering::Relaxed);
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::new(10);
        let mut held = budget.take(6).unwrap();
        assert!(budget.take(5).is_none());
        assert!(!held.grow(5) && held.grow(4));
        assert_eq!(budget.used(), 10);
        held.shrink_to(3);
        assert_eq!((budget.used(), held.bytes()), (3, 3));
        drop(held);
        assert_eq!(budget.used(), 0);
        assert!(budget.take(usize::MAX).is_none());
    }
}
