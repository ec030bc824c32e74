//! What requests are answered with.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use siltdb_core::{Commit, Durability};

use crate::json::CommitForm;
use crate::server::budget::Held;
use crate::server::conn::UnderWay;
use crate::server::error::Failure;
use crate::server::stream::Messages;

/// The seq of a record, a commit or a page.
pub const SILT_SEQ: HeaderName = HeaderName::from_static("silt-seq");
/// The level a write reached.
pub const SILT_DURABILITY: HeaderName = HeaderName::from_static("silt-durability");
/// When a record expires, in microseconds since 1970.
pub const SILT_EXPIRES: HeaderName = HeaderName::from_static("silt-expires");
/// The trailer that tells that a snapshot is whole, and what it holds.
pub const SILT_SNAPSHOT: HeaderName = HeaderName::from_static("silt-snapshot");

pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub const JSON_LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
pub const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
pub const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
pub const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What handlers give.
pub type Reply = Result<Response, Failure>;

impl IntoResponse for Failure {
    /// The problem document is made by the guard, which knows the id of the request.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.http_status());
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// A reply of these bytes.
pub fn bytes(kind: HeaderValue, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(bytes.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    // Whoever keeps a reply asks again before using it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A reply of one JSON value.
pub fn json(value: &impl serde::Serialize) -> Response {
    // Numbers and strings always can be written.
    bytes(JSON, serde_json::to_vec(value).unwrap_or_default())
}

/// The number in quotes, as an entity tag.
pub fn etag(seq: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{seq}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// The reply to a write.
pub fn commit(commit: Commit, deleted: Option<u64>) -> Response {
    let mut response = json(&CommitForm { deleted, ..commit.into() });
    let headers = response.headers_mut();
    headers.insert(SILT_SEQ, commit.seq.into());
    headers.insert(SILT_DURABILITY, durability(commit.durability));
    response
}

/// The reply to a write of one key: its tag is what a condition may name.
pub fn key_commit(done: Commit, is_set: bool) -> Response {
    let mut response = commit(done, None);
    if is_set {
        response.headers_mut().insert(ETAG, etag(done.seq));
    }
    response
}

fn durability(level: Durability) -> HeaderValue {
    HeaderValue::from_static(level.name())
}

/// Bytes counted against the memory of the server.
struct HeldBytes {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes whose memory is counted until they are sent: a body that is handed over whole is gone long
/// before its bytes are.
pub fn held(bytes: Vec<u8>, held: Held) -> Bytes {
    Bytes::from_owner(HeldBytes { bytes, _held: held })
}

/// A body whose request is under way until it is handed over.
pub struct UnderWayBody {
    body: Body,
    _under_way: UnderWay,
}

impl UnderWayBody {
    /// A body that keeps its request under way.
    pub fn around(body: Body, under_way: UnderWay) -> Body {
        Body::new(Self { body, _under_way: under_way })
    }
}

impl HttpBody for UnderWayBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A piece of a reply that is made while it is sent.
#[derive(Debug)]
pub enum Piece {
    /// Bytes of the body.
    Bytes(Bytes),
    /// What stands after the body.
    Trailers(HeaderMap),
}

/// How a reply under way says that it failed, before it breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line `{"error":...}`.
    Lines,
    /// An event `problem`, after which the feed ends.
    Events,
    /// Not at all.
    Opaque,
}

/// A reply that is made while it is sent. It ends as it should only if it is whole.
pub struct Flow {
    messages: Messages<Piece>,
    first: Option<Piece>,
    form: Form,
    failed: Option<Failure>,
}

/// Replies with what is sent, once its first piece is there; a failure before is the reply.
pub async fn flow(kind: HeaderValue, form: Form, mut messages: Messages<Piece>) -> Reply {
    let first = std::future::poll_fn(|context| Pin::new(&mut messages).poll_next(context)).await;
    let first = first.transpose()?;
    let is_snapshot = kind == BYTES;
    let flow = Flow { messages, first, form, failed: None };
    let mut response = Response::new(Body::new(flow));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    let cached = if is_snapshot { "no-store" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    if is_snapshot {
        headers.insert(TRAILER, HeaderValue::from_static("silt-snapshot"));
    }
    Ok(response)
}

impl Flow {
    fn last_words(&self, failure: &Failure) -> Option<Bytes> {
        let problem = failure.problem(None);
        let words = match self.form {
            Form::Lines => format!("{{\"error\":{problem}}}\n"),
            Form::Events => format!("event: problem\ndata: {problem}\n\n"),
            Form::Opaque => return None,
        };
        Some(words.into())
    }
}

fn broken(failure: Failure) -> axum::Error {
    axum::Error::new(std::io::Error::other(failure.message))
}

impl HttpBody for Flow {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(failure) = self.failed.take() {
            // A feed may end at any place: its reader knows how to go on.
            let is_feed = self.form == Form::Events;
            return Poll::Ready((!is_feed).then(|| Err(broken(failure))));
        }
        let piece = match self.first.take() {
            Some(piece) => Some(Ok(piece)),
            None => ready!(Pin::new(&mut self.messages).poll_next(context)),
        };
        Poll::Ready(match piece {
            None => None,
            Some(Ok(Piece::Bytes(bytes))) => Some(Ok(Frame::data(bytes))),
            Some(Ok(Piece::Trailers(trailers))) => Some(Ok(Frame::trailers(trailers))),
            Some(Err(failure)) => match self.last_words(&failure) {
                None => Some(Err(broken(failure))),
                Some(words) => {
                    self.failed = Some(failure);
                    Some(Ok(Frame::data(words)))
                }
            },
        })
    }
}
