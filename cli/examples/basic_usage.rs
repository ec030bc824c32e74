//! The client of a server: set, get, compare-and-set, a batch, a scan, a change feed, the past.
//!
//! `cargo run -p siltdb --example basic_usage -- http://127.0.0.1:3000` uses a server that runs,
//! and so does a `grpc://` URL;
//! without a URL the example serves a store of its own for as long as it takes.

use siltdb::client::Client;
use siltdb::server::{self, Config};
use siltdb::{Batch, Condition, Durability, Operation, Retention, ScanOptions};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    if let Some(url) = std::env::args().nth(1) {
        return use_server(&url).await;
    }
    let dir = std::env::temp_dir().join(format!("silt-basic-usage-{}", std::process::id()));
    let ports =
        Config { grpc_port: Some(0), http_port: Some(0), resp_port: None, ..Config::new(&dir) };
    let running = server::start(ports).await?;
    let addresses = running.addresses();
    for (scheme, address) in [("grpc", addresses.grpc), ("http", addresses.http)] {
        let address = address.ok_or("it does not listen")?;
        println!("{scheme}://{address}");
        use_server(&format!("{scheme}://{address}")).await?;
    }
    running.stop().await?;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

async fn use_server(url: &str) -> Outcome {
    let client = Client::connect(url).await?;
    client.set_retention(Retention::Versions { count: 10 }).await?;

    let first = client.set(b"greeting", b"hello").await?;
    println!("set: seq {}, {}", first.seq, first.durability.name());
    println!("get: {:?}", text(client.get(b"greeting").await?));

    // Whoever else wrote in between makes this fail, and then nothing is written.
    let mut change = Batch::new();
    change.push(Operation {
        key: b"greeting".to_vec(),
        value: Some(b"good morning".to_vec()),
        expires: None,
        condition: Some(Condition::SeqIs(first.seq)),
    });
    let second = client.batch(&change, Some(Durability::Synced)).await?;
    match client.batch(&change, None).await {
        Err(e) => println!("again: {} (it is at seq {:?})", e.code, e.detail("found")),
        Ok(_) => return Err("a condition that does not hold was not noticed".into()),
    }

    let mut batch = Batch::new();
    for i in 0..3 {
        batch.set(format!("fruit/{i}").as_bytes(), b"apple");
    }
    client.batch(&batch, None).await?;
    let fruit = ScanOptions { prefix: Some(b"fruit/".to_vec()), ..ScanOptions::default() };
    let mut records = client.scan(&fruit).await?;
    while let Some(record) = records.next().await {
        let record = record?;
        println!("scan: {:?} = {:?}", text(Some(record.key)), text(Some(record.value)));
    }

    let then = client.get_record(b"greeting", Some(first.seq)).await?;
    println!("as of seq {}: {:?}", first.seq, text(then.map(|record| record.value)));

    // What was committed after a seq, and then each change as it comes.
    let mut changes = client.changes(Some(second.seq), &fruit).await?;
    for _ in 0..3 {
        let Some(changed) = changes.next().await.transpose()? else { break };
        println!("changed: {:?} at seq {}", text(Some(changed.key)), changed.version.seq);
    }
    Ok(())
}

fn text(bytes: Option<Vec<u8>>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
