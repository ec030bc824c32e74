//! What the server does by itself: snapshots and compactions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;

/// When snapshots and compactions are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Where snapshots go.
    pub snapshot_dir: Option<PathBuf>,
    /// How often one is made.
    pub snapshot_every: Option<Duration>,
    /// How many of them are kept.
    pub snapshot_keep: Option<usize>,
    /// How often everything worth it is compacted.
    pub compact_every: Option<Duration>,
    /// The second of the day (UTC) at which everything worth it is compacted.
    pub compact_at: Option<u32>,
}

impl Schedule {
    /// Checks that it fits together.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        let wants_snapshots = self.snapshot_every.is_some() || self.snapshot_keep.is_some();
        if self.snapshot_dir.is_none() && wants_snapshots {
            return Err(String::from("--snapshot-every and --snapshot-keep need --snapshot-dir"));
        }
        Ok(())
    }
}

/// Begins what is scheduled.
pub fn start(_shared: &Arc<Shared>) {}
