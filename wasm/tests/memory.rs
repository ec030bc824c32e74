//! The engine's parts inside a JavaScript host: run by `wasm-bindgen-test-runner` under Node.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used)]

use siltdb_core::host::Host;
use siltdb_core::storage::{Append, FileId, MemoryStorage, ReadAt, Storage};
use siltdb_wasm::JsHost;
use wasm_bindgen_test::wasm_bindgen_test;

const YEAR_US: u64 = 365 * 24 * 3_600 * 1_000_000;

#[wasm_bindgen_test]
fn the_clock_counts_microseconds_since_1970() {
    let now = JsHost.now_us();
    assert!((50 * YEAR_US..200 * YEAR_US).contains(&now), "{now}");
}

#[wasm_bindgen_test]
fn random_numbers_differ_and_use_all_bits() {
    let draws: Vec<u64> = (0..64).map(|_| JsHost.random_u64()).collect();
    assert_eq!(draws.iter().fold(0, |bits, draw| bits | draw), u64::MAX);
    assert_eq!(draws.iter().fold(u64::MAX, |bits, draw| bits & draw), 0);
}

#[wasm_bindgen_test]
fn a_memory_file_reads_back_what_was_appended() {
    let storage = MemoryStorage::new();
    let id = FileId::segment(1);
    let mut appender = storage.create(id).unwrap();
    appender.append(b"silt").unwrap();
    appender.append(b"db").unwrap();
    appender.sync().unwrap();
    let reader = storage.open(id).unwrap();
    let mut bytes = [0; 6];
    reader.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"siltdb");
    assert!(reader.read_at(1, &mut bytes).is_err());
}
