//! CSV as RFC 4180 has it: fields in quotes may hold commas, line ends and doubled quotes.

use std::io::BufRead;

use siltdb_core::limits::VALUE_LEN_MAX;

use super::{Lines, ReadError, Row};
use crate::text::Encoding;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the first byte of a field.
    Start,
    /// In a field without quotes.
    Bare,
    /// Between quotes.
    Quoted,
    /// After a quote that ends the field or is the first of a doubled one.
    Quote,
}

/// Reads the fields of one record; gives the number of its first line, or `None` at the end.
pub fn read_fields<R: BufRead>(
    lines: &mut Lines<R>,
    fields: &mut Vec<Vec<u8>>,
) -> Result<Option<u64>, ReadError> {
    fields.clear();
    let first = lines.number() + 1;
    let mut quote_line = first;
    let mut state = State::Start;
    let mut field = Vec::new();
    loop {
        let number = lines.number() + 1;
        let Some(raw) = lines.next_raw()? else {
            if state == State::Quoted {
                let reason = String::from("the quote that opens here is never closed");
                return Err(ReadError::Line { line: quote_line, reason });
            }
            return Ok(None);
        };
        let end = raw.len() - line_end_len(raw);
        let bad = |reason: &str| ReadError::Line { line: number, reason: reason.to_owned() };
        for byte in &raw[..end] {
            state = match (state, *byte) {
                (State::Start, b'"') => {
                    quote_line = number;
                    State::Quoted
                }
                (State::Quoted, b'"') => State::Quote,
                (State::Quote, b'"') => {
                    field.push(b'"');
                    State::Quoted
                }
                (State::Start | State::Bare | State::Quote, b',') => {
                    fields.push(std::mem::take(&mut field));
                    State::Start
                }
                (State::Quote, _) => return Err(bad("a closing quote must end the field")),
                (State::Bare, b'"') => {
                    return Err(bad("a quote inside a field that is not quoted"));
                }
                (State::Quoted, byte) => {
                    field.push(byte);
                    State::Quoted
                }
                (State::Start | State::Bare, byte) => {
                    field.push(byte);
                    State::Bare
                }
            };
        }
        if state != State::Quoted {
            fields.push(field);
            return Ok(Some(first));
        }
        field.extend_from_slice(&raw[end..]);
        if field.len() > VALUE_LEN_MAX {
            let reason = format!("the field that opens here has more than {VALUE_LEN_MAX} bytes");
            return Err(ReadError::Line { line: quote_line, reason });
        }
    }
}

fn line_end_len(raw: &[u8]) -> usize {
    if raw.ends_with(b"\r\n") { 2 } else { usize::from(raw.ends_with(b"\n")) }
}

/// The record that these fields are.
pub fn row(fields: Vec<Vec<u8>>, encoding: Encoding) -> Result<Row, String> {
    let count = fields.len();
    let Ok([key, value]) = <[Vec<u8>; 2]>::try_from(fields) else {
        return Err(format!("{count} fields, where a key and a value are expected"));
    };
    let decode = |name: &str, field: Vec<u8>| match encoding {
        Encoding::Plain => Ok(field),
        _ => encoding.decode(&field).map_err(|e| format!("the {name} is refused: {e}")),
    };
    Ok(Row { key: decode("key", key)?, value: decode("value", value)?, expires: None })
}

/// Appends a field, in quotes where it needs them.
pub fn write_field(bytes: &[u8], line: &mut Vec<u8>) {
    // Quotes also keep a byte order mark from being taken for the file's own.
    let plain = !bytes.iter().any(|b| matches!(b, b'"' | b',' | b'\n' | b'\r' | 0xef));
    if plain {
        line.extend_from_slice(bytes);
        return;
    }
    line.push(b'"');
    for byte in bytes {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    type Numbered = (u64, Vec<Vec<u8>>);

    fn all(text: &[u8]) -> Result<Vec<Numbered>, (u64, String)> {
        let mut lines = Lines::new(text);
        let mut records = Vec::new();
        loop {
            let mut fields = Vec::new();
            match read_fields(&mut lines, &mut fields) {
                Ok(Some(line)) => records.push((line, fields)),
                Ok(None) => return Ok(records),
                Err(ReadError::Line { line, reason }) => return Err((line, reason)),
                Err(ReadError::Io(e)) => panic!("{e}"),
            }
        }
    }

    #[test]
    fn quoted_fields_hold_anything() {
        let records = all(b"a,b\r\n\"x,\"\"y\"\"\nz\",\"\"\nlast,").unwrap();
        let lines: Vec<u64> = records.iter().map(|r| r.0).collect();
        assert_eq!(lines, [1, 2, 4]);
        assert_eq!(records[0].1, [b"a", b"b"]);
        assert_eq!(records[1].1, [&b"x,\"y\"\nz"[..], b""]);
        assert_eq!(records[2].1, [&b"last"[..], b""]);
    }

    #[test]
    fn bad_quotes_are_named_with_their_line() {
        assert_eq!(all(b"a,b\nc,\"d\ne\nf").unwrap_err().0, 2);
        assert_eq!(all(b"a,b\nc,d\"e\n").unwrap_err().0, 2);
        assert_eq!(all(b"\"a\"b,c\n").unwrap_err().0, 1);
    }

    #[test]
    fn written_fields_read_back() {
        for bytes in [&b"plain"[..], b"a,b", b"\"", b"line\nend", b"\r", b"", b"\xff,\x00"] {
            let mut line = Vec::new();
            write_field(b"k", &mut line);
            line.push(b',');
            write_field(bytes, &mut line);
            line.push(b'\n');
            assert_eq!(all(&line).unwrap()[0].1[1], bytes);
        }
    }

    #[test]
    fn two_fields_make_a_record() {
        let fields = |n: usize| vec![b"00".to_vec(); n];
        assert_eq!(row(fields(2), Encoding::Hex).unwrap().value, [0]);
        assert!(row(fields(3), Encoding::Plain).unwrap_err().contains("3 fields"));
        assert!(row(fields(1), Encoding::Plain).is_err());
    }
}
