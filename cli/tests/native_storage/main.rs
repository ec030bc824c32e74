//! The native backend: what the storage contract asks of it, and a host that does not cooperate.
#![allow(clippy::unwrap_used)]
#![forbid(unsafe_code)]

#[cfg(unix)]
mod child;
mod concurrent;
mod contract;
#[cfg(unix)]
mod hostility;

use siltdb::native::{NativeOptions, NativeStorage};
use siltdb_core::storage::FileId;
use tempfile::TempDir;

fn options(map: bool) -> NativeOptions {
    NativeOptions { map, ..NativeOptions::default() }
}

/// An empty store directory that goes with the test.
fn fresh(map: bool) -> (TempDir, NativeStorage) {
    let dir = tempfile::tempdir().unwrap();
    let storage = NativeStorage::open(dir.path(), options(map)).unwrap();
    (dir, storage)
}

const SEGMENT: FileId = FileId::segment(1);
const MANIFEST: FileId = FileId::manifest(1);
