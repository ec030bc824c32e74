//! Keys and values as text: on the command line, in lines of output, and in JSON.

use std::borrow::Cow;
use std::ffi::OsStr;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
pub use siltdb::json::{bytes as json_bytes, string as json_string};

/// How keys and values stand in arguments and in lines of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// UTF-8; control characters are escaped on output.
    #[default]
    Plain,
    /// Two hexadecimal digits a byte.
    Hex,
    /// Base64 with padding.
    Base64,
}

impl Encoding {
    /// The bytes an argument stands for.
    pub fn decode_argument(self, text: &OsStr) -> Result<Vec<u8>, String> {
        match self {
            Encoding::Plain => argument_bytes(text),
            _ => self.decode(&argument_bytes(text)?),
        }
    }

    /// The bytes that `text` stands for. Plain text stands for itself.
    pub fn decode(self, text: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Encoding::Plain => Ok(text.to_vec()),
            Encoding::Hex => HEXLOWER_PERMISSIVE
                .decode(text)
                .map_err(|e| format!("not hexadecimal at character {}", e.position + 1)),
            Encoding::Base64 => BASE64
                .decode(text)
                .map_err(|e| format!("not base64 at character {}", e.position + 1)),
        }
    }

    /// Appends `bytes` in this encoding to a line of output.
    pub fn encode(self, bytes: &[u8], line: &mut Vec<u8>) {
        match self {
            Encoding::Plain => escape(bytes, line),
            Encoding::Hex => line.extend_from_slice(HEXLOWER_PERMISSIVE.encode(bytes).as_bytes()),
            Encoding::Base64 => line.extend_from_slice(BASE64.encode(bytes).as_bytes()),
        }
    }
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps)]
fn argument_bytes(text: &OsStr) -> Result<Vec<u8>, String> {
    use std::os::unix::ffi::OsStrExt;
    Ok(text.as_bytes().to_vec())
}

#[cfg(not(unix))]
fn argument_bytes(text: &OsStr) -> Result<Vec<u8>, String> {
    text.to_str()
        .map(|text| text.as_bytes().to_vec())
        .ok_or_else(|| String::from("not UTF-8: use --hex or --base64"))
}

/// Appends `bytes` so that they fit one field of one line: control characters, the backslash
/// and bytes that are not UTF-8 become `\t`, `\n`, `\r`, `\\` or `\xNN`.
pub fn escape(bytes: &[u8], line: &mut Vec<u8>) {
    if bytes.iter().all(|b| (0x20..0x7f).contains(b) && *b != b'\\') {
        line.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => line.extend_from_slice(b"\\t"),
                '\n' => line.extend_from_slice(b"\\n"),
                '\r' => line.extend_from_slice(b"\\r"),
                '\\' => line.extend_from_slice(b"\\\\"),
                _ => {
                    let mut buf = [0; 4];
                    let encoded = c.encode_utf8(&mut buf).as_bytes();
                    // At the start of a file a byte order mark would be taken for one.
                    if c.is_control() || c == '\u{feff}' {
                        escape_bytes(encoded, line);
                    } else {
                        line.extend_from_slice(encoded);
                    }
                }
            }
        }
        escape_bytes(chunk.invalid(), line);
    }
}

fn escape_bytes(bytes: &[u8], line: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        line.extend_from_slice(b"\\x");
        line.push(DIGITS[usize::from(byte >> 4)]);
        line.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Undoes [`escape`]. An escape that it does not write is refused, never guessed at.
pub fn unescape(field: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let Some(first) = field.iter().position(|b| *b == b'\\') else {
        return Ok(Cow::Borrowed(field));
    };
    let mut bytes = field[..first].to_vec();
    let mut rest = &field[first..];
    while let Some((byte, tail)) = rest.split_first() {
        if *byte != b'\\' {
            bytes.push(*byte);
            rest = tail;
            continue;
        }
        let (value, len) = match tail {
            [b't', ..] => (b'\t', 1),
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => return Err(String::from("'\\x' needs two hexadecimal digits")),
            },
            _ => {
                return Err(String::from(
                    "unknown escape after a backslash: write \\\\ for one, or use --literal",
                ));
            }
        };
        bytes.push(value);
        rest = &tail[len..];
    }
    Ok(Cow::Owned(bytes))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut line = Vec::new();
        escape(bytes, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        assert_eq!(escaped(b"a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e");
        assert_eq!(escaped(b"\x1b[31m\x00\x7f"), "\\x1b[31m\\x00\\x7f");
        assert_eq!(escaped("\u{85}\u{e9}".as_bytes()), "\\xc2\\x85\u{e9}");
        assert_eq!(escaped(b"ok\xff\xfe"), "ok\\xff\\xfe");
    }

    #[test]
    fn every_byte_string_survives_escaping() {
        let mut all: Vec<u8> = (0..=255).collect();
        for _ in 0..3 {
            all.rotate_left(77);
            let line = escaped(&all);
            assert!(!line.chars().any(char::is_control));
            assert_eq!(unescape(line.as_bytes()).unwrap(), all);
        }
    }

    #[test]
    fn unknown_escapes_are_refused() {
        for field in ["\\q", "\\", "a\\x4", "\\xzz", "c:\\dir"] {
            assert!(unescape(field.as_bytes()).is_err(), "{field}");
        }
    }

    #[test]
    fn encodings_name_the_place_of_a_mistake() {
        assert_eq!(Encoding::Hex.decode(b"00fF").unwrap(), [0, 255]);
        assert!(Encoding::Hex.decode(b"00g0").unwrap_err().contains("character 3"));
        assert!(Encoding::Hex.decode(b"000").is_err());
        assert_eq!(Encoding::Base64.decode(b"/w==").unwrap(), [255]);
        assert!(Encoding::Base64.decode(b"/w").is_err());
    }
}
