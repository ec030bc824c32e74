//! JSON lines: records for `import`, operations for `batch`.

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;
use siltdb::{Condition, Operation};
use siltdb_core::limits::SEQ_MAX;

use super::Row;
use crate::time;

/// A line as `export` and `scan --json` print it, and as people write it.
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

/// A line of a batch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationLine {
    op: String,
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    ttl: Option<Value>,
    expires: Option<u64>,
    if_absent: Option<bool>,
    if_seq: Option<u64>,
}

/// Reads one record.
pub fn parse_row(line: &[u8]) -> Result<Row, String> {
    let line: RowLine = serde_json::from_slice(line).map_err(|e| json_reason(&e))?;
    Ok(Row {
        key: bytes("key", line.key, line.key_base64)?,
        value: bytes("value", line.value, line.value_base64)?,
        expires: expires(line.ttl.as_ref(), line.expires)?,
    })
}

/// Reads one operation of a batch.
pub fn parse_batch_line(line: &[u8]) -> Result<Operation, String> {
    let line: OperationLine = serde_json::from_slice(line).map_err(|e| json_reason(&e))?;
    let value = match line.op.as_str() {
        "set" => Some(bytes("value", line.value, line.value_base64)?),
        "delete" | "del" => {
            if line.value.is_some() || line.value_base64.is_some() {
                return Err(String::from("a delete has no value"));
            }
            if line.ttl.is_some() || line.expires.is_some() {
                return Err(String::from("a delete has no expiry"));
            }
            None
        }
        _ => return Err(String::from("\"op\" must be \"set\" or \"delete\"")),
    };
    let condition = match (line.if_absent, line.if_seq) {
        (Some(true), Some(_)) => {
            return Err(String::from("\"if_absent\" and \"if_seq\" exclude each other"));
        }
        (Some(true), None) => Some(Condition::Absent),
        (_, Some(seq)) => Some(Condition::SeqIs(seq)),
        _ => None,
    };
    let key = bytes("key", line.key, line.key_base64)?;
    Ok(Operation { key, value, expires: expires(line.ttl.as_ref(), line.expires)?, condition })
}

/// What is wrong with a line, and where in it.
fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => format!("{reason}, at column {}", error.column()),
        None => text,
    }
}

fn bytes(name: &str, text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, String> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(base64)) => BASE64.decode(base64.as_bytes()).map_err(|e| {
            format!("\"{name}_base64\" is not base64 at character {}", e.position + 1)
        }),
        (None, None) => Err(format!("\"{name}\" is missing")),
        (Some(_), Some(_)) => Err(format!("\"{name}\" and \"{name}_base64\" exclude each other")),
    }
}

/// When the record expires: after a time, written as on the command line or as a number of
/// seconds, or at a moment in microseconds.
fn expires(ttl: Option<&Value>, expires: Option<u64>) -> Result<Option<u64>, String> {
    let length = match ttl {
        None if expires.is_some_and(|expires| expires > SEQ_MAX) => {
            return Err(format!("\"expires\" is at most {SEQ_MAX}"));
        }
        None => return Ok(expires),
        Some(_) if expires.is_some() => {
            return Err(String::from("\"ttl\" and \"expires\" exclude each other"));
        }
        Some(Value::String(text)) => {
            time::parse_length(text).map_err(|e| format!("\"ttl\" is {e}"))?
        }
        Some(Value::Number(seconds)) => match seconds.as_u64() {
            Some(seconds) if seconds > 0 => seconds.saturating_mul(1_000_000),
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

    #[test]
    fn a_printed_record_reads_back() {
        let row = parse_row(br#"{"key":"a\u0000","value_base64":"/w==","seq":5,"expires":9}"#);
        let expected = Row { key: b"a\0".to_vec(), value: vec![255], expires: Some(9) };
        assert_eq!(row.unwrap(), expected);
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
            (r#"{"key":"a","value":"b","ttl":"soon"}"#, "\"ttl\" is not a length"),
            (r#"{"key":"a","value":"b","ttl":0}"#, "above 0"),
            (r#"{"key":"a","value":"b","ttl":18446744073709551615}"#, "too great"),
            (r#"{"key":"a","value":"b","expires":9007199254740992}"#, "at most 9007199254740991"),
            (r#"{"key":"a","key":"b","value":""}"#, "duplicate field"),
            (r#"["a","b"]"#, ""),
            ("{\"key\":\"\u{1}\"}", "control character"),
        ] {
            let got = parse_row(line.as_bytes()).unwrap_err();
            assert!(got.contains(reason), "{line}: {got}");
        }
        assert!(parse_row(b"{\"key\":\"\xff\",\"value\":\"\"}").is_err());
    }

    #[test]
    fn operations_of_a_batch() {
        let set = parse_batch_line(br#"{"op":"set","key":"a","value":"b","if_seq":7}"#).unwrap();
        assert_eq!(set.condition, Some(Condition::SeqIs(7)));
        let absent = br#"{"op":"set","key":"a","value":"b","if_absent":true,"ttl":"1h"}"#;
        let set = parse_batch_line(absent).unwrap();
        assert_eq!(set.condition, Some(Condition::Absent));
        assert!(set.expires.is_some());
        let delete = parse_batch_line(br#"{"op":"delete","key":"a"}"#).unwrap();
        assert_eq!(delete.value, None);
        for line in [
            r#"{"op":"put","key":"a","value":"b"}"#,
            r#"{"op":"delete","key":"a","value":"b"}"#,
            r#"{"op":"set","key":"a"}"#,
            r#"{"key":"a","value":"b"}"#,
            r#"{"op":"set","key":"a","value":"b","if_seq":1,"if_absent":true}"#,
        ] {
            assert!(parse_batch_line(line.as_bytes()).is_err(), "{line}");
        }
    }
}
