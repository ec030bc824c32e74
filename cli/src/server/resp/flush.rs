//! FLUSHDB and FLUSHALL outside of transactions.

use std::io;

use siltdb_core::{Batch, ScanOptions};

use super::connection::{Connection, Work};
use super::reply::Trouble;
use super::session::Queued;
use super::table::Spec;
use crate::Store;
use crate::server::error::Failure;

/// Keys deleted by one commit.
const KEYS_MAX: usize = 100_000;
/// Bytes of a commit.
const BYTES_MAX: usize = 8 << 20;

/// Deletes of keys from one on, and where they go on.
fn deletes(store: &Store, from: Option<Vec<u8>>) -> siltdb_core::Result<(Batch, Option<Vec<u8>>)> {
    let options = ScanOptions { from, keys_only: true, ..ScanOptions::default() };
    let mut batch = Batch::new();
    for record in store.scan(&options)? {
        let key = record?.key;
        if batch.len() >= KEYS_MAX || batch.bytes_max() >= BYTES_MAX {
            return Ok((batch, Some(key)));
        }
        batch.delete(&key);
    }
    Ok((batch, None))
}

impl Connection {
    /// Deletes the keys there are, in one commit unless there are very many.
    pub(super) async fn flush(
        &mut self,
        mut work: Box<Work>,
        spec: &'static Spec,
        request: Queued,
    ) -> io::Result<Box<Work>> {
        let args = request.args();
        let is_right =
            args.count() == 1 || (args.count() == 2 && (args.is(1, "SYNC") || args.is(1, "ASYNC")));
        let outcome =
            if is_right { self.delete_all(&mut work).await } else { Err(Trouble::syntax()) };
        match outcome {
            Ok(()) => work.out.ok(),
            Err(trouble) => work.out.error(&trouble.0),
        }
        tracing::info!(command = spec.name, "all keys were deleted");
        Ok(work)
    }

    async fn delete_all(&self, work: &mut Work) -> Result<(), Trouble> {
        let mut from = None;
        loop {
            let permit = self.resp.shared.long_read()?;
            let store = work.txn.store().clone();
            let found = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                deletes(&store, from)
            });
            let (batch, next) = found.await.map_err(|_| Failure::stopping())??;
            if !batch.is_empty() {
                let commit = self.resp.shared.write(batch, work.session.durability).await?;
                work.session.last_commit = Some(commit);
            }
            match next {
                None => return Ok(()),
                next => from = next,
            }
        }
    }
}
