//! Rot (T5): every bit of small stores, sectors, and whole files that are missing, cut or
//! swapped. The answer is right, or an error names the damaged file; never other bytes, never a
//! panic, never a record silently lost.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use siltdb_core::options::{CompactionOptions, Durability, Options, Retention};
use siltdb_core::storage::{FileId, FileKind};
use siltdb_tests::rot::{Closed, Lost, Reaction};
use siltdb_tests::sim::{Random, SECTOR};
use siltdb_tests::simulation::scaled;
use siltdb_tests::workload::{BatchOp, Op};

fn options(seal_on_close: bool, retention: Retention) -> Options {
    Options {
        durability: Durability::Flushed,
        segment_bytes: 4_096,
        seal_on_close_bytes: if seal_on_close { 1 } else { 1 << 20 },
        retention,
        compaction: CompactionOptions { auto: false, ..CompactionOptions::default() },
        ..Options::default()
    }
}

/// A store of a compacted segment, one sealed in arrival order, and an active one, every key in
/// several of them, with tombstones.
fn script(values: u16) -> Vec<Op> {
    let batch = |keys: std::ops::Range<u8>, by: u16| {
        let op = |key: u8| BatchOp {
            key,
            value: (key % 4 != 3).then_some(u16::from(key) * by % 39 + 1),
            ttl: (key == 9).then_some(1_000_000_000),
            condition: 0,
        };
        Op::Write { batch: keys.map(op).collect(), durability: None }
    };
    let mut ops = vec![batch(0..6, 3), batch(9..16, 5), Op::Seal, batch(2..11, 7)];
    ops.extend([Op::Delete { key: 10 }, Op::Seal, Op::Compact]);
    ops.extend([batch(8..20, 11), Op::Set { key: 11, value: values }, Op::Seal]);
    ops.extend([Op::Set { key: 2, value: 6 }, Op::Delete { key: 12 }, batch(4..7, 2)]);
    ops
}

fn stores() -> Vec<(&'static str, Closed)> {
    let make = |name, seed, seal, retention, value| {
        let closed = Closed::new(seed, options(seal, retention), &script(value));
        (name, closed.unwrap_or_else(|trouble| panic!("{name}: {}", trouble.what)))
    };
    vec![
        make("open end", 1, false, Retention::Latest, 40),
        make("all sealed", 2, true, Retention::Latest, 41),
        make("with history", 3, false, Retention::Forever, 56),
    ]
}

fn count(reactions: &mut BTreeMap<Reaction, u64>, reaction: Reaction) {
    *reactions.entry(reaction).or_default() += 1;
}

#[test]
fn every_bit() {
    for (name, closed) in stores() {
        let mut reactions = BTreeMap::new();
        let mut unnoticed = Vec::new();
        for (id, bytes) in &closed.files {
            for bit in 0..bytes.len() * 8 {
                let mut files = closed.files.clone();
                files.get_mut(id).unwrap()[bit / 8] ^= 1 << (bit % 8);
                let reaction = closed.judge(&files, &[*id], Lost::Nothing).unwrap_or_else(|t| {
                    panic!("{name}: bit {} of byte {} of {id}: {}", bit % 8, bit / 8, t.what)
                });
                count(&mut reactions, reaction);
                if reaction == Reaction::Unnoticed {
                    unnoticed.push((*id, bit));
                }
            }
        }
        println!("{name}: {reactions:?}");
        assert!(unnoticed.is_empty(), "{name}: nothing notices {unnoticed:?}");
    }
}

#[test]
fn sectors() {
    let mut random = Random::new(5);
    for (name, closed) in stores() {
        let mut reactions = BTreeMap::new();
        for (id, bytes) in &closed.files {
            for start in (0..bytes.len()).step_by(SECTOR) {
                for how in 0..4 + scaled(4) {
                    let mut files = closed.files.clone();
                    let end = (start + SECTOR).min(bytes.len());
                    let sector = &mut files.get_mut(id).unwrap()[start..end];
                    match how {
                        0 => sector.fill(0),
                        1 => sector.fill(0xFF),
                        _ => sector.fill_with(|| random.next_u64() as u8),
                    }
                    if files[id] == *bytes {
                        continue;
                    }
                    let reaction = closed.judge(&files, &[*id], Lost::Nothing);
                    let fail = |t: siltdb_tests::check::Trouble| -> Reaction {
                        panic!("{name}: sector at {start} of {id}, way {how}: {}", t.what)
                    };
                    count(&mut reactions, reaction.unwrap_or_else(fail));
                }
            }
        }
        println!("{name}: {reactions:?}");
        assert_eq!(reactions.get(&Reaction::Unnoticed), None, "{name}");
    }
}

