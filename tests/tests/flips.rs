//! Damage to a real store in a directory (T5 through the native store): every bit of small
//! stores, cuts, missing and swapped files. Each answer is the true one, or an error that names
//! the damaged file; never other bytes, never a panic, never a record silently lost. And the
//! check finds every flipped bit.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use siltdb::{Batch, CompactionOptions, Durability, Operation, Options, Retention};
use siltdb_tests::damage::{Closed, Files, Reaction, Written, place_in, scratch};

/// Longer than what shares its checksum with key and header.
const LARGE: usize = 4_097;

fn options(seal_on_close_bytes: u64, retention: Retention) -> Options {
    Options {
        durability: Durability::Flushed,
        seal_on_close_bytes,
        retention,
        compaction: CompactionOptions { auto: false, ..CompactionOptions::default() },
        ..Options::default()
    }
}

/// Sets, deletes, a batch, a record that expires in a hundred years and one that is gone already.
fn write(written: &mut Written, round: u8) {
    written.set(b"apple", &[round; 20]);
    written.set(b"pear", &[round + 1; 3]);
    written.set(b"fig", b"");
    written.delete(b"pear");
    let expiring = |key: &[u8], expires| Operation {
        key: key.to_vec(),
        value: Some(vec![round; 9]),
        expires: Some(expires),
        condition: None,
    };
    let mut batch = Batch::new();
    batch.push(expiring(b"kiwi", 5_000_000_000_000_000)).push(expiring(b"lime", 1));
    batch.set(b"plum", &[round + 2; 12]).delete(b"fig");
    written.commit(&batch);
    if round.is_multiple_of(2) {
        written.set(b"plum", b"newer");
        written.delete(b"kiwi");
    }
}

/// A store of the log alone.
fn log() -> Closed {
    Closed::new(&options(1 << 20, Retention::Forever), |mut written| {
        write(&mut written, 1);
        written
    })
}

/// A store of one segment in the order of arrival.
fn arrival() -> Closed {
    Closed::new(&options(1, Retention::Forever), |mut written| {
        write(&mut written, 2);
        written
    })
}

/// A compacted segment, one in the order of arrival, and a log.
fn mixed(retention: Retention) -> Closed {
    Closed::new(&options(1 << 20, retention), |mut written| {
        write(&mut written, 1);
        written.store.compact(&mut |_| ()).unwrap();
        let mut written = written.reopen(options(1, retention));
        write(&mut written, 2);
        let mut written = written.reopen(options(1 << 20, retention));
        written.set(b"lime", b"green");
        written.delete(b"apple");
        written
    })
}

/// A value with a checksum of its own, sorted or in the log.
fn large(sorted: bool) -> Closed {
    Closed::new(&options(1 << 20, Retention::Latest), |mut written| {
        written.set(b"large", &[0x5a; LARGE]);
        written.set(b"small", b"1");
        if sorted {
            written.store.compact(&mut |_| ()).unwrap();
        }
        written
    })
}

/// Flips every bit of every file.
fn flip_all(name: &str, closed: &Closed) {
    let scratch = scratch();
    let dir = place_in(&scratch, "store");
    let mut reactions: BTreeMap<Reaction, u64> = BTreeMap::new();
    let mut files = closed.files.clone();
    for (file, bytes) in &closed.files {
        for bit in 0..bytes.len() * 8 {
            let flip = |files: &mut Files| {
                files.get_mut(file).unwrap()[bit / 8] ^= 1 << (bit % 8);
            };
            flip(&mut files);
            let reaction = closed.judge(&dir, &files, &[file], true).unwrap_or_else(|what| {
                panic!("{name}: bit {} of byte {} of {file}: {what}", bit % 8, bit / 8)
            });
            *reactions.entry(reaction).or_default() += 1;
            flip(&mut files);
        }
    }
    let bytes: usize = closed.files.values().map(Vec::len).sum();
    println!("{name}: {} bits of {} files: {reactions:?}", bytes * 8, closed.files.len());
    assert_eq!(reactions.values().sum::<u64>(), bytes as u64 * 8);
    assert!(closed.files.len() > 1 && reactions[&Reaction::Refused] > 0);
}

#[test]
fn every_bit_of_a_log() {
    flip_all("log", &log());
}

#[test]
fn every_bit_of_a_segment_in_order_of_arrival() {
    flip_all("arrival", &arrival());
}

#[test]
fn every_bit_of_a_mixed_store() {
    flip_all("mixed", &mixed(Retention::Latest));
}

#[test]
fn every_bit_of_a_mixed_store_with_history() {
    flip_all("mixed, with history", &mixed(Retention::Forever));
}

#[test]
fn every_bit_of_a_large_value() {
    flip_all("large, in the log", &large(false));
}

#[test]
fn every_bit_of_a_large_value_compacted() {
    flip_all("large, sorted", &large(true));
}
