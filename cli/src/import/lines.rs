//! Lines with their numbers, of bounded length.

use std::io::{BufRead, Read};

use siltdb_core::limits::{KEY_LEN_MAX, VALUE_LEN_MAX};

use super::ReadError;

/// A line may escape every byte of the longest value and key in six characters, and name them.
const LINE_BYTES_MAX: u64 = 6 * (VALUE_LEN_MAX as u64 + KEY_LEN_MAX as u64) + 1024;

/// What some editors put before the first character of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads lines that end in LF or CRLF; the last one may end without.
pub struct Lines<R> {
    input: R,
    buf: Vec<u8>,
    number: u64,
    consumed: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads `input` from its beginning.
    pub fn new(input: R) -> Self {
        Self { input, buf: Vec::new(), number: 0, consumed: 0 }
    }

    /// The next line and its number, without its end.
    pub fn next_line(&mut self) -> Result<Option<(u64, &[u8])>, ReadError> {
        let number = self.number + 1;
        let Some(raw) = self.next_raw()? else { return Ok(None) };
        let line = raw.strip_suffix(b"\n").unwrap_or(raw);
        Ok(Some((number, line.strip_suffix(b"\r").unwrap_or(line))))
    }

    /// The next line with the end it has.
    pub fn next_raw(&mut self) -> Result<Option<&[u8]>, ReadError> {
        self.buf.clear();
        let len = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buf)? as u64;
        if len == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.consumed += len;
        if len == LINE_BYTES_MAX && self.buf.last() != Some(&b'\n') {
            let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
            return Err(ReadError::Line { line: self.number, reason });
        }
        if self.number == 1 && self.buf.starts_with(BYTE_ORDER_MARK) {
            self.buf.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(&self.buf))
    }

    /// The number of the line read last.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_end_in_either_way() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfa\r\n\nb\rc\nlast"[..]);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            all.push((number, line.to_vec()));
        }
        let expected: [(u64, &[u8]); 4] = [(1, b"a"), (2, b""), (3, b"b\rc"), (4, b"last")];
        assert_eq!(all, expected.map(|(n, l)| (n, l.to_vec())));
        assert_eq!(lines.consumed(), 15);
    }
}
