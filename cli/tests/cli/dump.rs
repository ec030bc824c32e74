//! `silt dump`: what stands in a segment, and how far it can be read when it is damaged.

use serde_json::{Value, json};

use crate::silt::{Silt, files_of};

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_log_and_a_compacted_segment_are_shown_whole() {
    let silt = Silt::with(&[("a", "1"), ("b\t\u{e9}", "22")]);
    silt.ok(&["set", "c", "3", "--ttl", "1h"]);
    silt.ok(&["del", "a"]);
    let before = files_of(&silt.db());
    let log = silt.json(&["dump", "1"]);
    let expected = ["segment", "group", "set", "group", "set", "group", "set", "group", "delete"];
    assert_eq!(kinds(&log), expected);
    assert_eq!(log[4]["key"], json!("b\t\u{e9}"));
    assert_eq!(log[4]["value_len"], json!(2));
    assert_eq!(log[6]["expires"], silt.json(&["get", "c"])[0]["expires"]);
    assert_eq!(log[3]["durable_gap"], json!(0));
    assert!(log[8]["time"].as_str().unwrap().ends_with('Z'));
    // The bytes of each part are where it says.
    let name = "0000000000000001.segment";
    let bytes = std::fs::read(silt.db().join(name)).unwrap();
    let (at, len) = (log[4]["offset"].as_u64().unwrap(), log[4]["len"].as_u64().unwrap());
    assert!(bytes[..(at + len) as usize].ends_with("b\t\u{e9}22".as_bytes()));
    let text = silt.ok(&["dump", "1"]);
    assert_eq!(text.lines().count(), log.len());
    assert!(text.contains("  value 2 B  key b\\t\u{e9}\n"), "{text}");
    assert!(silt.ok(&["dump", "1", "--hex"]).contains("key 6209c3a9\n"));
    // By file name, with and without its directory, and without a word about the store.
    assert_eq!(silt.ok(&["dump", name]), text);
    let path = silt.db().join(name);
    let elsewhere = Silt::new();
    assert_eq!(elsewhere.ok(&["dump", path.to_str().unwrap()]), text);
    assert_eq!(silt.ok(&["dump", "1", "--outline"]).lines().count(), 5);
    assert!(files_of(&silt.db()) == before);

    silt.ok(&["compact"]);
    let number = silt.json(&["stats", "--segments"])[0]["segment"].to_string();
    let sorted = silt.json(&["dump", &number]);
    let expected =
        ["segment", "group", "set", "set", "table", "entry", "entry", "fences", "filter", "footer"];
    assert_eq!(kinds(&sorted), expected);
    assert_eq!(sorted[0]["order"], json!("sorted"));
    let footer = &sorted[9];
    assert_eq!((&footer["numbers"]["records"], &footer["last_key"]), (&json!(2), &json!("c")));
}

#[test]
fn what_a_killed_writer_left_is_shown_up_to_its_end() {
    use std::io::Write as _;
    let silt = Silt::new();
    let mut writer = silt.command(&["import", "-"]).stdin(std::process::Stdio::piped()).spawn();
    let mut pipe = writer.as_mut().unwrap().stdin.take().unwrap();
    let lines: String =
        (0..5_000).map(|i| format!("{{\"key\":\"k{i}\",\"value\":\"v\"}}\n")).collect();
    pipe.write_all(lines.as_bytes()).unwrap();
    // Once there is a log of some length, its writer waits for more lines.
    let log = silt.db().join("0000000000000001.segment");
    while std::fs::metadata(&log).map_or(0, |log| log.len()) < 1_000 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    writer.as_mut().unwrap().kill().unwrap();
    writer.unwrap().wait().unwrap();
    let before = files_of(&silt.db());
    let lines = silt.json(&["dump", "1"]);
    assert!(files_of(&silt.db()) == before);
    let kinds = kinds(&lines);
    let records = kinds.iter().filter(|kind| **kind == "set").count();
    assert!(records > 0);
    let odd: Vec<_> =
        kinds.iter().filter(|kind| !["segment", "group", "set"].contains(kind)).collect();
    assert!(odd.is_empty() || (odd.len() == 1 && ["reserved", "torn"].contains(odd[0])), "{odd:?}");
    // Reading heals the store, and finds what was shown.
    assert_eq!(silt.ok(&["count"]), format!("{records}\n"));
}

#[test]
fn a_segment_that_is_not_there_is_named() {
    let silt = Silt::with(&[("a", "1")]);
    let line = silt.fails(&["dump", "77"], 3, "SILT_NOT_FOUND");
    assert!(line.contains("no segment 77") && line.contains("stats --segments"), "{line}");
    for wrong in ["0", "-1", "1x", "", "LOCK", "0000000000000001.manifest"] {
        let line = silt.fails(&["dump", "--", wrong], 2, "SILT_USAGE");
        assert!(line.contains("is not a segment"), "{line}");
    }
    Silt::new().fails(&["dump", "1"], 3, "SILT_NO_STORE");
}

/// Goal: whatever is damaged, a dump prints what stands before it and ends with exit code 4.
/// Method: flip a bit at places all over a sealed segment's file.
#[test]
fn a_dump_ends_at_the_damage() {
    let silt = Silt::new();
    let lines: String = (0..200).map(|i| format!("key{i:03}\tvalue {i}\n")).collect();
    silt.run_with(&["import", "-", "--format", "tsv"], lines.as_bytes());
    silt.ok(&["compact"]);
    let number = silt.json(&["stats", "--segments"])[0]["segment"].to_string();
    let whole = silt.ok(&["dump", &number]);
    let path = silt.db().join(format!("{:016}.segment", number.parse::<u64>().unwrap()));
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 30) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, damaged).unwrap();
        let ended = silt.run(&["dump", &number]);
        let line = ended.failed(4, "SILT_CORRUPT");
        assert!(line.contains("damaged at byte"), "{line}");
        assert!(whole.starts_with(&ended.stdout()), "byte {at}");
    }
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let ended = silt.run(&["dump", &number]);
    ended.failed(4, "SILT_CORRUPT");
    assert!(ended.stdout().lines().count() > 100);
    // The footer tells what the segment is, where no manifest does.
    std::fs::write(&path, &bytes).unwrap();
    for (name, _) in files_of(&silt.db()).iter().filter(|(name, _)| name.ends_with("manifest")) {
        std::fs::remove_file(silt.db().join(name)).unwrap();
    }
    assert_eq!(silt.ok(&["dump", &number]), whole);
}
