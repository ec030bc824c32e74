//! Which records a command reads: range, prefix, order, and the moment.

use std::ffi::OsString;

use clap::Args;
use siltdb::ScanOptions;

use super::EncodingArgs;
use crate::output::{Failure, Run};
use crate::time;

/// Flags that choose a range of keys and a moment.
#[derive(Debug, Args)]
pub struct RangeArgs {
    /// Only keys that start with this.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    prefix: Option<OsString>,
    /// Only keys from this one on.
    #[arg(long, value_name = "A", allow_hyphen_values = true)]
    from: Option<OsString>,
    /// Only keys before this one.
    #[arg(long, value_name = "B", allow_hyphen_values = true)]
    to: Option<OsString>,
    /// Read as of this moment: RFC 3339, '10m ago', or a sequence number.
    #[arg(long, value_name = "T", value_parser = time::parse_moment)]
    as_of: Option<u64>,
}

impl RangeArgs {
    /// The scan these flags ask for.
    pub fn options(&self, encoding: &EncodingArgs) -> Run<ScanOptions> {
        let bytes = |name: &str, text: &Option<OsString>| {
            text.as_ref().map(|text| encoding.decode(name, text)).transpose()
        };
        let options = ScanOptions {
            prefix: bytes("--prefix", &self.prefix)?,
            from: bytes("--from", &self.from)?,
            to: bytes("--to", &self.to)?,
            as_of: self.as_of,
            ..ScanOptions::default()
        };
        if let (Some(from), Some(to)) = (&options.from, &options.to)
            && from > to
        {
            return Err(Failure::usage(
                "--from comes after --to, so the range is empty; use --reverse for the other order",
            ));
        }
        Ok(options)
    }
}
