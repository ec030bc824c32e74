//! SiltDB for JavaScript hosts: the engine of `siltdb-core` compiled to WebAssembly.
//!
//! The engine runs over a storage that JavaScript implements ([`HostStorage`]) and takes its
//! clock and randomness from there ([`Clock`]). Requests come packed ([`wire`]), many operations
//! at a time, since crossing the border costs more than most operations. The TypeScript beside
//! this crate gives all of it a face.
#![forbid(unsafe_code)]
#![no_std]

extern crate alloc;
// Tests have its allocator and its panics with messages.
#[cfg(not(feature = "package"))]
extern crate std;

mod answer;
mod blocks;
mod engine;
mod host;
mod inspect;
mod json;
mod operation;
mod options;
#[cfg(feature = "package")]
mod runtime;
mod storage;
mod views;
pub mod wire;

pub use engine::Engine;
pub use host::{Clock, JsHost};
pub use storage::{HostStorage, JsStorage};
