//! What a connection reads and sends.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::connection::Connection;
use super::dispatch::Work;
use super::reply::Trouble;
use crate::server::error::Failure;
use crate::server::limits;

/// Bytes read at a time.
const READ_LEN: usize = 64 << 10;
/// Bytes of requests that are not counted against the memory of the server.
const INPUT_FREE: usize = 64 << 10;
/// Buffers keep so much memory while they are empty.
const KEEP_LEN: usize = 4 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_LEN]);
}

impl Connection {
    /// Reads what has come; `false` when no more will, or the connection is to end.
    pub(super) async fn read(
        &mut self,
        work: &Work,
        mut end: Pin<&mut WaitForCancellationFutureOwned>,
    ) -> io::Result<bool> {
        let (conn, input) = (&mut self.conn, &mut self.input);
        let len = poll_fn(|context| {
            if end.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(0));
            }
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buf = ReadBuf::new(scratch);
                std::task::ready!(Pin::new(&mut *conn).poll_read(context, &mut buf))?;
                input.extend_from_slice(buf.filled());
                Poll::Ready(Ok::<_, io::Error>(buf.filled().len()))
            })
        })
        .await?;
        let over = self.input.len().saturating_sub(INPUT_FREE + self.held.bytes());
        if over > 0 && !self.held.grow(over.max(READ_LEN)) {
            let busy = Trouble::from(Failure::busy("requests fill the memory"));
            let text = format!("-{}\r\n", busy.0);
            self.conn.write_all(text.as_bytes()).await?;
            return Ok(false);
        }
        let is_unknown = work.session.access().is_none();
        Ok(len > 0 && (!is_unknown || self.input.len() <= 2 * limits::UNKNOWN_BYTES_MAX))
    }

    /// Sends all replies, and makes room for more requests.
    pub(super) async fn send(&mut self, work: &mut Work) -> io::Result<()> {
        self.conn.write_all(work.out.bytes()).await?;
        self.conn.flush().await?;
        work.out.clear(KEEP_LEN);
        self.committed = (self.start, 0);
        if self.start > 0 {
            self.input.drain(..self.start);
            self.careful_to = self.careful_to.saturating_sub(self.start);
            self.start = 0;
            self.committed = (0, 0);
            self.held.shrink_to(self.input.len().saturating_sub(INPUT_FREE));
        }
        if self.input.is_empty() && self.input.capacity() > KEEP_LEN {
            self.input = Vec::new();
            self.parser.shrink();
        }
        Ok(())
    }

    /// Ends the connection. Closed at once, what the peer is still sending would make the system
    /// throw away what it was told last: that its request is too long, say.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.conn.shutdown().await?;
        let mut thrown_away = vec![0; READ_LEN];
        let rest = async {
            let mut len = 0;
            while len < limits::LINGER_BYTES_MAX {
                match self.conn.read(&mut thrown_away).await {
                    Ok(0) | Err(_) => return,
                    Ok(more) => len += more,
                }
            }
        };
        // Whether or not the peer is done by then.
        let _ = timeout(limits::LINGER_TIME_MAX, rest).await;
        Ok(())
    }
}
