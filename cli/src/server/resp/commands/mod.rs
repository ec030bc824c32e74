//! The commands. Each one reads and writes through the [`Txn`](super::txn::Txn) and answers into
//! the [`Reply`](super::reply::Reply).

pub mod client;
pub mod config;
pub mod counters;
pub mod expiry;
pub mod info;
pub mod keys;
pub mod meta;
pub mod past;
pub mod scan;
pub mod server;
pub mod strings;
pub mod table;

use super::spec::{Call, Outcome};
