//! Writing the little JSON that figures are told in. Names and texts are the engine's own: they
//! hold nothing that would have to be escaped.

use alloc::vec::Vec;

use siltdb_core::text::Text;

/// Writes one JSON text.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: Vec<u8>,
}

impl Json {
    fn separate(&mut self) {
        if !matches!(self.text.last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(b',');
        }
    }

    /// Begins an object or array: `{` or `[`.
    pub(crate) fn open(&mut self, bracket: u8) -> &mut Self {
        self.separate();
        self.text.push(bracket);
        self
    }

    /// Ends an object or array: `}` or `]`.
    pub(crate) fn close(&mut self, bracket: u8) -> &mut Self {
        self.text.push(bracket);
        self
    }

    /// The name of the field whose value comes next.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.text.push(b':');
        self
    }

    /// A string.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.text.push(b'"');
        self.text.extend_from_slice(text.as_bytes());
        self.text.push(b'"');
        self
    }

    /// A number.
    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        self.separate();
        let mut text = Text::default();
        text.number(value);
        self.text.extend_from_slice(text.into_string().as_bytes());
        self
    }

    /// Bytes as two hexadecimal digits each.
    pub(crate) fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        let digits = b"0123456789abcdef";
        self.separate();
        self.text.push(b'"');
        for byte in bytes {
            self.text.push(digits[usize::from(byte >> 4)]);
            self.text.push(digits[usize::from(byte & 15)]);
        }
        self.text.push(b'"');
        self
    }

    /// Fields of numbers, their names with a space between them.
    pub(crate) fn numbers(&mut self, names: &str, values: &[u64]) -> &mut Self {
        for (name, value) in names.split_ascii_whitespace().zip(values) {
            self.name(name).number(*value);
        }
        self
    }

    /// A field of `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// The text.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.text)
    }
}
