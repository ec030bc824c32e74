//! Bodies of requests: counted against the memory of the server, and not slower than a minimum.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::budget::{Budget, Held};
use super::error::Failure;
use super::limits;

/// The memory that the body of one request holds; kept until the request is answered.
pub type BodyMemory = Arc<Mutex<Option<Held>>>;

/// A body within limits. Its error is the [`Failure`] to answer with.
#[derive(Debug)]
pub struct Limited<B> {
    body: B,
    budget: Arc<Budget>,
    memory: BodyMemory,
    bytes: u64,
    begun: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<B> Limited<B> {
    /// A body, and the memory it will hold.
    pub fn new(body: B, budget: &Arc<Budget>) -> (Self, BodyMemory) {
        let memory = BodyMemory::default();
        let limited = Self {
            body,
            budget: Arc::clone(budget),
            memory: Arc::clone(&memory),
            bytes: 0,
            begun: Instant::now(),
            timer: Box::pin(sleep(limits::BODY_TIME_FREE)),
        };
        (limited, memory)
    }

    fn hold(&self, bytes: usize) -> Result<(), Failure> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let is_held = match memory.as_mut() {
            Some(held) => held.grow(bytes),
            None => {
                *memory = self.budget.take(bytes);
                memory.is_some()
            }
        };
        if is_held { Ok(()) } else { Err(Failure::busy("requests fill the server's memory")) }
    }

    /// Fails a body that comes too slowly.
    fn check_rate(&mut self, context: &mut Context<'_>) -> Poll<Failure> {
        loop {
            std::task::ready!(self.timer.as_mut().poll(context));
            let waited = self.begun.elapsed().saturating_sub(limits::BODY_TIME_FREE);
            if self.bytes < waited.as_secs().saturating_mul(limits::BODY_RATE_MIN).max(1) {
                return Poll::Ready(Failure::new("SILT_TIMEOUT", "the body comes too slowly"));
            }
            self.timer.as_mut().reset(Instant::now() + std::time::Duration::from_secs(1));
        }
    }
}

impl<B> Body for Limited<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return self.check_rate(context).map(|failure| Some(Err(failure)));
        };
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(|e| Failure::input(format!("the body ended early: {e}")))?;
            if let Some(data) = frame.data_ref() {
                self.hold(data.remaining())?;
                self.bytes += data.remaining() as u64;
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
