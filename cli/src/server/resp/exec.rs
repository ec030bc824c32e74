//! EXEC: the queued requests as one commit, with what they read and what is watched as conditions.

use std::io;
use std::sync::Arc;

use super::commands::table::find;
use super::connection::Connection;
use super::dispatch::{Work, run_data};
use super::reply::Trouble;
use super::session::Multi;
use super::spec::Run;
use super::watch::Watched;

/// What became of one attempt.
enum Tried {
    Done,
    /// A watched key has changed.
    Changed,
    /// Something else that was read has changed: it is run again.
    Again,
    Failed(Trouble),
}

impl Connection {
    /// Runs what was queued, all or nothing.
    pub(super) async fn exec(&mut self, mut work: Box<Work>) -> io::Result<Box<Work>> {
        let Some(multi) = work.session.multi.take() else {
            work.out.error("ERR EXEC without MULTI");
            return Ok(work);
        };
        let unwatched = Watched::new(&self.resp.shared.budget);
        let watched = Arc::new(std::mem::replace(&mut work.session.watched, unwatched));
        if multi.is_aborted {
            work.out.error("EXECABORT Transaction discarded because of previous errors.");
            return Ok(work);
        }
        match watched.has_changed(work.txn.store()) {
            Ok(false) => {}
            Ok(true) => {
                work.out.null_array();
                return Ok(work);
            }
            Err(failure) => {
                work.out.error(&failure.resp_text());
                return Ok(work);
            }
        }
        let multi = Arc::new(multi);
        let before = work.out.waiting();
        let is_slow = |args: super::parser::Args<'_>| {
            find(args.get(0)).is_some_and(|spec| matches!(spec.run, Run::Slow(_)))
        };
        let is_slow = multi.queue.iter().any(|queued| is_slow(queued.args()));
        let resp = Arc::clone(&self.resp);
        // Those that got into each other's way take turns.
        let mut turn = None;
        loop {
            if is_slow {
                work = match self.run_aside(work, &multi, &watched).await? {
                    Ok(work) => work,
                    Err(work) => return Ok(work),
                };
            } else {
                run_queue(&self.resp, &multi, &watched, &mut work);
            }
            let tried = self.try_commit(&mut work, &watched).await;
            if !matches!(tried, Tried::Done) {
                work.out.truncate(before);
            }
            match tried {
                Tried::Done => break,
                Tried::Changed => {
                    work.out.null_array();
                    break;
                }
                Tried::Failed(trouble) => {
                    work.out.error(&trouble.0);
                    break;
                }
                Tried::Again => {
                    drop(turn.take());
                    let key = multi.queue.first().map_or(&b""[..], |queued| queued.args().get(1));
                    turn = Some(resp.lanes.turn(key).await);
                }
            }
        }
        work.txn.reset(false);
        Ok(work)
    }

    /// Runs the queue in a thread for blocking work; `Err` when no thread is left for that.
    async fn run_aside(
        &self,
        mut work: Box<Work>,
        multi: &Arc<Multi>,
        watched: &Arc<Watched>,
    ) -> io::Result<Result<Box<Work>, Box<Work>>> {
        let permit = match self.resp.shared.long_read() {
            Ok(permit) => permit,
            Err(busy) => {
                work.out.error(&busy.resp_text());
                return Ok(Err(work));
            }
        };
        let (resp, multi) = (Arc::clone(&self.resp), Arc::clone(multi));
        let watched = Arc::clone(watched);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            run_queue(&resp, &multi, &watched, &mut work);
            work
        });
        done.await.map(Ok).map_err(io::Error::other)
    }

    async fn try_commit(&self, work: &mut Work, watched: &Watched) -> Tried {
        match self.gather.commit(&mut work.txn, work.session.durability).await {
            Ok(commit) => {
                work.session.last_commit = commit.or(work.session.last_commit);
                Tried::Done
            }
            Err(failure) if failure.code == "SILT_CONDITION_FAILED" => {
                match watched.has_changed(work.txn.store()) {
                    Ok(true) => Tried::Changed,
                    Ok(false) => Tried::Again,
                    Err(failure) => Tried::Failed(failure.into()),
                }
            }
            Err(failure) => Tried::Failed(failure.into()),
        }
    }
}

/// Runs the queue on an empty transaction.
fn run_queue(resp: &super::state::Resp, multi: &Multi, watched: &Watched, work: &mut Work) {
    work.txn.reset(true);
    for (key, seq) in watched.keys() {
        work.txn.require(key, seq);
    }
    work.out.array(multi.queue.len());
    for queued in &multi.queue {
        let args = queued.args();
        match find(args.get(0)) {
            Some(spec) => drop(run_data(resp, spec, args, work)),
            // Only what is found is queued.
            None => work.out.error("ERR unknown command"),
        }
    }
}
