//! The server killed under concurrent writers, again and again on one store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use siltdb::client::Client;
use siltdb::{Batch, Durability};
use tokio::task::JoinSet;

use crate::served::{Served, wait};
use crate::silt::Silt;

const WRITERS: u64 = 16;
const KEYS: u64 = 20;
/// Kills; SILT_KILLS asks for more.
const KILLS: u64 = 12;

/// What a writer knows of a key: the last acknowledged number, and the last one sent.
type Known = BTreeMap<Vec<u8>, (u64, u64)>;

/// Writes growing numbers to keys of its own, two at a time, until the server is gone.
async fn write(client: Client, writer: u64, round: u64, known: Arc<Mutex<Known>>) {
    for i in 1.. {
        let number = (round << 32) + i;
        let mut batch = Batch::new();
        let pair = [0, KEYS].map(|half| format!("{writer:02}/{:03}", half + i % KEYS));
        for key in &pair {
            let key = key.as_bytes();
            batch.set(key, number.to_string().as_bytes());
            known.lock().unwrap().entry(key.to_vec()).or_default().1 = number;
        }
        let Ok(commit) = client.batch(&batch, Some(Durability::Synced)).await else { return };
        assert_eq!(commit.durability, Durability::Synced);
        for key in &pair {
            known.lock().unwrap().entry(key.as_bytes().to_vec()).or_default().0 = number;
        }
    }
}

fn check(silt: &Silt, known: &mut Known) {
    let mut held = BTreeMap::new();
    for line in silt.ok(&["scan"]).lines() {
        let (key, number) = line.split_once('\t').unwrap();
        held.insert(key.as_bytes().to_vec(), number.parse::<u64>().unwrap());
    }
    for (key, (acknowledged, sent)) in known.iter_mut() {
        let number = held.get(key).copied().unwrap_or(0);
        let name = String::from_utf8_lossy(key);
        assert!(number >= *acknowledged, "{name}: {number}, but {acknowledged} was acknowledged");
        assert!(number <= *sent, "{name}: {number}, but only {sent} was sent");
        // What is read once after a crash is there for good.
        *acknowledged = number;
    }
    for (key, number) in &held {
        let text = std::str::from_utf8(key).unwrap();
        let (writer, half) = text.split_once('/').unwrap();
        let half: u64 = half.parse().unwrap();
        let other = format!("{writer}/{:03}", (half + KEYS) % (2 * KEYS));
        // Both keys of a batch, or none.
        assert_eq!(held.get(other.as_bytes()), Some(number), "half a batch: {text} {other}");
    }
}

#[test]
fn no_write_acknowledged_by_grpc_is_lost() {
    kill_under_writers("grpc");
}

#[test]
fn no_write_acknowledged_by_http_is_lost() {
    kill_under_writers("http");
}

fn kill_under_writers(protocol: &'static str) {
    let kills = std::env::var("SILT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut silt = Silt::new();
    let mut known = Known::new();
    let mut acknowledged = 0;
    for round in 1..=kills {
        let served = Served::of(silt, &[]).by(protocol);
        let shared: Vec<_> = (0..WRITERS).map(|_| Arc::new(Mutex::new(Known::new()))).collect();
        wait(async {
            let mut writers = JoinSet::new();
            for (i, known) in shared.iter().enumerate() {
                let client = served.client().await;
                writers.spawn(write(client, i as u64, round, Arc::clone(known)));
            }
            // Any moment: of the first appends, in the middle, when a segment is rolled.
            tokio::time::sleep(Duration::from_millis(20 + round * 37 % 400)).await;
            served.signal(rustix::process::Signal::KILL);
            while let Some(writer) = writers.join_next().await {
                writer.unwrap();
            }
        });
        silt = served.ended().2;
        for writer in shared {
            for (key, (acked, sent)) in writer.lock().unwrap().iter() {
                let entry = known.entry(key.clone()).or_default();
                entry.0 = entry.0.max(*acked);
                entry.1 = entry.1.max(*sent);
                acknowledged += u64::from(*acked > 0);
            }
        }
        check(&silt, &mut known);
    }
    assert!(acknowledged > kills, "too little was written: {acknowledged}");
}
