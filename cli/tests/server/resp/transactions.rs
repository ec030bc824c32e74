//! Transactions, and counters that many write at once.

use super::peer::{Answer, Peer, bulk, request};
use crate::served::{Served, wait};
use siltdb::Batch;

const FLUSHED: &[&str] = &["--durability", "flushed"];

#[test]
fn a_transaction_is_one_commit() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    for words in ["MULTI", "SET a 1", "INCR a", "SET b x", "GET a", "INCR b", "KEYS *", "DBSIZE"] {
        peer.say(words);
    }
    let answers = peer.say("EXEC");
    let answers = answers.array();
    assert_eq!(answers[1], Answer::Int(2));
    assert_eq!(answers[3], bulk("2"), "what was written before is seen");
    assert_eq!(answers[4].text(), "ERR value is not an integer or out of range");
    assert_eq!(answers[5].array().len(), 2);
    assert_eq!(answers[6], Answer::Int(2));
    let seqs: Vec<i64> = ["a", "b"]
        .iter()
        .map(|key| peer.ask(&["SILT.HISTORY", key]).array()[0].array()[0].int())
        .collect();
    assert_eq!(seqs[0], seqs[1], "one commit has one seq");
    let commit = peer.say("SILT.LASTCOMMIT");
    assert_eq!(commit.array(), [Answer::Int(seqs[0]), bulk("synced")]);
    for words in ["MULTI", "GET a", "SILT.HISTORY b", "MGET a b"] {
        peer.say(words);
    }
    assert_eq!(peer.say("EXEC").array()[2], Answer::Array(vec![bulk("2"), bulk("x")]));
}

#[test]
fn a_transaction_too_large_is_not_to_be_tried_again() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    let value = vec![b'v'; 15 << 20];
    peer.say("MULTI");
    let mut set = |key: &str| peer.ask(&[b"SET".as_slice(), key.as_bytes(), &value]).text();
    assert_eq!([set("a"), set("b")], ["QUEUED", "QUEUED"]);
    let told = set("c");
    assert!(told.starts_with("ERR ") && told.ends_with("[SILT_BATCH_TOO_LARGE]"), "{told}");
    assert!(peer.say("EXEC").text().starts_with("EXECABORT "));
    assert_eq!(peer.say("DBSIZE"), Answer::Int(0));
}

#[test]
fn watched_keys_must_not_change_through_any_protocol() {
    let served = Served::new(&[]);
    let (mut a, mut b) = (Peer::new(served.address("resp")), Peer::new(served.address("resp")));
    a.say("SET k 1");
    for (who, change) in [("other", "SET k 2"), ("other", "DEL absent2 k"), ("none", "GET k")] {
        a.say("SET k 1");
        assert_eq!(a.say("WATCH k absent"), Answer::Simple("OK".into()));
        b.say(change);
        a.say("MULTI");
        a.say("SET done yes");
        let is_refused = a.say("EXEC") == Answer::Null;
        assert_eq!(is_refused, who == "other", "{change}");
    }
    // A watched key that is not written, and one that comes into being.
    a.say("DEL done");
    a.say("WATCH absent");
    b.say("SET absent 1");
    a.say("MULTI");
    a.say("SET done yes");
    assert_eq!(a.say("EXEC"), Answer::Null);
    assert_eq!(a.say("GET done"), Answer::Null);
    // One that comes into being, is seen and goes again.
    a.say("DEL absent");
    a.say("WATCH absent");
    b.say("SET absent 1");
    b.say("DEL absent");
    a.say("MULTI");
    a.say("SET done yes");
    assert_eq!(a.say("EXEC"), Answer::Null);
    // Written by gRPC.
    a.say("WATCH k");
    served.ok(&["set", "k", "by gRPC"]);
    a.say("MULTI");
    a.say("SET done yes");
    assert_eq!(a.say("EXEC"), Answer::Null);
    // EXEC has ended the watch.
    a.say("MULTI");
    a.say("SET done yes");
    assert_eq!(a.say("EXEC"), Answer::Array(vec![Answer::Simple("OK".into())]));
}

#[test]
fn counters_count_every_step_of_everybody() {
    let served = Served::new(FLUSHED);
    let address = served.address("resp");
    let (threads, steps) = (8, 300);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut peer = Peer::new(address);
                let mut seen = Vec::new();
                for step in 0..steps {
                    // One by one, in pipelines, and in transactions.
                    match (thread + step) % 3 {
                        0 => seen.push(peer.say("INCR hot").int()),
                        1 => {
                            let one = request(&["INCR", "hot"]);
                            peer.write(&[&one[..], &one[..]].concat()).unwrap();
                            seen.push(peer.answer().unwrap().int());
                            seen.push(peer.answer().unwrap().int());
                        }
                        _ => {
                            peer.say("MULTI");
                            peer.say("INCR hot");
                            peer.say("INCR other");
                            seen.push(peer.say("EXEC").array()[0].int());
                        }
                    }
                }
                assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "a counter went back");
            });
        }
        // Others write the same key by its seq, with gRPC.
        scope.spawn(|| {
            wait(async {
                let client = served.client().await;
                let mut added = 0;
                while added < 100 {
                    let Some(record) = client.get_record(b"hot", None).await.unwrap() else {
                        continue;
                    };
                    let number: u64 = String::from_utf8(record.value).unwrap().parse().unwrap();
                    let mut batch = Batch::new();
                    batch.push(siltdb::Operation {
                        key: b"hot".to_vec(),
                        value: Some((number + 1).to_string().into_bytes()),
                        expires: None,
                        condition: Some(siltdb::Condition::SeqIs(record.seq)),
                    });
                    added += u64::from(client.batch(&batch, None).await.is_ok());
                }
            });
        });
    });
    let mut peer = Peer::new(address);
    // Of three steps one counts twice.
    let expected = threads * steps * 4 / 3 + 100;
    assert_eq!(peer.say("GET hot").text(), expected.to_string());
    assert_eq!(peer.say("GET other").text(), (threads * steps / 3).to_string());
}

