//! Readers of records in text: JSON lines, TSV and CSV.
//!
//! Each reads one record at a time and knows the line it stands on, so that a bad one can be
//! named. A reader never guesses: what it cannot read exactly is refused.

pub mod csv;
mod lines;
mod tsv;

use std::io::{self, BufRead};
use std::path::Path;

pub use lines::Lines;

use siltdb::{Operation, json};

use crate::text::Encoding;

/// A form of records in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Key, tab, value.
    Tsv,
    /// Two comma-separated fields, quoted as in RFC 4180.
    Csv,
}

impl Format {
    /// The form that a file's name tells.
    pub fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
            "tsv" | "tab" => Some(Format::Tsv),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// One record that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The key, not yet compared with the limits.
    pub key: Vec<u8>,
    /// The value, not yet compared with the limits.
    pub value: Vec<u8>,
    /// When it expires, in microseconds since 1970.
    pub expires: Option<u64>,
}

/// Why reading stopped.
#[derive(Debug)]
pub enum ReadError {
    /// The host failed.
    Io(io::Error),
    /// A line is not what it should be.
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

/// Reads records of one form.
pub struct Reader<R> {
    lines: Lines<R>,
    format: Format,
    encoding: Encoding,
    literal: bool,
    row_line: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads `input` from its beginning. `literal` takes the backslash of TSV as it stands.
    pub fn new(input: R, format: Format, encoding: Encoding, literal: bool) -> Self {
        Self { lines: Lines::new(input), format, encoding, literal, row_line: 0 }
    }

    /// Leaves out one record, the header.
    pub fn skip_header(&mut self) -> Result<(), ReadError> {
        if self.format == Format::Csv {
            let mut fields = Vec::new();
            csv::read_fields(&mut self.lines, &mut fields)?;
        } else {
            self.lines.next_line()?;
        }
        Ok(())
    }

    /// The next record, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        match self.format {
            Format::Csv => {
                let mut fields = Vec::new();
                let Some(line) = csv::read_fields(&mut self.lines, &mut fields)? else {
                    return Ok(None);
                };
                self.row_line = line;
                let row = csv::row(fields, self.encoding);
                row.map(Some).map_err(|reason| ReadError::Line { line, reason })
            }
            Format::Tsv | Format::Jsonl => loop {
                let Some((line, text)) = self.lines.next_line()? else { return Ok(None) };
                self.row_line = line;
                if self.format == Format::Jsonl && text.trim_ascii().is_empty() {
                    continue;
                }
                let row = if self.format == Format::Jsonl {
                    json_row(text)
                } else {
                    tsv::parse_row(text, self.encoding, self.literal)
                };
                return row.map(Some).map_err(|reason| ReadError::Line { line, reason });
            },
        }
    }

    /// The line on which the record that was read last begins.
    pub fn line(&self) -> u64 {
        self.row_line
    }

    /// Bytes read so far.
    pub fn consumed(&self) -> u64 {
        self.lines.consumed()
    }
}

/// A record of JSON lines.
fn json_row(text: &[u8]) -> Result<Row, String> {
    let Operation { key, value, expires, .. } = json::row(text)?;
    Ok(Row { key, value: value.unwrap_or_default(), expires })
}
