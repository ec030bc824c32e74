//! One key: values, tags, conditions, the past.

use std::time::Duration;

use super::Peer;
use crate::served::Served;

#[test]
fn values_of_any_bytes_come_back_under_keys_of_any_bytes() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let all: Vec<u8> = (0..=255).collect();
    let encoded: String = all.iter().map(|b| format!("%{b:02X}")).collect();
    for (path, value) in [
        ("a", b"plain".as_slice()),
        (encoded.as_str(), all.as_slice()),
        ("a/b//c", b""),
        ("%2e%2e/%2E", b"dots"),
        ("..%2f..%2fetc%2fpasswd", b"no path"),
        ("+ %20".replace(' ', "%20").as_str(), b"plus"),
        ("%C3%A9%00", &[0; 100_000]),
    ] {
        let path = format!("/v1/kv/{path}");
        let written = peer.put(&path, value).is(200);
        assert_eq!(written.header("silt-durability"), Some("synced"));
        let seq = written.seq();
        assert_eq!(written.json()["seq"], seq);
        let read = peer.get(&path).is(200);
        assert_eq!(read.body, value);
        assert_eq!((read.seq(), read.header("etag")), (seq, Some(format!("\"{seq}\"").as_str())));
        assert_eq!(read.header("content-type"), Some("application/octet-stream"));
        let head = peer.ask(&format!("HEAD {path}"), &[], b"").is(200);
        assert_eq!(head.header("content-length"), Some(value.len().to_string().as_str()));
    }
    // The same key, whatever of it was encoded.
    assert_eq!(peer.get("/v1/kv/%61").is(200).body, b"plain");
    assert_eq!(peer.get("/v1/count").json()["count"], 7);
    peer.ask("DELETE /v1/kv/a", &[], b"").is(200);
    peer.get("/v1/kv/a").problem(404, "SILT_KEY_NOT_FOUND");
    assert_eq!(peer.ask("HEAD /v1/kv/a", &[], b"").status, 404);
    peer.get("/v1/kv/").problem(400, "SILT_KEY_EMPTY");
    peer.get("/v1/kv/%").problem(400, "SILT_BAD_INPUT");
    peer.get("/v1/kv/%zz").problem(400, "SILT_BAD_INPUT");
    peer.get("/v1/kv/a?colour=red").problem(400, "SILT_BAD_INPUT");
    peer.get("/v1/kv/a?as_of=soon").problem(400, "SILT_BAD_INPUT");
    peer.put("/v1/kv/a?ttl=soon", b"x").problem(400, "SILT_BAD_INPUT");
    peer.put("/v1/kv/a?ttl=1s&ttl=2s", b"x").problem(400, "SILT_BAD_INPUT");
    peer.put("/v1/kv/a?durability=very", b"x").problem(400, "SILT_BAD_INPUT");
}

#[test]
fn a_part_of_a_value_does_not_replace_the_whole() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    peer.put("/v1/kv/k", b"0123456789").is(200);
    // As `curl -C 5 -T` sends it, to go on with an upload.
    let part = peer.ask("PUT /v1/kv/k", &["Content-Range: bytes 5-9/10"], b"56789");
    let told = part.problem(400, "SILT_BAD_INPUT");
    assert!(told["detail"].as_str().unwrap().contains("Content-Range"), "{told}");
    assert_eq!(peer.get("/v1/kv/k").is(200).body, b"0123456789");
}

#[test]
fn tags_are_compare_and_set() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let put = |peer: &mut Peer, condition: &str, value: &str| {
        peer.ask("PUT /v1/kv/k", &[condition], value.as_bytes())
    };
    let failed = put(&mut peer, "If-Match: *", "1").problem(412, "SILT_CONDITION_FAILED");
    assert!(failed["detail"].as_str().unwrap().contains("the key is absent"), "{failed}");
    put(&mut peer, "If-Match: \"1\"", "1").problem(412, "SILT_CONDITION_FAILED");
    let first = put(&mut peer, "If-None-Match: *", "1").is(200).seq();
    let failed = put(&mut peer, "If-None-Match: *", "2").problem(412, "SILT_CONDITION_FAILED");
    assert_eq!(failed["found"], first);
    let text = failed["detail"].as_str().unwrap();
    assert!(text.contains(&first.to_string()) && !text.contains("operation"), "{text}");
    let second = put(&mut peer, &format!("If-Match: \"{first}\""), "2").is(200).seq();
    assert!(second > first);
    put(&mut peer, &format!("If-Match: \"{first}\""), "3").problem(412, "SILT_CONDITION_FAILED");
    put(&mut peer, &format!("If-None-Match: \"{second}\""), "3")
        .problem(412, "SILT_CONDITION_FAILED");
    // A weak tag is no proof; a list and the bare number are fine.
    put(&mut peer, &format!("If-Match: W/\"{second}\""), "3").problem(412, "SILT_CONDITION_FAILED");
    put(&mut peer, "If-Match: second", "3").problem(400, "SILT_BAD_INPUT");
    let third = put(&mut peer, &format!("If-Match: \"1\", \"{second}\""), "3").is(200).seq();
    let fourth = put(&mut peer, &format!("If-Match: {third}"), "4").is(200).seq();
    let tag = |name: &str| format!("{name}: \"{fourth}\"");
    let same = peer.ask("GET /v1/kv/k", &[&tag("If-None-Match")], b"").is(304);
    assert_eq!((same.body.len(), same.seq()), (0, fourth));
    peer.ask("GET /v1/kv/k", &["If-None-Match: \"1\""], b"").is(200);
    peer.ask("GET /v1/kv/k", &[&tag("If-Match")], b"").is(200);
    peer.ask("GET /v1/kv/k", &["If-Match: \"1\""], b"").problem(412, "SILT_CONDITION_FAILED");
    peer.ask("DELETE /v1/kv/k", &["If-Match: \"1\""], b"").problem(412, "SILT_CONDITION_FAILED");
    peer.ask("DELETE /v1/kv/k", &[&tag("If-Match")], b"").is(200);
    peer.ask("DELETE /v1/kv/k", &["If-Match: *"], b"").problem(412, "SILT_CONDITION_FAILED");
}

