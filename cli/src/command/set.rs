//! `silt set`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use siltdb::{Batch, Condition, Durability, Operation, Options};
use siltdb_core::batch::check_key;

use super::input::Input;
use super::{Context, EncodingArgs};
use crate::output::{Failure, Outcome, Run};
use crate::time;

/// Set a key to a value
#[derive(Debug, Args)]
pub struct Set {
    /// The key.
    key: OsString,
    /// The value; '-' reads it from stdin.
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        allow_negative_numbers = true
    )]
    value: Option<OsString>,
    /// Read the value from this file, byte for byte.
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// Let the record expire after this time: 90s, 10m, 7d.
    #[arg(long, value_name = "TIME", value_parser = time::parse_length)]
    ttl: Option<u64>,
    /// Only if the key is absent.
    #[arg(long, conflicts_with = "if_seq")]
    if_absent: bool,
    /// Only if the key's newest record has this sequence number.
    #[arg(long, value_name = "N")]
    if_seq: Option<u64>,
    #[command(flatten)]
    durability: DurabilityArgs,
    #[command(flatten)]
    encoding: EncodingArgs,
}

/// What a write is acknowledged for.
#[derive(Debug, Args)]
pub struct DurabilityArgs {
    /// What success means: synced (survives power loss), flushed or buffered.
    #[arg(long, value_name = "M", value_parser = parse_durability)]
    durability: Option<Durability>,
}

impl DurabilityArgs {
    /// The level asked for, or the default.
    pub fn or(&self, default: Durability) -> Durability {
        self.durability.unwrap_or(default)
    }
}

fn parse_durability(name: &str) -> Result<Durability, String> {
    Durability::parse(name).ok_or_else(|| String::from("write synced, flushed or buffered"))
}

impl Set {
    /// Writes one record.
    pub fn run(self, context: &Context) -> Run {
        let key = self.encoding.decode("KEY", &self.key)?;
        check_key(&key).map_err(|e| context.failed(&e))?;
        let value = match (&self.file, &self.value) {
            (Some(file), _) => Input::open(file)?.read_value()?,
            (None, Some(value)) if value == "-" => Input::open(Path::new("-"))?.read_value()?,
            (None, Some(value)) => self.encoding.decode("VALUE", value)?,
            // The parser asks for one of the two.
            (None, None) => Vec::new(),
        };
        let condition = match (self.if_absent, self.if_seq) {
            (true, _) => Some(Condition::Absent),
            (_, Some(seq)) => Some(Condition::SeqIs(seq)),
            _ => None,
        };
        let expires = self.ttl.map(time::expiry_after).transpose().map_err(Failure::usage)?;
        let mut batch = Batch::new();
        batch.push(Operation { key, value: Some(value), expires, condition });
        let store = context.open(Options::default())?;
        let durability = self.durability.or(Durability::Synced);
        let commit = store.write(&batch, Some(durability))?;
        store.close()?;
        context.print_commit(&commit)?;
        Ok(Outcome::Done)
    }
}
