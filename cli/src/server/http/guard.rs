//! What every request passes on its way in and out: `Host` and `Origin`, the token, counters, and
//! the headers of every reply.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use tower_service::Service as _;

use super::reply::{self, UnderWayBody};
use crate::server::auth::{Access, Action};
use crate::server::conn::ConnInfo;
use crate::server::error::Failure;
use crate::server::metrics::Op;
use crate::server::{Protocol, Shared, limits};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const ANY_METHOD: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE");
const ASKED_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-match, if-none-match, last-event-id");
const TOLD_HEADERS: HeaderValue =
    HeaderValue::from_static("etag, silt-seq, silt-durability, silt-expires, x-request-id");
/// Replies shorter than this are written at once: the request need not be kept under way for them.
const SHORT: u64 = 16 << 10;

/// The guard of one connection.
pub struct Guard {
    shared: Arc<Shared>,
    info: ConnInfo,
    router: Router,
    count: AtomicU64,
    /// Metrics alone are for everybody who reaches their port.
    is_open: bool,
}

impl Guard {
    /// A guard before `router`.
    pub fn new(shared: Arc<Shared>, info: ConnInfo, router: Router, is_open: bool) -> Self {
        Self { shared, info, router, count: AtomicU64::new(0), is_open }
    }

    /// Answers a request.
    pub async fn answer(&self, mut request: Request<Incoming>) -> Response {
        let begun = Instant::now();
        let (op, action) = rule(request.method(), request.uri().path());
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let under_way = self.info.begin();
        let admitted = self.admit(&mut request, action);
        let is_preflight = admitted.is_ok() && *request.method() == Method::OPTIONS;
        let origin = match &admitted {
            Ok(origin) => origin.clone(),
            Err(_) => None,
        };
        let mut response = match admitted {
            Err(failure) => failure.into_response(),
            Ok(Some(_)) if is_preflight => preflight(),
            Ok(_) => {
                let mut router = self.router.clone();
                let Ok(response) = router.call(request.map(Body::new)).await;
                response
            }
        };
        let failure = response.extensions_mut().remove::<Failure>();
        if let Some(failure) = &failure {
            self.problem(failure, id, &mut response);
        }
        self.head(response.headers_mut(), id, origin);
        let code = failure.as_ref().map(|failure| failure.code);
        self.shared.metrics.answered(Protocol::Http, op, begun.elapsed(), code);
        let status = response.status().as_u16();
        tracing::debug!(connection = self.info.id, id, op = op.name(), status, "request");
        let is_short = response.body().size_hint().exact().is_some_and(|len| len < SHORT);
        match under_way {
            Some(under_way) if !is_short => {
                response.map(|body| UnderWayBody::around(body, under_way))
            }
            _ => response,
        }
    }

    /// Lets a request in that may pass; gives the origin that may read the reply.
    fn admit(
        &self,
        request: &mut Request<Incoming>,
        action: Option<Action>,
    ) -> Result<Option<HeaderValue>, Failure> {
        self.check_host(request)?;
        let origin = self.check_origin(request.headers())?;
        let is_preflight = origin.is_some() && *request.method() == Method::OPTIONS;
        let access = match action {
            Some(action) if self.shared.auth.is_on() && !self.is_open && !is_preflight => {
                let header = request.headers().get(header::AUTHORIZATION);
                let address = self.info.peer.ip();
                let access =
                    self.shared.auth.with_header(address, header.map(HeaderValue::as_bytes));
                let access = access.inspect_err(|_| {
                    self.shared.metrics.auth_failures.fetch_add(1, Ordering::Relaxed);
                })?;
                access.check(action)?;
                access
            }
            _ => Access::of_everybody(),
        };
        request.extensions_mut().insert(access);
        Ok(origin)
    }

