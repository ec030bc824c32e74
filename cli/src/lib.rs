//! SiltDB on native files.
#![deny(unsafe_code)]

pub mod native;
mod store;

pub use siltdb_core::batch::{Batch, Condition, Operation};
pub use siltdb_core::error::{Error, Result};
pub use siltdb_core::options::{CompactionOptions, Durability, Options, Retention};
pub use siltdb_core::{
    Change, Commit, CompactionPlan, CompactionReport, Progress, Record, ScanOptions, SegmentStats,
    Stats, Version,
};
pub use store::{Diff, Scan, Store, View};
