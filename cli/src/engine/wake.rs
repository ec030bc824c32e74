//! Wakes the two threads of a store: the worker when there is work, the timer when something is
//! due. An idle store wakes nobody.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock::lock;

#[derive(Default)]
struct State {
    work: bool,
    due: Option<Instant>,
    closed: bool,
}

/// What the threads wait for.
#[derive(Default)]
pub(super) struct Wake {
    state: Mutex<State>,
    for_worker: Condvar,
    for_timer: Condvar,
}

impl Wake {
    /// There is work for the worker.
    pub(super) fn work(&self) {
        let mut state = lock(&self.state);
        state.work = true;
        drop(state);
        self.for_worker.notify_one();
    }

    /// Something is due then, at the latest.
    pub(super) fn due_in(&self, delay: Duration) {
        let due = Instant::now() + delay;
        let mut state = lock(&self.state);
        if state.due.is_none_or(|earlier| due < earlier) {
            state.due = Some(due);
            drop(state);
            self.for_timer.notify_one();
        }
    }

    /// Ends both threads.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.for_worker.notify_all();
        self.for_timer.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Waits for work, or until it is time to look for some. `false` once closed.
    pub(super) fn wait_for_work(&self, at_most: Duration) -> bool {
        let state = lock(&self.state);
        let idle = |state: &mut State| !state.work && !state.closed;
        let waited = self.for_worker.wait_timeout_while(state, at_most, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.work = false;
        !state.closed
    }

    /// Waits until something is due. `false` once closed.
    pub(super) fn wait_until_due(&self) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return false;
            }
            let Some(due) = state.due else {
                state = self.for_timer.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.due = None;
                return true;
            }
            let waited = self.for_timer.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_due_moment_counts_and_closing_ends_every_wait() {
        let wake = Wake::default();
        std::thread::scope(|scope| {
            let timer = scope.spawn(|| {
                let begin = Instant::now();
                assert!(wake.wait_until_due());
                assert!(begin.elapsed() < Duration::from_secs(30));
                wake.wait_until_due()
            });
            let worker = scope.spawn(|| {
                assert!(wake.wait_for_work(Duration::from_secs(60)));
                wake.wait_for_work(Duration::from_secs(60))
            });
            wake.due_in(Duration::from_secs(60));
            wake.due_in(Duration::from_millis(1));
            wake.work();
            // Lets both come to their second wait, most of the time; either way they end.
            std::thread::sleep(Duration::from_millis(20));
            wake.close();
            assert_eq!(timer.join().ok(), Some(false));
            assert_eq!(worker.join().ok(), Some(false));
        });
        assert!(wake.is_closed());
    }
}
