//! Accepting connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

use super::conn::{Conn, Counted};
use super::{Protocol, Shared, limits};

/// A bound port of one protocol.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    protocol: Protocol,
}

impl Listener {
    /// Binds an address; port 0 takes any.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn bind(address: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A server started again finds its port free.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { tcp: socket.listen(1_024)?, protocol })
    }

    /// The address it has.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The same port for so many runtimes, of whichever each connection is then.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn split(self, count: usize) -> io::Result<Vec<Detached>> {
        let tcp = self.tcp.into_std()?;
        let protocol = self.protocol;
        (0..count).map(|_| Ok(Detached { tcp: tcp.try_clone()?, protocol })).collect()
    }

    /// Accepts connections until the server stops, and runs `handle` on each in a task of its own,
    /// for which stopping waits.
    pub async fn serve<F, Fut>(self, shared: Arc<Shared>, handle: F)
    where
        F: Fn(Conn) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut wait = limits::ACCEPT_WAIT_MIN;
        loop {
            let accepted = tokio::select! {
                () = shared.stop.cancelled() => return,
                accepted = self.tcp.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    wait = limits::ACCEPT_WAIT_MIN;
                    self.take(&shared, tcp, peer, handle.clone());
                }
                Err(e) => {
                    // No descriptors are left, or the like: it passes, and asking at once again
                    // would only burn the processor.
                    tracing::warn!(protocol = self.protocol.name(), error = %e, "accept failed");
                    sleep(wait).await;
                    wait = (wait * 2).min(limits::ACCEPT_WAIT_MAX);
                }
            }
        }
    }

    fn take<F, Fut>(&self, shared: &Arc<Shared>, tcp: TcpStream, peer: SocketAddr, handle: F)
    where
        F: Fn(Conn) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let protocol = self.protocol;
        let metrics = shared.metrics.of(protocol);
        let Some(slot) = shared.slots.take(peer.ip()) else {
            metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
            return refuse(tcp, protocol);
        };
        let counted = Counted::new(shared, protocol);
        let shared = Arc::clone(shared);
        let task = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            match Conn::open(&task, tcp, peer, protocol, (slot, counted)).await {
                Ok(conn) => handle(conn).await,
                Err(e) => {
                    let metrics = task.metrics.of(protocol);
                    metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(protocol = protocol.name(), error = %e, "no connection");
                }
            }
        });
    }
}

/// A bound port that belongs to no runtime.
#[derive(Debug)]
pub struct Detached {
    tcp: std::net::TcpListener,
    protocol: Protocol,
}

impl Detached {
    /// The port, for the runtime that this is called in.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn attach(self) -> io::Result<Listener> {
        Ok(Listener { tcp: TcpListener::from_std(self.tcp)?, protocol: self.protocol })
    }
}

/// Tells a peer that there are too many, where the protocol has a way to.
fn refuse(tcp: TcpStream, protocol: Protocol) {
    let text: &[u8] = match protocol {
        Protocol::Resp => b"-ERR max number of clients reached\r\n",
        Protocol::Http => {
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        }
        Protocol::Grpc => return,
    };
    // Into the empty buffer of a fresh socket, or not at all: nothing waits for this peer.
    let _ = tcp.try_write(text);
}
