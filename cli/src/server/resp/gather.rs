//! Writes of many connections, gathered into one batch.
//!
//! Connections of one thread that have something to write in the same turn of its loop share a
//! batch, as long as their writes depend on nothing: one commit is made for all of them, and one
//! answer comes back. It is made, and synced, in this thread, as Redis does: to wake another and be
//! woken again takes as long as a sync of a fast disk. Only where syncs are slow and others read
//! meanwhile it is submitted, as it is while another thread writes. Writes with conditions are
//! submitted one by one; the store still writes and syncs them together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use siltdb_core::{Batch, Commit, Durability};
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

use super::txn::Txn;
use crate::server::Shared;
use crate::server::error::Failure;

/// What is larger goes by itself, and so does what comes once so much is gathered.
const BYTES_MAX: usize = 1 << 20;

/// A sync that takes longer is slow: to hand it over costs little beside it.
const SLOW: Duration = Duration::from_micros(500);

type Answer = Result<Commit, Failure>;

#[derive(Debug, Default)]
struct Pending {
    batch: Batch,
    waiting: Vec<oneshot::Sender<Answer>>,
}

/// The writes of the connections of one thread.
#[derive(Debug)]
pub struct Gather {
    shared: Arc<Shared>,
    pending: Mutex<Pending>,
    come: Notify,
    /// Somebody read since the last commit.
    has_reads: AtomicBool,
    /// The last commit was slow.
    is_slow: AtomicBool,
}

impl Gather {
    /// Nothing waits yet. [`Gather::run`] must run.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            pending: Mutex::default(),
            come: Notify::new(),
            has_reads: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what was written; its reads are its conditions. Where nothing was written, it makes
    /// sure that what was read is of one moment.
    pub async fn commit(
        &self,
        txn: &mut Txn,
        durability: Option<Durability>,
    ) -> Result<Option<Commit>, Failure> {
        if txn.has_writes() {
            return self.write(txn, durability).await.map(Some);
        }
        if txn.has_changed()? {
            return Err(Failure::new("SILT_CONDITION_FAILED", ""));
        }
        Ok(None)
    }

    async fn write(&self, txn: &mut Txn, durability: Option<Durability>) -> Answer {
        if let Some(error) = txn.too_large() {
            return Err(error.clone().into());
        }
        let is_fit = durability.is_none() && txn.bytes() <= BYTES_MAX && txn.is_plain();
        match is_fit.then(|| self.join(txn)).flatten() {
            Some(answer) => answer.await.unwrap_or_else(|_| Err(Failure::stopping())),
            None => self.commit_alone(txn, durability).await,
        }
    }

    /// Adds to what is gathered, if there is room.
    fn join(&self, txn: &mut Txn) -> Option<oneshot::Receiver<Answer>> {
        let mut pending = self.pending();
        if pending.batch.bytes_max() > BYTES_MAX {
            return None;
        }
        txn.take(&mut pending.batch);
        let (sender, receiver) = oneshot::channel();
        pending.waiting.push(sender);
        self.come.notify_one();
        Some(receiver)
    }

    async fn commit_alone(&self, txn: &mut Txn, durability: Option<Durability>) -> Answer {
        let (flushed, mut batch) = (txn.take_flushed(), Batch::new());
        txn.take(&mut batch);
        match flushed {
            Some(_held) => self.shared.flush(batch, durability).await,
            None => self.shared.write(batch, durability).await,
        }
    }

    /// Notes that a connection was served that waits for no commit.
    pub fn note_read(&self) {
        self.has_reads.store(true, Ordering::Relaxed);
    }

    /// Commits what was gathered, turn by turn. Tasks that are ready run before it is its turn, so
    /// that what they write comes along.
    pub async fn run(self: Arc<Self>) {
        let syncs = self.shared.config.options.durability == Durability::Synced;
        loop {
            self.come.notified().await;
            if syncs {
                self.wait_for_more().await;
            }
            let Pending { batch, waiting } = std::mem::take(&mut *self.pending());
            if waiting.is_empty() {
                continue;
            }
            let begun = Instant::now();
            let is_in_the_way = self.has_reads.swap(false, Ordering::Relaxed)
                && self.is_slow.load(Ordering::Relaxed);
            if syncs
                && !is_in_the_way
                && let Some(answer) = self.shared.try_write(&batch)
            {
                self.answer(waiting, &answer, begun);
                continue;
            }
            let (sender, mut receiver) = oneshot::channel();
            self.shared.submit(batch, None, move |result| {
                let _ = sender.send(result);
            });
            // What needs no sync is done by now, unless it is large or another thread writes.
            if let Ok(answer) = receiver.try_recv() {
                self.answer(waiting, &answer, begun);
                continue;
            }
            let gather = Arc::clone(&self);
            // The answers are given in this thread: the one that commits wakes it only once.
            tokio::spawn(async move {
                let answer = receiver.await.unwrap_or_else(|_| Err(Failure::stopping()));
                gather.answer(waiting, &answer, begun);
            });
        }
    }

