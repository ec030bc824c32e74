//! Cursors of paged scans: where the next page begins, and the moment all pages are of.

use data_encoding::BASE64URL_NOPAD;
use siltdb_core::ScanOptions;

use crate::server::error::Failure;

/// The version of the form.
const FORM: u8 = 1;
const HEAD_LEN: usize = 1 + 8 + 8 + 4;

/// Where a scan goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The seq all pages are of.
    pub seq: u64,
    /// The moment expiry is judged at.
    pub moment: u64,
    /// The last key told.
    pub key: Vec<u8>,
}

/// A sum of what a scan asks for: a cursor is for the scan that it came from.
fn sum(options: &ScanOptions) -> u32 {
    let mut sum: u32 = 0x811c_9dc5;
    let mut add = |byte: u8| sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    for part in [&options.prefix, &options.from, &options.to] {
        add(u8::from(part.is_some()));
        let bytes = part.as_deref().unwrap_or_default();
        bytes.len().to_le_bytes().iter().chain(bytes).copied().for_each(&mut add);
    }
    add(u8::from(options.reverse));
    sum
}

impl Cursor {
    /// Its text.
    pub fn encode(&self, options: &ScanOptions) -> String {
        let mut bytes = vec![FORM];
        bytes.extend(self.seq.to_le_bytes());
        bytes.extend(self.moment.to_le_bytes());
        bytes.extend(sum(options).to_le_bytes());
        bytes.extend(&self.key);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads the text of a cursor of this scan.
    pub fn decode(text: &[u8], options: &ScanOptions) -> Result<Self, Failure> {
        let wrong = || Failure::input("cursor is none that this server gave");
        let bytes = BASE64URL_NOPAD.decode(text).map_err(|_| wrong())?;
        let (head, key) = bytes.split_at_checked(HEAD_LEN).ok_or_else(wrong)?;
        let number = |at: usize| head[at..].first_chunk().map(|b| u64::from_le_bytes(*b));
        let (seq, moment) = number(1).zip(number(9)).ok_or_else(wrong)?;
        if head[0] != FORM || key.is_empty() {
            return Err(wrong());
        }
        if head[17..] != sum(options).to_le_bytes() {
            return Err(Failure::input("cursor belongs to a scan with other parameters"));
        }
        Ok(Self { seq, moment, key: key.to_vec() })
    }

    /// The rest of the scan: what comes after the last key told.
    pub fn rest(&self, options: &ScanOptions) -> ScanOptions {
        let mut rest = ScanOptions { as_of: Some(self.seq), ..options.clone() };
        if rest.reverse {
            rest.to = Some(self.key.clone());
        } else {
            let mut from = self.key.clone();
            from.push(0);
            rest.from = Some(from);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cursor_reads_back_for_its_own_scan_alone() {
        let options = ScanOptions { prefix: Some(b"a\xff".to_vec()), ..ScanOptions::default() };
        let cursor = Cursor { seq: 7, moment: u64::MAX, key: b"a\xff\0".to_vec() };
        let text = cursor.encode(&options);
        assert_eq!(Cursor::decode(text.as_bytes(), &options).unwrap(), cursor);
        let other = ScanOptions { reverse: true, ..options.clone() };
        assert!(Cursor::decode(text.as_bytes(), &other).is_err());
        for text in ["", "AA", "!", &text[..20], "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(Cursor::decode(text.as_bytes(), &options).is_err(), "{text}");
        }
    }
}
