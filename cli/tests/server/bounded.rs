//! What a request asks for may be far more than fits into memory: it is read as it is sent.

use siltdb::{Durability, Options, Retention, ScanOptions, Store};

use crate::abuse::MIB;
use crate::resp::peer::{Answer, Peer};
use crate::served::{Served, wait};
use crate::silt::Silt;

const VERSIONS: u64 = 96;
const VALUE_LEN: u64 = 2 * MIB;
/// What a server takes for itself, and for a few values on their way.
const PEAK_MAX: u64 = 96 * MIB;

/// Serves a store with one key of many large versions.
fn served() -> Served {
    let silt = Silt::new();
    let options = Options {
        retention: Retention::Forever,
        durability: Durability::Flushed,
        ..Options::default()
    };
    let store = Store::open(silt.db(), options).unwrap();
    for i in 0..VERSIONS {
        store.set(b"k", &vec![i as u8; VALUE_LEN as usize]).unwrap();
    }
    store.close().unwrap();
    Served::of(silt, &[])
}

/// Runs something that must not take more memory of the server.
fn bounded<T>(served: &Served, what: &str, run: impl FnOnce() -> T) -> T {
    let (result, peak) = served.peak_of(run);
    assert!(peak < PEAK_MAX, "{what}: {} MiB of memory", peak / MIB);
    result
}

#[test]
fn a_long_history_is_read_as_it_is_sent() {
    let mut served = served();
    for protocol in ["grpc", "http"] {
        served = served.by(protocol);
        let count = bounded(&served, protocol, || {
            wait(async {
                let mut versions = served.client().await.history(b"k", None).await.unwrap();
                let mut count = 0;
                while let Some(version) = versions.next().await {
                    assert_eq!(version.unwrap().size() as u64, VALUE_LEN);
                    count += 1;
                }
                count
            })
        });
        assert_eq!(count, VERSIONS, "{protocol}");
        let newest = wait(async {
            let mut versions = served.client().await.history(b"k", Some(1)).await.unwrap();
            (versions.next().await.unwrap().unwrap().value, versions.next().await.is_none())
        });
        assert_eq!(newest, (Some(vec![VERSIONS as u8 - 1; VALUE_LEN as usize]), true));
    }
    for words in [["SILT.HISTORY", "k", "LIMIT", "3"], ["SILT.CHANGES", "0", "LIMIT", "3"]] {
        let told = bounded(&served, words[0], || Peer::new(served.address("resp")).ask(&words));
        let told = told.array();
        assert_eq!(told.len(), if words[0] == "SILT.HISTORY" { 3 } else { 2 });
    }
}

#[test]
fn long_values_that_short_requests_make_do_not_pile_up() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    peer.say("MULTI");
    for i in 0..64 {
        peer.say(&format!("SETRANGE k{i} 8000000 x"));
    }
    let told = bounded(&served, "EXEC", || peer.say("EXEC"));
    assert!(
        matches!(&told, Answer::Error(text) if text.contains("SILT_BATCH_TOO_LARGE")),
        "{told:?}"
    );
    assert_eq!(peer.say("DBSIZE").int(), 0, "all or nothing");
    // What is overwritten does not count.
    peer.say("MULTI");
    for i in 0..64 {
        peer.say(&format!("SETRANGE k 8000000 {i}"));
    }
    assert_eq!(peer.say("EXEC").array().len(), 64);
}

#[test]
fn a_change_feed_is_read_as_it_is_sent() {
    let mut served = served();
    for protocol in ["grpc", "http"] {
        served = served.by(protocol);
        bounded(&served, protocol, || {
            wait(async {
                let client = served.client().await;
                let mut feed = client.changes(Some(0), &ScanOptions::default()).await.unwrap();
                assert_eq!(feed.next().await.unwrap().unwrap().version.size() as u64, VALUE_LEN);
                // The reader takes no more: nor does the server.
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                for _ in 1..VERSIONS {
                    let changed = feed.next().await.unwrap().unwrap();
                    assert_eq!(changed.version.size() as u64, VALUE_LEN);
                }
                let keys_only = ScanOptions { keys_only: true, ..ScanOptions::default() };
                let mut keys = client.changes(Some(0), &keys_only).await.unwrap();
                for _ in 0..VERSIONS {
                    assert_eq!(keys.next().await.unwrap().unwrap().version.size(), 0);
                }
            });
        });
    }
}

#[test]
fn a_page_has_a_thousand_keys_at_most() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    let words: Vec<String> = (0..1_500).flat_map(|i| [format!("{i:04}"), "v".into()]).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    peer.ask(&[&["MSET"][..], &words].concat());
    let first = peer.ask(&["SCAN", "0", "COUNT", "100000"]);
    let first = first.array();
    assert_eq!(first[1].array().len(), 1_000);
    let rest = peer.ask(&["SCAN", &first[0].text(), "COUNT", "100000"]);
    assert_eq!((rest.array()[0].text().as_str(), rest.array()[1].array().len()), ("0", 500));
}

#[test]
fn long_keys_make_short_pages_and_few_are_watched() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    let key = |i: usize| format!("{i:03}{}", "k".repeat(60_000));
    for i in 0..100 {
        peer.ask(&["SET", &key(i), ""]);
    }
    let (mut cursor, mut told) = (String::from("0"), Vec::new());
    loop {
        let page = peer.ask(&["SCAN", &cursor, "COUNT", "1000"]);
        let page = page.array();
        assert!(page[1].array().len() < 20, "{} keys in a page", page[1].array().len());
        told.extend(page[1].array().iter().map(Answer::text));
        cursor = page[0].text();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(told, (0..100).map(key).collect::<Vec<_>>());
    let refused = (0..100).find(|i| matches!(peer.ask(&["WATCH", &key(*i)]), Answer::Error(_)));
    assert!(refused.is_some_and(|i| i > 5), "{refused:?}");
    peer.say("UNWATCH");
    assert_eq!(peer.ask(&["WATCH", &key(0)]), Answer::Simple("OK".into()), "no room comes back");
    // Short keys take memory, too: of the watching, and while a client lists them.
    let many: Vec<String> = (0..50_000).map(|i| i.to_string()).collect();
    let mut words = vec!["WATCH"];
    words.extend(many.iter().map(String::as_str));
    assert!(peer.ask(&words).text().starts_with("BUSY "));
    // Watched twice is watched once.
    let mut other = Peer::new(served.address("resp"));
    words.splice(1.., vec!["k"; 50_000]);
    assert_eq!(other.ask(&words), Answer::Simple("OK".into()));
}
