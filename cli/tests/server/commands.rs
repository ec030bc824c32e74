//! Data commands with `--server` do what they do on a directory.

use crate::served::{Served, ended, of};
use crate::silt::Silt;

const PROTOCOLS: [&str; 2] = ["grpc", "http"];

const COMMANDS: &[&[&str]] = &[
    &["set", "a", "1"],
    &["set", "b", "2"],
    &["set", "b", "3"],
    &["set", "c/1", "x"],
    &["set", "c/2", "tab\tline\n"],
    &["set", "--if-absent", "d", "4"],
    &["set", "--if-absent", "d", "5"],
    &["set", "--if-seq", "7", "d", "5"],
    &["set", "--ttl", "1h", "e", "5"],
    &["set", "--hex", "ff00", "00ff"],
    &["set", "", "1"],
    &["get", "a"],
    &["get", "absent"],
    &["get", "--base64", "/wA="],
    &["scan"],
    &["scan", "--reverse", "--limit", "2"],
    &["scan", "--limit", "0"],
    &["scan", "--prefix", "c/", "--keys-only"],
    &["scan", "--from", "b", "--to", "d"],
    &["count"],
    &["count", "--prefix", "c/"],
    &["count", "--limit", "3"],
    &["del", "c/1", "absent"],
    &["del", "--prefix", "c/"],
    &["del", "--prefix", "c/", "--yes"],
    &["count"],
    &["history", "absent"],
    &["diff", "--from", "1", "--to", "2"],
    &["get", "a", "--as-of", "1"],
    &["export"],
    &["export", "--format", "tsv"],
    &["retain"],
    &["retain", "forever"],
    &["retain"],
    &["compact"],
    &["compact", "--plan"],
    &["export"],
];

/// Digits that differ from run to run are seqs and moments.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        masked.push_str(if digits.len() > 9 { "SEQ" } else { &digits });
        digits.clear();
        if c != '\0' {
            masked.push(c);
        }
    }
    masked
}

#[test]
fn a_server_answers_as_a_directory_does() {
    for protocol in PROTOCOLS {
        answers_as_a_directory(&Served::new(&[]).by(protocol));
    }
}

fn answers_as_a_directory(served: &Served) {
    // What is wrong is said of the server, and of no directory.
    let line = served.run(&["set", "", "v"]).failed(2, "SILT_KEY_EMPTY");
    assert!(line.contains(&served.address("grpc").ip().to_string()), "{line}");
    let local = Silt::new();
    for command in COMMANDS {
        let (a, b) = (local.run(command), served.run(command));
        assert_eq!(a.code(), b.code(), "{command:?}: {} {}", a.stderr(), b.stderr());
        // What compaction finds depends on when segments were sealed.
        if command[0] != "compact" {
            assert_eq!(masked(&a.stdout()), masked(&b.stdout()), "{command:?}");
        }
        let code = |text: String| text.rsplit_once('[').map(|(_, code)| code.to_owned());
        assert_eq!(code(a.stderr()), code(b.stderr()), "{command:?}");
    }
}

#[test]
fn what_does_nothing_on_a_server_is_refused() {
    let silt = Silt::new();
    for command in ["serve", "bench", "verify"] {
        // Whether a server is there is not asked.
        let ended = ended(silt.command(&[command, "--server", "http://127.0.0.1:1"]));
        assert!(ended.failed(2, "SILT_USAGE").contains("leave --server"), "{command}");
    }
}

#[test]
fn files_come_and_go_through_a_server() {
    for protocol in PROTOCOLS {
        files_come_and_go(Served::new(&[]).by(protocol));
    }
}

