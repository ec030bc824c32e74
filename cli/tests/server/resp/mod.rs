//! The protocol of Redis.

mod abuse;
mod access;
mod clients;
mod differential;
mod flush;
mod kill;
mod parser;
pub mod peer;
mod tools;
mod transactions;
