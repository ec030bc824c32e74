//! End-to-end tests: the real `silt` binary, run as a user runs it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bench;
mod data_set;
mod dump;
mod files;
mod kill;
mod million;
mod past;
mod place;
mod records;
mod salvage;
mod shell;
mod silt;
mod sweep;
mod time_travel;
