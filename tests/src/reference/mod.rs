//! The reference store: the smallest store that keeps every promise, to test the tests on.
//!
//! It holds everything in memory and one segment on disk. A commit appends one group; opening,
//! sealing, compacting and closing write a new segment with all versions, sync it, publish a
//! manifest with its checksum, and only then remove what was there. It is no engine: its cost
//! grows with the store, and it never forgets a version.
//!
//! Its parameter plants a bug, and the test programme must report each of them.

mod log;

use siltdb_core::batch::{Batch, Condition};
use siltdb_core::error::{Error, Result};
use siltdb_core::host::Host;
use siltdb_core::options::{Durability, Options, Retention};
use siltdb_core::storage::{Append, FileId, FileKind, ReadAt, Storage};

use crate::engine::{Change, Commit, Engine, EngineView, Record, ScanOptions, Version};
use crate::model::Written;
use crate::sim::{SimAppender, SimHost, SimStorage};
use log::{Manifest, Versions, add, decode, encode, encode_all, sum};

/// Bugs that can be planted.
pub mod bug {
    /// None.
    pub const NONE: u8 = 0;
    /// Compaction drops tombstones while older versions are still held.
    pub const DROPPED_TOMBSTONE: u8 = 1;
    /// A point read misses some keys after compaction, as if their slots were dropped too early.
    pub const DROPPED_SLOT: u8 = 2;
    /// A batch is written as one group an operation.
    pub const TORN_BATCH: u8 = 3;
    /// Writing goes on after a failed append or sync.
    pub const NO_POISON: u8 = 4;
    /// Opening removes unlisted files before it made sure that the manifest stays.
    pub const EARLY_REMOVAL: u8 = 5;
    /// Closing a poisoned store says that all is well.
    pub const CLOSE_SAYS_OK: u8 = 6;
    /// The checksum of a group in the doubtful tail is not looked at.
    pub const UNCHECKED_TAIL: u8 = 7;
    /// A record is shown after it expired.
    pub const NEVER_EXPIRES: u8 = 8;
    /// Damage to synced bytes is taken for a torn tail and cut off.
    pub const ROT_IS_TORN: u8 = 9;
    /// The doubtful tail is kept as it is after an unclean stop, not written again.
    pub const TAIL_KEPT: u8 = 10;
    /// Sequence numbers follow a clock that goes back.
    pub const CLOCK_ORDER: u8 = 11;
    /// A view shows commits that came after it.
    pub const MOVING_VIEW: u8 = 12;
    /// A failed read counts as an absent key.
    pub const CONDITION_SKIPPED: u8 = 13;
}

/// The reference store, with a bug of [`bug`].
pub struct Reference<const BUG: u8> {
    storage: SimStorage,
    host: SimHost,
    options: Options,
    versions: Versions,
    log: Option<SimAppender>,
    number: u64,
    salt: u64,
    last_seq: u64,
    retention: Retention,
    poisoned: bool,
    compacted: bool,
}

/// A view of the reference store: a copy of everything.
pub struct ReferenceView {
    versions: Versions,
    seq: u64,
    moment: u64,
}

/// What is on disk.
struct Loaded {
    versions: Versions,
    last_seq: u64,
    retention: Option<Retention>,
    /// Number of the manifest and its segment, 0 if there is none.
    current: u64,
    salt: u64,
    /// Whether bytes follow those the manifest vouches for.
    tail: bool,
    files: Vec<FileId>,
}

fn load<const BUG: u8>(storage: &SimStorage) -> Result<Loaded> {
    let mut files = Vec::new();
    storage.list(&mut |id, _| files.push(id))?;
    let number_of = |kind| files.iter().filter(|id| id.kind == kind).map(|id| id.number).max();
    let Some(current) = number_of(FileKind::Manifest) else {
        // The first segment alone is a creation that was interrupted; a later one had a manifest.
        return match number_of(FileKind::Segment) {
            Some(n) if n > 1 => Err(Error::corrupt(FileId::manifest(n), 0, "a manifest")),
            _ => Ok(Loaded {
                versions: Versions::new(),
                last_seq: 0,
                retention: None,
                current: 0,
                salt: 0,
                tail: false,
                files,
            }),
        };
    };
    let id = FileId::manifest(current);
    let manifest = Manifest::decode(id, &read_all(storage, id)?)?;
    let id = FileId::segment(current);
    if !files.contains(&id) {
        return Err(Error::corrupt(id, 0, "a listed segment"));
    }
    let bytes = read_all(storage, id)?;
    let sealed = usize::try_from(manifest.sealed_len).ok().and_then(|len| bytes.get(..len));
    let whole = sealed.is_some_and(|sealed| sum(manifest.salt, sealed) == manifest.sealed_sum);
    if !whole && BUG != bug::ROT_IS_TORN {
        return Err(Error::corrupt(id, 0, "the bytes the manifest vouches for"));
    }
    let mut versions = Versions::new();
    let last_seq = decode(manifest.salt, &bytes, BUG != bug::UNCHECKED_TAIL, &mut versions);
    let retention = Some(manifest.retention);
    let tail = bytes.len() as u64 > manifest.sealed_len;
    Ok(Loaded { versions, last_seq, retention, current, salt: manifest.salt, tail, files })
}

