//! SiltDB on native files.
#![deny(unsafe_code)]

#[cfg(feature = "async")]
mod async_store;
#[cfg(feature = "client")]
pub mod client;
pub mod engine;
#[cfg(feature = "client")]
pub mod json;
pub mod native;
#[cfg(feature = "client")]
pub mod proto;
#[cfg(feature = "async")]
mod rest;
#[cfg(feature = "server")]
pub mod server;
mod store;
#[cfg(feature = "client")]
pub mod time;
mod whole;

#[cfg(feature = "async")]
pub use async_store::{AsyncStore, Records};
pub use engine::Listening;
pub use siltdb_core::batch::{Batch, Condition, Operation};
pub use siltdb_core::error::{Error, ErrorKind, Result};
pub use siltdb_core::options::{CompactionOptions, Durability, Options, Retention};
pub use siltdb_core::{
    Change, Changed, CheckReport, Commit, CompactionPlan, CompactionReport, DumpLine, DumpPart,
    Progress, Record, SalvageReport, ScanOptions, SegmentStats, SnapshotReport, Stats, Version,
};
pub use store::{Changes, Diff, History, Scan, Store, View, WeakStore};
pub use whole::{check, dump_segment, restore, salvage};
