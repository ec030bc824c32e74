//! HTTP/1.1 with JSON.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;

use super::listen::{Conn, Listener};
use super::{Shared, limits};

/// Serves HTTP until the server stops.
pub async fn serve(listener: Listener, shared: Arc<Shared>) {
    let router = Router::new().route("/healthz", get(|| async { "ok\n" }));
    serve_router(listener, shared, router).await;
}

/// Serves the metrics alone until the server stops.
pub async fn serve_metrics(listener: Listener, shared: Arc<Shared>) {
    let router = Router::new().route("/healthz", get(|| async { "ok\n" }));
    serve_router(listener, shared, router).await;
}

async fn serve_router(listener: Listener, shared: Arc<Shared>, router: Router) {
    let context = Arc::clone(&shared);
    let handle = move |conn: Conn| {
        let (shared, router) = (Arc::clone(&context), router.clone());
        async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(limits::HEADER_TIME_MAX)
                .max_buf_size(limits::HEADER_BYTES_MAX.max(8 << 10));
            let service = TowerToHyperService::new(router);
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
