//! Connections of the HTTP client: plain or TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::ConnectOptions;
use super::error::{ClientError, Result};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects to a server.
#[derive(Clone)]
pub struct Connector {
    tcp: HttpConnector,
    tls: Option<Arc<ClientConfig>>,
}

impl Connector {
    /// Connections by `tcp`, with TLS where a configuration of it is given.
    pub fn new(tcp: HttpConnector, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tcp, tls }
    }
}

fn bad_file(path: &std::path::Path, reason: impl std::fmt::Display) -> ClientError {
    ClientError::new("SILT_BAD_FILE", format!("{}: {reason}", path.display()))
}

/// Who is trusted, and what is shown to a server that asks.
pub fn tls(options: &ConnectOptions) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.ca {
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad_file(path, e))? {
            let certificate = certificate.map_err(|e| bad_file(path, e))?;
            roots.add(certificate).map_err(|e| bad_file(path, e))?;
        }
    } else {
        // A certificate of the system that cannot be read vouches for nobody.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        let message = "no certificate vouches for servers; name a file of them";
        return Err(ClientError::new("SILT_USAGE", message));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let usage = |e: rustls::Error| ClientError::new("SILT_USAGE", format!("TLS: {e}"));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(usage)?
        .with_root_certificates(roots);
    let mut config = match &options.identity {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let chain: std::result::Result<Vec<_>, _> =
                CertificateDer::pem_file_iter(cert).map_err(|e| bad_file(cert, e))?.collect();
            let chain = chain.map_err(|e| bad_file(cert, e))?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| bad_file(key, e))?;
            config.with_client_auth_cert(chain, key).map_err(usage)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl Service<Uri> for Connector {
    type Response = Io;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Io, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.call(uri.clone());
        let tls = self.tls.clone();
        Box::pin(async move {
            let tcp = connecting.await?;
            let Some(tls) = tls else { return Ok(Io::Plain(tcp)) };
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let name = ServerName::try_from(host.to_owned())?;
            let stream = TlsConnector::from(tls).connect(name, tcp.into_inner()).await?;
            Ok(Io::Tls(Box::new(TokioIo::new(stream))))
        })
    }
}

/// A connection.
#[derive(Debug)]
pub enum Io {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Io {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(io) => Pin::new(io).poll_read(context, buf),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_read(context, buf),
        }
    }
}

impl Write for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(io) => Pin::new(io).poll_flush(context),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(io) => Pin::new(io).poll_shutdown(context),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_shutdown(context),
        }
    }
}
