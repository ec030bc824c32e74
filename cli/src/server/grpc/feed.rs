//! The change feed, in messages of gRPC.

use siltdb_core::ScanOptions;

use crate::server::feed;
use crate::server::stream::{Ended, Packer};
use crate::{Store, proto};

/// A change feed.
pub struct Feed {
    /// All that was committed up to it is told.
    pub since: u64,
    /// What is told.
    pub options: ScanOptions,
}

impl feed::Feed for Feed {
    type Record = proto::Changed;
    type Message = proto::ChangesResponse;

    fn tell(
        &mut self,
        store: &Store,
        packer: &mut Packer<proto::Changed, proto::ChangesResponse>,
    ) -> Result<(), Ended> {
        let changes = store.changes(self.since, &self.options)?;
        let until = changes.until();
        packer.push_all(changes, siltdb_core::Changed::size)?;
        self.since = self.since.max(until);
        Ok(())
    }

    fn heartbeat(&self) -> Option<proto::ChangesResponse> {
        None
    }
}
