//! Calls by gRPC.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use futures_core::Stream;
use siltdb_core::{
    Batch, Change, Changed, Commit, CompactionReport, Record, Retention, ScanOptions, SegmentStats,
    Stats, Version,
};
use tokio_stream::StreamExt as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};

use super::answers::{Answers, Piece};
use super::error::{ClientError, Result, causes};
use super::{CompactionPlan, ConnectOptions};
use crate::proto::silt_client::SiltClient;
use crate::proto::snapshot_response::Part;
use crate::proto::{self, Durability};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
/// The longest message that is taken from a server.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// A connection to a server.
#[derive(Debug, Clone)]
pub struct Grpc {
    client: SiltClient<InterceptedService<Channel, Token>>,
}

/// Shows the token on every call.
#[derive(Clone)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|e| ClientError::new("SILT_BAD_FILE", format!("{}: {e}", path.display())))
}

fn tls(options: &ConnectOptions) -> Result<ClientTlsConfig> {
    let mut tls = match &options.ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read_file(ca)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &options.identity {
        tls = tls.identity(Identity::from_pem(read_file(certificate)?, read_file(key)?));
    }
    Ok(tls)
}

impl Grpc {
    /// Connects to a server.
    pub async fn connect(place: &str, is_tls: bool, options: ConnectOptions) -> Result<Self> {
        let usage = |message: String| ClientError::new("SILT_USAGE", message);
        let uri = format!("{}://{place}", if is_tls { "https" } else { "http" });
        let endpoint = Endpoint::from_shared(uri).map_err(|e| usage(format!("the URL: {e}")))?;
        let mut endpoint = endpoint
            .connect_timeout(CONNECT_TIME_MAX)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY);
        if is_tls {
            let bad = |e: tonic::transport::Error| usage(format!("TLS: {}", causes(&e)));
            endpoint = endpoint.tls_config(tls(&options)?).map_err(bad)?;
        }
        let token = options.token.map(|token| format!("Bearer {token}").parse());
        let mut token = token
            .transpose()
            .map_err(|_| usage(String::from("the token has characters that cannot be sent")))?;
        if let Some(token) = &mut token {
            MetadataValue::<Ascii>::set_sensitive(token, true);
        }
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|e| {
            ClientError::unreachable(format!("the server does not answer: {}", causes(&e)))
        })?;
        let client = SiltClient::with_interceptor(channel, Token(token))
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self { client })
    }

    pub async fn get_record(&self, key: &[u8], as_of: Option<u64>) -> Result<Option<Record>> {
        let request = proto::GetRequest { key: key.to_vec(), as_of };
        let reply = self.client.clone().get(request).await.map_err(|s| failed(&s))?;
        Ok(reply.into_inner().record.map(Record::from))
    }

    pub async fn batch(
        &self,
        batch: &Batch,
        durability: Option<siltdb_core::Durability>,
    ) -> Result<Commit> {
        let operations = batch.operations().iter().map(|op| proto::Operation {
            key: op.key.clone(),
            value: op.value.clone(),
            expires: op.expires,
            ttl: None,
            condition: op.condition.map(proto::Condition::from),
        });
        let level = durability.map_or(Durability::Unspecified, Durability::from);
        let checks = batch.required().iter().map(|(key, condition)| proto::Check {
            key: key.clone(),
            condition: Some(proto::Condition::from(*condition)),
        });
        let (operations, checks) = (operations.collect(), checks.collect());
        let request = proto::BatchRequest { operations, checks, durability: level.into() };
        let reply = self.client.clone().batch(request).await.map_err(|s| failed(&s))?.into_inner();
        let durability = reply.durability().to_store().unwrap_or_default();
        Ok(Commit { seq: reply.seq, durability, written: reply.written })
    }

    pub async fn sync(&self) -> Result<u64> {
        let reply =
            self.client.clone().sync(proto::SyncRequest {}).await.map_err(|s| failed(&s))?;
        Ok(reply.into_inner().durable_seq)
    }

    pub async fn scan(&self, options: &ScanOptions) -> Result<Answers<Record>> {
        let options = options.clone();
        let request = proto::ScanRequest {
            from: options.from,
            to: options.to,
            prefix: options.prefix.unwrap_or_default(),
            reverse: options.reverse,
            limit: options.limit.unwrap_or(0),
            keys_only: options.keys_only,
            as_of: options.as_of,
        };
        if options.limit == Some(0) {
            return Ok(Answers::new(tokio_stream::empty()));
        }
        let reply = self.client.clone().scan(request).await.map_err(|s| failed(&s))?;
        Ok(answers(reply.into_inner(), |message| {
            message.records.into_iter().map(Record::from).collect()
        }))
    }

    pub async fn count(&self, options: &ScanOptions) -> Result<u64> {
        let ScanOptions { from, to, prefix, as_of, limit, .. } = options.clone();
        let request = proto::CountRequest { from, to, prefix: prefix.unwrap_or_default(), as_of };
        let reply = self.client.clone().count(request).await.map_err(|s| failed(&s))?;
        Ok(reply.into_inner().count.min(limit.unwrap_or(u64::MAX)))
    }

    pub async fn history(&self, key: &[u8], limit: Option<u64>) -> Result<Answers<Version>> {
        let request = proto::HistoryRequest { key: key.to_vec(), limit: limit.unwrap_or(0) };
        if limit == Some(0) {
            return Ok(Answers::new(tokio_stream::empty()));
        }
        let reply = self.client.clone().history(request).await.map_err(|s| failed(&s))?;
        Ok(answers(reply.into_inner(), |message| {
            message.versions.into_iter().map(Version::from).collect()
        }))
    }

    pub async fn diff(
        &self,
        from: u64,
        to: Option<u64>,
        options: &ScanOptions,
    ) -> Result<Answers<Change>> {
        let prefix = options.prefix.clone().unwrap_or_default();
        let request = proto::DiffRequest { from_seq: from, to_seq: to.unwrap_or(0), prefix };
        let reply = self.client.clone().diff(request).await.map_err(|s| failed(&s))?;
        Ok(answers(reply.into_inner(), |message| {
            message.changes.into_iter().map(Change::from).collect()
        }))
    }

    pub async fn changes(
        &self,
        since: Option<u64>,
        options: &ScanOptions,
    ) -> Result<Answers<Changed>> {
        let ScanOptions { from, to, prefix, keys_only, .. } = options.clone();
        let prefix = prefix.unwrap_or_default();
        let request = proto::ChangesRequest { since, from, to, prefix, keys_only, end: false };
        let reply = self.client.clone().changes(request).await.map_err(|s| failed(&s))?;
        Ok(answers(reply.into_inner(), |message| {
            message.changes.into_iter().map(Changed::from).collect()
        }))
    }

    pub async fn compact(&self) -> Result<CompactionReport> {
        let request = proto::CompactRequest { plan: false };
        let reply = self.client.clone().compact(request).await.map_err(|s| failed(&s))?;
        let reply = reply.into_inner();
        Ok(CompactionReport {
            runs: reply.runs,
            input_bytes: reply.input_bytes,
            output_bytes: reply.output_bytes,
            dropped_records: reply.dropped_records,
        })
    }

    pub async fn compaction_plan(&self) -> Result<Vec<CompactionPlan>> {
        let request = proto::CompactRequest { plan: true };
        let reply = self.client.clone().compact(request).await.map_err(|s| failed(&s))?;
        Ok(reply.into_inner().plan)
    }

    pub async fn snapshot(&self) -> Result<Answers<Piece>> {
        let request = proto::SnapshotRequest {};
        let reply = self.client.clone().snapshot(request).await.map_err(|s| failed(&s))?;
        Ok(answers(reply.into_inner(), |message| {
            let piece = message.part.map(|part| match part {
                Part::Bytes(bytes) => Piece::Bytes(bytes),
                Part::Report(report) => Piece::Report(report.into()),
            });
            piece.into_iter().collect()
        }))
    }

    async fn figures(&self, segments: bool) -> Result<proto::StatsResponse> {
        let request = proto::StatsRequest { segments };
        let reply = self.client.clone().stats(request).await.map_err(|s| failed(&s))?;
        Ok(reply.into_inner())
    }

    pub async fn stats(&self) -> Result<Stats> {
        Ok(self.figures(false).await?.into())
    }

    pub async fn segments(&self) -> Result<Vec<SegmentStats>> {
        let segments = self.figures(true).await?.segment_stats;
        Ok(segments.into_iter().map(SegmentStats::from).collect())
    }

    pub async fn retention(&self, change: Option<Retention>) -> Result<Retention> {
        let request = proto::RetentionRequest { retention: change.map(proto::Retain::from) };
        let reply = self.client.clone().retention(request).await.map_err(|s| failed(&s))?;
        let retention = reply.into_inner().retention.and_then(proto::Retain::to_store);
        retention.ok_or_else(|| ClientError::new("SILT_BAD_REPLY", "the server told no rule"))
    }
}

