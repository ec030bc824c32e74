//! `silt history`.

use std::ffi::OsString;
use std::io::Write as _;

use clap::Args;
use siltdb::Version;
use siltdb::json::{op_name, version_line};

use super::{Context, EncodingArgs};
use crate::output::{Outcome, Run};
use crate::text::Encoding;
use crate::time;

/// Print what a key was, newest first; exit code 1 if nothing is held of it
#[derive(Debug, Args)]
pub struct History {
    /// The key.
    key: OsString,
    /// At most this many versions.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl History {
    /// Prints one line a version.
    pub fn run(self, context: &Context) -> Run {
        let key = self.encoding.decode("KEY", &self.key)?;
        let store = context.open_to_read()?;
        let limit = self.limit.unwrap_or(u64::MAX);
        // Whether anything is held is told even where nothing is to be printed.
        let mut versions = store.history(&key, limit.max(1))?.peekable();
        let is_held = versions.peek().is_some();
        let mut out = context.out(self.encoding.encoding());
        for version in versions.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            let (version, json) = (version?, context.json);
            out.fill(|line, encoding| {
                if json {
                    version_line(&key, &version, false, line);
                } else {
                    version_text(&version, encoding, line);
                }
            })?;
        }
        out.finish()?;
        Ok(if is_held { Outcome::Done } else { Outcome::Found })
    }
}

fn version_text(version: &Version, encoding: Encoding, line: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(line, "{}\t{}\t{}\t", version.seq, time::rfc3339(version.seq), op_name(version));
    if let Some(value) = &version.value {
        encoding.encode(value, line);
    }
}
