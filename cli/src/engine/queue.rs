//! Commits that wait for the log: whoever holds it writes for all of them.
//!
//! A writer that finds nobody leading leads at once, without a switch to another thread. The
//! others leave a ticket; the leader takes the tickets there are, writes and syncs once for all,
//! answers them, and wakes the first that came meanwhile. The next who comes leads, be it that one
//! or somebody who is awake already, and takes the tickets along: nobody waits for a sleeper. Those
//! who do not wait in a thread of their own leave a function to be called; the committer, a thread
//! that exists once there was such a commit, leads for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use siltdb_core::batch::Batch;
use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::options::Durability;
use siltdb_core::types::Commit;

use super::lock::lock;

/// Most commits that one leader takes along.
const COMMITS_MAX: usize = 1_024;
/// No more commits are taken along once they have so many bytes.
const BYTES_MAX: usize = 1 << 20;
/// How often a commit that needs no sync lets others run before it goes to sleep in line.
const YIELDS_MAX: usize = 150;
/// How often it looks in between.
const LOOKS: usize = 64;
/// How long a sync is put off for those who are expected.
const COMPANY_WAIT_MAX: Duration = Duration::from_micros(60);

enum State {
    Waiting,
    /// Nobody led when this was said.
    MayLead,
    Done(Result<Commit>),
}

/// Is told what became of a commit.
pub(super) type Done = Box<dyn FnOnce(Result<Commit>) + Send>;

/// Who waits for a commit.
enum Waiter {
    Thread(Mutex<State>, Condvar),
    /// `None` once called.
    Function(Mutex<Option<Done>>),
}

/// A commit that waits.
pub(super) struct Ticket {
    pub(super) batch: Batch,
    pub(super) durability: Durability,
    waiter: Waiter,
}

impl Ticket {
    fn answer(&self, result: Result<Commit>) {
        match &self.waiter {
            Waiter::Thread(state, changed) => {
                *lock(state) = State::Done(result);
                changed.notify_one();
            }
            Waiter::Function(done) => {
                let done = lock(done).take();
                if let Some(done) = done {
                    done(result);
                }
            }
        }
    }

    /// Wakes the one who waits to lead, if that is a thread.
    fn wake(&self) -> bool {
        let Waiter::Thread(state, changed) = &self.waiter else { return false };
        *lock(state) = State::MayLead;
        changed.notify_one();
        true
    }

