//! SiltDB for JavaScript hosts: the engine of `siltdb-core` compiled to WebAssembly.
#![forbid(unsafe_code)]

mod host;

pub use host::JsHost;
