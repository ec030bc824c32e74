//! The store against a plain model: every read of every kind, through sealing, compaction,
//! clean and unclean reopening, with the hash whole and cut to 8 bits.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;
use std::collections::BTreeMap;

use siltdb_core::storage::MemoryStorage;
use siltdb_core::{
    Batch, Durability, Error, ErrorKind, Host, Operation, Options, Retention, ScanOptions, Store,
};

struct TestHost {
    now: Cell<u64>,
    random: Cell<u64>,
}

impl TestHost {
    fn new(seed: u64) -> Self {
        Self { now: Cell::new(1_000_000), random: Cell::new(seed) }
    }

    fn next(&self, below: u64) -> u64 {
        self.random_u64() % below
    }
}

impl Host for TestHost {
    fn now_us(&self) -> u64 {
        self.now.get()
    }

    fn random_u64(&self) -> u64 {
        let mut x = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(x);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

type Versions = BTreeMap<Vec<u8>, Vec<(u64, Option<Vec<u8>>, u64)>>;

struct Run {
    host: TestHost,
    storage: MemoryStorage,
    options: Options,
    versions: Versions,
    last_seq: u64,
}

impl Run {
    fn visible(&self, key: &[u8], seq: u64, moment: u64) -> Option<(u64, Vec<u8>)> {
        let versions = self.versions.get(key)?;
        let (at, value, expires) = versions.iter().rev().find(|v| v.0 <= seq)?;
        let live = *expires == 0 || *expires > moment;
        value.clone().filter(|_| live).map(|value| (*at, value))
    }

    fn key(&self) -> Vec<u8> {
        format!("key-{:03}", self.host.next(120)).into_bytes()
    }

    fn write(&mut self, store: &mut Store<MemoryStorage, &TestHost>) {
        self.host.now.set(self.host.now.get() + self.host.next(50));
        let mut batch = Batch::new();
        let mut last = BTreeMap::new();
        for _ in 0..=self.host.next(4) * self.host.next(2) {
            let key = self.key();
            let large = if self.host.next(40) == 0 { 6_000 } else { 30 };
            let set = self.host.next(4) != 0;
            let len = self.host.next(large) as usize;
            let value = set.then(|| vec![self.host.next(256) as u8; len]);
            let ttl = set && self.host.next(8) == 0;
            let expires = ttl.then(|| self.host.now.get() + self.host.next(3_000));
            last.insert(key.clone(), (value.clone(), expires.unwrap_or(0)));
            batch.push(Operation { key, value, expires, condition: None });
        }
        let durability = match self.host.next(3) {
            0 => Durability::Synced,
            1 => Durability::Flushed,
            _ => Durability::Buffered,
        };
        let commit = store.write(&batch, Some(durability)).unwrap();
        assert!(commit.seq > self.last_seq);
        self.last_seq = commit.seq;
        for (key, (value, expires)) in last {
            self.versions.entry(key).or_default().push((commit.seq, value, expires));
        }
    }

    fn check(&mut self, store: &mut Store<MemoryStorage, &TestHost>, buffered: bool) {
        store.host().now.set(self.host.now.get());
        let moment = self.host.now.get().max(self.last_seq);
        for i in 0..125 {
            let key = format!("key-{i:03}").into_bytes();
            let expected = self.visible(&key, u64::MAX, moment);
            let found = store.get_record(&key).unwrap().map(|r| (r.seq, r.value));
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(&key));
        }
        self.check_scans(store, u64::MAX, moment, None);
        self.check_changes(store, moment);
        if buffered {
            return;
        }
        for _ in 0..4 {
            let seq = self.host.next(self.last_seq + 100);
            if seq < store.horizon() {
                let gone = store.get_as_of(b"key-001", seq);
                assert!(matches!(
                    gone.as_ref().map_err(Error::kind),
                    Err(ErrorKind::HistoryGone { .. })
                ));
                continue;
            }
            self.check_scans(store, seq, seq, Some(seq));
            let key = self.key();
            let found = store.get_as_of(&key, seq).unwrap().map(|r| (r.seq, r.value));
            assert_eq!(found, self.visible(&key, seq, seq));
        }
    }

    /// The change feed tells nothing that was not written, in order, and leaves out no change.
    fn check_changes(&self, store: &mut Store<MemoryStorage, &TestHost>, moment: u64) {
        let since = self.host.next(self.last_seq + 1).max(store.horizon());
        let (from, to) = (self.key(), self.key());
        let options = ScanOptions {
            from: Some(from.clone()),
            to: Some(to.clone()),
            ..ScanOptions::default()
        };
        let told: Vec<_> =
            store.changes(since, &options).unwrap().map(|changed| changed.unwrap()).collect();
        assert!(told.windows(2).all(|w| w[0].version.seq <= w[1].version.seq));
        for changed in &told {
            assert!(changed.version.seq > since && changed.key >= from && changed.key < to);
            let v = &changed.version;
            let version = (v.seq, v.value.clone(), v.expires.unwrap_or(0));
            assert!(self.versions[&changed.key].contains(&version), "{changed:?}");
        }
        for (key, versions) in self.versions.iter().filter(|(key, _)| **key >= from && **key < to) {
            let newest = versions.last().unwrap();
            // A delete of what was gone already, nobody needs to hear of.
            let told_of = match (&newest.1, versions.iter().rev().nth(1)) {
                (Some(_), _) => newest.2 == 0 || newest.2 > moment,
                (None, Some(hidden)) => hidden.1.is_some() && (hidden.2 == 0 || hidden.2 > since),
                (None, None) => false,
            };
            if newest.0 > since && told_of {
                let found = told.iter().filter(|c| c.key == *key && c.version.seq == newest.0);
                assert_eq!(found.count(), 1, "since {since}: {newest:?}");
            }
        }
        if since > 0 && store.horizon() > 0 {
            let gone = store.changes(store.horizon() - 1, &options).map(|_| ());
            assert!(
                matches!(gone.as_ref().map_err(Error::kind), Err(ErrorKind::HistoryGone { .. })),
                "{gone:?}"
            );
        }
    }

    fn check_scans(
        &self,
        store: &mut Store<MemoryStorage, &TestHost>,
        seq: u64,
        moment: u64,
        as_of: Option<u64>,
    ) {
        let (from, to) = (self.key(), self.key());
        let mut expected = Vec::new();
        for key in self.versions.keys().filter(|key| **key >= from && **key < to) {
            if let Some((at, value)) = self.visible(key, seq, moment) {
                expected.push((key.clone(), at, value));
            }
        }
        let mut options =
            ScanOptions { from: Some(from), to: Some(to), as_of, ..ScanOptions::default() };
        assert_eq!(store.count(&options).unwrap(), expected.len() as u64);
        for reverse in [false, true] {
            options.reverse = reverse;
            let mut scan = store.scan(&options).unwrap();
            for (key, seq, value) in &expected {
                let mut same = false;
                let given =
                    scan.next_with(&mut |k, v, s, _| same = (k, v, s) == (key, value, *seq));
                assert!(given.unwrap().is_ok() && same, "reverse {reverse}, as of {as_of:?}");
            }
            assert!(scan.next_with(&mut |_, _, _, _| {}).is_none());
            let found = store.scan(&options).unwrap().map(|r| r.unwrap());
            let found: Vec<_> = found.map(|r| (r.key, r.seq, r.value)).collect();
            assert_eq!(found, expected, "reverse {reverse}, as of {as_of:?}");
            expected.reverse();
        }
    }
}

fn run(seed: u64, hash_bits: u8, retention: Retention) {
    let host = TestHost::new(seed);
    let options = Options {
        segment_bytes: 4_096,
        seal_on_close_bytes: if seed.is_multiple_of(2) { 2_048 } else { 1 << 20 },
        hash_bits,
        retention,
        ..Options::default()
    };
    let mut options = options;
    options.compaction.dead_bytes_min = 500;
    options.compaction.tier_bytes_min = 8_192;
    let mut run = Run {
        host,
        storage: MemoryStorage::new(),
        options,
        versions: Versions::new(),
        last_seq: 0,
    };
    let host = TestHost::new(seed + 1);
    let mut store = Store::open(run.storage.clone(), &host, run.options.clone()).unwrap();
    let forever = retention == Retention::Forever;
    for step in 0..600 {
        host.now.set(run.host.now.get());
        match run.host.next(40) {
            0 => store.seal().unwrap(),
            1 => drop(store.compact(&mut |_| {}).unwrap()),
            2 => drop(store.sync().unwrap()),
            3 => {
                store.close().unwrap();
                store = Store::open(run.storage.clone(), &host, run.options.clone()).unwrap();
                run.check(&mut store, !forever);
            }
            4 => {
                store.sync().unwrap();
                drop(store);
                store = Store::open(run.storage.clone(), &host, run.options.clone()).unwrap();
                run.check(&mut store, !forever);
            }
            5 => store.tick().unwrap(),
            _ => run.write(&mut store),
        }
        if step % 60 == 59 {
            run.check(&mut store, false);
        }
    }
}

#[test]
fn every_read_agrees_with_the_model() {
    for seed in 0..24 {
        for (bits, retention) in [
            (64, Retention::Latest),
            (8, Retention::Latest),
            (8, Retention::Forever),
            (64, Retention::Forever),
            (64, Retention::Age { us: 2_000 }),
            (3, Retention::Versions { count: 2 }),
        ] {
            println!("seed {seed}, {bits} bits, {retention:?}");
            run(seed, bits, retention);
        }
    }
}
