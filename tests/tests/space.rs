//! What a store takes: its files after overwriting and compaction, what it reads to open, and
//! what a second load of the same data adds.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use siltdb::native::{NativeOptions, NativeStorage, SystemHost};
use siltdb::{Batch, Durability, Options, ScanOptions, Store};
use siltdb_core::storage::FileId;
use siltdb_tests::reads::{ReadingFs, Reads, bytes_of, lengths};
use siltdb_tests::sim::{Random, mix};

const KEY_LEN: usize = 24;
const VALUE_LEN: usize = 100;
/// Bytes of a segment's header.
const HEADER_LEN: u64 = 88;
/// Makes the test open the store it names, in a process of its own.
const CHILD: &str = "SILTDB_SPACE_CHILD";

fn key(i: u64) -> Vec<u8> {
    format!("key-{i:020}").into_bytes()
}

/// A value that no compression would help with.
fn value(i: u64, round: u64) -> Vec<u8> {
    Random::new(mix(i) ^ round).bytes(VALUE_LEN)
}

/// Sets all records, in an order that is not that of the keys, a thousand in a batch.
fn load(store: &Store, records: u64, round: u64) {
    let mut batch = Batch::new();
    for n in 0..records {
        // A multiplier without a common factor visits each number once.
        let i = n * 700_001 % records;
        batch.set(&key(i), &value(i, round));
        if batch.len() == 1000 || n + 1 == records {
            store.write(&batch, Some(Durability::Flushed)).unwrap();
            batch.clear();
        }
    }
}

fn bytes_in(dir: &Path) -> u64 {
    lengths(dir).values().sum()
}

#[test]
fn overwritten_records_give_their_space_back() {
    let records = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    for round in 0..6 {
        load(&store, records, round);
    }
    store.compact(&mut |_| ()).unwrap();
    let live = records * (KEY_LEN + VALUE_LEN) as u64;
    let open = bytes_in(dir.path());
    store.close().unwrap();
    let closed = bytes_in(dir.path());
    println!("{open} bytes of files, {closed} once closed, for {live} live bytes");
    assert!(open.max(closed) * 10 <= live * 12);
    let store = Store::open(dir.path(), Options::default()).unwrap();
    assert_eq!(store.count(&ScanOptions::default()).unwrap(), records);
    for i in (0..records).step_by(97) {
        assert_eq!(store.get(&key(i)).unwrap(), Some(value(i, 5)));
    }
}

#[test]
fn the_same_data_again_adds_nothing() {
    let records = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    load(&store, records, 0);
    store.close().unwrap();
    let before = bytes_in(dir.path());
    let options = Options { skip_identical: true, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let seq = store.last_seq();
    load(&store, records, 0);
    let stats = store.stats().unwrap();
    assert_eq!(stats.identical_skipped, records);
    assert_eq!((stats.bytes_appended, store.last_seq()), (0, seq));
    // One record of a batch that is new is written, and nothing else of the batch.
    let mut batch = Batch::new();
    for i in 0..1000 {
        batch.set(&key(i), &value(i, u64::from(i == 500)));
    }
    assert!(store.write(&batch, None).unwrap().written);
    assert!(store.stats().unwrap().bytes_appended < 1000);
    store.close().unwrap();
    let after = bytes_in(dir.path());
    assert!(after < before + before / 100, "{before} bytes grew to {after}");
}

/// Opens a store by the single-owner engine, with every read recorded; gives what was read until
/// all of the index was there, and the sealed segments' ends of data.
fn reads_of_open(dir: &Path) -> (Reads, Vec<(String, u64)>) {
    let fs = ReadingFs::default();
    let options = NativeOptions { map: false, ..NativeOptions::default() };
    let storage = NativeStorage::open_on(Arc::new(fs.clone()), dir, options).unwrap();
    let mut store = siltdb_core::Store::open(storage, SystemHost, Options::default()).unwrap();
    while store.load_index(100_000).unwrap() {}
    let reads = fs.reads();
    let segments = store.segments().unwrap();
    // A log of less than is worth sealing at the close is read whole.
    let sealed = segments.iter().filter(|s| s.state != "active");
    let ends = sealed.map(|s| (FileId::segment(s.number).to_string(), s.data_bytes));
    (reads, ends.collect())
}

/// In a child: opens the store and prints how much of its files that brought into memory.
fn open_in_child(dir: &Path) {
    let before = resident_file_bytes();
    let store = Store::open(dir, Options::default()).unwrap();
    while !store.stats().unwrap().index_loaded {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("\nresident {}", resident_file_bytes() - before);
    std::process::exit(0);
}

fn resident_file_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// What the store of threads has mapped and touched once it is open.
fn resident_of_open(dir: &Path) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "opening_reads_key_tables_and_no_values", "--nocapture"]);
    let output = child.env(CHILD, dir).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("resident ")).unwrap().parse().unwrap()
}

#[test]
fn opening_reads_key_tables_and_no_values() {
    if let Some(dir) = std::env::var_os(CHILD) {
        open_in_child(Path::new(&dir));
    }
    let records = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.compaction.auto = false;
    let store = Store::open(dir.path(), options.clone()).unwrap();
    load(&store, records, 0);
    store.close().unwrap();
    let values = records * VALUE_LEN as u64;
    for state in ["in order of arrival", "sorted"] {
        if state == "sorted" {
            let store = Store::open(dir.path(), options.clone()).unwrap();
            store.compact(&mut |_| ()).unwrap();
            store.close().unwrap();
        }
        if cfg!(target_os = "linux") {
            let resident = resident_of_open(dir.path());
            println!("{state}: {resident} bytes resident after opening");
            assert!(resident * 100 < values * 35, "{state}: {resident}");
        }
        let (reads, ends) = reads_of_open(dir.path());
        let read = bytes_of(&reads);
        println!("{state}: {read} bytes read to open {} segments", ends.len());
        assert!(read * 100 < values * 35, "{state}: {read}");
        assert!(read > records * 8, "{state}: the index cannot be made of {read} bytes");
        let data: u64 = ends.iter().map(|(_, end)| end).sum();
        assert!(data > values, "{state}: too little is sealed: {data}");
        for (name, end) in ends {
            assert!(end > HEADER_LEN && end < values + values / 2);
            let data = reads[&name].iter().find(|r| r.end > HEADER_LEN && r.start < end);
            assert_eq!(data, None, "{state}: data of {name}, which ends at {end}, was read");
        }
    }
}
