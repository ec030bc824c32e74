//! A generated data set of 1,000,000 records, against an independent model.

use std::fmt::Write as _;

use crate::silt::Silt;

const RECORDS: u64 = 1_000_000;

/// A 24-byte key.
fn key(i: u64) -> String {
    format!("key-{i:020}")
}

/// A 100-byte value.
fn value(i: u64, round: u64) -> String {
    format!("{:0100}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(round as u32))
}

/// All records in an order that is not that of the keys, as TSV.
fn table(records: u64, round: u64) -> String {
    let mut text = String::new();
    for n in 0..records {
        // A multiplier without a common factor visits each number once.
        let i = n * 700_001 % records;
        writeln!(text, "{}\t{}", key(i), value(i, round)).unwrap();
    }
    text
}

fn sorted(records: u64, round: u64) -> String {
    let mut text = String::new();
    for i in 0..records {
        writeln!(text, "{}\t{}", key(i), value(i, round)).unwrap();
    }
    text
}

#[test]
fn a_million_records_in_and_out() {
    let silt = Silt::new();
    let file = silt.file("in.tsv", table(RECORDS, 0));
    let ended = silt.run(&["import", &file]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert!(ended.stderr().starts_with("imported 1,000,000 records"), "{}", ended.stderr());
    assert_eq!(silt.ok(&["count"]), "1000000\n");
    for i in [0, 1, 499_999, 777_777, RECORDS - 1] {
        assert_eq!(silt.ok(&["get", &key(i)]), value(i, 0));
        assert_eq!(silt.ok(&["history", &key(i)]).lines().count(), 1);
    }
    assert_eq!(silt.run(&["get", &key(RECORDS)]).code(), 1);
    let (from, to) = (key(123_400), key(123_500));
    let expected: String =
        (123_400..123_500).map(|i| format!("{}\t{}\n", key(i), value(i, 0))).collect();
    assert_eq!(silt.ok(&["scan", "--from", &from, "--to", &to]), expected);
    assert_eq!(silt.ok(&["count", "--prefix", "key-000000000000005"]), "100000\n");
    // Not assert_eq: a difference would be printed in full.
    assert!(silt.ok(&["export", "--format", "tsv"]) == sorted(RECORDS, 0));

    let size = |silt: &Silt| silt.json(&["stats"])[0]["file_bytes"].as_u64().unwrap();
    let before = size(&silt);
    let again = silt.run(&["import", &file, "--skip-identical"]);
    assert!(again.stderr().contains("1,000,000 identical skipped"), "{}", again.stderr());
    assert!(size(&silt) < before + before / 100, "{before} bytes grew to {}", size(&silt));
    assert!(silt.ok(&["verify"]).ends_with("all is well\n"));
}

#[test]
fn overwritten_records_give_their_space_back() {
    let silt = Silt::new();
    let records = 100_000;
    for round in 0..6 {
        let file = silt.file("in.tsv", table(records, round));
        silt.ok(&["import", &file]);
    }
    silt.ok(&["compact"]);
    let live = records * (24 + 100);
    let files: u64 = std::fs::read_dir(silt.db())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(files * 10 <= live * 12, "{files} bytes of files for {live} live bytes");
    assert!(silt.ok(&["export", "--format", "tsv"]) == sorted(records, 5));
}
