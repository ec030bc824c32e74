//! `silt get`.

use std::ffi::OsString;

use clap::Args;
use siltdb::json;

use super::{Context, EncodingArgs};
use crate::output::{Out, Outcome, Run};
use crate::{text, time};

/// Print the value of a key; exit code 1 if it is absent
#[derive(Debug, Args)]
pub struct Get {
    /// The key.
    key: OsString,
    /// Read as of this moment: RFC 3339, '10m ago', or a sequence number.
    #[arg(long, value_name = "T", value_parser = time::parse_moment)]
    as_of: Option<u64>,
    /// Print the value's bytes as they are, also when the key is given in --hex or --base64.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl Get {
    /// Reads one record.
    pub fn run(self, context: &Context) -> Run {
        let key = self.encoding.decode("KEY", &self.key)?;
        let store = context.open_to_read()?;
        let Some(record) = store.get_record(&key, self.as_of)? else {
            return Ok(Outcome::Found);
        };
        let mut out = context.out(self.encoding.encoding());
        if context.json {
            out.fill(|line, _| json::record_line(&record, false, line))?;
        } else if self.raw || out.encoding == text::Encoding::Plain {
            out.bytes(&record.value)?;
            if Out::is_terminal() || context.in_shell() {
                out.bytes(b"\n")?;
            }
        } else {
            out.fill(|line, encoding| encoding.encode(&record.value, line))?;
        }
        out.finish()?;
        Ok(Outcome::Done)
    }
}
