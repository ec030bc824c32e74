//! Moments and lengths of time, as people write them.
//!
//! A moment is a sequence number: microseconds since 1970. RFC 3339 printed here has exactly
//! six digits of a second, so that reading it again gives the same sequence number.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::fmt::friendly::SpanParser;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::{SignedDuration, SpanRelativeTo, Timestamp};
use siltdb_core::limits::SEQ_MAX;

/// The clock, in microseconds since 1970.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(SEQ_MAX)
}

/// Reads a moment: RFC 3339, a length of time followed by `ago`, `now`, or a sequence number.
pub fn parse_moment(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse::<u64>() {
            Ok(seq) if seq <= SEQ_MAX => Ok(seq),
            _ => Err(format!("a sequence number is at most {SEQ_MAX}")),
        };
    }
    if text == "now" {
        return Ok(now_us());
    }
    if let Some(length) = text.strip_suffix("ago") {
        let us = parse_span(length)?;
        return Ok(now_us().saturating_sub(us));
    }
    match text.parse::<Timestamp>() {
        Ok(moment) => u64::try_from(moment.as_nanosecond().div_euclid(1_000))
            .map_err(|_| String::from("moments before 1970 are not held")),
        Err(_) => Err(String::from(
            "not a moment: write 2026-01-31T10:00:00Z (RFC 3339), '10m ago', or a sequence number",
        )),
    }
}

/// Reads a length of time such as `90s`, `10m`, `1h 30m` or `7d`, in microseconds.
pub fn parse_length(text: &str) -> Result<u64, String> {
    match parse_span(text)? {
        0 => Err(String::from("a length of time must be more than 0")),
        us => Ok(us),
    }
}

/// When something expires that lasts so many microseconds from now on.
pub fn expiry_after(us: u64) -> Result<u64, String> {
    let expires = now_us().saturating_add(us);
    if expires > SEQ_MAX {
        return Err(String::from(
            "the length of time is too great: no time after June 2255 is held",
        ));
    }
    Ok(expires)
}

/// Reads a length of time that may be 0.
fn parse_span(text: &str) -> Result<u64, String> {
    let help = || String::from("not a length of time: write 90s, 10m, 2h, 7d, or 1h 30m");
    let span = SpanParser::new().parse_span(text.trim()).map_err(|_| help())?;
    let length: SignedDuration =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| {
            String::from("months and years have no fixed length: write it in weeks, days or hours")
        })?;
    match u64::try_from(length.as_micros()) {
        Err(_) => Err(String::from("a length of time must be more than 0")),
        Ok(us) if us > SEQ_MAX => Err(String::from("the length of time is too great")),
        Ok(us) => Ok(us),
    }
}

/// The moment of a sequence number, as RFC 3339 in UTC.
pub fn rfc3339(seq: u64) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    let moment = i64::try_from(seq).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    match moment {
        Some(moment) => PRINTER.timestamp_to_string(&moment),
        None => seq.to_string(),
    }
}

/// A length of time in microseconds in the largest unit that divides it: `7d`, `90s`.
pub fn length_text(us: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
    ];
    for (unit, name) in UNITS {
        if us >= unit && us.is_multiple_of(unit) {
            return format!("{}{name}", us / unit);
        }
    }
    format!("{us}us")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_every_form() {
        assert_eq!(parse_moment("1700000000000000"), Ok(1_700_000_000_000_000));
        assert_eq!(parse_moment("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000_000));
        assert_eq!(parse_moment("2023-11-14T23:13:20.000001+01:00"), Ok(1_700_000_000_000_001));
        let before = now_us();
        for text in ["10m ago", "10 minutes ago", "600s ago"] {
            let seq = parse_moment(text).unwrap_or(0);
            assert!(seq >= before - 600_000_000 && seq <= now_us() - 600_000_000, "{text}");
        }
        assert!(parse_moment("0s ago").is_ok_and(|seq| seq >= before));
    }

    #[test]
    fn what_is_not_a_moment_is_refused() {
        for text in ["", "yesterday", "2023-11-14", "10m", "-5", "ago", "9007199254740993", "1 e5"]
        {
            assert!(parse_moment(text).is_err(), "{text}");
        }
        assert!(parse_moment("1969-12-31T23:59:59Z").is_err());
    }

    #[test]
    fn a_printed_moment_reads_back_exactly() {
        for seq in [0, 1, 1_700_000_000_000_000, 1_700_000_000_999_999] {
            assert_eq!(parse_moment(&rfc3339(seq)), Ok(seq));
        }
        assert_eq!(rfc3339(1_700_000_000_000_010), "2023-11-14T22:13:20.000010Z");
    }

    #[test]
    fn lengths_read_and_print() {
        for (text, us) in [("7d", 604_800_000_000), ("90s", 90_000_000), ("1500ms", 1_500_000)] {
            assert_eq!(parse_length(text), Ok(us));
            assert_eq!(parse_length(&length_text(us)), Ok(us));
        }
        assert_eq!(parse_length("1h 30m"), Ok(5_400_000_000));
        assert!(expiry_after(1_000_000).is_ok_and(|at| at > now_us()));
        assert!(expiry_after(SEQ_MAX).is_err() && expiry_after(u64::MAX).is_err());
        for text in ["0s", "-5m", "10m ago", "1y", "soon", "", "10"] {
            assert!(parse_length(text).is_err(), "{text}");
        }
    }
}
