//! Reading lines of JSON. What cannot be read exactly is refused.

use data_encoding::BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use siltdb_core::limits::SEQ_MAX;
use siltdb_core::{Batch, Change, Changed, Condition, Operation, Record, Version};

use crate::time;

/// The longest time to live that is given as a number: 200 years.
const TTL_SECONDS_MAX: u64 = 200 * 365 * 86_400;

/// A line as records are printed, and as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowLine {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    ttl: Option<Value>,
    expires: Option<u64>,
    /// Printed with records, and not taken over: a store gives its own.
    #[serde(rename = "seq")]
    _seq: Option<u64>,
}

/// An operation of a batch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationLine {
    op: String,
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    ttl: Option<Value>,
    #[serde(default, deserialize_with = "whole")]
    expires: Option<u64>,
    if_absent: Option<bool>,
    #[serde(default, deserialize_with = "whole")]
    if_seq: Option<u64>,
}

/// A whole number, also where it is written as `7.0`.
fn whole<'de, D: Deserializer<'de>>(source: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(source)? else { return Ok(None) };
    let wrong = || D::Error::custom(format!("{number} is not a whole number from 0 on"));
    whole_number(&number).map(Some).ok_or_else(wrong)
}

fn whole_number(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| number.to_string().strip_suffix(".0")?.parse().ok())
}

/// A record or a version as a server tells it.
#[derive(Deserialize)]
struct ToldLine {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    seq: u64,
    expires: Option<u64>,
    op: Option<String>,
}

/// A change between two moments as a server tells it.
#[derive(Deserialize)]
struct ChangeLine {
    key: Option<String>,
    key_base64: Option<String>,
    before: Option<String>,
    before_base64: Option<String>,
    before_seq: Option<u64>,
    before_expires: Option<u64>,
    after: Option<String>,
    after_base64: Option<String>,
    after_seq: Option<u64>,
    after_expires: Option<u64>,
}

/// Reads what people wrote. A list would be taken too, its elements for the fields in their order.
fn named_fields<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    if line.trim_ascii_start().first() == Some(&b'[') {
        return Err(String::from("a list, where an object with named fields is expected"));
    }
    serde_json::from_slice(line).map_err(|e| reason(&e))
}

/// Reads a record to be written; its seq is of the store that gave it, and not taken over.
///
/// # Errors
/// What is wrong with it, and where.
pub fn row(line: &[u8]) -> Result<Operation, String> {
    let line: RowLine = named_fields(line)?;
    Ok(Operation {
        key: bytes_of("key", line.key, line.key_base64)?,
        value: Some(bytes_of("value", line.value, line.value_base64)?),
        expires: expires_of(line.ttl.as_ref(), line.expires)?,
        condition: None,
    })
}

/// A part of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// A set or a delete.
    Operation(Operation),
    /// A condition on a key that the batch need not write.
    Check(Vec<u8>, Condition),
}

impl Part {
    /// Adds it to a batch.
    pub fn add_to(self, batch: &mut Batch) {
        match self {
            Part::Operation(operation) => batch.push(operation),
            Part::Check(key, condition) => batch.require(&key, condition),
        };
    }

    /// The key it is about.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Part::Operation(operation) => &operation.key,
            Part::Check(key, _) => key,
        }
    }
}

/// Reads a part of a batch.
///
/// # Errors
/// What is wrong with it, and where.
pub fn part(line: &[u8]) -> Result<Part, String> {
    let line: OperationLine = named_fields(line)?;
    let value = match line.op.as_str() {
        "set" => Some(bytes_of("value", line.value, line.value_base64)?),
        "delete" | "del" | "check" => {
            if line.value.is_some() || line.value_base64.is_some() {
                return Err(format!("a {} has no value", line.op));
            }
            if line.ttl.is_some() || line.expires.is_some() {
                return Err(format!("a {} has no expiry", line.op));
            }
            None
        }
        _ => return Err(String::from("\"op\" must be \"set\", \"delete\" or \"check\"")),
    };
    let condition = match (line.if_absent, line.if_seq) {
        (Some(true), Some(_)) => {
            return Err(String::from("\"if_absent\" and \"if_seq\" exclude each other"));
        }
        (Some(true), None) => Some(Condition::Absent),
        (_, Some(seq)) => Some(Condition::SeqIs(seq)),
        _ => None,
    };
    let key = bytes_of("key", line.key, line.key_base64)?;
    if line.op == "check" {
        let condition =
            condition.ok_or_else(|| String::from("a check needs \"if_absent\" or \"if_seq\""))?;
        return Ok(Part::Check(key, condition));
    }
    let expires = expires_of(line.ttl.as_ref(), line.expires)?;
    Ok(Part::Operation(Operation { key, value, expires, condition }))
}

