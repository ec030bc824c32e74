//! FLUSHDB and FLUSHALL outside of transactions.

use std::io;
use std::sync::Arc;

use siltdb_core::ScanOptions;

use super::commands::scan::check_flush;
use super::connection::Connection;
use super::dispatch::Work;
use super::reply::Trouble;
use super::session::Queued;
use super::spec::Spec;
use crate::server::deletes::{self, Deletes};
use crate::server::limits;

impl Connection {
    /// Deletes the keys there are, in one commit unless they are more than one can hold.
    pub(super) async fn flush(
        &mut self,
        mut work: Box<Work>,
        spec: &'static Spec,
        request: Queued,
    ) -> io::Result<Box<Work>> {
        let outcome = match check_flush(&request.args()) {
            Ok(()) => self.delete_all(&mut work).await,
            wrong => wrong,
        };
        match outcome {
            Ok(()) => {
                tracing::info!(command = spec.name, "all keys were deleted");
                work.out.ok();
            }
            Err(trouble) => work.out.error(&trouble.0),
        }
        Ok(work)
    }

    async fn delete_all(&self, work: &mut Work) -> Result<(), Trouble> {
        let shared = &self.resp.shared;
        let mut from = None;
        loop {
            let options = ScanOptions { from, keys_only: true, ..ScanOptions::default() };
            let budget = Arc::clone(&shared.budget);
            let max = limits::FLUSH_BYTES_MAX - limits::KEY_LEN_MAX;
            let found = shared.long(move |store| deletes::collect(store, &options, &budget, max));
            let Deletes { batch, next, held: _held } = found.await??;
            if !batch.is_empty() {
                let commit = shared.flush(batch, work.session.durability).await?;
                work.session.last_commit = Some(commit);
            }
            if next.is_none() {
                return Ok(());
            }
            from = next;
        }
    }
}
