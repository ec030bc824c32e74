//! The golden stores: small stores whose every byte is kept in `tests/golden`, and the operations
//! that made them.
//!
//! Clock and randomness are given, so the same operations must give the same bytes on every home,
//! today and later. `cargo run -p siltdb-tests --example golden DIR` writes them out.

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;

use siltdb_core::storage::{FileId, FileKind, MemoryStorage, Storage};
use siltdb_core::{
    Batch, CompactionOptions, Durability, Error, Host, Operation, Options, Retention, Store,
};

/// 2023-11-14T22:13:20Z, when the first write is made.
const START_US: u64 = 1_700_000_000_000_000;
const SECOND_US: u64 = 1_000_000;
/// 2100-01-01: records that expire then have not expired for a while.
const FAR_US: u64 = 4_102_444_800_000_000;

/// A clock that moves only when it is told to, and random numbers that can be recognised: eight
/// bytes of 01, eight bytes of 02, and so on.
#[derive(Debug, Clone, Default)]
pub struct GoldenHost {
    now_us: Rc<Cell<u64>>,
    drawn: Rc<Cell<u64>>,
}

impl Host for GoldenHost {
    fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    fn random_u64(&self) -> u64 {
        self.drawn.set(self.drawn.get() + 1);
        self.drawn.get().wrapping_mul(0x0101_0101_0101_0101)
    }
}

/// Files of a store, by name, or the one file of a snapshot.
pub type Files = Vec<(String, Vec<u8>)>;

/// One version of a key, as a line of `contents.tsv` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The key.
    pub key: Vec<u8>,
    /// Sequence number.
    pub seq: u64,
    /// The value, or `None` for a delete.
    pub value: Option<Vec<u8>>,
    /// Expiry, in microseconds since 1970.
    pub expires: Option<u64>,
}

/// Key, value or `None` for a delete, and expiry.
type Written<'a> = (&'a [u8], Option<Vec<u8>>, Option<u64>);

/// A store that is being made, with what was written to it.
struct Maker<S: Storage> {
    store: Store<S, GoldenHost>,
    host: GoldenHost,
    contents: Vec<Line>,
}

impl<S: Storage> Maker<S> {
    fn open(storage: S, retention: Retention) -> Self {
        let host = GoldenHost::default();
        host.now_us.set(START_US);
        let compaction = CompactionOptions { auto: false, ..CompactionOptions::default() };
        let options = Options { retention, compaction, ..Options::default() };
        let store = Store::open(storage, host.clone(), options).unwrap();
        Self { store, host, contents: Vec::new() }
    }

