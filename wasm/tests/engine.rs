//! The engine inside a JavaScript host, over memory and over a storage that JavaScript
//! implements: run by `wasm-bindgen-test-runner`, under Node or in a browser.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use siltdb_core::storage::MemoryStorage;
use siltdb_core::{Host, Options, ScanOptions, Store};
use siltdb_wasm::wire::{Reader, code, put_b, put_n, status};
use siltdb_wasm::{Clock, Engine, HostStorage, JsHost, JsStorage};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_test::wasm_bindgen_test;

const YEAR_US: u64 = 365 * 24 * 3_600 * 1_000_000;

#[wasm_bindgen(module = "/tests/host_storage.js")]
extern "C" {
    fn new_storage() -> HostStorage;
    fn new_clock() -> Clock;
    fn set_ready(storage: &HostStorage, ready: bool);
    fn set_failing(storage: &HostStorage, code: Option<String>);
    fn handles_open(storage: &HostStorage) -> u32;
}

fn host() -> JsHost {
    JsHost::new(new_clock())
}

fn set_request(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend([code::WRITE, 0, 1, 0]);
    put_b(out, key);
    put_b(out, value);
}

fn run(engine: &mut Engine, request: &[u8]) -> Result<Vec<u8>, JsValue> {
    let mut reply = Vec::new();
    engine.run(1, request, 0, &mut reply).map(|()| reply)
}

fn get_request(out: &mut Vec<u8>, key: &[u8]) {
    out.extend([code::GET, 0]);
    put_b(out, key);
}

fn skip_written(reply: &mut Reader<'_>) {
    assert_eq!(reply.u8(), status::OK);
    assert!(reply.n() > 50 * YEAR_US);
    assert_eq!((reply.u8(), reply.u8(), reply.n()), (2, 1, 1));
}

fn text_of(thrown: JsValue) -> String {
    thrown.as_string().unwrap()
}

#[wasm_bindgen_test]
fn the_clock_counts_microseconds_since_1970() {
    let now = host().now_us();
    assert!((50 * YEAR_US..200 * YEAR_US).contains(&now), "{now}");
}

#[wasm_bindgen_test]
fn random_numbers_differ_and_use_all_bits() {
    let host = host();
    let draws: Vec<u64> = (0..64).map(|_| host.random_u64()).collect();
    assert_eq!(draws.iter().fold(0, |bits, draw| bits | draw), u64::MAX);
    assert_eq!(draws.iter().fold(u64::MAX, |bits, draw| bits & draw), 0);
}

#[wasm_bindgen_test]
fn a_store_in_memory_and_one_in_javascript_answer_alike() {
    let options = Options { segment_bytes: 4096, ..Options::default() };
    let memory = MemoryStorage::new();
    let javascript = JsStorage::new(new_storage(), 1 << 20);
    for round in 0..3_u32 {
        let mut a = Store::open(memory.clone(), host(), options.clone()).unwrap();
        let mut b = Store::open(javascript.clone(), host(), options.clone()).unwrap();
        for i in 0..500_u32 {
            let key = format!("key/{}", (i * 7 + round) % 90);
            let value = format!("{round} {i}");
            if i % 5 == 0 {
                a.delete(key.as_bytes()).unwrap();
                b.delete(key.as_bytes()).unwrap();
            } else {
                a.set(key.as_bytes(), value.as_bytes()).unwrap();
                b.set(key.as_bytes(), value.as_bytes()).unwrap();
            }
        }
        if round == 1 {
            a.compact(&mut |_| {}).unwrap();
            b.compact(&mut |_| {}).unwrap();
        }
        let all = ScanOptions::default();
        let told = |(key, value): (Vec<u8>, Vec<u8>)| (key, value);
        let in_a: Vec<_> =
            a.scan(&all).unwrap().map(|r| r.map(|r| told((r.key, r.value))).unwrap()).collect();
        let in_b: Vec<_> =
            b.scan(&all).unwrap().map(|r| r.map(|r| told((r.key, r.value))).unwrap()).collect();
        assert!(in_a.len() > 40);
        assert_eq!(in_a, in_b);
        a.close().unwrap();
        b.close().unwrap();
    }
}

#[wasm_bindgen_test]
fn scans_of_a_growing_log_see_all_of_it() {
    let storage = JsStorage::new(new_storage(), 1 << 20);
    let mut store = Store::open(storage, host(), Options::default()).unwrap();
    let mut model = BTreeMap::new();
    let mut state = 5_u64;
    for i in 0..6_000_u32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = format!("key/{}", (state >> 33) % 900).into_bytes();
        let value = vec![i as u8; (state >> 50) as usize % 300];
        store.set(&key, &value).unwrap();
        model.insert(key.clone(), value);
        if i % 400 == 0 || i > 5_990 {
            let from = ScanOptions { from: Some(key.clone()), ..ScanOptions::default() };
            for options in [from, ScanOptions { reverse: true, ..ScanOptions::default() }] {
                let found = store.scan(&options).unwrap().map(|r| r.map(|r| (r.key, r.value)));
                let found: Vec<_> = found.collect::<Result<_, _>>().unwrap();
                let mut all: Vec<_> = model.clone().into_iter().collect();
                if options.reverse {
                    all.reverse();
                } else {
                    all.retain(|(k, _)| *k >= key);
                }
                assert!(found == all, "after {i}");
            }
        }
    }
}

