//! `silt restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use siltdb::Progress;
use siltdb_core::error::{Error, ErrorKind};

use super::Context;
use super::input::Input;
use super::progress::Bar;
use super::snapshot::print_report;
use crate::output::{EXIT_IO, Failure, Run};

/// Make a store of a snapshot
#[derive(Debug, Args)]
pub struct Restore {
    /// The snapshot; '-' for stdin.
    file: PathBuf,
    /// Directory of the new store: absent or empty.
    dir: PathBuf,
}

impl Restore {
    /// Restores into a directory that holds nothing yet.
    pub fn run(self, context: &Context) -> Run {
        let mut input = Input::open(&self.file)?;
        let bar = Bar::bytes("restoring", input.len);
        let mut show = |progress: Progress| bar.show(&progress);
        let restored = siltdb::restore(&mut input.reader, &self.dir, &mut show);
        drop(bar);
        let report = restored.map_err(|e| failure(&self.dir, &input.name, &e))?;
        print_report(context, "restored", &report)
    }
}

/// What is wrong with the snapshot names its file; what is wrong with the place names that.
fn failure(dir: &Path, snapshot: &str, error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::NotEmpty => Failure::new(
            EXIT_IO,
            error.code(),
            "the directory is not empty; name one that is, or one that is not there yet",
        )
        .at(dir.display().to_string()),
        ErrorKind::Corrupt(_) | ErrorKind::Unsupported { .. } => {
            Failure::store(dir, error).at(snapshot)
        }
        _ => Failure::store(dir, error),
    }
}
