//! Writes of many connections, gathered into one batch.
//!
//! Connections of one thread that have something to write in the same turn of its loop share a
//! batch, as long as their writes depend on nothing: one commit is submitted for all of them, and
//! one answer comes back. Writes with conditions are submitted one by one; the store still writes
//! and syncs them together.

use std::sync::{Arc, Mutex, PoisonError};

use siltdb_core::{Batch, Commit, Durability};
use tokio::sync::{Notify, oneshot};

use super::txn::Txn;
use crate::server::Shared;
use crate::server::error::Failure;

/// What is larger goes by itself.
const BYTES_MAX: usize = 1 << 20;

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
}

impl Gather {
    /// Nothing waits yet. [`Gather::run`] must run.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, pending: Mutex::default(), come: Notify::new() }
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
        if durability.is_some() || txn.bytes() > BYTES_MAX || !txn.is_plain() {
            return self.commit_alone(txn, durability).await;
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            txn.take(&mut pending.batch);
            pending.waiting.push(sender);
        }
        self.come.notify_one();
        receiver.await.unwrap_or_else(|_| Err(Failure::stopping()))
    }

    async fn commit_alone(&self, txn: &mut Txn, durability: Option<Durability>) -> Answer {
        let (flushed, mut batch) = (txn.take_flushed(), Batch::new());
        txn.take(&mut batch);
        match flushed {
            Some(_held) => self.shared.flush(batch, durability).await,
            None => self.shared.write(batch, durability).await,
        }
    }

    /// Submits what was gathered, turn by turn. Tasks that are ready run before it is its turn, so
    /// that what they write comes along.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.come.notified().await;
            let Pending { batch, waiting } =
                std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
            if waiting.is_empty() {
                continue;
            }
            let (sender, receiver) = oneshot::channel();
            self.shared.submit(batch, None, move |result| {
                let _ = sender.send(result);
            });
            // The answers are given in this thread: the one that commits wakes it only once.
            tokio::spawn(async move {
                let answer: Answer = receiver.await.unwrap_or_else(|_| Err(Failure::stopping()));
                for sender in waiting {
                    // Who no longer waits needs no answer.
                    let _ = sender.send(answer.clone());
                }
            });
        }
    }
}
