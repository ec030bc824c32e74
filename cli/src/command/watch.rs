//! `silt watch`.

use std::ffi::OsString;
use std::io::Write as _;

use clap::Args;
use siltdb::json::{op_name, version_line};
use siltdb::{Changed, ScanOptions};

use super::{Context, EncodingArgs};
use crate::output::{Out, Outcome, Run, note};
use crate::text::Encoding;
use crate::time;

/// Tell changes as a server commits them
#[derive(Debug, Args)]
pub struct Watch {
    /// Only keys that begin with this.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    prefix: Option<OsString>,
    /// Tell first what was committed after this moment; left out, only what is new.
    #[arg(long, value_name = "T", value_parser = time::parse_moment)]
    since: Option<u64>,
    /// End after so many changes.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Leave values out.
    #[arg(long)]
    keys_only: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl Watch {
    /// Prints a change a line: seq, time, set or del, key, and the value that was set.
    pub fn run(self, context: &Context) -> Run {
        let prefix =
            self.prefix.as_ref().map(|p| self.encoding.decode("--prefix", p)).transpose()?;
        let options = ScanOptions { prefix, keys_only: self.keys_only, ..ScanOptions::default() };
        let store = context.open_to_read()?;
        let mut out = context.out(self.encoding.encoding());
        let mut left = self.limit.unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(Outcome::Done);
        }
        for changed in store.changes(self.since, &options)? {
            let changed = changed?;
            let json = context.json;
            out.fill(|line, encoding| {
                if json {
                    version_line(&changed.key, &changed.version, self.keys_only, line);
                } else {
                    changed_text(&changed, self.keys_only, encoding, line);
                }
            })?;
            // A line is for now, not for when a buffer is full.
            out.flush()?;
            left -= 1;
            if left == 0 {
                break;
            }
        }
        out.finish()?;
        if !store.is_remote() && left > 0 && Out::is_terminal() {
            note("silt: nobody else can write while this store is open here; watch a server");
        }
        Ok(Outcome::Done)
    }
}

fn changed_text(changed: &Changed, keys_only: bool, encoding: Encoding, line: &mut Vec<u8>) {
    let version = &changed.version;
    // Writing to memory cannot fail.
    let _ = write!(line, "{}\t{}\t{}\t", version.seq, time::rfc3339(version.seq), op_name(version));
    encoding.encode(&changed.key, line);
    if let Some(value) = version.value.as_ref().filter(|_| !keys_only) {
        line.push(b'\t');
        encoding.encode(value, line);
    }
}
