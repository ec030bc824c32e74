//! Peers of RESP that mean no good: each is cut off or refused in bounded memory, and others are
//! served meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::peer::{Answer, Peer, request};
use crate::served::{Served, tokens, until};
use crate::silt::Silt;

const MIB: u64 = 1 << 20;

/// The server still serves, in bounded memory.
fn still_serves(served: &Served, memory_max: u64) {
    let mut peer = Peer::new(served.address("resp"));
    assert_eq!(peer.say("SET alive yes"), Answer::Simple("OK".into()));
    assert_eq!(peer.say("GET alive").text(), "yes");
    let memory = served.memory_peak();
    assert!(memory < memory_max, "{} MiB of memory", memory / MIB);
}

/// What comes until the connection ends, which is soon.
fn answer_to(served: &Served, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.address("resp")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may be cut off before all is written.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("it is not cut off: {}", String::from_utf8_lossy(&text))
        }
        _ => String::from_utf8_lossy(&text).into_owned(),
    }
}

#[test]
fn declared_lengths_allocate_nothing() {
    let served = Served::new(&[]);
    let before = served.memory();
    let mut peers = Vec::new();
    for i in 0..400 {
        let mut peer = TcpStream::connect(served.address("resp")).unwrap();
        // The largest that is allowed, of which nothing comes.
        let declared: &[u8] = if i % 2 == 0 {
            b"*1000000\r\n$16000000\r\n"
        } else {
            b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$16777216\r\n"
        };
        peer.write_all(declared).unwrap();
        peers.push(peer);
    }
    std::thread::sleep(Duration::from_millis(500));
    still_serves(&served, before + 24 * MIB);
    drop(peers);
    for bytes in [&b"*2147483647\r\n"[..], b"*1\r\n$4000000000\r\n", b"*-9999999999999999999\r\n"] {
        assert!(answer_to(&served, bytes).starts_with("-ERR Protocol error: invalid "));
    }
    still_serves(&served, before + 24 * MIB);
}

#[test]
fn lines_and_counts_without_end_are_cut_off() {
    let served = Served::new(&[]);
    let before = served.memory();
    for _ in 0..20 {
        let endless = answer_to(&served, &b"x".repeat(1 << 20));
        assert!(endless.is_empty() || endless.contains("too big inline request"), "{endless}");
        let endless = answer_to(&served, &[&b"*"[..], &b"1".repeat(1 << 20)].concat());
        assert!(endless.is_empty() || endless.contains("too big mbulk count string"), "{endless}");
    }
    // A request within a request is none.
    let nested = answer_to(&served, &b"*2\r\n".repeat(10_000));
    assert!(nested.is_empty() || nested.contains("expected '$', got '*'"), "{nested}");
    still_serves(&served, before + 24 * MIB);
}

#[test]
fn who_sends_too_long_a_value_is_told_so_and_nothing_else_is_kept_of_it() {
    let served = Served::new(&["--durability", "flushed"]);
    let before = served.memory();
    for len in [(16 << 20) + 1, 24 << 20] {
        let mut peer = Peer::new(served.address("resp"));
        peer.write(&request(&["SET", "k", &"v".repeat(len)])).unwrap();
        let told = peer.answer().unwrap();
        assert_eq!(told, Answer::Error("ERR Protocol error: invalid bulk length".into()));
        assert!(peer.answer().is_err(), "the connection goes on");
    }
    // Who does not stop is cut off.
    let mut endless = TcpStream::connect(served.address("resp")).unwrap();
    endless.write_all(b"*2\r\n$3\r\nGET\r\n$999999999\r\n").unwrap();
    let begun = Instant::now();
    while endless.write_all(&[b'x'; 1 << 16]).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it may send for ever");
    }
    still_serves(&served, before + 24 * MIB);
}

#[test]
fn who_shows_no_token_is_given_little_memory() {
    let silt = Silt::new();
    let file = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &file]);
    let before = served.memory();
    for bytes in [&b"*11\r\n"[..], b"*2\r\n$4\r\nAUTH\r\n$5000\r\n"] {
        assert!(answer_to(&served, bytes).starts_with("-ERR Protocol error: "));
    }
    let text = answer_to(&served, &b"y".repeat(1 << 20));
    assert!(text.is_empty() || text.contains("too big inline request"), "{text}");
    assert!(served.memory() < before + 16 * MIB);
}