    /// Waits for the answer, or `None` if the one who waits may lead.
    fn wait(&self) -> Option<Result<Commit>> {
        let Waiter::Thread(state, changed) = &self.waiter else { return None };
        let mut state = lock(state);
        loop {
            match std::mem::replace(&mut *state, State::Waiting) {
                State::Done(result) => return Some(result),
                State::MayLead => return None,
                State::Waiting => {
                    state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

#[derive(Default)]
struct Line {
    leading: bool,
    waiting: VecDeque<Arc<Ticket>>,
    /// The committer may lead.
    called: bool,
    closed: bool,
}

/// The line of commits.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    for_committer: Condvar,
    /// Somebody leads and syncs nothing, so it is soon over. A hint; the truth is in the line.
    soon_over: AtomicBool,
    /// Commits that the last group that was synced took along.
    company: AtomicUsize,
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
        if durability != Durability::Synced {
            self.wait_awake();
        }
        let mut line = lock(&self.line);
        if line.leading {
            let waiter = Waiter::Thread(Mutex::new(State::Waiting), Condvar::new());
            let ticket = Arc::new(Ticket { batch: batch.clone(), durability, waiter });
            line.waiting.push_back(Arc::clone(&ticket));
            drop(line);
            loop {
                if let Some(result) = ticket.wait() {
                    return Ok(result);
                }
                line = lock(&self.line);
                let place = line.waiting.iter().position(|other| Arc::ptr_eq(other, &ticket));
                // Who was faster takes this commit along, or wakes it again.
                if let (false, Some(place)) = (line.leading, place) {
                    line.waiting.remove(place);
                    break;
                }
                drop(line);
            }
        }
        Err(self.lead(line, durability))
    }

    /// Leads from now on, for a commit of this durability at least.
    fn lead(&self, mut line: MutexGuard<'_, Line>, durability: Durability) -> Leadership<'_> {
        line.leading = true;
        self.begins(durability);
        Leadership { queue: self, taken: Vec::new() }
    }

    /// Somebody leads, with a commit of this durability or with such a one taken along.
    fn begins(&self, durability: Durability) {
        self.soon_over.store(durability != Durability::Synced, Ordering::Relaxed);
    }

    /// Waits for one who leads and syncs nothing, but not for long. Such a commit is written in a
    /// microsecond or two; to fall asleep and be woken takes twenty, and when all do, each waits
    /// for the next to wake up.
    fn wait_awake(&self) {
        for _ in 0..YIELDS_MAX {
            for _ in 0..LOOKS {
                if !self.soon_over.load(Ordering::Relaxed) {
                    return;
                }
                std::hint::spin_loop();
            }
            std::thread::yield_now();
        }
    }

    /// Leadership at once, if nobody has it, for a commit of this durability.
    pub(super) fn try_lead(&self, durability: Durability) -> Option<Leadership<'_>> {
        let line = lock(&self.line);
        (!line.leading && !line.closed).then(|| self.lead(line, durability))
    }

    /// Puts a commit in line and goes on; the committer must be running.
    pub(super) fn submit(&self, batch: Batch, durability: Durability, done: Done) {
        let waiter = Waiter::Function(Mutex::new(Some(done)));
        let ticket = Arc::new(Ticket { batch, durability, waiter });
        let mut line = lock(&self.line);
        if line.closed {
            drop(line);
            return ticket.answer(Err(ErrorKind::Invalid("the store is closed").into()));
        }
        line.waiting.push_back(ticket);
        if !line.leading {
            self.call_committer(line);
        }
    }

    fn call_committer(&self, mut line: MutexGuard<'_, Line>) {
        line.called = true;
        drop(line);
        self.for_committer.notify_one();
    }

    /// What the committer waits for: leadership, or `None` once closed with nobody in line.
    pub(super) fn wait_to_lead(&self) -> Option<Leadership<'_>> {
        let mut line = lock(&self.line);
        loop {
            let called = std::mem::take(&mut line.called);
            if called && !line.leading && !line.waiting.is_empty() {
                return Some(self.lead(line, Durability::Flushed));
            }
            if line.closed && line.waiting.is_empty() {
                return None;
            }
            line = self.for_committer.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the committer, once nobody is in line.
    pub(super) fn close(&self) {
        lock(&self.line).closed = true;
        self.for_committer.notify_all();
    }
}

impl Leadership<'_> {
    /// Waits a little for as many commits as the last sync took along, where this one is synced,
    /// too: threads that write one record after the other are back soon, and come along.
    pub(super) fn wait_for_company(&self) {
        let expected = self.queue.company.load(Ordering::Relaxed);
        if expected == 0 || self.queue.soon_over.load(Ordering::Relaxed) {
            return;
        }
        let start = Instant::now();
        while lock(&self.queue.line).waiting.len() < expected && start.elapsed() < COMPANY_WAIT_MAX
        {
            std::thread::yield_now();
        }
    }

    /// Takes along those who wait.
    pub(super) fn take(&mut self) -> &[Arc<Ticket>] {
        let mut line = lock(&self.queue.line);
        let mut bytes = 0;
        while self.taken.len() < COMMITS_MAX
            && bytes < BYTES_MAX
            && let Some(ticket) = line.waiting.pop_front()
        {
            bytes += ticket.batch.bytes_max();
            if ticket.durability == Durability::Synced {
                self.queue.begins(Durability::Synced);
            }
            self.taken.push(ticket);
        }
        if !self.queue.soon_over.load(Ordering::Relaxed) {
            self.queue.company.store(self.taken.len(), Ordering::Relaxed);
        }
        &self.taken
    }

    /// Answers those who were taken along, in the order they were taken.
    pub(super) fn answer(&mut self, results: impl Iterator<Item = Result<Commit>>) {
        for (ticket, result) in self.taken.drain(..).zip(results) {
            ticket.answer(result);
        }
    }
}

impl Drop for Leadership<'_> {
    fn drop(&mut self) {
        // Left here only when the leader panicked: what became of them nobody knows.
        for ticket in self.taken.drain(..) {
            ticket.answer(Err(ErrorKind::Poisoned.into()));
        }
        let mut line = lock(&self.queue.line);
        line.leading = false;
        self.queue.soon_over.store(false, Ordering::Relaxed);
        match line.waiting.front() {
            Some(next) if !next.wake() => self.queue.call_committer(line),
            None if line.closed => self.queue.for_committer.notify_all(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

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
        assert!(!lock(&queue.line).leading && !queue.soon_over.into_inner());
    }

    #[test]
    fn only_a_leader_that_syncs_nothing_is_waited_for_awake() {
        let queue = Queue::default();
        let soon_over = || queue.soon_over.load(Ordering::Relaxed);
        let Some(mut leadership) = queue.try_lead(Durability::Flushed) else {
            panic!("nobody leads yet")
        };
        assert!(soon_over());
        queue.submit(batch(1), Durability::Synced, Box::new(|_| ()));
        queue.submit(batch(2), Durability::Flushed, Box::new(|_| ()));
        assert_eq!(leadership.take().len(), 2);
        assert!(!soon_over(), "a commit that was taken along is synced");
        leadership.answer([1, 2].into_iter().map(commit));

        queue.submit(batch(3), Durability::Flushed, Box::new(|_| ()));
        drop(leadership);
        assert!(!soon_over(), "nobody leads until the committer is awake");
        let Some(mut leadership) = queue.wait_to_lead() else { panic!("it was called") };
        assert_eq!(leadership.take().len(), 1);
        drop(leadership);
        assert!(!soon_over(), "nobody leads");
        let synced = queue.enter(&batch(4), Durability::Synced);
        assert!(synced.is_err() && !soon_over(), "who leads syncs");
    }

    #[test]
    fn a_sync_waits_for_as_many_as_the_last_one_took_along_and_not_for_ever() {
        let queue = Queue::default();
        let lead = |durability| {
            let Err(mut leadership) = queue.enter(&batch(1), durability) else {
                panic!("nobody leads yet")
            };
            let start = Instant::now();
            leadership.wait_for_company();
            let waited = start.elapsed();
            let taken = leadership.take().len();
            leadership.answer((0..taken as u64).map(commit));
            (taken, waited)
        };
        let submit = |n| queue.submit(batch(n), Durability::Synced, Box::new(|_| ()));
        submit(2);
        assert_eq!(lead(Durability::Synced).0, 1);
        // Who syncs nothing waits for nobody; one look may take long where others use the cores.
        let waits = |_| lead(Durability::Flushed).1 >= COMPANY_WAIT_MAX;
        assert!(!(0..1_000).all(waits), "as if it were synced");
        let (taken, waited) = lead(Durability::Synced);
        assert!(taken == 0 && waited >= COMPANY_WAIT_MAX, "nobody else came");
        submit(3);
        assert_eq!(lead(Durability::Synced).0, 1);
    }

    #[test]
    fn the_committer_leads_for_functions_and_ends_when_nobody_is_left() {
        let queue = Queue::default();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let committer = scope.spawn(|| {
                while let Some(mut leadership) = queue.wait_to_lead() {
                    let taken = leadership.take();
                    let numbers: Vec<_> = taken.iter().map(|t| number(&t.batch)).collect();
                    leadership.answer(numbers.into_iter().map(commit));
                }
            });
            // Threads in between lead too, and hand over to the committer.
            for round in 0..200 {
                for n in 0..5 {
                    let sender = sender.clone();
                    let done = move |result| drop(sender.send((n, result)));
                    queue.submit(batch(n), Durability::Flushed, Box::new(done));
                }
                match queue.enter(&batch(9), Durability::Flushed) {
                    Ok(answer) => assert_eq!(answer, commit(9), "round {round}"),
                    Err(leadership) => drop(leadership),
                }
            }
            queue.close();
            assert!(committer.join().is_ok());
        });
        drop(sender);
        let answers: Vec<_> = receiver.iter().collect();
        assert_eq!(answers.len(), 1_000);
        assert!(answers.into_iter().all(|(n, answer)| answer == commit(n)));
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
            assert_eq!(follower.join().ok(), Some(Err(ErrorKind::Poisoned.into())));
        });
        assert!(queue.enter(&batch(3), Durability::Flushed).is_err(), "nobody leads any more");
    }
}
