//! One connection, plain or TLS, with limits on how slow it may be.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::metrics::ProtocolMetrics;
use super::slots::Slot;
use super::{Protocol, Shared, limits};

/// A connection that is counted as open.
#[derive(Debug)]
pub(super) struct Counted {
    shared: Arc<Shared>,
    protocol: Protocol,
}

impl Counted {
    /// Counts one more.
    pub(super) fn new(shared: &Arc<Shared>, protocol: Protocol) -> Self {
        let metrics = shared.metrics.of(protocol);
        metrics.connections.fetch_add(1, Ordering::Relaxed);
        metrics.connections_open.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(shared), protocol }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.metrics.of(self.protocol).connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is known of a connection; requests on it share it.
#[derive(Debug, Clone)]
pub struct ConnInfo {
    /// Where the peer is.
    pub peer: SocketAddr,
    /// The number of the connection, for logs.
    pub id: u64,
    requests: Arc<Requests>,
}

/// Requests of a connection.
#[derive(Debug, Default)]
struct Requests {
    /// Begun so far.
    begun: AtomicU64,
    /// Under way now.
    under_way: AtomicUsize,
}

impl ConnInfo {
    /// A request is under way until what this gives is dropped; the connection is not idle then.
    /// `None` when there are too many of them.
    #[must_use]
    pub fn begin(&self) -> Option<UnderWay> {
        let under_way = UnderWay(Arc::clone(&self.requests));
        self.requests.begun.fetch_add(1, Ordering::Relaxed);
        let before = self.requests.under_way.fetch_add(1, Ordering::Relaxed);
        (before < limits::REQUESTS_PER_CONNECTION_MAX as usize).then_some(under_way)
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct UnderWay(Arc<Requests>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection, plain or TLS. Reading fails when nothing came for too long, writing when nothing
/// was taken for too long.
#[derive(Debug)]
pub struct Conn {
    io: Io,
    info: ConnInfo,
    idle_time: Duration,
    first_time: Duration,
    has_first_byte: bool,
    /// Of HTTP: since when the head of a request is coming, and the requests begun before it.
    head_since: Option<Instant>,
    begun: u64,
    moved: Instant,
    read_timer: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
    counted: (Slot, Counted),
}

static CONN_ID: AtomicU64 = AtomicU64::new(1);

impl Conn {
    pub(super) async fn open(
        shared: &Shared,
        tcp: TcpStream,
        peer: SocketAddr,
        protocol: Protocol,
        counted: (Slot, Counted),
    ) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let io = match &shared.tls {
            None => Io::Plain(tcp),
            Some(tls) => {
                let handshake = tls.acceptor(protocol).accept(tcp);
                Io::Tls(Box::new(timeout(limits::HANDSHAKE_TIME_MAX, handshake).await??))
            }
        };
        let first_time =
            if shared.auth.is_on() { limits::UNKNOWN_TIME_MAX } else { limits::HEADER_TIME_MAX };
        let id = CONN_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            io,
            info: ConnInfo { peer, id, requests: Arc::default() },
            idle_time: shared.config.idle_time,
            first_time,
            has_first_byte: false,
            head_since: None,
            begun: 0,
            moved: Instant::now(),
            read_timer: Box::pin(sleep(first_time)),
            stalled: None,
            counted,
        })
    }

    /// What is known of it.
    #[must_use]
    pub fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// Where the peer is.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.info.peer
    }

    fn metrics(&self) -> &ProtocolMetrics {
        let (_, counted) = &self.counted;
        counted.shared.metrics.of(counted.protocol)
    }

    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(len)) = written {
            self.metrics().bytes_out.fetch_add(*len as u64, Ordering::Relaxed);
        }
    }

    fn check_idle(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            std::task::ready!(self.read_timer.as_mut().poll(context));
            let now = Instant::now();
            let limit = if self.has_first_byte { self.idle_time } else { self.first_time };
            if self.has_first_byte && self.info.requests.under_way.load(Ordering::Relaxed) > 0 {
                self.moved = now;
            }
            let end = self.head_end().unwrap_or(self.moved + limit);
            if end <= now {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.read_timer.as_mut().reset(end);
        }
    }

    /// When the head of a request that is coming must have come, however slowly it comes.
    fn head_end(&mut self) -> Option<Instant> {
        let begun = self.info.requests.begun.load(Ordering::Relaxed);
        if begun != self.begun {
            (self.begun, self.head_since) = (begun, None);
        }
        self.head_since.map(|since| since + limits::HEADER_TIME_MAX)
    }

    /// Notes that bytes came.
    fn note_read(&mut self, len: u64) {
        self.moved = Instant::now();
        self.metrics().bytes_in.fetch_add(len, Ordering::Relaxed);
        if !self.has_first_byte {
            self.has_first_byte = true;
            let end = self.moved + self.idle_time;
            self.read_timer.as_mut().reset(end);
        }
        let (_, counted) = &self.counted;
        if counted.protocol == Protocol::Http
            && self.head_end().is_none()
            && self.info.requests.under_way.load(Ordering::Relaxed) == 0
        {
            self.head_since = Some(self.moved);
        }
    }

    /// Notes that a write moved, or fails it when none did for too long.
    fn check_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.moved = Instant::now();
            self.stalled = None;
            return written;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(limits::WRITE_STALL_MAX)));
        std::task::ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_read(context, buf),
            Io::Tls(io) => Pin::new(io).poll_read(context, buf),
        };
        if read.is_ready() {
            let len = (buf.filled().len() - before) as u64;
            self.note_read(len);
            return read;
        }
        // What is left of a head has less time than a connection on which nothing is begun.
        if let Some(end) = self.head_end()
            && end < self.read_timer.deadline()
        {
            self.read_timer.as_mut().reset(end);
        }
        self.check_idle(context)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Io::Tls(io) => Pin::new(io).poll_write(context, bytes),
        };
        self.count(&written);
        self.check_stall(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write_vectored(context, parts),
            Io::Tls(io) => Pin::new(io).poll_write_vectored(context, parts),
        };
        self.count(&written);
        self.check_stall(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.io {
            // Nothing is held back, so this says nothing of the peer.
            Io::Plain(io) => return Pin::new(io).poll_flush(context),
            Io::Tls(io) => Pin::new(io).poll_flush(context),
        };
        self.check_stall(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(context),
            Io::Tls(io) => Pin::new(io).poll_shutdown(context),
        }
    }
}
