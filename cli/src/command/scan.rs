//! `silt scan`.

use clap::Args;
use siltdb::ScanOptions;
use siltdb::json::record_line;

use super::range::RangeArgs;
use super::{Context, EncodingArgs};
use crate::output::{Outcome, Run};

/// Print records in key order
#[derive(Debug, Args)]
pub struct Scan {
    #[command(flatten)]
    range: RangeArgs,
    /// From the last key to the first.
    #[arg(long)]
    reverse: bool,
    /// At most this many records.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Keys without values.
    #[arg(long)]
    keys_only: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl Scan {
    /// Prints `key<TAB>value` lines, or JSON lines.
    pub fn run(self, context: &Context) -> Run {
        let options = ScanOptions {
            reverse: self.reverse,
            limit: self.limit,
            keys_only: self.keys_only,
            ..self.range.options(&self.encoding)?
        };
        let store = context.open_to_read()?;
        let mut out = context.out(self.encoding.encoding());
        for record in store.scan(&options)? {
            let record = record?;
            let json = context.json;
            out.fill(|line, encoding| {
                if json {
                    record_line(&record, options.keys_only, line);
                } else {
                    encoding.encode(&record.key, line);
                    if !options.keys_only {
                        line.push(b'\t');
                        encoding.encode(&record.value, line);
                    }
                }
            })?;
        }
        out.finish()?;
        Ok(Outcome::Done)
    }
}
