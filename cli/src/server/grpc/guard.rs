//! What every call passes on its way in and out: the token, the limits on its body, counters.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Answer, status};
use crate::server::auth::Access;
use crate::server::body::Limited;
use crate::server::conn::ConnInfo;
use crate::server::error::Failure;
use crate::server::metrics::Op;
use crate::server::{Protocol, Shared};

/// Puts [`Guard`] before a service.
#[derive(Debug, Clone)]
pub struct GuardLayer {
    pub(super) shared: Arc<Shared>,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { shared: Arc::clone(&self.shared), inner }
    }
}

/// Lets calls through that may pass.
#[derive(Debug, Clone)]
pub struct Guard<S> {
    shared: Arc<Shared>,
    inner: S,
}

type Answering =
    Pin<Box<dyn Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answering {
        let begun = Instant::now();
        let op = op_of(request.uri().path());
        let access = self.access(&request);
        let shared = Arc::clone(&self.shared);
        let access = match access {
            Ok(access) => access,
            Err(failure) => {
                shared.metrics.answered(Protocol::Grpc, op, begun.elapsed(), Some(failure.code));
                // The body is not read: who has no token makes the server hold nothing.
                let response = status(&failure).into_http();
                return Box::pin(std::future::ready(Ok(response)));
            }
        };
        request.extensions_mut().insert(access);
        let (parts, body) = request.into_parts();
        let (body, memory) = Limited::new(body, &shared.budget);
        let body = Body::new(body.map_err(|failure| status(&failure)));
        let answering = self.inner.call(Request::from_parts(parts, body));
        Box::pin(async move {
            let Ok(mut response) = answering.await;
            let headers = response.headers();
            let code = headers.get("silt-code").map(|code| code.to_str().unwrap_or_default());
            let code = code.or_else(|| headers.get("grpc-status").map(|_| ""));
            shared.metrics.answered(Protocol::Grpc, op, begun.elapsed(), code);
            drop(memory);
            if let Some(answer) = response.extensions_mut().remove::<Answer>() {
                return Ok(response.map(|body| Body::new(Held { body, _answer: answer })));
            }
            Ok(response)
        })
    }
}

impl<S> Guard<S> {
    fn access(&self, request: &Request<Body>) -> Result<Access, Failure> {
        // Whoever watches over the server needs no token, and learns only whether it serves.
        if !self.shared.auth.is_on() || request.uri().path().starts_with("/grpc.health.v1.") {
            return Ok(Access::of_everybody());
        }
        let peer = request.extensions().get::<ConnInfo>();
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.peer.ip());
        let header = request.headers().get(http::header::AUTHORIZATION);
        let access = self.shared.auth.with_header(address, header.map(|value| value.as_bytes()));
        if access.is_err() {
            self.shared.metrics.auth_failures.fetch_add(1, Ordering::Relaxed);
        }
        access
    }
}

fn op_of(path: &str) -> Op {
    match path.strip_prefix("/silt.v1.Silt/") {
        Some("Get") => Op::Get,
        Some("Set") => Op::Set,
        Some("Delete") => Op::Delete,
        Some("Batch") => Op::Batch,
        Some("Scan") => Op::Scan,
        Some("Count") => Op::Count,
        Some("History") => Op::History,
        Some("Changes") => Op::Changes,
        Some("Diff") => Op::Diff,
        Some("Compact") => Op::Compact,
        Some("Snapshot") => Op::Snapshot,
        Some("Stats") => Op::Stats,
        _ => Op::Other,
    }
}

/// A body that holds its memory until it is sent.
struct Held {
    body: Body,
    _answer: Answer,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