#[test]
fn counters_under_any_record_condition_lose_nothing() {
    let served = Served::new(&["--durability", "flushed"]);
    Peer::of(&served).put("/v1/kv/n", b"0").is(200);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mut peer = Peer::of(&served);
            std::thread::spawn(move || {
                let mut done = 0;
                while done < 50 {
                    let read = peer.get("/v1/kv/n").is(200);
                    let n: u64 = read.text().parse().unwrap();
                    // A list needs the server's own compare-and-set beneath.
                    let tags = format!("If-Match: \"1\", \"{}\"", read.seq());
                    let value = (n + 1).to_string();
                    let reply = peer.ask("PUT /v1/kv/n", &[&tags], value.as_bytes());
                    done += u32::from(reply.status == 200);
                    assert!([200, 412].contains(&reply.status), "{}", reply.status);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(Peer::of(&served).get("/v1/kv/n").text(), "200");
}

#[test]
fn the_past_and_the_end_of_records() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    peer.ask("PUT /v1/retention", &["Content-Type: application/json"], b"{\"retain\":\"forever\"}")
        .is(200);
    let first = peer.put("/v1/kv/k", b"old").is(200).seq();
    let second = peer.put("/v1/kv/k?ttl=1h", b"new").is(200).seq();
    let old = peer.get(&format!("/v1/kv/k?as_of={first}")).is(200);
    assert_eq!((old.text(), old.seq(), old.header("silt-expires")), ("old", first, None));
    let new = peer.get("/v1/kv/k?as_of=now").is(200);
    let expires: u64 = new.header("silt-expires").unwrap().parse().unwrap();
    assert!(expires > second + 3_500_000_000 && expires < second + 3_700_000_000);
    peer.get("/v1/kv/k?as_of=10m%20ago").problem(404, "SILT_KEY_NOT_FOUND");
    peer.get("/v1/kv/k?as_of=2020-01-01T00:00:00Z").problem(404, "SILT_KEY_NOT_FOUND");
    peer.put("/v1/kv/short?ttl=1h", b"x").is(200);
    assert_eq!(peer.get("/v1/kv/short").status, 200);
    peer.put("/v1/kv/short?ttl=100ms", b"x").is(200);
    std::thread::sleep(Duration::from_millis(200));
    peer.get("/v1/kv/short").problem(404, "SILT_KEY_NOT_FOUND");
    let page = peer.get("/v1/kv").is(200).json();
    assert_eq!(page["records"].as_array().unwrap().len(), 1, "{page}");
}

#[test]
fn keys_too_long_for_a_url_go_into_bodies() {
    let served = Served::new(&["--max-value", "1000"]);
    let mut peer = Peer::of(&served);
    let key = "k".repeat(60_000);
    let batch =
        format!("{{\"operations\":[{{\"op\":\"set\",\"key\":\"{key}\",\"value\":\"v\"}}]}}");
    peer.post("/v1/batch", &batch).is(200);
    assert_eq!(peer.form("/v1/get", &format!("key={key}")).is(200).text(), "v");
    let page = peer.form("/v1/scan", &format!("from={key}&keys_only=true")).is(200).json();
    assert_eq!(page["records"][0]["key"], key);
    assert_eq!(peer.form("/v1/count", &format!("prefix={key}")).json()["count"], 1);
    let history = peer.form("/v1/history", &format!("key={key}")).is(200).json();
    assert_eq!(history["versions"].as_array().unwrap().len(), 1);
    peer.form("/v1/get", &format!("key={}", "k".repeat(65_536))).problem(414, "SILT_KEY_TOO_LONG");
    peer.form("/v1/get", "").problem(400, "SILT_BAD_INPUT");
    peer.post("/v1/get", "{}").problem(415, "SILT_MEDIA_TYPE");
    peer.put("/v1/kv/k", &[0; 1_000]).is(200);
    peer.put("/v1/kv/k", &[0; 1_001]).problem(413, "SILT_VALUE_TOO_LONG");
}
