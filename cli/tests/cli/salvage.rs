//! `silt salvage`: a new store of what a damaged one still holds.

use crate::silt::{BINARY, Ended, Silt, files_of};

/// A store of 2,000 records, most of them in a sealed segment.
fn store() -> Silt {
    let silt = Silt::new();
    let lines: String = (0..2_000).map(|i| format!("key-{i:05}\tvalue {i}\n")).collect();
    let file = silt.file("in.tsv", lines);
    silt.ok(&["retain", "forever"]);
    silt.ok(&["import", &file]);
    silt.ok(&["set", "key-00007", "changed"]);
    silt
}

fn segment(silt: &Silt) -> std::path::PathBuf {
    let files = files_of(&silt.db());
    let segments = files.iter().filter(|(name, _)| name.ends_with(".segment"));
    silt.db().join(&segments.max_by_key(|(_, bytes)| bytes.len()).unwrap().0)
}

fn salvage(silt: &Silt) -> Ended {
    let target = silt.path("saved");
    let _ = std::fs::remove_dir_all(&target);
    let (source, target) = (silt.db().display().to_string(), target.display().to_string());
    silt.run(&["salvage", &source, &target])
}

fn of_saved(silt: &Silt, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(BINARY);
    let ended =
        Ended(command.arg("--db").arg(silt.path("saved")).args(arguments).output().unwrap());
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    ended.stdout()
}

#[test]
fn a_sound_store_is_saved_whole_with_its_history() {
    let silt = store();
    let before = files_of(&silt.db());
    let ended = salvage(&silt);
    assert_eq!((ended.code(), ended.stderr().as_str()), (0, ""));
    assert!(ended.stdout().starts_with("saved 2,001 records of "), "{}", ended.stdout());
    assert!(ended.stdout().ends_with("nothing is lost\n"));
    assert_eq!(files_of(&silt.db()), before);
    for command in [&["export"][..], &["history", "key-00007"], &["retain"]] {
        assert_eq!(of_saved(&silt, command), silt.ok(command));
    }
    assert!(of_saved(&silt, &["verify"]).contains("all is well"));
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_saved() {
    let silt = store();
    let path = segment(&silt);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20_000..20_100].fill(0xaa);
    std::fs::write(&path, bytes).unwrap();
    silt.fails(&["export"], 4, "SILT_CORRUPT");
    let ended = salvage(&silt);
    assert_eq!(ended.code(), 1);
    let name = path.display().to_string();
    assert!(ended.stdout().starts_with(&name), "{}", ended.stdout());
    let count: u32 = of_saved(&silt, &["count"]).trim().parse().unwrap();
    assert!((1_990..2_000).contains(&count), "{count}");
    assert!(of_saved(&silt, &["verify"]).contains("all is well"));
    assert_eq!(of_saved(&silt, &["get", "key-01999"]), "value 1999");
}

#[test]
fn a_store_without_a_manifest_is_saved() {
    let silt = store();
    for (name, _) in files_of(&silt.db()).iter().filter(|(name, _)| name.contains("manifest")) {
        std::fs::remove_file(silt.db().join(name)).unwrap();
    }
    silt.fails(&["count"], 4, "SILT_CORRUPT");
    let ended = salvage(&silt);
    assert_eq!(ended.code(), 1);
    assert!(ended.stdout().contains("deleted keys may be back"), "{}", ended.stdout());
    assert_eq!(of_saved(&silt, &["count"]), "2000\n");
    assert_eq!(of_saved(&silt, &["get", "key-00007"]), "changed");
}

#[test]
fn places_that_do_not_fit_are_refused() {
    let silt = store();
    let db = silt.db().display().to_string();
    let other = silt.path("other").display().to_string();
    silt.fails(&["salvage", &db, &db], 3, "SILT_NOT_EMPTY");
    silt.fails(&["salvage", &other, &silt.path("new").display().to_string()], 3, "SILT_NO_STORE");
    let file = silt.file("plain", "text");
    silt.fails(&["salvage", &db, &file], 3, "SILT_NOT_EMPTY");
    assert!(!silt.path("new").exists());
    // What cannot be made is named, not the damaged store.
    let inside = format!("{file}/new");
    let line = silt.fails(&["salvage", &db, &inside], 3, "SILT_DENIED");
    assert!(line.starts_with(&format!("silt: {inside}: ")), "{line}");
}