/// The parts of the messages of an answer.
fn answers<M, T, F>(messages: Streaming<M>, parts: F) -> Answers<T>
where
    M: Send + 'static,
    F: Fn(M) -> Vec<T> + Send + 'static,
    Streaming<M>: Stream<Item = std::result::Result<M, Status>>,
{
    Answers::new(messages.map(move |message| match message {
        Ok(message) => Ok(parts(message)),
        Err(status) => Err(failed(&status)),
    }))
}

/// What a call without an answer failed with.
fn reason(status: &Status) -> String {
    status.source().map_or_else(|| status.message().to_owned(), causes)
}

fn failed(status: &Status) -> ClientError {
    let metadata = status.metadata();
    let code = metadata.get("silt-code").and_then(|code| code.to_str().ok());
    let mut error = match (code, status.code()) {
        (Some(code), _) => ClientError::new(code, status.message()),
        (None, Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded) => {
            ClientError::unreachable(format!("the connection was lost: {}", reason(status)))
        }
        // What answers there does not speak HTTP/2.
        (None, Code::Internal) if status.source().is_some() => {
            ClientError::unreachable(format!("this is no port of gRPC: {}", reason(status)))
        }
        (None, code) => ClientError::new("SILT_SERVER", format!("{code}: {}", status.message())),
    };
    for (name, key) in
        [("found", "silt-found"), ("operation", "silt-operation"), ("oldest", "silt-oldest")]
    {
        let number = metadata.get(key).and_then(|value| value.to_str().ok()?.parse().ok());
        error.details.extend(number.map(|number| (name, number)));
    }
    error
}
