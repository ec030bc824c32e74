//! What the server remembers of a connection between its requests.

use std::sync::Arc;

use siltdb_core::{Commit, Durability};

use super::clients::Client;
use super::parser::Args;
use super::reply::Trouble;
use super::watch::Watched;
use crate::server::auth::{Access, Action};
use crate::server::budget::Held;
use crate::server::error::Failure;

/// A request that waits for EXEC.
#[derive(Debug)]
pub struct Queued {
    bytes: Vec<u8>,
    ranges: Vec<(usize, usize)>,
}

impl Queued {
    /// A copy of a request.
    pub fn of(args: Args<'_>) -> Self {
        let (mut bytes, mut ranges) = (Vec::new(), Vec::with_capacity(args.count()));
        for word in args.from(0) {
            let from = bytes.len();
            bytes.extend_from_slice(word);
            ranges.push((from, bytes.len()));
        }
        Self { bytes, ranges }
    }

    /// Its words.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.ranges)
    }

    /// Memory it takes.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.ranges.capacity() * 16
    }
}

/// Requests between MULTI and EXEC.
#[derive(Debug)]
pub struct Multi {
    /// The requests.
    pub queue: Vec<Queued>,
    /// One of them was refused: EXEC will not run the others.
    pub is_aborted: bool,
    /// The memory they take.
    pub held: Held,
}

/// What is remembered.
#[derive(Debug)]
pub struct Session {
    /// The connection.
    pub client: Arc<Client>,
    /// What it was let in with.
    access: Option<Access>,
    /// Between MULTI and EXEC.
    pub multi: Option<Multi>,
    /// Keys that must not change before EXEC.
    pub watched: Watched,
    /// How safe its writes are, if not as the server's.
    pub durability: Option<Durability>,
    /// Its last write.
    pub last_commit: Option<Commit>,
    /// Wrong tokens it has shown.
    pub wrong_tokens: u32,
}

impl Session {
    /// A new connection.
    pub fn new(client: Arc<Client>, access: Option<Access>, watched: Watched) -> Self {
        Self {
            client,
            access,
            multi: None,
            watched,
            durability: None,
            last_commit: None,
            wrong_tokens: 0,
        }
    }

    /// What it may do; `None` before it shows its token, and when that was taken away.
    pub fn access(&self) -> Option<&Access> {
        self.access.as_ref().filter(|access| access.is_valid())
    }

    /// Lets it in, or no more.
    pub fn set_access(&mut self, access: Option<Access>) {
        self.access = access;
    }

    /// Whether it may do this.
    ///
    /// # Errors
    /// It may not.
    pub fn access_check(&self, action: Action) -> Result<(), Trouble> {
        let access = self.access().ok_or_else(|| Trouble::from(Failure::unauthenticated()))?;
        Ok(access.check(action)?)
    }
}
