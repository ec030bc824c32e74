//! The store for tasks of a tokio runtime.
//!
//! Writes never wait in the runtime's threads: they are handed over and answered, and those under
//! way at the same time share one append and one sync. Reads of one key are done at once where they
//! are asked for: they take a microsecond from memory, and at worst one read of the disk. Whatever
//! takes longer runs in tokio's threads for blocking work.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use siltdb_core::error::{ErrorKind, Result, StorageError, StorageErrorKind, StorageFailure};
use siltdb_core::{
    Batch, Changed, Commit, CompactionReport, Durability, Options, Progress, Record, ScanOptions,
    SnapshotReport, Stats, Version,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::Store;
use crate::rest::Rest;

/// Records sent to the reader of a stream at once, and bytes of them, unless a single one has more.
const CHUNK_LEN: usize = 256;
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks read ahead of the reader of a stream.
const CHUNKS_AHEAD: usize = 2;

/// A store for tasks. Clones share it, as clones of [`Store`] do.
#[derive(Clone, Debug)]
pub struct AsyncStore {
    store: Store,
}

impl From<Store> for AsyncStore {
    fn from(store: Store) -> Self {
        Self { store }
    }
}

impl AsyncStore {
    /// As [`Store::open`].
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self> {
        let dir = dir.into();
        blocking(move || Store::open(dir, options)).await.map(Self::from)
    }

    /// The store, for what needs no task.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.get(key)
    }

    /// The record of `key`, of now or as of a moment.
    ///
    /// # Errors
    /// As [`Store::get_as_of`].
    pub async fn get_record(&self, key: &[u8], as_of: Option<u64>) -> Result<Option<Record>> {
        match as_of {
            None => self.store.get_record(key),
            Some(seq) => {
                let (store, key) = (self.store.clone(), key.to_vec());
                blocking(move || store.get_as_of(&key, seq)).await
            }
        }
    }

    /// Sets `key` to `value`, with the durability of the store's options.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn set(&self, key: &[u8], value: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.set(key, value);
        self.batch(batch, None).await
    }

    /// Deletes `key`, with the durability of the store's options.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn delete(&self, key: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.delete(key);
        self.batch(batch, None).await
    }

    /// Commits a batch, whole or not at all.
    ///
    /// # Errors
    /// As [`Store::write`].
    ///
    /// # Crash behaviour
    /// As [`Store::write`]. A task dropped while it waits leaves the commit under way.
    pub async fn batch(&self, batch: Batch, durability: Option<Durability>) -> Result<Commit> {
        let (sender, receiver) = oneshot::channel();
        self.store.submit(batch, durability, move |result| {
            // Nobody waits any more: the commit stands all the same.
            let _ = sender.send(result);
        });
        receiver.await.unwrap_or(Err(ErrorKind::Poisoned.into()))
    }

    /// Makes all that was written before survive power loss; gives the last such seq.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub async fn sync(&self) -> Result<u64> {
        self.batch(Batch::new(), Some(Durability::Synced)).await?;
        Ok(self.store.durable_seq())
    }

    /// The live records of a range, in key order, consistent at one moment. The reader sets the
    /// pace: no more than a few hundred records are read ahead, and few of them if they are large.
    #[must_use]
    pub fn scan(&self, options: ScanOptions) -> Records<Record> {
        let store = self.store.clone();
        Records::read(Record::size, move |out| out.push_all(store.scan(&options)?))
    }

    /// How many live records a range has, exactly.
    ///
    /// # Errors
    /// As [`Store::count`].
    pub async fn count(&self, options: ScanOptions) -> Result<u64> {
        let store = self.store.clone();
        blocking(move || store.count(&options)).await
    }

    /// Every version of `key` that is still held, newest first, read as [`AsyncStore::scan`].
    #[must_use]
    pub fn history(&self, key: &[u8]) -> Records<Version> {
        let (store, key) = (self.store.clone(), key.to_vec());
        Records::read(Version::size, move |out| out.push_all(store.history(&key)?))
    }

    /// The change feed: every version of the keys of a range committed after `since`, in the order
    /// of commits, and, once all are told, each one as it is committed, without end.
    ///
    /// The stream gives `HistoryGone` and ends when compaction has dropped what its reader did not
    /// get to in time.
    ///
    /// # Errors
    /// The store is closed.
    pub fn changes(&self, since: u64, options: ScanOptions) -> Result<Records<Changed>> {
        let mut rest = Rest::new(&self.store)?;
        // The stream must not keep a store open that everybody else has closed.
        let store = self.store.downgrade();
        let (out, records) = Records::channel(Changed::size);
        tokio::spawn(async move {
            let mut since = since;
            loop {
                rest.begin();
                let Some(store) = store.upgrade() else { return };
                let (options, mut chunk) = (options.clone(), out.clone());
                let told = spawn_blocking(move || {
                    let told = tell(&store, since, &options, &mut chunk);
                    chunk.finish(told)
                });
                match told.await {
                    Ok(Some(last)) => since = last,
                    _ => return,
                }
                rest.end();
                tokio::select! {
                    () = out.sender.closed() => return,
                    is_over = rest.is_over() => if !is_over { return },
                }
            }
        });
        Ok(records)
    }

    /// Compacts everything that is worth it.
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub async fn compact(
        &self,
        mut progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<CompactionReport> {
        let store = self.store.clone();
        blocking(move || store.compact(&mut progress)).await
    }

    /// Writes a consistent copy of the whole store into `out`, which it gives back.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub async fn snapshot<W>(&self, mut out: W) -> Result<(SnapshotReport, W)>
    where
        W: std::io::Write + Send + 'static,
    {
        let store = self.store.clone();
        blocking(move || Ok((store.snapshot(&mut out, &mut |_| ())?, out))).await
    }

    /// Figures about the store.
    ///
    /// # Errors
    /// As [`Store::stats`].
    pub async fn stats(&self) -> Result<Stats> {
        let store = self.store.clone();
        blocking(move || store.stats()).await
    }

    /// As [`Store::close`].
    ///
    /// # Errors
    /// As [`Store::close`].
    pub async fn close(self) -> Result<()> {
        blocking(move || self.store.close()).await
    }
}

