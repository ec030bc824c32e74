//! A store inside a program: set, batch, get, scan, a read of the past, history.
//!
//! `cargo run -p siltdb --no-default-features --example embedded`

use siltdb::{Batch, Condition, Operation, Options, Result, Retention, ScanOptions, Store};

fn main() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("silt-embedded-{}", std::process::id()));
    let store = Store::open(&dir, Options { retention: Retention::Forever, ..Options::default() })?;

    // One record. When this returns, it survives power loss.
    let first = store.set(b"fruit/apple", b"red")?;
    println!("fruit/apple is red as of seq {}", first.seq);

    // Several records, all or none; this one only if nobody made it before.
    let mut batch = Batch::new();
    batch.set(b"fruit/apple", b"green").set(b"fruit/plum", b"blue");
    batch.push(Operation {
        key: b"fruit/pear".to_vec(),
        value: Some(b"yellow".to_vec()),
        expires: None,
        condition: Some(Condition::Absent),
    });
    let second = store.write(&batch, None)?;
    println!("{} records in one commit, seq {}", batch.len(), second.seq);

    let apple = store.get(b"fruit/apple")?.unwrap_or_default();
    println!("fruit/apple is {} now", String::from_utf8_lossy(&apple));

    let fruit = ScanOptions { prefix: Some(b"fruit/".to_vec()), ..ScanOptions::default() };
    for record in store.scan(&fruit)? {
        let record = record?;
        println!(
            "  {} = {}",
            String::from_utf8_lossy(&record.key),
            String::from_utf8_lossy(&record.value)
        );
    }

    // The past: by the seq of a commit, which is also its time in microseconds since 1970.
    if let Some(record) = store.get_as_of(b"fruit/apple", first.seq)? {
        println!("fruit/apple was {}", String::from_utf8_lossy(&record.value));
    }
    for version in store.history(b"fruit/apple")? {
        let version = version?;
        let value = version.value.unwrap_or_default();
        println!("  at {}: {}", version.seq, String::from_utf8_lossy(&value));
    }

    store.close()?;
    // This was only a visit; a real program keeps its store.
    let _ = std::fs::remove_dir_all(dir);
    Ok(())
}
