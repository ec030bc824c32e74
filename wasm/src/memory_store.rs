//! A store in memory, for JavaScript: nothing of it outlives the object.

use js_sys::Reflect;
use siltdb_core::error::Error;
use siltdb_core::options::{Options, Retention};
use siltdb_core::storage::MemoryStorage;
use siltdb_core::{ScanOptions, Store};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::JsHost;

/// The largest whole number that a JavaScript number holds exactly.
const NUMBER_MAX: f64 = 9_007_199_254_740_991.0;

/// A store in memory. Keys and values are `Uint8Array`; a seq is a number, and also the time of
/// the commit in microseconds since 1970.
#[wasm_bindgen]
pub struct MemoryStore {
    store: Store<MemoryStorage, JsHost>,
}

#[wasm_bindgen]
impl MemoryStore {
    /// An empty store. With `history` it keeps every version, without only the newest.
    ///
    /// # Errors
    /// Whatever the engine refuses, as an `Error` with a stable `code`.
    #[wasm_bindgen(constructor)]
    pub fn new(history: bool) -> Result<MemoryStore, JsValue> {
        let retention = if history { Retention::Forever } else { Retention::Latest };
        let options = Options { retention, ..Options::default() };
        let store = Store::open(MemoryStorage::new(), JsHost, options).map_err(thrown)?;
        Ok(Self { store })
    }

    /// Sets a key and gives the seq of the commit.
    ///
    /// # Errors
    /// A key or value out of bounds.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<f64, JsValue> {
        self.store.set(key, value).map(|commit| number(commit.seq)).map_err(thrown)
    }

    /// The newest value of a key, or `undefined`.
    ///
    /// # Errors
    /// Damage of the store.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, JsValue> {
        self.store.get(key).map_err(thrown)
    }

    /// The value that a key had at `seq`, or `undefined`.
    ///
    /// # Errors
    /// `SILT_HISTORY_GONE` when that moment is no longer held; `SILT_INVALID` when `seq` is not a
    /// whole number from 0 up.
    #[wasm_bindgen(js_name = getAt)]
    pub fn get_at(&mut self, key: &[u8], seq: f64) -> Result<Option<Vec<u8>>, JsValue> {
        let record = self.store.get_as_of(key, whole(seq).map_err(thrown)?).map_err(thrown)?;
        Ok(record.map(|record| record.value))
    }

    /// Deletes a key and gives the seq of the commit.
    ///
    /// # Errors
    /// A key out of bounds.
    pub fn delete(&mut self, key: &[u8]) -> Result<f64, JsValue> {
        self.store.delete(key).map(|commit| number(commit.seq)).map_err(thrown)
    }

    /// How many keys the store has whose bytes start with `prefix`; all for an empty one.
    ///
    /// # Errors
    /// Damage of the store.
    pub fn count(&mut self, prefix: &[u8]) -> Result<f64, JsValue> {
        let options = ScanOptions { prefix: Some(prefix.to_vec()), ..ScanOptions::default() };
        self.store.count(&options).map(number).map_err(thrown)
    }
}

/// Seqs and counts stay below 2^53 for the next 250 years, so that no bit is lost.
fn number(value: u64) -> f64 {
    value as f64
}

fn whole(seq: f64) -> Result<u64, Error> {
    if seq.fract() == 0.0 && (0.0..=NUMBER_MAX).contains(&seq) {
        Ok(seq as u64)
    } else {
        Err(Error::Invalid("a seq must be a whole number from 0 to 2^53 - 1"))
    }
}

/// The JavaScript `Error` of an engine's error: its message, and its stable code in `code`.
fn thrown(error: Error) -> JsValue {
    let thrown = js_sys::Error::new(&error.to_string());
    // A new object takes any property; were it refused, the message would still say it all.
    let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
    thrown.into()
}
