//! How the server ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use siltdb::ScanOptions;
use tokio::task::JoinSet;

use crate::abuse::{Frame, PREFACE, frame, frames, told_until};
use crate::http;
use crate::served::{Served, until, wait};

#[test]
fn what_was_acknowledged_before_stopping_is_there() {
    for protocol in ["grpc", "http"] {
        stopped_under_writers(Served::new(&["--durability", "buffered"]).by(protocol));
    }
}

fn stopped_under_writers(served: Served) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    wait(async {
        let client = served.client().await;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for writer in 0..8_u64 {
            let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
            let is_stopped = Arc::clone(&is_stopped);
            tasks.spawn(async move {
                for i in 0.. {
                    let key = format!("{writer}/{i:08}");
                    if client.set(key.as_bytes(), b"v").await.is_err() {
                        assert!(is_stopped.load(Ordering::Relaxed), "a write failed too early");
                        return;
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("writes enough", || acknowledged.load(Ordering::Relaxed) > 200);
        is_stopped.store(true, Ordering::Relaxed);
        served.signal(Signal::TERM);
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
    let (code, log, silt) = served.ended();
    assert_eq!(code, Some(0), "{log}");
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    let held: u64 = silt.ok(&["count"]).trim().parse().unwrap();
    assert!(held >= acknowledged, "{held} of {acknowledged}");
}

#[test]
fn a_reader_that_does_not_read_does_not_keep_the_server() {
    let served = Served::new(&[]);
    wait(async {
        let client = served.client().await;
        let mut batch = siltdb::Batch::new();
        for i in 0..20_u32 {
            batch.set(&i.to_be_bytes(), &vec![1; 1 << 20]);
        }
        client.batch(&batch, None).await.unwrap();
        let mut answers = client.scan(&ScanOptions::default()).await.unwrap();
        assert!(answers.next().await.unwrap().is_ok());
        let begun = Instant::now();
        served.signal(Signal::TERM);
        let (code, log, silt) = served.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(begun.elapsed() < Duration::from_secs(28), "{:?}", begun.elapsed());
        assert_eq!(silt.ok(&["count"]), "20\n");
    });
}

#[test]
fn connections_on_which_nothing_moves_end_cleanly() {
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    let served = Served::new(&[]);
    let mut http = http::Peer::of(&served);
    http.get("/healthz").is(200);
    let mut resp = TcpStream::connect(served.address("resp")).unwrap();
    resp.write_all(b"PING\r\n").unwrap();
    resp.read_exact(&mut [0; 7]).unwrap();
    let mut grpc = TcpStream::connect(served.address("grpc")).unwrap();
    grpc.write_all(PREFACE).unwrap();
    // Its settings, and that it knows ours.
    let settings = |frames: &[Frame<'_>]| frames.iter().filter(|frame| frame.0 == 4).count();
    told_until(&mut grpc, |frames| settings(frames) == 2);
    served.signal(Signal::TERM);
    // Neither cut off nor left to wait until the time for stopping is over.
    let ends = |peer: &mut TcpStream| {
        peer.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        let mut told = Vec::new();
        peer.read_to_end(&mut told).unwrap();
        assert!(told.is_empty(), "{told:?}");
    };
    ends(http.stream());
    ends(&mut resp);
    // It is told to go away, and asked whether it has heard of it.
    let of = |frames: &[Frame<'_>], kind| frames.iter().find(|f| f.0 == kind).map(|f| f.2.to_vec());
    let told =
        told_until(&mut grpc, |frames| of(frames, PING).is_some() && of(frames, GOAWAY).is_some());
    let asked = of(&frames(&told), PING).unwrap();
    grpc.write_all(&frame(PING, 1, 0, &asked)).unwrap();
    told_until(&mut grpc, |frames| of(frames, GOAWAY).is_some());
    ends(&mut grpc);
    let (code, log, _) = served.ended();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_signal_that_comes_twice_is_one() {
    let served = Served::new(&["--durability", "buffered"]);
    // A request under way keeps the server.
    let mut held = TcpStream::connect(served.address("http")).unwrap();
    let head = "PUT /v1/kv/late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n";
    held.write_all(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).unwrap();
    held.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).unwrap();
    // As `timeout` does: to the process, and to its group.
    served.signal(Signal::TERM);
    served.logged("stopping");
    served.signal(Signal::TERM);
    held.write_all(b"vw").unwrap();
    let mut told = String::new();
    held.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    let (code, log, silt) = served.ended();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(silt.ok(&["get", "late"]), "vw");
}

#[test]
fn a_second_signal_ends_at_once() {
    let served = Served::new(&[]);
    wait(async {
        let client = served.client().await;
        client.set(b"k", &vec![1; 15 << 20]).await.unwrap();
        let mut batch = siltdb::Batch::new();
        batch.set(b"l", &vec![1; 15 << 20]);
        client.batch(&batch, None).await.unwrap();
        // Somebody who does not read keeps the server for its full time, unless it is told twice.
        let mut answers = client.scan(&ScanOptions::default()).await.unwrap();
        assert!(answers.next().await.unwrap().is_ok());
        served.signal(Signal::TERM);
        served.logged("stopping");
        // Any sooner it would be taken for the same one.
        std::thread::sleep(Duration::from_secs(1));
        served.signal(Signal::TERM);
        let (code, log, silt) = served.ended();
        assert_eq!(code, Some(3), "{log}");
        assert!(log.contains("SILT_INTERRUPTED"), "{log}");
        assert_eq!(silt.ok(&["count"]), "2\n");
    });
}
