//! `silt serve`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use siltdb::server::schedule::Schedule;
use siltdb::server::signals::Signals;
use siltdb::server::tls::TlsFiles;
use siltdb::server::{self, Addresses, Config, StartError, limits};
use siltdb::{Durability, Options};
use tracing_subscriber::filter::LevelFilter;

use super::Context;
use crate::output::{EXIT_IO, Failure, Outcome, Run, note};
use crate::text::Encoding;
use crate::time;

/// Serve the store by gRPC, HTTP and RESP (the protocol of Redis)
#[derive(Debug, Args)]
pub struct Serve {
    /// Address to listen at. Other than this machine's own, it needs tokens and TLS.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// Port of gRPC; 0 takes any.
    #[arg(long, default_value_t = 50_051, value_name = "PORT")]
    port: u16,
    /// Port of HTTP; 0 takes any.
    #[arg(long, default_value_t = 3_000, value_name = "PORT")]
    http_port: u16,
    /// Port of RESP; 0 takes any.
    #[arg(long, default_value_t = 6_380, value_name = "PORT")]
    resp_port: u16,
    /// Port for Prometheus metrics alone, at this machine's own address and without a token.
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// No gRPC.
    #[arg(long)]
    no_grpc: bool,
    /// No HTTP.
    #[arg(long)]
    no_http: bool,
    /// No RESP.
    #[arg(long)]
    no_resp: bool,
    /// How far a write goes before it is acknowledged, unless it says otherwise.
    #[arg(long, default_value = "synced", value_parser = parse_durability, value_name = "MODE")]
    durability: Durability,
    /// Refuse writes.
    #[arg(long)]
    read_only: bool,
    /// File of tokens: lines of read-only, read-write or admin, and a token. It is read again on
    /// SIGHUP.
    #[arg(long, env = "SILT_AUTH_FILE", value_name = "FILE")]
    auth_file: Option<PathBuf>,
    /// Certificate chain (PEM). It is read again when it changes, and on SIGHUP.
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Clients must show a certificate signed by one of these (PEM).
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Let other machines connect without tokens and TLS.
    #[arg(long)]
    insecure_listen: bool,
    /// Name that HTTP requests may call the server, besides this machine's own.
    #[arg(long = "allow-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Origin (scheme, name and port) whose pages may use HTTP from a browser.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Vec<String>,
    /// Connections of all protocols at a time, up to 16384.
    #[arg(long, default_value_t = limits::CONNECTIONS_DEFAULT, value_name = "N")]
    max_connections: usize,
    /// Connections at a time of one address other than this machine's own.
    #[arg(long, default_value_t = limits::CONNECTIONS_PER_ADDRESS_DEFAULT, value_name = "N")]
    max_connections_per_address: usize,
    /// Bytes of the longest value.
    #[arg(long, default_value_t = limits::VALUE_LEN_DEFAULT, value_name = "BYTES")]
    max_value: usize,
    /// Close connections on which nothing moves for so long; 0 for never.
    #[arg(long, default_value = "60s", value_name = "TIME")]
    idle_timeout: String,
    /// Go on reading when the store can no longer write, instead of ending with exit code 3.
    #[arg(long)]
    no_exit_on_poison: bool,
    /// Directory for snapshots on schedule.
    #[arg(long, value_name = "DIR")]
    snapshot_dir: Option<PathBuf>,
    /// How often a snapshot is made (1h).
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "snapshot_dir")]
    snapshot_every: Option<Duration>,
    /// How many snapshots are kept.
    #[arg(long, value_name = "N", requires = "snapshot_dir")]
    snapshot_keep: Option<usize>,
    /// How often everything worth it is compacted (6h).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    compact_every: Option<Duration>,
    /// Time of the day, in UTC, at which everything worth it is compacted (03:30).
    #[arg(long, value_name = "HH:MM", value_parser = parse_time_of_day)]
    compact_at: Option<u32>,
    /// What is logged to stderr: off, error, warn, info, debug.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: LevelFilter,
}

/// The line that tells programs where the server listens.
#[derive(serde::Serialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
    pid: u32,
}

