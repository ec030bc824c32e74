//! Deletes of all keys of a range.

use std::sync::Arc;

use siltdb_core::{Batch, ScanOptions};

use super::budget::{Budget, Held};
use super::error::Failure;
use crate::Store;

/// Memory of a delete beside its key, about.
const DELETE_BYTES: usize = 128;

/// Deletes that are one batch.
#[derive(Debug)]
pub struct Deletes {
    /// The deletes.
    pub batch: Batch,
    /// The first key that they leave, where the range has more than fit.
    pub next: Option<Vec<u8>>,
    /// The memory they take.
    pub held: Held,
}

/// Deletes of the keys of a range from its begin, up to so many bytes of a batch.
///
/// # Errors
/// What the store says; within, `SILT_BUSY` when they do not fit in the server's memory.
pub fn collect(
    store: &Store,
    options: &ScanOptions,
    budget: &Arc<Budget>,
    bytes_max: usize,
) -> siltdb_core::Result<Result<Deletes, Failure>> {
    let busy = || Failure::busy("requests fill the server's memory");
    let mut held = budget.nothing();
    let mut batch = Batch::new();
    for record in store.scan(options)? {
        let key = record?.key;
        if batch.bytes_max() >= bytes_max {
            return Ok(Ok(Deletes { batch, next: Some(key), held }));
        }
        if !held.grow(key.len() + DELETE_BYTES) {
            return Ok(Err(busy()));
        }
        batch.delete(&key);
    }
    Ok(Ok(Deletes { batch, next: None, held }))
}
