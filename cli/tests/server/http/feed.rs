//! The change feed as server-sent events.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::Peer;
use crate::served::Served;

/// A reader of events.
struct Reader {
    peer: Peer,
    text: String,
    id: String,
}

impl Reader {
    fn open(served: &Served, query: &str, last: &str) -> Self {
        let mut peer = Peer::of(served);
        let last =
            if last.is_empty() { String::new() } else { format!("Last-Event-ID: {last}\r\n") };
        peer.send(format!("GET /v1/changes?{query} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n"));
        let head = peer.head();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Self { peer, text: String::new(), id: last }
    }

    /// The next data, and the id that stands with it.
    fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                if let Some(id) = field("id: ") {
                    self.id = id.to_owned();
                }
                if let Some(data) = field("data: ") {
                    return Some(serde_json::from_str(data).unwrap());
                }
            }
            self.text.push_str(std::str::from_utf8(&self.peer.chunk()?).unwrap());
        }
    }
}

#[test]
fn a_reader_that_comes_back_misses_nothing_and_is_told_nothing_twice() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let mut expected = Vec::new();
    for batch in 0..4 {
        let operations: Vec<String> = (0..5)
            .map(|i| format!("{{\"op\":\"set\",\"key\":\"{batch}-{i}\",\"value\":\"v\"}}"))
            .collect();
        expected.extend((0..5).map(|i| format!("{batch}-{i}")));
        peer.post("/v1/batch", &format!("{{\"operations\":[{}]}}", operations.join(","))).is(200);
    }
    // One event a connection: most of them are in the middle of a batch.
    let mut told = Vec::new();
    let mut id = String::new();
    while told.len() < expected.len() {
        let mut reader = Reader::open(&served, "since=0", &id);
        let event = reader.next().unwrap();
        told.push(event["key"].as_str().unwrap().to_owned());
        id = reader.id;
    }
    assert_eq!(told, expected);
    // Two at a time, with what is written in between.
    let mut reader = Reader::open(&served, "prefix=new", &id);
    peer.put("/v1/kv/other", b"not told").is(200);
    let seq = peer.put("/v1/kv/new", b"told").is(200).seq();
    let event = reader.next().unwrap();
    assert_eq!((event["key"].as_str(), event["seq"].as_u64()), (Some("new"), Some(seq)));
    assert_eq!(event["op"], "set");
    peer.ask("DELETE /v1/kv/new", &[], b"").is(200);
    assert_eq!(reader.next().unwrap()["op"], "del");
    for last in ["x", "7.", "-1"] {
        let header = format!("Last-Event-ID: {last}");
        peer.ask("GET /v1/changes", &[&header], b"").problem(400, "SILT_BAD_INPUT");
    }
}

#[test]
fn a_feed_that_ends_by_itself_tells_all_that_was_there() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    for i in 0..2_500 {
        peer.put(&format!("/v1/kv/{i:05}?durability=buffered"), &[b'x'; 500]).is(200);
    }
    let mut reader = Reader::open(&served, "since=0&end=true&keys_only=true", "");
    let mut count = 0;
    while let Some(event) = reader.next() {
        assert_eq!(event.get("value"), None);
        count += 1;
    }
    assert_eq!(count, 2_500);
    let mut none = Reader::open(&served, "end=true", "");
    assert!(none.next().is_none());
    // The cursor of the end is good for going on.
    let mut more = Reader::open(&served, "end=true", &none.id);
    assert!(more.next().is_none());
}

#[test]
fn history_that_is_gone_is_told_before_anything_else() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let first = peer.put("/v1/kv/k", b"1").is(200).seq();
    peer.put("/v1/kv/k", b"2").is(200);
    peer.post("/v1/compact", "").is(200);
    let gone = peer.get(&format!("/v1/changes?since={}", first - 1));
    gone.problem(410, "SILT_HISTORY_GONE");
    let header = format!("Last-Event-ID: {first}.1");
    peer.ask("GET /v1/changes", &[&header], b"").problem(410, "SILT_HISTORY_GONE");
}

#[test]
fn a_heartbeat_moves_the_cursor_of_a_reader_to_whom_nothing_is_told() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let mut reader = Reader::open(&served, "prefix=quiet", "");
    let seq = (0..50).map(|_| peer.put("/v1/kv/busy", b"v").is(200).seq()).last().unwrap();
    let begun = std::time::Instant::now();
    // The first one may come before all is written.
    while !(reader.text.contains(": still here\n") && reader.text.contains(&seq.to_string())) {
        assert!(begun.elapsed() < Duration::from_secs(50), "no heartbeat: {}", reader.text);
        let chunk = reader.peer.chunk().unwrap();
        reader.text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(!reader.text.contains("data:"));
    let ids: Vec<&str> = reader.text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert!(ids.len() < 5, "a commit that is not told is sent: {ids:?}");
    assert_eq!(ids.last(), Some(&seq.to_string().as_str()));
}

#[test]
fn feeds_end_when_the_server_stops() {
    let served = Served::new(&[]);
    let mut readers: Vec<Reader> = (0..5).map(|_| Reader::open(&served, "", "")).collect();
    Peer::of(&served).put("/v1/kv/k", b"v").is(200);
    for reader in &mut readers {
        assert_eq!(reader.next().unwrap()["key"], "k");
    }
    served.signal(Signal::TERM);
    for reader in &mut readers {
        let last = reader.next().unwrap();
        assert_eq!(last["code"], "SILT_STOPPING");
        assert!(reader.next().is_none());
    }
    let (code, log, _) = served.ended();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_reader_that_does_not_read_is_left_behind() {
    let served = Served::new(&[]);
    let mut slow = Peer::of(&served);
    slow.send("GET /v1/changes?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let before = served.memory();
    let mut peer = Peer::of(&served);
    for i in 0..60 {
        peer.put(&format!("/v1/kv/{i}?durability=flushed"), &vec![b'x'; 1 << 20]).is(200);
    }
    let begun = std::time::Instant::now();
    peer.put("/v1/kv/small", b"v").is(200);
    assert!(begun.elapsed() < Duration::from_secs(25));
    let grown = served.memory().saturating_sub(before);
    // The log is mapped, so that what was written counts, too.
    assert!(grown < 300 << 20, "{} MiB", grown >> 20);
}
