//! Writing lines of JSON.

use std::io::Write as _;

use data_encoding::BASE64;
use siltdb_core::{Change, Condition, Operation, Record, Version};

use crate::time;

/// Appends `"name":"text"`, or `"name_base64":"..."` where the bytes are not UTF-8.
pub fn bytes(name: &str, bytes: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    line.extend_from_slice(name.as_bytes());
    if let Ok(text) = std::str::from_utf8(bytes) {
        line.extend_from_slice(b"\":");
        string(text, line);
    } else {
        line.extend_from_slice(b"_base64\":\"");
        line.extend_from_slice(BASE64.encode(bytes).as_bytes());
        line.push(b'"');
    }
}

/// Appends a JSON string with its quotes.
pub fn string(text: &str, line: &mut Vec<u8>) {
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(line, text);
}

/// Appends `,"name":number` if there is one.
fn number(name: &str, number: Option<u64>, line: &mut Vec<u8>) {
    if let Some(number) = number {
        // Writing to memory cannot fail.
        let _ = write!(line, ",\"{name}\":{number}");
    }
}

/// Appends a record, without its value where only keys are asked for.
pub fn record_line(record: &Record, keys_only: bool, line: &mut Vec<u8>) {
    line.push(b'{');
    bytes("key", &record.key, line);
    if !keys_only {
        line.push(b',');
        bytes("value", &record.value, line);
    }
    number("seq", Some(record.seq), line);
    number("expires", record.expires, line);
    line.push(b'}');
}

/// What a version did: `set` or `del`.
#[must_use]
pub fn op_name(version: &Version) -> &'static str {
    if version.value.is_some() { "set" } else { "del" }
}

/// Appends a version of a key, without its value where only keys are asked for.
pub fn version_line(key: &[u8], version: &Version, keys_only: bool, line: &mut Vec<u8>) {
    line.push(b'{');
    bytes("key", key, line);
    if let Some(value) = version.value.as_ref().filter(|_| !keys_only) {
        line.push(b',');
        bytes("value", value, line);
    }
    let (seq, op, moment) = (version.seq, op_name(version), time::rfc3339(version.seq));
    // Writing to memory cannot fail.
    let _ = write!(line, ",\"seq\":{seq},\"op\":\"{op}\",\"time\":\"{moment}\"");
    number("expires", version.expires, line);
    line.push(b'}');
}

/// Appends how a key differs between two moments.
pub fn change_line(change: &Change, line: &mut Vec<u8>) {
    line.push(b'{');
    bytes("key", &change.key, line);
    for (name, record) in [("before", &change.before), ("after", &change.after)] {
        line.push(b',');
        // Writing to memory cannot fail.
        if let Some(record) = record {
            bytes(name, &record.value, line);
            let _ = write!(line, ",\"{name}_seq\":{}", record.seq);
            if let Some(expires) = record.expires {
                let _ = write!(line, ",\"{name}_expires\":{expires}");
            }
        } else {
            let _ = write!(line, "\"{name}\":null");
        }
    }
    line.push(b'}');
}

/// Appends an operation of a batch.
pub fn operation_line(operation: &Operation, line: &mut Vec<u8>) {
    let op = if operation.value.is_some() { "set" } else { "delete" };
    // Writing to memory cannot fail.
    let _ = write!(line, "{{\"op\":\"{op}\",");
    bytes("key", &operation.key, line);
    if let Some(value) = &operation.value {
        line.push(b',');
        bytes("value", value, line);
    }
    number("expires", operation.expires, line);
    condition(operation.condition, line);
    line.push(b'}');
}

fn condition(condition: Option<Condition>, line: &mut Vec<u8>) {
    match condition {
        Some(Condition::Absent) => line.extend_from_slice(b",\"if_absent\":true"),
        Some(Condition::SeqIs(seq)) => number("if_seq", Some(seq), line),
        None => {}
    }
}

/// Appends a condition on a key that a batch need not write.
pub fn check_line(key: &[u8], asked: Condition, line: &mut Vec<u8>) {
    line.extend_from_slice(b"{\"op\":\"check\",");
    bytes("key", key, line);
    condition(Some(asked), line);
    line.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_text_are_marked() {
        let mut line = Vec::new();
        bytes("key", b"a\"\n", &mut line);
        bytes("value", b"\xff", &mut line);
        assert_eq!(line, b"\"key\":\"a\\\"\\n\"\"value_base64\":\"/w==\"");
    }
}
