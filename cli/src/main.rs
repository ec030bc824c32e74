//! `silt`: the command line of SiltDB.
#![forbid(unsafe_code)]

mod command;
mod import;
mod interrupt;
mod output;
mod text;

use std::process::ExitCode;

use siltdb::time;

fn main() -> ExitCode {
    command::main()
}
