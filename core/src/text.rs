//! Texts put together of strings and numbers: what `core::fmt` has for it would be 2 kB of the
//! packed npm engine.

use alloc::string::String;

/// A text that grows.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Appends a string.
    pub fn add(&mut self, part: &str) -> &mut Self {
        self.0.push_str(part);
        self
    }

    /// Appends a number.
    pub fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.digits(number.into(), 1)
    }

    /// Appends a number of at least 16 digits.
    pub fn number_16(&mut self, number: u64) -> &mut Self {
        self.digits(number, 16)
    }

    fn digits(&mut self, number: u64, least: usize) -> &mut Self {
        if number > 9 || least > 1 {
            self.digits(number / 10, least.saturating_sub(1));
        }
        let digit = (number % 10) as usize;
        self.add("0123456789".get(digit..=digit).unwrap_or_default())
    }

    /// The text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn numbers_are_as_fmt_writes_them() {
        for number in [0_u64, 7, 9, 10, 99, 1_234_567_890, u64::MAX] {
            let mut text = Text::default();
            text.number(number).add("|").number_16(number);
            assert_eq!(text.into_string(), number.to_string() + &alloc::format!("|{number:016}"));
        }
    }
}
