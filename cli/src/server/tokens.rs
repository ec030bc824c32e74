//! Tokens, and the file they are read from.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use subtle::ConstantTimeEq;

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

/// A token, which is never told.
pub struct Token {
    /// What its holder may do.
    pub role: Role,
    bytes: Vec<u8>,
    is_revoked: AtomicBool,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("role", &self.role).finish_non_exhaustive()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.role == other.role && self.is(&other.bytes)
    }
}

impl Token {
    /// A token of a role.
    #[must_use]
    pub fn new(role: Role, bytes: &[u8]) -> Self {
        Self { role, bytes: bytes.to_vec(), is_revoked: AtomicBool::new(false) }
    }

    /// Whether these are its bytes, in a time that tells nothing of them.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.bytes.as_slice().ct_eq(bytes).into()
    }

    /// Whoever was let in with it may do nothing more.
    pub fn revoke(&self) {
        self.is_revoked.store(true, Ordering::Relaxed);
    }

    /// Whether it no longer lets in.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.is_revoked.load(Ordering::Relaxed)
    }
}

/// Reads tokens: lines of a role (`read-only`, `read-write`, `admin`) and a token.
///
/// # Errors
/// The file cannot be read, others can read it, or a line is not right; the message never has a
/// token in it.
pub fn read(path: &Path) -> Result<Vec<Token>, String> {
    let place = path.display();
    check_mode(path)?;
    let text = std::fs::read_to_string(path).map_err(|e| format!("{place}: {e}"))?;
    let mut tokens = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        tokens.push(parse_line(line).map_err(|e| format!("{place}:{}: {e}", i + 1))?);
    }
    if tokens.is_empty() {
        return Err(format!("{place}: there is no token in it; write lines of 'ROLE TOKEN'"));
    }
    Ok(tokens)
}

fn parse_line(line: &str) -> Result<Token, String> {
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
    Ok(Token::new(role, token.as_bytes()))
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
    use super::*;

    #[test]
    fn lines_of_the_file_are_checked() {
        assert!(parse_line("admin 0123456789abcdef0123456789abcdef").is_ok());
        for line in ["admin", "admin short", "root 0123456789abcdef0123456789abcdef"] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }
}
