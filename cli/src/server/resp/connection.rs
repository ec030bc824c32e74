//! One connection: reads what has come, runs all requests in it in order, commits what they wrote,
//! and sends all replies in one go.
//!
//! Requests that come together share a commit as long as they only touch keys. When a condition of
//! that commit does not hold (another wrote a key in between that one of them had read), what they
//! answered is thrown away and they are run again, one by one, taking turns with others that got
//! into each other's way. A reply is sent only once all that came before it is committed.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use super::awake::{Awake, after_others};
use super::commands::table::find;
use super::dispatch::{Todo, Work, dispatch, for_lane, run_data};
use super::gather::Gather;
use super::lanes;
use super::parser::{Bounds, Parsed, Parser};
use super::reply::Reply;
use super::session::{Queued, Session};
use super::spec::Spec;
use super::state::Resp;
use super::txn::Txn;
use super::watch::Watched;
use crate::server::budget::Held;
use crate::server::conn::Conn;
use crate::server::{Protocol, limits};

/// Replies are sent once there are so many bytes of them, even with more requests to run.
const SEND_LEN: usize = 1 << 20;
/// What was written is committed once it has so many bytes, or keys.
const COMMIT_LEN: usize = 1 << 20;
const COMMIT_KEYS: usize = 4_096;
/// After a condition failed so many requests do not try it by themselves first.
const WARY: u32 = 64;

/// A connection.
pub struct Connection {
    pub(super) conn: Conn,
    pub(super) resp: Arc<Resp>,
    pub(super) gather: Arc<Gather>,
    awake: Arc<Awake>,
    pub(super) parser: Parser,
    pub(super) input: Vec<u8>,
    pub(super) held: Held,
    /// Where the next request begins.
    pub(super) start: usize,
    /// Where requests begin whose writes are not committed, and their replies.
    pub(super) committed: (usize, usize),
    /// Requests since then.
    pending: usize,
    /// Up to here requests are run one by one.
    pub(super) careful_to: usize,
    /// So many requests more go to the lanes at once, if they come alone.
    wary: u32,
}

/// What comes after a request.
pub enum Next {
    /// The next one.
    Go,
    /// The end of the connection, once all replies are sent.
    Close,
}

impl Connection {
    /// Serves a connection to its end.
    pub async fn serve(conn: Conn, resp: Arc<Resp>, gather: Arc<Gather>, awake: Arc<Awake>) {
        let (held, out) = (resp.shared.budget.nothing(), Reply::new(&resp.shared.budget));
        let end = resp.shared.stop.child_token();
        let id = conn.info().id;
        let client = resp.clients.add(id, conn.peer(), resp.local, end);
        let access = resp.shared.auth.without_token().ok();
        let watched = Watched::new(&resp.shared.budget);
        let store = resp.shared.store.store().clone();
        let txn = Txn::new(store, resp.shared.config.value_len_max);
        let work = Box::new(Work { session: Session::new(client, access, watched), txn, out });
        let connection = Self {
            conn,
            resp: Arc::clone(&resp),
            gather,
            awake,
            parser: Parser::default(),
            input: Vec::new(),
            held,
            start: 0,
            committed: (0, 0),
            pending: 0,
            careful_to: 0,
            wary: 0,
        };
        if let Err(error) = connection.run(work).await {
            tracing::debug!(protocol = "resp", %error, "a connection ended");
        }
        resp.clients.remove(id);
    }

    async fn run(mut self, mut work: Box<Work>) -> io::Result<()> {
        let mut end = pin!(work.session.client.end.clone().cancelled_owned());
        loop {
            if !self.read(&work, end.as_mut()).await? {
                return Ok(());
            }
            let commit = work.session.last_commit;
            let next;
            (work, next) = self.run_requests(work).await?;
            self.awake.note();
            if work.session.last_commit == commit {
                self.gather.note_read();
                // Those whose writes are committed together are answered together. Here it is so
                // for reads: all that came are done before replies go out, so that a peer of many
                // connections finds several at once. It saves its time, 2 to 4 % of gets.
                after_others().await;
            }
            self.send(&mut work).await?;
            if matches!(next, Next::Close) {
                return self.close().await;
            }
        }
    }

    fn bounds(&self, work: &Work) -> Bounds {
        if work.session.access().is_none() {
            let len = limits::UNKNOWN_BYTES_MAX;
            return Bounds { bulk_len_max: len, request_len_max: len, is_unknown: true };
        }
        Bounds {
            bulk_len_max: self.resp.shared.config.value_len_max,
            request_len_max: limits::BATCH_BYTES_MAX,
            is_unknown: false,
        }
    }

