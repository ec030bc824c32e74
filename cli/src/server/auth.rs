//! Who may do what: tokens, their roles, and what follows on wrong ones.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use subtle::ConstantTimeEq;

use super::error::Failure;
use super::limits;

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
    /// Everything.
    Admin,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Reads records, the past, changes and figures.
    Read,
    /// Changes records.
    Write,
    /// Copies the whole store, compacts, changes retention, deletes everything.
    Admin,
}

/// What a connection or a request was let in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The role of the token, or of everybody where no tokens are asked for.
    pub role: Role,
}

impl Access {
    /// Whether the holder may do this.
    #[must_use]
    pub fn may(self, action: Action) -> bool {
        match action {
            Action::Read => true,
            Action::Write => self.role != Role::ReadOnly,
            Action::Admin => self.role == Role::Admin,
        }
    }

    /// As [`Access::may`], with the answer for who may not.
    ///
    /// # Errors
    /// `SILT_FORBIDDEN`.
    pub fn check(self, action: Action) -> Result<(), Failure> {
        if self.may(action) { Ok(()) } else { Err(forbidden(action)) }
    }
}

/// The token does not allow this.
fn forbidden(action: Action) -> Failure {
    let role = match action {
        Action::Read => "read-only",
        Action::Write => "read-write",
        Action::Admin => "admin",
    };
    Failure::new("SILT_FORBIDDEN", format!("this needs a token of the role {role}"))
}

/// The tokens, and the addresses that tried wrong ones.
#[derive(Debug)]
pub struct Auth {
    tokens: Vec<(Role, Vec<u8>)>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Auth {
    /// Nobody needs a token.
    #[must_use]
    pub fn open() -> Self {
        Self { tokens: Vec::new(), failures: Mutex::default() }
    }

    /// Reads tokens: lines of a role (`read-only`, `read-write`, `admin`) and a token.
    ///
    /// # Errors
    /// The file cannot be read, others can read it, or a line is not right; the message never
    /// has a token in it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let place = path.display();
        check_mode(path)?;
        let text = std::fs::read_to_string(path).map_err(|e| format!("{place}: {e}"))?;
        let mut tokens = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (role, token) = parse_line(line).map_err(|e| format!("{place}:{}: {e}", i + 1))?;
            tokens.push((role, token.as_bytes().to_vec()));
        }
        if tokens.is_empty() {
            return Err(format!("{place}: there is no token in it; write lines of 'ROLE TOKEN'"));
        }
        Ok(Self { tokens, failures: Mutex::default() })
    }

    /// Whether tokens are asked for.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// What is allowed without a token.
    ///
    /// # Errors
    /// `SILT_UNAUTHENTICATED` where tokens are asked for.
    pub fn without_token(&self) -> Result<Access, Failure> {
        if self.is_on() {
            return Err(Failure::unauthenticated());
        }
        Ok(Access { role: Role::Admin })
    }

    /// What a token allows.
    ///
    /// # Errors
    /// `SILT_UNAUTHENTICATED` for a wrong one; `SILT_RATE_LIMITED` after too many of them.
    pub fn with_token(&self, address: IpAddr, token: &[u8]) -> Result<Access, Failure> {
        if !self.is_on() {
            return self.without_token();
        }
        if self.is_shut_out(address) {
            return Err(Failure::rate_limited());
        }
        // All are compared, and each in a time that tells nothing about it.
        let mut found = None;
        for (role, known) in &self.tokens {
            if bool::from(known.as_slice().ct_eq(token)) {
                found = Some(*role);
            }
        }
        let Some(role) = found else {
            self.note_failure(address);
            return Err(Failure::unauthenticated());
        };
        Ok(Access { role })
    }

    /// What the value of an `authorization` header allows.
    ///
    /// # Errors
    /// As [`Auth::without_token`] and [`Auth::with_token`].
    pub fn with_header(&self, address: IpAddr, header: Option<&[u8]>) -> Result<Access, Failure> {
        let Some(header) = header else { return self.without_token() };
        match header.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
                self.with_token(address, token.trim_ascii())
            }
            _ => self.with_token(address, header),
        }
    }

    fn is_shut_out(&self, address: IpAddr) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&address).is_some_and(|f| {
            f.count >= limits::AUTH_FAILURES_MAX && f.since.elapsed() < limits::AUTH_FAILURES_TIME
        })
    }

    fn note_failure(&self, address: IpAddr) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= limits::AUTH_ADDRESSES_MAX {
            failures.retain(|_, f| f.since.elapsed() < limits::AUTH_FAILURES_TIME);
            if failures.len() >= limits::AUTH_ADDRESSES_MAX {
                failures.clear();
            }
        }
        let now = Instant::now();
        let entry = failures.entry(address).or_insert(Failures { count: 0, since: now });
        if entry.since.elapsed() >= limits::AUTH_FAILURES_TIME {
            *entry = Failures { count: 0, since: now };
        }
        entry.count += 1;
        if entry.count == limits::AUTH_FAILURES_MAX {
            tracing::warn!(%address, "too many wrong tokens: the address is not heard for a while");
        }
    }
}

