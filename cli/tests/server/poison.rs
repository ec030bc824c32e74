//! The store of a running server can no longer write.

use rustix::process::{Resource, Rlimit, Signal, prlimit};
use siltdb::ScanOptions;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::http;
use crate::resp::peer::{Peer, bulk};
use crate::served::{Served, until, wait};

/// From now on no file of the server may grow, as on a full disk; and none may be overwritten.
fn fill_disk(served: &Served) {
    let limit = Rlimit { current: Some(1), maximum: Some(1) };
    prlimit(Some(served.pid()), Resource::Fsize, limit).unwrap();
}

/// What the health service of gRPC says: 1 for serving, 2 for not serving.
fn grpc_health(served: &Served) -> i32 {
    let url = format!("http://{}", served.address("grpc"));
    wait(async {
        let endpoint = tonic::transport::Endpoint::from_shared(url).unwrap();
        let mut health = HealthClient::new(endpoint.connect().await.unwrap());
        let request = HealthCheckRequest { service: "silt.v1.Silt".to_owned() };
        health.check(request).await.unwrap().into_inner().status
    })
}

#[test]
fn a_store_that_cannot_write_is_told_by_every_protocol_and_read_on() {
    let served = Served::new(&["--no-exit-on-poison"]);
    let (mut http, mut resp) = (http::Peer::of(&served), Peer::new(served.address("resp")));
    http.put("/v1/kv/key", b"kept").is(200);
    assert_eq!(grpc_health(&served), 1);
    fill_disk(&served);
    http.put("/v1/kv/first", b"lost").problem(507, "SILT_OUT_OF_SPACE");
    is_told(&served, &mut http, &mut resp);
    is_read(&served, &mut http, &mut resp);
    served.signal(Signal::TERM);
    let (code, log, silt) = served.ended();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("SILT_POISONED"), "{log}");
    // Started again, where there is room, all is well.
    let served = Served::of(silt, &[]);
    let mut http = http::Peer::of(&served);
    http.get("/healthz").is(200);
    assert_eq!(grpc_health(&served), 1);
    assert_eq!(http.get("/v1/kv/key").is(200).text(), "kept");
    http.get("/v1/kv/second").is(404);
    http.put("/v1/kv/second", b"written").is(200);
    served.stop();
}

fn is_told(served: &Served, http: &mut http::Peer, resp: &mut Peer) {
    http.put("/v1/kv/second", b"lost").problem(503, "SILT_POISONED");
    http.ask("DELETE /v1/kv/key", &[], b"").problem(503, "SILT_POISONED");
    let batch = r#"{"operations":[{"op":"set","key":"second","value":"lost"}]}"#;
    http.post("/v1/batch", batch).problem(503, "SILT_POISONED");
    http.post("/v1/sync", "").problem(503, "SILT_POISONED");
    // It begins with sealing what is in the log.
    http.get("/v1/snapshot").problem(503, "SILT_POISONED");
    http.get("/healthz").problem(503, "SILT_POISONED");
    http.get("/readyz").problem(503, "SILT_POISONED");
    assert!(http.get("/metrics").is(200).text().contains("\nsilt_poisoned 1\n"));
    wait(async {
        let client = served.client().await;
        assert_eq!(client.set(b"second", b"lost").await.unwrap_err().code, "SILT_POISONED");
        assert_eq!(client.delete(b"key").await.unwrap_err().code, "SILT_POISONED");
    });
    until("gRPC's health", || grpc_health(served) == 2);
    for command in ["SET second lost", "DEL key", "INCR counter", "SAVE", "FLUSHALL"] {
        let answer = resp.say(command).text();
        assert!(answer.starts_with("MISCONF "), "{command}: {answer}");
        assert!(answer.ends_with(" [SILT_POISONED]"), "{command}: {answer}");
    }
    resp.say("MULTI");
    resp.say("SET second lost");
    assert!(resp.say("EXEC").text().starts_with("MISCONF "));
    assert!(resp.say("INFO persistence").text().contains("aof_last_write_status:err"));
}

fn is_read(served: &Served, http: &mut http::Peer, resp: &mut Peer) {
    assert_eq!(http.get("/v1/kv/key").is(200).text(), "kept");
    assert_eq!(http.get("/v1/kv").is(200).json()["records"].as_array().unwrap().len(), 1);
    assert_eq!(http.get("/v1/stats").is(200).json()["keys"], 1);
    assert_eq!(resp.say("GET key"), bulk("kept"));
    assert_eq!(resp.say("DBSIZE").int(), 1);
    assert_eq!(resp.say("KEYS *").array(), [bulk("key")]);
    wait(async {
        let client = served.client().await;
        assert_eq!(client.get(b"key").await.unwrap().as_deref(), Some(&b"kept"[..]));
        let mut records = client.scan(&ScanOptions::default()).await.unwrap();
        assert_eq!(records.next().await.unwrap().unwrap().key, b"key");
        let mut feed = client.changes(Some(0), &ScanOptions::default()).await.unwrap();
        assert_eq!(feed.next().await.unwrap().unwrap().version.value, Some(b"kept".to_vec()));
    });
}

#[test]
fn a_server_whose_store_cannot_write_ends_unless_told_otherwise() {
    let served = Served::new(&[]);
    http::Peer::of(&served).put("/v1/kv/key", b"kept").is(200);
    fill_disk(&served);
    let answer = Peer::new(served.address("resp")).say("SET key lost").text();
    assert!(answer.starts_with("MISCONF "), "{answer}");
    let (code, log, silt) = served.ended();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("SILT_POISONED"), "{log}");
    assert_eq!(silt.ok(&["get", "key"]), "kept");
}

/// What was acknowledged before it stood anywhere is lost; that is noticed though nobody writes.
#[test]
fn a_failure_behind_buffered_writes_ends_the_server_without_another_write() {
    let served = Served::new(&["--durability", "buffered"]);
    let mut http = http::Peer::of(&served);
    http.put("/v1/kv/key?durability=synced", b"kept").is(200);
    fill_disk(&served);
    let written = http.put("/v1/kv/key", b"lost").is(200);
    assert_eq!(written.header("silt-durability"), Some("buffered"));
    let (code, log, silt) = served.ended();
    assert_eq!(code, Some(3), "{log}");
    assert_eq!(silt.ok(&["get", "key"]), "kept");
}
