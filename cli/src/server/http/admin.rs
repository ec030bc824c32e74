//! The store as a whole: snapshot, compaction, figures, retention, health.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::CONTENT_DISPOSITION;
use http::{HeaderMap, HeaderValue};

use super::kv::check_writable;
use super::params::{self, Params};
use super::reply::{self, Form, Piece, Reply, SILT_SNAPSHOT};
use crate::Store;
use crate::json::{
    CompactionForm, PlanForm, RetainForm, SegmentForm, SnapshotForm, StatsForm, parse_rule, reason,
    rule_text,
};
use crate::server::Shared;
use crate::server::error::Failure;
use crate::server::stream::{self, Ended, Pieces};

/// Bytes of the longest body that sets the retention.
const RULE_BYTES_MAX: usize = 4 << 10;

/// A consistent copy of the whole store. The trailer `silt-snapshot` tells that it is whole.
pub async fn snapshot(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    Params::of(&request.into_parts().0, &[])?;
    let permit = shared.long_read()?;
    let store = shared.store.store().clone();
    let messages = stream::read(
        &shared,
        permit,
        |_: Vec<()>| Piece::Trailers(HeaderMap::new()),
        move |packer| {
            let mut pieces = Pieces::new(packer, Piece::Bytes);
            let copied = store.snapshot(&mut pieces, &mut |_| ());
            pieces.finish()?;
            let report = serde_json::to_string(&SnapshotForm::from(copied?)).unwrap_or_default();
            let mut trailers = HeaderMap::new();
            let report = HeaderValue::try_from(report)
                .map_err(|_| Ended::Failed(Failure::new("SILT_IO", "no report")))?;
            trailers.insert(SILT_SNAPSHOT, report);
            packer.send(Piece::Trailers(trailers), 0)
        },
    );
    let mut response = reply::flow(reply::BYTES, Form::Opaque, messages).await?;
    let name = HeaderValue::from_static("attachment; filename=\"store.silt\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// What compaction would do.
pub async fn plan(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    Params::of(&request.into_parts().0, &[])?;
    let plan = shared.long(Store::compaction_plan).await?;
    let plan: Vec<PlanForm> = plan.into_iter().map(PlanForm::from).collect();
    Ok(reply::json(&serde_json::json!({ "plan": plan })))
}

/// Compacts everything that is worth it.
pub async fn compact(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let parts = params::no_body(&shared, request).await?;
    Params::of(&parts, &[])?;
    check_writable(&shared)?;
    let report = shared.long(|store| store.compact(&mut |_| ())).await?;
    Ok(reply::json(&CompactionForm::from(report)))
}

/// Figures about the store.
pub async fn stats(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    Params::of(&request.into_parts().0, &[])?;
    let stats = shared.long(Store::stats).await?;
    Ok(reply::json(&StatsForm::from(stats)))
}

/// Figures about every live segment, oldest first.
pub async fn segments(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    Params::of(&request.into_parts().0, &[])?;
    let segments = shared.long(Store::segments).await?;
    let segments: Vec<SegmentForm> = segments.into_iter().map(SegmentForm::from).collect();
    Ok(reply::json(&serde_json::json!({ "segments": segments })))
}

fn rule(shared: &Shared) -> Response {
    reply::json(&RetainForm { retain: rule_text(shared.store.store().retention()) })
}

/// Which superseded versions compaction keeps.
pub async fn retention(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    Params::of(&request.into_parts().0, &[])?;
    Ok(rule(&shared))
}

/// Changes which superseded versions compaction keeps.
pub async fn set_retention(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    Params::of(&parts, &[])?;
    params::expect_type(&parts.headers, &["application/json"])?;
    check_writable(&shared)?;
    let too_long = |_| Failure::new("SILT_BATCH_TOO_LARGE", "the body is too long for a rule");
    let (text, _) = params::whole(&shared, &parts.headers, body, RULE_BYTES_MAX, too_long).await?;
    let form: RetainForm = serde_json::from_slice(&text).map_err(|e| Failure::input(reason(&e)))?;
    let rule_asked = parse_rule(&form.retain).map_err(Failure::input)?;
    rule_asked.validate()?;
    shared.long(move |store| store.set_retention(rule_asked)).await?;
    Ok(rule(&shared))
}

/// Whether the process is well: it can read and write.
pub async fn health(State(shared): State<Arc<Shared>>) -> Reply {
    if shared.is_poisoned() {
        return Err(Failure::new("SILT_POISONED", "the store can no longer write"));
    }
    Ok(reply::bytes(reply::TEXT, "ok\n"))
}

/// Whether requests should be sent here.
pub async fn ready(State(shared): State<Arc<Shared>>) -> Reply {
    if shared.stop.is_cancelled() {
        return Err(Failure::stopping());
    }
    health(State(shared)).await
}

/// What this interface is, as OpenAPI tells it.
pub async fn openapi() -> Response {
    reply::bytes(reply::JSON, include_str!("openapi.json"))
}