fn read_all(storage: &SimStorage, id: FileId) -> Result<Vec<u8>> {
    let reader = storage.open(id)?;
    let mut bytes = vec![0; usize::try_from(reader.len()?).unwrap_or(usize::MAX)];
    reader.read_at(0, &mut bytes)?;
    Ok(bytes)
}

fn find(versions: &Versions, key: &[u8], upto: u64, moment: u64) -> Option<Record> {
    let held = versions.get(key)?.iter().rev().find(|version| version.seq <= upto)?;
    let value = held.value.clone()?;
    let live = held.expires.is_none_or(|expires| expires > moment);
    live.then(|| Record { key: key.to_vec(), value, seq: held.seq, expires: held.expires })
}

fn in_range(options: &ScanOptions, key: &[u8]) -> bool {
    options.from.as_deref().is_none_or(|from| key >= from)
        && options.to.as_deref().is_none_or(|to| key < to)
        && options.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
}

fn scan(versions: &Versions, options: &ScanOptions, upto: u64, moment: u64) -> Vec<Record> {
    let keys = versions.keys().filter(|key| in_range(options, key));
    let mut found: Vec<Record> = keys.filter_map(|key| find(versions, key, upto, moment)).collect();
    if options.reverse {
        found.reverse();
    }
    found.truncate(options.limit.map_or(usize::MAX, |limit| limit as usize));
    if options.keys_only {
        found.iter_mut().for_each(|record| record.value.clear());
    }
    found
}

impl<const BUG: u8> Reference<BUG> {
    fn moment(&self) -> u64 {
        if BUG == bug::NEVER_EXPIRES { 0 } else { self.host.now_us().max(self.last_seq) }
    }

    /// Refuses to write after a failure; until `result` is known, a failure is assumed.
    fn guard<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let result = call(self);
        self.poisoned = result.is_err() && BUG != bug::NO_POISON;
        result
    }

    /// Writes everything into a new segment and makes it the current one.
    fn rewrite(&mut self) -> Result<()> {
        let (old, new) = (self.number, self.number + 1);
        let salt = self.host.random_u64();
        let bytes = encode_all(salt, &self.versions);
        let mut appender = self.storage.create(FileId::segment(new))?;
        appender.append(&bytes)?;
        appender.sync()?;
        let manifest = Manifest {
            salt,
            sealed_len: bytes.len() as u64,
            sealed_sum: sum(salt, &bytes),
            retention: self.retention,
        };
        self.storage.publish(FileId::manifest(new), &manifest.encode())?;
        (self.log, self.number, self.salt) = (Some(appender), new, salt);
        self.storage.remove(FileId::manifest(old))?;
        self.storage.remove(FileId::segment(old))?;
        Ok(())
    }

    fn remove_unlisted(&self, files: &[FileId], current: u64) -> Result<()> {
        let unlisted = files.iter().filter(|id| id.number != current);
        unlisted.copied().try_for_each(|id| Ok(self.storage.remove(id)?))
    }

    fn compact_all(&mut self) -> Result<()> {
        if BUG == bug::DROPPED_TOMBSTONE {
            for held in self.versions.values_mut().filter(|held| held.len() > 1) {
                held.retain(|version| version.value.is_some());
            }
        }
        self.compacted = true;
        self.guard(Self::rewrite)
    }

    fn check_conditions(&mut self, batch: &Batch) -> Result<()> {
        for (operation, op) in batch.operations().iter().enumerate() {
            let found = self.get_record(&op.key)?.map_or(0, |record| record.seq);
            let holds = match op.condition {
                _ if BUG == bug::CONDITION_SKIPPED => true,
                None => true,
                Some(Condition::Absent) => found == 0,
                Some(Condition::SeqIs(seq)) => seq == found,
            };
            if !holds {
                return Err(Error::ConditionFailed { operation, found });
            }
        }
        Ok(())
    }

    /// The last operation on each key, without those that change nothing.
    fn changes(&mut self, batch: &Batch) -> Result<Vec<Written>> {
        let mut kept: Vec<Written> = Vec::new();
        for op in batch.operations() {
            kept.retain(|(key, ..)| *key != op.key);
            kept.push((op.key.clone(), op.value.clone(), op.expires));
        }
        if self.options.skip_identical {
            let now = |key: &[u8]| find(&self.versions, key, self.last_seq, self.moment());
            kept.retain(|(key, value, expires)| {
                now(key).map(|r| (r.value, r.expires)) != value.clone().map(|v| (v, *expires))
            });
        }
        Ok(kept)
    }

    fn append(&mut self, seq: u64, written: &[Written], level: Durability) -> Result<()> {
        let salt = self.salt;
        let Some(log) = self.log.as_mut() else { return Err(Error::Poisoned) };
        if BUG == bug::TORN_BATCH {
            for one in written.chunks(1) {
                log.append(&encode(salt, seq, one))?;
            }
        } else {
            log.append(&encode(salt, seq, written))?;
        }
        if level == Durability::Synced {
            log.sync()?;
        }
        Ok(())
    }
}

