//! The change feed, as server-sent events.
//!
//! The id of an event is a cursor: `SEQ.N` is the Nth version of that commit, `SEQ` stands for all
//! that was committed up to it. A reader that comes back with its last id misses nothing and is
//! told nothing twice. While nothing changes, a heartbeat moves the cursor on, so that it does not
//! fall out of the history that is held.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use bytes::Bytes;
use siltdb_core::ScanOptions;
use tokio::task::spawn_blocking;

use super::params::{self, Params};
use super::reply::{self, Form, Piece, Reply};
use crate::rest::Rest;
use crate::server::Shared;
use crate::server::error::Failure;
use crate::server::stream::{self, Ended, Packer, Pieces};
use crate::{Store, json};

/// How often something is sent while nothing changes.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A place in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// All that was committed up to it is told.
    since: u64,
    /// So many versions of the next commit are told, too.
    told: u64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| is_number)
        };
        match text.split_once('.') {
            None => Some(Self { since: number(text)?, told: 0 }),
            // All before the commit, and some of it.
            Some((seq, told)) => {
                Some(Self { since: number(seq)?.checked_sub(1)?, told: number(told)? })
            }
        }
    }
}

/// A feed on its way.
struct Feed {
    options: ScanOptions,
    place: Place,
}

/// Every version committed after a place, in the order of commits, then each as it is committed.
pub async fn changes(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let known = ["since", "cursor", "prefix", "from", "to", "keys_only", "end"];
    let (parts, text) = params::text_of(&shared, request).await?;
    let params = Params::parse(&text, &known)?;
    let keys_only = params.flag("keys_only")?;
    let options = ScanOptions { keys_only, ..params.range()? };
    let last_id = parts.headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let cursor = last_id.filter(|id| !id.is_empty()).or(params.text("cursor")?);
    let place = match (cursor, params.moment("since")?) {
        (Some(text), _) => {
            let place = Place::parse(text);
            place.ok_or_else(|| Failure::input("the last event id is none of this feed"))?
        }
        (None, since) => {
            let since = since.unwrap_or_else(|| shared.store.store().last_seq());
            Place { since, told: 0 }
        }
    };
    let feed = Feed { options, place };
    let permit = shared.feed()?;
    let (packer, messages) = stream::channel(&shared);
    let ends = params.flag("end")?;
    let context = Arc::clone(&shared);
    tokio::spawn(async move {
        let _permit = permit;
        // Nobody may be there any more to be told why the feed ends.
        if let Some((packer, failure)) = follow(&context, feed, packer, ends).await {
            packer.tell(Err(failure)).await;
        }
    });
    reply::flow(reply::EVENTS, Form::Events, messages).await
}

type Out = Packer<(), Piece>;

/// Tells what there is and what comes; gives what is still to be said at the end.
async fn follow(
    shared: &Shared,
    mut feed: Feed,
    mut packer: Out,
    ends: bool,
) -> Option<(Out, Failure)> {
    let mut rest = match Rest::new(shared.store.store()) {
        Ok(rest) => rest,
        Err(error) => return Some((packer, error.into())),
    };
    let mut begin = Some(b"retry: 1000\n\n".as_slice());
    loop {
        rest.begin();
        let store = shared.store.store().clone();
        let begin = begin.take();
        let told = spawn_blocking(move || {
            let ended = feed.tell(&store, &mut packer, begin.unwrap_or_default());
            (feed, packer, ended)
        });
        let (fed, taken, ended) = told.await.ok()?;
        (feed, packer) = (fed, taken);
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
                    if !packer.tell(Ok(Piece::Bytes(feed.heartbeat()))).await {
                        return None;
                    }
                }
                () = packer.closed() => return None,
                () = shared.stop.cancelled() => return Some((packer, Failure::stopping())),
            }
        }
    }
}

impl Feed {
    /// Tells what was committed since the last time.
    fn tell(
        &mut self,
        store: &Store,
        packer: &mut Packer<(), Piece>,
        begin: &[u8],
    ) -> Result<(), Ended> {
        let changes = store.changes(self.place.since, &self.options)?;
        let until = changes.until().max(self.place.since);
        let mut pieces = Pieces::new(packer, Piece::Bytes);
        let mut sent = pieces.write_all(begin);
        let (mut seq, mut nth) = (0, 0);
        let mut line = Vec::new();
        let mut failed = None;
        for changed in changes {
            let changed = match changed {
                Ok(changed) => changed,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let version = &changed.version;
            nth = if version.seq == seq { nth + 1 } else { 1 };
            seq = version.seq;
            // Told to this reader before it came back.
            if self.place.since.checked_add(1) == Some(seq) && nth <= self.place.told {
                continue;
            }
            line.clear();
            let mut id = String::new();
            // Writing to memory cannot fail.
            let _ = write!(id, "id: {seq}.{nth}\ndata: ");
            line.extend_from_slice(id.as_bytes());
            json::version_line(&changed.key, version, self.options.keys_only, &mut line);
            line.extend_from_slice(b"\n\n");
            sent = sent.and_then(|()| pieces.write_all(&line));
            if sent.is_err() {
                break;
            }
        }
        if failed.is_none() && sent.is_ok() {
            self.place = Place { since: until, told: 0 };
            // Who was told nothing hears of the place with a heartbeat.
            if nth > 0 || !begin.is_empty() {
                sent = pieces.write_all(format!("id: {until}\n\n").as_bytes());
            }
        }
        let finished = pieces.finish();
        match failed {
            Some(error) => Err(error.into()),
            None if sent.is_err() => finished.and(Err(Ended::Gone)),
            None => finished,
        }
    }

    /// What moves the reader's cursor while nothing changes. An event without data is not told.
    fn heartbeat(&self) -> Bytes {
        format!(": still here\nid: {}\n\n", self.place.since).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_and_others_are_refused() {
        assert_eq!(Place::parse("7"), Some(Place { since: 7, told: 0 }));
        assert_eq!(Place::parse("7.3"), Some(Place { since: 6, told: 3 }));
        for text in ["", ".", "7.", ".3", "-7", "+7", "7.3.1", "0.1", "99999999999999999999"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
