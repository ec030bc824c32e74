//! Threads that write and read one store, a consistent view beside them, and figures at the end.
//!
//! `cargo run -p siltdb --no-default-features --example concurrent`

use std::thread;

use siltdb::{Durability, Options, Result, ScanOptions, Store};

const WRITERS: usize = 4;
const RECORDS: usize = 5_000;

fn main() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("silt-concurrent-{}", std::process::id()));
    // Survives the death of the process at once, and power loss within a quarter of a second.
    let options = Options { durability: Durability::Flushed, ..Options::default() };
    let store = Store::open(&dir, options)?;
    store.set(b"ready", b"yes")?;

    let view = store.view()?;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            thread::spawn(move || -> Result<()> {
                for i in 0..RECORDS {
                    let key = format!("writer{writer}/{:04}", i % 1_000);
                    store.set(key.as_bytes(), i.to_string().as_bytes())?;
                    // A thread reads what it wrote.
                    assert_eq!(store.get(key.as_bytes())?, Some(i.to_string().into_bytes()));
                }
                Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap_or(Err(siltdb::ErrorKind::Invalid("a writer panicked").into()))?;
    }

    let everything = ScanOptions::default();
    println!("the view still has {} record", view.count(&everything)?);
    println!("the store has {}", store.count(&everything)?);
    drop(view);

    store.sync()?;
    let report = store.compact(&mut |progress| {
        println!("compacting: {} of {} bytes", progress.done, progress.total);
    })?;
    println!("{} superseded records dropped", report.dropped_records);

    let stats = store.stats()?;
    println!(
        "{} commits, {} syncs, {} bytes of files",
        stats.commits, stats.syncs, stats.file_bytes
    );
    store.close()?;
    let _ = std::fs::remove_dir_all(dir);
    Ok(())
}
