//! Writing the little JSON that figures and reports are told in. Names and texts are the
//! engine's own: they hold nothing that would have to be escaped but quotes and backslashes.

use alloc::string::String;

use siltdb_core::text::Text;

/// Writes one JSON text.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
}

impl Json {
    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    /// Begins an object or array: `{` or `[`.
    pub(crate) fn open(&mut self, bracket: char) -> &mut Self {
        self.separate();
        self.text.push(bracket);
        self
    }

    /// Ends an object or array: `}` or `]`.
    pub(crate) fn close(&mut self, bracket: char) -> &mut Self {
        self.text.push(bracket);
        self
    }

    /// The name of the field whose value comes next.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.text.push(':');
        self
    }

    /// A string.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => {
                    self.text.push('\\');
                    self.text.push(c);
                }
                // Messages of hosts may span lines.
                c if c < ' ' => self.text.push(' '),
                c => self.text.push(c),
            }
        }
        self.text.push('"');
        self
    }

    /// A number.
    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        self.separate();
        let mut text = Text::default();
        text.number(value);
        self.text.push_str(&text.into_string());
        self
    }

    /// Bytes as two hexadecimal digits each.
    pub(crate) fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
        let text: String = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect();
        self.string(&text)
    }

    /// Fields of numbers.
    pub(crate) fn numbers(&mut self, fields: &[(&str, u64)]) -> &mut Self {
        for (name, value) in fields {
            self.name(name).number(*value);
        }
        self
    }

    /// A field of `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
        self
    }

    /// The text.
    pub(crate) fn take(&mut self) -> String {
        core::mem::take(&mut self.text)
    }
}
