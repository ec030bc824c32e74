//! Stores of every released format go on opening, and equal operations give equal bytes.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use siltdb::native::{NativeOptions, NativeStorage};
use siltdb_core::format::{
    FrameSource, GROUP_HEADER_LEN, GroupHeader, LogHead, Manifest, SegmentHeader, SegmentKind,
    seed_at,
};
use siltdb_core::storage::MemoryStorage;
use siltdb_core::{Record, Retention, ScanOptions, Version, check, restore};
use siltdb_tests::golden::{self, Files, GoldenHost, Line};

/// A second after the last write to the golden stores, and long after.
const MOMENTS: [u64; 2] = [1_700_000_087_000_000, 1_893_456_000_000_000];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

/// The files in a directory and below it, by their path in it.
fn read_files(dir: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inside =
                read_files(&path).into_iter().map(|(file, b)| (format!("{name}/{file}"), b));
            files.extend(inside);
        } else {
            files.push((name, fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

fn assert_same(made: &Files, kept: &Files) {
    let names = |files: &Files| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(made), names(kept));
    for ((name, made), (_, kept)) in made.iter().zip(kept) {
        let differs = made.iter().zip(kept).position(|(a, b)| a != b);
        let at = differs.unwrap_or(made.len().min(kept.len()));
        assert!(made == kept, "{name} differs from byte {at} on; see tests/golden/README.md");
    }
}

#[test]
fn the_same_operations_give_the_same_bytes() {
    assert_same(&golden::make_all(), &read_files(&golden()));
}

#[test]
fn native_files_have_the_same_bytes() {
    for (name, make) in [
        ("small", golden::make_small::<NativeStorage> as fn(_) -> _),
        ("full", golden::make_full::<NativeStorage>),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        make(NativeStorage::open(&store, NativeOptions::default()).unwrap());
        let mut made = read_files(&store);
        made.retain(|(name, _)| name != "LOCK");
        assert_same(&made, &read_files(&golden().join(name)));
    }
}

/// The reads that every home has.
trait Reads {
    fn history(&mut self, key: &[u8]) -> Vec<Version>;
    fn as_of(&mut self, key: &[u8], seq: u64) -> Option<Record>;
    fn now(&mut self, key: &[u8]) -> Option<Record>;
    fn scan(&mut self, options: &ScanOptions) -> Vec<Record>;
}

type MemoryStore = siltdb_core::Store<MemoryStorage, GoldenHost>;

impl Reads for MemoryStore {
    fn history(&mut self, key: &[u8]) -> Vec<Version> {
        MemoryStore::history(self, key).unwrap().map(Result::unwrap).collect()
    }
    fn as_of(&mut self, key: &[u8], seq: u64) -> Option<Record> {
        self.get_as_of(key, seq).unwrap()
    }
    fn now(&mut self, key: &[u8]) -> Option<Record> {
        self.get_record(key).unwrap()
    }
    fn scan(&mut self, options: &ScanOptions) -> Vec<Record> {
        MemoryStore::scan(self, options).unwrap().map(Result::unwrap).collect()
    }
}

impl Reads for siltdb::Store {
    fn history(&mut self, key: &[u8]) -> Vec<Version> {
        siltdb::Store::history(self, key).unwrap().map(Result::unwrap).collect()
    }
    fn as_of(&mut self, key: &[u8], seq: u64) -> Option<Record> {
        self.get_as_of(key, seq).unwrap()
    }
    fn now(&mut self, key: &[u8]) -> Option<Record> {
        self.get_record(key).unwrap()
    }
    fn scan(&mut self, options: &ScanOptions) -> Vec<Record> {
        siltdb::Store::scan(self, options).unwrap().map(Result::unwrap).collect()
    }
}

/// What the list says that a key holds at a moment.
fn expected(contents: &[Line], key: &[u8], moment: u64) -> Option<Record> {
    let line = contents.iter().rfind(|line| line.key == key && line.seq <= moment)?;
    let value = line.value.clone()?;
    let live = line.expires.is_none_or(|expires| expires > moment);
    live.then(|| Record { key: key.to_vec(), value, seq: line.seq, expires: line.expires })
}

/// Compares everything that can be read with the list; `now` is the store's clock.
fn compare(store: &mut impl Reads, contents: &[Line], now: u64) {
    let mut keys: Vec<&[u8]> = contents.iter().map(|line| &line.key[..]).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in &keys {
        let versions: Vec<Version> = contents
            .iter()
            .rev()
            .filter(|line| line.key == *key)
            .map(|l| Version { seq: l.seq, value: l.value.clone(), expires: l.expires })
            .collect();
        assert_eq!(store.history(key), versions, "{key:?}");
        assert_eq!(store.now(key), expected(contents, key, now), "{key:?}");
    }
    let mut moments: Vec<u64> = contents.iter().flat_map(|l| [l.seq - 1, l.seq]).collect();
    moments.extend([now - 1, now]);
    for moment in moments {
        let mut records: Vec<Record> =
            keys.iter().filter_map(|key| expected(contents, key, moment)).collect();
        let mut options = ScanOptions { as_of: Some(moment), ..ScanOptions::default() };
        assert_eq!(store.scan(&options), records, "at {moment}");
        records.reverse();
        options.reverse = true;
        assert_eq!(store.scan(&options), records, "at {moment}, in reverse");
        for key in keys.iter().step_by(7) {
            assert_eq!(store.as_of(key, moment), expected(contents, key, moment));
        }
    }
}

fn contents(name: &str) -> Vec<Line> {
    let text = fs::read_to_string(golden().join(format!("{name}.tsv"))).unwrap();
    golden::contents_of(&text)
}

#[test]
fn golden_stores_hold_what_was_written() {
    for (name, lines, segments) in [("small", 3, 1), ("full", 93, 3)] {
        let contents = contents(name);
        assert_eq!(contents.len(), lines);
        let files = read_files(&golden().join(name));
        let report = check(&golden::storage_of(&files), &mut |_| {}).unwrap();
        assert_eq!((report.problems, report.records), (vec![], lines as u64));
        for now in MOMENTS {
            let storage = golden::storage_of(&files);
            let mut store = golden::open_at(storage.clone(), now).unwrap();
            compare(&mut store, &contents, now);
            assert_eq!(store.segments().unwrap().len(), segments);
            assert!(golden::files_of(&storage) == files, "reading changes nothing");
        }
    }
    let files = read_files(&golden().join("full"));
    let mut store = golden::open_at(golden::storage_of(&files), MOMENTS[0]).unwrap();
    let states: Vec<_> = store.segments().unwrap().iter().map(|s| s.state).collect();
    assert_eq!(states, ["sorted", "arrival", "active"]);
}

#[test]
fn golden_stores_open_on_native_files() {
    for name in ["small", "full"] {
        let dir = tempfile::tempdir().unwrap();
        for (file, bytes) in read_files(&golden().join(name)) {
            fs::write(dir.path().join(file), bytes).unwrap();
        }
        assert_eq!(siltdb::check(dir.path(), &mut |_| {}).unwrap().problems, []);
        let mut store = siltdb::Store::open(dir.path(), siltdb::Options::default()).unwrap();
        // Any moment of this century does: no record expires between the two.
        let contents = contents(name);
        compare(&mut store, &contents, MOMENTS[1]);
        store.set(b"new", b"value").unwrap();
        store.close().unwrap();
        let mut store = siltdb::Store::open(dir.path(), siltdb::Options::default()).unwrap();
        assert_eq!(store.get(b"new").unwrap().as_deref(), Some(&b"value"[..]));
        assert_eq!(Reads::history(&mut store, b"apple").len(), if name == "small" { 2 } else { 0 });
    }
}

#[test]
fn the_golden_snapshot_restores() {
    let bytes = fs::read(golden().join("full.silt")).unwrap();
    let storage = MemoryStorage::new();
    let report = restore(&storage, &mut &bytes[..], &mut |_| {}).unwrap();
    assert_eq!((report.segments, report.records), (3, 93));
    let mut store = golden::open_at(storage, MOMENTS[1]).unwrap();
    compare(&mut store, &contents("full"), MOMENTS[1]);

    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("restored");
    siltdb::restore(&mut &bytes[..], &place, &mut |_| {}).unwrap();
    let mut store = siltdb::Store::open(&place, siltdb::Options::default()).unwrap();
    compare(&mut store, &contents("full"), MOMENTS[1]);
}

/// The bytes of a hex block of FORMAT.md. Each line is an offset, bytes and what they mean, and
/// begins where the one before ends.
fn read_block(block: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in block.lines() {
        let (offset, rest) = line.trim_start().split_once("  ").unwrap();
        assert_eq!(offset.parse::<usize>().unwrap(), bytes.len(), "{line}");
        bytes.extend(golden::unhex(rest.split("  ").next().unwrap()));
    }
    bytes
}

/// Goal: the worked example of FORMAT.md is true to the byte. Method: read its bytes out of the
/// page, and hold them against the golden files and against what the encoders make of the values
/// that the page names.
#[test]
fn the_worked_example_of_the_format_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/FORMAT.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<Vec<u8>> = page
        .split("```hex\n")
        .skip(1)
        .map(|block| read_block(block.split("```").next().unwrap()))
        .collect();
    let [segment, manifest] = &blocks[..] else { panic!("{} blocks", blocks.len()) };
    let files = read_files(&golden().join("small"));
    assert_eq!(files[0], ("0000000000000001.segment".into(), segment.clone()));
    assert_eq!(files[1], ("0000000000000002.manifest".into(), manifest.clone()));

    let (salt, base_seq) = (0x0505_0505, 1_700_000_000_000_000);
    let mut store_id = [1; 16];
    store_id[8..].fill(2);
    let header = SegmentHeader {
        kind: SegmentKind::Arrival,
        salt,
        store_id,
        number: 1,
        base_seq,
        previous_number: 0,
        previous_len: 0,
        previous_seq: 0,
    };
    let mut encoded = header.encode().to_vec();
    let mut durable_len = 0;
    for (key, value, seconds) in
        [("apple", Some("red"), 0), ("pear", Some("green"), 1), ("apple", None, 2)]
    {
        let (key, value) = (key.as_bytes(), value.map(str::as_bytes));
        let seq = base_seq + seconds * 1_000_000;
        let offset = encoded.len() as u64;
        let mut body = Vec::new();
        let source = FrameSource { key, value, seq, expires: None, more: false };
        let seed = seed_at(salt, offset + GROUP_HEADER_LEN as u64);
        let body_len = source.encode(&mut body, seed, base_seq) as u32;
        encoded.extend(GroupHeader { offset, body_len, durable_len }.encode(salt));
        encoded.extend(body);
        durable_len = encoded.len() as u64;
    }
    assert_eq!(encoded, *segment);
    let mut hash_key = [3; 16];
    hash_key[8..].fill(4);
    let encoded = Manifest {
        number: 2,
        store_id,
        hash_key,
        hash_bits: 64,
        retention: Retention::Latest,
        horizon: 0,
        last_seq: 0,
        log: LogHead { number: 1, salt, len: 180 },
        segments: Vec::new(),
    };
    assert_eq!(encoded.encode(), *manifest);
}
