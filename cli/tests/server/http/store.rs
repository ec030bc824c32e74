//! Batches, and the store as a whole.

use super::Peer;
use crate::served::{Served, of};

#[test]
fn batches_are_whole_or_not_at_all() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let document = r#"{"operations":[
        {"op":"set","key":"a","value":"1"},
        {"op":"check","key":"lock","if_absent":true},
        {"op":"set","key_base64":"/w==","value_base64":"AA==","ttl":"1h"},
        {"op":"delete","key":"none"}]}"#;
    let done = peer.post("/v1/batch?durability=flushed", document).is(200);
    assert!(["flushed", "synced"].contains(&done.header("silt-durability").unwrap()));
    assert_eq!(peer.get("/v1/kv/%FF").is(200).body, [0]);
    let seq = peer.put("/v1/kv/lock", b"x").is(200).seq();
    let failed = peer.post("/v1/batch", document).problem(412, "SILT_CONDITION_FAILED");
    assert_eq!((failed["operation"].as_u64(), failed["found"].as_u64()), (Some(1), Some(seq)));
    for (body, operation) in [
        (r#"{"operations":[{"op":"set","key":"b","value":"1"},{"op":"set"}]}"#, Some(1)),
        (r#"{"operations":[{"op":"put","key":"b","value":"1"}]}"#, Some(0)),
        (r#"{"operations":[{"op":"set","key":"b","value":"1","colour":1}]}"#, Some(0)),
        (r#"{"operations":{}}"#, None),
        (r#"{"operations":[]"#, None),
        ("", None),
        ("[1]", None),
    ] {
        let problem = peer.post("/v1/batch", body).problem(400, "SILT_BAD_INPUT");
        assert_eq!(problem["operation"].as_u64(), operation, "{body}");
    }
    // Where in a document of lines it is.
    let lines = "{\n \"operations\": [\n  {\"op\": \"set\"\n   \"key\": \"b\"}\n ]\n}";
    let problem = peer.post("/v1/batch", lines).problem(400, "SILT_BAD_INPUT");
    let told = problem["detail"].as_str().unwrap();
    assert!(told.ends_with("at line 4, column 4"), "{told}");
    let empty = r#"{"operations":[{"op":"set","key":"","value":"1"}]}"#;
    peer.post("/v1/batch", empty).problem(400, "SILT_KEY_EMPTY");
    peer.get("/v1/kv/b").problem(404, "SILT_KEY_NOT_FOUND");
    let kind = ["Content-Type: text/plain"];
    peer.ask("POST /v1/batch", &kind, b"{}").problem(415, "SILT_MEDIA_TYPE");
    peer.ask("POST /v1/batch", &[], b"{}").problem(415, "SILT_MEDIA_TYPE");
    assert_eq!(peer.get("/v1/count").json()["count"], 3);
    assert!(peer.post("/v1/sync", "").is(200).json()["durable_seq"].as_u64().unwrap() >= seq);
}

#[test]
fn a_snapshot_is_a_store() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    for i in 0..50 {
        peer.put(&format!("/v1/kv/k{i:02}"), &vec![i; 30_000]).is(200);
    }
    peer.send("GET /v1/snapshot HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\n\r\n");
    let head = peer.head().is(200);
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    let mut bytes = Vec::new();
    loop {
        let len = usize::from_str_radix(&peer.line(), 16).unwrap();
        if len == 0 {
            break;
        }
        let mut chunk = vec![0; len];
        std::io::Read::read_exact(&mut peer.reader, &mut chunk).unwrap();
        bytes.extend(chunk);
        assert_eq!(peer.line(), "");
    }
    let trailer = peer.line();
    let report = trailer.strip_prefix("silt-snapshot: ").unwrap();
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["bytes"].as_u64(), Some(bytes.len() as u64));
    let file = served.silt.file("copy.silt", &bytes);
    let restored = served.silt.path("restored").display().to_string();
    served.silt.ok(&["restore", &file, &restored]);
    assert_eq!(of(&restored, &["count"]), "50\n");
}

#[test]
fn figures_rules_and_compaction() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    peer.put("/v1/kv/k", b"v").is(200);
    let stats = peer.get("/v1/stats").is(200).json();
    assert_eq!((stats["keys"].as_u64(), stats["retention"].as_str()), (Some(1), Some("latest")));
    assert_eq!(peer.get("/v1/segments").is(200).json()["segments"][0]["first_key"], "k");
    assert!(peer.get("/v1/compact").is(200).json()["plan"].is_array());
    assert!(peer.post("/v1/compact", "").is(200).json()["runs"].is_u64());
    let put = |peer: &mut Peer, kind: &str, body: &str| {
        peer.ask("PUT /v1/retention", &[kind], body.as_bytes())
    };
    let json = "Content-Type: application/json; charset=utf-8";
    assert_eq!(put(&mut peer, json, "{\"retain\":\"7d\"}").is(200).json()["retain"], "7d");
    assert_eq!(peer.get("/v1/retention").json()["retain"], "7d");
    put(&mut peer, json, "{\"retain\":\"soon\"}").problem(400, "SILT_BAD_INPUT");
    put(&mut peer, json, "{\"retain\":0}").problem(400, "SILT_BAD_INPUT");
    put(&mut peer, "Content-Type: text/plain", "7d").problem(415, "SILT_MEDIA_TYPE");
    put(&mut peer, json, &" ".repeat(10_000)).problem(413, "SILT_BATCH_TOO_LARGE");
    peer.get("/v1/stats?all=true").problem(400, "SILT_BAD_INPUT");
    assert_eq!(peer.get("/healthz").is(200).text(), "ok\n");
    assert_eq!(peer.get("/readyz").is(200).text(), "ok\n");
}
