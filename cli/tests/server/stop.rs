//! How the server ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use siltdb::ScanOptions;
use tokio::task::JoinSet;

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
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(silt.ok(&["count"]), "20\n");
    });
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
        let begun = Instant::now();
        served.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_millis(500)).await;
        served.signal(Signal::TERM);
        let (code, log, silt) = served.ended();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}: {log}", begun.elapsed());
        assert_eq!(code, Some(3), "{log}");
        assert!(log.contains("SILT_INTERRUPTED"), "{log}");
        assert_eq!(silt.ok(&["count"]), "2\n");
    });
}