/// Goal: hostile bytes; several places of several files changed at once, frames moved within
/// their file, lengths made huge.
#[test]
fn random_damage() {
    let mut random = Random::new(17);
    for (name, closed) in stores() {
        let ids: Vec<FileId> = closed.files.keys().copied().collect();
        for round in 0..scaled(6_000) {
            let mut files = closed.files.clone();
            let mut damaged = Vec::new();
            for _ in 0..1 + random.below(4) {
                let id = ids[random.index(ids.len())];
                let bytes = files.get_mut(&id).unwrap();
                let (at, len) = (random.index(bytes.len()), 1 + random.index(24));
                let end = (at + len).min(bytes.len());
                match random.below(6) {
                    0 => bytes[at..end].fill(0xFF),
                    1 => bytes[at..end].fill(0),
                    2 => bytes[at] ^= 1 << random.below(8),
                    3 => bytes[at..end].copy_from_slice(&random.bytes(end - at)),
                    4 => {
                        let from = random.index(bytes.len() - (end - at));
                        bytes.copy_within(from..from + (end - at), at);
                    }
                    _ => {
                        // A longer move: whole frames, valid in themselves, in a wrong place.
                        let len = random.index(bytes.len() / 2).max(1);
                        let from = random.index(bytes.len() - len);
                        let to = random.index(bytes.len() - len);
                        bytes.copy_within(from..from + len, to);
                    }
                }
                damaged.push(id);
            }
            damaged.retain(|id| files[id] != closed.files[id]);
            if !damaged.is_empty() {
                let reaction = closed.judge(&files, &damaged, Lost::Nothing);
                let fail = |t: siltdb_tests::check::Trouble| -> Reaction {
                    panic!("{name}, round {round}, damaged {damaged:?}: {}", t.what)
                };
                assert_ne!(reaction.unwrap_or_else(fail), Reaction::Unnoticed, "{name}, {round}");
            }
        }
    }
}

/// Goal: space reserved ahead, whatever stands in it, changes nothing.
#[test]
fn longer_files() {
    let mut random = Random::new(18);
    for (name, closed) in stores() {
        for id in closed.files.keys().filter(|id| id.kind == FileKind::Segment) {
            for extra in [1, 7, 512, 5_000] {
                for garbage in [false, true] {
                    let mut files = closed.files.clone();
                    let tail = if garbage { random.bytes(extra) } else { vec![0; extra] };
                    files.get_mut(id).unwrap().extend(tail);
                    let reaction = closed.judge(&files, &[*id], Lost::Nothing);
                    let fail = |t: siltdb_tests::check::Trouble| -> Reaction {
                        panic!("{name}: {extra} bytes more in {id}: {}", t.what)
                    };
                    let reaction = reaction.unwrap_or_else(fail);
                    assert_eq!(reaction, Reaction::Unnoticed, "{name} {id}");
                }
            }
        }
    }
}

/// Goal: a missing or cut file is named. Only the end of the newest commits may look torn.
#[test]
fn missing_and_cut() {
    for (name, closed) in stores() {
        for (id, bytes) in &closed.files {
            let cuts = (0..bytes.len()).step_by(13).chain([bytes.len() - 1]);
            for cut in cuts.map(Some).chain([None]) {
                let mut files = closed.files.clone();
                match cut {
                    Some(cut) => files.get_mut(id).unwrap().truncate(cut),
                    None => drop(files.remove(id)),
                }
                let lost = match cut {
                    Some(_) if closed.active == Some(*id) => Lost::LastCommits,
                    _ => Lost::Nothing,
                };
                // Without its manifest a store can only name a file that misses it.
                let gone = cut.is_none() && id.kind == FileKind::Manifest;
                let named = closed.files.keys().filter(|other| gone || *other == id);
                let named: Vec<FileId> = named.copied().collect();
                let reaction = closed.judge(&files, &named, lost);
                let reaction =
                    reaction.unwrap_or_else(|t| panic!("{name}: {id} cut at {cut:?}: {}", t.what));
                assert!(
                    reaction != Reaction::Unnoticed || lost == Lost::LastCommits,
                    "{name}: {id} cut at {cut:?} goes unnoticed"
                );
            }
        }
    }
}

/// Goal: a segment in another's place, from the same store or another one, is never believed.
#[test]
fn swapped() {
    let stores = stores();
    for (name, closed) in &stores {
        let ids: Vec<FileId> = closed.files.keys().copied().collect();
        for a in &ids {
            for b in ids.iter().filter(|b| *b > a && b.kind == a.kind) {
                let mut files = closed.files.clone();
                files.insert(*a, closed.files[b].clone());
                files.insert(*b, closed.files[a].clone());
                let reaction = closed.judge(&files, &[*a, *b], Lost::Nothing);
                let reaction =
                    reaction.unwrap_or_else(|t| panic!("{name}: {a} and {b} swapped: {}", t.what));
                assert_ne!(reaction, Reaction::Unnoticed, "{name}: {a} and {b} swapped");
            }
            for (other, foreign) in stores.iter().filter(|(other, _)| other != name) {
                let same_kind = foreign.files.iter().filter(|(id, _)| id.kind == a.kind);
                for (id, bytes) in same_kind {
                    let mut files = closed.files.clone();
                    files.insert(*a, bytes.clone());
                    // With a foreign manifest every segment is foreign to it.
                    let segments = ids.iter().filter(|_| a.kind == FileKind::Manifest);
                    let mut damaged: Vec<FileId> = segments.copied().collect();
                    damaged.extend(foreign.files.keys().filter(|_| a.kind == FileKind::Manifest));
                    damaged.push(*a);
                    let reaction = closed.judge(&files, &damaged, Lost::Nothing);
                    let reaction = reaction.unwrap_or_else(|t| {
                        panic!("{name}: {a} replaced by {id} of {other}: {}", t.what)
                    });
                    assert_ne!(reaction, Reaction::Unnoticed, "{name}: {a} by {id} of {other}");
                }
            }
        }
    }
}
