//! SiltDB for JavaScript hosts: the engine of `siltdb-core` compiled to WebAssembly.
#![forbid(unsafe_code)]

mod host;
mod memory_store;

pub use host::JsHost;
pub use memory_store::MemoryStore;