#[wasm_bindgen_test]
fn packed_requests_are_answered_and_survive_a_reopening() {
    let storage = new_storage();
    let mut engine = Engine::open(storage.clone(), &[], new_clock()).unwrap();
    let mut request = Vec::new();
    set_request(&mut request, b"river/elbe", b"1094");
    get_request(&mut request, b"river/elbe");
    get_request(&mut request, b"river/oder");
    let reply = run(&mut engine, &request).unwrap();
    assert_eq!(engine.position(), request.len());
    let mut reply = Reader::new(&reply, 0);
    skip_written(&mut reply);
    assert_eq!((reply.u8(), reply.b()), (status::OK, &b"1094"[..]));
    assert!(reply.n() > 0 && reply.n() == 0);
    assert_eq!(reply.u8(), status::ABSENT);
    assert!(reply.is_done());
    engine.close().unwrap();
    assert_eq!(handles_open(&storage), 0);
    let mut engine = Engine::open(storage.clone(), &[], new_clock()).unwrap();
    request.clear();
    get_request(&mut request, b"river/elbe");
    let reply = run(&mut engine, &request).unwrap();
    assert_eq!(reply.get(..6), Some(&[status::OK, 4, b'1', b'0', b'9', b'4'][..]));
}

#[wasm_bindgen_test]
fn a_request_waits_while_the_storage_is_not_ready() {
    let storage = new_storage();
    let mut engine = Engine::open(storage.clone(), &[], new_clock()).unwrap();
    let mut request = Vec::new();
    set_request(&mut request, b"key", b"value");
    set_ready(&storage, false);
    assert!(run(&mut engine, &request).unwrap().is_empty());
    assert_eq!(engine.position(), 0);
    set_ready(&storage, true);
    let reply = run(&mut engine, &request).unwrap();
    skip_written(&mut Reader::new(&reply, 0));
    assert_eq!(engine.position(), request.len());
}

#[wasm_bindgen_test]
fn what_the_storage_throws_comes_back_with_its_code() {
    let storage = new_storage();
    let mut engine = Engine::open(storage.clone(), &[], new_clock()).unwrap();
    let mut request = Vec::new();
    set_request(&mut request, b"key", b"value");
    run(&mut engine, &request).unwrap();
    set_failing(&storage, Some("SILT_OUT_OF_SPACE".to_owned()));
    let reply = run(&mut engine, &request).unwrap();
    let mut reply = Reader::new(&reply, 0);
    assert_eq!((reply.u8(), reply.b()), (status::ERROR, &b"SILT_OUT_OF_SPACE"[..]));
    let message = String::from_utf8(reply.b().to_vec()).unwrap();
    assert!(message.contains("made by the test"), "{message}");
    set_failing(&storage, None);
    // What reached the file is unknown: no more writing, but reading.
    let reply = run(&mut engine, &request).unwrap();
    let mut reply = Reader::new(&reply, 0);
    assert_eq!((reply.u8(), reply.b()), (status::ERROR, &b"SILT_POISONED"[..]));
    request.clear();
    get_request(&mut request, b"key");
    assert_eq!(run(&mut engine, &request).unwrap()[0], status::OK);
    assert!(text_of(engine.close().unwrap_err()).starts_with("SILT_POISONED: "));
    assert_eq!(handles_open(&storage), 0);
}

#[wasm_bindgen_test]
fn keys_are_set_by_lengths_and_bytes_and_the_last_of_one_wins() {
    let mut engine = Engine::open(new_storage(), &[], new_clock()).unwrap();
    let mut request = vec![code::SET_MANY, 0, 3, 1, 1, 2, 0, 1, 2];
    request.extend(b"a1bba23");
    for (key, value) in [(&b"a"[..], &b"23"[..]), (b"bb", b"")] {
        get_request(&mut request, key);
        let reply = run(&mut engine, &request).unwrap();
        request.truncate(16);
        let mut reply = Reader::new(&reply, 0);
        assert_eq!(reply.u8(), status::OK);
        let (seq, _, _, count) = (reply.n(), reply.u8(), reply.u8(), reply.n());
        assert_eq!((count, reply.u8(), reply.b(), reply.n()), (3, status::OK, value, seq));
    }
}

#[wasm_bindgen_test]
fn requests_that_are_none_are_refused() {
    let mut engine = Engine::open(new_storage(), &[], new_clock()).unwrap();
    for request in [&[0][..], &[99], &[code::GET], &[code::GET, 0, 5, b'k'], &[code::WRITE, 9, 0]] {
        let thrown = text_of(run(&mut engine, request).unwrap_err());
        assert!(thrown.starts_with("SILT_INVALID: "), "{thrown}");
    }
    // Lengths without bytes, and more of them than there could be.
    for rest in [&[0, 1, 1, 1][..], &[0, 1, 1, 2, b'k', b'v'], &[0, 1, 9], &[0, 0xff, 0xff, 0x7f]] {
        let request = [&[code::SET_MANY], rest].concat();
        assert!(text_of(run(&mut engine, &request).unwrap_err()).starts_with("SILT_INVALID: "));
    }
    let mut endless = vec![code::SET_MANY, 0];
    put_n(&mut endless, (1 << 53) - 1);
    assert!(run(&mut engine, &endless).is_err());
    let mut long = vec![code::HISTORY];
    put_b(&mut long, b"key");
    long.extend([0xff; 9]);
    assert!(run(&mut engine, &long).is_err());
    assert!(Engine::open(new_storage(), &[77, 0], new_clock()).is_err());
}

#[wasm_bindgen_test]
fn numbers_round_trip_up_to_the_largest() {
    let mut bytes = Vec::new();
    let numbers = [0, 1, 127, 128, 16_383, 16_384, (1 << 53) - 1];
    for number in numbers {
        put_n(&mut bytes, number);
    }
    let mut reader = Reader::new(&bytes, 0);
    for number in numbers {
        assert_eq!(reader.n(), number);
    }
    bytes.clear();
    put_n(&mut bytes, 1 << 53);
    let mut reader = Reader::new(&bytes, 0);
    reader.n();
    assert!(reader.is_malformed() && reader.is_done());
}
