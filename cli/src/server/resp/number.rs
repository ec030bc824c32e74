//! Numbers as Redis reads and writes them.

use std::io::Write as _;

/// Reads a whole number: digits, perhaps a minus, no blank, no plus, no zero before others.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0'] => return (!is_negative).then_some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    let mut number: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        number = number.checked_mul(10)?;
        number =
            if is_negative { number.checked_sub(digit)? } else { number.checked_add(digit)? };
    }
    Some(number)
}

/// Appends a whole number.
pub fn push_int(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut left = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

/// Decimal places that are kept.
const PLACES: usize = 17;
const SCALE: i128 = 100_000_000_000_000_000;

/// A decimal number: exact where it has at most 17 places and 20 digits before them, as Redis with
/// its long doubles seems to be; otherwise a double.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decimal {
    /// So many times 10 to the -17.
    Exact(i128),
    /// Something larger, smaller, or not finite.
    Double(f64),
}

impl Decimal {
    /// Reads a number.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.is_empty() || text.starts_with(|c: char| c.is_ascii_whitespace()) {
            return None;
        }
        if let Some(exact) = parse_exact(text.as_bytes()) {
            return Some(Self::Exact(exact));
        }
        let double: f64 = text.parse().ok()?;
        (!double.is_nan()).then_some(Self::Double(double))
    }

    /// The sum; `None` where it is not finite.
    pub fn sum(self, other: Self) -> Option<Self> {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Some(Self::Exact(sum));
        }
        let sum = self.double() + other.double();
        sum.is_finite().then_some(Self::Double(sum))
    }

    fn double(self) -> f64 {
        match self {
            Self::Exact(n) => n as f64 / SCALE as f64,
            Self::Double(double) => double,
        }
    }

    /// Writes it without an exponent and without zeros at the end.
    pub fn text(self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing into a vector does not fail.
        let _ = match self {
            Self::Exact(n) => {
                let sign = if n < 0 { "-" } else { "" };
                let n = n.unsigned_abs();
                let scale = SCALE.unsigned_abs();
                write!(text, "{sign}{}.{:017}", n / scale, n % scale)
            }
            Self::Double(double) => write!(text, "{double:.PLACES$}"),
        };
        while text.last() == Some(&b'0') {
            text.pop();
        }
        if text.last() == Some(&b'.') {
            text.pop();
        }
        if text == b"-0" { b"0".to_vec() } else { text }
    }
}

fn parse_exact(text: &[u8]) -> Option<i128> {
    let end = text.iter().position(|c| matches!(c, b'e' | b'E')).unwrap_or(text.len());
    let (text, exponent) = text.split_at(end);
    let exponent = match exponent {
        [] => 0,
        [_, b'+', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok()?.parse::<i32>().ok()?
        }
        [_, number @ ..] => std::str::from_utf8(number).ok()?.parse::<i32>().ok()?,
    };
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (mut number, mut places, mut digits) = (0_i128, None::<i32>, 0);
    for c in text {
        match c {
            b'.' if places.is_none() => places = Some(0),
            b'0'..=b'9' => {
                number = number.checked_mul(10)?.checked_add(i128::from(c - b'0'))?;
                digits += 1;
                places = places.map(|n| n + 1);
            }
            _ => return None,
        }
    }
    let missing = (PLACES as i32).checked_add(exponent)?.checked_sub(places.unwrap_or(0))?;
    if digits == 0 || !(0..=40).contains(&missing) {
        return None;
    }
    for _ in 0..missing {
        number = number.checked_mul(10)?;
    }
    Some(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn whole_numbers_are_read_strictly_and_written() {
        for text in ["0", "-1", "9223372036854775807", "-9223372036854775808", "10"] {
            let number = parse_int(text.as_bytes()).unwrap();
            let mut out = Vec::new();
            push_int(&mut out, number);
            assert_eq!(out, text.as_bytes());
        }
        for text in ["", "-", "-0", "01", "+1", " 1", "1 ", "9223372036854775808", "1.0", "x"] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn decimals_add_up_as_on_paper() {
        let sum = |a: &str, b: &str| {
            let (a, b) = (Decimal::parse(a.as_bytes()), Decimal::parse(b.as_bytes()));
            String::from_utf8(a.unwrap().sum(b.unwrap()).unwrap().text()).unwrap()
        };
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("10.50", "0.1"), "10.6");
        assert_eq!(sum("5.0e3", "200"), "5200");
        assert_eq!(sum("-1.5", "1.5"), "0");
        assert_eq!(sum("1", "-.25"), "0.75");
        assert_eq!(sum("1e2", "0.1"), "100.1");
        assert_eq!(sum("1E+2", "25e-2"), "100.25");
        assert_eq!(sum("3", "1e20"), "100000000000000000003");
        assert_eq!(sum("3", "1e30"), "1000000000000000019884624838656");
        for text in ["", "x", " 1", "1 ", "nan", ".", "-", "1.2.3"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
        let infinite = Decimal::parse(b"inf").unwrap();
        assert_eq!(infinite.sum(Decimal::Exact(1)), None);
    }
}
