//! HTTP/1.1: records as bytes, everything else as JSON, errors as problem documents (RFC 9457).
//! What there is, and what it takes, stands in `openapi.json`.

mod admin;
mod batch;
mod changes;
mod cursor;
mod guard;
mod kv;
mod lines;
mod metrics;
mod params;
mod reply;
mod scan;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use self::guard::Guard;
use super::conn::Conn;
use super::error::Failure;
use super::listen::Listener;
use super::{Shared, limits};

/// Bytes that are read of a connection ahead of what is made of them.
const READ_BYTES_MAX: usize = 64 << 10;

/// Serves HTTP until the server stops.
pub async fn serve(listener: Listener, shared: Arc<Shared>) {
    let router = router(&shared);
    serve_router(listener, shared, router, false).await;
}

/// Serves the metrics alone until the server stops. They need no token.
pub async fn serve_metrics(listener: Listener, shared: Arc<Shared>) {
    let router = Router::new()
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(admin::health))
        .route("/readyz", get(admin::ready));
    let router = with_fallbacks(router).with_state(Arc::clone(&shared));
    serve_router(listener, shared, router, true).await;
}

fn router(shared: &Arc<Shared>) -> Router {
    let router = Router::new()
        .route("/v1/kv/{*key}", get(kv::get).put(kv::put).delete(kv::delete))
        .route("/v1/kv/", get(kv::get).put(kv::put).delete(kv::delete))
        .route("/v1/kv", get(scan::scan).delete(scan::delete))
        .route("/v1/get", post(kv::post_get))
        .route("/v1/scan", post(scan::scan))
        .route("/v1/count", get(scan::count).post(scan::count))
        .route("/v1/diff", get(scan::diff).post(scan::diff))
        .route("/v1/history/{*key}", get(scan::history))
        .route("/v1/history", post(scan::post_history))
        .route("/v1/batch", post(batch::batch))
        .route("/v1/sync", post(batch::sync))
        .route("/v1/changes", get(changes::changes).post(changes::changes))
        .route("/v1/snapshot", get(admin::snapshot))
        .route("/v1/compact", get(admin::plan).post(admin::compact))
        .route("/v1/stats", get(admin::stats))
        .route("/v1/segments", get(admin::segments))
        .route("/v1/retention", get(admin::retention).put(admin::set_retention))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(admin::health))
        .route("/readyz", get(admin::ready))
        .route("/openapi.json", get(admin::openapi));
    with_fallbacks(router).with_state(Arc::clone(shared))
}

fn with_fallbacks(router: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    router
        .fallback(|| async {
            Failure::new("SILT_ROUTE_NOT_FOUND", "there is nothing here; see /openapi.json")
        })
        .method_not_allowed_fallback(|| async {
            Failure::new("SILT_METHOD_NOT_ALLOWED", "this does not take the method; see Allow")
        })
}

async fn serve_router(listener: Listener, shared: Arc<Shared>, router: Router, is_open: bool) {
    let context = Arc::clone(&shared);
    let handle = move |conn: Conn| {
        let (shared, router) = (Arc::clone(&context), router.clone());
        async move {
            let info = conn.info().clone();
            let guard = Arc::new(Guard::new(Arc::clone(&shared), info, router, is_open));
            let service = service_fn(move |request| {
                let guard = Arc::clone(&guard);
                async move { Ok::<_, Infallible>(guard.answer(request).await) }
            });
            let mut http = http1::Builder::new();
            // The connection itself looks after the time that a head takes.
            http.header_read_timeout(None)
                .max_header_size(limits::HEADER_BYTES_MAX)
                .max_buf_size(READ_BYTES_MAX);
            let connection = http.serve_connection(TokioIo::new(conn), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shared.stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP connection failed");
            }
        }
    };
    listener.serve(shared, handle).await;
}
