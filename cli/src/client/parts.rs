//! Replies of HTTP that come in parts: lines, events, and the bytes of a snapshot.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use http::HeaderMap;
use http_body::Body as _;
use hyper::body::Incoming;
use siltdb_core::SnapshotReport;

use super::answers::Piece;
use super::error::{ClientError, Result, causes};
use super::problem::{bad_reply, problem};
use crate::json::SnapshotForm;

/// The longest line that is taken: the longest record, every byte of it escaped.
const LINE_BYTES_MAX: usize = 256 << 20;

fn lost(error: &hyper::Error) -> ClientError {
    ClientError::unreachable(format!("the connection was lost: {}", causes(error)))
}

/// Lines of a reply, each made into an answer if it is one.
pub struct Lines<T> {
    body: Incoming,
    rest: Vec<u8>,
    read: fn(&[u8]) -> Result<Option<T>>,
}

impl<T> Lines<T> {
    /// The lines of a body.
    pub fn new(body: Incoming, read: fn(&[u8]) -> Result<Option<T>>) -> Self {
        Self { body, rest: Vec::new(), read }
    }

    /// What the whole lines of `self.rest` give.
    fn take(&mut self) -> Result<Vec<T>> {
        let Some(end) = self.rest.iter().rposition(|b| *b == b'\n') else {
            if self.rest.len() > LINE_BYTES_MAX {
                return Err(ClientError::new("SILT_BAD_REPLY", "the server sent too long a line"));
            }
            return Ok(Vec::new());
        };
        let read = self.read;
        let lines = self.rest[..end].split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let answers = lines.filter_map(|line| read(line).transpose()).collect();
        self.rest.drain(..=end);
        answers
    }
}

impl<T> Stream for Lines<T> {
    type Item = Result<Vec<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            return Poll::Ready(match frame {
                None if self.rest.is_empty() => None,
                None => Some(Err(ClientError::unreachable("the reply broke off in a line"))),
                Some(Err(error)) => Some(Err(lost(&error))),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    // Lines may be long, and come in many pieces: the new piece alone is searched.
                    let has_end = data.contains(&b'\n');
                    self.rest.extend_from_slice(&data);
                    if !has_end && self.rest.len() <= LINE_BYTES_MAX {
                        continue;
                    }
                    Some(self.take())
                }
            });
        }
    }
}

/// Reads a line of JSON, which may tell of a failure instead.
pub fn line<T>(
    line: &[u8],
    read: fn(&[u8]) -> std::result::Result<T, String>,
) -> Result<Option<T>> {
    if let Some(error) = line.strip_prefix(b"{\"error\":").and_then(|e| e.strip_suffix(b"}")) {
        return Err(problem(error));
    }
    read(line).map(Some).map_err(bad_reply)
}

/// Reads a line of an event stream; only data are answers.
pub fn event<T>(
    line: &[u8],
    read: fn(&[u8]) -> std::result::Result<T, String>,
) -> Result<Option<T>> {
    let Some(data) = line.strip_prefix(b"data: ") else { return Ok(None) };
    // What is no version tells why the feed ends.
    read(data).map(Some).map_err(|_| problem(data))
}

/// A snapshot as it comes; the report stands after it.
pub struct Snapshot {
    body: Incoming,
    is_done: bool,
}

impl Snapshot {
    /// The snapshot of a body.
    pub fn new(body: Incoming) -> Self {
        Self { body, is_done: false }
    }
}

fn report(trailers: &HeaderMap) -> Option<SnapshotReport> {
    let text = trailers.get("silt-snapshot")?.as_bytes();
    serde_json::from_slice::<SnapshotForm>(text).ok()?.to_store()
}

impl Stream for Snapshot {
    type Item = Result<Vec<Piece>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(|error| lost(&error))?;
            if let Some(trailers) = frame.trailers_ref() {
                self.is_done = true;
                let report = report(trailers).ok_or_else(|| bad_reply("it tells no report"))?;
                return Ok(vec![Piece::Report(report)]);
            }
            Ok(frame.into_data().map(Piece::Bytes).into_iter().collect())
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::json;

    #[test]
    fn a_line_is_an_answer_or_tells_why_there_are_no_more() {
        let record = line(br#"{"key":"a","value":"b","seq":7}"#, json::record).unwrap().unwrap();
        assert_eq!((record.key.as_slice(), record.seq), (&b"a"[..], 7));
        let told = br#"{"error":{"code":"SILT_HISTORY_GONE","detail":"gone","oldest":9}}"#;
        let error = line(told, json::record).unwrap_err();
        assert_eq!((error.code.as_str(), error.detail("oldest")), ("SILT_HISTORY_GONE", Some(9)));
        assert_eq!(line(b"{}", json::record).unwrap_err().code, "SILT_BAD_REPLY");
    }

    #[test]
    fn events_are_versions_or_a_problem_and_all_else_is_not_told() {
        let data = br#"data: {"key":"a","value":"b","seq":7,"op":"set","time":""}"#;
        assert_eq!(event(data, json::changed).unwrap().unwrap().version.seq, 7);
        for text in ["id: 7.1", ": still here", "retry: 1000", "event: problem"] {
            assert_eq!(event(text.as_bytes(), json::changed).unwrap(), None);
        }
        let problem = br#"data: {"type":"about:blank","code":"SILT_STOPPING","detail":"stops"}"#;
        assert_eq!(event(problem, json::changed).unwrap_err().code, "SILT_STOPPING");
    }
}
