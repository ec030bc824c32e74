//! `silt del`.

use std::ffi::OsString;

use clap::Args;
use siltdb::{Batch, Durability, Options, ScanOptions};
use siltdb_core::batch::check_key;

use super::opened::Opened;
use super::set::DurabilityArgs;
use super::{CommitLine, Context, EncodingArgs};
use crate::numbers::counted;
use crate::output::{Failure, Outcome, Run};
use crate::text::Encoding;

/// Delete keys
#[derive(Debug, Args)]
pub struct Del {
    /// The keys.
    #[arg(value_name = "KEY", required_unless_present = "prefix", conflicts_with = "prefix")]
    keys: Vec<OsString>,
    /// Delete every key that starts with this, in one batch.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    prefix: Option<OsString>,
    /// Do delete by prefix; without it only the number of keys is told.
    #[arg(long, requires = "prefix")]
    yes: bool,
    #[command(flatten)]
    durability: DurabilityArgs,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl Del {
    /// Deletes in one batch. Keys that are absent already are not written about.
    pub fn run(self, context: &Context) -> Run {
        let mut options = Options { create: false, ..Options::default() };
        if let Some(prefix) = &self.prefix {
            let prefix = self.encoding.decode("--prefix", prefix)?;
            options.compaction.auto = self.yes;
            let store = context.open(options)?;
            let scan = ScanOptions { prefix: Some(prefix), ..ScanOptions::default() };
            if !self.yes {
                let count = store.count(&scan)?;
                return Err(Failure::usage(format!(
                    "this would delete {}; add --yes to do it",
                    counted(count, "key")
                ))
                .detail("count", count));
            }
            let batch = present_keys(&store, scan)?;
            return self.commit(context, store, &batch);
        }
        let mut keys = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let key = self.encoding.decode("KEY", key)?;
            check_key(&key).map_err(|e| context.failed(&e))?;
            keys.push(key);
        }
        keys.sort();
        keys.dedup();
        let store = context.open(options)?;
        let mut batch = Batch::new();
        for key in keys {
            if store.contains(&key)? {
                batch.delete(&key);
            }
        }
        self.commit(context, store, &batch)
    }

    fn commit(&self, context: &Context, store: Opened, batch: &Batch) -> Run {
        let durability = self.durability.or(Durability::Synced);
        let mut line = if batch.is_empty() {
            // Nothing to write: the newest state is the one asked for already.
            CommitLine { seq: store.last_seq()?, durability: durability.name(), deleted: None }
        } else {
            let commit = store.write(batch, Some(durability))?;
            CommitLine::new(&commit)
        };
        store.close()?;
        if context.json {
            line.deleted = Some(batch.len() as u64);
            let mut out = context.out(Encoding::Plain);
            out.value(&line)?;
            out.finish()?;
        }
        Ok(Outcome::Done)
    }
}

fn present_keys(store: &Opened, scan: ScanOptions) -> Run<Batch> {
    let scan = ScanOptions { keys_only: true, ..scan };
    let mut batch = Batch::new();
    for record in store.scan(&scan)? {
        batch.delete(&record?.key);
    }
    Ok(batch)
}