#[test]
fn what_must_happen_once_happens_once() {
    let served = Served::new(FLUSHED);
    let address = served.address("resp");
    for round in 0..40 {
        let key = format!("lock{round}");
        Peer::new(address).ask(&["SET", &format!("gone{round}"), "x"]);
        let won: Vec<(bool, bool, bool)> = std::thread::scope(|scope| {
            let run = |i: usize| {
                let (key, mut peer) = (key.clone(), Peer::new(address));
                scope.spawn(move || {
                    let value = i.to_string();
                    let set = peer.ask(&["SET", &key, &value, "NX", "EX", "100"]);
                    let gone = format!("gone{round}");
                    let deleted = peer.ask(&["DEL", &gone]) == Answer::Int(1);
                    let got = peer.ask(&["GETDEL", &format!("lock{round}")]) != Answer::Null;
                    (set != Answer::Null, deleted, got)
                })
            };
            let threads: Vec<_> = (0..6).map(run).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (sets, gets) = (won.iter().filter(|w| w.0).count(), won.iter().filter(|w| w.2).count());
        assert_eq!(won.iter().filter(|w| w.1).count(), 1, "deleted once");
        assert_eq!(sets, gets, "each that was set was taken once");
    }
}

#[test]
fn values_of_one_moment_are_read_together() {
    let served = Served::new(FLUSHED);
    let address = served.address("resp");
    Peer::new(address).say("MSET a 0 b 0 c 0");
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut peer = Peer::new(address);
            for i in 1..2_000 {
                let n = i.to_string();
                peer.ask(&["MSET", "a", &n, "b", &n, "c", &n]);
            }
        });
        let mut peer = Peer::new(address);
        let mut last = 0;
        while !writer.is_finished() {
            let read = if last % 2 == 0 {
                peer.say("MGET a b c")
            } else {
                peer.write(
                    &[
                        &request(&["MULTI"])[..],
                        &request(&["GET", "a"]),
                        &request(&["GET", "b"]),
                        &request(&["GET", "c"]),
                        &request(&["EXEC"]),
                    ]
                    .concat(),
                )
                .unwrap();
                (0..4).for_each(|_| drop(peer.answer().unwrap()));
                peer.answer().unwrap()
            };
            let all = read.array();
            assert!(all[0] == all[1] && all[1] == all[2], "of different moments: {all:?}");
            last = all[0].text().parse::<u64>().unwrap();
        }
    });
}

#[test]
fn a_pipeline_is_answered_in_order_and_shares_a_commit() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    let mut bytes = Vec::new();
    for i in 0..2_000 {
        let (key, value) = (format!("p{}", i % 50), i.to_string());
        bytes.extend(request(&["SET", &key, &value]));
        bytes.extend(request(&["GET", &key]));
        bytes.extend(request(&["INCR", "count"]));
        bytes.extend(request(&["GET", "absent"]));
    }
    peer.write(&bytes).unwrap();
    let mut seqs = std::collections::BTreeSet::new();
    for i in 0..2_000_i64 {
        assert_eq!(peer.answer().unwrap(), Answer::Simple("OK".into()));
        assert_eq!(peer.answer().unwrap(), bulk(&i.to_string()));
        assert_eq!(peer.answer().unwrap(), Answer::Int(i + 1));
        assert_eq!(peer.answer().unwrap(), Answer::Null);
    }
    for i in 0..50 {
        let history = peer.ask(&["SILT.HISTORY", &format!("p{i}")]);
        seqs.extend(history.array().iter().map(|version| version.array()[0].int()));
    }
    assert!(seqs.len() < 500, "{} commits for 2,000 writes", seqs.len());
}

#[test]
fn those_who_count_together_share_commits() {
    let served = Served::new(&[]);
    let address = served.address("resp");
    let (threads, steps) = (8, 150);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || {
                let mut peer = Peer::new(address);
                let counted: Vec<i64> = (0..steps).map(|_| peer.say("INCR hot").int()).collect();
                assert!(counted.windows(2).all(|pair| pair[0] < pair[1]));
            });
        }
    });
    let mut peer = Peer::new(address);
    assert_eq!(peer.say("GET hot").text(), (threads * steps).to_string());
    let versions = peer.say("SILT.HISTORY hot LIMIT 1000").array().len();
    assert!(versions < threads * steps * 3 / 4, "{versions} commits");
}
