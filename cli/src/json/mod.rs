//! Records, operations and figures as JSON: the same words on the command line, over HTTP and in
//! the client.
//!
//! Bytes that are not UTF-8 stand in a field of their own, `key_base64` or `value_base64`.

mod figures;
mod read;
mod write;

pub use figures::{
    BatchForm, CommitForm, CompactionForm, CountForm, PlanForm, RetainForm, SegmentForm,
    SnapshotForm, StatsForm, SyncForm,
};
pub use read::{Part, bytes_of, change, changed, expires_of, part, reason, record, row};
pub use write::{
    bytes, change_line, check_line, op_name, operation_line, record_line, string, version_line,
};

use siltdb_core::Retention;

use crate::time;

/// Reads a retention rule: `latest`, a time (`7d`), a number of versions (`10`), or `forever`.
///
/// # Errors
/// It is none of these.
pub fn parse_rule(text: &str) -> Result<Retention, String> {
    match text {
        "latest" => Ok(Retention::Latest),
        "forever" => Ok(Retention::Forever),
        _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => text
            .parse()
            .map(|count| Retention::Versions { count })
            .map_err(|_| String::from("too great a number of versions")),
        _ => time::parse_length(text).map(|us| Retention::Age { us }).map_err(|_| {
            String::from("write latest, a time (7d), a number of versions (10), or forever")
        }),
    }
}

/// A retention rule as [`parse_rule`] reads it.
#[must_use]
pub fn rule_text(retention: Retention) -> String {
    match retention {
        Retention::Latest => String::from("latest"),
        Retention::Age { us } => time::length_text(us),
        Retention::Versions { count } => count.to_string(),
        Retention::Forever => String::from("forever"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_and_print() {
        for text in ["latest", "forever", "10", "7d", "90s", "36h", "1us", "1234567us"] {
            assert_eq!(parse_rule(text).map(rule_text), Ok(text.to_owned()));
        }
        for text in ["", "-1", "sometimes", "99999999999", "1y"] {
            assert!(parse_rule(text).is_err(), "{text}");
        }
    }
}
