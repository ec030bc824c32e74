//! The SiltDB engine.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::pedantic)]
#![allow(
    clippy::module_name_repetitions,
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::must_use_candidate
)]

extern crate alloc;

/// Whether a bug is planted; never, but in tests of the tests.
#[cfg(feature = "planted-bugs")]
macro_rules! planted {
    ($bug:ident) => {
        crate::planted::is(crate::planted::Bug::$bug)
    };
}
#[cfg(not(feature = "planted-bugs"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

pub mod batch;
pub mod buffer;
pub mod cache;
pub mod changes;
pub mod check;
pub mod compaction;
pub mod dump;
pub mod error;
mod file_id;
pub mod format;
pub mod host;
pub mod index;
pub mod indexing;
pub mod limits;
pub mod log;
pub mod memtable;
pub mod merge;
mod newest;
pub mod options;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod recovery;
pub mod salvage;
pub mod sealed;
pub mod segment_file;
pub mod snapshot;
mod sort;
pub mod stats;
pub mod storage;
pub mod store;
pub mod text;
pub mod types;
pub mod view;

pub use batch::{Batch, Condition, Operation};
pub use changes::Changes;
pub use check::check;
pub use compaction::{CompactionPlan, CompactionReport};
pub use dump::{DumpLine, DumpPart, dump_segment};
pub use error::{
    Corruption, Error, ErrorKind, Result, StorageError, StorageErrorKind, StorageFailure,
};
pub use host::Host;
pub use options::{CompactionOptions, Durability, Options, Retention};
pub use recovery::RecoveryReport;
pub use salvage::{Damage, SalvageReport, salvage};
pub use snapshot::{Sink, SnapshotReport, Source, restore};
pub use stats::{CheckReport, Problem, SegmentStats, Stats};
pub use store::{FullCompaction, Store};
pub use types::{Change, Changed, Commit, Progress, Record, ScanOptions, Version};
pub use view::{Diff, History, Scan, View};
