//! The protocol of Redis: RESP2, RESP3 and lines as people type them.
//!
//! As Redis does, a thread serves many connections in turn, each request to its end; here there is
//! one such thread for every two processors, each with a loop of its own.

mod alone;
mod awake;
pub mod clients;
pub mod commands;
mod connection;
mod dispatch;
mod exec;
mod flush;
mod gather;
pub mod glob;
mod lanes;
pub mod number;
pub mod parser;
pub mod reply;
pub mod session;
pub mod spec;
pub mod state;
pub mod txn;
mod watch;
mod wire;

use std::sync::Arc;

use tokio::sync::oneshot;

use self::awake::Awake;
use self::connection::Connection;
use self::gather::Gather;
use self::state::Resp;
use super::Shared;
use super::conn::Conn;
use super::listen::{Detached, Listener};

/// The version of Redis whose commands are spoken.
pub const VERSION: &str = "7.2.0";

/// Serves RESP until the server stops.
pub async fn serve(listener: Listener, shared: Arc<Shared>) {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = (processors / 2).clamp(1, 16);
    let Ok(local) = listener.address() else { return };
    let resp = Arc::new(Resp::new(Arc::clone(&shared), local, threads));
    let mut ends = Vec::new();
    let listeners = match listener.split(threads) {
        Ok(listeners) => listeners,
        Err(error) => return tracing::error!(%error, "the port of RESP is not served"),
    };
    for listener in listeners {
        let (ended, end) = oneshot::channel();
        let (resp, shared) = (Arc::clone(&resp), Arc::clone(&shared));
        let run = move || {
            if let Err(error) = run_loop(listener, resp, shared, ended) {
                tracing::error!(%error, "a thread of RESP does not run");
            }
        };
        match std::thread::Builder::new().name(String::from("silt-resp")).spawn(run) {
            Ok(_) => ends.push(end),
            Err(error) => tracing::error!(%error, "a thread of RESP does not start"),
        }
    }
    for end in ends {
        // It ends with the last one accepted, or was never there.
        let _ = end.await;
    }
}

/// Accepts and serves connections in this thread; `ended` is told when no more are accepted.
fn run_loop(
    listener: Detached,
    resp: Arc<Resp>,
    shared: Arc<Shared>,
    ended: oneshot::Sender<()>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = listener.attach()?;
        let gather = Arc::new(Gather::new(Arc::clone(&shared)));
        tokio::spawn(Arc::clone(&gather).run());
        let awake = Awake::new();
        let handle = move |conn: Conn| {
            let (gather, awake) = (Arc::clone(&gather), Arc::clone(&awake));
            Connection::serve(conn, Arc::clone(&resp), gather, awake)
        };
        listener.serve(Arc::clone(&shared), handle).await;
        let _ = ended.send(());
        // Connections end by themselves; the server waits for them, and then cuts.
        shared.cut.cancelled().await;
        Ok(())
    })
}
