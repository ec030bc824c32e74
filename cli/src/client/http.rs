//! Calls by HTTP.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use siltdb_core::{
    Batch, Change, Changed, Commit, CompactionReport, Durability, Record, Retention, ScanOptions,
    SegmentStats, Stats, Version,
};

use super::answers::{Answers, Piece};
use super::connect::{self, Connector};
use super::error::{ClientError, Result, causes};
use super::parts::{Lines, Snapshot, event, line};
use super::problem::{bad_reply, problem};
use super::{CompactionPlan, ConnectOptions};
use crate::json::{
    self, CommitForm, CompactionForm, CountForm, PlanForm, RetainForm, SegmentForm, StatsForm,
    SyncForm, parse_rule, rule_text,
};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
/// A connection not used for so long is not used again: the server may be about to close it.
const POOL_TIME_MAX: Duration = Duration::from_secs(5);
/// What does not fit a URL of this length goes into the body of a POST.
const URL_BYTES_MAX: usize = 6 << 10;
/// The longest reply of one JSON document that is taken.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// A server.
#[derive(Clone)]
pub struct Http {
    pool: Pool<Connector, Full<Bytes>>,
    base: String,
    token: Option<HeaderValue>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Parameters, percent-encoded.
#[derive(Default)]
struct Fields(String);

fn encode(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            // Writing to memory cannot fail.
            other => drop(write!(text, "%{other:02X}")),
        }
    }
}

impl Fields {
    fn add(mut self, name: &str, value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return self };
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        encode(value, &mut self.0);
        self
    }

    fn number(self, name: &str, number: Option<u64>) -> Self {
        self.add(name, number.map(|number| number.to_string()).as_ref().map(|n| n.as_bytes()))
    }

    fn flag(self, name: &str, flag: bool) -> Self {
        self.add(name, flag.then_some(b"true"))
    }

    fn range(self, options: &ScanOptions) -> Self {
        self.add("prefix", options.prefix.as_deref())
            .add("from", options.from.as_deref())
            .add("to", options.to.as_deref())
    }
}

