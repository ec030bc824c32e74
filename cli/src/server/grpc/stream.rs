//! Streams of messages: read in a thread, sent as fast as the peer takes them.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::status;
use crate::Records;
use crate::server::error::Failure;
use crate::server::{Shared, limits};

/// The messages of one answer.
pub type Messages<M> = ReceiverStream<Result<M, Status>>;

/// Messages sent ahead of the peer.
const AHEAD: usize = 2;

/// Packs records into messages of limited size and sends them, from a thread.
pub struct Packer<T, M> {
    sender: mpsc::Sender<Result<M, Status>>,
    runtime: Handle,
    cut: CancellationToken,
    records: Vec<T>,
    bytes: usize,
    pack: fn(Vec<T>) -> M,
}

/// Nobody takes the messages any more.
#[derive(Debug)]
pub struct Gone;

impl<T, M> Packer<T, M> {
    /// Adds a record that takes about so many bytes.
    pub fn push(&mut self, record: T, bytes: usize) -> Result<(), Gone> {
        self.bytes += bytes;
        self.records.push(record);
        if self.records.len() < limits::PAGE_RECORDS_MAX && self.bytes < limits::PAGE_BYTES_MAX {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Gone> {
        self.bytes = 0;
        if self.records.is_empty() {
            return Ok(());
        }
        let message = (self.pack)(std::mem::take(&mut self.records));
        self.send(Ok(message))
    }

    /// Sends a message, unless the peer takes nothing for too long.
    pub fn send(&self, message: Result<M, Status>) -> Result<(), Gone> {
        let sent = timeout(limits::WRITE_STALL_MAX, self.sender.send(message));
        self.runtime.block_on(async {
            tokio::select! {
                sent = sent => match sent {
                    Ok(Ok(())) => Ok(()),
                    _ => Err(Gone),
                },
                () = self.cut.cancelled() => Err(Gone),
            }
        })
    }
}

/// How reading for a stream ends before its end.
pub enum Ended {
    /// Nobody takes the messages any more.
    Gone,
    /// It failed.
    Failed(Failure),
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Ended::Gone
    }
}

impl From<siltdb_core::Error> for Ended {
    fn from(error: siltdb_core::Error) -> Self {
        Ended::Failed(error.into())
    }
}

/// Runs `read` in a thread; what it pushes is what the peer gets.
pub fn read<T, M, F>(
    shared: &Shared,
    permit: OwnedSemaphorePermit,
    pack: fn(Vec<T>) -> M,
    read: F,
) -> Messages<M>
where
    T: Send + 'static,
    M: Send + 'static,
    F: FnOnce(&mut Packer<T, M>) -> Result<(), Ended> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (runtime, cut) = (Handle::current(), shared.cut.clone());
    spawn_blocking(move || {
        let mut packer = Packer { sender, runtime, cut, records: Vec::new(), bytes: 0, pack };
        let ended = read(&mut packer);
        // What was read before a failure is true, and told.
        let flushed = packer.flush();
        if let (Err(Ended::Failed(failure)), Ok(())) = (ended, flushed) {
            let _ = packer.send(Err(status(&failure)));
        }
        drop(permit);
    });
    ReceiverStream::new(receiver)
}

/// Sends what a change feed tells, until the server stops.
pub fn feed<T, M>(
    shared: &Arc<Shared>,
    permit: OwnedSemaphorePermit,
    mut records: Records<T>,
    pack: fn(Vec<T>) -> M,
    size: fn(&T) -> usize,
) -> Messages<M>
where
    T: Send + 'static,
    M: Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    let stop = shared.stop.clone();
    tokio::spawn(async move {
        let _permit = permit;
        let mut packed = Vec::new();
        let mut bytes = 0;
        loop {
            let is_full =
                packed.len() >= limits::PAGE_RECORDS_MAX || bytes >= limits::PAGE_BYTES_MAX;
            let next = if is_full { Poll::Pending } else { now(records.next()).await };
            let next = match next {
                Poll::Ready(next) => next,
                Poll::Pending if packed.is_empty() => tokio::select! {
                    next = records.next() => next,
                    () = sender.closed() => return,
                    () = stop.cancelled() => Some(Err(siltdb_core::Error::Invalid("stopping"))),
                },
                Poll::Pending => {
                    let message = pack(std::mem::take(&mut packed));
                    bytes = 0;
                    let sent = timeout(limits::WRITE_STALL_MAX, sender.send(Ok(message))).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        return;
                    }
                    continue;
                }
            };
            let failure = match next {
                Some(Ok(record)) => {
                    bytes += size(&record);
                    packed.push(record);
                    continue;
                }
                Some(Err(_)) | None if stop.is_cancelled() => Failure::stopping(),
                Some(Err(error)) => error.into(),
                None => Failure::stopping(),
            };
            if !packed.is_empty() {
                let message = pack(std::mem::take(&mut packed));
                let _ = timeout(limits::WRITE_STALL_MAX, sender.send(Ok(message))).await;
            }
            let _ = timeout(limits::WRITE_STALL_MAX, sender.send(Err(status(&failure)))).await;
            return;
        }
    });
    ReceiverStream::new(receiver)
}

/// What a future gives right now.
async fn now<F: Future>(future: F) -> Poll<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
