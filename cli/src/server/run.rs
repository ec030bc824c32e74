//! Starting, running and stopping.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::auth::Auth;
use super::listen::Listener;
use super::signals::{Asked, Signals};
use super::tls::Tls;
use super::{Config, Protocol, Shared, StartError, grpc, http, limits, resp, schedule};
use crate::AsyncStore;

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Addresses {
    /// gRPC.
    pub grpc: Option<SocketAddr>,
    /// HTTP.
    pub http: Option<SocketAddr>,
    /// RESP.
    pub resp: Option<SocketAddr>,
    /// Metrics alone.
    pub metrics: Option<SocketAddr>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    addresses: Addresses,
}

struct Ports {
    grpc: Option<Listener>,
    http: Option<Listener>,
    resp: Option<Listener>,
    metrics: Option<Listener>,
}

/// Opens the store, binds every port and serves. It does not wait for anything.
///
/// # Errors
/// What it is told does not fit together; a file, an address or the store is not as it should be.
pub async fn start(config: Config) -> Result<Running, StartError> {
    config.check()?;
    check_directory(&config.db)?;
    let auth = Auth::new(config.auth_file.clone()).map_err(StartError::File)?;
    let tls = config.tls.clone().map(Tls::read).transpose().map_err(StartError::File)?;
    // Ports first: that is quick, and a second server fails before it touches anything.
    let ports = Ports::bind(&config)?;
    let addresses = ports.addresses().map_err(|e| io_error("listen", e))?;
    let store = AsyncStore::open(config.db.clone(), config.options.clone())
        .await
        .map_err(StartError::Store)?;
    let shared = Arc::new(Shared::new(store, config, auth, tls));
    ports.serve(&shared);
    tokio::spawn(watch_poison(Arc::clone(&shared)));
    tokio::spawn(watch_tls(Arc::clone(&shared)));
    schedule::start(&shared);
    Ok(Running { shared, addresses })
}

fn io_error(place: impl Into<String>, mut error: io::Error) -> StartError {
    if error.kind() == io::ErrorKind::AddrInUse {
        error = io::Error::new(error.kind(), format!("{error}: choose another port"));
    }
    StartError::Io { place: place.into(), error }
}

/// Anybody could put files of theirs into a directory that all may write.
#[cfg(unix)]
fn check_directory(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::MetadataExt;
    match path.metadata() {
        Ok(metadata) if metadata.mode() & 0o002 != 0 => Err(StartError::File(format!(
            "{}: everybody may write this directory; chmod o-w it",
            path.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_directory(_: &Path) -> Result<(), StartError> {
    Ok(())
}

impl Ports {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let bind = |address: SocketAddr, protocol| {
            Listener::bind(address, protocol).map_err(|e| io_error(address.to_string(), e))
        };
        let at = |port: Option<u16>, protocol| {
            port.map(|port| bind(config.address(port), protocol)).transpose()
        };
        let own = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Ok(Self {
            grpc: at(config.grpc_port, Protocol::Grpc)?,
            http: at(config.http_port, Protocol::Http)?,
            resp: at(config.resp_port, Protocol::Resp)?,
            metrics: config.metrics_port.map(|p| bind(own(p), Protocol::Http)).transpose()?,
        })
    }

    fn addresses(&self) -> io::Result<Addresses> {
        let of = |listener: &Option<Listener>| listener.as_ref().map(Listener::address).transpose();
        Ok(Addresses {
            grpc: of(&self.grpc)?,
            http: of(&self.http)?,
            resp: of(&self.resp)?,
            metrics: of(&self.metrics)?,
        })
    }

    fn serve(self, shared: &Arc<Shared>) {
        if let Some(listener) = self.grpc {
            shared.tasks.spawn(grpc::serve(listener, Arc::clone(shared)));
        }
        if let Some(listener) = self.http {
            shared.tasks.spawn(http::serve(listener, Arc::clone(shared)));
        }
        if let Some(listener) = self.resp {
            shared.tasks.spawn(resp::serve(listener, Arc::clone(shared)));
        }
        if let Some(listener) = self.metrics {
            shared.tasks.spawn(http::serve_metrics(listener, Arc::clone(shared)));
        }
    }
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What its protocols share.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Serves until a signal to stop, or until the store can no longer write; then stops. On
    /// SIGHUP it reads tokens and certificates again.
    ///
    /// # Errors
    /// `Poisoned`; `Interrupted` by a second signal; the store does not close.
    pub async fn run_until_signal(self, mut signals: Signals) -> Result<(), StartError> {
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => break,
                    Asked::Reload => self.shared.reload(),
                },
                () = self.shared.stop.cancelled() => break,
            }
        }
        tracing::info!("stopping");
        tokio::select! {
            stopped = self.stop() => stopped,
            () = signals.stop_again() => Err(StartError::Interrupted),
        }
    }

    /// Stops: accepts nothing more, lets requests under way end for a while, syncs and closes.
    ///
    /// # Errors
    /// As [`Running::run_until_signal`].
    pub async fn stop(self) -> Result<(), StartError> {
        let shared = self.shared;
        shared.stop.cancel();
        shared.tasks.close();
        if timeout(limits::STOP_TIME_MAX, shared.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = shared.tasks.len(), "cut off what did not end in time");
        }
        shared.cut.cancel();
        if shared.is_poisoned() {
            return Err(StartError::Poisoned);
        }
        shared.store.sync().await.map_err(StartError::Store)?;
        match timeout(limits::CLOSE_TIME_MAX, shared.store.clone().close()).await {
            Ok(closed) => closed.map_err(StartError::Store),
            Err(_) => {
                // A compaction is under way. All is synced, and it can be left anywhere.
                tracing::warn!("the store is left without closing it");
                Ok(())
            }
        }
    }
}

/// Notices when the store can no longer write: after a failed write at once, and otherwise soon.
async fn watch_poison(shared: Arc<Shared>) {
    while !shared.is_poisoned() {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.failed.notified() => {}
            () = sleep(limits::POISON_LOOK) => {}
        }
    }
    tracing::error!("the store can no longer write");
    if shared.config.exit_on_poison {
        shared.stop.cancel();
    }
}

/// Reads certificates again when they change.
async fn watch_tls(shared: Arc<Shared>) {
    let Some(tls) = &shared.tls else { return };
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = sleep(limits::TLS_LOOK) => {}
        }
        if tls.is_changed() {
            shared.reload_tls();
        }
    }
}