    /// A page of another site must not reach this server by a name of its own (DNS rebinding).
    fn check_host(&self, request: &Request<Incoming>) -> Result<(), Failure> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => self.check_name(host.to_str().unwrap_or_default())?,
            (None, _) if request.version() == Version::HTTP_10 => {}
            _ => return Err(Failure::input("a request has one Host header")),
        }
        match request.uri().authority() {
            Some(authority) => self.check_name(authority.as_str()),
            None => Ok(()),
        }
    }

    fn check_name(&self, host: &str) -> Result<(), Failure> {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _)) => name,
            None => host.split_once(':').map_or(host, |(name, _)| name),
        };
        // An address is no name that somebody else could point here.
        let is_known = name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.shared.config.allowed_hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        if is_known {
            return Ok(());
        }
        let message = "the Host header has a name that is not this server's; see --allow-host";
        Err(Failure::new("SILT_BAD_HOST", message))
    }

    /// A page of another site must not use this server, unless it was allowed to.
    fn check_origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Failure> {
        let refused = || {
            let message = "pages of this origin may not use the server; see --cors-origin";
            Failure::new("SILT_BAD_ORIGIN", message)
        };
        let Some(origin) = headers.get(header::ORIGIN) else {
            // Browsers leave the origin out of some requests, and tell this instead.
            return match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
                Some(b"cross-site" | b"same-site") => Err(refused()),
                _ => Ok(None),
            };
        };
        let allowed = &self.shared.config.cors_origins;
        if allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
            return Ok(Some(origin.clone()));
        }
        let scheme: &[u8] = if self.shared.tls.is_some() { b"https://" } else { b"http://" };
        let own = origin.as_bytes().strip_prefix(scheme);
        // The host was checked before: this page came from here.
        match (own, headers.get(header::HOST)) {
            (Some(own), Some(host)) if own.eq_ignore_ascii_case(host.as_bytes()) => Ok(None),
            _ => Err(refused()),
        }
    }

    fn problem(&self, failure: &Failure, id: u64, response: &mut Response) {
        let problem = failure.problem(Some(&format!("{}-{id}", self.info.id)));
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, reply::PROBLEM);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match response.status() {
            StatusCode::UNAUTHORIZED => {
                let bearer = HeaderValue::from_static("Bearer realm=\"silt\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = limits::AUTH_FAILURES_TIME.as_secs();
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(header::RETRY_AFTER, 1_u64.into());
            }
            _ => {}
        }
        *response.body_mut() = Body::from(problem);
    }

    /// The headers of every reply.
    fn head(&self, headers: &mut HeaderMap, id: u64, origin: Option<HeaderValue>) {
        let id = HeaderValue::try_from(format!("{}-{id}", self.info.id));
        if let Ok(id) = id {
            headers.insert(REQUEST_ID, id);
        }
        let no_sniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, no_sniff);
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        if !self.shared.config.cors_origins.is_empty() {
            headers.insert(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, TOLD_HEADERS);
            headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        }
    }
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ANY_METHOD);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ASKED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// What a request is counted as, and what it takes to be let in; `None` for what everybody may.
fn rule(method: &Method, path: &str) -> (Op, Option<Action>) {
    let (read, write, admin) = (Some(Action::Read), Some(Action::Write), Some(Action::Admin));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if path.starts_with("/v1/kv/") {
        return match *method {
            Method::PUT => (Op::Set, write),
            Method::DELETE => (Op::Delete, write),
            _ => (Op::Get, read),
        };
    }
    match path {
        "/v1/kv" if *method == Method::DELETE => (Op::Delete, write),
        "/v1/kv" | "/v1/scan" => (Op::Scan, read),
        "/v1/get" => (Op::Get, read),
        "/v1/count" => (Op::Count, read),
        "/v1/diff" => (Op::Diff, read),
        "/v1/history" => (Op::History, read),
        "/v1/batch" => (Op::Batch, write),
        "/v1/sync" => (Op::Other, write),
        "/v1/changes" => (Op::Changes, read),
        "/v1/snapshot" => (Op::Snapshot, admin),
        "/v1/compact" => (Op::Compact, admin),
        "/v1/stats" | "/v1/segments" | "/metrics" => (Op::Stats, read),
        "/v1/retention" if reads => (Op::Other, read),
        "/v1/retention" => (Op::Other, admin),
        "/healthz" | "/readyz" | "/openapi.json" => (Op::Other, None),
        _ if path.starts_with("/v1/history/") => (Op::History, read),
        // There is nothing here; who has no token is not told so.
        _ => (Op::Other, read),
    }
}