#[test]
fn who_asks_and_does_not_read_is_held_back_and_cut_off() {
    let served = Served::new(&["--durability", "flushed"]);
    let value = "v".repeat(1 << 20);
    Peer::new(served.address("resp")).ask(&["SET", "large", &value]);
    let before = served.memory();
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = TcpStream::connect(served.address("resp")).unwrap();
        peer.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let gets = request(&["GET", "large"]).repeat(10_000);
        // The server takes no more while nothing is read; what it has taken waits.
        let _ = peer.write_all(&gets);
        peers.push(peer);
    }
    std::thread::sleep(Duration::from_millis(500));
    // Two replies and their memory, for each of them.
    still_serves(&served, before + 160 * MIB);
    let mut other = Peer::new(served.address("resp"));
    until("they are cut off", || other.say("INFO clients").text().contains("connected_clients:1"));
    still_serves(&served, before + 160 * MIB);
}

#[test]
fn replies_that_would_fill_the_memory_are_refused() {
    let served = Served::new(&["--durability", "flushed"]);
    let mut peer = Peer::new(served.address("resp"));
    let value = "v".repeat(8 << 20);
    peer.ask(&["SET", "large", &value]);
    let before = served.memory();
    let mut words = vec!["MGET"];
    words.extend(["large"; 100]);
    let answer = peer.ask(&words);
    assert!(matches!(&answer, Answer::Error(text) if text.starts_with("BUSY ")), "no refusal");
    peer.say("MULTI");
    (0..100).for_each(|_| drop(peer.say("GET large")));
    let all = peer.say("EXEC");
    assert!(all.array().iter().any(|a| matches!(a, Answer::Error(t) if t.starts_with("BUSY "))));
    still_serves(&served, before + 700 * MIB);
}

#[test]
fn large_requests_at_once_are_refused_and_not_piled_up() {
    let served = Served::new(&["--durability", "flushed"]);
    let before = served.memory();
    let mut peers = Vec::new();
    for i in 0..40_u8 {
        let mut peer = TcpStream::connect(served.address("resp")).unwrap();
        peer.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        // All but the end of a large value.
        let value = vec![i; 12 << 20];
        let bytes = request(&[&b"SET"[..], &[i], &value]);
        let _ = peer.write_all(&bytes[..bytes.len() - 10]);
        peers.push(peer);
    }
    still_serves(&served, before + 600 * MIB);
    until("requests are counted, and some refused", || {
        peers.iter_mut().any(|peer| {
            peer.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            let mut text = [0; 5];
            peer.read_exact(&mut text).is_ok_and(|()| text == *b"-BUSY")
        })
    });
    drop(peers);
    let value = "x".repeat(12 << 20);
    until("room comes back", || {
        let answer = Peer::new(served.address("resp")).try_ask(&["SET", "k", &value]);
        matches!(answer, Ok(Answer::Simple(_)))
    });
}

#[test]
fn garbage_ends_connections_and_nothing_else() {
    let served = Served::new(&[]);
    let before = served.memory();
    let mut steady = Peer::new(served.address("resp"));
    for i in 0..300_u32 {
        let mut peer = TcpStream::connect(served.address("resp")).unwrap();
        let garbage: Vec<u8> = (0..3_000_u32).map(|n| (n * (2 * i + 7) % 253) as u8).collect();
        if i % 3 == 0 {
            let _ = peer.write_all(b"*3\r\n$3\r\nSET\r\n");
        }
        let _ = peer.write_all(&garbage);
        drop(peer);
        assert_eq!(steady.say("PING"), Answer::Simple("PONG".into()));
    }
    still_serves(&served, before + 24 * MIB);
}

#[test]
fn a_thousand_active_connections_are_served() {
    let served = Served::new(&["--max-connections", "2000", "--durability", "flushed"]);
    let address = served.address("resp");
    let before = served.memory();
    let rounds = 20;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut peers: Vec<Peer> = (0..250).map(|_| Peer::new(address)).collect();
                for round in 0..rounds {
                    for (i, peer) in peers.iter_mut().enumerate() {
                        let key = format!("{thread}:{i}");
                        let pair = [request(&["INCR", &key]), request(&["GET", &key])].concat();
                        peer.write(&pair).unwrap();
                    }
                    for peer in &mut peers {
                        assert_eq!(peer.answer().unwrap(), Answer::Int(round + 1));
                        assert_eq!(peer.answer().unwrap().text(), (round + 1).to_string());
                    }
                }
            });
        }
    });
    assert!(served.memory() < before + 64 * MIB, "{} MiB", served.memory() / MIB);
    let mut peer = Peer::new(address);
    assert_eq!(peer.say("DBSIZE"), Answer::Int(1_000));
}
