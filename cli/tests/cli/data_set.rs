//! A real data set: the Unicode character table of `tests/data`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::silt::Silt;

fn table() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/unicode.tsv");
    let text = std::fs::read_to_string(&path).unwrap();
    (path.to_str().unwrap().to_owned(), text)
}

#[test]
fn the_unicode_table_in_and_out() {
    let (path, text) = table();
    let silt = Silt::new();
    let ended = silt.run(&["import", &path]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert!(ended.stderr().starts_with("imported 34,924 records"), "{}", ended.stderr());
    assert_eq!(silt.ok(&["count"]), "34924\n");
    assert_eq!(silt.ok(&["get", "U+1F600"]), "GRINNING FACE;So;0;ON;;;;;N;;;;;");
    assert_eq!(silt.run(&["get", "U+110000"]).code(), 1);

    let model: BTreeMap<&str, &str> =
        text.lines().map(|line| line.split_once('\t').unwrap()).collect();
    let sorted: String = model.iter().map(|(k, v)| format!("{k}\t{v}\n")).collect();
    assert!(silt.ok(&["export", "--format", "tsv"]) == sorted);
    assert!(silt.ok(&["scan"]) == sorted);
    let prefix: String = model
        .iter()
        .filter(|(k, _)| k.starts_with("U+1F6"))
        .rev()
        .take(7)
        .map(|(k, v)| format!("{k}\t{v}\n"))
        .collect();
    assert_eq!(silt.ok(&["scan", "--prefix", "U+1F6", "--reverse", "--limit", "7"]), prefix);
    let between = model.range("U+0041".."U+005B").count();
    assert_eq!(silt.ok(&["count", "--from", "U+0041", "--to", "U+005B"]), format!("{between}\n"));

    // A second import of the same data writes almost nothing.
    let size = |silt: &Silt| silt.json(&["stats"])[0]["file_bytes"].as_u64().unwrap();
    let before = size(&silt);
    let again = silt.run(&["import", &path, "--skip-identical"]);
    assert!(again.stderr().contains("34,924 identical skipped"), "{}", again.stderr());
    assert!(size(&silt) < before + before / 50, "{before} bytes grew to {}", size(&silt));
}

#[test]
fn the_unicode_table_changes_and_its_past_stays() {
    let (path, text) = table();
    let silt = Silt::new();
    silt.ok(&["retain", "forever"]);
    silt.ok(&["import", &path]);
    let before = silt.json(&["stats"])[0]["last_seq"].to_string();
    silt.ok(&["set", "U+1F600", "MERRY FACE"]);
    silt.ok(&["del", "--prefix", "U+F", "--yes"]);
    silt.ok(&["compact"]);
    assert_eq!(silt.ok(&["get", "U+1F600"]), "MERRY FACE");
    let old = silt.ok(&["get", "U+1F600", "--as-of", &before]);
    assert_eq!(old, "GRINNING FACE;So;0;ON;;;;;N;;;;;");
    let deleted = text.lines().filter(|line| line.starts_with("U+F")).count();
    assert!(deleted > 100);
    assert_eq!(silt.ok(&["count"]), format!("{}\n", 34_924 - deleted));
    let diff = silt.run(&["diff", "--from", &before]);
    assert_eq!(diff.code(), 1);
    assert_eq!(diff.stdout().lines().count(), deleted + 1);
    let past = silt.ok(&["export", "--format", "tsv", "--as-of", &before]);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert!(past.lines().eq(lines));
}
