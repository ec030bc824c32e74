//! The open engine and its threads, from opening to closing.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use siltdb_core::error::{Result, StorageError, StorageErrorKind, StorageFailure};

use super::NativeEngine;

/// How often closing looks whether calls of other threads have come to their end.
const CLOSE_LOOK: Duration = Duration::from_millis(1);

/// What all clones of a store share; dropping it closes the store.
pub(super) struct Handle {
    /// `None` once closed.
    pub(super) engine: ArcSwapOption<NativeEngine>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Whether the thread runs that commits for those who do not wait.
    has_committer: OnceLock<()>,
}

impl Handle {
    /// Opens the store, and starts the threads that do what goes on beside reads and writes.
    pub(super) fn open(engine: NativeEngine) -> Result<Self> {
        let engine = Arc::new(engine);
        let (worker, timer) = (Arc::clone(&engine), Arc::clone(&engine));
        let engine = ArcSwapOption::new(Some(engine));
        let handle =
            Self { engine, threads: Mutex::new(Vec::new()), has_committer: OnceLock::new() };
        handle.keep(spawn("silt-worker", move || worker.work_until_closed())?);
        handle.keep(spawn("silt-timer", move || timer.tick_until_closed())?);
        Ok(handle)
    }

    /// Closes the store, once.
    pub(super) fn close(&self) -> Result<()> {
        let Some(engine) = self.engine.swap(None) else { return Ok(()) };
        engine.stop();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = std::mem::take(&mut *threads);
        let here = thread::current().id();
        if threads.iter().any(|thread| thread.thread().id() == here) {
            // Called back by the committer, which cannot wait for its own end.
            spawn("silt-close", move || drop(finish(engine, threads)))?;
            return Ok(());
        }
        finish(engine, threads)
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Starts the committer, once.
    pub(super) fn start_committer(&self, engine: &Arc<NativeEngine>) -> Result<()> {
        if self.has_committer.get().is_none() {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            if self.has_committer.set(()).is_ok() {
                let engine = Arc::clone(engine);
                threads.push(spawn("silt-commit", move || engine.commit_until_closed())?);
            }
        }
        Ok(())
    }
}

/// Closes the engine when nobody uses it any more.
fn finish(mut engine: Arc<NativeEngine>, threads: Vec<JoinHandle<()>>) -> Result<()> {
    for thread in threads {
        // It ends by itself, and has nothing to tell.
        let _ = thread.join();
    }
    loop {
        // Calls of other threads come to their end first.
        match Arc::try_unwrap(engine) {
            Ok(engine) => return engine.close(),
            Err(shared) => engine = shared,
        }
        thread::sleep(CLOSE_LOOK);
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(|e| {
        let kind = StorageErrorKind::Io;
        let message = e.to_string();
        StorageError::from(StorageFailure { op: "open", file: None, kind, message }).into()
    })
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.close();
    }
}
