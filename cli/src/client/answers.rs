//! Answers of many parts.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use siltdb_core::SnapshotReport;

use super::error::Result;

/// A piece of a snapshot, or what tells that it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes to be written one after the other.
    Bytes(Bytes),
    /// The snapshot is whole. Without it, it is not.
    Report(SnapshotReport),
}

type Chunks<T> = Pin<Box<dyn Stream<Item = Result<Vec<T>>> + Send>>;

/// Answers as they come. Dropping it tells the server to stop.
pub struct Answers<T> {
    chunks: Chunks<T>,
    chunk: std::vec::IntoIter<T>,
}

impl<T> std::fmt::Debug for Answers<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

impl<T> Answers<T> {
    pub(super) fn new(chunks: impl Stream<Item = Result<Vec<T>>> + Send + 'static) -> Self {
        Self { chunks: Box::pin(chunks), chunk: Vec::new().into_iter() }
    }

    /// The next one; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(answer) = self.chunk.next() {
                return Poll::Ready(Some(Ok(answer)));
            }
            match std::task::ready!(self.chunks.as_mut().poll_next(context)) {
                Some(Ok(chunk)) => self.chunk = chunk.into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T: Unpin> Stream for Answers<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}
