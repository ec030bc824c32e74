//! `/v1/batch` and `/v1/sync`.

use std::sync::Arc;

use axum::extract::{Request, State};
use siltdb_core::{Batch, Durability};

use super::kv::check_writable;
use super::params::{self, Params};
use super::reply::{self, Reply};
use crate::json::{self, BatchForm, SyncForm};
use crate::server::Shared;
use crate::server::error::Failure;

const JSON: &str = "application/json";
const LINES: &[&str] = &[JSON, "application/x-ndjson", "application/jsonl"];

/// Commits operations together, or nothing of them.
pub async fn batch(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let durability = Params::of(&parts, &["durability"])?.durability()?;
    let kind = params::expect_type(&parts.headers, LINES)?;
    check_writable(&shared)?;
    let (text, _memory) = params::whole_batch(&shared, &parts.headers, body).await?;
    let batch = if kind == JSON { read_document(&text)? } else { read_lines(&text)? };
    // What was read stands in the batch now.
    drop(text);
    let commit = shared.write(batch, durability).await?;
    Ok(reply::commit(commit, None))
}

fn read_document(text: &[u8]) -> Result<Batch, Failure> {
    let form: BatchForm<'_> =
        serde_json::from_slice(text).map_err(|e| Failure::input(json::reason(&e)))?;
    let mut batch = Batch::new();
    for (i, operation) in form.operations.iter().enumerate() {
        push(&mut batch, operation.get().as_bytes(), i)?;
    }
    Ok(batch)
}

fn read_lines(text: &[u8]) -> Result<Batch, Failure> {
    let mut batch = Batch::new();
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for (i, line) in lines.enumerate() {
        push(&mut batch, line, i)?;
    }
    Ok(batch)
}

fn push(batch: &mut Batch, text: &[u8], i: usize) -> Result<(), Failure> {
    let at = |mut failure: Failure| {
        failure.details.push(("operation", i as u64));
        failure
    };
    let operation = json::operation(text)
        .map_err(|reason| at(Failure::input(format!("operation {i}: {reason}"))))?;
    siltdb_core::batch::check_key(&operation.key).map_err(|e| at(e.into()))?;
    batch.push(operation);
    Ok(())
}

/// Makes all that was written before survive power loss.
pub async fn sync(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let parts = params::no_body(&shared, request).await?;
    Params::of(&parts, &[])?;
    shared.write(Batch::new(), Some(Durability::Synced)).await?;
    Ok(reply::json(&SyncForm { durable_seq: shared.store.store().durable_seq() }))
}
