//! Ranges: pages of one moment, lines, counts, differences, histories.

use serde_json::Value;

use super::Peer;
use crate::served::Served;

fn keys(page: &Value) -> Vec<String> {
    let records = page["records"].as_array().unwrap();
    records.iter().map(|record| record["key"].as_str().unwrap().to_owned()).collect()
}

/// Keys of all pages, and the seq of each page.
fn pages(peer: &mut Peer, query: &str, mut between: impl FnMut()) -> (Vec<String>, Vec<u64>) {
    let (mut all, mut seqs) = (Vec::new(), Vec::new());
    let mut cursor = String::new();
    loop {
        let page = peer.get(&format!("/v1/kv?{query}&cursor={cursor}")).is(200).json();
        all.extend(keys(&page));
        seqs.push(page["seq"].as_u64().unwrap());
        let Some(next) = page["cursor"].as_str() else { return (all, seqs) };
        cursor = next.to_owned();
        between();
    }
}

#[test]
fn pages_are_all_of_one_moment() {
    let served = Served::new(&["--durability", "flushed"]);
    let mut peer = Peer::of(&served);
    peer.ask("PUT /v1/retention", &["Content-Type: application/json"], b"{\"retain\":\"1h\"}")
        .is(200);
    let expected: Vec<String> = (0..25).map(|i| format!("k{i:02}")).collect();
    for key in &expected {
        peer.put(&format!("/v1/kv/{key}"), b"v").is(200);
    }
    let mut writer = Peer::of(&served);
    let mut n = 0;
    let mut between = || {
        n += 1;
        writer.put(&format!("/v1/kv/k00-{n}"), b"later").is(200);
        writer.put(&format!("/v1/kv/k24-{n}"), b"later").is(200);
        writer.ask(&format!("DELETE /v1/kv/k{:02}", 24 - n), &[], b"").is(200);
    };
    let (all, seqs) = pages(&mut peer, "prefix=k&limit=4", &mut between);
    assert_eq!(all, expected);
    assert!(seqs.len() == 7 && seqs.iter().all(|seq| *seq == seqs[0]));
    let query = format!("reverse=true&limit=7&as_of={}", seqs[0]);
    let first = peer.get(&format!("/v1/kv?{query}")).is(200).json();
    assert_eq!(keys(&first)[0], "k24");
    let cursor = first["cursor"].as_str().unwrap();
    let second = peer.get(&format!("/v1/kv?reverse=true&limit=7&cursor={cursor}")).json();
    assert_eq!(keys(&second)[0], "k17");
    // A cursor is for its own scan.
    peer.get(&format!("/v1/kv?cursor={cursor}")).problem(400, "SILT_BAD_INPUT");
    peer.get(&format!("/v1/kv?{query}&cursor={cursor}")).problem(400, "SILT_BAD_INPUT");
    peer.get("/v1/kv?cursor=AAAA").problem(400, "SILT_BAD_INPUT");
}

