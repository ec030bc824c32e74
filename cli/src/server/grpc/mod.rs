//! gRPC: the service of `proto/silt/v1/silt.proto`, health and reflection.

mod feed;
mod guard;
mod service;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::budget::Held;
use super::conn::{Conn, ConnInfo};
use super::error::Failure;
use super::listen::Listener;
use super::{Shared, limits};
use crate::proto;
use crate::proto::silt_server::SiltServer;

impl Connected for Conn {
    type ConnectInfo = ConnInfo;

    fn connect_info(&self) -> ConnInfo {
        self.info().clone()
    }
}

/// Memory that the answer of a call holds until it is sent.
#[derive(Debug, Clone)]
pub struct Answer {
    _held: Arc<Held>,
}

impl Answer {
    fn new(held: Held) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        status(&failure)
    }
}

/// A failure as gRPC says it; the stable code and its numbers are in the metadata.
pub fn status(failure: &Failure) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("silt-code", MetadataValue::from_static(failure.code));
    for (name, number) in &failure.details {
        let name = match *name {
            "found" => "silt-found",
            "oldest" => "silt-oldest",
            "operation" => "silt-operation",
            _ => continue,
        };
        metadata.insert(name, MetadataValue::from(*number));
    }
    Status::with_metadata(Code::from(failure.grpc_code()), &failure.message, metadata)
}

/// How often a peer is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// What a peer may send ahead of what is read, of one call and in all.
const WINDOW_BYTES: u32 = 64 << 10;
const WINDOW_BYTES_ALL: u32 = 1 << 20;
/// Room for the encoding of a batch of the greatest size.
const MESSAGE_BYTES_MAX: usize = limits::BATCH_BYTES_MAX + (4 << 20);

/// Serves gRPC until the server stops.
pub async fn serve(listener: Listener, shared: Arc<Shared>) {
    let (sender, incoming) = mpsc::channel::<std::io::Result<Conn>>(16);
    let handle = move |conn: Conn| {
        let sender = sender.clone();
        async move {
            // Nobody takes it only when the server stops.
            let _ = sender.send(Ok(conn)).await;
        }
    };
    let accepting = listener.serve(Arc::clone(&shared), handle);
    let (health, health_service) = tonic_health::server::health_reporter();
    tokio::spawn(report_health(health, Arc::clone(&shared)));
    let reflection = |builder: tonic_reflection::server::Builder<'static>| {
        builder
            .register_encoded_file_descriptor_set(proto::DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection(tonic_reflection::server::Builder::configure()).build_v1();
    let v1alpha = reflection(tonic_reflection::server::Builder::configure()).build_v1alpha();
    let (v1, v1alpha) = match (v1, v1alpha) {
        (Ok(v1), Ok(v1alpha)) => (v1, v1alpha),
        (Err(error), _) | (_, Err(error)) => return tracing::error!(%error, "gRPC is off"),
    };
    let service = SiltServer::new(service::Service { shared: Arc::clone(&shared) })
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let header_bytes = u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX);
    let serving = Server::builder()
        .max_concurrent_streams(limits::REQUESTS_PER_CONNECTION_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES_ALL)
        .http2_max_header_list_size(header_bytes)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_EVERY))
        .layer(guard::GuardLayer { shared: Arc::clone(&shared) })
        .add_service(health_service)
        .add_service(v1)
        .add_service(v1alpha)
        .add_service(service)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shared.stop.cancelled());
    let (served, ()) = tokio::join!(serving, accepting);
    if let Err(error) = served {
        tracing::error!(%error, "gRPC ended");
    }
}

/// Says whether the server serves, to those who watch over it.
async fn report_health(health: HealthReporter, shared: Arc<Shared>) {
    const LOOK: Duration = Duration::from_secs(1);
    let mut told = None;
    loop {
        let is_ready = shared.is_ready();
        if told != Some(is_ready) {
            let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            for name in ["", "silt.v1.Silt"] {
                health.set_service_status(name, status).await;
            }
            told = Some(is_ready);
        }
        if shared.stop.is_cancelled() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shared.stop.cancelled() => {}
        }
    }
}