impl<const BUG: u8> Engine for Reference<BUG> {
    type View = ReferenceView;

    fn open(storage: SimStorage, host: SimHost, options: Options) -> Result<Self> {
        let loaded = load::<BUG>(&storage)?;
        if loaded.current == 0 && !options.create {
            return Err(Error::NoStore);
        }
        let mut store = Self {
            retention: loaded.retention.unwrap_or(options.retention),
            storage,
            host,
            options,
            versions: loaded.versions,
            log: None,
            number: loaded.current,
            salt: loaded.salt,
            last_seq: loaded.last_seq,
            poisoned: false,
            compacted: false,
        };
        if BUG == bug::TAIL_KEPT && loaded.tail {
            // The tail's end is taken for sound: what was read was perhaps never on disk.
            let len = encode_all(loaded.salt, &store.versions).len() as u64;
            store.log = Some(store.storage.resume(FileId::segment(loaded.current), len)?);
            return Ok(store);
        }
        if BUG == bug::EARLY_REMOVAL || loaded.current == 0 {
            store.remove_unlisted(&loaded.files, loaded.current)?;
        }
        if loaded.current > 0 {
            store.number = loaded.files.iter().map(|id| id.number).max().unwrap_or(0);
        }
        store.guard(Self::rewrite)?;
        store.remove_unlisted(&loaded.files, store.number)?;
        Ok(store)
    }

