//! Clock and randomness of a JavaScript host: browser page, worker or Node.

use siltdb_core::host::Host;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// What JavaScript gives for a clock: `{ now(): number, random(): bigint }`.
    pub type Clock;

    /// Milliseconds since 1970, parts of them included.
    #[wasm_bindgen(method, structural)]
    fn now(this: &Clock) -> f64;

    /// Sixty-four random bits.
    #[wasm_bindgen(method, structural)]
    fn random(this: &Clock) -> u64;

    /// The CRC-32 of what had one, with bytes after it; there once `checksumBy` has it.
    #[wasm_bindgen(js_name = hostChecksum)]
    fn host_checksum(crc: u32, bytes: &[u8]) -> u32;
}

/// Has long checksums computed by JavaScript.
#[wasm_bindgen(js_name = useHostChecksum)]
pub fn use_host_checksum() {
    siltdb_core::format::long_checksums_by(host_checksum);
}

/// The engine's host over a [`Clock`].
pub struct JsHost {
    clock: Clock,
}

impl JsHost {
    /// The host of this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }
}

impl Host for JsHost {
    fn now_us(&self) -> u64 {
        // A clock set before 1970 reads as 0: the cast saturates.
        (self.clock.now() * 1_000.0) as u64
    }

    fn random_u64(&self) -> u64 {
        self.clock.random()
    }
}
