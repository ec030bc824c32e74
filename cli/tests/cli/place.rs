//! Places that are not a store, cannot be written, are full, or are in use.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::silt::{BINARY, Ended, Silt, files_of};

#[test]
fn a_missing_store_says_how_to_make_one() {
    let silt = Silt::new();
    for arguments in [
        &["get", "k"][..],
        &["scan"],
        &["count"],
        &["history", "k"],
        &["diff", "--from", "1"],
        &["export"],
        &["compact"],
        &["stats"],
        &["retain"],
        &["del", "k"],
    ] {
        let line = silt.fails(arguments, 3, "SILT_NO_STORE");
        assert!(line.contains(silt.db().to_str().unwrap()), "{line}");
        assert!(line.contains("silt --db") && line.contains("set KEY VALUE"), "{line}");
    }
    assert!(!silt.db().exists());
}

#[test]
fn a_directory_of_other_files_is_left_alone() {
    let silt = Silt::new();
    std::fs::create_dir(silt.db()).unwrap();
    std::fs::write(silt.db().join("letter.txt"), "dear").unwrap();
    for arguments in [&["get", "k"][..], &["set", "k", "v"], &["retain", "7d"]] {
        let line = silt.fails(arguments, 3, "SILT_NO_STORE");
        assert!(line.contains("other files"), "{line}");
    }
    let file = silt.file("in.tsv", "a\tb\n");
    silt.fails(&["import", &file], 3, "SILT_NO_STORE");
    assert_eq!(files_of(&silt.db()), [(String::from("letter.txt"), b"dear".to_vec())]);
}

#[test]
fn a_file_is_not_a_store() {
    let silt = Silt::new();
    std::fs::write(silt.db(), "just a file").unwrap();
    for arguments in [&["get", "k"][..], &["set", "k", "v"]] {
        let ended = silt.run(arguments);
        assert_eq!(ended.code(), 3, "{}", ended.stderr());
        assert_eq!(ended.stderr().lines().count(), 1);
    }
    assert_eq!(std::fs::read(silt.db()).unwrap(), b"just a file");
}

#[test]
fn a_store_in_use_names_its_holder() {
    let silt = Silt::with(&[("k", "v")]);
    let mut holder = silt.holder();
    let mut pipe = holder.stdin.take().unwrap();
    let line = silt.fails(&["get", "k"], 5, "SILT_LOCKED");
    assert!(line.contains(silt.db().to_str().unwrap()), "{line}");
    assert!(line.contains(&format!("process {}", holder.id())), "{line}");
    for arguments in [&["set", "k", "w"][..], &["stats"], &["compact"]] {
        silt.fails(arguments, 5, "SILT_LOCKED");
    }
    pipe.write_all(b"{\"key\":\"k2\",\"value\":\"v2\"}\n").unwrap();
    drop(pipe);
    assert_eq!(Ended(holder.wait_with_output().unwrap()).code(), 0);
    assert_eq!(silt.ok(&["scan"]), "k\tv\nk2\tv2\n");
}

#[test]
fn a_pipe_that_closes_early_ends_quietly() {
    let silt = Silt::new();
    let lines: String = (0..50_000).map(|i| format!("key{i:06}\tvalue\n")).collect();
    silt.run_with(&["import", "-", "--format", "tsv"], lines.as_bytes());
    for arguments in [&["scan"][..], &["export"], &["scan", "--json"]] {
        let mut child = silt.command(arguments).spawn().unwrap();
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first).unwrap();
        assert!(first.contains("key000000"));
        drop(stdout);
        let ended = Ended(child.wait_with_output().unwrap());
        assert_eq!((ended.code(), ended.stderr()), (0, String::new()));
    }
}

#[test]
fn a_full_disk_behind_stdout_is_noticed() {
    let silt = Silt::with(&[("k", "v")]);
    let tsv = ["export", "--format", "tsv"];
    for arguments in [&["get", "k"][..], &["scan"], &["count"], &tsv, &["stats"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = Ended(silt.command(arguments).stdout(full).output().unwrap());
        let line = ended.failed(3, "SILT_OUT_OF_SPACE");
        assert!(line.contains("stdout"), "{line}");
    }
}

/// Runs `silt` where no file may grow beyond `kib`, as on a full disk.
fn limited(silt: &Silt, kib: u32, arguments: &[&str]) -> Ended {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -f {}; exec \"$@\"", kib * 2), "sh"]);
    command.arg(BINARY).arg("--db").arg(silt.db()).args(arguments).stdin(Stdio::null());
    Ended(command.output().unwrap())
}

