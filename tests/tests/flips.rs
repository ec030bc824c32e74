//! Damage to a real store in a directory (T5 through the native store): every bit of small
//! stores, cuts, missing and swapped files. Each answer is the true one, or an error that names
//! the damaged file; never other bytes, never a panic, never a record silently lost. And the
//! check finds every flipped bit.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use siltdb::{
    Batch, CompactionOptions, Durability, Error, ErrorKind, Operation, Options, Retention,
    ScanOptions, Store,
};
use siltdb_tests::damage::{Closed, Files, Reaction, Written, files_of, place_in, scratch};

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

/// Judges changed files of every store, whose check must find the change if `found` says so.
fn judge_all(change: impl Fn(&Closed, &mut dyn FnMut(&str, &Files, &[&str])), found: bool) {
    let stores = [
        ("log", log()),
        ("arrival", arrival()),
        ("mixed", mixed(Retention::Latest)),
        ("mixed, with history", mixed(Retention::Forever)),
    ];
    for (name, closed) in stores {
        let scratch = scratch();
        let dir = place_in(&scratch, "store");
        let mut count = 0;
        change(&closed, &mut |what, files, damaged| {
            count += 1;
            if let Err(e) = closed.judge(&dir, files, damaged, found) {
                panic!("{name}: {what}: {e}");
            }
        });
        println!("{name}: {count} ways");
        assert!(count > 1);
    }
}

#[test]
fn every_cut() {
    let cuts = |closed: &Closed, judge: &mut dyn FnMut(&str, &Files, &[&str])| {
        for (file, bytes) in &closed.files {
            for len in 0..bytes.len() {
                let mut files = closed.files.clone();
                files.get_mut(file).unwrap().truncate(len);
                judge(&format!("{file} cut to {len} bytes"), &files, &[file]);
            }
        }
    };
    judge_all(cuts, true);
}

/// Space reserved ahead, or something left by a host, behind the end of a segment.
#[test]
fn bytes_behind_the_end_change_nothing() {
    let longer = |closed: &Closed, judge: &mut dyn FnMut(&str, &Files, &[&str])| {
        for (file, bytes) in closed.files.iter().filter(|(file, _)| file.ends_with("segment")) {
            for more in [&[0][..], &[0; 4096], &[0xa5; 100], bytes, b"SILTFOOT"] {
                let mut files = closed.files.clone();
                files.get_mut(file).unwrap().extend_from_slice(more);
                judge(&format!("{file} with {} bytes more", more.len()), &files, &[]);
            }
        }
    };
    judge_all(longer, false);
}

#[test]
fn missing_and_swapped_files() {
    let swaps = |closed: &Closed, judge: &mut dyn FnMut(&str, &Files, &[&str])| {
        let names: Vec<&str> = closed.files.keys().map(String::as_str).collect();
        for file in &names {
            let mut files = closed.files.clone();
            files.remove(*file);
            // Where no manifest is, an error names the first file beside it.
            judge(&format!("{file} missing"), &files, &names);
            for other in names.iter().filter(|other| other != &file) {
                let mut files = closed.files.clone();
                files.insert((*file).to_owned(), closed.files[*other].clone());
                judge(&format!("{file} is a copy of {other}"), &files, &[file]);
                files.insert((*other).to_owned(), closed.files[*file].clone());
                judge(&format!("{file} and {other} swapped"), &files, &[file, other]);
            }
        }
    };
    judge_all(swaps, true);
}

#[test]
fn files_of_another_store() {
    let others = [log(), arrival(), mixed(Retention::Latest), mixed(Retention::Forever)];
    let foreign = |closed: &Closed, judge: &mut dyn FnMut(&str, &Files, &[&str])| {
        let names: Vec<&str> = closed.files.keys().map(String::as_str).collect();
        for file in &names {
            for bytes in others.iter().filter_map(|other| other.files.get(*file)) {
                let mut files = closed.files.clone();
                files.insert((*file).to_owned(), bytes.clone());
                // Another manifest makes strangers of the segments.
                let blamed = if file.ends_with("manifest") { &names[..] } else { &[*file] };
                judge(&format!("{file} of another store"), &files, blamed);
            }
        }
    };
    judge_all(foreign, true);
}

