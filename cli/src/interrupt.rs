//! Ctrl-C in the shell: it ends the command, not the shell.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on Ctrl-C sets a flag that commands look at. A second one, before the flag was
/// cleared, ends the process as it would without this.
pub fn catch() -> io::Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    let signal = signal_hook::consts::SIGINT;
    // Registered first, so that it sees the flag as it was before this signal.
    signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))?;
    signal_hook::flag::register(signal, Arc::clone(flag))?;
    Ok(())
}

/// Forgets a Ctrl-C, before the next command.
pub fn clear() {
    if let Some(flag) = FLAG.get() {
        flag.store(false, Ordering::Relaxed);
    }
}

/// Whether Ctrl-C only sets the flag.
pub fn is_caught() -> bool {
    FLAG.get().is_some()
}

/// Whether Ctrl-C was pressed.
pub fn is_set() -> bool {
    FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
