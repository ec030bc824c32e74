//! What calls of a server fail with.

use std::fmt;

/// A call that failed, with the server's stable code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// The stable code, as `SILT_CONDITION_FAILED`; `SILT_UNREACHABLE` when no server answered.
    pub code: String,
    /// What happened and what to do, in one line.
    pub message: String,
    /// Numbers that belong to it: `found`, `operation`, `oldest`.
    pub details: Vec<(&'static str, u64)>,
}

/// What calls of a server give.
pub type Result<T> = std::result::Result<T, ClientError>;

impl ClientError {
    /// An error of a code.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), details: Vec::new() }
    }

    /// No server answered.
    #[must_use]
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new("SILT_UNREACHABLE", message)
    }

    /// The number of that name that came with the error.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<u64> {
        self.details.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    }

    /// Says of a write that it may have been done when the connection was lost under it.
    #[must_use]
    pub(super) fn of_write(mut self) -> Self {
        if self.code == "SILT_UNREACHABLE" {
            self.code = String::from("SILT_OUTCOME_UNKNOWN");
            self.message.push_str(
                "; whether it was written is unknown: read it, or write again with a condition",
            );
        }
        self
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for ClientError {}

/// An error and what caused it, in one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
