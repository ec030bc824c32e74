//! import, export, stats.

use serde_json::json;

use crate::silt::Silt;

/// Records whose bytes are awkward in every form.
fn awkward() -> Silt {
    let silt = Silt::new();
    let lines = concat!(
        "{\"key\":\"tab\\tand\\nline\",\"value\":\"quote\\\" comma, back\\\\slash\"}\n",
        "{\"key_base64\":\"AP+A\",\"value_base64\":\"/wAN\"}\n",
        "{\"key\":\"\u{e9}\u{1F600}\",\"value\":\"\"}\n",
        "{\"key\":\"\u{feff}mark\",\"value\":\"\\r\"}\n",
        "{\"key\":\"plain\",\"value\":\"v\",\"seq\":12}"
    );
    assert_eq!(silt.run_with(&["import", "-"], lines.as_bytes()).code(), 0);
    assert_eq!(silt.ok(&["count"]), "5\n");
    silt
}

#[test]
fn what_is_exported_imports_to_the_same_store_in_every_form() {
    let silt = awkward();
    let original = silt.ok(&["scan", "--hex"]);
    for form in [
        &["--format", "jsonl"][..],
        &["--format", "tsv"],
        &["--format", "csv"],
        &["--format", "tsv", "--hex"],
        &["--format", "csv", "--base64"],
    ] {
        let export = silt.run(&[&["export"], form].concat());
        assert_eq!(export.code(), 0, "{}", export.stderr());
        let copy = Silt::new();
        let import = copy.run_with(&[&["import", "-"], form].concat(), &export.0.stdout);
        assert_eq!(import.code(), 0, "{form:?}: {}", import.stderr());
        assert_eq!(copy.ok(&["scan", "--hex"]), original, "{form:?}");
    }
}

#[test]
fn a_file_tells_its_form_and_is_not_replaced_by_accident() {
    let silt = Silt::with(&[("a", "1,2"), ("b", "3")]);
    for (name, text) in [("out.csv", "a,\"1,2\"\nb,3\n"), ("out.tsv", "a\t1,2\nb\t3\n")] {
        let path = silt.path(name);
        let path = path.to_str().unwrap();
        silt.ok(&["export", path]);
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
        silt.fails(&["export", path], 3, "SILT_ALREADY_EXISTS");
        silt.ok(&["export", path, "--force", "--prefix", "b"]);
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            text.lines().last().unwrap().to_owned() + "\n"
        );
    }
    let unknown = silt.path("out.xyz");
    silt.fails(&["export", unknown.to_str().unwrap()], 2, "SILT_USAGE");
    assert!(!unknown.exists());
}

#[test]
fn literal_tsv_keeps_backslashes() {
    let silt = Silt::new();
    let text = "c:\\dir\tvalue\\\twith tab\nk\t\\\n";
    assert_eq!(
        silt.run_with(&["import", "-", "--format", "tsv", "--literal"], text.as_bytes()).code(),
        0
    );
    assert_eq!(silt.ok(&["get", "c:\\dir"]), "value\\\twith tab");
    assert_eq!(silt.ok(&["export", "--format", "tsv", "--literal"]), text);
    silt.ok(&["set", "lines", "a\nb"]);
    let refused = silt.run(&["export", "--format", "tsv", "--literal"]);
    assert!(refused.failed(2, "SILT_BAD_INPUT").contains("lines"));
}

