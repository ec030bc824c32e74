//! Every command against everything that can go wrong at the door: one line, its stable code, the
//! right exit code, and no harm done.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use crate::silt::{BINARY, Ended, Silt, files_of};

/// Every command that works on a store, with arguments that do well on one that holds `k`.
/// `LINES` and `BATCH` are replaced by a file of two lines of JSON, `OUT` by one that is not there
/// yet.
const COMMANDS: [&[&str]; 18] = [
    &["set", "k", "v"],
    &["get", "k"],
    &["del", "k"],
    &["scan"],
    &["count"],
    &["history", "k"],
    &["diff", "--from", "now"],
    &["watch", "--since", "0"],
    &["import", "LINES"],
    &["export"],
    &["batch", "BATCH"],
    &["compact"],
    &["stats"],
    &["verify"],
    &["dump", "1"],
    &["retain"],
    &["snapshot", "OUT"],
    &["retain", "7d"],
];
/// The others.
const ELSEWHERE: [&str; 6] = ["restore", "salvage", "bench", "serve", "shell", "completions"];
/// Those of them that make a store where there is none.
const MAKERS: [&str; 4] = ["set", "import", "batch", "retain 7d"];

fn arguments(silt: &Silt, command: &[&str]) -> Vec<String> {
    let lines = |before: &str| {
        let line = |key| format!("{{{before}\"key\":\"{key}\",\"value\":\"1\"}}\n");
        silt.file("in.jsonl", line("a") + &line("b"))
    };
    let place = |argument: &&str| match *argument {
        "LINES" => lines(""),
        "BATCH" => lines("\"op\":\"set\","),
        "OUT" => silt.path("out.silt").to_str().unwrap().to_owned(),
        other => other.to_owned(),
    };
    command.iter().map(place).collect()
}

/// The names of all commands, as the tool itself lists them.
fn names() -> Vec<String> {
    let line = Silt::new().fails::<&str>(&[], 2, "SILT_USAGE");
    let list = line.split_once("[subcommands: ").unwrap().1.split_once(']').unwrap().0;
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_sweep_leaves_no_command_out() {
    let mut swept: Vec<&str> = COMMANDS.iter().map(|command| command[0]).collect();
    swept.extend(ELSEWHERE);
    swept.sort_unstable();
    swept.dedup();
    let mut names = names();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Silt::new().ok(&["completions", shell]);
        for name in &names {
            assert!(script.contains(name.as_str()), "{name} in {shell}");
        }
    }
    names.sort_unstable();
    assert_eq!(names, swept);
}

#[test]
fn every_command_does_well_on_a_sound_store() {
    for command in COMMANDS {
        let silt = Silt::with(&[("k", "v")]);
        silt.ok(&arguments(&silt, command));
    }
}

#[test]
fn unknown_flags_and_arguments_are_refused() {
    let silt = Silt::with(&[("k", "v")]);
    let before = files_of(&silt.db());
    for name in names() {
        for wrong in ["--nonsense", "-Z", "--limit=1e9", "--as-of="] {
            let line = silt.fails(&[name.as_str(), wrong], 2, "SILT_USAGE");
            assert!(line.contains("see 'silt "), "{line}");
        }
        let many: Vec<&str> = [name.as_str()].into_iter().chain(["x"; 9]).collect();
        if name != "del" {
            silt.fails(&many, 2, "SILT_USAGE");
        }
        let help = silt.ok(&[name.as_str(), "--help"]);
        assert!(help.contains("Usage: silt ") && help.contains("--json"), "{help}");
    }
    assert!(files_of(&silt.db()) == before);
}

/// Runs every command on a store that cannot be used, and checks that it stays as it is.
fn all_fail(silt: &Silt, exit: i32, code: &str, but: &[&str]) {
    let before = if silt.db().exists() { files_of(&silt.db()) } else { Vec::new() };
    let left_out = |command: &[&str]| but.iter().any(|but| command.join(" ").starts_with(but));
    for command in COMMANDS.iter().filter(|command| !left_out(command)) {
        let line = silt.fails(&arguments(silt, command), exit, code);
        assert!(line.contains(silt.db().to_str().unwrap()), "{command:?}: {line}");
        assert!(!silt.path("out.silt").exists(), "{command:?}");
    }
    let after = if silt.db().exists() { files_of(&silt.db()) } else { Vec::new() };
    assert!(after == before);
}

