//! set, get, del, scan, count, batch: what they print, and how they end.

use serde_json::json;

use crate::silt::Silt;

#[test]
fn a_record_comes_and_goes() {
    let silt = Silt::new();
    assert_eq!(silt.ok(&["set", "colour", "blue"]), "");
    assert_eq!(silt.ok(&["get", "colour"]), "blue");
    assert_eq!(silt.ok(&["del", "colour"]), "");
    let absent = silt.run(&["get", "colour"]);
    assert_eq!(
        (absent.code(), absent.stdout(), absent.stderr()),
        (1, String::new(), String::new())
    );
    // Deleting what is absent is done already.
    assert_eq!(silt.ok(&["del", "colour", "other"]), "");
}

#[test]
fn a_value_is_any_bytes_from_a_file_or_stdin() {
    let silt = Silt::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let file = silt.file("value.bin", &bytes);
    silt.ok(&["set", "file", "--file", &file]);
    assert_eq!(silt.run(&["get", "file"]).0.stdout, bytes);
    assert_eq!(silt.run_with(&["set", "stdin", "-"], &bytes).code(), 0);
    assert_eq!(silt.run(&["get", "stdin"]).0.stdout, bytes);
    silt.ok(&["set", "empty", ""]);
    assert_eq!(silt.ok(&["get", "empty"]), "");
    assert_eq!(silt.ok(&["count"]), "3\n");
}

#[test]
fn keys_and_values_may_begin_with_a_dash() {
    let silt = Silt::new();
    silt.ok(&["set", "--", "-k", "--v"]);
    silt.ok(&["set", "number", "-5"]);
    assert_eq!(silt.ok(&["get", "--", "-k"]), "--v");
    assert_eq!(silt.ok(&["get", "number"]), "-5");
    assert_eq!(silt.ok(&["scan", "--prefix", "-"]), "-k\t--v\n");
    silt.ok(&["del", "--", "-k"]);
    assert_eq!(silt.ok(&["count"]), "1\n");
}

#[test]
fn binary_keys_in_hex_and_base64() {
    let silt = Silt::new();
    silt.ok(&["set", "--hex", "00ff0a", "DEFF"]);
    silt.ok(&["set", "--base64", "/w==", "AAE="]);
    assert_eq!(silt.ok(&["get", "--hex", "00FF0A"]), "deff\n");
    assert_eq!(silt.run(&["get", "--hex", "--raw", "ff"]).0.stdout, [0, 1]);
    assert_eq!(silt.ok(&["scan", "--hex"]), "00ff0a\tdeff\nff\t0001\n");
    assert_eq!(silt.ok(&["scan", "--base64", "--from", "/w=="]), "/w==\tAAE=\n");
    // Text output never carries control characters or broken UTF-8 to a terminal.
    assert_eq!(silt.ok(&["scan"]), "\\x00\\xff\\n\t\\xde\\xff\n\\xff\t\\x00\\x01\n");
    let lines = silt.json(&["scan", "--keys-only"]);
    assert_eq!(lines[0]["key_base64"], json!("AP8K"));
    let lines = silt.json(&["get", "--hex", "ff"]);
    assert_eq!(lines[0]["key_base64"], json!("/w=="));
    assert_eq!(lines[0]["value"], json!("\u{0}\u{1}"));
    assert!(lines[0].get("key").is_none());
}

#[test]
fn writes_say_their_seq_and_durability_in_json() {
    let silt = Silt::new();
    let mut last = 0;
    for level in ["synced", "flushed", "buffered"] {
        let lines = silt.json(&["set", "k", level, "--durability", level]);
        assert_eq!(lines.len(), 1);
        let seq = lines[0]["seq"].as_u64().unwrap();
        assert!(seq > last, "{seq} after {last}");
        last = seq;
        let reached = lines[0]["durability"].as_str().unwrap();
        assert!(["synced", "flushed", "buffered"].contains(&reached));
        if level == "synced" {
            assert_eq!(reached, "synced");
        }
        // A level is about power loss; an orderly end of the process keeps all of them.
        assert_eq!(silt.json(&["get", "k"])[0], json!({"key": "k", "value": level, "seq": seq}));
    }
    let deleted = &silt.json(&["del", "k", "absent"])[0];
    assert_eq!(deleted["deleted"], json!(1));
    assert!(deleted["seq"].as_u64().unwrap() > last);
}

#[test]
fn scans_take_ranges_order_and_limits() {
    let silt = Silt::with(&[("a", "1"), ("b1", "2"), ("b2", "3"), ("b3", "4"), ("c", "5")]);
    let keys = |flags: &[&str]| {
        let lines = silt.ok(&[&["scan", "--keys-only"], flags].concat());
        lines.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&[]), "a b1 b2 b3 c");
    assert_eq!(keys(&["--reverse"]), "c b3 b2 b1 a");
    assert_eq!(keys(&["--prefix", "b"]), "b1 b2 b3");
    assert_eq!(keys(&["--from", "b1", "--to", "b3"]), "b1 b2");
    assert_eq!(keys(&["--from", "b2", "--limit", "2"]), "b2 b3");
    assert_eq!(keys(&["--to", "b2", "--reverse", "--limit", "1"]), "b1");
    // A prefix and a range together: what is in both.
    assert_eq!(keys(&["--prefix", "b", "--from", "b2"]), "b2 b3");
    assert_eq!(keys(&["--prefix", "b", "--to", "b2"]), "b1");
    assert_eq!(keys(&["--prefix", "b", "--from", "a", "--to", "z", "--reverse"]), "b3 b2 b1");
    assert_eq!(keys(&["--prefix", "b", "--from", "c"]), "");
    assert_eq!(keys(&["--limit", "0"]), "");
    assert_eq!(silt.ok(&["count", "--prefix", "b"]), "3\n");
    assert_eq!(silt.ok(&["count", "--from", "b", "--to", "c"]), "3\n");
    assert_eq!(silt.json(&["count", "--prefix", "b"]), [json!({"count": 3})]);
    assert_eq!(silt.ok(&["scan", "--limit", "1"]), "a\t1\n");
}

