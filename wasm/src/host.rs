//! Clock and randomness of a JavaScript host: browser page, worker or Node.

use siltdb_core::host::Host;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    // Present in pages, workers and Node alike; fills the slice in place.
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn fill_random(bytes: &mut [u8]);
}

/// The clock of `Date.now` and the randomness of `crypto.getRandomValues`.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsHost;

impl Host for JsHost {
    fn now_us(&self) -> u64 {
        // Whole milliseconds. A clock set before 1970 reads as 0: the cast saturates.
        js_sys::Date::now() as u64 * 1_000
    }

    fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