    fn close(mut self) -> Result<()> {
        if BUG == bug::CLOSE_SAYS_OK && self.poisoned {
            return Ok(());
        }
        self.guard(Self::rewrite)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_record(key)?.map(|record| record.value))
    }

    fn get_record(&mut self, key: &[u8]) -> Result<Option<Record>> {
        if BUG == bug::DROPPED_SLOT && self.compacted && key.len() == 2 {
            return Ok(None);
        }
        Ok(find(&self.versions, key, self.last_seq, self.moment()))
    }

    fn get_with<T>(&mut self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.get(key)?.map(|value| read(&value)))
    }

    fn contains(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    fn get_as_of(&mut self, key: &[u8], seq: u64) -> Result<Option<Record>> {
        Ok(find(&self.versions, key, seq, seq))
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Commit> {
        self.write(Batch::new().set(key, value), None)
    }

    fn delete(&mut self, key: &[u8]) -> Result<Commit> {
        self.write(Batch::new().delete(key), None)
    }

    fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        self.check_conditions(batch)?;
        let level = durability.unwrap_or(self.options.durability).max(Durability::Flushed);
        let written = self.changes(batch)?;
        if written.is_empty() {
            if level == Durability::Synced {
                self.sync()?;
            }
            return Ok(Commit { seq: self.last_seq, durability: level, written: false });
        }
        let now = self.host.now_us();
        let seq = if BUG == bug::CLOCK_ORDER { now } else { now.max(self.last_seq + 1) };
        self.guard(|store| store.append(seq, &written, level))?;
        for (key, value, expires) in written {
            add(&mut self.versions, key, Version { seq, value, expires });
        }
        self.last_seq = seq;
        Ok(Commit { seq, durability: level, written: true })
    }

    fn sync(&mut self) -> Result<u64> {
        self.guard(|store| match store.log.as_mut() {
            Some(log) => Ok(log.sync()?),
            None => Err(Error::Poisoned),
        })?;
        Ok(self.last_seq)
    }

    fn scan(&mut self, options: &ScanOptions) -> Result<Vec<Record>> {
        let (upto, moment) = options.as_of.map_or((self.last_seq, self.moment()), |seq| (seq, seq));
        Ok(scan(&self.versions, options, upto, moment))
    }

    fn count(&mut self, options: &ScanOptions) -> Result<u64> {
        Ok(self.scan(options)?.len() as u64)
    }

    fn len(&mut self) -> Result<u64> {
        self.count(&ScanOptions::default())
    }

    fn history(&mut self, key: &[u8]) -> Result<Vec<Version>> {
        let held = self.versions.get(key);
        Ok(held.map_or(Vec::new(), |held| held.iter().rev().cloned().collect()))
    }

    fn diff(&mut self, from: u64, to: u64, options: &ScanOptions) -> Result<Vec<Change>> {
        let keys = self.versions.keys().filter(|key| in_range(options, key));
        let change = |key: &Vec<u8>| {
            let before = find(&self.versions, key, from, from);
            let after = find(&self.versions, key, to, to);
            (before != after).then(|| Change { key: key.clone(), before, after })
        };
        Ok(keys.filter_map(change).collect())
    }

    fn view(&mut self) -> Result<ReferenceView> {
        let seq = if BUG == bug::MOVING_VIEW { self.moment() + 1_000 } else { self.last_seq };
        let moment = self.moment();
        let view = self.view_as_of(seq)?;
        Ok(ReferenceView { moment, ..view })
    }

    fn view_as_of(&mut self, seq: u64) -> Result<ReferenceView> {
        let mut versions = self.versions.clone();
        if BUG == bug::MOVING_VIEW {
            versions.values_mut().for_each(|held| held.truncate(1));
        }
        Ok(ReferenceView { versions, seq, moment: seq })
    }

    fn tick(&mut self) -> Result<()> {
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        self.guard(Self::rewrite)
    }

    fn compact(&mut self) -> Result<()> {
        self.compact_all()
    }

    fn compact_step(&mut self, bytes: u64) -> Result<()> {
        if bytes > 100_000 { self.compact_all() } else { Ok(()) }
    }

    fn load_index(&mut self, _records: u64) -> Result<()> {
        Ok(())
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn horizon(&self) -> u64 {
        0
    }

    fn retention(&self) -> Retention {
        self.retention
    }

    fn set_retention(&mut self, retention: Retention) -> Result<()> {
        let before = std::mem::replace(&mut self.retention, retention);
        self.guard(Self::rewrite).inspect_err(|_| self.retention = before)
    }

    fn active_segment(&mut self) -> Result<Option<FileId>> {
        Ok(Some(FileId::segment(self.number)))
    }

    fn snapshot(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        let bytes = encode_all(1, &self.versions);
        let manifest = Manifest {
            salt: 1,
            sealed_len: bytes.len() as u64,
            sealed_sum: sum(1, &bytes),
            retention: self.retention,
        };
        Ok(Some((self.last_seq, [manifest.encode(), bytes].concat())))
    }

    fn restore(storage: &SimStorage, snapshot: &[u8]) -> Result<()> {
        let id = FileId::manifest(1);
        let cut = snapshot.split_at_checked(48);
        let (manifest, segment) = cut.ok_or(Error::corrupt(id, 0, "a snapshot"))?;
        let mut appender = storage.create(FileId::segment(1))?;
        appender.append(segment)?;
        appender.sync()?;
        Ok(storage.publish(id, manifest)?)
    }

    fn verify(storage: &SimStorage) -> Result<Option<Vec<FileId>>> {
        match load::<BUG>(storage) {
            Ok(_) => Ok(Some(Vec::new())),
            Err(Error::Corrupt(corruption)) => Ok(Some(vec![corruption.file])),
            Err(e) => Err(e),
        }
    }
}

impl EngineView for ReferenceView {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        Ok(find(&self.versions, key, self.seq, self.moment))
    }

    fn scan(&mut self, options: &ScanOptions) -> Result<Vec<Record>> {
        Ok(scan(&self.versions, options, self.seq, self.moment))
    }
}
