//! Streams of messages: read in a thread, sent as fast as the peer takes them.

use std::io::{self, Write};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Held};
use super::error::Failure;
use super::{Shared, limits};

/// The messages of one answer, counted against the memory of the server until they are sent. `E`
/// is how the protocol says a failure.
pub struct Messages<M, E = Failure> {
    receiver: mpsc::Receiver<Message<M>>,
    sending: Option<Held>,
    error: PhantomData<fn() -> E>,
}

/// A message, and the memory it takes.
type Message<M> = (Result<M, Failure>, Option<Held>);

impl<M, E> Messages<M, E> {
    fn new(receiver: mpsc::Receiver<Message<M>>) -> Self {
        Self { receiver, sending: None, error: PhantomData }
    }
}

impl<M, E: From<Failure>> Stream for Messages<M, E> {
    type Item = Result<M, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(self.receiver.poll_recv(context));
        // Asked for the next one, the last one is sent.
        let (message, held) = next.map_or((None, None), |(message, held)| (Some(message), held));
        self.sending = held;
        Poll::Ready(message.map(|message| message.map_err(E::from)))
    }
}

/// Messages sent ahead of the peer.
const AHEAD: usize = 1;

/// Packs records into messages of limited size and sends them, from a thread.
pub struct Packer<T, M> {
    sender: mpsc::Sender<Message<M>>,
    budget: Arc<Budget>,
    runtime: Handle,
    cut: CancellationToken,
    records: Vec<T>,
    /// The memory of these records.
    held: Held,
    /// Makes a message of records.
    pack: fn(Vec<T>) -> M,
}

/// Nobody takes the messages any more.
#[derive(Debug)]
pub struct Gone;

/// A way to send messages from tasks and threads in turn, and what is sent that way.
pub fn channel<T, M, E>(shared: &Shared, pack: fn(Vec<T>) -> M) -> (Packer<T, M>, Messages<M, E>) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let packer = Packer {
        sender,
        budget: Arc::clone(&shared.budget),
        runtime: Handle::current(),
        cut: shared.cut.clone(),
        records: Vec::new(),
        held: shared.budget.nothing(),
        pack,
    };
    (packer, Messages::new(receiver))
}

impl<T, M> Packer<T, M> {
    /// Sends from a task what takes hardly any memory; `false` when nobody takes it.
    pub async fn tell(&self, message: Result<M, Failure>) -> bool {
        tell(&self.sender, (message, None)).await
    }

    /// Waits until nobody takes messages any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Adds what `records` gives, each of about so many bytes.
    pub fn push_all<R: Into<T>>(
        &mut self,
        mut records: impl Iterator<Item = siltdb_core::Result<R>>,
        bytes: fn(&R) -> usize,
    ) -> Result<(), Ended> {
        let budget = Arc::clone(&self.budget);
        loop {
            let uncounted = budget.uncounted_blocking();
            let Some(record) = records.next().transpose()? else { return Ok(()) };
            if !self.held.grow(bytes(&record)) {
                return Err(full());
            }
            drop(uncounted);
            self.records.push(record.into());
            if self.records.len() >= limits::PAGE_RECORDS_MAX
                || self.held.bytes() >= limits::PAGE_BYTES_MAX
            {
                self.flush()?;
            }
        }
    }

    /// Sends the records that were added since the last message.
    pub fn flush(&mut self) -> Result<(), Ended> {
        if self.records.is_empty() {
            return Ok(());
        }
        let held = std::mem::replace(&mut self.held, self.budget.nothing());
        let message = (self.pack)(std::mem::take(&mut self.records));
        Ok(self.put((Ok(message), Some(held)))?)
    }

    /// Sends a message that takes so many bytes.
    pub fn send(&self, message: M, bytes: usize) -> Result<(), Ended> {
        let held = self.budget.take(bytes);
        let held = held.ok_or_else(full)?;
        Ok(self.put((Ok(message), Some(held)))?)
    }

