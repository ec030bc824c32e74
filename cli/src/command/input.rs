//! Values and files that commands read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::limits::VALUE_LEN_MAX;

use crate::output::{EXIT_USAGE, Failure, Run};

/// A file to read, or stdin for `-`.
pub struct Input {
    /// The bytes.
    pub reader: Box<dyn BufRead>,
    /// How messages call it.
    pub name: String,
    /// Its length, where it is known.
    pub len: Option<u64>,
}

impl Input {
    /// Opens `path`, or takes stdin for `-`.
    pub fn open(path: &Path) -> Run<Self> {
        if path.as_os_str() == "-" {
            let reader = Box::new(BufReader::with_capacity(256 << 10, io::stdin()));
            return Ok(Self { reader, name: String::from("stdin"), len: None });
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| Failure::io(&name, &e))?;
        let kind = file.metadata().map_err(|e| Failure::io(&name, &e))?;
        if kind.is_dir() {
            return Err(Failure::usage("a directory, where a file is expected").at(name));
        }
        let len = kind.is_file().then_some(kind.len());
        Ok(Self { reader: Box::new(BufReader::with_capacity(256 << 10, file)), name, len })
    }

    /// Reads one value. A longer one than the limit is refused before it fills the memory.
    pub fn read_value(mut self) -> Run<Vec<u8>> {
        let max = VALUE_LEN_MAX as u64;
        if let Some(len) = self.len
            && len > max
        {
            return Err(too_long(usize::try_from(len).unwrap_or(usize::MAX)).at(self.name));
        }
        let mut value = Vec::new();
        self.reader
            .by_ref()
            .take(max + 1)
            .read_to_end(&mut value)
            .map_err(|e| Failure::io(&self.name, &e))?;
        if value.len() > VALUE_LEN_MAX {
            return Err(Failure::new(
                EXIT_USAGE,
                "SILT_VALUE_TOO_LONG",
                format!("the value has more than the {VALUE_LEN_MAX} bytes that are allowed"),
            )
            .at(self.name));
        }
        Ok(value)
    }
}

fn too_long(len: usize) -> Failure {
    let error = Error::from(ErrorKind::ValueTooLong { len, max: VALUE_LEN_MAX });
    Failure::new(EXIT_USAGE, error.code(), error.to_string())
}