/// Reads a record that a server tells.
///
/// # Errors
/// What is wrong with it.
pub fn record(line: &[u8]) -> Result<Record, String> {
    let line: ToldLine = serde_json::from_slice(line).map_err(|e| reason(&e))?;
    let value = match (line.value, line.value_base64) {
        // Only keys were asked for.
        (None, None) => Vec::new(),
        (text, base64) => bytes_of("value", text, base64)?,
    };
    let key = bytes_of("key", line.key, line.key_base64)?;
    Ok(Record { key, value, seq: line.seq, expires: line.expires })
}

/// Reads a version of a key that a server tells.
///
/// # Errors
/// What is wrong with it.
pub fn changed(line: &[u8]) -> Result<Changed, String> {
    let line: ToldLine = serde_json::from_slice(line).map_err(|e| reason(&e))?;
    let value = match (line.op.as_deref(), line.value, line.value_base64) {
        (Some("del"), None, None) => None,
        // Only keys were asked for.
        (Some("set"), None, None) => Some(Vec::new()),
        (Some("set"), text, base64) => Some(bytes_of("value", text, base64)?),
        _ => return Err(String::from("\"op\" must be \"set\" or \"del\"")),
    };
    let key = bytes_of("key", line.key, line.key_base64)?;
    Ok(Changed { key, version: Version { seq: line.seq, value, expires: line.expires } })
}

/// Reads a change between two moments that a server tells.
///
/// # Errors
/// What is wrong with it.
pub fn change(line: &[u8]) -> Result<Change, String> {
    let line: ChangeLine = serde_json::from_slice(line).map_err(|e| reason(&e))?;
    let key = bytes_of("key", line.key, line.key_base64)?;
    let side = |name: &str, text, base64, seq: Option<u64>, expires| {
        let Some(seq) = seq else { return Ok::<_, String>(None) };
        Ok(Some(Record { key: key.clone(), value: bytes_of(name, text, base64)?, seq, expires }))
    };
    let before = (line.before, line.before_base64);
    let after = (line.after, line.after_base64);
    Ok(Change {
        before: side("before", before.0, before.1, line.before_seq, line.before_expires)?,
        after: side("after", after.0, after.1, line.after_seq, line.after_expires)?,
        key,
    })
}

/// What is wrong with a line, and where in it.
#[must_use]
pub fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        // Most is a line of its own, whose number others tell; documents may have many.
        Some((reason, _)) if error.line() > 1 => {
            format!("{reason}, at line {}, column {}", error.line(), error.column())
        }
        Some((reason, _)) => format!("{reason}, at column {}", error.column()),
        None => text,
    }
}

/// The bytes that stand in one of two fields.
///
/// # Errors
/// They stand in none or both, or are not base64.
pub fn bytes_of(
    name: &str,
    text: Option<String>,
    base64: Option<String>,
) -> Result<Vec<u8>, String> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(base64)) => BASE64.decode(base64.as_bytes()).map_err(|e| {
            format!("\"{name}_base64\" is not base64 at character {}", e.position + 1)
        }),
        (None, None) => Err(format!("\"{name}\" is missing")),
        (Some(_), Some(_)) => Err(format!("\"{name}\" and \"{name}_base64\" exclude each other")),
    }
}

