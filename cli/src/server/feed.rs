//! Change feeds: what there is, then what comes, as fast as the peer takes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::Shared;
use super::auth::Access;
use super::error::Failure;
use super::stream::{self, Ended, Messages, Packer};
use crate::Store;
use crate::rest::Rest;

/// How often something is sent while nothing changes.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What one reader is told, as its protocol says it.
pub trait Feed: Send + 'static {
    /// What is packed into messages.
    type Record: Send + Sync + 'static;
    /// A message.
    type Message: Send + 'static;

    /// Sends what was committed since the last time.
    ///
    /// # Errors
    /// The feed is at its end.
    fn tell(
        &mut self,
        store: &Store,
        packer: &mut Packer<Self::Record, Self::Message>,
    ) -> Result<(), Ended>;

    /// What is sent while nothing changes, if anything is.
    fn heartbeat(&self) -> Option<Self::Message>;
}

/// Runs a feed: without end, or until all is told that was committed before. It ends when what its
/// reader was let in with is taken away.
///
/// # Errors
/// `SILT_BUSY` when too many are running.
pub fn run<F: Feed, E>(
    shared: &Arc<Shared>,
    access: Access,
    feed: F,
    pack: fn(Vec<F::Record>) -> F::Message,
    ends: bool,
) -> Result<Messages<F::Message, E>, Failure> {
    let permit = shared.feed()?;
    let (packer, messages) = stream::channel(shared, pack);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let _permit = permit;
        // Nobody may be there any more to be told why the feed ends.
        if let Some((packer, failure)) = follow(&shared, &access, feed, packer, ends).await {
            packer.tell(Err(failure)).await;
        }
    });
    Ok(messages)
}

type Last<F> = (Packer<<F as Feed>::Record, <F as Feed>::Message>, Failure);

/// Gives what is still to be said at the end.
async fn follow<F: Feed>(
    shared: &Shared,
    access: &Access,
    mut feed: F,
    mut packer: Packer<F::Record, F::Message>,
    ends: bool,
) -> Option<Last<F>> {
    let mut rest = match Rest::new(shared.store.store()) {
        Ok(rest) => rest,
        Err(error) => return Some((packer, error.into())),
    };
    loop {
        if !access.is_valid() {
            return Some((packer, Failure::unauthenticated()));
        }
        rest.begin();
        let store = shared.store.store().clone();
        let told = spawn_blocking(move || {
            let ended = feed.tell(&store, &mut packer);
            // What was read before a failure is true, and told.
            let ended = packer.flush().and(ended);
            (feed, packer, ended)
        });
        let ended;
        (feed, packer, ended) = told.await.ok()?;
        match ended {
            Ok(()) if ends => return None,
            Ok(()) => {}
            Err(Ended::Gone) => return None,
            Err(Ended::Failed(failure)) => return Some((packer, failure)),
        }
        rest.end();
        loop {
            tokio::select! {
                is_over = rest.is_over() => match is_over {
                    true => break,
                    false => return None,
                },
                () = tokio::time::sleep(HEARTBEAT) => {
                    if let Some(heartbeat) = feed.heartbeat()
                        && !packer.tell(Ok(heartbeat)).await
                    {
                        return None;
                    }
                }
                () = packer.closed() => return None,
                () = shared.stop.cancelled() => return Some((packer, Failure::stopping())),
            }
        }
    }
}
