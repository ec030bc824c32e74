//! TLS by rustls: versions 1.2 and 1.3, certificates read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::Protocol;

/// Where certificates and keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Who must have signed the certificates that clients then have to show, PEM.
    pub client_ca: Option<PathBuf>,
}

/// What connections are accepted with; it can be read again while they are.
pub struct Tls {
    files: TlsFiles,
    configs: ArcSwap<Configs>,
    seen: Mutex<Vec<Option<SystemTime>>>,
}

struct Configs {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    resp: Arc<ServerConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// The file, and what is wrong with it.
    pub fn read(files: TlsFiles) -> Result<Self, String> {
        let configs = ArcSwap::from_pointee(files.configs()?);
        let seen = Mutex::new(files.modified());
        Ok(Self { files, configs, seen })
    }

    /// What accepts connections of a protocol.
    #[must_use]
    pub fn acceptor(&self, protocol: Protocol) -> TlsAcceptor {
        let configs = self.configs.load();
        TlsAcceptor::from(Arc::clone(match protocol {
            Protocol::Grpc => &configs.grpc,
            Protocol::Http => &configs.http,
            Protocol::Resp => &configs.resp,
        }))
    }

    /// Whether a file was changed since it was last read.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != self.files.modified()
    }

    /// Reads the files again, for connections to come. On an error the old ones stay in use.
    ///
    /// # Errors
    /// As [`Tls::read`].
    pub fn reload(&self) -> Result<(), String> {
        // Before reading: a change in between is then seen at the next look.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.files.modified();
        self.configs.store(Arc::new(self.files.configs()?));
        Ok(())
    }
}

impl TlsFiles {
    fn modified(&self) -> Vec<Option<SystemTime>> {
        let modified = |path: &PathBuf| path.metadata().and_then(|m| m.modified()).ok();
        let files = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()];
        files.into_iter().flatten().map(modified).collect()
    }

    fn configs(&self) -> Result<Configs, String> {
        Ok(Configs {
            grpc: Arc::new(self.config(&[b"h2"])?),
            http: Arc::new(self.config(&[b"http/1.1"])?),
            resp: Arc::new(self.config(&[])?),
        })
    }

    fn config(&self, alpn: &[&[u8]]) -> Result<ServerConfig, String> {
        let bad = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let chain = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| bad(&self.key, &e))?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| bad(&self.cert, &e))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|e| bad(path, &e))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|e| bad(path, &e))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|e| bad(&self.cert, &e))?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bad = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))?.collect();
    let chain = chain.map_err(|e| bad(&e))?;
    if chain.is_empty() {
        return Err(bad(&"there is no certificate in it"));
    }
    Ok(chain)
}
