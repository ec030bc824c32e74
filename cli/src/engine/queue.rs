//! Commits that wait for the log: whoever holds it writes for all of them.
//!
//! A writer that finds nobody leading leads at once, without a switch to another thread. The
//! others leave a ticket; the leader takes the tickets there are, writes and syncs once for all,
//! answers them, and makes the first that came meanwhile the next leader.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use siltdb_core::batch::Batch;
use siltdb_core::error::{Error, Result};
use siltdb_core::options::Durability;
use siltdb_core::types::Commit;

use super::lock::lock;

/// Most commits that one leader takes along.
const COMMITS_MAX: usize = 1_024;
/// No more commits are taken along once they have so many bytes.
const BYTES_MAX: usize = 1 << 20;

enum State {
    Waiting,
    Leads,
    Done(Result<Commit>),
}

/// A commit that waits.
pub(super) struct Ticket {
    pub(super) batch: Batch,
    pub(super) durability: Durability,
    state: Mutex<State>,
    changed: Condvar,
}

impl Ticket {
    fn set(&self, state: State) {
        *lock(&self.state) = state;
        self.changed.notify_one();
    }

    /// Waits for the answer, or `None` if the one who waits is to lead.
    fn wait(&self) -> Option<Result<Commit>> {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Waiting) {
                State::Done(result) => return Some(result),
                State::Leads => return None,
                State::Waiting => {
                    state =
                        self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
            }
        }
    }
}

#[derive(Default)]
struct Line {
    leading: bool,
    waiting: VecDeque<Arc<Ticket>>,
}

/// The line of commits.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
}

/// Held by the one thread that leads. Dropping it makes the next in line the leader.
pub(super) struct Leadership<'q> {
    queue: &'q Queue,
    taken: Vec<Arc<Ticket>>,
}

impl Queue {
    /// Waits in line with a commit: the answer of whoever led meanwhile, or leadership.
    pub(super) fn enter(
        &self,
        batch: &Batch,
        durability: Durability,
    ) -> std::result::Result<Result<Commit>, Leadership<'_>> {
        let mut line = lock(&self.line);
        if line.leading {
            let ticket = Arc::new(Ticket {
                batch: batch.clone(),
                durability,
                state: Mutex::new(State::Waiting),
                changed: Condvar::new(),
            });
            line.waiting.push_back(Arc::clone(&ticket));
            drop(line);
            if let Some(result) = ticket.wait() {
                return Ok(result);
            }
        } else {
            line.leading = true;
        }
        Err(Leadership { queue: self, taken: Vec::new() })
    }
}

impl Leadership<'_> {
    /// Takes along those who wait.
    pub(super) fn take(&mut self) -> &[Arc<Ticket>] {
        let mut line = lock(&self.queue.line);
        let mut bytes = 0;
        while self.taken.len() < COMMITS_MAX
            && bytes < BYTES_MAX
            && let Some(ticket) = line.waiting.pop_front()
        {
            bytes += ticket.batch.bytes_max();
            self.taken.push(ticket);
        }
        &self.taken
    }

    /// Answers those who were taken along, in the order they were taken.
    pub(super) fn answer(&mut self, results: impl Iterator<Item = Result<Commit>>) {
        for (ticket, result) in self.taken.drain(..).zip(results) {
            ticket.set(State::Done(result));
        }
    }
}

impl Drop for Leadership<'_> {
    fn drop(&mut self) {
        // Left here only when the leader panicked: what became of them nobody knows.
        for ticket in self.taken.drain(..) {
            ticket.set(State::Done(Err(Error::Poisoned)));
        }
        let mut line = lock(&self.queue.line);
        match line.waiting.pop_front() {
            Some(next) => next.set(State::Leads),
            None => line.leading = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn commit(seq: u64) -> Result<Commit> {
        Ok(Commit { seq, durability: Durability::Flushed, written: true })
    }

    fn batch(n: u64) -> Batch {
        let mut batch = Batch::new();
        batch.set(&n.to_le_bytes(), b"");
        batch
    }

    /// What the key of a test's batch says.
    fn number(batch: &Batch) -> u64 {
        batch.operations()[0].key[0].into()
    }

    #[test]
    fn everyone_gets_its_own_answer_and_one_leads_at_a_time() {
        let (queue, leading, led) = (Queue::default(), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (queue, leading, led) = (&queue, &leading, &led);
                scope.spawn(move || {
                    for i in 0..500 {
                        let own = (thread * 500 + i) % 251;
                        let answer = match queue.enter(&batch(own), Durability::Flushed) {
                            Ok(answer) => answer,
                            Err(mut leadership) => {
                                assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0);
                                std::thread::yield_now();
                                let taken = leadership.take();
                                led.fetch_add(1 + taken.len() as u64, Ordering::SeqCst);
                                let numbers: Vec<_> =
                                    taken.iter().map(|t| number(&t.batch)).collect();
                                leadership.answer(numbers.into_iter().map(commit));
                                assert_eq!(leading.fetch_sub(1, Ordering::SeqCst), 1);
                                commit(own)
                            }
                        };
                        assert_eq!(answer, commit(own));
                    }
                });
            }
        });
        assert_eq!(led.into_inner(), 8 * 500);
        assert!(!lock(&queue.line).leading);
    }

    #[test]
    fn a_leader_that_panics_leaves_nobody_waiting() {
        let queue = Queue::default();
        let Err(mut leadership) = queue.enter(&batch(1), Durability::Flushed) else {
            panic!("nobody leads yet")
        };
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| match queue.enter(&batch(2), Durability::Flushed) {
                Ok(answer) => answer,
                Err(_) => commit(0),
            });
            while lock(&queue.line).waiting.is_empty() {
                std::thread::yield_now();
            }
            assert_eq!(leadership.take().len(), 1);
            let panicked = std::thread::Builder::new().spawn_scoped(scope, move || {
                let _held = leadership;
                std::panic::resume_unwind(Box::new("as a test"));
            });
            assert!(panicked.is_ok_and(|thread| thread.join().is_err()));
            assert_eq!(follower.join().ok(), Some(Err(Error::Poisoned)));
        });
        assert!(queue.enter(&batch(3), Durability::Flushed).is_err(), "nobody leads any more");
    }
}
