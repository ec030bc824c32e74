//! The SiltDB engine.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::pedantic)]
#![allow(
    clippy::module_name_repetitions,
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation
)]

extern crate alloc;

pub mod batch;
pub mod cache;
pub mod error;
pub mod format;
pub mod host;
pub mod index;
pub mod limits;
pub mod memtable;
pub mod options;
pub mod storage;
