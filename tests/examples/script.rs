//! Runs a script of writes on a native store, for a test that the files of every home of the
//! engine are the same: `script DIR SEED SEGMENT_BYTES`, the script on standard input.
//!
//! Clock and random bits are given, as they are in the other homes. A line is one operation:
//! `+ KEY VALUE EXPIRES` (hexadecimal; microseconds, 0 for never) and `- KEY` add to the batch,
//! `commit LEVEL` writes it, `sync` and `compact` do what they say.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io::{Error, stdin};

use siltdb::native::{NativeOptions, NativeStorage};
use siltdb_core::{Batch, CompactionOptions, Durability, Host, Operation, Options, Store};

/// A clock that stands, and the generator that the script's other homes draw from.
struct Fixed {
    state: Cell<u64>,
}

impl Host for Fixed {
    fn now_us(&self) -> u64 {
        1_700_000_000_000_000
    }

    fn random_u64(&self) -> u64 {
        let state = self.state.get();
        let next =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(0x1405_7b7e_f767_814f);
        self.state.set(next);
        next
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, Error> {
    let digits = |at: usize| hex.get(at..at + 2).map(|two| u8::from_str_radix(two, 16));
    (0..hex.len())
        .step_by(2)
        .map(|at| digits(at).and_then(Result::ok).ok_or_else(|| Error::other("not hexadecimal")))
        .collect()
}

fn level(name: &str) -> Result<Durability, Error> {
    match name {
        "synced" => Ok(Durability::Synced),
        "flushed" => Ok(Durability::Flushed),
        "buffered" => Ok(Durability::Buffered),
        other => Err(Error::other(format!("no level: {other}"))),
    }
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, seed, segment_bytes] = arguments.as_slice() else {
        return Err(Error::other("script DIR SEED SEGMENT_BYTES"));
    };
    let options = Options {
        durability: Durability::Flushed,
        segment_bytes: segment_bytes.parse().map_err(Error::other)?,
        compaction: CompactionOptions { auto: false, ..CompactionOptions::default() },
        ..Options::default()
    };
    let storage = NativeStorage::open(dir, NativeOptions::default()).map_err(Error::other)?;
    let host = Fixed { state: Cell::new(seed.parse().map_err(Error::other)?) };
    let mut store = Store::open(storage, host, options).map_err(Error::other)?;
    let mut batch = Batch::new();
    for line in stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["+", key, value, expires] => drop(batch.push(Operation {
                key: bytes(key)?,
                value: Some(bytes(value)?),
                expires: Some(expires.parse().map_err(Error::other)?).filter(|at| *at > 0),
                condition: None,
            })),
            ["-", key] => drop(batch.delete(&bytes(key)?)),
            ["commit", name] => {
                let batch = std::mem::take(&mut batch);
                store.write(&batch, Some(level(name)?)).map_err(Error::other)?;
            }
            ["sync"] => drop(store.sync().map_err(Error::other)?),
            ["compact"] => drop(store.compact(&mut |_| {}).map_err(Error::other)?),
            _ => return Err(Error::other(format!("not a line of a script: {line}"))),
        }
    }
    store.close().map_err(Error::other)
}
