//! The client library, health and reflection.

use std::collections::BTreeMap;
use std::time::Duration;

use siltdb::client::Piece;
use siltdb::proto::ScanRequest;
use siltdb::proto::silt_client::SiltClient;
use siltdb::{Batch, Condition, Durability, Operation, ScanOptions};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::served::{Served, wait};

fn conditional(key: &[u8], value: &[u8], condition: Condition) -> Batch {
    let mut batch = Batch::new();
    batch.push(Operation {
        key: key.to_vec(),
        value: Some(value.to_vec()),
        expires: None,
        condition: Some(condition),
    });
    batch
}

#[test]
fn counters_by_compare_and_set_lose_nothing() {
    let served = Served::new(&[]);
    wait(async {
        let client = served.client().await;
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let client = client.clone();
            tasks.spawn(async move {
                let mut done = 0;
                while done < 25 {
                    let record = client.get_record(b"n", None).await.unwrap();
                    let (n, condition) = match &record {
                        None => (0, Condition::Absent),
                        Some(record) => {
                            let text = std::str::from_utf8(&record.value).unwrap();
                            (text.parse::<u64>().unwrap(), Condition::SeqIs(record.seq))
                        }
                    };
                    let value = (n + 1).to_string();
                    let batch = conditional(b"n", value.as_bytes(), condition);
                    match client.batch(&batch, Some(Durability::Flushed)).await {
                        Ok(commit) => {
                            assert!(commit.durability >= Durability::Flushed);
                            done += 1;
                        }
                        Err(e) => {
                            assert_eq!(e.code, "SILT_CONDITION_FAILED");
                            assert!(e.detail("found").is_some());
                        }
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(client.get(b"n").await.unwrap().as_deref(), Some(&b"200"[..]));
    });
}

#[test]
fn scans_stream_in_order_and_the_past_stays_readable() {
    let served = Served::new(&[]);
    wait(async {
        let client = served.client().await;
        client.set_retention(siltdb::Retention::Forever).await.unwrap();
        let mut model = BTreeMap::new();
        let mut batch = Batch::new();
        for i in 0..3_000_u32 {
            let (key, value) = (format!("k{:05}", i * 7 % 3_000), vec![7_u8; 900]);
            batch.set(key.as_bytes(), &value);
            model.insert(key.into_bytes(), value);
        }
        let then = client.batch(&batch, None).await.unwrap();
        assert_eq!(then.durability, Durability::Synced);
        client.delete(b"k00000").await.unwrap();
        let now = ScanOptions::default();
        let past = ScanOptions { as_of: Some(then.seq), ..ScanOptions::default() };
        assert_eq!(client.count(&now).await.unwrap(), 2_999);
        let mut answers = client.scan(&past).await.unwrap();
        let mut read = Vec::new();
        while let Some(record) = answers.next().await {
            let record = record.unwrap();
            read.push((record.key, record.value));
        }
        assert!(read.into_iter().eq(model));
        // A reader that stops in the middle frees what reading takes.
        for _ in 0..200 {
            let mut answers = client.scan(&past).await.unwrap();
            assert!(answers.next().await.unwrap().is_ok());
        }
        let early = client.get_record(b"k00000", Some(1)).await.unwrap();
        assert_eq!(early, None);
        let gone = client.diff(then.seq, None, &now).await.unwrap().next().await.unwrap().unwrap();
        assert_eq!((gone.key.as_slice(), gone.after), (&b"k00000"[..], None));
        let mut pieces = client.snapshot().await.unwrap();
        let mut bytes = 0;
        let mut report = None;
        while let Some(piece) = pieces.next().await {
            match piece.unwrap() {
                Piece::Bytes(piece) => bytes += piece.len() as u64,
                Piece::Report(told) => report = Some(told),
            }
        }
        assert_eq!(report.unwrap().bytes, bytes);
    });
}

#[test]
fn a_message_of_a_scan_has_its_bounds() {
    let served = Served::new(&[]);
    wait(async {
        let client = served.client().await;
        let mut batch = Batch::new();
        for i in 0..1_500 {
            batch.set(format!("few/{i:04}").as_bytes(), b"v");
        }
        for i in 0..5 {
            batch.set(format!("long/{i}").as_bytes(), &[b'x'; 400 << 10]);
        }
        client.batch(&batch, None).await.unwrap();
        let url = served.url("grpc").replacen("grpc", "http", 1);
        let mut raw = SiltClient::connect(url).await.unwrap();
        // A thousand records, or the first ones that make a MiB together.
        for (prefix, lens) in [("few/", [1_000, 500]), ("long/", [3, 2])] {
            let request = ScanRequest { prefix: prefix.into(), ..ScanRequest::default() };
            let mut messages = raw.scan(request).await.unwrap().into_inner();
            for len in lens {
                let message = messages.message().await.unwrap().unwrap();
                assert_eq!(message.records.len(), len, "{prefix}");
            }
            assert!(messages.message().await.unwrap().is_none(), "{prefix}");
        }
    });
}

#[test]
fn feeds_go_on_live_and_end_when_the_server_stops() {
    let served = Served::new(&[]);
    wait(async {
        let client = served.client().await;
        let mut feeds = Vec::new();
        for _ in 0..20 {
            feeds.push(client.changes(Some(0), &ScanOptions::default()).await.unwrap());
        }
        let mut seqs = Vec::new();
        for i in 0..50_u8 {
            seqs.push(client.set(b"key", &[i]).await.unwrap().seq);
        }
        for feed in &mut feeds {
            for seq in &seqs {
                let changed = timeout(Duration::from_secs(60), feed.next()).await.unwrap();
                assert_eq!(changed.unwrap().unwrap().version.seq, *seq);
            }
        }
        served.signal(rustix::process::Signal::TERM);
        for feed in &mut feeds {
            let end = timeout(Duration::from_secs(60), feed.next()).await.unwrap();
            assert!(end.is_none_or(|end| end.is_err()));
        }
    });
    let (code, log, _) = served.ended();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn limits_are_told_by_their_codes() {
    let served = Served::new(&["--max-value", "1000"]);
    wait(async {
        let client = served.client().await;
        let code = |result: siltdb::client::Result<siltdb::Commit>| result.unwrap_err().code;
        assert_eq!(code(client.set(b"", b"").await), "SILT_KEY_EMPTY");
        assert_eq!(code(client.set(&[0; 65_536], b"").await), "SILT_KEY_TOO_LONG");
        assert_eq!(code(client.set(b"k", &[0; 1_001]).await), "SILT_VALUE_TOO_LONG");
        let mut batch = Batch::new();
        for i in 0..40_000_u32 {
            batch.set(&i.to_be_bytes(), &[0; 900]);
        }
        let too_large = client.batch(&batch, None).await.unwrap_err();
        assert!(["SILT_BATCH_TOO_LARGE", "SILT_SERVER"].contains(&too_large.code.as_str()));
        assert!(client.set(b"k", &[0; 1_000]).await.is_ok());
    });
}

#[test]
fn health_and_reflection_answer() {
    let served = Served::new(&[]);
    let url = format!("http://{}", served.address("grpc"));
    wait(async {
        let channel =
            tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let mut health = HealthClient::new(channel.clone());
        for service in ["", "silt.v1.Silt"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);
        }
        let mut reflection = ServerReflectionClient::new(channel);
        let message_request = Some(MessageRequest::ListServices(String::new()));
        let request = ServerReflectionRequest { message_request, ..Default::default() };
        let answers = reflection.server_reflection_info(tokio_stream::once(request)).await;
        let answer = answers.unwrap().into_inner().next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("no list of services");
        };
        let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
        assert!(names.contains(&String::from("silt.v1.Silt")), "{names:?}");
    });
}
