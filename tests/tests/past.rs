//! Reads of the past: every retained moment of random workloads reads as a plain model of all
//! versions says, before and after compaction and reopening; what is no longer retained is
//! refused, and the moment named instead reads.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use siltdb::{
    Batch, Change, CompactionOptions, Durability, ErrorKind, Operation, Options, Record, Retention,
    ScanOptions, Store,
};
use siltdb_tests::damage::{Written, place_in, scratch};
use siltdb_tests::sim::Random;
use siltdb_tests::simulation::scaled;
use siltdb_tests::versions::Versions;

const KEYS: u64 = 24;

fn options(retention: Retention) -> Options {
    Options {
        durability: Durability::Flushed,
        // Sealed every few dozen commits, so that the past lies in many segments.
        segment_bytes: 4096,
        seal_on_close_bytes: 2048,
        retention,
        compaction: CompactionOptions { auto: false, ..CompactionOptions::default() },
        ..Options::default()
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

fn key(random: &mut Random) -> Vec<u8> {
    let n = random.below(KEYS);
    // Some keys begin with others.
    [&b"k"[..], &b"x".repeat(n as usize % 3), n.to_string().as_bytes()].concat()
}

fn operation(random: &mut Random) -> Operation {
    let key = key(random);
    let len = random.index(60);
    let value = (!random.one_in(4)).then(|| random.bytes(len));
    let expires = match random.below(8) {
        0 => Some(now_us() + random.below(3_000)),
        1 => Some(now_us() + 3_600_000_000),
        _ => None,
    };
    let expires = expires.filter(|_| value.is_some());
    Operation { key, value, expires, condition: None }
}

fn work(written: &mut Written, random: &mut Random, commits: u64) {
    for _ in 0..commits {
        let mut batch = Batch::new();
        let count = if random.one_in(4) { 1 + random.below(10) } else { 1 };
        for _ in 0..count {
            batch.push(operation(random));
        }
        written.commit(&batch);
        if random.one_in(16) {
            // Moments apart, with expiries between them.
            std::thread::sleep(Duration::from_micros(random.below(1_500)));
        }
    }
}

fn scan(store: &Store, options: &ScanOptions) -> Vec<Record> {
    store.scan(options).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Every moment that may read otherwise than the one before it: commits, and just before them.
fn moments(written: &Written) -> Vec<u64> {
    let horizon = written.store.horizon();
    let around = written.seqs.iter().flat_map(|seq| [seq - 1, *seq]);
    let mut moments: Vec<u64> = around.filter(|seq| *seq >= horizon).collect();
    moments.dedup();
    moments
}

/// Compares every read of every moment that the store holds. Gives how many moments these are.
fn compare(written: &Written, random: &mut Random) -> usize {
    let Written { store, model, .. } = written;
    let moments = moments(written);
    for seq in &moments {
        compare_moment(store, model, *seq, random);
    }
    for _ in 0..moments.len().min(300) {
        let at = random.index(moments.len());
        let to = at + random.index(moments.len() - at);
        compare_diff(store, model, moments[at], moments[to]);
    }
    moments.len()
}

fn compare_moment(store: &Store, model: &Versions, seq: u64, random: &mut Random) {
    let as_of = ScanOptions { as_of: Some(seq), ..ScanOptions::default() };
    let expected = model.scan(b"", seq, seq);
    assert_eq!(scan(store, &as_of), expected, "scan as of {seq}");
    assert_eq!(store.count(&as_of).unwrap(), expected.len() as u64, "count as of {seq}");
    let view = store.view_as_of(seq).unwrap();
    assert_eq!(view.seq(), seq);
    for key in model.keys() {
        let expected = model.record(key, seq, seq);
        assert_eq!(store.get_as_of(key, seq).unwrap(), expected, "{key:?} as of {seq}");
        assert_eq!(view.get(key).unwrap(), expected, "{key:?} in a view of {seq}");
    }
    let (from, to, prefix) = (key(random), key(random), key(random));
    let inside = |r: &&Record| r.key >= from && r.key < to;
    let mut part: Vec<Record> = expected.iter().filter(inside).cloned().collect();
    part.reverse();
    part.truncate(3);
    let range = ScanOptions {
        from: Some(from.clone()),
        to: Some(to.clone()),
        reverse: true,
        limit: Some(3),
        ..as_of.clone()
    };
    assert_eq!(scan(store, &range), part, "{range:?}");
    let part: Vec<Record> = expected
        .iter()
        .filter(|r| r.key.starts_with(&prefix))
        .map(|r| Record { value: Vec::new(), ..r.clone() })
        .collect();
    let range = ScanOptions { prefix: Some(prefix), keys_only: true, ..as_of };
    assert_eq!(scan(store, &range), part, "{range:?}");
}

fn compare_diff(store: &Store, model: &Versions, from: u64, to: u64) {
    let diff = store.diff(from, to, &ScanOptions::default()).unwrap();
    let found: Vec<Change> = diff.collect::<Result<_, _>>().unwrap();
    let content = |r: &Option<Record>| r.as_ref().map(|r| (r.value.clone(), r.expires));
    let changes = model.keys().map(|key| Change {
        key: key.to_vec(),
        before: model.record(key, from, from),
        after: model.record(key, to, to),
    });
    let expected: Vec<Change> =
        changes.filter(|c| content(&c.before) != content(&c.after)).collect();
    assert_eq!(found, expected, "diff of {from} and {to}");
}

/// Compares every history: at least `count` versions of each key, if it has so many.
fn compare_histories(written: &Written, count: usize) {
    for key in written.model.keys() {
        let all = written.model.history(key);
        let found: Vec<_> = written.store.history(key).unwrap().map(Result::unwrap).collect();
        assert!(all.starts_with(&found), "history of {key:?}: {found:?}, not {all:?}");
        assert!(found.len() >= count.min(all.len()), "history of {key:?}: {found:?} of {all:?}");
    }
}

/// Demands that every moment before the horizon is refused by every way to ask for it.
fn compare_gone(written: &Written) -> usize {
    let (store, horizon) = (&written.store, written.store.horizon());
    let key = written.model.keys().next().unwrap();
    let mut gone = 0;
    for asked in written.seqs.iter().copied().filter(|seq| *seq < horizon) {
        let as_of = ScanOptions { as_of: Some(asked), ..ScanOptions::default() };
        let refusals = [
            store.get_as_of(key, asked).unwrap_err(),
            store.scan(&as_of).map(drop).unwrap_err(),
            store.count(&as_of).unwrap_err(),
            store.view_as_of(asked).map(drop).unwrap_err(),
            store.diff(asked, store.last_seq(), &ScanOptions::default()).map(drop).unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.into_kind(), ErrorKind::HistoryGone { asked, oldest: horizon });
        }
        gone += 1;
    }
    if gone > 0 {
        let mut random = Random::new(horizon);
        compare_moment(store, &written.model, horizon, &mut random);
    }
    gone
}

fn compact(written: &Written) {
    written.store.compact(&mut |_| ()).unwrap();
}

#[test]
fn everything_is_kept_for_ever() {
    for seed in 0..scaled(3) {
        let mut random = Random::new(seed);
        let scratch = scratch();
        let dir = place_in(&scratch, "store");
        let rule = options(Retention::Forever);
        let mut written = Written::new(&dir, rule.clone());
        for round in 0..3 {
            work(&mut written, &mut random, 130);
            let moments = compare(&written, &mut random);
            assert!(moments > 100, "{moments}");
            assert_eq!(written.store.horizon(), 0);
            compare_histories(&written, usize::MAX);
            if round > 0 {
                compact(&written);
                assert_eq!(compare(&written, &mut random), moments);
                compare_histories(&written, usize::MAX);
            }
            written = written.reopen(rule.clone());
            assert_eq!(compare(&written, &mut random), moments);
            compare_histories(&written, usize::MAX);
        }
        assert_eq!(compare_gone(&written), 0);
    }
}

/// Works, compacts and reopens under a rule; gives how many moments were read and refused.
fn keep(seed: u64, rule: Retention, versions: usize) -> (usize, usize) {
    let mut random = Random::new(seed ^ 0x70_61_73_74);
    let scratch = scratch();
    let dir = place_in(&scratch, "store");
    let mut written = Written::new(&dir, options(rule));
    let (mut read, mut gone) = (0, 0);
    for _ in 0..3 {
        work(&mut written, &mut random, 130);
        compact(&written);
        let (store, now) = (&written.store, now_us());
        if let Retention::Age { us } = rule {
            // What is younger than the rule says reads for sure.
            assert!(store.horizon() <= now.max(store.last_seq()) - us);
        }
        for _ in 0..2 {
            read += compare(&written, &mut random);
            gone += compare_gone(&written);
            compare_histories(&written, versions);
            written = written.reopen(options(rule));
        }
        work(&mut written, &mut random, 60);
        read += compare(&written, &mut random);
    }
    (read, gone)
}

fn keep_all(name: &str, rule: Retention, versions: usize) -> (usize, usize) {
    let all = (0..scaled(3)).map(|seed| keep(seed, rule, versions));
    let (read, gone) = all.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    println!("{name}: {read} moments read, {gone} refused");
    (read, gone)
}

#[test]
fn only_the_latest_is_kept() {
    let (read, gone) = keep_all("latest", Retention::Latest, 0);
    assert!(read > 700 && gone > 700);
}

#[test]
fn an_age_is_kept() {
    let (_, gone) = keep_all("4 ms", Retention::Age { us: 4_000 }, 0);
    assert!(gone > 0);
    let (read, gone) = keep_all("1 h", Retention::Age { us: 3_600_000_000 }, usize::MAX);
    assert!(read > 2000 && gone == 0);
}

#[test]
fn so_many_versions_are_kept() {
    for count in [1, 2, 5] {
        let rule = Retention::Versions { count };
        let (read, gone) = keep_all(&format!("{count} versions"), rule, count as usize);
        assert!(read > 700 && gone > 0);
    }
}

/// A rule that is widened brings nothing back, and one that is narrowed takes effect at the next
/// compaction.
#[test]
fn a_changed_rule_counts_from_then_on() {
    let mut random = Random::new(77);
    let scratch = scratch();
    let dir = place_in(&scratch, "store");
    let mut written = Written::new(&dir, options(Retention::Forever));
    work(&mut written, &mut random, 200);
    compact(&written);
    let all = compare(&written, &mut random);
    written.store.set_retention(Retention::Latest).unwrap();
    assert_eq!(compare(&written, &mut random), all);
    compact(&written);
    let horizon = written.store.horizon();
    assert!(horizon > written.seqs[100] && compare_gone(&written) > 100);
    written.store.set_retention(Retention::Forever).unwrap();
    work(&mut written, &mut random, 200);
    compact(&written);
    let mut written = written.reopen(options(Retention::Latest));
    assert_eq!(written.store.retention(), Retention::Forever);
    assert_eq!(written.store.horizon(), horizon);
    assert!(compare(&written, &mut random) > 200 && compare_gone(&written) > 100);
    work(&mut written, &mut random, 10);
    compare(&written, &mut random);
}