    /// Lets connections read what has come, as long as that brings more to be written: a sync is
    /// better shared by many.
    async fn wait_for_more(&self) {
        let mut seen = 0;
        loop {
            let count = self.pending().waiting.len();
            if count == seen {
                return;
            }
            seen = count;
            yield_now().await;
        }
    }

    fn answer(&self, waiting: Vec<oneshot::Sender<Answer>>, answer: &Answer, begun: Instant) {
        self.is_slow.store(begun.elapsed() > SLOW, Ordering::Relaxed);
        for sender in waiting {
            // Who no longer waits needs no answer.
            let _ = sender.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use siltdb_core::Options;

    use super::*;
    use crate::Store;
    use crate::server::Config;
    use crate::server::auth::Auth;

    /// Runs `test` on the loop of a server whose writes are synced.
    fn on_a_loop<F: Future<Output = ()>>(test: impl FnOnce(Arc<Gather>) -> F) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("db"), Options::default()).unwrap();
        let config = Config::new(dir.path().join("db"));
        let shared = Arc::new(Shared::new(store.into(), config, Auth::default(), None));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let gather = Arc::new(Gather::new(shared));
            tokio::spawn(Arc::clone(&gather).run());
            let store = gather.shared.store.clone();
            test(gather).await;
            store.close().await.unwrap();
        });
    }

    fn set(gather: &Arc<Gather>, key: String, len: usize) -> tokio::task::JoinHandle<Answer> {
        let gather = Arc::clone(gather);
        tokio::spawn(async move {
            let mut txn = Txn::new(gather.shared.store.store().clone(), 1 << 20);
            txn.set(key.as_bytes(), vec![b'v'; len], None).unwrap();
            gather.write(&mut txn, None).await
        })
    }

    #[test]
    fn writes_share_a_sync_which_is_made_here_unless_it_is_slow_and_others_read() {
        on_a_loop(|gather| async move {
            let store = gather.shared.store.store().clone();
            let (sender, threads) = mpsc::channel();
            let _listening =
                store.on_commit(move |_| sender.send(std::thread::current().id()).unwrap());
            let cases = [(false, false), (true, false), (false, true), (true, true)];
            for (groups, (is_slow, has_reads)) in (1..).zip(cases) {
                // Nobody else writes any more.
                store.write(&Batch::new(), Some(Durability::Flushed)).unwrap();
                gather.is_slow.store(is_slow, Ordering::Relaxed);
                gather.has_reads.store(has_reads, Ordering::Relaxed);
                let sets: Vec<_> = (0..50).map(|i| set(&gather, i.to_string(), 100)).collect();
                for set in sets {
                    assert_eq!(set.await.unwrap().unwrap().durability, Durability::Synced);
                }
                let stats = store.stats().unwrap();
                assert_eq!((stats.commits, stats.syncs), (groups, groups));
                let here = threads.recv().unwrap() == std::thread::current().id();
                assert_eq!(here, !(is_slow && has_reads));
            }
        });
    }

    #[test]
    fn the_loop_goes_on_while_another_thread_writes() {
        on_a_loop(|gather| async move {
            // Whoever writes is held up by its first answer.
            let ((is_up, held_up), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
            gather.shared.submit(Batch::new(), None, move |_| {
                is_up.send(()).unwrap();
                let _ = gone.recv_timeout(Duration::from_secs(60));
            });
            held_up.recv().unwrap();
            let begun = Instant::now();
            let set = set(&gather, String::from("k"), 100);
            for _ in 0..100 {
                yield_now().await;
            }
            assert!(!set.is_finished() && begun.elapsed() < Duration::from_secs(55));
            drop(go);
            assert!(set.await.unwrap().is_ok());
        });
    }

    #[test]
    fn many_large_writes_at_once_are_more_than_one_batch() {
        on_a_loop(|gather| async move {
            let sets: Vec<_> = (0..40).map(|i| set(&gather, i.to_string(), 1_000_000)).collect();
            for set in sets {
                assert!(set.await.unwrap().is_ok());
            }
        });
    }
}