#[test]
fn an_import_reports_what_it_stored() {
    let silt = Silt::new();
    let lines: String = (0..2_500).map(|i| format!("k{i:04},v{i}\n")).collect();
    let file = silt.file("in.csv", format!("key,value\n{lines}"));
    let ended = silt.run(&["import", &file, "--header", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout()).unwrap();
    assert_eq!(report["records"], json!(2_500));
    assert_eq!(report["durability"], json!("synced"));
    assert_eq!(ended.stderr().lines().count(), 1);
    assert!(ended.stderr().starts_with("imported 2,500 records"), "{}", ended.stderr());
    let again = silt.run(&["import", &file, "--header", "--skip-identical", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&again.stdout()).unwrap();
    assert_eq!(report["identical"], json!(2_500));
    assert!(again.stderr().contains("2,500 identical skipped"), "{}", again.stderr());
    assert_eq!(silt.ok(&["count"]), "2500\n");
    assert_eq!(silt.ok(&["get", "k1234"]), "v1234");
}

#[test]
fn expiry_travels_in_json_lines() {
    let silt = Silt::new();
    let lines = "{\"key\":\"a\",\"value\":\"1\",\"ttl\":\"1h\"}\n{\"key\":\"b\",\"value\":\"2\"}\n";
    silt.run_with(&["import", "-"], lines.as_bytes());
    let expires = silt.json(&["get", "a"])[0]["expires"].clone();
    assert!(expires.as_u64().is_some());
    let export = silt.ok(&["export"]);
    let copy = Silt::new();
    assert_eq!(copy.run_with(&["import", "-"], export.as_bytes()).code(), 0);
    assert_eq!(copy.json(&["get", "a"])[0]["expires"], expires);
    assert!(copy.json(&["get", "b"])[0].get("expires").is_none());
    // A form that cannot hold it says so.
    let tsv = silt.run(&["export", "--format", "tsv"]);
    assert_eq!(tsv.code(), 0);
    assert!(tsv.stderr().contains("1 record with an expiry"), "{}", tsv.stderr());
}

#[test]
fn stats_tell_what_is_there() {
    let silt = awkward();
    let text = silt.ok(&["stats"]);
    for row in ["keys             5", "retention        latest", "files", "readable since"] {
        assert!(text.contains(row), "{row} in\n{text}");
    }
    let stats = &silt.json(&["stats"])[0];
    assert_eq!(stats["keys"], json!(5));
    let segments = silt.json(&["stats", "--segments"]);
    assert_eq!(segments.len() as u64, stats["segments"].as_u64().unwrap());
    assert_eq!(silt.ok(&["stats", "--segments"]).lines().count(), segments.len() + 1);
}

#[test]
fn stats_tell_how_far_back_the_past_reaches() {
    let silt = Silt::new();
    let readable = |silt: &Silt| {
        let text = silt.ok(&["stats"]);
        let line = text.lines().find(|line| line.starts_with("readable since")).unwrap();
        line.split_once("since").unwrap().1.trim().to_owned()
    };
    silt.run_with(&["import", "-"], b"");
    assert_eq!(readable(&silt), "the beginning");
    silt.ok(&["set", "k", "v"]);
    let first = silt.json(&["get", "k"])[0]["seq"].as_u64().unwrap();
    silt.ok(&["set", "k", "w"]);
    let since = readable(&silt);
    assert!(since.starts_with("the beginning: 2"), "{since}");
    assert!(since.ends_with(&format!("Z (seq {first})")), "{since}");
    silt.ok(&["compact"]);
    let horizon = silt.json(&["stats"])[0]["horizon"].as_u64().unwrap();
    assert!(horizon > first);
    assert!(readable(&silt).ends_with(&format!("Z (seq {horizon})")));
}

#[test]
fn a_file_that_cannot_be_written_is_named_as_it_was_given() {
    let silt = Silt::with(&[("k", "v")]);
    for command in ["snapshot", "export"] {
        let file = silt.path("no/such/copy.jsonl").display().to_string();
        let line = silt.fails(&[command, &file], 3, "SILT_NOT_FOUND");
        assert!(line.starts_with(&format!("silt: {file}: ")), "{line}");
    }
}

#[test]
fn what_another_writes_beside_the_file_is_left_alone() {
    let silt = Silt::with(&[("k", "v")]);
    let other = silt.file("copy.silt.tmp", "half of another snapshot");
    silt.ok(&["snapshot", silt.path("copy.silt").to_str().unwrap()]);
    assert_eq!(std::fs::read(other).unwrap(), b"half of another snapshot");
    let names = std::fs::read_dir(silt.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_str().unwrap().ends_with(".tmp")).count(), 1);
}

#[test]
fn a_snapshot_restores_elsewhere() {
    let silt = awkward();
    let file = silt.path("copy.silt");
    let file = file.to_str().unwrap();
    let report = &silt.json(&["snapshot", file])[0];
    assert_eq!(report["bytes"].as_u64().unwrap(), std::fs::metadata(file).unwrap().len());
    assert_eq!(report["crc"].as_str().unwrap().len(), 8);
    silt.fails(&["snapshot", file], 3, "SILT_ALREADY_EXISTS");
    silt.ok(&["snapshot", file, "--force"]);

    let copy = Silt::new();
    let dir = copy.db();
    let dir = dir.to_str().unwrap();
    let restored = &copy.json(&["restore", file, dir])[0];
    assert_eq!(restored["seq"], report["seq"]);
    assert_eq!(copy.ok(&["scan", "--hex"]), silt.ok(&["scan", "--hex"]));
    copy.fails(&["restore", file, dir], 3, "SILT_NOT_EMPTY");

    // Through a pipe.
    let piped = silt.run(&["snapshot", "-"]);
    assert_eq!(piped.code(), 0, "{}", piped.stderr());
    let other = copy.path("other");
    let ended = copy.run_with(&["restore", "-", other.to_str().unwrap()], &piped.0.stdout);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let silt = awkward();
    let file = silt.path("copy.silt");
    silt.ok(&["snapshot", file.to_str().unwrap()]);
    let whole = std::fs::read(&file).unwrap();
    for position in (0..whole.len()).step_by(whole.len() / 40 + 1) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        let copy = Silt::new();
        let ended = copy.run_with(&["restore", "-", copy.db().to_str().unwrap()], &bytes);
        assert_eq!(ended.code(), 4, "byte {position}: {}", ended.stderr());
        assert_eq!(ended.stderr().lines().count(), 1);
        assert_ne!(copy.run(&["count"]).code(), 0, "byte {position}");
    }
    let copy = Silt::new();
    let cut = &whole[..whole.len() / 2];
    let ended = copy.run_with(&["restore", "-", copy.db().to_str().unwrap()], cut);
    assert_eq!(ended.code(), 4, "{}", ended.stderr());
}

#[test]
fn verify_finds_a_flipped_bit() {
    let silt = awkward();
    assert!(silt.ok(&["verify"]).ends_with("all is well\n"));
    let report = &silt.json(&["verify"])[0];
    assert_eq!(report["problems"], json!(0));
    assert!(report["records"].as_u64().unwrap() >= 5);
    let segment = silt.json(&["stats", "--segments"])[0]["segment"].as_u64().unwrap();
    let path = silt.db().join(format!("{segment:016}.segment"));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|w| w == b"plain").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let ended = silt.run(&["verify"]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr());
    assert!(ended.stdout().contains(path.to_str().unwrap()), "{}", ended.stdout());
}
