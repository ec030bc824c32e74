//! Compaction: rewriting sealed segments without what is no longer needed.
//!
//! It replaces a run of neighbours by one segment whose values stand in key order. What may be
//! dropped is `rules`' matter, which run is chosen `policy`'s, and `run` does the work by steps.

mod newer;
mod planner;
mod policy;
mod rules;
mod run;

pub use planner::Planner;
pub use policy::{CompactionPlan, plan_all};
pub use rules::{Fate, Rules};
pub use run::{Compacted, Compaction};

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// Runs of neighbours that were replaced.
    pub runs: u64,
    /// Bytes of the files that were replaced.
    pub input_bytes: u64,
    /// Bytes of the files that replace them.
    pub output_bytes: u64,
    /// Records that were dropped.
    pub dropped_records: u64,
}
