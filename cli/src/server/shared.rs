//! What all protocols share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::limits::SEQ_MAX;
use siltdb_core::{Batch, Commit, Durability, Record};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::Auth;
use super::budget::{Budget, Uncounted};
use super::error::Failure;
use super::metrics::Metrics;
use super::slots::Slots;
use super::tls::Tls;
use super::{Config, limits};
use crate::{AsyncStore, Store};

/// The store, and what the server knows and limits.
#[derive(Debug)]
pub struct Shared {
    /// The store. Writes go through [`Shared::write`] or [`Shared::submit`].
    pub store: AsyncStore,
    /// What the server was told to do.
    pub config: Config,
    /// Tokens.
    pub auth: Auth,
    /// Certificates, if connections are by TLS.
    pub tls: Option<Tls>,
    /// Counters.
    pub metrics: Metrics,
    /// Memory of requests and replies.
    pub budget: Arc<Budget>,
    /// Cancelled when the server stops: nothing new is begun, and feeds end.
    pub stop: CancellationToken,
    /// Cancelled when what is under way had time enough to end.
    pub cut: CancellationToken,
    /// What stopping waits for.
    pub tasks: TaskTracker,
    pub(super) slots: Arc<Slots>,
    pub(super) failed: Notify,
    writes: Arc<AtomicUsize>,
    long_reads: Arc<Semaphore>,
    feeds: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(store: AsyncStore, config: Config, auth: Auth, tls: Option<Tls>) -> Self {
        Self {
            store,
            auth,
            tls,
            metrics: Metrics::default(),
            budget: Budget::new(limits::BUFFERED_BYTES_MAX),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
            slots: Slots::new(config.connections, config.connections_per_address),
            failed: Notify::new(),
            writes: Arc::default(),
            long_reads: Arc::new(Semaphore::new(limits::LONG_READS_MAX)),
            feeds: Arc::new(Semaphore::new(limits::FEEDS_MAX)),
            config,
        }
    }

    /// Whether the store can no longer write.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.store.store().is_poisoned()
    }

    /// Whether requests that read and write can be served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_poisoned() && !self.stop.is_cancelled()
    }

    /// Reads tokens and certificates again, as SIGHUP asks for; what is not right with a file is
    /// logged, and the old ones stay in use.
    pub fn reload(&self) {
        if self.tls.is_none() && !self.auth.is_on() {
            tracing::info!("asked to read files again, but there are no tokens and certificates");
        }
        if self.auth.is_on() {
            match self.auth.reload() {
                Ok(()) => tracing::info!("tokens were read again"),
                Err(error) => tracing::error!(error, "the old tokens stay in use"),
            }
        }
        self.reload_tls();
    }

    pub(super) fn reload_tls(&self) {
        match self.tls.as_ref().map(Tls::reload) {
            None => {}
            Some(Ok(())) => tracing::info!("certificates were read again"),
            Some(Err(error)) => tracing::error!(error, "the old certificates stay in use"),
        }
    }

    /// Writes waiting for the log now.
    #[must_use]
    pub fn writes_waiting(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// The record of a key, of now or as of a moment, and leave to hold it until it is counted.
    ///
    /// # Errors
    /// What the store says.
    pub async fn record(
        &self,
        key: &[u8],
        as_of: Option<u64>,
    ) -> Result<(Option<Record>, Option<Uncounted<'_>>), Error> {
        // Those of now are read by the few threads of the runtime, and counted there at once.
        let uncounted = match as_of {
            Some(_) => Some(self.budget.uncounted().await),
            None => None,
        };
        Ok((self.store.get_record(key, as_of).await?, uncounted))
    }

    /// Commits a batch, and waits for the durability asked for.
    ///
    /// # Errors
    /// What the store says; `SILT_READ_ONLY`; `SILT_BUSY` when too many writes wait.
    pub async fn write(
        self: &Arc<Self>,
        batch: Batch,
        durability: Option<Durability>,
    ) -> Result<Commit, Failure> {
        self.write_up_to(limits::BATCH_BYTES_MAX, batch, durability).await
    }

    /// As [`Shared::write`], of deletes that the server collected itself: they may take more than
    /// a peer can send.
    ///
    /// # Errors
    /// As [`Shared::write`].
    pub async fn flush(
        self: &Arc<Self>,
        deletes: Batch,
        durability: Option<Durability>,
    ) -> Result<Commit, Failure> {
        self.write_up_to(limits::FLUSH_BYTES_MAX, deletes, durability).await
    }

    async fn write_up_to(
        self: &Arc<Self>,
        bytes_max: usize,
        batch: Batch,
        durability: Option<Durability>,
    ) -> Result<Commit, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.submit_up_to(bytes_max, batch, durability, move |result| {
            // Nobody waits any more: the commit stands all the same.
            let _ = sender.send(result);
        });
        receiver.await.unwrap_or_else(|_| Err(Failure::stopping()))
    }

    /// Commits a batch in this thread, unless another thread is writing: then nothing is done, and
    /// there is no answer. It waits for the disk, so nothing else may wait for this thread.
    pub fn try_write(&self, batch: &Batch) -> Option<Result<Commit, Failure>> {
        if let Err(failure) = self.check_write(batch, limits::BATCH_BYTES_MAX) {
            return Some(Err(failure));
        }
        let result = self.store.store().try_write(batch, None)?;
        self.note_failure(&result);
        Some(result.map_err(Failure::from))
    }

    /// Commits a batch and calls `done`, from another thread or from this one. It is short and
    /// does not use the store.
    pub fn submit(
        self: &Arc<Self>,
        batch: Batch,
        durability: Option<Durability>,
        done: impl FnOnce(Result<Commit, Failure>) + Send + 'static,
    ) {
        self.submit_up_to(limits::BATCH_BYTES_MAX, batch, durability, done);
    }

    fn submit_up_to(
        self: &Arc<Self>,
        bytes_max: usize,
        batch: Batch,
        durability: Option<Durability>,
        done: impl FnOnce(Result<Commit, Failure>) + Send + 'static,
    ) {
        if let Err(failure) = self.check_write(&batch, bytes_max) {
            return done(Err(failure));
        }
        let before = self.writes.fetch_add(1, Ordering::Relaxed);
        if before >= limits::WRITES_WAITING_MAX {
            self.writes.fetch_sub(1, Ordering::Relaxed);
            return done(Err(Failure::busy("too many writes are waiting")));
        }
        let shared = Arc::clone(self);
        self.store.store().submit(batch, durability, move |result| {
            shared.writes.fetch_sub(1, Ordering::Relaxed);
            shared.note_failure(&result);
            done(result.map_err(Failure::from));
        });
    }

    /// Tells who watches for it when the store may be unable to write from here on.
    fn note_failure(&self, result: &Result<Commit, Error>) {
        let kind = result.as_ref().map_err(Error::kind);
        if let Err(ErrorKind::Storage(_) | ErrorKind::Poisoned) = kind {
            self.failed.notify_one();
        }
    }

    fn check_write(&self, batch: &Batch, max: usize) -> Result<(), Failure> {
        if self.config.read_only {
            return Err(Failure::read_only());
        }
        if batch.bytes_max() > max && batch.len() > 1 {
            let size = batch.bytes_max();
            return Err(ErrorKind::BatchTooLarge { size, max }.into());
        }
        let max = self.config.value_len_max;
        for operation in batch.operations() {
            let len = operation.value.as_ref().map_or(0, Vec::len);
            if len > max {
                return Err(ErrorKind::ValueTooLong { len, max }.into());
            }
        }
        Ok(())
    }

    /// Runs what may take long in a thread of its own.
    ///
    /// # Errors
    /// What the store says; `SILT_BUSY` when too many are running.
    pub async fn long<T, F>(&self, run: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    {
        let permit = self.long_read()?;
        let store = self.store.store().clone();
        let done = spawn_blocking(move || {
            let _permit = permit;
            run(&store)
        });
        done.await.map_err(|_| Failure::stopping())?.map_err(Failure::from)
    }

    /// Leave to run something that takes a thread for a while.
    ///
    /// # Errors
    /// `SILT_BUSY` when too many are running.
    pub fn long_read(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.long_reads)
            .try_acquire_owned()
            .map_err(|_| Failure::busy("too many scans and the like are running"))
    }

    /// Leave to run a change feed.
    ///
    /// # Errors
    /// `SILT_BUSY` when too many are running.
    pub fn feed(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.feeds)
            .try_acquire_owned()
            .map_err(|_| Failure::busy("too many change feeds are running"))
    }
}

