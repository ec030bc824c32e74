//! Signals to the process.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};
use tokio::time::timeout;

use super::limits;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To stop.
    Stop,
    /// To read files again.
    Reload,
}

/// What asks the process for something. From its making on no such signal ends the process by
/// itself.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    hangup: Signal,
    #[cfg(windows)]
    interrupt: CtrlC,
}

impl Signals {
    /// Catches them, within a runtime.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            hangup: signal(SignalKind::hangup())?,
            #[cfg(windows)]
            interrupt: ctrl_c()?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Asked {
        #[cfg(unix)]
        return tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        };
        #[cfg(windows)]
        {
            self.interrupt.recv().await;
            Asked::Stop
        }
    }

    /// Waits, once one asked to stop, for another that means it.
    pub async fn stop_again(&mut self) {
        // `timeout` signals the process and then its group, and Ctrl-C comes from the terminal and
        // from whoever started the server: nobody means by that to cut off what is under way.
        let _ = timeout(limits::SIGNALS_TOGETHER, async {
            loop {
                self.next().await;
            }
        })
        .await;
        while self.next().await != Asked::Stop {}
    }
}
