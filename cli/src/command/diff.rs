//! `silt diff`.

use std::ffi::OsString;

use clap::Args;
use siltdb::json::change_line;
use siltdb::{Change, ScanOptions};

use super::{Context, EncodingArgs};
use crate::output::{Failure, Outcome, Run};
use crate::text::Encoding;
use crate::time;

/// Print what differs between two moments; exit code 1 if something does
#[derive(Debug, Args)]
pub struct Diff {
    /// The earlier moment: RFC 3339, '10m ago', or a sequence number.
    #[arg(long, value_name = "T", value_parser = time::parse_moment)]
    from: u64,
    /// The later moment; the newest state if left out.
    #[arg(long, value_name = "T", value_parser = time::parse_moment)]
    to: Option<u64>,
    /// Only keys that start with this.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    prefix: Option<OsString>,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl Diff {
    /// Prints `+key<TAB>value`, `-key<TAB>old` and `~key<TAB>old<TAB>new` lines.
    pub fn run(self, context: &Context) -> Run {
        let prefix =
            self.prefix.as_ref().map(|p| self.encoding.decode("--prefix", p)).transpose()?;
        if self.to.is_some_and(|to| to < self.from) {
            return Err(Failure::usage("--from is later than --to; exchange them"));
        }
        let options = ScanOptions { prefix, ..ScanOptions::default() };
        let store = context.open_to_read()?;
        let mut out = context.out(self.encoding.encoding());
        let mut outcome = Outcome::Done;
        for change in store.diff(self.from, self.to, &options)? {
            let change = change?;
            outcome = Outcome::Found;
            let json = context.json;
            out.fill(|line, encoding| {
                if json {
                    change_line(&change, line);
                } else {
                    change_text(&change, encoding, line);
                }
            })?;
        }
        out.finish()?;
        Ok(outcome)
    }
}

fn change_text(change: &Change, encoding: Encoding, line: &mut Vec<u8>) {
    line.push(match (&change.before, &change.after) {
        (None, _) => b'+',
        (_, None) => b'-',
        _ => b'~',
    });
    encoding.encode(&change.key, line);
    for record in [&change.before, &change.after].into_iter().flatten() {
        line.push(b'\t');
        encoding.encode(&record.value, line);
    }
}
