//! The server, through the real binary: what it answers, what it refuses, how it ends.
#![forbid(unsafe_code)]
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod abuse;
mod access;
#[cfg(target_os = "linux")]
mod bounded;
mod calls;
mod commands;
mod http;
mod kill;
mod linear;
#[cfg(target_os = "linux")]
mod poison;
mod reload;
mod resp;
mod schedule;
mod served;
#[allow(dead_code)]
#[path = "../cli/silt.rs"]
mod silt;
mod stop;
mod tls;
mod unit;