fn parse_line(line: &str) -> Result<(Role, &str), String> {
    let (role, token) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let role = match role {
        "read-only" => Role::ReadOnly,
        "read-write" => Role::ReadWrite,
        "admin" => Role::Admin,
        _ => {
            return Err(String::from("a line is 'read-only', 'read-write' or 'admin' and a token"));
        }
    };
    let token = token.trim();
    if token.len() < limits::TOKEN_LEN_MIN || token.contains(char::is_whitespace) {
        return Err(format!(
            "a token has at least {} characters and no blank (openssl rand -hex 32 makes one)",
            limits::TOKEN_LEN_MIN
        ));
    }
    Ok((role, token))
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let place = path.display();
    let mode = std::fs::metadata(path).map_err(|e| format!("{place}: {e}"))?.mode();
    if mode & 0o077 != 0 {
        return Err(format!("{place}: others can read or write it; chmod 600 it"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ADMIN: &str = "0123456789abcdef0123456789abcdef";
    const READER: &str = "fedcba9876543210fedcba9876543210";

    fn auth() -> Auth {
        let tokens = vec![
            (Role::Admin, ADMIN.as_bytes().to_vec()),
            (Role::ReadOnly, READER.as_bytes().to_vec()),
        ];
        Auth { tokens, failures: Mutex::default() }
    }

    #[test]
    fn roles_allow_what_they_say() {
        let address = IpAddr::from([10, 0, 0, 1]);
        let auth = auth();
        let admin = auth.with_token(address, ADMIN.as_bytes()).unwrap();
        let header = format!("bearer {READER}");
        let reader = auth.with_header(address, Some(header.as_bytes())).unwrap();
        assert!(admin.may(Action::Admin) && admin.may(Action::Write));
        assert!(reader.may(Action::Read));
        assert!(!reader.may(Action::Write) && !reader.may(Action::Admin));
        assert_eq!(auth.without_token().unwrap_err().code, "SILT_UNAUTHENTICATED");
        assert_eq!(Auth::open().without_token().unwrap().role, Role::Admin);
    }

    #[test]
    fn an_address_that_guesses_is_no_longer_heard() {
        let (guesser, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let auth = auth();
        for _ in 0..limits::AUTH_FAILURES_MAX {
            assert_eq!(auth.with_token(guesser, b"x").unwrap_err().code, "SILT_UNAUTHENTICATED");
        }
        let late = auth.with_token(guesser, ADMIN.as_bytes());
        assert_eq!(late.unwrap_err().code, "SILT_RATE_LIMITED");
        assert!(auth.with_token(other, ADMIN.as_bytes()).is_ok());
    }

    #[test]
    fn lines_of_the_file_are_checked() {
        assert!(parse_line(&format!("admin {ADMIN}")).is_ok());
        for line in ["admin", "admin short", "root 0123456789abcdef0123456789abcdef"] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }
}
