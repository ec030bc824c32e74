//! Peers that mean no good: slow, silent, many, or talking nonsense. Each is cut off or refused in
//! bounded memory, and others are served meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use siltdb::ScanOptions;

use crate::served::{Served, tokens, until, wait};
use crate::silt::Silt;

pub const MIB: u64 = 1 << 20;
/// What HTTP/2 begins with: the preface, and empty settings.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Whether a connection ends within a time; what comes is thrown away.
pub fn ends_within(peer: &mut TcpStream, limit: Duration) -> bool {
    let begun = Instant::now();
    let mut buf = [0; 4_096];
    while let Some(left) = limit.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
        peer.set_read_timeout(Some(left)).unwrap();
        match peer.read(&mut buf) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    false
}

/// The server still serves, and never took more memory.
pub fn still_serves(served: &Served, memory_max: u64) {
    served.ok(&["set", "alive", "yes"]);
    assert_eq!(served.ok(&["get", "alive"]), "yes");
    let memory = served.memory_peak();
    assert!(memory < memory_max, "{} MiB of memory", memory / MIB);
}

/// A frame of HTTP/2.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = len[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Headers of a call, without any compression.
fn call(path: &str) -> Vec<u8> {
    call_with(path, &[])
}

fn call_with(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields.iter().chain(more) {
        block.push(0);
        for text in [name, value] {
            add_len(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A length as headers have it: seven bits, and seven more at a time for what is longer.
fn add_len(block: &mut Vec<u8>, len: usize) {
    let Some(mut rest) = len.checked_sub(127) else { return block.push(len as u8) };
    block.push(127);
    while rest >= 128 {
        block.push(rest as u8 | 128);
        rest >>= 7;
    }
    block.push(rest as u8);
}

#[test]
fn who_connects_and_says_nothing_is_cut_off() {
    let served = Served::new(&[]);
    let begun = Instant::now();
    let mut peers: Vec<TcpStream> = ["grpc", "http", "resp"]
        .iter()
        .map(|protocol| TcpStream::connect(served.address(protocol)).unwrap())
        .collect();
    for peer in &mut peers {
        assert!(ends_within(peer, Duration::from_secs(15)));
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "cut off too early");
    still_serves(&served, 64 * MIB);
}

#[test]
fn who_shows_no_token_has_less_time() {
    let silt = Silt::new();
    let tokens = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &tokens]);
    for protocol in ["grpc", "http", "resp"] {
        let mut peer = TcpStream::connect(served.address(protocol)).unwrap();
        // Who may show none has ten.
        assert!(ends_within(&mut peer, Duration::from_secs(9)), "{protocol}");
    }
}

#[test]
fn a_connection_on_which_nothing_moves_is_closed() {
    let served = Served::new(&["--idle-timeout", "1s"]);
    let mut peer = TcpStream::connect(served.address("resp")).unwrap();
    peer.write_all(b"PING\r\n").unwrap();
    assert!(ends_within(&mut peer, Duration::from_secs(30)));
    let mut half_open = TcpStream::connect(served.address("resp")).unwrap();
    half_open.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(ends_within(&mut half_open, Duration::from_secs(9)));
}

#[test]
fn ten_thousand_idle_connections_take_bounded_memory() {
    // This process and the server have each as many descriptors as the system gives one.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let count = limit.map_or(10_000, |limit| limit.saturating_sub(300).min(10_000)) as usize;
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: limit, maximum: limit },
    )
    .unwrap();
    let served = Served::new(&["--max-connections", "12000", "--idle-timeout", "600s"]);
    let before = served.memory();
    let mut peers = Vec::new();
    for i in 0..count {
        // Each has said something: silence alone is cut off sooner.
        let (protocol, words): (_, &[u8]) = match i % 3 {
            0 => ("resp", b"PING\r\n"),
            1 => ("grpc", PREFACE),
            _ => ("http", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        };
        let mut peer = connect(served.address(protocol));
        peer.write_all(words).unwrap();
        peers.push(peer);
    }
    still_serves(&served, before + 400 * MIB);
    let grown = served.memory().saturating_sub(before) / count as u64;
    assert!(grown < 40 << 10, "{grown} bytes a connection");
    // Those of gRPC are asked whether they are still there, and do not answer.
    let silent = peers.iter_mut().enumerate().filter(|(i, _)| i % 3 != 1).step_by(500);
    for (_, peer) in silent {
        assert!(!ends_within(peer, Duration::from_millis(10)), "an idle connection was lost");
    }
    drop(peers);
    served.stop();
}

fn connect(address: SocketAddr) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(peer) => return peer,
            Err(e) if begun.elapsed() < Duration::from_secs(30) => {
                assert_ne!(e.kind(), ErrorKind::ConnectionRefused);
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn connections_over_the_limit_are_refused_and_places_come_back() {
    let served = Served::new(&["--max-connections", "20"]);
    let address = served.address("grpc");
    let mut peers: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    for peer in &mut peers {
        peer.write_all(PREFACE).unwrap();
    }
    // Those of one port are taken in the order they came.
    let mut surplus = TcpStream::connect(address).unwrap();
    assert!(ends_within(&mut surplus, Duration::from_secs(9)));
    let mut refused = TcpStream::connect(served.address("resp")).unwrap();
    let mut text = String::new();
    let _ = refused.read_to_string(&mut text);
    assert!(text.starts_with("-ERR max number of clients"), "{text}");
    drop(peers);
    until("places come back", || served.run(&["count"]).code() == 0);
    still_serves(&served, 64 * MIB);
}

#[test]
fn garbage_ends_a_connection() {
    let served = Served::new(&[]);
    let before = served.memory();
    for i in 0..200_u32 {
        let mut peer = TcpStream::connect(served.address("grpc")).unwrap();
        let garbage: Vec<u8> = (0..2_000_u32).map(|n| (n * (i + 7) % 251) as u8).collect();
        if i % 2 == 0 {
            let _ = peer.write_all(PREFACE);
        }
        let _ = peer.write_all(&garbage);
        // Garbage may look like the begin of something: no more of it comes.
        let _ = peer.shutdown(std::net::Shutdown::Write);
        assert!(ends_within(&mut peer, Duration::from_secs(9)), "{i}");
    }
    still_serves(&served, before + 64 * MIB);
}

#[test]
fn a_declared_length_allocates_nothing() {
    let served = Served::new(&[]);
    let before = served.memory();
    let mut peers = Vec::new();
    for _ in 0..50 {
        let mut peer = TcpStream::connect(served.address("grpc")).unwrap();
        peer.write_all(PREFACE).unwrap();
        for n in 0..50 {
            let stream = n * 2 + 1;
            let mut bytes = frame(1, 4, stream, &call("/silt.v1.Silt/Set"));
            // A message of four gigabytes, or of all that is allowed, of which nothing comes.
            let declared: u32 = if n % 2 == 0 { u32::MAX } else { 30 << 20 };
            let mut message = vec![0];
            message.extend(declared.to_be_bytes());
            bytes.extend(frame(0, 0, stream, &message));
            peer.write_all(&bytes).unwrap();
        }
        peers.push(peer);
    }
    std::thread::sleep(Duration::from_secs(1));
    still_serves(&served, before + 256 * MIB);
}

#[test]
fn calls_over_the_limit_of_a_connection_are_refused() {
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    let served = Served::new(&[]);
    let mut peer = TcpStream::connect(served.address("grpc")).unwrap();
    peer.write_all(PREFACE).unwrap();
    for n in 0..138 {
        // Calls that wait for their message.
        peer.write_all(&frame(1, 4, n * 2 + 1, &call("/silt.v1.Silt/Set"))).unwrap();
    }
    let refused = |frames: &[Frame<'_>]| -> Vec<u32> {
        let refused =
            frames.iter().filter(|(kind, _, bytes)| *kind == 3 && *bytes == REFUSED_STREAM);
        refused.map(|(_, stream, _)| *stream).collect()
    };
    let told = told_until(&mut peer, |frames| refused(frames).len() == 10);
    let refused = refused(&frames(&told));
    assert_eq!(refused, (128..138).map(|n| n * 2 + 1).collect::<Vec<_>>());
}

#[test]
fn a_call_with_too_long_headers_is_refused_before_it_is_looked_at() {
    let served = Served::new(&[]);
    let mut http = crate::http::Peer::of(&served);
    let mut peer = TcpStream::connect(served.address("grpc")).unwrap();
    peer.write_all(PREFACE).unwrap();
    for (stream, len, calls) in [(1, 9_000, 0), (3, 7_000, 1)] {
        let headers = call_with("/silt.v1.Silt/Get", &[("x-long", &"x".repeat(len))]);
        // With the end of the call: its message is missing, so that it fails at once.
        peer.write_all(&frame(1, 5, stream, &headers)).unwrap();
        told_until(&mut peer, |frames| {
            frames.iter().any(|(kind, of, _)| (*kind, *of) == (1, stream))
        });
        let metrics = http.get("/metrics").is(200);
        let called = "silt_requests_total{protocol=\"grpc\",op=\"get\"";
        assert_eq!(metrics.text().matches(called).count(), calls, "{len}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_without_descriptors_waits_for_some_and_serves_on() {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
    let served = Served::new(&[]);
    // Its threads are there, with what descriptors they need.
    let mut ready = crate::resp::peer::Peer::new(served.address("resp"));
    assert_eq!(ready.say("PING").text(), "PONG");
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = |current| {
        prlimit(Some(served.pid()), Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    limit(Some(1));
    let mut peer = TcpStream::connect(served.address("resp")).unwrap();
    peer.write_all(b"PING\r\n").unwrap();
    served.logged("accept failed");
    std::thread::sleep(Duration::from_secs(2));
    // After a few tries it asks again once a second, and not in a loop.
    let lines = served.log_lines();
    assert!(lines < 30, "{lines} lines in 2 s");
    limit(maximum);
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = [0; 7];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let served = Served::new(&[]);
    let mut peer = TcpStream::connect(served.address("grpc")).unwrap();
    peer.write_all(PREFACE).unwrap();
    let mut bytes = frame(1, 4, 1, &call("/silt.v1.Silt/Set"));
    bytes.extend(frame(0, 0, 1, &[0, 0, 0, 4, 0, 10, 1]));
    peer.write_all(&bytes).unwrap();
    // The answer names the code, in plain letters or not at all: it comes, and that is enough.
    let begun = Instant::now();
    told_until(&mut peer, |frames| frames.iter().any(|(kind, ..)| *kind == 1));
    assert!(begun.elapsed() >= Duration::from_secs(9), "given up too early");
    still_serves(&served, 64 * MIB);
}

/// What a connection of HTTP/2 is told, up to where its frames are these.
pub fn told_until(peer: &mut TcpStream, is_told: impl Fn(&[Frame<'_>]) -> bool) -> Vec<u8> {
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut told, mut buf) = (Vec::new(), [0; 4_096]);
    while !is_told(&frames(&told)) {
        let len = peer.read(&mut buf).unwrap();
        assert!(len > 0, "closed after {:?}", frames(&told));
        told.extend(&buf[..len]);
    }
    told
}

/// A frame: its kind, its stream, and its bytes.
pub type Frame<'a> = (u8, u32, &'a [u8]);

/// The whole frames of these bytes.
pub fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _, s, t, u, v, rest @ ..] = bytes {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, next)) = rest.split_at_checked(len) else { break };
        frames.push((*kind, u32::from_be_bytes([*s, *t, *u, *v]), payload));
        bytes = next;
    }
    frames
}

#[test]
fn large_requests_at_once_are_refused_and_not_piled_up() {
    let served = Served::new(&[]);
    let (mut done, mut busy) = (0, 0);
    wait(async {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..60_u8 {
            let client = served.client().await;
            tasks.spawn(async move {
                let value = vec![i; 15 << 20];
                client.set(&[i], &value).await
            });
        }
        while let Some(task) = tasks.join_next().await {
            match task.unwrap() {
                Ok(_) => done += 1,
                Err(e) => {
                    assert_eq!(e.code, "SILT_BUSY", "{e}");
                    busy += 1;
                }
            }
        }
    });
    assert!(done > 0, "nothing was done ({busy} refused)");
    // Requests, what is decoded of them, and what waits to be written.
    still_serves(&served, 700 * MIB);
    let held: u32 = served.ok(&["count"]).trim().parse().unwrap();
    assert_eq!(held, done + 1, "refused means not done");
}

#[test]
fn slow_readers_of_many_scans_leave_room_for_others() {
    let served = Served::new(&[]);
    wait(async {
        let client = served.client().await;
        for i in 0..16_u8 {
            client.set(&[i], &vec![i; 4 << 20]).await.unwrap();
        }
        let before = served.memory();
        let is_busy = |e: &siltdb::client::ClientError| {
            assert_eq!(e.code, "SILT_BUSY", "{e}");
            1
        };
        let (mut open, mut refused) = (Vec::new(), 0);
        for _ in 0..100 {
            let begun = served.client().await.scan(&ScanOptions::default()).await;
            // One record is taken and no more, where there is room for one.
            let taken = match begun {
                Ok(mut answers) => answers.next().await.unwrap().map(|_| answers),
                Err(e) => Err(e),
            };
            match taken {
                Ok(answers) => open.push(answers),
                Err(e) => refused += is_busy(&e),
            }
        }
        client.set(b"small", b"value").await.unwrap();
        assert_eq!(client.get(b"small").await.unwrap().as_deref(), Some(&b"value"[..]));
        let grown = served.memory_peak().saturating_sub(before);
        assert!(grown < 700 * MIB, "{} MiB", grown / MIB);
        assert!(!open.is_empty(), "all are refused");
        // Who got one record may have been refused one of those read ahead for it.
        for answers in open.iter_mut().rev() {
            for _ in 0..4 {
                if refused == 0 {
                    refused += answers.next().await.unwrap().err().as_ref().map_or(0, is_busy);
                }
            }
        }
        assert!(refused > 0, "replies are not counted");
        drop(open);
        let begun = Instant::now();
        while client.count(&ScanOptions::default()).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(25), "no room comes back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}
