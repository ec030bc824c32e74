//! TSV: the key up to the first tab, the value after it.

use super::Row;
use crate::text::{Encoding, unescape};

/// Reads one line. Further tabs belong to the value.
pub fn parse_row(line: &[u8], encoding: Encoding, literal: bool) -> Result<Row, String> {
    let Some(tab) = line.iter().position(|b| *b == b'\t') else {
        return Err(String::from("no tab between key and value"));
    };
    let field = |name: &str, text: &[u8]| {
        let bytes = match encoding {
            Encoding::Plain if !literal => unescape(text).map(std::borrow::Cow::into_owned),
            _ => encoding.decode(text),
        };
        bytes.map_err(|reason| format!("the {name} is refused: {reason}"))
    };
    Ok(Row {
        key: field("key", &line[..tab])?,
        value: field("value", &line[tab + 1..])?,
        expires: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn escapes_are_undone_unless_literal() {
        let row = parse_row(b"a\\tb\tc\\\\d\te", Encoding::Plain, false).unwrap();
        assert_eq!((row.key.as_slice(), row.value.as_slice()), (&b"a\tb"[..], &b"c\\d\te"[..]));
        let row = parse_row(b"a\\tb\tc\\q", Encoding::Plain, true).unwrap();
        assert_eq!((row.key.as_slice(), row.value.as_slice()), (&b"a\\tb"[..], &b"c\\q"[..]));
    }

    #[test]
    fn mistakes_are_named() {
        let reason = |line, encoding| parse_row(line, encoding, false).unwrap_err();
        assert!(reason(b"no tab here", Encoding::Plain).contains("no tab"));
        assert!(reason(b"k\t\\q", Encoding::Plain).contains("the value"));
        assert!(reason(b"k\t00", Encoding::Hex).contains("the key"));
    }
}
