//! The connections, as CLIENT LIST tells of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// What a client calls itself.
#[derive(Debug, Clone)]
pub struct Names {
    /// Its name.
    pub name: String,
    /// The name of its library.
    pub lib_name: String,
    /// The version of its library.
    pub lib_version: String,
    /// 2 or 3.
    pub protocol: u8,
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    /// Its number.
    pub id: u64,
    /// Where the peer is.
    pub peer: SocketAddr,
    /// Where the server is.
    pub local: SocketAddr,
    /// Ends the connection.
    pub end: CancellationToken,
    names: Mutex<Names>,
    begun: Instant,
    /// When it last asked, in milliseconds after it begun.
    asked_ms: AtomicU64,
    /// The place of its last command in the table.
    command: AtomicUsize,
}

impl Client {
    /// What it calls itself.
    pub fn names(&self) -> Names {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what it calls itself.
    pub fn change_names(&self, change: impl FnOnce(&mut Names)) {
        let mut names: MutexGuard<'_, Names> =
            self.names.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut names);
    }

    /// Notes what it asked for last.
    pub fn note(&self, command: usize, now: Instant) {
        let ms = now.saturating_duration_since(self.begun).as_millis();
        self.asked_ms.store(u64::try_from(ms).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.command.store(command, Ordering::Relaxed);
    }

    /// For how long it is connected.
    pub fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// For how long it has asked nothing.
    pub fn idle(&self) -> Duration {
        let asked = Duration::from_millis(self.asked_ms.load(Ordering::Relaxed));
        self.age().saturating_sub(asked)
    }

    /// The place in the table of what it asked for last; that of none before the first.
    pub fn command(&self) -> usize {
        self.command.load(Ordering::Relaxed)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Clients {
    /// By their numbers.
    pub all: Mutex<BTreeMap<u64, Arc<Client>>>,
}

impl Clients {
    /// Adds one.
    pub fn add(
        &self,
        id: u64,
        peer: SocketAddr,
        local: SocketAddr,
        end: CancellationToken,
    ) -> Arc<Client> {
        let names = Names {
            name: String::new(),
            lib_name: String::new(),
            lib_version: String::new(),
            protocol: 2,
        };
        let client = Arc::new(Client {
            id,
            peer,
            local,
            end,
            names: Mutex::new(names),
            begun: Instant::now(),
            asked_ms: AtomicU64::new(0),
            command: AtomicUsize::new(usize::MAX),
        });
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(id, Arc::clone(&client));
        client
    }

    /// Removes one.
    pub fn remove(&self, id: u64) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
