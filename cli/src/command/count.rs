//! `silt count`.

use clap::Args;
use siltdb::ScanOptions;

use super::range::RangeArgs;
use super::{Context, EncodingArgs};
use crate::output::{Outcome, Run};

/// Count records, exactly
#[derive(Debug, Args)]
pub struct Count {
    #[command(flatten)]
    range: RangeArgs,
    /// Count at most this many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    encoding: EncodingArgs,
}

#[derive(serde::Serialize)]
struct Line {
    count: u64,
}

impl Count {
    /// Prints one number.
    pub fn run(self, context: &Context) -> Run {
        let options = ScanOptions { limit: self.limit, ..self.range.options(&self.encoding)? };
        let store = context.open_to_read()?;
        let count = store.count(&options)?;
        let mut out = context.out(self.encoding.encoding());
        if context.json {
            out.value(&Line { count })?;
        } else {
            out.line(&count.to_string())?;
        }
        out.finish()?;
        Ok(Outcome::Done)
    }
}
