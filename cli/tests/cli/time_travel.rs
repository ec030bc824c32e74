//! History, reads of the past, differences, retention, compaction.

use serde_json::json;

use crate::silt::{Silt, files_of};

/// A store that keeps everything, where `k` was 1, 2, deleted, 3; gives the four seqs.
fn four_versions() -> (Silt, Vec<u64>) {
    let silt = Silt::new();
    silt.ok(&["retain", "forever"]);
    let mut seqs = Vec::new();
    for step in [&["set", "k", "1"][..], &["set", "k", "2"], &["del", "k"], &["set", "k", "3"]] {
        seqs.push(silt.json(step)[0]["seq"].as_u64().unwrap());
    }
    (silt, seqs)
}

#[test]
fn history_is_newest_first() {
    let (silt, seqs) = four_versions();
    let text = silt.ok(&["history", "k"]);
    let fields: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(fields.len(), 4);
    for (field, (seq, (op, value))) in fields.iter().zip(seqs.iter().rev().zip([
        ("set", "3"),
        ("del", ""),
        ("set", "2"),
        ("set", "1"),
    ])) {
        assert_eq!(field[0], seq.to_string());
        assert!(field[1].len() == 27 && field[1].ends_with('Z'), "{}", field[1]);
        assert_eq!(&field[2..], [op, value]);
    }
    let lines = silt.json(&["history", "k", "--limit", "2"]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["op"], json!("set"));
    assert_eq!(lines[1]["op"], json!("del"));
    assert!(lines[1].get("value").is_none());
    assert_eq!(lines[1]["time"].as_str().unwrap(), fields[1][1]);
    assert_eq!(silt.run(&["history", "unknown"]).code(), 1);
}

#[test]
fn the_past_reads_by_seq_and_by_time() {
    let (silt, seqs) = four_versions();
    let at = |moment: &str| {
        let ended = silt.run(&["get", "k", "--as-of", moment]);
        (ended.code(), ended.stdout())
    };
    let expected = [(0, "1"), (0, "2"), (1, ""), (0, "3")];
    for compacted in [false, true] {
        if compacted {
            silt.ok(&["compact"]);
        }
        for (seq, (code, value)) in seqs.iter().zip(expected) {
            assert_eq!(at(&seq.to_string()), (code, value.to_owned()));
        }
        // A moment just before a write sees what was there before it.
        assert_eq!(at(&(seqs[1] - 1).to_string()), (0, String::from("1")));
        let times = silt.json(&["history", "k"]);
        assert_eq!(at(times[2]["time"].as_str().unwrap()), (0, String::from("2")));
        assert_eq!(at("0s ago"), (0, String::from("3")));
        let second = seqs[1].to_string();
        assert_eq!(silt.ok(&["scan", "--as-of", &second]), "k\t2\n");
        assert_eq!(silt.ok(&["count", "--as-of", &seqs[2].to_string()]), "0\n");
        let export = silt.ok(&["export", "--format", "tsv", "--as-of", &second]);
        assert_eq!(export, "k\t2\n");
    }
}

#[test]
fn what_expired_since_the_last_write_is_gone_in_a_diff_up_to_now() {
    let silt = Silt::new();
    silt.ok(&["retain", "forever"]);
    let seq = silt.json(&["set", "k", "v", "--ttl", "1s"])[0]["seq"].as_u64().unwrap();
    assert_eq!(silt.ok(&["count", "--as-of", &seq.to_string()]), "1\n");
    while !silt.ok(&["scan"]).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for to in [&[][..], &["--to", "now"]] {
        let gone = silt.run(&[&["diff", "--from", &seq.to_string()], to].concat());
        assert_eq!((gone.code(), gone.stdout().as_str()), (1, "-k\tv\n"), "{to:?}");
        let never = silt.run(&[&["diff", "--from", &(seq - 1).to_string()], to].concat());
        assert_eq!((never.code(), never.stdout().as_str()), (0, ""), "{to:?}");
    }
}

#[test]
fn diff_shows_what_came_went_and_changed() {
    let silt = Silt::new();
    silt.ok(&["retain", "forever"]);
    for key in ["gone", "same", "changed", "other"] {
        silt.ok(&["set", key, "old"]);
    }
    let from = silt.json(&["get", "other"])[0]["seq"].to_string();
    silt.ok(&["del", "gone"]);
    silt.ok(&["set", "changed", "new"]);
    silt.ok(&["set", "came", "tab\there"]);
    let ended = silt.run(&["diff", "--from", &from]);
    assert_eq!(ended.code(), 1);
    assert_eq!(ended.stdout(), "+came\ttab\\there\n~changed\told\tnew\n-gone\told\n");
    let ended = silt.run(&["diff", "--from", &from, "--to", "0s ago", "--prefix", "ch", "--json"]);
    assert_eq!(ended.code(), 1);
    let line: serde_json::Value = serde_json::from_str(&ended.stdout()).unwrap();
    assert_eq!((&line["before"], &line["after"]), (&json!("old"), &json!("new")));
    assert!(line["after_seq"].as_u64() > line["before_seq"].as_u64());
    assert_eq!(silt.run(&["diff", "--from", &from, "--to", &from]).code(), 0);
    silt.fails(&["diff", "--from", "0s ago", "--to", &from], 2, "SILT_USAGE");
}

