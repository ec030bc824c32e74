//! Answers of many records: lines of JSON, or one document with an array.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::ACCEPT;

use super::reply::{self, Form, Piece, Reply};
use crate::Store;
use crate::server::Shared;
use crate::server::stream::{self, Ended, Packer, Pieces};

/// Values longer than this are looked at before a line is made of them.
const LONG: usize = 64 << 10;

/// Whether lines are asked for.
pub fn wants_lines(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).any(|accept| {
        accept.split(',').any(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/x-ndjson")
                || kind.eq_ignore_ascii_case("application/jsonl")
        })
    })
}

/// How many bytes of JSON the bytes of a key or a value become, at least.
pub fn json_len(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(_) => bytes.len() / 3 * 4 + 4,
        Ok(text) => text.bytes().map(escaped_len).sum(),
    }
}

/// The length of JSON of a long value; 0 where it is short.
pub fn long_len(bytes: &[u8]) -> usize {
    if bytes.len() > LONG { json_len(bytes) } else { 0 }
}

fn escaped_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..=31 => 6,
        _ => 1,
    }
}

/// Lines on their way out.
pub struct Lines<'p, 'a> {
    pieces: &'p mut Pieces<'a, Piece>,
    /// What stands around the lines of a document: begin, between, end.
    frame: [&'static [u8]; 3],
    count: u64,
}

impl Lines<'_, '_> {
    /// Adds a line of each that `records` gives. A line of a long value may take several times its
    /// bytes: `long` tells them, by [`long_len`].
    pub fn push_all<R>(
        &mut self,
        records: impl Iterator<Item = siltdb_core::Result<R>>,
        long: impl Fn(&R) -> usize,
        fill: impl Fn(&R, &mut Vec<u8>),
    ) -> Result<(), Ended> {
        let (frame, count) = (self.frame, &mut self.count);
        self.pieces.write_each(records, long, |record, line| {
            line.extend_from_slice(frame[usize::from(*count > 0)]);
            fill(record, line);
            *count += 1;
        })
    }

    fn end(&mut self) -> Result<(), Ended> {
        if self.count == 0 {
            self.pieces.write_all(self.frame[0])?;
        }
        Ok(self.pieces.write_all(self.frame[2])?)
    }
}

/// What stands around records: nothing but line ends, or the document `{"NAME":[...]}`.
fn frame(is_lines: bool, name: &'static str) -> [&'static [u8]; 3] {
    match (is_lines, name) {
        (true, _) => [b"", b"\n", b"\n"],
        (_, "versions") => [b"{\"versions\":[", b",", b"]}"],
        _ => [b"{\"changes\":[", b",", b"]}"],
    }
}

/// Streams what `read` pushes, as lines or as the document of this name.
pub async fn stream<F>(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    name: &'static str,
    read: F,
) -> Reply
where
    F: FnOnce(&Store, &mut Lines<'_, '_>) -> Result<(), Ended> + Send + 'static,
{
    let is_lines = wants_lines(headers);
    let permit = shared.long_read()?;
    let store = shared.store.store().clone();
    let messages = stream::read(
        shared,
        permit,
        |_: Vec<()>| Piece::Bytes(Bytes::new()),
        move |packer| run(&store, packer, frame(is_lines, name), read),
    );
    let (kind, form) = match is_lines {
        true => (reply::JSON_LINES, Form::Lines),
        false => (reply::JSON, Form::Opaque),
    };
    reply::flow(kind, form, messages).await
}

fn run<F>(
    store: &Store,
    packer: &mut Packer<(), Piece>,
    frame: [&'static [u8]; 3],
    read: F,
) -> Result<(), Ended>
where
    F: FnOnce(&Store, &mut Lines<'_, '_>) -> Result<(), Ended>,
{
    let mut pieces = Pieces::new(packer, Piece::Bytes);
    let mut lines = Lines { pieces: &mut pieces, frame, count: 0 };
    let is_document = !frame[0].is_empty();
    let mut ended = read(store, &mut lines);
    match &ended {
        Err(Ended::Gone) => {}
        // No document is better than half of one.
        Err(Ended::Failed(_)) if is_document => return ended,
        // What was read before a failure is true, and told in whole lines.
        _ if is_document || lines.count > 0 => ended = lines.end().and(ended),
        _ => {}
    }
    // Why sending failed is known to the pieces.
    pieces.finish().and(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn the_length_of_json_is_known_before() {
        let all: Vec<u8> = (0..=255).collect();
        let text: String = (0..128_u8).map(char::from).collect();
        for bytes in [all.as_slice(), text.as_bytes(), b"", b"plain"] {
            let mut line = Vec::new();
            json::bytes("k", bytes, &mut line);
            assert!(json_len(bytes) + 16 >= line.len(), "{} of {}", json_len(bytes), line.len());
        }
    }
}