fn files_come_and_go(served: Served) {
    let lines: String = (0..2_500).map(|i| format!("key-{i:05}\tvalue {i}\n")).collect();
    let table = served.silt.file("in.tsv", &lines);
    served.ok(&["import", &table]);
    assert_eq!(served.ok(&["export", "--format", "tsv"]), lines);
    assert_eq!(served.ok(&["count"]), "2500\n");

    let batch = served.silt.file(
        "batch",
        "{\"op\":\"set\",\"key\":\"x\",\"value\":\"1\"}\n\
         {\"op\":\"set\",\"key\":\"key-00001\",\"value\":\"1\",\"if_absent\":true}\n",
    );
    let check = served.silt.file(
        "check",
        "{\"op\":\"check\",\"key\":\"absent\",\"if_absent\":true}\n\
         {\"op\":\"set\",\"key\":\"x\",\"value\":\"1\"}\n\
         {\"op\":\"check\",\"key\":\"key-00001\",\"if_absent\":true}\n",
    );
    let failed = served.run(&["batch", &check]).failed(6, "SILT_CONDITION_FAILED");
    assert!(failed.contains("line 3"), "{failed}");
    let failed = served.run(&["batch", &batch]).failed(6, "SILT_CONDITION_FAILED");
    assert!(failed.contains("line 2"), "{failed}");
    assert_eq!(served.run(&["get", "x"]).code(), 1);

    let snapshot = served.silt.path("copy").display().to_string();
    served.ok(&["snapshot", &snapshot]);
    let restored = served.silt.path("restored").display().to_string();
    served.silt.ok(&["restore", &snapshot, &restored]);
    assert_eq!(of(&restored, &["export", "--format", "tsv"]), lines);

    let before = served.ok(&["set", "--json", "key-00001", "new"]);
    let seq: serde_json::Value = serde_json::from_str(&before).unwrap();
    assert_eq!(seq["durability"], "synced");
    let stats: serde_json::Value = serde_json::from_str(&served.ok(&["stats", "--json"])).unwrap();
    assert_eq!(stats["last_seq"], seq["seq"]);
    assert!(served.ok(&["stats"]).contains("keys             2,500"));
    assert!(served.ok(&["stats", "--segments"]).contains("active"));
    assert!(served.ok(&["history", "key-00001"]).contains("\tset\tnew\n"));
    served.run(&["verify"]).failed(2, "SILT_USAGE");
    let silt = served.stop();
    assert_eq!(silt.ok(&["get", "key-00001"]), "new");
}

#[test]
fn a_shell_works_on_a_server() {
    let served = Served::new(&[]);
    let url = served.url("grpc");
    let script =
        |silt: &Silt, lines: &str| silt.run_with(&["shell", "--server", &url], lines.as_bytes());
    let ended =
        script(&served.silt, "set a 1\nset b 2\nscan\nat 1h ago\ncount\nget a\nat now\nget a\n");
    assert_eq!(ended.stdout(), "a\t1\nb\t2\n0\n1\n", "{}", ended.stderr());
    assert_eq!(ended.code(), 0);
    script(&served.silt, "at 1h ago\nset a 2\n").failed(2, "SILT_USAGE");
    let silt = served.stop();
    script(&silt, "get a\n").failed(3, "SILT_UNREACHABLE");
}

#[test]
fn watch_tells_the_past_and_what_is_new() {
    for protocol in PROTOCOLS {
        watch_tells(&Served::new(&[]).by(protocol), protocol);
    }
}

fn watch_tells(served: &Served, protocol: &str) {
    let first = served.ok(&["set", "--json", "a/1", "old"]);
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    let since = (first["seq"].as_u64().unwrap() - 1).to_string();
    let url = served.url(protocol);
    let arguments =
        ["watch", "--prefix", "a/", "--since", &since, "--limit", "3", "--server", &url];
    let watching = served.silt.command(&arguments).spawn().unwrap();
    served.ok(&["set", "b", "not told"]);
    served.ok(&["set", "a/2", "new"]);
    served.ok(&["del", "a/1"]);
    let told = String::from_utf8(watching.wait_with_output().unwrap().stdout).unwrap();
    let told: Vec<Vec<&str>> =
        told.lines().map(|line| line.split('\t').skip(2).collect()).collect();
    assert_eq!(told, [vec!["set", "a/1", "old"], vec!["set", "a/2", "new"], vec!["del", "a/1"]]);
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let silt = Silt::new();
    for url in ["grpc://127.0.0.1:1", "http://127.0.0.1:1"] {
        let line = silt.fails(&["get", "a", "--server", url], 3, "SILT_UNREACHABLE");
        assert!(line.contains("does not answer"), "{line}");
    }
    for url in ["ftp://127.0.0.1:1", "http://", "http://127.0.0.1:99999", "grpc://[::1]:1/path"] {
        silt.fails(&["get", "a", "--server", url], 2, "SILT_USAGE");
    }
}
