//! The change feed, as server-sent events.
//!
//! The id of an event is a cursor: `SEQ.N` is the Nth version of that commit, `SEQ` stands for all
//! that was committed up to it. A reader that comes back with its last id misses nothing and is
//! told nothing twice. While nothing changes, a heartbeat moves the cursor on, so that it does not
//! fall out of the history that is held.

use std::io::Write as _;
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use bytes::Bytes;
use siltdb_core::{Changed, ScanOptions};

use super::lines::long_len;
use super::params::{self, Params};
use super::reply::{self, Form, Piece, Reply};
use crate::server::auth::Access;
use crate::server::error::Failure;
use crate::server::stream::{Ended, Packer, Pieces};
use crate::server::{Shared, feed};
use crate::{Changes, Store, json};

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
    is_begun: bool,
}

/// Every version committed after a place, in the order of commits, then each as it is committed.
pub async fn changes(
    State(shared): State<Arc<Shared>>,
    Extension(access): Extension<Access>,
    request: Request,
) -> Reply {
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
    let feed = Feed { options, place, is_begun: false };
    let ends = params.flag("end")?;
    let messages = feed::run(&shared, access, feed, |_| Piece::Bytes(Bytes::new()), ends)?;
    reply::flow(reply::EVENTS, Form::Events, messages).await
}

impl feed::Feed for Feed {
    type Record = ();
    type Message = Piece;

    fn tell(&mut self, store: &Store, packer: &mut Packer<(), Piece>) -> Result<(), Ended> {
        let changes = store.changes(self.place.since, &self.options)?;
        let mut pieces = Pieces::new(packer, Piece::Bytes);
        let told = self.write(changes, &mut pieces);
        // Why sending failed is known to the pieces; what was read before a failure is true.
        pieces.finish().and(told)
    }

    /// It moves the reader's cursor. An event without data is not told.
    fn heartbeat(&self) -> Option<Piece> {
        let text = format!(": still here\nid: {}\n\n", self.place.since);
        Some(Piece::Bytes(text.into()))
    }
}

impl Feed {
    fn write(&mut self, changes: Changes, pieces: &mut Pieces<'_, Piece>) -> Result<(), Ended> {
        let until = changes.until().max(self.place.since);
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if is_first {
            pieces.write_all(b"retry: 1000\n\n")?;
        }
        let (mut seq, mut nth) = (0, 0);
        let (place, keys_only) = (self.place, self.options.keys_only);
        let long = |changed: &Changed| changed.version.value.as_deref().map_or(0, long_len);
        pieces.write_each(changes, long, |changed, line| {
            let version = &changed.version;
            nth = if version.seq == seq { nth + 1 } else { 1 };
            seq = version.seq;
            // Told to this reader before it came back.
            if place.since.checked_add(1) == Some(seq) && nth <= place.told {
                return;
            }
            // Writing to memory cannot fail.
            let _ = write!(line, "id: {seq}.{nth}\ndata: ");
            json::version_line(&changed.key, version, keys_only, line);
            line.extend_from_slice(b"\n\n");
        })?;
        self.place = Place { since: until, told: 0 };
        // Who was told nothing hears of the place with a heartbeat.
        if nth > 0 || is_first {
            write!(pieces, "id: {until}\n\n")?;
        }
        Ok(())
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