/// When something expires that lasts so many microseconds from now on.
///
/// # Errors
/// That is too far away.
pub fn expiry(ttl_us: u64) -> Result<u64, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let now = u64::try_from(now).unwrap_or(SEQ_MAX);
    now.checked_add(ttl_us)
        .filter(|expires| ttl_us > 0 && *expires <= SEQ_MAX)
        .ok_or_else(|| Failure::input("the time to live is 0 or too great"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use siltdb_core::Options;

    use super::*;

    fn shared(dir: &std::path::Path) -> Arc<Shared> {
        let store = Store::open(dir.join("db"), Options::default()).unwrap();
        let config = Config::new(dir.join("db"));
        Arc::new(Shared::new(store.into(), config, Auth::default(), None))
    }

    fn is_busy<T>(result: Result<T, Failure>) -> bool {
        result.err().is_some_and(|failure| failure.code == "SILT_BUSY")
    }

    #[test]
    fn writes_that_wait_are_few_enough_and_the_others_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(dir.path());
        let write = |done: Box<dyn FnOnce(Result<Commit, Failure>) + Send>| {
            let mut batch = Batch::new();
            batch.set(b"k", b"v");
            // What needs no sync may be done in this thread.
            shared.submit(batch, Some(Durability::Synced), done);
        };
        // Whoever writes for all is held up by the first answer.
        let ((is_up, held_up), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
        write(Box::new(move |_| {
            is_up.send(()).unwrap();
            let _ = gone.recv();
        }));
        held_up.recv().unwrap();
        let (sender, answers) = mpsc::channel();
        for _ in 0..=limits::WRITES_WAITING_MAX {
            let sender = sender.clone();
            write(Box::new(move |result| sender.send(result).unwrap()));
        }
        assert!(is_busy(answers.try_recv().unwrap()));
        assert!(answers.try_recv().is_err(), "more than one is refused");
        assert_eq!(shared.writes_waiting(), limits::WRITES_WAITING_MAX);
        drop(go);
        for _ in 0..limits::WRITES_WAITING_MAX {
            assert!(answers.recv().unwrap().is_ok());
        }
        assert_eq!(shared.writes_waiting(), 0);
    }

    #[test]
    fn long_reads_and_feeds_are_few_enough_and_places_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(dir.path());
        let reads: Vec<_> = (0..limits::LONG_READS_MAX).map(|_| shared.long_read()).collect();
        let feeds: Vec<_> = (0..limits::FEEDS_MAX).map(|_| shared.feed()).collect();
        assert!(reads.iter().all(Result::is_ok) && feeds.iter().all(Result::is_ok));
        assert!(is_busy(shared.long_read()) && is_busy(shared.feed()));
        drop((reads, feeds));
        assert!(shared.long_read().is_ok() && shared.feed().is_ok());
    }
}
