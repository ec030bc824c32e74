//! `silt bench`, with tiny numbers: what it prints holds together, and it leaves nothing behind.

use serde_json::{Value, json};

use crate::silt::{Silt, files_of};

const TINY: [&str; 8] =
    ["bench", "--keys", "500", "--seconds", "0.02", "--value-bytes", "40", "--threads=1,3"];

/// The names of what lies beside the store.
fn names(silt: &Silt) -> Vec<String> {
    let entries = std::fs::read_dir(silt.path("")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn number(line: &Value, name: &str) -> u64 {
    line[name].as_u64().unwrap_or_else(|| panic!("{name} in {line}"))
}

fn check_row(row: &Value) {
    let times = ["p50_ns", "p95_ns", "p99_ns", "max_ns"].map(|name| number(row, name));
    assert!(times[0] > 1 && times.is_sorted(), "{row}");
    let (ops, records) = (number(row, "ops"), number(row, "records"));
    let elapsed = row["elapsed_seconds"].as_f64().unwrap();
    let rate = row["records_per_second"].as_f64().unwrap();
    assert!(ops > 0 && records >= ops && rate > 0.0, "{row}");
    // Time inside operations is no longer than the time of all of them, on each thread.
    assert!(rate * elapsed >= records as f64 * 0.99, "{row}");
    let per_op = records / ops;
    match row["what"].as_str().unwrap() {
        "load" => assert_eq!((records, row["durability"].as_str()), (500, Some("flushed"))),
        "scan" => assert_eq!(per_op, 500, "{row}"),
        "range" => assert!((2..=100).contains(&per_op), "{row}"),
        _ => assert_eq!(per_op, 1, "{row}"),
    }
}

#[test]
fn every_row_is_there_and_holds_together() {
    let silt = Silt::new();
    let lines = silt.json(&TINY);
    assert!(names(&silt).is_empty(), "the directory is gone");
    let (run, rest) = lines.split_first().unwrap();
    assert_eq!(run["what"], json!("run"));
    for (name, expected) in [
        ("keys", json!(500)),
        ("value_bytes", json!(40)),
        ("key_bytes", json!(24)),
        ("seed", json!(1)),
        ("threads", json!([1, 3])),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(run[name], expected);
    }
    assert!(number(&run["machine"], "cores") > 0);
    let dir = run["machine"]["dir"].as_str().unwrap();
    assert!(dir.contains(silt.path("").file_name().unwrap().to_str().unwrap()), "{dir}");

    let (memory, rows) = rest.split_last().unwrap();
    assert_eq!((&memory["what"], number(memory, "keys")), (&json!("memory"), 500));
    let per_key = memory["index_bytes_per_key"].as_f64().unwrap();
    assert!((16.0..200.0).contains(&per_key), "{per_key}");
    rows.iter().for_each(check_row);
    let found: Vec<String> = rows
        .iter()
        .map(|row| {
            let durability = row["durability"].as_str().unwrap_or("-");
            format!("{} {} {durability}", row["what"].as_str().unwrap(), row["threads"])
        })
        .collect();
    let expected = [
        "load 1 flushed",
        "put 1 synced",
        "put 3 synced",
        "put 1 flushed",
        "put 3 flushed",
        "put 1 buffered",
        "put 3 buffered",
        "get 1 -",
        "get 3 -",
        "miss 1 -",
        "miss 3 -",
        "scan 1 -",
        "range 1 -",
        "as-of 1 -",
        "reopen 1 -",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_existing_store_is_not_touched() {
    let silt = Silt::with(&[("k", "v")]);
    let before = files_of(&silt.db());
    let text = silt.ok(&[&TINY[..], &["--only", "get,reopen,memory"]].concat());
    assert!(files_of(&silt.db()) == before);
    assert_eq!(names(&silt), ["db"]);
    let row = |what: &str| text.lines().filter(|line| line.starts_with(what)).count();
    // A row a number of threads, and one line that says what the word means.
    assert_eq!(
        (row("get"), row("reopen"), row("memory"), row("put"), row("load")),
        (2, 2, 1, 0, 0)
    );
    for part in ["500 keys of 24 B", "values of 40 B", "machine: ", " cores", "p99", "files: "] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    // Elsewhere, if asked to.
    let other = silt.path("other");
    std::fs::create_dir(&other).unwrap();
    let dir = other.to_str().unwrap();
    let run = &silt.json(&[&TINY[..], &["--only", "load", "--dir", dir]].concat())[0];
    assert!(run["machine"]["dir"].as_str().unwrap().contains("/other/silt-bench-"));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
}

#[test]
fn odd_requests_are_one_line() {
    let silt = Silt::new();
    for (arguments, part) in [
        (&["--keys", "0"][..], "1..="),
        (&["--keys", "5000000000"], "1..="),
        (&["--value-bytes", "536870913"], "536870912"),
        (&["--threads", "1,0"], "1..="),
        (&["--threads", ""], "--threads"),
        (&["--seconds", "0"], "more than 0"),
        (&["--seconds", "nan"], "more than 0"),
        (&["--only", "sleep"], "as-of"),
    ] {
        let line = silt.fails(&[&["bench"][..], arguments].concat(), 2, "SILT_USAGE");
        assert!(line.contains(part), "{line}");
    }
    let line = silt.fails(&["bench", "--dir", "/no/such/place"], 3, "SILT_NOT_FOUND");
    assert!(line.contains("/no/such/place"), "{line}");
    assert!(names(&silt).is_empty());
}

#[test]
fn a_bench_that_fails_leaves_nothing() {
    let silt = Silt::new();
    // No file may grow beyond a megabyte, as on a full disk.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -f 2000; exec \"$@\"", "sh", crate::silt::BINARY]);
    command.arg("--db").arg(silt.db()).args(["bench", "--keys", "50000", "--only", "load"]);
    crate::silt::Ended(command.output().unwrap()).failed(3, "SILT_OUT_OF_SPACE");
    assert!(names(&silt).is_empty());
}

#[test]
#[cfg(unix)]
fn a_bench_that_is_interrupted_leaves_nothing() {
    use rustix::process::{Pid, Signal, kill_process};
    let silt = Silt::new();
    let mut command = silt.command(&["bench", "--only", "put", "--seconds", "0.1"]);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    while names(&silt).is_empty() {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = crate::silt::Ended(child.wait_with_output().unwrap());
    ended.failed(130, "SILT_INTERRUPTED");
    assert!(names(&silt).is_empty());
}