#[test]
fn where_no_store_is_only_writers_make_one() {
    let silt = Silt::new();
    all_fail(&silt, 3, "SILT_NO_STORE", &MAKERS);
    assert!(!silt.db().exists());
    fs::create_dir(silt.db()).unwrap();
    all_fail(&silt, 3, "SILT_NO_STORE", &MAKERS);
    fs::write(silt.db().join("letter.txt"), "dear").unwrap();
    all_fail(&silt, 3, "SILT_NO_STORE", &[]);
}

#[test]
fn a_damaged_manifest_or_a_newer_format_stops_every_command() {
    let silt = Silt::with(&[("k", "v")]);
    let (name, bytes) =
        files_of(&silt.db()).into_iter().find(|(name, _)| name.ends_with(".manifest")).unwrap();
    for (damage, code) in [(0, "SILT_CORRUPT"), (bytes.len() - 1, "SILT_CORRUPT")] {
        let mut damaged = bytes.clone();
        damaged[damage] ^= 1;
        fs::write(silt.db().join(&name), damaged).unwrap();
        // A segment can be looked at without a manifest.
        all_fail(&silt, 4, code, &["dump"]);
        silt.ok(&["dump", "1"]);
    }
    let mut newer = bytes.clone();
    newer[8] = 9;
    let end = newer.len() - 4;
    let sum = siltdb_core::format::checksum(0, &newer[..end]);
    newer[end..].copy_from_slice(&sum.to_le_bytes());
    fs::write(silt.db().join(&name), newer).unwrap();
    all_fail(&silt, 4, "SILT_UNSUPPORTED", &["dump"]);
    fs::write(silt.db().join(&name), bytes).unwrap();
    assert_eq!(silt.ok(&["get", "k"]), "v");
    // A segment may be the first to be of a newer format.
    let segment = silt.db().join("0000000000000001.segment");
    let bytes = fs::read(&segment).unwrap();
    let mut newer = bytes.clone();
    newer[8] = 9;
    let sum = siltdb_core::format::checksum(0, &newer[..84]);
    newer[84..88].copy_from_slice(&sum.to_le_bytes());
    fs::write(&segment, newer).unwrap();
    all_fail(&silt, 4, "SILT_UNSUPPORTED", &[]);
    fs::write(&segment, bytes).unwrap();
    assert_eq!(silt.ok(&["get", "k"]), "v");
}

#[test]
fn a_store_in_use_is_refused_to_every_command() {
    let silt = Silt::with(&[("k", "v")]);
    let mut holder = silt.holder();
    for command in COMMANDS {
        let line = silt.fails(&arguments(&silt, command), 5, "SILT_LOCKED");
        assert!(line.contains(&format!("process {} (silt)", holder.id())), "{line}");
    }
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    assert_eq!(silt.ok(&["scan"]), "k\tv\n");
}

#[test]
fn keys_out_of_the_limits_are_refused_everywhere() {
    let silt = Silt::with(&[("k", "v")]);
    let long = "k".repeat(65_536);
    for (key, code) in [("", "SILT_KEY_EMPTY"), (long.as_str(), "SILT_KEY_TOO_LONG")] {
        for command in [&["get"][..], &["history"], &["del"], &["del", "k"]] {
            silt.fails(&[command, &[key]].concat(), 2, code);
        }
        silt.fails(&["set", key, "v"], 2, code);
        for (name, line) in [
            ("batch", format!("{{\"op\":\"set\",\"key\":\"{key}\",\"value\":\"\"}}\n")),
            ("batch", format!("{{\"op\":\"delete\",\"key\":\"{key}\"}}\n")),
            ("import", format!("{{\"key\":\"{key}\",\"value\":\"\"}}\n")),
        ] {
            let op = if name == "batch" { "\"op\":\"set\"," } else { "" };
            let good = format!("{{{op}\"key\":\"good\",\"value\":\"\"}}\n");
            let file = silt.file("in.jsonl", format!("{good}{line}"));
            let line = silt.fails(&[name, file.as_str()], 2, code);
            assert!(line.contains("line 2: "), "{line}");
        }
    }
    // The longest key goes everywhere; a prefix or an end of a range may be longer, or empty.
    let longest = &long[1..];
    silt.ok(&["set", longest, "v"]);
    assert_eq!(silt.ok(&["get", longest]), "v");
    assert_eq!(silt.ok(&["history", longest]).lines().count(), 1);
    assert_eq!(silt.ok(&["count", "--prefix", longest]), "1\n");
    assert_eq!(silt.ok(&["count", "--prefix", &long]), "0\n");
    assert_eq!(silt.ok(&["count", "--prefix", "", "--from", ""]), "3\n");
    assert_eq!(silt.ok(&["count", "--to", ""]), "0\n");
    silt.ok(&["del", longest]);
    assert_eq!(silt.ok(&["get", "k"]), "v", "a failed delete of two deletes none");
}

