//! The client of a server.
//!
//! [`Client`] offers what a store in a directory offers, over the network. An answer to a write
//! tells the seq and the durability that were reached. A connection lost under a write leaves open
//! whether it was done (`SILT_OUTCOME_UNKNOWN`): write with a condition, and trying again is safe.

mod answers;
mod connect;
mod error;
mod grpc;
mod http;
mod parts;
mod problem;
mod url;

use std::path::PathBuf;

use siltdb_core::{
    Batch, Change, Changed, Commit, CompactionReport, Durability, Record, Retention, ScanOptions,
    SegmentStats, Stats, Version,
};

pub use answers::{Answers, Piece};
pub use error::{ClientError, Result};
use url::Url;

/// A run of segments that compaction would rewrite, as a server tells it.
pub use crate::proto::CompactionPlan;

/// Where a server is, and how to get in.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    /// `grpc://HOST:PORT` or `http://HOST:PORT`; `grpcs://` or `https://` with TLS.
    pub url: String,
    /// The token to show.
    pub token: Option<String>,
    /// With TLS: who must have signed the server's certificate (PEM file); left out, whom the
    /// system trusts.
    pub ca: Option<PathBuf>,
    /// With TLS: the certificate and key to show (PEM files).
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl std::fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the token.
        f.debug_struct("ConnectOptions").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A connection to a server. Clones share it; any number of calls may be under way.
#[derive(Debug, Clone)]
pub struct Client {
    wire: Box<Wire>,
}

/// How a server is spoken to.
#[derive(Debug, Clone)]
enum Wire {
    Grpc(grpc::Grpc),
    Http(http::Http),
}

/// Makes a call in the protocol of a client.
macro_rules! call {
    ($client:ident, $name:ident($($argument:expr),*)) => {
        match &*$client.wire {
            Wire::Grpc(wire) => wire.$name($($argument),*).await,
            Wire::Http(wire) => wire.$name($($argument),*).await,
        }
    };
}

impl Client {
    /// Connects to a server that asks for no token.
    ///
    /// # Errors
    /// The URL is none; no server answers.
    pub async fn connect(url: impl Into<String>) -> Result<Self> {
        let url = url.into();
        Self::connect_with(ConnectOptions { url, ..ConnectOptions::default() }).await
    }

    /// Connects to a server.
    ///
    /// # Errors
    /// As [`Client::connect`]; a file of certificates is not as it should be.
    pub async fn connect_with(options: ConnectOptions) -> Result<Self> {
        let url = options.url.clone();
        let Some(Url { is_grpc, is_tls, place }) = Url::read(&url) else {
            let message = "a server's URL is grpc://HOST:PORT or http://HOST:PORT; with TLS \
                           grpcs:// or https://";
            return Err(ClientError::new("SILT_USAGE", message));
        };
        let wire = match is_grpc {
            true => Wire::Grpc(grpc::Grpc::connect(place, is_tls, options).await?),
            false => Wire::Http(http::Http::connect(place, is_tls, options).await?),
        };
        Ok(Self { wire: Box::new(wire) })
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_record(key, None).await?.map(|record| record.value))
    }

    /// The record of `key`, of now or as of a moment.
    ///
    /// # Errors
    /// What the server says, as `SILT_HISTORY_GONE`.
    pub async fn get_record(&self, key: &[u8], as_of: Option<u64>) -> Result<Option<Record>> {
        call!(self, get_record(key, as_of))
    }

    /// Sets `key` to `value`, with the durability of the server.
    ///
    /// # Errors
    /// As [`Client::batch`].
    pub async fn set(&self, key: &[u8], value: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.set(key, value);
        self.batch(&batch, None).await
    }

    /// Deletes `key`, with the durability of the server.
    ///
    /// # Errors
    /// As [`Client::batch`].
    pub async fn delete(&self, key: &[u8]) -> Result<Commit> {
        let mut batch = Batch::new();
        batch.delete(key);
        self.batch(&batch, None).await
    }

    /// Commits a batch, whole or not at all.
    ///
    /// # Errors
    /// `SILT_CONDITION_FAILED`, and nothing is written; `SILT_OUTCOME_UNKNOWN`; what else the
    /// server says.
    pub async fn batch(&self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        call!(self, batch(batch, durability)).map_err(ClientError::of_write)
    }

    /// Makes all that was written before survive power loss; gives the last such seq.
    ///
    /// # Errors
    /// What the server says.
    pub async fn sync(&self) -> Result<u64> {
        call!(self, sync())
    }

    /// The live records of a range, in key order, consistent at one moment.
    ///
    /// # Errors
    /// What the server says.
    pub async fn scan(&self, options: &ScanOptions) -> Result<Answers<Record>> {
        call!(self, scan(options))
    }

    /// How many live records a range has, exactly.
    ///
    /// # Errors
    /// What the server says.
    pub async fn count(&self, options: &ScanOptions) -> Result<u64> {
        call!(self, count(options))
    }

    /// The versions of `key` that are still held, newest first: all, or so many.
    ///
    /// # Errors
    /// What the server says.
    pub async fn history(&self, key: &[u8], limit: Option<u64>) -> Result<Answers<Version>> {
        call!(self, history(key, limit))
    }

    /// The keys of a range that differ between two moments; `None` is now.
    ///
    /// # Errors
    /// What the server says.
    pub async fn diff(
        &self,
        from: u64,
        to: Option<u64>,
        options: &ScanOptions,
    ) -> Result<Answers<Change>> {
        call!(self, diff(from, to, options))
    }

    /// Every version committed after `since` (`None`: after the call), in the order of commits,
    /// and then each as it is committed, without end.
    ///
    /// # Errors
    /// What the server says, as `SILT_HISTORY_GONE`.
    pub async fn changes(
        &self,
        since: Option<u64>,
        options: &ScanOptions,
    ) -> Result<Answers<Changed>> {
        call!(self, changes(since, options))
    }

    /// Compacts everything that is worth it.
    ///
    /// # Errors
    /// What the server says.
    pub async fn compact(&self) -> Result<CompactionReport> {
        call!(self, compact())
    }

    /// What [`Client::compact`] would do.
    ///
    /// # Errors
    /// What the server says.
    pub async fn compaction_plan(&self) -> Result<Vec<CompactionPlan>> {
        call!(self, compaction_plan())
    }

    /// A consistent copy of the whole store, in pieces; the last one is the report.
    ///
    /// # Errors
    /// What the server says.
    pub async fn snapshot(&self) -> Result<Answers<Piece>> {
        call!(self, snapshot())
    }

    /// Figures about the store.
    ///
    /// # Errors
    /// What the server says.
    pub async fn stats(&self) -> Result<Stats> {
        call!(self, stats())
    }

    /// Figures about every live segment, oldest first.
    ///
    /// # Errors
    /// What the server says.
    pub async fn segments(&self) -> Result<Vec<SegmentStats>> {
        call!(self, segments())
    }

    /// Which superseded versions compaction keeps.
    ///
    /// # Errors
    /// What the server says.
    pub async fn retention(&self) -> Result<Retention> {
        call!(self, retention(None))
    }

    /// Changes which superseded versions compaction keeps, from now on.
    ///
    /// # Errors
    /// What the server says.
    pub async fn set_retention(&self, retention: Retention) -> Result<()> {
        call!(self, retention(Some(retention))).map(|_| ())
    }
}
