//! Replies in RESP2 and RESP3.

use std::sync::Arc;

use super::number::push_int;
use crate::server::budget::{Budget, Held};
use crate::server::error::Failure;

/// Bytes of replies of a connection that are not counted.
const FREE: usize = 64 << 10;

/// What a command that was not done answers: the text of a RESP error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(pub String);

impl Trouble {
    /// A Redis text without its first word, `ERR`.
    pub fn err(text: &str) -> Self {
        Self(format!("ERR {text}"))
    }

    /// What Redis says of options that do not fit.
    pub fn syntax() -> Self {
        Self::err("syntax error")
    }

    /// What Redis says of a number that is none.
    pub fn not_an_integer() -> Self {
        Self::err("value is not an integer or out of range")
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self(failure.resp_text())
    }
}

impl From<siltdb_core::Error> for Trouble {
    fn from(error: siltdb_core::Error) -> Self {
        Failure::from(error).into()
    }
}

/// Replies that wait to be sent, in order.
#[derive(Debug)]
pub struct Reply {
    bytes: Vec<u8>,
    is_resp3: bool,
    held: Held,
}

impl Reply {
    /// Replies of RESP2, whose memory is taken from this budget.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { bytes: Vec::new(), is_resp3: false, held: budget.nothing() }
    }

    /// Answers in RESP3 from now on, or in RESP2.
    pub fn set_resp3(&mut self, is_resp3: bool) {
        self.is_resp3 = is_resp3;
    }

    /// Whether it is RESP3.
    pub fn is_resp3(&self) -> bool {
        self.is_resp3
    }

    /// What waits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much waits.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Takes replies back.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Puts what `say` answers before what was answered since `at`, for heads that tell how much
    /// follows.
    pub fn insert(&mut self, at: usize, say: impl FnOnce(&mut Self)) {
        let len = self.bytes.len();
        say(self);
        let head = self.bytes.split_off(len);
        self.bytes.splice(at..at, head);
    }

    /// Forgets what was sent, and gives back memory beyond what a small reply needs.
    pub fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        if self.bytes.capacity() > keep {
            self.bytes = Vec::new();
        }
        self.held.shrink_to(0);
    }

    /// Makes sure that the server has the memory for so many bytes more.
    ///
    /// # Errors
    /// `SILT_BUSY`.
    pub fn reserve(&mut self, more: usize) -> Result<(), Trouble> {
        let wanted = self.bytes.len() + more;
        if wanted <= FREE + self.held.bytes() {
            return Ok(());
        }
        // In large steps, and what a vector that doubles takes.
        let step = (wanted - self.held.bytes()).max(FREE);
        if self.held.grow(step) { Ok(()) } else { Err(Failure::replies_full().into()) }
    }

    fn line(&mut self, kind: u8, number: i64) {
        self.bytes.push(kind);
        push_int(&mut self.bytes, number);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn count(&mut self, kind: u8, count: usize) {
        self.line(kind, i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }

    /// A word of ours.
    pub fn simple(&mut self, word: &str) {
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(word.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// An error. Line ends in it become blanks.
    pub fn error(&mut self, text: &str) {
        self.bytes.push(b'-');
        let blank = |b: u8| if b == b'\r' || b == b'\n' { b' ' } else { b };
        self.bytes.extend(text.bytes().map(blank));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A whole number.
    pub fn int(&mut self, number: i64) {
        self.line(b':', number);
    }

    /// A number of things.
    pub fn size(&mut self, count: usize) {
        self.count(b':', count);
    }

    /// Bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.count(b'$', bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Text for people.
    pub fn verbatim(&mut self, text: &str) {
        if !self.is_resp3 {
            return self.bulk(text.as_bytes());
        }
        self.count(b'=', text.len() + 4);
        self.bytes.extend_from_slice(b"txt:");
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// No value.
    pub fn null(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No array.
    pub fn null_array(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The head of an array.
    pub fn array(&mut self, len: usize) {
        self.count(b'*', len);
    }

    /// The head of a set.
    pub fn set(&mut self, len: usize) {
        self.count(if self.is_resp3 { b'~' } else { b'*' }, len);
    }

    /// The head of a map of so many pairs.
    pub fn map(&mut self, pairs: usize) {
        if self.is_resp3 { self.count(b'%', pairs) } else { self.count(b'*', pairs * 2) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn both_protocols_say_the_same_in_their_own_way() {
        let budget = Budget::new(1 << 20);
        let mut reply = Reply::new(&budget);
        let all = |reply: &mut Reply| {
            reply.ok();
            reply.int(-7);
            reply.bulk(b"a\r\nb");
            reply.null();
            reply.map(1);
            reply.set(2);
            reply.verbatim("x");
            reply.error("ERR a\r\nb");
            let text = String::from_utf8(reply.bytes().to_vec()).unwrap();
            reply.clear(0);
            text
        };
        let resp2 = "+OK\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*2\r\n*2\r\n$1\r\nx\r\n-ERR a  b\r\n";
        assert_eq!(all(&mut reply), resp2);
        reply.set_resp3(true);
        let resp3 = "+OK\r\n:-7\r\n$4\r\na\r\nb\r\n_\r\n%1\r\n~2\r\n=5\r\ntxt:x\r\n-ERR a  b\r\n";
        assert_eq!(all(&mut reply), resp3);
    }

    #[test]
    fn large_replies_are_counted_until_they_are_sent() {
        let budget = Budget::new(1 << 20);
        let mut reply = Reply::new(&budget);
        assert!(reply.reserve(FREE).is_ok());
        assert_eq!(budget.used(), 0);
        assert!(reply.reserve(900 << 10).is_ok());
        assert!(budget.used() >= 900 << 10);
        assert!(reply.reserve(2 << 20).unwrap_err().0.starts_with("BUSY "));
        reply.clear(0);
        assert_eq!(budget.used(), 0);
    }
}
