//! FLUSHALL of a store of many keys.

use std::sync::atomic::{AtomicBool, Ordering};

use siltdb::ScanOptions;

use super::peer::{Answer, Peer, bulk};
use crate::served::{Served, wait};
use crate::silt::Silt;

const KEYS: u64 = 250_000;

/// A store of many keys.
fn many_keys() -> Silt {
    let silt = Silt::new();
    let lines: String = (0..KEYS).map(|i| format!("key{i:06}\tv\n")).collect();
    silt.ok(&["import", &silt.file("in.tsv", lines)]);
    silt
}

#[test]
fn all_keys_go_as_one_within_a_transaction() {
    let served = Served::of(many_keys(), &[]);
    let mut peer = Peer::new(served.address("resp"));
    for words in ["MULTI", "SET before v", "FLUSHALL", "GET key000001", "SET after v"] {
        peer.say(words);
    }
    let ok = Answer::Simple("OK".into());
    let told = Answer::Array(vec![ok.clone(), ok.clone(), Answer::Null, ok]);
    assert_eq!(peer.say("EXEC"), told);
    assert_eq!(peer.say("KEYS *"), Answer::Array(vec![bulk("after")]));
    assert_eq!(served.ok(&["history", "key000001", "--limit", "1"]).matches("\tdel\t").count(), 1);
}

#[test]
fn all_keys_go_at_one_moment() {
    let served = Served::of(many_keys(), &[]);
    let is_flushed = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            wait(async {
                let client = served.client().await;
                let mut counts = Vec::new();
                while !is_flushed.load(Ordering::SeqCst) {
                    counts.push(client.count(&ScanOptions::default()).await.unwrap());
                }
                counts
            })
        });
        let mut peer = Peer::new(served.address("resp"));
        assert_eq!(peer.say("FLUSHALL"), Answer::Simple("OK".into()));
        assert_eq!(peer.say("DBSIZE").int(), 0);
        is_flushed.store(true, Ordering::SeqCst);
        counting.join().unwrap()
    });
    assert!(counts.iter().all(|count| [0, KEYS].contains(count)), "{counts:?}");
    assert_eq!(served.ok(&["count"]), "0\n");
}