#[test]
fn lost_history_is_exit_code_7_and_names_the_oldest_time() {
    let silt = Silt::new();
    let first = silt.json(&["set", "k", "1"])[0]["seq"].to_string();
    for i in 0..50 {
        silt.ok(&["set", "k", &i.to_string(), "--durability", "flushed"]);
    }
    silt.ok(&["compact"]);
    for command in [&["get", "k", "--as-of"][..], &["scan", "--as-of"], &["count", "--as-of"]] {
        let line = silt.fails(&[command, &[&first]].concat(), 7, "SILT_HISTORY_GONE");
        let oldest = silt.json(&["stats"])[0]["horizon"].to_string();
        assert!(line.contains(&format!("(seq {oldest})")), "{line}");
        assert!(line.contains('T') && line.contains("Z "), "{line}");
        // And the oldest moment named does read.
        let seqs = silt.run(&[command, &[&oldest]].concat());
        assert_eq!(seqs.code(), 0, "{}", seqs.stderr());
    }
    let ended = silt.run(&["get", "k", "--as-of", &first, "--json"]);
    let error: serde_json::Value = serde_json::from_str(&ended.stderr()).unwrap();
    assert_eq!(error["error"], json!("SILT_HISTORY_GONE"));
    assert_eq!(error["oldest"], silt.json(&["stats"])[0]["horizon"]);
    assert_eq!(silt.ok(&["get", "k"]), "49");
    // An export of lost history leaves no file behind.
    let file = silt.path("out.tsv");
    let export = ["export", file.to_str().unwrap(), "--as-of", &first];
    silt.fails(&export, 7, "SILT_HISTORY_GONE");
    assert!(!file.exists());
}

#[test]
fn the_retention_rule_shows_and_stays() {
    let silt = Silt::with(&[("k", "v")]);
    assert_eq!(silt.ok(&["retain"]), "latest\n");
    for rule in ["7d", "10", "forever", "latest"] {
        assert_eq!(silt.ok(&["retain", rule]), "");
        assert_eq!(silt.ok(&["retain"]), format!("{rule}\n"));
    }
    assert_eq!(silt.json(&["retain", "36h"]), [json!({"retain": "36h"})]);
    silt.fails(&["retain", "0"], 2, "SILT_INVALID");
    for rule in ["sometimes", "-1"] {
        silt.fails(&["retain", "--", rule], 2, "SILT_USAGE");
    }
}

#[test]
fn a_plan_changes_nothing_and_compaction_does() {
    let silt = Silt::new();
    let load = |round: u32| {
        let lines: String =
            (0..2_000).map(|i| format!("key{i:05}\t{round}-{}\n", "x".repeat(400))).collect();
        let file = silt.file("load.tsv", lines);
        silt.ok(&["import", &file]);
    };
    (0..3).for_each(load);
    let before = files_of(&silt.db());
    let plan = silt.ok(&["compact", "--plan"]);
    assert!(plan.contains("segments") || plan.contains("nothing to compact"), "{plan}");
    let lines = silt.json(&["compact", "--plan"]);
    assert!(files_of(&silt.db()) == before);
    let size = |files: &[(String, Vec<u8>)]| files.iter().map(|f| f.1.len()).sum::<usize>();
    let segments = |silt: &Silt| -> Vec<u64> {
        let lines = silt.json(&["stats", "--segments"]);
        lines.iter().map(|line| line["segment"].as_u64().unwrap()).collect()
    };
    let inputs: Vec<u64> = lines
        .iter()
        .flat_map(|line| line["inputs"].as_array().unwrap())
        .map(|number| number.as_u64().unwrap())
        .collect();
    assert!(!inputs.is_empty() && inputs == segments(&silt), "{inputs:?}");
    let report = &silt.json(&["compact"])[0];
    assert_eq!(report["runs"].as_u64(), Some(lines.len() as u64));
    assert!(segments(&silt).iter().all(|number| !inputs.contains(number)));
    assert!(size(&files_of(&silt.db())) < size(&before));
    assert!(size(&files_of(&silt.db())) < 2_000 * 410 * 3 / 2);
    assert_eq!(silt.ok(&["compact"]), "nothing to compact\n");
    assert_eq!(silt.ok(&["count"]), "2000\n");
    assert!(silt.ok(&["get", "key00007"]).starts_with("2-x"));
}
