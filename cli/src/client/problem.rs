//! What went wrong, by a reply of HTTP.

use super::error::ClientError;

/// The error of a problem document.
pub fn problem(document: &[u8]) -> ClientError {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(document) else {
        return bad_reply("it is no problem document");
    };
    let text = |name: &str| value.get(name).and_then(|text| text.as_str()).unwrap_or_default();
    let code = if text("code").is_empty() { "SILT_SERVER" } else { text("code") };
    let mut error = ClientError::new(code, text("detail"));
    for name in ["found", "operation", "oldest"] {
        let number = value.get(name).and_then(serde_json::Value::as_u64);
        error.details.extend(number.map(|number| (name, number)));
    }
    error
}

/// The server said something else than it should.
pub fn bad_reply(reason: impl std::fmt::Display) -> ClientError {
    ClientError::new("SILT_BAD_REPLY", format!("the server's reply cannot be read: {reason}"))
}