#[test]
fn odd_moments_and_huge_limits_have_an_answer() {
    let silt = Silt::with(&[("k", "v")]);
    let most = u64::MAX.to_string();
    assert_eq!(silt.ok(&["scan", "--limit", &most]), "k\tv\n");
    assert_eq!(silt.ok(&["scan", "--limit", "0"]), "");
    silt.fails(&["scan", "--limit", "18446744073709551616"], 2, "SILT_USAGE");
    for future in ["9007199254740991", "2200-01-01T00:00:00Z", "2200-01-01T00:00:00+14:00"] {
        assert_eq!(silt.ok(&["get", "k", "--as-of", future]), "v");
        assert_eq!(silt.ok(&["count", "--as-of", future]), "1\n");
    }
    for past in ["0", "1", "1970-01-01T00:00:00Z", "1000000h ago"] {
        let ended = silt.run(&["get", "k", "--as-of", past]);
        assert_eq!((ended.code(), ended.stdout(), ended.stderr()), (1, "".into(), "".into()));
        assert_eq!(silt.ok(&["count", "--as-of", past]), "0\n");
    }
    for wrong in [
        "9007199254740992",
        "99999999999999999999999",
        "1969-12-31T23:59:59Z",
        "-9999-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01",
        "1y ago",
        "-5s ago",
        "99999999999999999999s ago",
        "0x10",
        "1e15",
        "NaN",
        " ",
        "\u{662f}",
    ] {
        for command in [&["get", "k"][..], &["scan"], &["count"], &["export"]] {
            let argument = format!("--as-of={wrong}");
            silt.fails(&[command, &[argument.as_str()]].concat(), 2, "SILT_USAGE");
        }
        silt.fails(&["diff", &format!("--from={wrong}")], 2, "SILT_USAGE");
    }
    for wrong in ["0s", "-1s", "1y", "10", "99999999999999999999s", "300000000h", "100000d", ""] {
        silt.fails(&["set", "k", "w", &format!("--ttl={wrong}")], 2, "SILT_USAGE");
    }
    silt.ok(&["set", "k", "w", "--ttl=80000d"]);
    assert_eq!(silt.ok(&["get", "k"]), "w");
}

