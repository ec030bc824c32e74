//! `/v1/batch` and `/v1/sync`.

use std::sync::Arc;

use axum::extract::{Request, State};
use siltdb_core::{Batch, Durability};

use super::kv::check_writable;
use super::params::{self, Params};
use super::reply::{self, Reply};
use crate::json::{self, BatchForm, Part, SyncForm};
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
    let mut read = Read::default();
    if kind == JSON {
        read.document(&text)?
    } else {
        read.lines(&text)?
    }
    // What was read stands in the batch now.
    drop(text);
    let commit = shared.write(std::mem::take(&mut read.batch), durability).await;
    Ok(reply::commit(commit.map_err(|failure| read.placed(failure))?, None))
}

/// A batch as it is read.
#[derive(Default)]
struct Read {
    batch: Batch,
    /// Where operations and checks stand among all: a batch numbers the former first.
    operations: Vec<u64>,
    checks: Vec<u64>,
}

impl Read {
    fn document(&mut self, text: &[u8]) -> Result<(), Failure> {
        let form: BatchForm<'_> =
            serde_json::from_slice(text).map_err(|e| Failure::input(json::reason(&e)))?;
        form.operations.iter().try_for_each(|part| self.push(part.get().as_bytes()))
    }

    fn lines(&mut self, text: &[u8]) -> Result<(), Failure> {
        let mut lines = text.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines.try_for_each(|line| self.push(line))
    }

    fn push(&mut self, text: &[u8]) -> Result<(), Failure> {
        let number = (self.operations.len() + self.checks.len()) as u64;
        let at = |mut failure: Failure| {
            failure.details.push(("operation", number));
            failure
        };
        let part = json::part(text)
            .map_err(|reason| at(Failure::input(format!("operation {number}: {reason}"))))?;
        siltdb_core::batch::check_key(part.key()).map_err(|e| at(e.into()))?;
        match part {
            Part::Operation(_) => self.operations.push(number),
            Part::Check(..) => self.checks.push(number),
        }
        part.add_to(&mut self.batch);
        Ok(())
    }

    /// Says of a failure where in the request its operation stands.
    fn placed(&self, mut failure: Failure) -> Failure {
        for (name, number) in &mut failure.details {
            let all = self.operations.iter().chain(&self.checks);
            let place = usize::try_from(*number).ok().and_then(|at| all.copied().nth(at));
            if let Some(place) = place.filter(|_| *name == "operation") {
                *number = place;
            }
        }
        failure
    }
}

/// Makes all that was written before survive power loss.
pub async fn sync(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let parts = params::no_body(&shared, request).await?;
    Params::of(&parts, &[])?;
    shared.write(Batch::new(), Some(Durability::Synced)).await?;
    Ok(reply::json(&SyncForm { durable_seq: shared.store.store().durable_seq() }))
}