    /// Sends a message, unless the peer takes nothing for too long.
    fn put(&self, message: Message<M>) -> Result<(), Gone> {
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

/// Only writing to [`Pieces`] fails so, which know why.
impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Ended::Gone
    }
}

impl From<siltdb_core::Error> for Ended {
    fn from(error: siltdb_core::Error) -> Self {
        Ended::Failed(error.into())
    }
}

/// What ends an answer for which there is no memory.
pub fn full() -> Ended {
    Ended::Failed(Failure::replies_full())
}

/// Runs `read` in a thread; what it pushes is what the peer gets.
pub fn read<T, M, E, F>(
    shared: &Shared,
    permit: OwnedSemaphorePermit,
    pack: fn(Vec<T>) -> M,
    read: F,
) -> Messages<M, E>
where
    T: Send + 'static,
    M: Send + 'static,
    F: FnOnce(&mut Packer<T, M>) -> Result<(), Ended> + Send + 'static,
{
    let (mut packer, messages) = channel(shared, pack);
    spawn_blocking(move || {
        let ended = read(&mut packer);
        // What was read before a failure is true, and told.
        let ended = packer.flush().and(ended);
        if let Err(Ended::Failed(failure)) = ended {
            let _ = packer.put((Err(failure), None));
        }
        drop(permit);
    });
    messages
}

/// Sends a message, unless the peer takes nothing for too long.
async fn tell<M>(sender: &mpsc::Sender<Message<M>>, message: Message<M>) -> bool {
    matches!(timeout(limits::WRITE_STALL_MAX, sender.send(message)).await, Ok(Ok(())))
}

/// Bytes written to it go out in pieces.
pub struct Pieces<'a, M> {
    packer: &'a mut Packer<(), M>,
    make: fn(Bytes) -> M,
    piece: Vec<u8>,
    /// What is used again for what each record becomes.
    line: Vec<u8>,
    ended: Option<Ended>,
}

/// Bytes of a piece.
const PIECE_BYTES: usize = limits::PAGE_BYTES_MAX / 4;

impl<'a, M> Pieces<'a, M> {
    /// Pieces that `make` makes messages of.
    pub fn new(packer: &'a mut Packer<(), M>, make: fn(Bytes) -> M) -> Self {
        Self { packer, make, piece: Vec::new(), line: Vec::new(), ended: None }
    }

    /// Writes what `fill` makes of each that `records` gives. What becomes of a long value may take
    /// several times its bytes: `long` tells them.
    pub fn write_each<R>(
        &mut self,
        mut records: impl Iterator<Item = siltdb_core::Result<R>>,
        long: impl Fn(&R) -> usize,
        mut fill: impl FnMut(&R, &mut Vec<u8>),
    ) -> Result<(), Ended> {
        let budget = Arc::clone(&self.packer.budget);
        loop {
            let uncounted = budget.uncounted_blocking();
            let Some(record) = records.next().transpose()? else { return Ok(()) };
            let long = long(&record);
            let _held = budget.take(long).ok_or_else(full)?;
            let mut line = std::mem::take(&mut self.line);
            // As in a page: what grows by itself takes more.
            line.reserve(long);
            fill(&record, &mut line);
            // Sending may take long: the record is not kept for it.
            drop(record);
            drop(uncounted);
            self.write_all(&line)?;
            if line.capacity() <= limits::PAGE_BYTES_MAX {
                line.clear();
                self.line = line;
            }
        }
    }

    /// Sends what is left, or says why not all was taken.
    pub fn finish(mut self) -> Result<(), Ended> {
        if !self.piece.is_empty() {
            // What it says is in `ended`, too.
            let _ = self.send();
        }
        self.ended.map_or(Ok(()), Err)
    }

    fn send(&mut self) -> io::Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.piece));
        let len = bytes.len();
        self.packer.send((self.make)(bytes), len).map_err(|ended| {
            self.ended = Some(ended);
            io::ErrorKind::BrokenPipe.into()
        })
    }
}

impl<M> Write for Pieces<'_, M> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES.saturating_sub(self.piece.len()).max(1);
        let taken = bytes.len().min(room);
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