#[test]
fn arguments_that_are_not_utf8_are_keys_or_refused() {
    let silt = Silt::new();
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let run = |parts: &[&OsStr]| silt.run(parts);
    let words = |words: &[&'static str]| -> Vec<&'static OsStr> {
        words.iter().map(|word| OsStr::new(*word)).collect()
    };
    assert_eq!(run(&[OsStr::new("set"), odd, odd]).code(), 0);
    assert_eq!(run(&[OsStr::new("get"), odd]).0.stdout, b"\xff\xfe");
    assert_eq!(silt.ok(&["scan"]), "\\xff\\xfe\t\\xff\\xfe\n");
    for prefix in [["scan", "--prefix"], ["count", "--from"]] {
        assert_eq!(run(&[words(&prefix), vec![odd]].concat()).code(), 0);
    }
    for before in [
        &[][..],
        &["scan", "--limit"],
        &["scan", "--as-of"],
        &["diff", "--from"],
        &["set", "k", "v", "--ttl"],
        &["set", "k", "v", "--durability"],
        &["retain"],
        &["dump"],
        &["completions"],
        &["bench", "--keys"],
        &["get", "--hex"],
    ] {
        run(&[words(before), vec![odd]].concat()).failed(2, "SILT_USAGE");
    }
    for before in [&["import", "--format", "tsv"][..], &["batch"], &["set", "k", "--file"]] {
        run(&[words(before), vec![odd]].concat()).failed(3, "SILT_NOT_FOUND");
    }
    // A directory of any name holds a store.
    let mut command = Command::new(BINARY);
    command.arg("--db").arg(silt.path("").join(odd)).args(["set", "k", "v"]);
    assert!(command.status().unwrap().success());
}

/// Runs `silt` with so much address space and no more.
fn within(silt: &Silt, kib: u32, arguments: &[&str], stdin: Stdio) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "sh", BINARY, "--db"]);
    command.arg(silt.db()).args(arguments).stdin(stdin);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn values_that_are_too_long_take_bounded_memory() {
    let silt = Silt::new();
    let zeros = || Stdio::from(fs::File::open("/dev/zero").unwrap());
    let ended = within(&silt, 1_500_000, &["set", "k", "-"], zeros()).output().unwrap();
    Ended(ended).failed(2, "SILT_VALUE_TOO_LONG");
    // A line with a value of 600 MB, from a sparse file: the space in it is zeros.
    let path = silt.path("huge.tsv");
    let file = fs::File::create(&path).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"first\tkept\nhuge\t", 0).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"\nlast\tnot read\n", 600_000_016).unwrap();
    let path = path.to_str().unwrap();
    let ended = within(&silt, 3_000_000, &["import", path], Stdio::null()).output().unwrap();
    let line = Ended(ended).failed(2, "SILT_VALUE_TOO_LONG");
    assert!(line.contains("line 2: ") && line.contains("600000000 bytes"), "{line}");
    assert_eq!(silt.ok(&["scan"]), "first\tkept\n");
    assert!(!silt.db().join("huge").exists());
}

#[test]
fn a_reader_of_stdout_that_goes_away_ends_every_command_quietly() {
    let silt = Silt::new();
    let lines: String = (0..20_000).map(|i| format!("key{i:06}\tvalue\n")).collect();
    silt.run_with(&["import", "-", "--format", "tsv"], lines.as_bytes());
    for arguments in [
        &["scan", "--reverse"][..],
        &["scan", "--json"],
        &["export", "--format", "csv"],
        &["diff", "--from", "1"],
        &["dump", "1"],
        &["dump", "1", "--json"],
    ] {
        let mut child = silt.command(arguments).spawn().unwrap();
        let mut stdout = BufReader::with_capacity(64, child.stdout.take().unwrap());
        assert!(stdout.read_line(&mut String::new()).unwrap() > 0);
        drop(stdout);
        let ended = Ended(child.wait_with_output().unwrap());
        assert_eq!((ended.code(), ended.stderr()), (0, String::new()), "{arguments:?}");
    }
    // Gone before the first byte, or never there.
    for command in COMMANDS {
        for how in ["| true", ">&-"] {
            let silt = Silt::with(&[("k", "v")]);
            let mut shell = Command::new("bash");
            let script = format!("set -o pipefail; \"$@\" {how}");
            shell.args(["-c", &script, "bash", BINARY, "--db"]).arg(silt.db());
            shell.args(arguments(&silt, command)).stdin(Stdio::null());
            let ended = Ended(shell.output().unwrap());
            let quiet = ended.stderr().is_empty() || ["import", "compact"].contains(&command[0]);
            assert!(quiet, "{command:?} {how}: {}", ended.stderr());
            assert!([0, 1].contains(&ended.code()), "{command:?} {how}: {}", ended.code());
        }
    }
}

