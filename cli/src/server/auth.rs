//! Who may do what: tokens, their roles, and what follows on wrong ones.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::error::Failure;
use super::limits;
use super::tokens::{self, Role, Token};

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
#[derive(Debug, Clone)]
pub struct Access {
    role: Role,
    /// What it showed, if it had to show something.
    token: Option<Arc<Token>>,
}

impl Access {
    /// That of everybody, where no tokens are asked for.
    #[must_use]
    pub fn of_everybody() -> Self {
        Self { role: Role::Admin, token: None }
    }

    /// Whether it still stands: its token was not taken away.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.token.as_ref().is_none_or(|token| !token.is_revoked())
    }

    /// Whether the holder may do this.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
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
    pub fn check(&self, action: Action) -> Result<(), Failure> {
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
#[derive(Debug, Default)]
pub struct Auth {
    /// Where the tokens are, if they are asked for.
    file: Option<PathBuf>,
    tokens: ArcSwap<Vec<Arc<Token>>>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Auth {
    /// Takes tokens from a file; without one nobody needs a token.
    ///
    /// # Errors
    /// As [`tokens::read`].
    pub fn new(file: Option<PathBuf>) -> Result<Self, String> {
        let auth = Self { file, ..Self::default() };
        auth.reload()?;
        Ok(auth)
    }

    /// Reads the file again. Whoever was let in with a token that is no longer in it may do
    /// nothing more, be it on a connection that is there. On an error the old ones stay.
    ///
    /// # Errors
    /// As [`tokens::read`].
    pub fn reload(&self) -> Result<(), String> {
        let Some(file) = &self.file else { return Ok(()) };
        let old = self.tokens.load();
        let kept = |token| old.iter().find(|old| ***old == token).cloned().unwrap_or(token.into());
        let new: Vec<_> = tokens::read(file)?.into_iter().map(kept).collect();
        let gone = old.iter().filter(|old| !new.contains(old));
        gone.for_each(|token| token.revoke());
        self.tokens.store(Arc::new(new));
        Ok(())
    }

    /// Whether tokens are asked for.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.file.is_some()
    }

    /// What is allowed without a token.
    ///
    /// # Errors
    /// `SILT_UNAUTHENTICATED` where tokens are asked for.
    pub fn without_token(&self) -> Result<Access, Failure> {
        if self.is_on() {
            return Err(Failure::unauthenticated());
        }
        Ok(Access::of_everybody())
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
        for known in self.tokens.load().iter() {
            if known.is(token) {
                found = Some(Arc::clone(known));
            }
        }
        let Some(found) = found else {
            self.note_failure(address);
            return Err(Failure::unauthenticated());
        };
        Ok(Access { role: found.role, token: Some(found) })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ADMIN: &str = "0123456789abcdef0123456789abcdef";
    const READER: &str = "fedcba9876543210fedcba9876543210";

    fn auth() -> Auth {
        let token = |role, text: &str| Arc::new(Token::new(role, text.as_bytes()));
        let all = vec![token(Role::Admin, ADMIN), token(Role::ReadOnly, READER)];
        Auth { file: Some("tokens".into()), tokens: ArcSwap::from_pointee(all), ..Auth::default() }
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
        assert_eq!(Auth::default().without_token().unwrap().role, Role::Admin);
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
}
