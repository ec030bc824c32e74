//! Where requests go that got into each other's way.
//!
//! A counter that all add to would otherwise be written once by every commit: of all that read the
//! same value one wins, and the others begin again. Here they stand in line by the key, and
//! whoever is first runs all that wait on one transaction, each seeing what the one before it
//! wrote, and commits once for all.

use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use siltdb_core::Durability;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use super::dispatch::{Work, run_data};
use super::gather::Gather;
use super::session::Queued;
use super::spec::Spec;
use super::state::Resp;
use super::txn::Txn;

const LANES: usize = 256;
/// Most requests that share a commit.
const TOGETHER_MAX: usize = 512;

/// A request that waits, with what it works on.
struct Waiting {
    work: Box<Work>,
    spec: &'static Spec,
    request: Queued,
    done: oneshot::Sender<Box<Work>>,
}

#[derive(Default)]
struct Lane {
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the one that runs them.
    lead: AsyncMutex<()>,
}

/// All lanes; a key has one of them.
pub struct Lanes {
    all: Vec<Lane>,
    hasher: foldhash::fast::RandomState,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").finish_non_exhaustive()
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            all: std::iter::repeat_with(Lane::default).take(LANES).collect(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }
}

impl Lanes {
    fn of(&self, key: &[u8]) -> &Lane {
        &self.all[self.hasher.hash_one(key) as usize % LANES]
    }

    /// Waits for the turn of a key, for those that do not run together with others.
    pub async fn turn(&self, key: &[u8]) -> tokio::sync::MutexGuard<'_, ()> {
        self.of(key).lead.lock().await
    }
}

/// Runs a request together with the others on its key; all of it is committed when this returns.
/// `None` when it was lost with the one that ran it.
pub async fn run(
    resp: &Resp,
    gather: &Gather,
    spec: &'static Spec,
    request: Queued,
    work: Box<Work>,
) -> Option<Box<Work>> {
    let lane = resp.lanes.of(request.args().get(1));
    let (done, mut answer) = oneshot::channel();
    let waiting = Waiting { work, spec, request, done };
    lane.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    loop {
        let lead = lane.lead.lock().await;
        if let Ok(work) = answer.try_recv() {
            return Some(work);
        }
        let mut together = {
            let mut waiting = lane.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.len().min(TOGETHER_MAX);
            waiting.drain(..count).collect::<Vec<_>>()
        };
        if together.is_empty() {
            return None;
        }
        if run_together(resp, gather, &mut together).await.is_err() {
            for waiting in together.chunks_mut(1) {
                // One by itself is told what is wrong.
                let _ = run_together(resp, gather, waiting).await;
            }
        }
        drop(lead);
        for waiting in together {
            // Who is gone needs no answer.
            let _ = waiting.done.send(waiting.work);
        }
    }
}

/// What they write together is larger than a commit may be; nothing was done.
struct TooLarge;

async fn run_together(
    resp: &Resp,
    gather: &Gather,
    together: &mut [Waiting],
) -> Result<(), TooLarge> {
    let default = resp.shared.config.options.durability;
    let level = |waiting: &Waiting| waiting.work.session.durability.unwrap_or(default);
    let strongest: Durability = together.iter().map(level).max().unwrap_or(default);
    let durability = (strongest != default).then_some(strongest);
    let before: Vec<usize> = together.iter().map(|waiting| waiting.work.out.waiting()).collect();
    let mut txn = Txn::new(resp.shared.store.store().clone(), resp.shared.config.value_len_max);
    loop {
        for waiting in &mut *together {
            std::mem::swap(&mut txn, &mut waiting.work.txn);
            run_data(resp, waiting.spec, waiting.request.args(), &mut waiting.work);
            std::mem::swap(&mut txn, &mut waiting.work.txn);
        }
        let failure = match gather.commit(&mut txn, durability).await {
            Ok(commit) => {
                for waiting in &mut *together {
                    waiting.work.session.last_commit = commit.or(waiting.work.session.last_commit);
                }
                return Ok(());
            }
            Err(failure) => failure,
        };
        txn.reset(false);
        for (waiting, before) in together.iter_mut().zip(&before) {
            waiting.work.out.truncate(*before);
        }
        match failure.code {
            "SILT_CONDITION_FAILED" => {}
            "SILT_BATCH_TOO_LARGE" if together.len() > 1 => return Err(TooLarge),
            _ => {
                let text = failure.resp_text();
                together.iter_mut().for_each(|waiting| waiting.work.out.error(&text));
                return Ok(());
            }
        }
    }
}
