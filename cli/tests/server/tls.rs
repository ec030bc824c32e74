//! TLS: who vouches, certificates that change, and peers that do not speak it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use siltdb::client::{Client, ConnectOptions};

use crate::served::{ADMIN, Served, tokens, wait};
use crate::silt::{Ended, Silt};

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Of the same name as what it signs, OpenSSL would take that for its own signer.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this machine, and its key.
    pub fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec![String::from("127.0.0.1"), String::from("localhost")];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub fn file(&self, silt: &Silt, name: &str) -> PathBuf {
        PathBuf::from(silt.file(name, self.0.pem()))
    }
}

async fn connect(
    served: &Served,
    protocol: &str,
    ca: &std::path::Path,
    identity: Option<(PathBuf, PathBuf)>,
) -> siltdb::client::Result<Client> {
    Client::connect_with(ConnectOptions {
        url: served.url(protocol),
        token: Some(ADMIN.to_owned()),
        ca: Some(ca.to_owned()),
        identity,
    })
    .await
}

fn serve(silt: Silt, authority: &Authority, more: &[&str]) -> Served {
    let (certificate, key) = authority.sign();
    let tokens = tokens(&silt);
    let (certificate, key) = (silt.file("cert.pem", certificate), silt.file("key.pem", key));
    let mut all = vec!["--auth-file", &tokens, "--tls-cert", &certificate, "--tls-key", &key];
    all.extend(more);
    Served::of(silt, &all)
}

#[test]
fn certificates_are_read_again_when_they_change() {
    let (old, new) = (Authority::new(), Authority::new());
    let silt = Silt::new();
    let (old_ca, new_ca) = (old.file(&silt, "old"), new.file(&silt, "new"));
    // With tokens and TLS any address may be listened at.
    let served = serve(silt, &old, &["--host", "127.0.0.1"]);
    assert!(served.url("grpc").starts_with("grpcs://"));
    wait(async {
        let client = connect(&served, "grpc", &old_ca, None).await.unwrap();
        client.set(b"k", b"v").await.unwrap();
        assert!(connect(&served, "grpc", &new_ca, None).await.is_err());

        // Half a change is no change.
        let (certificate, key) = new.sign();
        served.silt.file("cert.pem", "broken");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(connect(&served, "grpc", &old_ca, None).await.is_ok());

        served.silt.file("key.pem", key);
        served.silt.file("cert.pem", certificate);
        let begun = Instant::now();
        while connect(&served, "grpc", &new_ca, None).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for protocol in ["grpc", "http"] {
            assert!(connect(&served, protocol, &old_ca, None).await.is_err());
            let client = connect(&served, protocol, &new_ca, None).await.unwrap();
            assert_eq!(client.get(b"k").await.unwrap().as_deref(), Some(&b"v"[..]));
        }
        // Connections that were there stay.
        assert_eq!(client.get(b"k").await.unwrap().as_deref(), Some(&b"v"[..]));
    });
    let ca = new_ca.display().to_string();
    let token = served.silt.file("token", ADMIN);
    let served = served.by("http");
    assert_eq!(served.ok(&["get", "k", "--server-ca", &ca, "--token-file", &token]), "v");
    // Left out, those whom the system trusts vouch.
    for protocol in ["grpc", "http"] {
        let url = served.url(protocol);
        let arguments = ["get", "k", "--server", &url, "--token-file", &token];
        let trusting = served.silt.command(&arguments).env("SSL_CERT_FILE", &ca).output().unwrap();
        assert_eq!(Ended(trusting).stdout(), "v");
        let strange = served.silt.command(&arguments).env("SSL_CERT_FILE", &old_ca).output();
        Ended(strange.unwrap()).failed(3, "SILT_UNREACHABLE");
    }
    served.stop();
}

#[test]
fn clients_show_certificates_where_they_must() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let silt = Silt::new();
    let ca = authority.file(&silt, "ca");
    let client_ca = clients.file(&silt, "clients").display().to_string();
    let served = serve(silt, &authority, &["--tls-client-ca", &client_ca]);
    let (certificate, key) = clients.sign();
    let certificate = PathBuf::from(served.silt.file("client.pem", certificate));
    let key = PathBuf::from(served.silt.file("client.key", key));
    wait(async {
        for protocol in ["grpc", "http"] {
            let identity = Some((certificate.clone(), key.clone()));
            let client = connect(&served, protocol, &ca, identity).await.unwrap();
            client.set(b"k", b"v").await.unwrap();
            // TLS 1.3 tells a client that it is not let in with its first answer.
            let nobody = connect(&served, protocol, &ca, None).await;
            let answer = match nobody {
                Ok(client) => client.get(b"k").await.map(|_| ()),
                Err(e) => Err(e),
            };
            assert!(answer.is_err(), "{protocol}");
        }
    });
}

/// Reads to the end of a connection; how long that took.
fn closed_after(mut peer: TcpStream) -> Duration {
    let begun = Instant::now();
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut buf = [0; 1_024];
    loop {
        match peer.read(&mut buf) {
            Ok(0) => return begun.elapsed(),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return begun.elapsed(),
            Err(e) => panic!("still open after {:?}: {e}", begun.elapsed()),
        }
    }
}

#[test]
fn who_does_not_speak_tls_is_cut_off() {
    let authority = Authority::new();
    let served = serve(Silt::new(), &authority, &[]);
    let mut threads = Vec::new();
    for protocol in ["grpc", "http", "resp"] {
        let address = served.address(protocol);
        threads.push(std::thread::spawn(move || {
            let mut garbage = TcpStream::connect(address).unwrap();
            garbage.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert!(closed_after(garbage) < Duration::from_millis(4_500));
            // Neither half a hello nor silence holds a connection for longer than a handshake.
            let mut half = TcpStream::connect(address).unwrap();
            half.write_all(&[22, 3, 1, 2, 0]).unwrap();
            let silent = TcpStream::connect(address).unwrap();
            assert!(closed_after(half) < Duration::from_millis(9_500));
            assert!(closed_after(silent) < Duration::from_millis(9_500));
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    served.stop();
}
