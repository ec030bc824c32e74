//! `silt`: the command line of SiltDB.
#![forbid(unsafe_code)]

mod command;
mod import;
mod output;
mod text;
mod time;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