/// Any mixture of the files that a store had at four clean closes, as a careless restore of old
/// files leaves it: one of the four states, or an error.
#[test]
fn old_files_laid_over_new_ones() {
    let scratch = scratch();
    let dir = place_in(&scratch, "store");
    let mut written = Written::new(&dir, options(1 << 20, Retention::Forever));
    write(&mut written, 1);
    let mut states = vec![written.close()];
    for (round, seal) in [(2, 1), (3, 1 << 20)] {
        let last = states.last().unwrap();
        let mut written = Written::go_on(&dir, last, options(seal, Retention::Forever));
        write(&mut written, round);
        states.push(written.close());
    }
    let written =
        Written::go_on(&dir, states.last().unwrap(), options(1 << 20, Retention::Forever));
    written.store.compact(&mut |_| ()).unwrap();
    states.push(written.close());

    let mut names: BTreeMap<&str, BTreeSet<&[u8]>> = BTreeMap::new();
    for (name, bytes) in states.iter().flat_map(|state| &state.files) {
        names.entry(name).or_default().insert(bytes);
    }
    let all: Vec<&str> = names.keys().copied().collect();
    let mut mixtures = vec![Files::new()];
    for (name, contents) in &names {
        for files in mixtures.clone() {
            mixtures.extend(contents.iter().map(|bytes| {
                let mut files = files.clone();
                files.insert((*name).to_owned(), bytes.to_vec());
                files
            }));
        }
    }
    let (mut refused, mut opened) = (0, 0);
    for files in mixtures.iter().filter(|files| !files.is_empty()) {
        let judged: Vec<_> =
            states.iter().map(|state| state.judge(&dir, files, &all, false)).collect();
        match judged.iter().flatten().max() {
            Some(Reaction::Right) => opened += 1,
            Some(_) => refused += 1,
            None => panic!("{:?}: {judged:?}", files.keys()),
        }
    }
    println!("{} mixtures: {opened} opened, {refused} refused", mixtures.len() - 1);
    assert!(opened >= 4 && refused > 50);
}

fn snapshot_of(closed: &Closed, dir: &Path) -> Vec<u8> {
    siltdb_tests::damage::lay_out(dir, &closed.files);
    let store = Store::open(dir, options(1, Retention::Forever)).unwrap();
    let mut snapshot = Vec::new();
    store.snapshot(&mut snapshot, &mut |_| ()).unwrap();
    snapshot
}

/// Restores into a directory of its own and demands an error; nothing of a store may be left.
fn refuse(snapshot: &[u8], dir: &Path, what: &str) {
    let _ = fs::remove_dir_all(dir);
    match siltdb::restore(&mut &*snapshot, dir, &mut |_| ()).map_err(Error::into_kind) {
        Err(ErrorKind::Corrupt(_) | ErrorKind::Unsupported { .. }) => {}
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(files_of(dir), Files::new(), "{what}");
}

#[test]
fn every_bit_and_every_cut_of_a_snapshot() {
    let scratch = scratch();
    let (dir, restored) = (place_in(&scratch, "store"), scratch.path().join("restored"));
    let mut snapshot = snapshot_of(&mixed(Retention::Forever), &dir);
    siltdb::restore(&mut &snapshot[..], &restored, &mut |_| ()).unwrap();
    let all = |dir: &Path| {
        let store = Store::open(dir, options(1, Retention::Forever)).unwrap();
        store.scan(&ScanOptions::default()).unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    assert_eq!(all(&restored), all(&dir));
    for bit in 0..snapshot.len() * 8 {
        snapshot[bit / 8] ^= 1 << (bit % 8);
        refuse(&snapshot, &restored, &format!("bit {bit}"));
        snapshot[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..snapshot.len() {
        refuse(&snapshot[..len], &restored, &format!("cut to {len} bytes"));
    }
    println!("{} bits of a snapshot", snapshot.len() * 8);
}