impl Http {
    /// Connects to a server.
    pub async fn connect(place: &str, is_tls: bool, options: ConnectOptions) -> Result<Self> {
        let usage = |message: String| ClientError::new("SILT_USAGE", message);
        let tls = is_tls.then(|| connect::tls(&options)).transpose()?;
        let token = options.token.map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        let mut token = token
            .transpose()
            .map_err(|_| usage(String::from("the token has characters that cannot be sent")))?;
        if let Some(token) = &mut token {
            token.set_sensitive(true);
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIME_MAX));
        tcp.set_keepalive(Some(PING_EVERY));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_TIME_MAX)
            .build(Connector::new(tcp, tls));
        let base = format!("{}://{place}", if is_tls { "https" } else { "http" });
        let http = Self { pool, base, token };
        http.greet().await?;
        Ok(http)
    }

    /// Finds out whether a server answers to the name it is called by.
    async fn greet(&self) -> Result<()> {
        match self.read("/healthz", &HeaderMap::new()).await {
            Err(error) if error.code == "SILT_UNREACHABLE" => Err(ClientError::unreachable(
                format!("the server does not answer: {}", error.message),
            )),
            Err(error) if error.code == "SILT_BAD_HOST" => Err(error),
            // What else there is to say, it says when it is asked for something.
            _ => Ok(()),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>> {
        let usage = |e: http::Error| ClientError::new("SILT_USAGE", format!("the request: {e}"));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .body(Full::from(body))
            .map_err(usage)?;
        request.headers_mut().clone_from(headers);
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let response = self.pool.request(request).await;
        let response = response.map_err(|e| ClientError::unreachable(causes(&e)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let document = whole(response.into_body()).await?;
        Err(match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ClientError::new("SILT_SERVER", "the request has too long a head")
            }
            _ if document.is_empty() => ClientError::new("SILT_SERVER", status.to_string()),
            _ => problem(&document),
        })
    }

    async fn read(&self, path: &str, headers: &HeaderMap) -> Result<Response<Incoming>> {
        self.call(Method::GET, path, headers, Vec::new()).await
    }

    /// Asks by GET, or by POST what does not fit a URL.
    async fn ask(
        &self,
        path: &str,
        post: &str,
        fields: Fields,
        accept: Option<&'static str>,
    ) -> Result<Response<Incoming>> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        let Fields(fields) = fields;
        if path.len() + fields.len() <= URL_BYTES_MAX {
            let mark = if fields.is_empty() { "" } else { "?" };
            return self.read(&format!("{path}{mark}{fields}"), &headers).await;
        }
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, kind);
        self.call(Method::POST, post, &headers, fields.into_bytes()).await
    }

    /// As [`Http::ask`], of one key.
    async fn ask_of(
        &self,
        path: &str,
        post: &str,
        key: &[u8],
        fields: Fields,
        accept: Option<&'static str>,
    ) -> Result<Response<Incoming>> {
        siltdb_core::batch::check_key(key)
            .map_err(|e| ClientError::new(e.code(), e.to_string()))?;
        let mut whole_path = path.to_owned();
        encode(key, &mut whole_path);
        if whole_path.len() + fields.0.len() <= URL_BYTES_MAX {
            return self.ask(&whole_path, post, fields, accept).await;
        }
        self.ask(post, post, fields.add("key", Some(key)), accept).await
    }

    pub async fn get_record(&self, key: &[u8], as_of: Option<u64>) -> Result<Option<Record>> {
        let fields = Fields::default().number("as_of", as_of);
        let response = match self.ask_of("/v1/kv/", "/v1/get", key, fields, None).await {
            Err(error) if error.code == "SILT_KEY_NOT_FOUND" => return Ok(None),
            other => other?,
        };
        let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse().ok();
        let seq = number("silt-seq").ok_or_else(|| bad_reply("it tells no seq"))?;
        let expires = number("silt-expires");
        let value = whole(response.into_body()).await?.into();
        Ok(Some(Record { key: key.to_vec(), value, seq, expires }))
    }

    pub async fn batch(&self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        let mut lines = Vec::new();
        for operation in batch.operations() {
            json::operation_line(operation, &mut lines);
            lines.push(b'\n');
        }
        for (key, condition) in batch.required() {
            json::check_line(key, *condition, &mut lines);
            lines.push(b'\n');
        }
        let level = durability.map(|level| level.name().as_bytes());
        let Fields(fields) = Fields::default().add("durability", level);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        let path = format!("/v1/batch?{fields}");
        let reply: CommitForm =
            document(self.call(Method::POST, &path, &headers, lines).await?).await?;
        reply.to_store().ok_or_else(|| bad_reply("it tells no durability"))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        document(self.call(Method::POST, path, &HeaderMap::new(), Vec::new()).await?).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        document(self.read(path, &HeaderMap::new()).await?).await
    }

    pub async fn sync(&self) -> Result<u64> {
        Ok(self.post::<SyncForm>("/v1/sync").await?.durable_seq)
    }

    pub async fn scan(&self, options: &ScanOptions) -> Result<Answers<Record>> {
        let fields = Fields::default()
            .range(options)
            .flag("reverse", options.reverse)
            .flag("keys_only", options.keys_only)
            .number("limit", options.limit)
            .number("as_of", options.as_of);
        let response = self.ask("/v1/kv", "/v1/scan", fields, LINES).await?;
        Ok(Answers::new(Lines::new(response.into_body(), |text| line(text, json::record))))
    }

    pub async fn count(&self, options: &ScanOptions) -> Result<u64> {
        let fields = Fields::default()
            .range(options)
            .number("limit", options.limit)
            .number("as_of", options.as_of);
        let response = self.ask("/v1/count", "/v1/count", fields, None).await?;
        Ok(document::<CountForm>(response).await?.count)
    }

    pub async fn history(&self, key: &[u8], limit: Option<u64>) -> Result<Answers<Version>> {
        let fields = Fields::default().number("limit", limit);
        let response = self.ask_of("/v1/history/", "/v1/history", key, fields, LINES).await?;
        Ok(Answers::new(Lines::new(response.into_body(), |text| {
            line(text, |text| json::changed(text).map(|changed| changed.version))
        })))
    }

    pub async fn diff(
        &self,
        from: u64,
        to: Option<u64>,
        options: &ScanOptions,
    ) -> Result<Answers<Change>> {
        let fields = Fields::default()
            .number("from", Some(from))
            .number("to", to)
            .add("prefix", options.prefix.as_deref());
        let response = self.ask("/v1/diff", "/v1/diff", fields, LINES).await?;
        Ok(Answers::new(Lines::new(response.into_body(), |text| line(text, json::change))))
    }

    pub async fn changes(
        &self,
        since: Option<u64>,
        options: &ScanOptions,
    ) -> Result<Answers<Changed>> {
        let fields = Fields::default()
            .number("since", since)
            .range(options)
            .flag("keys_only", options.keys_only);
        let response = self.ask("/v1/changes", "/v1/changes", fields, None).await?;
        Ok(Answers::new(Lines::new(response.into_body(), |text| event(text, json::changed))))
    }

    pub async fn compact(&self) -> Result<CompactionReport> {
        Ok(self.post::<CompactionForm>("/v1/compact").await?.into())
    }

    pub async fn compaction_plan(&self) -> Result<Vec<CompactionPlan>> {
        #[derive(serde::Deserialize)]
        struct Plans {
            plan: Vec<PlanForm>,
        }
        let plans: Plans = self.get("/v1/compact").await?;
        Ok(plans.plan.into_iter().map(CompactionPlan::from).collect())
    }

    pub async fn snapshot(&self) -> Result<Answers<Piece>> {
        let mut headers = HeaderMap::new();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let response = self.read("/v1/snapshot", &headers).await?;
        Ok(Answers::new(Snapshot::new(response.into_body())))
    }

    pub async fn stats(&self) -> Result<Stats> {
        self.get::<StatsForm>("/v1/stats").await?.to_store().map_err(bad_reply)
    }

    pub async fn segments(&self) -> Result<Vec<SegmentStats>> {
        #[derive(serde::Deserialize)]
        struct Segments {
            segments: Vec<SegmentForm>,
        }
        let all: Segments = self.get("/v1/segments").await?;
        let all: std::result::Result<_, _> =
            all.segments.into_iter().map(SegmentForm::to_store).collect();
        all.map_err(bad_reply)
    }

    pub async fn retention(&self, change: Option<Retention>) -> Result<Retention> {
        let path = "/v1/retention";
        let reply: RetainForm = match change {
            None => self.get(path).await?,
            Some(rule) => {
                let body = serde_json::to_vec(&RetainForm { retain: rule_text(rule) });
                let mut headers = HeaderMap::new();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let body = body.unwrap_or_default();
                document(self.call(Method::PUT, path, &headers, body).await?).await?
            }
        };
        parse_rule(&reply.retain).map_err(bad_reply)
    }
}

/// Replies of many parts are asked for as lines.
const LINES: Option<&str> = Some("application/x-ndjson");

async fn whole(body: Incoming) -> Result<Bytes> {
    let read = Limited::new(body, REPLY_BYTES_MAX).collect().await;
    let lost = |e: Box<dyn std::error::Error + Send + Sync>| {
        ClientError::unreachable(format!("the connection was lost: {}", causes(e.as_ref())))
    };
    Ok(read.map_err(lost)?.to_bytes())
}

async fn document<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T> {
    serde_json::from_slice(&whole(response.into_body()).await?).map_err(bad_reply)
}