    /// Commits these at once, synced; the clock then moves on by a second.
    fn write(&mut self, operations: &[Written<'_>]) {
        let mut batch = Batch::new();
        for (key, value, expires) in operations.iter().cloned() {
            let key = key.to_vec();
            batch.push(Operation { key, value, expires, condition: None });
        }
        let commit = self.store.write(&batch, Some(Durability::Synced)).unwrap();
        assert_eq!((commit.seq, commit.written), (self.host.now_us(), true));
        for Operation { key, value, expires, .. } in batch.operations().iter().cloned() {
            self.contents.push(Line { key, seq: commit.seq, value, expires });
        }
        self.host.now_us.set(self.host.now_us() + SECOND_US);
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.write(&[(key, Some(value.to_vec()), None)]);
    }
}

/// Two sets and a delete, in a log that was closed: the worked example of FORMAT.md.
pub fn make_small<S: Storage>(storage: S) -> Vec<Line> {
    let mut maker = Maker::open(storage, Retention::Latest);
    maker.set(b"apple", b"red");
    maker.set(b"pear", b"green");
    maker.write(&[(b"apple", None, None)]);
    maker.store.close().unwrap();
    maker.contents
}

/// A sorted segment, a sealed one in order of arrival, and a closed log; several versions of some
/// keys, deletes, expiries passed and to come, a batch, an empty value, a value with a checksum
/// of its own, and keys that are not text.
pub fn make_full<S: Storage>(storage: S) -> Vec<Line> {
    let mut maker = Maker::open(storage, Retention::Forever);
    for round in 0..2_u8 {
        for i in 0..40_u8 {
            let value = vec![i; usize::from(round) * 5 + usize::from(i % 4)];
            maker.set(format!("key-{i:02}").as_bytes(), &value);
        }
        maker.write(&[(b"key-07", None, None), (b"soon", Some(b"gone".to_vec()), Some(FAR_US))]);
        maker.store.seal().unwrap();
    }
    maker.store.compact(&mut |_| {}).unwrap();
    let large: Vec<u8> = (0..5_000_u32).map(|i| (i * i % 251) as u8).collect();
    let passed = START_US + 3_600 * SECOND_US;
    maker.write(&[
        (b"large", Some(large), None),
        (b"key-03", Some(b"newer".to_vec()), None),
        (b"key-05", None, None),
        (b"soon", Some(b"expired".to_vec()), Some(passed)),
    ]);
    maker.set(b"\xe9\n\0", b"\xff\xfe");
    maker.store.seal().unwrap();
    maker.set(b"key-03", b"newest");
    maker.set(b"tail", b"");
    maker.write(&[(b"tail-2", Some(b"lasts".to_vec()), Some(FAR_US)), (b"key-39", None, None)]);
    maker.store.close().unwrap();
    maker.contents
}

/// A snapshot of the store in `storage`, whose active segment it seals.
pub fn snapshot_of(storage: MemoryStorage) -> Vec<u8> {
    let host = GoldenHost::default();
    host.now_us.set(START_US + 1_000 * SECOND_US);
    // Other salts than those of the files there are.
    host.drawn.set(0x80);
    let mut store = Store::open(storage, host, Options::default()).unwrap();
    let mut bytes = Vec::new();
    store.snapshot(&mut bytes, &mut |_| {}).unwrap();
    bytes
}

/// All golden files as they are made today: path below `tests/golden/v1`, and bytes.
pub fn make_all() -> Files {
    let (small, full) = (MemoryStorage::new(), MemoryStorage::new());
    let mut files = Files::new();
    files.push(("small.tsv".into(), text_of(&make_small(small.clone())).into()));
    files.push(("full.tsv".into(), text_of(&make_full(full.clone())).into()));
    for (name, storage) in [("small", &small), ("full", &full)] {
        let named = files_of(storage).into_iter().map(|(file, b)| (format!("{name}/{file}"), b));
        files.extend(named);
    }
    files.push(("full.silt".into(), snapshot_of(full)));
    files.sort();
    files
}

/// The files of a store in memory.
pub fn files_of(storage: &MemoryStorage) -> Files {
    let mut files = Files::new();
    storage.list(&mut |id, _| files.push((id.to_string(), storage.bytes(id).unwrap()))).unwrap();
    files.sort();
    files
}

/// A store in memory made of these files.
pub fn storage_of(files: &Files) -> MemoryStorage {
    let storage = MemoryStorage::new();
    for (name, bytes) in files {
        let id = FileId::parse(name).unwrap();
        assert!(matches!(id.kind, FileKind::Segment | FileKind::Manifest));
        storage.put(id, bytes.clone());
    }
    storage
}

/// Opens a golden store at a moment. The host's randomness is of no consequence for reading.
pub fn open_at(
    storage: MemoryStorage,
    now_us: u64,
) -> Result<Store<MemoryStorage, GoldenHost>, Error> {
    let host = GoldenHost::default();
    host.now_us.set(now_us);
    Store::open(storage, host, Options { create: false, ..Options::default() })
}

/// Contents as text: key, seq, value and expiry a line, bytes in hexadecimal, `-` for none.
pub fn text_of(contents: &[Line]) -> String {
    let mut text = String::new();
    for line in contents {
        let value = line.value.as_ref().map_or_else(|| "-".into(), |value| hex(value));
        let expires = line.expires.map_or_else(|| "-".into(), |expires| expires.to_string());
        writeln!(text, "{}\t{}\t{value}\t{expires}", hex(&line.key), line.seq).unwrap();
    }
    text
}

/// Undoes [`text_of`].
pub fn contents_of(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [key, seq, value, expires] = fields[..] else { panic!("{line}") };
        Line {
            key: unhex(key),
            seq: seq.parse().unwrap(),
            value: (value != "-").then(|| unhex(value)),
            expires: (expires != "-").then(|| expires.parse().unwrap()),
        }
    };
    text.lines().map(line).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Undoes hexadecimal; spaces do not count.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| *c != ' ').map(|c| c.to_digit(16).unwrap() as u8).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
