//! Programs of others. `tests/run` installs them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::peer::Peer;
use crate::served::until;

/// The directory that builds go to.
pub fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// Runs a program that must succeed; gives what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}; tests/run installs it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}

/// A real redis-server on a port of its own, without files.
pub struct Redis {
    child: Child,
    pub address: std::net::SocketAddr,
}

impl Redis {
    pub fn new() -> Self {
        loop {
            if let Some(redis) = Self::start() {
                return redis;
            }
        }
    }

    /// None if somebody else took the port meanwhile.
    fn start() -> Option<Self> {
        // A port that is free now is most likely free in a moment.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let port = address.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--save", "", "--appendonly", "no"]);
        command.args(["--bind", "127.0.0.1", "--dir", "/", "--daemonize", "no"]);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|e| panic!("redis-server: {e}; tests/run installs it"));
        let mut redis = Self { child, address };
        until("redis-server starts or ends", || redis.has_ended() || redis.answers());
        (!redis.has_ended()).then_some(redis)
    }

    /// Whether it is this one that answers at its port.
    fn answers(&self) -> bool {
        let Ok(mut peer) = Peer::try_new(self.address) else { return false };
        let own = format!("process_id:{}\r", self.child.id());
        peer.try_ask(&["INFO", "server"]).is_ok_and(|told| told.text().contains(&own))
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
