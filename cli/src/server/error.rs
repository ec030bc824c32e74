//! What goes wrong, as each protocol says it. One table: the stable code decides.

use siltdb_core::error::{Error, ErrorKind};

/// A request that was not done: a stable code, words for people, and numbers for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable code, as `SILT_CONDITION_FAILED`.
    pub code: &'static str,
    /// What happened and what to do, in one line.
    pub message: String,
    /// Numbers that belong to it: `found` of a failed condition, `oldest` of history that is gone.
    pub details: Vec<(&'static str, u64)>,
}

/// A row of the table: how a code is said in gRPC, in HTTP and in RESP.
struct Row {
    code: &'static str,
    grpc: i32,
    http: u16,
    resp: &'static str,
}

const fn row(code: &'static str, grpc: i32, http: u16, resp: &'static str) -> Row {
    Row { code, grpc, http, resp }
}

// gRPC: 3 invalid argument, 5 not found, 7 permission denied, 8 resource exhausted, 9 failed
// precondition, 11 out of range, 13 internal, 14 unavailable, 15 data loss, 16 unauthenticated.
const TABLE: &[Row] = &[
    row("SILT_KEY_EMPTY", 3, 400, "ERR"),
    row("SILT_KEY_TOO_LONG", 3, 414, "ERR"),
    row("SILT_VALUE_TOO_LONG", 3, 413, "ERR"),
    row("SILT_BATCH_TOO_LARGE", 3, 413, "ERR"),
    row("SILT_INVALID", 3, 400, "ERR"),
    row("SILT_BAD_INPUT", 3, 400, "ERR"),
    row("SILT_MEDIA_TYPE", 3, 415, "ERR"),
    row("SILT_CONDITION_FAILED", 9, 412, "ERR"),
    row("SILT_HISTORY_GONE", 11, 410, "ERR"),
    row("SILT_KEY_NOT_FOUND", 5, 404, "ERR"),
    row("SILT_ROUTE_NOT_FOUND", 12, 404, "ERR"),
    row("SILT_METHOD_NOT_ALLOWED", 12, 405, "ERR"),
    row("SILT_UNAUTHENTICATED", 16, 401, "NOAUTH"),
    row("SILT_FORBIDDEN", 7, 403, "NOPERM"),
    row("SILT_RATE_LIMITED", 8, 429, "ERR"),
    row("SILT_BAD_HOST", 7, 421, "ERR"),
    row("SILT_BAD_ORIGIN", 7, 403, "ERR"),
    row("SILT_READ_ONLY", 9, 403, "READONLY"),
    row("SILT_BUSY", 8, 503, "BUSY"),
    row("SILT_STOPPING", 14, 503, "LOADING"),
    row("SILT_TIMEOUT", 4, 408, "ERR"),
    row("SILT_POISONED", 14, 503, "MISCONF"),
    row("SILT_OUT_OF_SPACE", 14, 507, "MISCONF"),
    row("SILT_CORRUPT", 15, 500, "ERR"),
];
/// For all that is not in the table: the system's failures.
const OTHER: Row = row("", 13, 500, "ERR");

/// The codes of the table.
pub const CODES: [&str; TABLE.len()] = {
    let mut codes = [""; TABLE.len()];
    let mut i = 0;
    while i < codes.len() {
        codes[i] = TABLE[i].code;
        i += 1;
    }
    codes
};

impl Failure {
    /// A failure of a code of the table.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new() }
    }

    /// The request is not as it should be.
    #[must_use]
    pub fn input(message: impl Into<String>) -> Self {
        Self::new("SILT_BAD_INPUT", message)
    }

    /// A token is needed, and none or a wrong one was given.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new("SILT_UNAUTHENTICATED", "a token is needed, and none or a wrong one was given")
    }

    /// Too many wrong tokens came from the address.
    #[must_use]
    pub fn rate_limited() -> Self {
        Self::new("SILT_RATE_LIMITED", "too many wrong tokens; wait a minute")
    }

    /// The server only reads.
    #[must_use]
    pub fn read_only() -> Self {
        Self::new("SILT_READ_ONLY", "the server was started with --read-only")
    }

    /// There is no memory left for this reply.
    #[must_use]
    pub fn replies_full() -> Self {
        Self::busy("replies fill the memory")
    }

    /// A limit is reached; nothing was done.
    #[must_use]
    pub fn busy(what: &str) -> Self {
        Self::new("SILT_BUSY", format!("{what}; nothing was done: try again later"))
    }

    /// The server is about to end; nothing was done.
    #[must_use]
    pub fn stopping() -> Self {
        Self::new("SILT_STOPPING", "the server is stopping; nothing was done")
    }

    /// The same as it is said of a request for one key, whose caller knows of no batch.
    #[must_use]
    pub fn of_one_key(mut self) -> Self {
        if let ("SILT_CONDITION_FAILED", Some(("found", found))) = (self.code, self.details.first())
        {
            let now = match found {
                0 => String::from("absent"),
                found => format!("at seq {found}"),
            };
            self.message = format!(
                "the condition does not hold: the key is {now}; nothing was done: read it again, \
                 and name the seq that is found then"
            );
        }
        self
    }

    fn row(&self) -> &'static Row {
        TABLE.iter().find(|row| row.code == self.code).unwrap_or(&OTHER)
    }

    /// The number of its gRPC status.
    #[must_use]
    pub fn grpc_code(&self) -> i32 {
        self.row().grpc
    }

    /// Its HTTP status.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.row().http
    }

    /// The text of a RESP error, without the leading `-` and the line's end.
    #[must_use]
    pub fn resp_text(&self) -> String {
        let text = format!("{} {} [{}]", self.row().resp, self.message, self.code);
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// The problem document of HTTP (RFC 9457), as JSON text.
    #[must_use]
    pub fn problem(&self, request_id: Option<&str>) -> String {
        let mut problem = serde_json::json!({
            "type": "about:blank",
            "title": self.code,
            "status": self.http_status(),
            "detail": self.message,
            "code": self.code,
        });
        if let Some(fields) = problem.as_object_mut() {
            fields.extend(request_id.map(|id| ("request_id".to_owned(), id.into())));
            fields.extend(self.details.iter().map(|(name, n)| ((*name).to_owned(), (*n).into())));
        }
        problem.to_string()
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let mut failure = Self::new(error.code(), error.to_string());
        match error.kind() {
            ErrorKind::ConditionFailed { operation, found } => {
                failure.details.push(("found", *found));
                failure.details.push(("operation", *operation as u64));
            }
            ErrorKind::HistoryGone { oldest, .. } => failure.details.push(("oldest", *oldest)),
            _ => {}
        }
        failure
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Self {
        Error::from(kind).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_and_said_once() {
        for (i, row) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().skip(i + 1).all(|other| other.code != row.code), "{}", row.code);
            assert_eq!(Failure::new(row.code, "").http_status(), row.http);
        }
        assert_eq!(Failure::new("SILT_IO", "").http_status(), 500);
    }

    #[test]
    fn a_failed_condition_tells_what_it_found_in_every_protocol() {
        let failure = Failure::from(ErrorKind::ConditionFailed { operation: 0, found: 7 });
        assert_eq!((failure.grpc_code(), failure.http_status()), (9, 412));
        assert!(failure.problem(Some("1")).contains("\"found\":7"));
        assert!(failure.resp_text().starts_with("ERR ") && failure.resp_text().contains("SILT_"));
        let (text, now) = (failure.of_one_key().message, "the key is at seq 7");
        assert!(text.contains(now) && !text.contains("operation"), "{text}");
        assert!(!Failure::input("a\r\nb").resp_text().contains('\n'));
    }
}
