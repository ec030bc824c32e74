//! A store in memory inside a JavaScript host: run by `wasm-bindgen-test-runner` under Node.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used)]

use js_sys::Reflect;
use siltdb_core::Host;
use siltdb_wasm::{JsHost, MemoryStore};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

const YEAR_US: u64 = 365 * 24 * 3_600 * 1_000_000;

fn code_of(error: JsValue) -> String {
    Reflect::get(&error, &"code".into()).unwrap().as_string().unwrap()
}

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
fn what_was_set_is_read_until_it_is_deleted() {
    let mut store = MemoryStore::new(false).unwrap();
    let first = store.set(b"river/elbe", b"1094").unwrap();
    let second = store.set(b"river/oder", b"840").unwrap();
    store.set(b"lake/constance", b"").unwrap();
    assert!(second > first && first > 50.0 * YEAR_US as f64);
    assert_eq!(store.get(b"river/elbe").unwrap().unwrap(), b"1094");
    assert_eq!(store.get(b"lake/constance").unwrap().unwrap(), b"");
    assert_eq!(store.get(b"river/rhine").unwrap(), None);
    assert_eq!((store.count(b"").unwrap(), store.count(b"river/").unwrap()), (3.0, 2.0));
    store.delete(b"river/elbe").unwrap();
    assert_eq!(store.get(b"river/elbe").unwrap(), None);
    assert_eq!((store.count(b"").unwrap(), store.count(b"river/").unwrap()), (2.0, 1.0));
}

#[wasm_bindgen_test]
fn the_past_is_read_as_of_a_seq() {
    let mut store = MemoryStore::new(true).unwrap();
    let set = store.set(b"key", b"old").unwrap();
    let overwritten = store.set(b"key", b"new").unwrap();
    let deleted = store.delete(b"key").unwrap();
    assert_eq!(store.get_at(b"key", set).unwrap().unwrap(), b"old");
    assert_eq!(store.get_at(b"key", overwritten).unwrap().unwrap(), b"new");
    assert_eq!(store.get_at(b"key", deleted - 1.0).unwrap().unwrap(), b"new");
    assert_eq!(store.get_at(b"key", deleted).unwrap(), None);
}

#[wasm_bindgen_test]
fn errors_carry_their_stable_code() {
    let mut store = MemoryStore::new(false).unwrap();
    assert_eq!(code_of(store.set(b"", b"value").unwrap_err()), "SILT_KEY_EMPTY");
    assert_eq!(code_of(store.set(&[0; 65_536], b"").unwrap_err()), "SILT_KEY_TOO_LONG");
    for seq in [-1.0, 0.5, f64::NAN, f64::INFINITY] {
        assert_eq!(code_of(store.get_at(b"key", seq).unwrap_err()), "SILT_INVALID", "{seq}");
    }
}
