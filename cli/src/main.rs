//! `silt`: the command line of SiltDB.
#![forbid(unsafe_code)]

mod command;
mod import;
mod interrupt;
mod numbers;
mod output;
mod text;

use std::process::ExitCode;

use siltdb::time;

fn main() -> ExitCode {
    #[cfg(unix)]
    outlive_file_limit();
    command::main()
}

/// Where the length of files is limited, passing the limit is a failure of that write, and no
/// signal that ends the process.
#[cfg(unix)]
fn outlive_file_limit() {
    // A system that does not let it be caught ends the process as before.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}