impl Serve {
    /// Serves until a signal to stop. With `--json`, one line on stdout tells the addresses.
    pub fn run(self, context: &Context) -> Run {
        context.without_server()?;
        prepare_process();
        tracing_subscriber::fmt()
            // Said to nobody, when whoever reads the log has gone: that must not end the server.
            .log_internal_errors(false)
            .with_max_level(self.log_level)
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .init();
        let config = self.config(context)?;
        let failed = |e: StartError| failure(context, e);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::io("runtime", &e))?;
        let ended = runtime.block_on(async {
            let told = config.clone();
            let running = server::start(config).await.map_err(failed)?;
            // Whoever is told that it serves may at once ask it to stop.
            let signals = Signals::catch().map_err(|e| Failure::io("signals", &e))?;
            tell(context, &told, running.addresses())?;
            running.run_until_signal(signals).await.map_err(failed)
        });
        // What was cut off must not keep the process.
        runtime.shutdown_background();
        ended.map(|()| Outcome::Done)
    }

    fn config(self, context: &Context) -> Run<Config> {
        let idle_time = match self.idle_timeout.as_str() {
            "0" => Duration::from_secs(u64::from(u32::MAX)),
            text => parse_time(text).map_err(|e| Failure::usage(format!("--idle-timeout: {e}")))?,
        };
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key, client_ca: self.tls_client_ca }),
            _ => None,
        };
        Ok(Config {
            options: Options {
                durability: self.durability,
                // Who only reads wants a store that is there: a new one answers "absent" to all.
                create: !self.read_only,
                ..Options::default()
            },
            host: self.host,
            grpc_port: (!self.no_grpc).then_some(self.port),
            http_port: (!self.no_http).then_some(self.http_port),
            resp_port: (!self.no_resp).then_some(self.resp_port),
            metrics_port: self.metrics_port,
            allowed_hosts: self.allowed_hosts,
            cors_origins: self.cors_origins,
            insecure_listen: self.insecure_listen,
            auth_file: self.auth_file,
            tls,
            read_only: self.read_only,
            exit_on_poison: !self.no_exit_on_poison,
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            value_len_max: self.max_value,
            idle_time,
            schedule: Schedule {
                snapshot_dir: self.snapshot_dir,
                snapshot_every: self.snapshot_every,
                snapshot_keep: self.snapshot_keep,
                compact_every: self.compact_every,
                compact_at: self.compact_at,
            },
            ..Config::new(&context.db)
        })
    }
}

/// What the server writes is for its user alone, and it may have as many connections as the
/// system lets it.
#[cfg(unix)]
fn prepare_process() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it is not allowed, accepting says so when it comes to that.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(not(unix))]
fn prepare_process() {}

fn tell(context: &Context, config: &Config, addresses: Addresses) -> Run<()> {
    let scheme = |plain: &'static str, tls: &'static str| {
        if config.tls.is_some() { tls } else { plain }
    };
    let url = |scheme: &str, address: Option<std::net::SocketAddr>| {
        address.map(|address| format!("{scheme}://{address}"))
    };
    let line = Line {
        grpc: url(scheme("grpc", "grpcs"), addresses.grpc),
        http: url(scheme("http", "https"), addresses.http),
        resp: url(scheme("redis", "rediss"), addresses.resp),
        metrics: url("http", addresses.metrics),
        pid: std::process::id(),
    };
    let all = [&line.grpc, &line.http, &line.resp, &line.metrics];
    for url in all.into_iter().flatten() {
        note(&format!("silt: serving {} at {url}", config.db.display()));
    }
    let limits: Vec<String> =
        limits::told(config).iter().map(|(name, n)| format!("{name}={n}")).collect();
    note(&format!("silt: limits: {}", limits.join(" ")));
    if context.json {
        let mut out = context.out(Encoding::Plain);
        out.value(&line)?;
        out.finish()?;
    }
    Ok(())
}

fn failure(context: &Context, error: StartError) -> Failure {
    match error {
        StartError::Usage(message) => Failure::usage(message),
        StartError::File(message) => Failure::new(EXIT_IO, "SILT_BAD_FILE", message),
        StartError::Store(error) => context.failed(&error),
        StartError::Io { place, error } => Failure::io(place, &error),
        other @ StartError::Poisoned => Failure::new(EXIT_IO, "SILT_POISONED", other.to_string()),
        other => Failure::new(EXIT_IO, "SILT_INTERRUPTED", other.to_string()),
    }
}

fn parse_durability(text: &str) -> Result<Durability, String> {
    Durability::parse(text).ok_or_else(|| String::from("write buffered, flushed or synced"))
}

fn parse_time(text: &str) -> Result<Duration, String> {
    time::parse_length(text).map(Duration::from_micros)
}

fn parse_time_of_day(text: &str) -> Result<u32, String> {
    let wrong = || String::from("write a time of the day as 03:30");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str, max: u32| match text.parse::<u32>() {
        Ok(n) if n <= max && text.len() == 2 => Ok(n),
        _ => Err(wrong()),
    };
    Ok((number(hour, 23)? * 60 + number(minute, 59)?) * 60)
}