    /// Runs every whole request there is.
    async fn run_requests(&mut self, mut work: Box<Work>) -> io::Result<(Box<Work>, Next)> {
        let begun = Instant::now();
        loop {
            let bounds = self.bounds(&work);
            let input = self.input.get(self.start..).unwrap_or_default();
            let len = match self.parser.parse(input, &bounds) {
                Ok(Parsed::Request(len)) => len,
                Ok(Parsed::Nothing(len)) => {
                    self.take_request(len);
                    continue;
                }
                Ok(Parsed::Incomplete) => {
                    if self.commit(&mut work).await {
                        return Ok((work, Next::Go));
                    }
                    continue;
                }
                Err(error) => {
                    if self.commit(&mut work).await {
                        work.out.error(&error.0);
                        return Ok((work, Next::Close));
                    }
                    continue;
                }
            };
            let args = self.parser.args(input);
            let is_careful = self.start < self.careful_to;
            let is_single = self.pending == 0 && input.len() == len;
            if (is_careful || (self.wary > 0 && is_single))
                && let Some(spec) = for_lane(&self.resp, args, &mut work, begun)
            {
                work = self.run_in_lane(work, spec, len).await?;
                continue;
            }
            let todo = dispatch(&self.resp, args, &mut work, begun);
            if matches!(todo, Todo::Nothing) {
                self.take_request(len);
                self.pending += 1;
                if work.txn.bytes() > COMMIT_LEN || work.txn.known() > COMMIT_KEYS {
                    self.commit(&mut work).await;
                }
            } else {
                let next;
                (work, next) = self.finish(work, todo, len).await?;
                if matches!(next, Next::Close) {
                    return Ok((work, next));
                }
            }
            if is_careful {
                self.commit(&mut work).await;
            }
            if work.out.waiting() > SEND_LEN && self.commit(&mut work).await {
                self.send(&mut work).await?;
            }
        }
    }

    /// Runs a request together with those of others on its key.
    async fn run_in_lane(
        &mut self,
        work: Box<Work>,
        spec: &'static Spec,
        len: usize,
    ) -> io::Result<Box<Work>> {
        let begun = Instant::now();
        let input = self.input.get(self.start..).unwrap_or_default();
        let request = Queued::of(self.parser.args(input));
        self.take_request(len);
        self.wary = self.wary.saturating_sub(1);
        let before = work.out.waiting();
        let work = lanes::run(&self.resp, &self.gather, spec, request, work).await;
        let work = work.ok_or_else(|| io::Error::other("the server ends"))?;
        let is_ok = work.out.bytes().get(before) != Some(&b'-');
        self.resp.shared.metrics.request(Protocol::Resp, spec.op(), begun.elapsed(), is_ok);
        self.committed = (self.start, work.out.waiting());
        Ok(work)
    }

    fn take_request(&mut self, len: usize) {
        self.start += len;
        self.parser.reset();
    }

    /// Does what a request needs besides; what came before it is committed first.
    async fn finish(
        &mut self,
        mut work: Box<Work>,
        todo: Todo,
        len: usize,
    ) -> io::Result<(Box<Work>, Next)> {
        if matches!(todo, Todo::Nothing) {
            self.take_request(len);
            self.pending += 1;
            return Ok((work, Next::Go));
        }
        if !self.commit(&mut work).await {
            return Ok((work, Next::Go));
        }
        let input = self.input.get(self.start..).unwrap_or_default();
        let request = Queued::of(self.parser.args(input));
        self.take_request(len);
        let (begun, spec) = (Instant::now(), find(request.args().get(0)));
        let before = work.out.waiting();
        let next;
        (work, next) = match todo {
            Todo::Nothing => (work, Next::Go),
            Todo::Close => (work, Next::Close),
            Todo::Alone(alone) => self.run_alone(work, alone, request).await?,
            Todo::Slow(spec) if spec.name.starts_with("flush") => {
                (self.flush(work, spec, request).await?, Next::Go)
            }
            Todo::Slow(spec) => (self.run_slow(work, spec, request).await?, Next::Go),
        };
        self.committed = (self.start, work.out.waiting());
        if let Some(spec) = spec {
            let is_ok = work.out.bytes().get(before) != Some(&b'-');
            let metrics = &self.resp.shared.metrics;
            metrics.request(Protocol::Resp, spec.op(), begun.elapsed(), is_ok);
        }
        Ok((work, next))
    }

    /// Runs a command in a thread for blocking work.
    async fn run_slow(
        &mut self,
        mut work: Box<Work>,
        spec: &'static Spec,
        request: Queued,
    ) -> io::Result<Box<Work>> {
        let permit = match self.resp.shared.long_read() {
            Ok(permit) => permit,
            Err(busy) => {
                work.out.error(&busy.resp_text());
                return Ok(work);
            }
        };
        let resp = Arc::clone(&self.resp);
        let mut work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            run_data(&resp, spec, request.args(), &mut work);
            work
        })
        .await
        .map_err(io::Error::other)?;
        work.txn.reset(false);
        Ok(work)
    }

    /// Commits what requests wrote since the last commit; `false` when they must be run again.
    pub(super) async fn commit(&mut self, work: &mut Work) -> bool {
        let result = self.gather.commit(&mut work.txn, work.session.durability).await;
        work.txn.reset(false);
        let (start, out_len) = self.committed;
        match result {
            Ok(commit) => work.session.last_commit = commit.or(work.session.last_commit),
            Err(failure) if failure.code == "SILT_CONDITION_FAILED" => {
                work.out.truncate(out_len);
                self.careful_to = self.careful_to.max(self.start);
                self.wary = WARY;
                self.start = start;
                self.parser.reset();
                self.pending = 0;
                return false;
            }
            Err(failure) => {
                // Nothing of it was done: that is what each of them is told.
                work.out.truncate(out_len);
                let text = failure.resp_text();
                (0..self.pending).for_each(|_| work.out.error(&text));
            }
        }
        self.committed = (self.start, work.out.waiting());
        self.pending = 0;
        true
    }
}
