//! Mistakes: one clear line each, the right exit code, and nothing lost.

use serde_json::json;

use crate::silt::Silt;

#[test]
fn wrong_command_lines_are_one_line() {
    let silt = Silt::new();
    for (arguments, part) in [
        (&["get", "k", "--foo"][..], "--foo"),
        (&["frobnicate"], "frobnicate"),
        (&["get"], "<KEY>"),
        (&["set", "k"], "VALUE"),
        (&["scan", "--limit", "many"], "many"),
        (&["scan", "--limit=-1"], "-1"),
        (&["get", "k", "--as-of", "yesterday"], "10m ago"),
        (&["get", "k", "--as-of", "2026-13-45T00:00:00Z"], "RFC 3339"),
        (&["scan", "--as-of", "1990"], "--as-of"),
        (&["set", "k", "v", "--ttl", "soon"], "10m"),
        (&["set", "k", "v", "--ttl", "0s"], "more than 0"),
        (&["set", "k", "v", "--durability", "maybe"], "synced"),
        (&["set", "k", "v", "--if-absent", "--if-seq", "3"], "--if-seq"),
        (&["set", "k", "v", "--file", "f"], "--file"),
        (&["get", "--hex", "zz"], "hexadecimal at character 1"),
        (&["get", "--base64", "a"], "base64"),
        (&["scan", "--hex", "--base64"], "--base64"),
        (&["scan", "--from", "b", "--to", "a"], "--reverse"),
        (&["del"], "KEY"),
        (&["diff", "--to", "5"], "--from"),
        (&["import", "data.xyz", "--format", "xml"], "jsonl"),
        (&["compact", "extra"], "extra"),
        (&["completions", "tcsh"], "bash"),
    ] {
        // `--as-of 1990` is a seq: of a store that is not there.
        if arguments.contains(&"1990") {
            silt.fails(arguments, 3, "SILT_NO_STORE");
            continue;
        }
        let line = silt.fails(arguments, 2, "SILT_USAGE");
        assert!(line.contains(part), "{arguments:?}: {line}");
    }
    assert!(!silt.db().exists());
}

#[test]
fn errors_are_json_with_json() {
    let silt = Silt::new();
    for (arguments, exit, code) in [
        (&["--json", "get", "k"][..], 3, "SILT_NO_STORE"),
        (&["get", "k", "--nonsense", "--json"], 2, "SILT_USAGE"),
        (&["set", "", "v", "--json"], 2, "SILT_KEY_EMPTY"),
    ] {
        let ended = silt.run(arguments);
        assert_eq!(ended.code(), exit);
        let error: serde_json::Value = serde_json::from_str(&ended.stderr()).unwrap();
        assert_eq!(error["error"], json!(code));
        assert_eq!(error["exit"], json!(exit));
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()));
        assert_eq!(ended.stderr().lines().count(), 1);
    }
}

#[test]
fn keys_have_a_length() {
    let silt = Silt::new();
    silt.fails(&["set", "", "v"], 2, "SILT_KEY_EMPTY");
    silt.fails(&["set", &"k".repeat(65_536), "v"], 2, "SILT_KEY_TOO_LONG");
    silt.fails(&["del", ""], 2, "SILT_KEY_EMPTY");
    assert!(!silt.db().exists());
    let longest = "k".repeat(65_535);
    silt.ok(&["set", &longest, "v"]);
    assert_eq!(silt.ok(&["get", &longest]), "v");
    silt.fails(&["get", ""], 2, "SILT_KEY_EMPTY");
    silt.fails(&["get", &"k".repeat(65_536)], 2, "SILT_KEY_TOO_LONG");
}

#[test]
fn a_value_of_600_megabytes_is_refused_before_it_is_read() {
    let silt = Silt::new();
    let path = silt.path("huge");
    std::fs::File::create(&path).unwrap().set_len(600_000_000).unwrap();
    let line =
        silt.fails(&["set", "k", "--file", path.to_str().unwrap()], 2, "SILT_VALUE_TOO_LONG");
    assert!(line.contains("600000000") && line.contains("536870912"), "{line}");
    assert!(!silt.db().exists());
}

#[test]
fn a_value_on_stdin_is_bounded_too() {
    let silt = Silt::new();
    let mut command = silt.command(&["set", "k", "-"]);
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    let ended = crate::silt::Ended(command.stdin(zeros).output().unwrap());
    ended.failed(2, "SILT_VALUE_TOO_LONG");
    assert!(!silt.db().exists());
}

#[test]
fn a_bad_line_stops_an_import_and_keeps_what_came_before() {
    for (form, good, bad, reason) in [
        (
            "jsonl",
            "{\"key\":\"KEY\",\"value\":\"v\"}\n",
            "{\"key\":\"a\",\"value\"\n",
            "EOF while parsing",
        ),
        (
            "jsonl",
            "{\"key\":\"KEY\",\"value\":\"v\"}\n",
            "{\"value\":\"b\"}\n",
            "\"key\" is missing",
        ),
        (
            "jsonl",
            "{\"key\":\"KEY\",\"value\":\"v\"}\n",
            "{\"key\":\"a\",\"value_base64\":\"%\"}\n",
            "not base64",
        ),
        (
            "jsonl",
            "{\"key\":\"KEY\",\"value\":\"v\"}\n",
            "{\"key\":\"\",\"value\":\"\"}\n",
            "empty",
        ),
        (
            "jsonl",
            "{\"key\":\"KEY\",\"value\":\"v\"}\n",
            "[\"a\",null,\"v\",null,null,null,null]\n",
            "a list",
        ),
        ("tsv", "KEY\tv\n", "no tab in this line\n", "no tab"),
        ("tsv", "KEY\tv\n", "a\t\\q\n", "escape"),
        ("tsv", "KEY\tv\n", "\tv\n", "empty"),
        ("csv", "KEY,v\n", "a,\"never closed\nb,c\n", "never closed"),
        ("csv", "KEY,v\n", "a,b\"c\n", "quote"),
        ("csv", "KEY,v\n", "a,b,c\n", "3 fields"),
        ("csv", "KEY,v\n", "a\n", "1 fields"),
    ] {
        let silt = Silt::new();
        // More than one batch of good lines, so that both a whole and a part batch are kept.
        let mut text: String =
            (0..1_500).map(|i| good.replace("KEY", &format!("k{i:04}"))).collect();
        text.push_str(bad);
        text.push_str(&good.replace("KEY", "after"));
        let file = silt.file(&format!("in.{form}"), &text);
        let line = silt.fails(
            &["import", &file],
            2,
            if reason == "empty" { "SILT_KEY_EMPTY" } else { "SILT_BAD_INPUT" },
        );
        assert!(line.contains("line 1501:"), "{line}");
        assert!(line.contains(reason), "{reason}: {line}");
        assert!(line.contains("1,500 records before it are stored"), "{line}");
        assert_eq!(silt.ok(&["count"]), "1500\n");
        assert_eq!(silt.run(&["get", "after"]).code(), 1);
    }
}

#[test]
fn an_import_that_cannot_begin_makes_no_store() {
    let silt = Silt::new();
    silt.fails(&["import", "no-such-file.tsv"], 3, "SILT_NOT_FOUND");
    silt.fails(&["import", "no-such-file"], 3, "SILT_NOT_FOUND");
    silt.fails(&["import", "/dev/null"], 2, "SILT_USAGE");
    let dir = silt.path("folder.tsv");
    std::fs::create_dir(&dir).unwrap();
    silt.fails(&["import", dir.to_str().unwrap()], 2, "SILT_USAGE");
    assert!(!silt.db().exists());
}