#[test]
fn a_page_has_its_bounds_whatever_is_asked_for() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let operations: Vec<String> =
        (0..1_500).map(|i| format!(r#"{{"op":"set","key":"few/{i:04}","value":"v"}}"#)).collect();
    peer.post("/v1/batch", &format!(r#"{{"operations":[{}]}}"#, operations.join(","))).is(200);
    for i in 0..5 {
        peer.put(&format!("/v1/kv/long/{i}"), &vec![b'x'; 400 << 10]).is(200);
    }
    // A thousand records, or the first ones that make a MiB together.
    for (prefix, lens) in [("few/", &[1_000, 500][..]), ("long/", &[3, 2])] {
        let mut cursor = String::new();
        for len in lens {
            let query = format!("prefix={prefix}&limit=100000&cursor={cursor}");
            let page = peer.get(&format!("/v1/kv?{query}")).is(200).json();
            assert_eq!(keys(&page).len(), *len, "{prefix}");
            cursor = page["cursor"].as_str().unwrap_or_default().to_owned();
        }
        assert!(cursor.is_empty(), "{prefix}");
    }
}

#[test]
fn pages_of_a_store_whose_records_expired_come_to_their_end() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    for i in 0..10 {
        let ttl = if i % 2 == 0 { "?ttl=200ms" } else { "" };
        peer.put(&format!("/v1/kv/k{i}{ttl}"), b"v").is(200);
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    peer.post("/v1/compact", "").is(200);
    let (all, _) = pages(&mut peer, "limit=2", || ());
    assert_eq!(all, ["k1", "k3", "k5", "k7", "k9"]);
}

#[test]
fn lines_counts_and_deletes_of_ranges() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let lines: String = (0..3_000)
        .map(|i| format!("{{\"op\":\"set\",\"key\":\"k/{i:04}\",\"value\":\"{i}\"}}\n"))
        .collect();
    let kind = ["Content-Type: application/x-ndjson"];
    peer.ask("POST /v1/batch", &kind, lines.as_bytes()).is(200);
    peer.put("/v1/kv/other", b"\xff").is(200);
    let reply = peer.ask("GET /v1/kv", &["Accept: application/x-ndjson"], b"").is(200);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let all: Vec<Value> =
        reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.len(), 3_001);
    assert_eq!(all[17]["value"], "17");
    assert_eq!(all[3_000]["value_base64"], "/w==");
    // A page has its limits, whatever is asked for.
    let page = peer.get("/v1/kv?limit=100000&keys_only=true").is(200).json();
    assert_eq!(keys(&page).len(), 1_000);
    assert_eq!(page["records"][0].get("value"), None);
    assert_eq!(keys(&peer.get("/v1/kv?limit=0").json()).len(), 0);
    assert_eq!(peer.get("/v1/count?prefix=k%2F").json()["count"], 3_000);
    assert_eq!(peer.get("/v1/count?from=k/1000&to=k/1010").json()["count"], 10);
    assert_eq!(peer.get("/v1/count?limit=7").json()["count"], 7);
    peer.get("/v1/kv?limit=-1").problem(400, "SILT_BAD_INPUT");
    peer.get("/v1/kv?reverse=yes").problem(400, "SILT_BAD_INPUT");
    peer.get("/v1/kv?colour=1").problem(400, "SILT_BAD_INPUT");
    peer.ask("DELETE /v1/kv", &[], b"").problem(400, "SILT_BAD_INPUT");
    let deleted = peer.ask("DELETE /v1/kv?prefix=k/1", &[], b"").is(200).json();
    assert_eq!(deleted["deleted"], 1_000);
    assert_eq!(peer.get("/v1/count").json()["count"], 2_001);
}

#[test]
fn differences_and_histories_tell_the_past() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    peer.ask("PUT /v1/retention", &["Content-Type: application/json"], b"{\"retain\":\"forever\"}")
        .is(200);
    let first = peer.put("/v1/kv/a", b"1").is(200).seq();
    peer.put("/v1/kv/a", b"2").is(200);
    peer.put("/v1/kv/b?ttl=1h", b"\xfe").is(200);
    let last = peer.ask("DELETE /v1/kv/a", &[], b"").is(200).seq();
    let diff = peer.get(&format!("/v1/diff?from={first}")).is(200).json();
    let changes = diff["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!((&changes[0]["before"], &changes[0]["after"]), (&"1".into(), &Value::Null));
    assert_eq!(changes[1]["after_base64"], "/g==");
    assert!(changes[1]["after_expires"].is_u64());
    let none = peer.get(&format!("/v1/diff?from={last}&to={last}")).is(200).json();
    assert_eq!(none["changes"].as_array().unwrap().len(), 0);
    peer.get("/v1/diff").problem(400, "SILT_BAD_INPUT");
    peer.get("/v1/diff?from=2&to=1").problem(400, "SILT_BAD_INPUT");
    let history = peer.get("/v1/history/a").is(200).json();
    let ops: Vec<_> = history["versions"].as_array().unwrap().iter().map(|v| &v["op"]).collect();
    assert_eq!(ops, ["del", "set", "set"]);
    let newest = peer.get("/v1/history/a?limit=1").json();
    assert_eq!(newest["versions"].as_array().unwrap().len(), 1);
    assert_eq!(peer.get("/v1/history/none").is(200).json()["versions"], serde_json::json!([]));
    let lines = peer.ask("GET /v1/history/a", &["Accept: application/x-ndjson"], b"").is(200);
    assert_eq!(lines.text().lines().count(), 3);
    // What is no longer held is told, with the oldest moment that is.
    peer.ask("PUT /v1/retention", &["Content-Type: application/json"], b"{\"retain\":\"latest\"}")
        .is(200);
    peer.post("/v1/compact", "").is(200);
    let gone = peer.get(&format!("/v1/kv/a?as_of={first}")).problem(410, "SILT_HISTORY_GONE");
    assert!(gone["oldest"].as_u64().unwrap() > first);
    let lines =
        peer.ask(&format!("GET /v1/kv?as_of={first}"), &["Accept: application/x-ndjson"], b"");
    lines.problem(410, "SILT_HISTORY_GONE");
}
