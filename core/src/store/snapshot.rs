//! A snapshot of a single-owner store.

use super::Store;
use crate::error::Result;
use crate::host::Host;
use crate::snapshot::{self, Sink, SnapshotReport};
use crate::storage::Storage;
use crate::types::Progress;

impl<S: Storage, H: Host> Store<S, H> {
    /// Writes the whole store, history included, into `sink`. The active segment is sealed first.
    ///
    /// # Errors
    /// The sink's failure; as [`Store::seal`]. A failed sink leaves the store as it is.
    ///
    /// # Crash behaviour
    /// As [`Store::seal`]. What the sink has taken until then does not restore.
    pub fn snapshot(
        &mut self,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SnapshotReport> {
        self.seal()?;
        snapshot::write(&self.manifest, &self.sealed, self.last_seq, sink, progress)
    }
}
