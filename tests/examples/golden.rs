//! Writes the golden stores into a directory: `cargo run -p siltdb-tests --example golden DIR`.
//!
//! Files that are there are never replaced: what is in `tests/golden` stays as it is. See
//! `tests/golden/README.md`.
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::{Error, Write};
use std::path::Path;

fn main() -> Result<(), Error> {
    let Some(dir) = std::env::args_os().nth(1) else {
        return Err(Error::other("name the directory to write to"));
    };
    for (name, bytes) in siltdb_tests::golden::make_all() {
        let path = Path::new(&dir).join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        OpenOptions::new().write(true).create_new(true).open(&path)?.write_all(&bytes)?;
        println!("{} {}", path.display(), bytes.len());
    }
    Ok(())
}
