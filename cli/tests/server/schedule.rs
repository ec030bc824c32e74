//! Snapshots on schedule, through the binary.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use crate::served::{Served, of, until};
use crate::silt::Silt;

#[test]
fn snapshots_come_on_schedule_and_restore() {
    let silt = Silt::new();
    let dir = silt.path("snapshots");
    let place = dir.display().to_string();
    let served = Served::of(
        silt,
        &["--snapshot-dir", &place, "--snapshot-every", "100ms", "--snapshot-keep", "2"],
    );
    let names = || {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".snapshot"))
            .collect();
        names.sort();
        names
    };
    let mut seen = BTreeSet::new();
    until("five snapshots", || {
        served.ok(&["set", "k", &seen.len().to_string()]);
        seen.extend(names());
        seen.len() >= 5
    });
    let line = served.ok(&["set", "k", "last", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let last = format!("silt-{:016}.snapshot", line["seq"].as_u64().unwrap());
    // The oldest goes once the newest is there.
    until("a snapshot of the last write", || names().len() == 2 && names()[1] == last);
    for path in [dir.clone(), dir.join(&names()[0])] {
        assert_eq!(path.metadata().unwrap().mode() & 0o077, 0, "{}", path.display());
    }
    let silt = served.stop();
    let newest = dir.join(last).display().to_string();
    let restored = silt.path("restored").display().to_string();
    silt.ok(&["restore", &newest, &restored]);
    assert_eq!(of(&restored, &["get", "k"]), "last");
}

#[test]
fn a_compaction_that_finds_nothing_to_do_is_told_to_who_debugs() {
    let served = Served::new(&["--compact-every", "20ms", "--log-level", "debug"]);
    served.logged("nothing is worth compacting");
    served.signal(rustix::process::Signal::TERM);
    let (_, log, _) = served.ended();
    let line = log.lines().find(|line| line.contains("nothing is worth compacting")).unwrap();
    assert!(line.contains("DEBUG") && !log.contains("compacted on schedule"), "{log}");
}
