//! The server: one store, offered by gRPC, HTTP and RESP.
//!
//! All protocols share one runtime, one set of limits, one table of errors and one way to write:
//! [`Shared`] is what each of them is given.

pub mod auth;
pub mod body;
pub mod budget;
pub mod conn;
pub mod deletes;
pub mod error;
pub mod feed;
pub mod grpc;
pub mod http;
pub mod limits;
pub mod listen;
pub mod metrics;
pub mod resp;
mod run;
pub mod schedule;
pub mod shared;
pub mod signals;
pub mod slots;
pub mod stream;
pub mod tls;
pub mod tokens;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use siltdb_core::Options;
use siltdb_core::error::Error;

pub use run::{Addresses, Running, start};
pub use shared::Shared;

/// The protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// HTTP/1.1 with JSON.
    Http,
    /// The protocol of Redis.
    Resp,
}

impl Protocol {
    /// Its name, for logs and labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
            Protocol::Resp => "resp",
        }
    }
}

/// What a server is told to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of the store.
    pub db: PathBuf,
    /// How the store is opened.
    pub options: Options,
    /// The address to listen at.
    pub host: IpAddr,
    /// The port of gRPC, if it is on; 0 takes any.
    pub grpc_port: Option<u16>,
    /// The port of HTTP, if it is on.
    pub http_port: Option<u16>,
    /// The port of RESP, if it is on.
    pub resp_port: Option<u16>,
    /// A port at this machine's own address for the metrics alone, which needs no token.
    pub metrics_port: Option<u16>,
    /// Names the `Host` header of HTTP may have besides this machine's own.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may use HTTP from a browser, as `https://example.com`.
    pub cors_origins: Vec<String>,
    /// Lets other machines connect without tokens and TLS.
    pub insecure_listen: bool,
    /// Tokens and roles.
    pub auth_file: Option<PathBuf>,
    /// Certificates and keys.
    pub tls: Option<tls::TlsFiles>,
    /// Refuses writes.
    pub read_only: bool,
    /// Ends the server when the store can no longer write.
    pub exit_on_poison: bool,
    /// Connections of all protocols at a time.
    pub connections: usize,
    /// Connections at a time of one address that is not of this machine.
    pub connections_per_address: usize,
    /// Bytes of a value.
    pub value_len_max: usize,
    /// A connection on which nothing moves for so long is closed.
    pub idle_time: Duration,
    /// Snapshots and compactions on schedule.
    pub schedule: schedule::Schedule,
}

impl Config {
    /// A server of the store in `db`, with the standard ports at this machine's own address.
    #[must_use]
    pub fn new(db: impl Into<PathBuf>) -> Self {
        Self {
            db: db.into(),
            options: Options::default(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            grpc_port: Some(50_051),
            http_port: Some(3_000),
            resp_port: Some(6_380),
            metrics_port: None,
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            insecure_listen: false,
            auth_file: None,
            tls: None,
            read_only: false,
            exit_on_poison: true,
            connections: limits::CONNECTIONS_DEFAULT,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS_DEFAULT,
            value_len_max: limits::VALUE_LEN_DEFAULT,
            idle_time: limits::IDLE_TIME_DEFAULT,
            schedule: schedule::Schedule::default(),
        }
    }

    /// Checks what can be checked before anything is opened.
    fn check(&self) -> Result<(), StartError> {
        let usage = |message: &str| Err(StartError::Usage(message.to_owned()));
        let is_safe = self.auth_file.is_some() && self.tls.is_some();
        if !self.host.is_loopback() && !is_safe && !self.insecure_listen {
            return usage(
                "other machines could connect to this address: give --auth-file, --tls-cert and \
                 --tls-key, or --insecure-listen to let them in without",
            );
        }
        if self.connections == 0 || self.connections > limits::CONNECTIONS_MAX {
            return usage("--max-connections is from 1 to 16384");
        }
        if self.value_len_max > limits::BATCH_BYTES_MAX - limits::KEY_LEN_MAX {
            return usage("--max-value is at most 31 MiB, so that every value fits in a batch");
        }
        if self.grpc_port.or(self.http_port).or(self.resp_port).is_none() {
            return usage("every protocol is switched off");
        }
        if self.allowed_hosts.iter().any(|host| host.is_empty() || host.contains([':', '/'])) {
            return usage("--allow-host is a name, without a scheme, a port or a path");
        }
        for origin in &self.cors_origins {
            let host = origin.split_once("://").map(|(_, host)| host);
            if !host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*'])) {
                return usage(
                    "--cors-origin is SCHEME://HOST or SCHEME://HOST:PORT, without a path",
                );
            }
        }
        self.schedule.check().map_err(StartError::Usage)
    }

    fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.host, port)
    }
}

/// Why a server does not start, or how it ended badly.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// What it is told to do does not fit together.
    Usage(String),
    /// A file of the configuration is not right.
    File(String),
    /// The store does not open or close.
    Store(Error),
    /// The system refuses an address or a file.
    Io {
        /// The address or the file.
        place: String,
        /// What it says.
        error: std::io::Error,
    },
    /// The store could no longer write, and the server was told to end then.
    Poisoned,
    /// Stopped at once by a second signal.
    Interrupted,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Usage(message) | StartError::File(message) => f.write_str(message),
            StartError::Store(error) => error.fmt(f),
            StartError::Io { place, error } => write!(f, "{place}: {error}"),
            StartError::Poisoned => {
                f.write_str("the store could no longer write; start the server again")
            }
            StartError::Interrupted => f.write_str("stopped at once by a second signal"),
        }
    }
}

impl std::error::Error for StartError {}