/// Runs what may take long beside the runtime.
async fn blocking<T, F>(run: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    spawn_blocking(run).await.unwrap_or_else(|e| {
        let (op, kind) = ("run", StorageErrorKind::Io);
        Err(StorageError::from(StorageFailure { op, file: None, kind, message: e.to_string() })
            .into())
    })
}

/// Sends what was committed after `since`; gives the seq to go on from.
fn tell(
    store: &Store,
    since: u64,
    options: &ScanOptions,
    out: &mut Out<Changed>,
) -> Result<Option<u64>> {
    let changes = store.changes(since, options)?;
    let until = changes.until();
    for changed in changes {
        if !out.push(changed?) {
            return Ok(None);
        }
    }
    Ok(Some(until))
}

/// Sends records in chunks.
#[derive(Debug)]
struct Out<T> {
    sender: mpsc::Sender<Vec<Result<T>>>,
    chunk: Vec<Result<T>>,
    bytes: usize,
    size: fn(&T) -> usize,
}

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), chunk: Vec::new(), bytes: 0, size: self.size }
    }
}

impl<T> Out<T> {
    /// `false` when nobody reads any more.
    fn push(&mut self, record: T) -> bool {
        self.bytes += (self.size)(&record);
        self.chunk.push(Ok(record));
        (self.chunk.len() < CHUNK_LEN && self.bytes < CHUNK_BYTES) || self.send()
    }

    /// Sends all records, as long as somebody reads.
    fn push_all(&mut self, records: impl Iterator<Item = Result<T>>) -> Result<()> {
        for record in records {
            if !self.push(record?) {
                break;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> bool {
        self.bytes = 0;
        let chunk = std::mem::take(&mut self.chunk);
        chunk.is_empty() || self.sender.blocking_send(chunk).is_ok()
    }

    /// Sends the rest, and the error if there was one.
    fn finish<U>(mut self, result: Result<Option<U>>) -> Option<U> {
        let value = match result {
            Ok(value) => value,
            Err(e) => {
                self.chunk.push(Err(e));
                None
            }
        };
        if self.send() { value } else { None }
    }
}

/// Records as they are read. Dropping it ends the reading.
#[derive(Debug)]
pub struct Records<T> {
    receiver: mpsc::Receiver<Vec<Result<T>>>,
    chunk: std::vec::IntoIter<Result<T>>,
}

impl<T: Send + 'static> Records<T> {
    fn channel(size: fn(&T) -> usize) -> (Out<T>, Self) {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let out = Out { sender, chunk: Vec::new(), bytes: 0, size };
        (out, Self { receiver, chunk: Vec::new().into_iter() })
    }

    fn read(
        size: fn(&T) -> usize,
        read: impl FnOnce(&mut Out<T>) -> Result<()> + Send + 'static,
    ) -> Self {
        let (mut out, records) = Self::channel(size);
        spawn_blocking(move || {
            let done = read(&mut out).map(Some);
            out.finish(done);
        });
        records
    }

    /// The next record; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(record) = self.chunk.next() {
                return Poll::Ready(Some(record));
            }
            match std::task::ready!(self.receiver.poll_recv(context)) {
                Some(chunk) => self.chunk = chunk.into_iter(),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T: Send + Unpin + 'static> Stream for Records<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_are_read_ahead_however_long_records_are() {
        let (mut out, mut records) = Records::channel(|len: &usize| *len);
        let reading = std::thread::spawn(move || {
            let lens = [CHUNK_BYTES / 4, CHUNK_BYTES * 3, 1];
            let all = lens.into_iter().cycle().take(3 * CHUNK_LEN);
            out.push_all(all.map(Ok)).is_ok() && out.finish(Ok(Some(()))).is_some()
        });
        let mut count = 0;
        while let Some(chunk) = records.receiver.blocking_recv() {
            let (last, before) = chunk.split_last().unwrap_or((&Ok(0), &[][..]));
            let bytes: usize = before.iter().flatten().sum();
            assert!(bytes < CHUNK_BYTES, "{bytes} bytes before the last of a chunk: {last:?}");
            count += chunk.len();
        }
        assert_eq!(count, 3 * CHUNK_LEN);
        assert!(reading.join().is_ok_and(|is_read| is_read));
    }
}
