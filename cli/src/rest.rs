//! How a change feed rests until there is something to tell, whatever the protocol.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::{Listening, Result, Store};

/// What is new may be much: a feed rests as long as it took to tell it, up to this, so that it
/// takes no more than half of a processor.
const REST_MAX: Duration = Duration::from_millis(250);
/// Shorter times need no rest.
const REST_MIN: Duration = Duration::from_millis(2);

/// The rest of one feed.
pub(crate) struct Rest {
    commits: watch::Receiver<u64>,
    _listening: Listening,
    begun: Instant,
    /// When it may go on.
    until: Option<Instant>,
}

impl Rest {
    /// A feed that has told nothing yet.
    ///
    /// # Errors
    /// The store is closed.
    pub(crate) fn new(store: &Store) -> Result<Self> {
        let (sender, commits) = watch::channel(0);
        let listening = store.on_commit(move |seq| {
            sender.send_replace(seq);
        })?;
        Ok(Self { commits, _listening: listening, begun: Instant::now(), until: None })
    }

    /// It looks for what is new: what is committed from here on ends the rest after that.
    pub(crate) fn begin(&mut self) {
        self.commits.borrow_and_update();
        self.begun = Instant::now();
    }

    /// It has told what was new.
    pub(crate) fn end(&mut self) {
        let now = Instant::now();
        let took = now - self.begun;
        self.until = (took > REST_MIN).then(|| now + took.min(REST_MAX));
    }

    /// Waits until there is more to tell; `false` when there will be nothing, for the store is
    /// closed. It may be dropped and asked for again.
    pub(crate) async fn is_over(&mut self) -> bool {
        if let Some(until) = self.until {
            sleep_until(until).await;
            self.until = None;
        }
        self.commits.changed().await.is_ok()
    }
}
