//! The protocol of Redis.

mod abuse;
mod access;
mod clients;
mod differential;
mod kill;
mod linear;
mod parser;
mod peer;
mod tools;
mod transactions;