#[test]
fn a_full_disk_behind_stdout_is_noticed_by_every_command_that_prints() {
    let silt = Silt::with(&[("k", "v"), ("k", "w")]);
    for arguments in [
        &["history", "k"][..],
        &["diff", "--from", "1"],
        &["dump", "1"],
        &["verify"],
        &["retain"],
        &["stats", "--segments"],
        &["compact", "--plan"],
        &["completions", "bash"],
        &["snapshot", "-"],
        &["bench", "--keys", "10", "--only", "load"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = Ended(silt.command(arguments).stdout(full).output().unwrap());
        ended.failed(3, "SILT_OUT_OF_SPACE");
    }
}

#[test]
fn a_full_disk_behind_stderr_harms_nothing() {
    let silt = Silt::new();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let file = silt.file("in.tsv", "k\tv\n");
    for (arguments, exit) in [
        (&["import", file.as_str()][..], 0),
        (&["snapshot", "-"], 0),
        (&["get", "absent"], 1),
        (&["get", "--nonsense"], 2),
        (&["dump", "77"], 3),
        (&["--nonsense"], 2),
        (&["bench", "--keys", "10", "--only", "load"], 0),
    ] {
        let ended = Ended(silt.command(arguments).stderr(full()).output().unwrap());
        assert_eq!(ended.code(), exit, "{arguments:?}");
    }
    silt.ok(&["set", "k", "v", "--ttl", "1h"]);
    let export = ["export", "--format", "tsv"];
    let ended = Ended(silt.command(&export).stderr(full()).output().unwrap());
    assert_eq!((ended.code(), ended.stdout()), (0, "k\tv\n".into()));
}

#[test]
fn what_is_not_a_snapshot_makes_no_store() {
    let silt = Silt::with(&[("k", "v")]);
    let snapshot = silt.path("whole.silt");
    silt.ok(&["snapshot", snapshot.to_str().unwrap()]);
    let whole = fs::read(&snapshot).unwrap();
    let target = silt.path("restored");
    let target = target.to_str().unwrap();
    let garbage = silt.file("garbage.silt", "no snapshot at all".repeat(100));
    let empty = silt.file("empty.silt", "");
    let cut = silt.file("cut.silt", &whole[..30]);
    for (file, at) in [(&garbage, 0), (&empty, 0), (&cut, 30)] {
        let line = silt.fails(&["restore", file, target], 4, "SILT_CORRUPT");
        assert!(line.contains(file) && line.contains(&format!("at byte {at} ")), "{line}");
        assert!(!silt.path("restored").exists());
    }
    // Damage further on leaves a place that can be used again.
    let cut = silt.file("cut.silt", &whole[..whole.len() - 1]);
    silt.fails(&["restore", &cut, target], 4, "SILT_CORRUPT");
    let mut newer = whole.clone();
    newer[8] = 9;
    let sum = siltdb_core::format::checksum(0, &newer[..44]);
    newer[44..48].copy_from_slice(&sum.to_le_bytes());
    let newer = silt.file("newer.silt", newer);
    silt.fails(&["restore", &newer, target], 4, "SILT_UNSUPPORTED");
    silt.ok(&["restore", snapshot.to_str().unwrap(), target]);
    let line = silt.fails(&["restore", snapshot.to_str().unwrap(), target], 3, "SILT_NOT_EMPTY");
    assert!(line.contains("not empty"), "{line}");
    silt.fails(&["restore", "no-such-file", target], 3, "SILT_NOT_FOUND");
    silt.fails(&["restore", target, target], 2, "SILT_USAGE");
    silt.fails(&["restore", snapshot.to_str().unwrap(), &garbage], 3, "SILT_DENIED");
    for place in ["/dev/null", "/dev/full", target] {
        silt.fails(&["snapshot", place, "--force"], 2, "SILT_USAGE");
    }
    let nowhere = silt.path("no/such/folder/x.silt");
    silt.fails(&["snapshot", nowhere.to_str().unwrap()], 3, "SILT_NOT_FOUND");
}

#[test]
fn a_closed_stdin_is_an_empty_one() {
    let silt = Silt::new();
    for (script, expected) in [
        ("import - --format tsv", ""),
        ("batch -", ""),
        ("set k -", "k\t\n"),
        ("import - --format jsonl", "k\t\n"),
    ] {
        let mut shell = Command::new("sh");
        let words: Vec<OsString> = script.split(' ').map(OsString::from).collect();
        shell.args(["-c", "\"$@\" <&-", "sh", BINARY, "--db"]).arg(silt.db()).args(words);
        let ended = Ended(shell.output().unwrap());
        assert_eq!(ended.code(), 0, "{script}: {}", ended.stderr());
        assert_eq!(silt.ok(&["scan"]), expected, "{script}");
    }
}