#[test]
fn a_store_that_cannot_grow_loses_nothing() {
    let silt = Silt::with(&[("first", "safe")]);
    let lines: String = (0..20_000).map(|i| format!("key{i:06}\t{}\n", "v".repeat(100))).collect();
    let file = silt.file("in.tsv", &lines);
    let ended = limited(&silt, 512, &["import", &file]);
    assert_eq!(ended.code(), 3, "{}", ended.stderr());
    assert_eq!(ended.stderr().lines().count(), 1, "{}", ended.stderr());
    assert_eq!(silt.ok(&["get", "first"]), "safe");
    // What is there is a beginning of the input, whole.
    let scanned = silt.ok(&["scan", "--prefix", "key"]);
    assert!(lines.starts_with(&scanned));
    silt.ok(&["import", &file]);
    assert_eq!(silt.ok(&["count"]), "20001\n");
}

#[test]
fn a_full_file_system_is_one_line() {
    let silt = Silt::new();
    std::fs::create_dir(silt.db()).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs"])
        .arg(silt.db())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        // Only the administrator may mount; the test above covers the rest.
        return;
    }
    struct Unmount(std::path::PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            Command::new("umount").arg(&self.0).status().unwrap();
        }
    }
    let _unmount = Unmount(silt.db());
    silt.ok(&["set", "first", "safe"]);
    let lines: String = (0..20_000).map(|i| format!("key{i:06}\t{}\n", "v".repeat(100))).collect();
    let file = silt.file("in.tsv", &lines);
    silt.fails(&["import", &file], 3, "SILT_OUT_OF_SPACE");
    // Reopening rewrites the doubtful end of the log, so some space has to be freed first.
    let more = Command::new("mount").args(["-o", "remount,size=16m"]).arg(silt.db()).status();
    assert!(more.unwrap().success());
    assert_eq!(silt.ok(&["get", "first"]), "safe");
    assert!(lines.starts_with(&silt.ok(&["scan", "--prefix", "key"])));
}

/// Runs a copy of `silt` that all may run, as a user without special rights.
fn as_nobody(silt: &Silt, arguments: &[&str]) -> Ended {
    use std::os::unix::fs::PermissionsExt;
    let binary = silt.path("silt");
    if !binary.exists() {
        // Copied by a process of its own: a child that another test starts meanwhile would hold
        // a file this process writes open for a moment, and one open for writing does not run.
        let copied = Command::new("cp").arg(BINARY).arg(&binary).status().unwrap();
        assert!(copied.success());
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&binary, all.clone()).unwrap();
        std::fs::set_permissions(silt.path(""), all).unwrap();
    }
    let mut command = Command::new(binary);
    command.arg("--db").arg(silt.db()).args(arguments).stdin(Stdio::null());
    if is_root() {
        command.uid(65_534).gid(65_534);
    }
    Ended(command.output().unwrap())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

#[test]
fn a_read_only_directory_is_one_line() {
    use std::os::unix::fs::PermissionsExt;
    let silt = Silt::with(&[("k", "v")]);
    let before = files_of(&silt.db());
    for entry in std::fs::read_dir(silt.db()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o444)).unwrap();
    }
    std::fs::set_permissions(silt.db(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let set = as_nobody(&silt, &["set", "k", "w"]);
    let line = set.failed(3, "SILT_DENIED");
    assert!(line.contains(silt.db().to_str().unwrap()), "{line}");
    // What only looks needs no right to write.
    for arguments in [&["verify"][..], &["dump", "1"]] {
        let ended = as_nobody(&silt, arguments);
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
    }
    std::fs::set_permissions(silt.db(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(files_of(&silt.db()), before);
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_not_touched() {
    let silt = Silt::with(&[("k", "v")]);
    let manifest = files_of(&silt.db()).into_iter().find(|f| f.0.ends_with(".manifest")).unwrap();
    let mut bytes = manifest.1;
    bytes[8..10].copy_from_slice(&999_u16.to_le_bytes());
    let end = bytes.len() - 4;
    let sum = siltdb_core::format::checksum(0, &bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(silt.db().join(manifest.0), bytes).unwrap();
    let before = files_of(&silt.db());
    for arguments in [&["get", "k"][..], &["set", "k", "w"], &["verify"], &["compact"]] {
        let line = silt.fails(arguments, 4, "SILT_UNSUPPORTED");
        assert!(line.contains("999") && line.contains("update SiltDB"), "{line}");
    }
    assert!(files_of(&silt.db()) == before);
}
