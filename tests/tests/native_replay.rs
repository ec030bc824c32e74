//! Power loss at every file call of the native backend (T6): a run is recorded, every state that
//! may be left of it is written to a directory and opened by the real backend.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use siltdb::native::{NativeOptions, NativeStorage};
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};
use siltdb_tests::posix::{Choice, Event, Image, Recording, RecordingFs};
use siltdb_tests::sim::Random;

/// What the contract promises at one moment of the run.
#[derive(Debug, Clone, Default)]
struct Promise {
    /// Bytes of appended files that are durable.
    synced: BTreeMap<FileId, Vec<u8>>,
    /// Published files that are durable.
    published: BTreeMap<FileId, Vec<u8>>,
}

struct Run {
    recording: Recording,
    /// By mark.
    promises: Vec<Promise>,
    /// Bytes of every published file, whenever.
    whole: BTreeMap<FileId, Vec<u8>>,
}

fn options(reserve_bytes_max: u64) -> NativeOptions {
    NativeOptions { reserve_bytes_max, ..NativeOptions::default() }
}

/// A tour of all storage calls in the order a store makes them, recorded.
fn run(seed: u64, reserve_bytes_max: u64) -> Run {
    let root = tempfile::tempdir().unwrap();
    let fs = RecordingFs::new(root.path());
    let mut random = Random::new(seed);
    let mut promise = Promise::default();
    let mut run =
        Run { recording: Vec::new(), promises: vec![promise.clone()], whole: BTreeMap::new() };
    let dir = root.path().canonicalize().unwrap().join("made/store");
    let storage =
        NativeStorage::open_on(Arc::new(fs.clone()), &dir, options(reserve_bytes_max)).unwrap();
    let mark = |promise: &Promise, run: &mut Run| {
        fs.mark(run.promises.len() as u64);
        run.promises.push(promise.clone());
    };
    for number in 1..=4_u64 {
        let segment = FileId::segment(number);
        let mut appender = storage.create(segment).unwrap();
        let mut bytes = Vec::new();
        for round in 0..6 {
            for _ in 0..1 + random.below(3) {
                let len = 1 + random.index(1500);
                let part = random.bytes(len);
                appender.append(&part).unwrap();
                bytes.extend_from_slice(&part);
            }
            if round == 5 {
                appender.finish().unwrap();
            }
            appender.sync().unwrap();
            promise.synced.insert(segment, bytes.clone());
            mark(&promise, &mut run);
        }
        drop(appender);
        let manifest = FileId::manifest(number);
        let len = 600 + random.index(1000);
        let bytes = random.bytes(len);
        run.whole.insert(manifest, bytes.clone());
        storage.publish(manifest, &bytes).unwrap();
        promise.published.insert(manifest, bytes);
        mark(&promise, &mut run);
        if number > 1 {
            for old in [FileId::manifest(number - 1), FileId::segment(number - 1)] {
                // From here on it may be there or not.
                promise.published.remove(&old);
                promise.synced.remove(&old);
                mark(&promise, &mut run);
                storage.remove(old).unwrap();
            }
        }
    }
    run.recording = fs.recording();
    run
}

/// Opens what is left in `dir` and says what is broken.
fn judge(dir: &Path, promise: &Promise, run: &Run) -> Result<(), String> {
    let storage = NativeStorage::open(dir, options(0)).map_err(|e| format!("open: {e}"))?;
    let mut found = BTreeMap::new();
    storage.list(&mut |id, len| _ = found.insert(id, len)).map_err(|e| e.to_string())?;
    let read = |id: FileId, len: usize| -> Result<Vec<u8>, String> {
        let mut buf = vec![0; len];
        let reader = storage.open(id).map_err(|e| e.to_string())?;
        reader.read_at(0, &mut buf).map_err(|e| format!("{len} promised bytes: {e}"))?;
        Ok(buf)
    };
    for (id, bytes) in promise.synced.iter().chain(&promise.published) {
        if read(*id, bytes.len())? != *bytes {
            return Err(format!("{id} has other bytes than were synced"));
        }
    }
    for (id, len) in &found {
        if let Some(bytes) = run.whole.get(id)
            && (*len != bytes.len() as u64 || read(*id, bytes.len())? != *bytes)
        {
            return Err(format!("{id} is neither absent nor whole"));
        }
    }
    // The store can go on.
    let next = FileId::manifest(99);
    storage.publish(next, b"next").map_err(|e| e.to_string())?;
    let segment = FileId::segment(99);
    let mut appender = storage.create(segment).map_err(|e| e.to_string())?;
    appender.append(b"next").and_then(|()| appender.sync()).map_err(|e| e.to_string())
}

/// Builds states of the run and gives how many there were and the first that is broken.
fn replay(run: &Run, recording: &[Event], random_states: u64) -> (usize, Option<String>) {
    // In memory where there is such a place: the states are many, and syncing them is no use.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { Path::new("/tmp") };
    let mut seen = HashSet::new();
    for end in 0..=recording.len() {
        let events = &recording[..end];
        let mark = events.iter().rev().find_map(|e| match e {
            Event::Mark(mark) => Some(*mark as usize),
            _ => None,
        });
        let promise = &run.promises[mark.unwrap_or(0)];
        let open = Image::open_pieces(events) as u64;
        let single = open.min(12);
        let choices = [Choice::None, Choice::All]
            .into_iter()
            .chain((0..single).map(|n| Choice::AllBut(n * open / single)))
            .chain((0..single).map(|n| Choice::Only(n * open / single)))
            .chain((0..random_states).map(|n| Choice::Some(n << 32 | end as u64)));
        for choice in choices {
            let image = Image::after(events, choice);
            if !seen.insert((mark, image.clone())) {
                continue;
            }
            let scratch = tempfile::tempdir_in(place).unwrap();
            image.write_to(scratch.path());
            let verdict = judge(&scratch.path().join("made/store"), promise, run);
            if let Err(what) = verdict {
                let last = events.last();
                return (seen.len(), Some(format!("{choice:?} after {last:?}: {what}")));
            }
        }
    }
    (seen.len(), None)
}

#[test]
fn every_state_after_a_power_loss_keeps_the_contract() {
    let mut states = 0;
    for seed in 1..=12 {
        let reserve = [0, 4096, 1 << 16][seed as usize % 3];
        let run = run(seed, reserve);
        assert!(run.promises.len() > 30);
        let (count, broken) = replay(&run, &run.recording, 12);
        assert_eq!(broken, None, "seed {seed}, {reserve} bytes reserved");
        states += count;
    }
    assert!(states > 6000, "only {states} states were built");
}

// A replay that cannot find a missing sync proves nothing: each of the three kinds of sync is
// left out of the recording in turn.
#[test]
fn a_missing_sync_is_found() {
    let run = run(4, 4096);
    let is_data = |e: &Event| matches!(e, Event::Sync { .. });
    let store = Path::new("made/store");
    let is_dir = |e: &Event| matches!(e, Event::SyncDir { path } if path == store);
    let is_parent = |e: &Event| matches!(e, Event::SyncDir { path } if path != store);
    let kinds: [&dyn Fn(&Event) -> bool; 3] = [&is_data, &is_dir, &is_parent];
    for (kind, left_out) in kinds.into_iter().enumerate() {
        let without: Recording = run.recording.iter().filter(|e| !left_out(e)).cloned().collect();
        assert!(without.len() < run.recording.len());
        let (_, broken) = replay(&run, &without, 4);
        assert!(broken.is_some(), "kind {kind} of sync may be left out unnoticed");
    }
}
