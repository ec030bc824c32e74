//! Clients of each protocol, which note what they did and saw.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use siltdb::{Batch, Condition, Operation};

use super::order::{Call, Did, KEYS};
use crate::http;
use crate::resp::peer::{Answer, Peer};
use crate::served::Served;

/// Calls of each client.
const CALLS: u64 = 250;
/// Numbers set are multiples of it, so that sums of different starts never meet.
const UNIQUE: u64 = 1 << 20;

/// Ticks, one for every begin and end of a call.
pub fn tick(clock: &AtomicU64) -> u64 {
    clock.fetch_add(1, Ordering::SeqCst)
}

/// What a swap came to that named the seq of the record seen. A small number is a sum from nothing,
/// which a key may come to hold again in another record: a refusal tells nothing of that.
fn swap(is_done: bool, old: u64, new: u64) -> Option<Did> {
    match old {
        _ if is_done => Some(Did::Swapped(old, new)),
        1..UNIQUE => None,
        _ => Some(Did::Refused(old)),
    }
}

/// A client of RESP: sets, reads, counts, and swaps by WATCH.
pub fn by_resp(served: &Served, clock: &AtomicU64, client: u64) -> Vec<Call> {
    let mut peer = Peer::new(served.address("resp"));
    let mut calls = Vec::new();
    let number = |answer: &Answer| match answer {
        Answer::Null => 0,
        answer => answer.text().parse().unwrap(),
    };
    for i in 0..CALLS {
        let key = (i * 7 + client) % KEYS;
        let name = format!("key{key}");
        let new = (client * CALLS + i + 1) * UNIQUE;
        let from = tick(clock);
        let did = match (i + client * 3) % 5 {
            0 | 1 => Did::Get(number(&peer.ask(&["GET", &name]))),
            2 => {
                peer.ask(&["SET", &name, &new.to_string()]);
                Did::Set(new)
            }
            3 => Did::Incr(peer.ask(&["INCR", &name]).int() as u64),
            _ => {
                peer.ask(&["WATCH", &name]);
                let old = number(&peer.ask(&["GET", &name]));
                let to = tick(clock);
                calls.push(Call { key, from, to, did: Did::Get(old) });
                let from = tick(clock);
                peer.ask(&["MULTI"]);
                peer.ask(&["SET", &name, &new.to_string()]);
                if peer.ask(&["EXEC"]) != Answer::Null {
                    let to = tick(clock);
                    calls.push(Call { key, from, to, did: Did::Swapped(old, new) });
                }
                continue;
            }
        };
        calls.push(Call { key, from, to: tick(clock), did });
    }
    calls
}

/// A client of gRPC: sets, reads, and swaps by seq.
pub async fn by_grpc(served: &Served, clock: &AtomicU64, client: u64) -> Vec<Call> {
    let grpc = served.client().await;
    let mut calls = Vec::new();
    for i in 0..CALLS {
        let key = (i * 5 + client) % KEYS;
        let name = format!("key{key}");
        let new = (client * CALLS + i + 1) * UNIQUE;
        let from = tick(clock);
        if i % 3 == 0 {
            grpc.set(name.as_bytes(), new.to_string().as_bytes()).await.unwrap();
            calls.push(Call { key, from, to: tick(clock), did: Did::Set(new) });
            continue;
        }
        let record = grpc.get_record(name.as_bytes(), None).await.unwrap();
        let text = record.as_ref().map(|r| String::from_utf8(r.value.clone()).unwrap());
        let old: u64 = text.map_or(0, |text| text.parse().unwrap());
        calls.push(Call { key, from, to: tick(clock), did: Did::Get(old) });
        if i % 3 == 1 {
            let condition = record.map_or(Condition::Absent, |r| Condition::SeqIs(r.seq));
            let mut batch = Batch::new();
            batch.push(Operation {
                key: name.into_bytes(),
                value: Some(new.to_string().into_bytes()),
                expires: None,
                condition: Some(condition),
            });
            let from = tick(clock);
            let done = grpc.batch(&batch, None).await;
            let to = tick(clock);
            if let Err(e) = &done {
                assert_eq!(e.code, "SILT_CONDITION_FAILED", "{e}");
            }
            calls.extend(swap(done.is_ok(), old, new).map(|did| Call { key, from, to, did }));
        }
    }
    calls
}

/// A client of HTTP: sets, reads, deletes, and swaps by tags.
pub fn by_http(served: &Served, clock: &AtomicU64, client: u64) -> Vec<Call> {
    let mut peer = http::Peer::of(served);
    let mut calls = Vec::new();
    for i in 0..CALLS {
        let key = (i * 11 + client) % KEYS;
        let path = format!("/v1/kv/key{key}");
        let new = (client * CALLS + i + 1) * UNIQUE;
        let kind = (i + client * 3) % 8;
        let from = tick(clock);
        if kind < 2 {
            let new = if kind == 0 { new } else { 0 };
            write(&mut peer, &path, new, &[]).is(200);
            calls.push(Call { key, from, to: tick(clock), did: Did::Set(new) });
            continue;
        }
        let (old, tag) = seen(peer.get(&path));
        calls.push(Call { key, from, to: tick(clock), did: Did::Get(old) });
        let (condition, new) = match (kind, tag) {
            (2..=4, None) => ("If-None-Match: *".to_owned(), new),
            // A list is judged by the server, one tag by the store.
            (2, Some(tag)) => (format!("If-Match: \"1\", {tag}"), new),
            (3, Some(tag)) => (format!("If-Match: {tag}"), new),
            (4, Some(tag)) => (format!("If-Match: {tag}"), 0),
            _ => continue,
        };
        let from = tick(clock);
        let reply = write(&mut peer, &path, new, &[&condition]);
        let to = tick(clock);
        assert!([200, 412].contains(&reply.status), "{}", reply.text());
        let did = swap(reply.status == 200, old, new);
        calls.extend(did.map(|did| Call { key, from, to, did }));
    }
    calls
}

/// Sets a key to a number, or deletes it for 0.
fn write(peer: &mut http::Peer, path: &str, number: u64, headers: &[&str]) -> http::Reply {
    match number {
        0 => peer.ask(&format!("DELETE {path}"), headers, b""),
        number => peer.ask(&format!("PUT {path}"), headers, number.to_string().as_bytes()),
    }
}

/// The number that a key holds, and its tag.
fn seen(reply: http::Reply) -> (u64, Option<String>) {
    if reply.status == 404 {
        return (0, None);
    }
    let reply = reply.is(200);
    (reply.text().parse().unwrap(), reply.header("etag").map(str::to_owned))
}

/// A client of RESP that sets and reads until the server is gone.
pub fn until_killed(address: SocketAddr, clock: &AtomicU64, client: u64) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut peer = Peer::new(address);
    for i in 0.. {
        let (key, new) = ((i + client) % KEYS, (client * 1_000_000 + i + 1) * UNIQUE);
        let name = format!("key{key}");
        let from = tick(clock);
        let did = if i % 3 == 0 {
            match peer.try_ask(&["GET", &name]) {
                Ok(Answer::Null) => Did::Get(0),
                Ok(answer) => Did::Get(answer.text().parse().unwrap()),
                Err(_) => return calls,
            }
        } else {
            match peer.try_ask(&["SET", &name, &new.to_string()]) {
                Ok(_) => Did::Set(new),
                Err(_) => {
                    calls.push(Call { key, from, to: u64::MAX, did: Did::Perhaps(new) });
                    return calls;
                }
            }
        };
        calls.push(Call { key, from, to: tick(clock), did });
    }
    calls
}
