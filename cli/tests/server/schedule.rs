//! Snapshots on schedule, through the binary.

use std::time::{Duration, Instant};

use crate::served::{Served, of};
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
    let mut seen = std::collections::BTreeSet::new();
    let begun = Instant::now();
    while seen.len() < 5 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{seen:?}");
        served.ok(&["set", "k", &seen.len().to_string()]);
        seen.extend(names());
    }
    served.ok(&["set", "k", "last"]);
    let before = names();
    while names() == before {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let silt = served.stop();
    assert_eq!(names().len(), 2);
    let newest = dir.join(names().pop().unwrap()).display().to_string();
    let restored = silt.path("restored").display().to_string();
    silt.ok(&["restore", &newest, &restored]);
    assert_eq!(of(&restored, &["get", "k"]), "last");
}