/// When a record expires: after a time, written as on the command line or as a number of
/// seconds, or at a moment in microseconds.
///
/// # Errors
/// Both are given, or one is not as it should be.
pub fn expires_of(ttl: Option<&Value>, expires: Option<u64>) -> Result<Option<u64>, String> {
    let length = match ttl {
        None if expires.is_some_and(|expires| expires > SEQ_MAX) => {
            return Err(format!("\"expires\" is at most {SEQ_MAX}"));
        }
        None => return Ok(expires),
        Some(_) if expires.is_some() => {
            return Err(String::from("\"ttl\" and \"expires\" exclude each other"));
        }
        Some(Value::String(text)) => {
            time::parse_length(text).map_err(|e| format!("\"ttl\": {e}"))?
        }
        Some(Value::Number(seconds)) => match whole_number(seconds) {
            Some(seconds) if seconds > TTL_SECONDS_MAX => {
                return Err(format!("\"ttl\" is too great: at most {TTL_SECONDS_MAX} seconds"));
            }
            Some(seconds) if seconds > 0 => seconds * 1_000_000,
            _ => return Err(String::from("\"ttl\" must be a whole number of seconds above 0")),
        },
        Some(_) => return Err(String::from("\"ttl\" must be a time such as \"10m\"")),
    };
    time::expiry_after(length).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::json;

    fn operation(line: &[u8]) -> Result<Operation, String> {
        match part(line)? {
            Part::Operation(operation) => Ok(operation),
            Part::Check(..) => Err(String::from("a check")),
        }
    }

    #[test]
    fn a_printed_record_reads_back() {
        let line = br#"{"key":"a\u0000","value_base64":"/w==","seq":5,"expires":9}"#;
        let read = row(line).unwrap();
        assert_eq!(
            (read.key, read.value, read.expires),
            (b"a\0".to_vec(), Some(vec![255]), Some(9))
        );
        let told = record(line).unwrap();
        let mut printed = Vec::new();
        json::record_line(&told, false, &mut printed);
        assert_eq!(record(&printed).unwrap(), told);
    }

    #[test]
    fn what_a_server_tells_reads_back() {
        let version = Version { seq: 7, value: Some(vec![0, 255]), expires: Some(9) };
        let deleted = Version { seq: 8, value: None, expires: None };
        for version in [version.clone(), deleted] {
            let told = Changed { key: b"k\xfe".to_vec(), version };
            let mut line = Vec::new();
            json::version_line(&told.key, &told.version, false, &mut line);
            assert_eq!(changed(&line).unwrap(), told);
        }
        let after = Record { key: b"k".to_vec(), value: b"v".to_vec(), seq: 9, expires: Some(10) };
        let told = Change { key: b"k".to_vec(), before: None, after: Some(after) };
        let mut line = Vec::new();
        json::change_line(&told, &mut line);
        assert_eq!(change(&line).unwrap(), told);
        for condition in [None, Some(Condition::Absent), Some(Condition::SeqIs(3))] {
            for value in [None, Some(b"\xff".to_vec())] {
                let expires = value.as_ref().map(|_| 12);
                let told = Operation { key: b"k".to_vec(), value, expires, condition };
                let mut line = Vec::new();
                json::operation_line(&told, &mut line);
                assert_eq!(operation(&line).unwrap(), told);
            }
        }
    }

    #[test]
    fn bad_lines_say_what_and_where() {
        for (line, reason) in [
            (r#"{"key":"a","value":"b""#, "EOF while parsing an object, at column 22"),
            (r#"{"value":"b"}"#, "\"key\" is missing"),
            (r#"{"key":"a"}"#, "\"value\" is missing"),
            (r#"{"key":"a","value_base64":"=x"}"#, "not base64 at character 1"),
            (r#"{"key":"a","key_base64":"","value":""}"#, "exclude each other"),
            (r#"{"key":"a","value":"b","colour":1}"#, "unknown field `colour`"),
            (r#"{"key":"a","value":7}"#, "invalid type: integer `7`"),
            (r#"{"key":"a","value":"b","ttl":"soon"}"#, "\"ttl\": not a length"),
            (r#"{"key":"a","value":"b","ttl":0}"#, "above 0"),
            (r#"{"key":"a","value":"b","ttl":18446744073709551615}"#, "too great"),
            (r#"{"key":"a","value":"b","expires":9007199254740992}"#, "at most 9007199254740991"),
            (r#"{"key":"a","key":"b","value":""}"#, "duplicate field"),
            (r#"["a","b"]"#, ""),
            ("{\"key\":\"\u{1}\"}", "control character"),
        ] {
            let got = row(line.as_bytes()).unwrap_err();
            assert!(got.contains(reason), "{line}: {got}");
        }
        assert!(row(b"{\"key\":\"\xff\",\"value\":\"\"}").is_err());
    }

    #[test]
    fn operations_of_a_batch() {
        let set = operation(br#"{"op":"set","key":"a","value":"b","if_seq":7}"#).unwrap();
        assert_eq!(set.condition, Some(Condition::SeqIs(7)));
        let absent = br#"{"op":"set","key":"a","value":"b","if_absent":true,"ttl":"1h"}"#;
        let set = operation(absent).unwrap();
        assert_eq!(set.condition, Some(Condition::Absent));
        assert!(set.expires.is_some());
        let whole = operation(br#"{"op":"delete","key":"a","if_seq":7.0}"#).unwrap();
        assert_eq!(whole.condition, Some(Condition::SeqIs(7)));
        let check = part(br#"{"op":"check","key":"a","if_absent":true}"#).unwrap();
        assert_eq!(check, Part::Check(b"a".to_vec(), Condition::Absent));
        assert!(part(br#"{"op":"check","key":"a"}"#).is_err());
        let delete = operation(br#"{"op":"delete","key":"a"}"#).unwrap();
        assert_eq!(delete.value, None);
        for line in [
            r#"{"op":"put","key":"a","value":"b"}"#,
            r#"{"op":"delete","key":"a","value":"b"}"#,
            r#"{"op":"set","key":"a"}"#,
            r#"{"key":"a","value":"b"}"#,
            r#"{"op":"set","key":"a","value":"b","if_seq":1.5}"#,
            r#"{"op":"set","key":"a","value":"b","if_seq":-1}"#,
            r#"{"op":"set","key":"a","value":"b","if_seq":1,"if_absent":true}"#,
        ] {
            assert!(operation(line.as_bytes()).is_err(), "{line}");
        }
    }
}