#[test]
fn conditions_write_or_exit_with_6() {
    let silt = Silt::new();
    silt.ok(&["set", "k", "1", "--if-absent"]);
    silt.fails(&["set", "k", "2", "--if-absent"], 6, "SILT_CONDITION_FAILED");
    let seq = silt.json(&["get", "k"])[0]["seq"].to_string();
    silt.ok(&["set", "k", "3", "--if-seq", &seq]);
    let line = silt.fails(&["set", "k", "4", "--if-seq", &seq], 6, "SILT_CONDITION_FAILED");
    assert!(line.contains("nothing was written"), "{line}");
    silt.fails(&["set", "other", "4", "--if-seq", &seq], 6, "SILT_CONDITION_FAILED");
    assert_eq!(silt.ok(&["scan"]), "k\t3\n");
}

#[test]
fn a_prefix_is_deleted_only_when_sure() {
    let silt = Silt::with(&[("a1", "x"), ("a2", "x"), ("b", "x")]);
    let line = silt.fails(&["del", "--prefix", "a"], 2, "SILT_USAGE");
    assert!(line.contains("2 keys") && line.contains("--yes"), "{line}");
    assert_eq!(silt.ok(&["count"]), "3\n");
    assert_eq!(silt.json(&["del", "--prefix", "a", "--yes"])[0]["deleted"], json!(2));
    assert_eq!(silt.ok(&["scan", "--keys-only"]), "b\n");
    assert_eq!(silt.json(&["del", "--prefix", "a", "--yes"])[0]["deleted"], json!(0));
}

#[test]
fn a_record_expires() {
    let silt = Silt::new();
    silt.ok(&["set", "short", "x", "--ttl", "400ms"]);
    silt.ok(&["set", "long", "x", "--ttl", "1h"]);
    let expires = silt.json(&["get", "long"])[0]["expires"].as_u64().unwrap();
    let seq = silt.json(&["get", "long"])[0]["seq"].as_u64().unwrap();
    assert!(expires.abs_diff(seq + 3_600_000_000) < 60_000_000);
    std::thread::sleep(std::time::Duration::from_millis(450));
    assert_eq!(silt.run(&["get", "short"]).code(), 1);
    assert_eq!(silt.ok(&["scan", "--keys-only"]), "long\n");
    assert_eq!(silt.ok(&["count"]), "1\n");
}

#[test]
fn a_batch_is_whole_or_not_at_all() {
    let silt = Silt::with(&[("old", "1")]);
    let seq = silt.json(&["get", "old"])[0]["seq"].as_u64().unwrap();
    let batch = format!(
        "{{\"op\":\"set\",\"key\":\"a\",\"value\":\"1\",\"if_absent\":true}}\n\n\
         {{\"op\":\"delete\",\"key\":\"old\",\"if_seq\":{seq}}}\r\n\
         {{\"op\":\"set\",\"key_base64\":\"/w==\",\"value_base64\":\"AA==\",\"ttl\":\"1h\"}}"
    );
    let ended = silt.run_with(&["batch", "-", "--json"], batch.as_bytes());
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let commit: serde_json::Value = serde_json::from_str(&ended.stdout()).unwrap();
    assert_eq!(commit["durability"], json!("synced"));
    assert_eq!(silt.ok(&["scan", "--hex"]), "61\t31\nff\t00\n");
    for record in silt.json(&["scan"]) {
        assert_eq!(record["seq"], commit["seq"]);
    }
    // The same again: the condition of line 1 fails, and line 4 is not done either.
    let line = silt.run_with(&["batch", "-"], batch.as_bytes()).failed(6, "SILT_CONDITION_FAILED");
    assert!(line.contains("stdin: line 1"), "{line}");
    let bad = "{\"op\":\"set\",\"key\":\"x\",\"value\":\"1\"}\n{\"op\":\"set\",\"key\":\"y\"}\n";
    let line = silt.run_with(&["batch", "-"], bad.as_bytes()).failed(2, "SILT_BAD_INPUT");
    assert!(line.contains("line 2") && line.contains("nothing was written"), "{line}");
    assert_eq!(silt.run(&["get", "x"]).code(), 1);
    // Nor are the elements of a list taken for the fields in their order.
    let list = b"[\"set\",\"x\",null,\"1\",null,null,null,null,null]\n";
    let line = silt.run_with(&["batch", "-"], list).failed(2, "SILT_BAD_INPUT");
    assert!(line.contains("line 1: a list"), "{line}");
}

#[test]
fn the_environment_names_the_store() {
    let silt = Silt::with(&[("k", "v")]);
    let output = std::process::Command::new(crate::silt::BINARY)
        .env("SILT_DB", silt.db())
        .args(["get", "k"])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"v");
}

#[test]
fn completions_and_help_are_there() {
    let silt = Silt::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(silt.ok(&["completions", shell]).contains("silt"), "{shell}");
    }
    let help = silt.ok(&["--help"]);
    for command in ["import", "compact", "retain", "Exit codes"] {
        assert!(help.contains(command), "{command}");
    }
    assert!(silt.ok(&["--version"]).starts_with("silt "));
    assert!(!silt.db().exists());
}
