//! The server killed under concurrent writers of RESP, again and again on one store.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;

use super::peer::{Answer, Peer, request};
use crate::served::{Served, wait};
use crate::silt::Silt;

const WRITERS: u64 = 12;
const KEYS: u64 = 20;
/// Kills; SILT_KILLS asks for more.
const KILLS: u64 = 12;

/// What a writer knows of its keys: the last number acknowledged, and the last one sent.
type Known = BTreeMap<String, (u64, u64)>;

/// One write of a number to two keys, in one of four ways, and how many answers it has.
fn write(way: u64, pair: &[String; 2], number: &str) -> (Vec<u8>, usize) {
    let [a, b] = pair;
    match way {
        0 => (request(&["MSET", a, number, b, number]), 1),
        1 => {
            let all = [
                request(&["MULTI"]),
                request(&["SET", a, number]),
                request(&["SET", b, number]),
                request(&["EXEC"]),
            ];
            (all.concat(), 4)
        }
        // Its conditions hold, for nobody else writes these keys.
        2 => {
            let all = [
                request(&["MULTI"]),
                request(&["GETSET", a, number]),
                request(&["SET", b, number, "KEEPTTL"]),
                request(&["EXEC"]),
            ];
            (all.concat(), 4)
        }
        _ => (request(&["MSET", b, number, a, number]), 1),
    }
}

/// Writes growing numbers, several at a time in a pipeline, until the server is gone.
fn run(address: SocketAddr, writer: u64, round: u64) -> Known {
    let mut known = Known::new();
    let Ok(mut peer) = Peer::try_new(address) else { return known };
    for i in (1..).step_by(3) {
        let mut expected = Vec::new();
        let mut bytes = Vec::new();
        for i in i..i + 3 {
            let number = (round << 32) + i;
            let pair = [0, KEYS].map(|half| format!("{writer:02}/{:03}", half + i % KEYS));
            let (request, answers) = write((writer + i) % 4, &pair, &number.to_string());
            bytes.extend(request);
            for key in &pair {
                known.entry(key.clone()).or_default().1 = number;
            }
            expected.push((pair, number, answers));
        }
        if peer.write(&bytes).is_err() {
            return known;
        }
        for (pair, number, answers) in expected {
            for _ in 0..answers {
                match peer.answer() {
                    Ok(Answer::Error(text)) => panic!("{text}"),
                    Ok(_) => {}
                    Err(_) => return known,
                }
            }
            for key in pair {
                known.entry(key).or_default().0 = number;
            }
        }
    }
    known
}

fn check(silt: &Silt, known: &mut Known) {
    let mut held = BTreeMap::new();
    for line in silt.ok(&["scan"]).lines() {
        let (key, number) = line.split_once('\t').unwrap();
        held.insert(key.to_owned(), number.parse::<u64>().unwrap());
    }
    for (key, (acknowledged, sent)) in known.iter_mut() {
        let number = held.get(key).copied().unwrap_or(0);
        assert!(number >= *acknowledged, "{key}: {number}, but {acknowledged} was acknowledged");
        assert!(number <= *sent, "{key}: {number}, but only {sent} was sent");
        // What is read once after a crash is there for good.
        *acknowledged = number;
    }
    for (key, number) in &held {
        let (writer, half) = key.split_once('/').unwrap();
        let half: u64 = half.parse().unwrap();
        let other = format!("{writer}/{:03}", (half + KEYS) % (2 * KEYS));
        assert_eq!(held.get(&other), Some(number), "half a write: {key} {other}");
    }
}

#[test]
fn no_acknowledged_write_is_lost() {
    let kills = std::env::var("SILT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut silt = Silt::new();
    let mut known = Known::new();
    let mut acknowledged = 0;
    for round in 1..=kills {
        let served = Served::of(silt, &[]);
        let address = served.address("resp");
        let all: Vec<Known> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| scope.spawn(move || run(address, writer, round)))
                .collect();
            // Any moment: of the first appends, in the middle, when a segment is rolled.
            std::thread::sleep(Duration::from_millis(20 + round * 41 % 400));
            served.signal(rustix::process::Signal::KILL);
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        silt = served.ended().2;
        for (key, (acked, sent)) in all.into_iter().flatten() {
            let entry = known.entry(key).or_default();
            entry.0 = entry.0.max(acked);
            entry.1 = entry.1.max(sent);
            acknowledged += u64::from(acked > 0);
        }
        check(&silt, &mut known);
    }
    assert!(acknowledged > kills, "too little was written: {acknowledged}");
}

#[test]
fn what_was_synced_survives_a_kill_behind_buffered_writes() {
    for way in ["SAVE", "WAITAOF 1 0 0", "POST /v1/sync", "sync"] {
        let served = Served::new(&["--durability", "buffered"]);
        let mut peer = Peer::new(served.address("resp"));
        assert_eq!(peer.say("SET k v"), Answer::Simple("OK".into()));
        match way {
            "POST /v1/sync" => drop(crate::http::Peer::of(&served).post("/v1/sync", "").is(200)),
            "sync" => drop(wait(async { served.client().await.sync().await.unwrap() })),
            words => assert!(!matches!(peer.say(words), Answer::Error(_)), "{words}"),
        }
        served.signal(Signal::KILL);
        let (_, _, silt) = served.ended();
        assert_eq!(silt.run(&["get", "k"]).stdout(), "v", "{way}");
    }
}
