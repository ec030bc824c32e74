//! The wire format between client and engine: `js/wire.ts` is the other end and tells it all.
//!
//! A number is an unsigned LEB128 of at most 2^53 - 1; bytes have their length before them.

use alloc::vec::Vec;

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::format::put;
use siltdb_core::limits::SEQ_MAX;
use siltdb_core::types::owned;

/// What a request is told that ends early or is none.
const MALFORMED: &str = "a packed message ends early or is not one";

/// Operations, by the byte they begin with.
pub mod code {
    #![allow(missing_docs)]
    pub const GET: u8 = 1;
    pub const GET_MANY: u8 = 2;
    pub const HAS: u8 = 3;
    pub const WRITE: u8 = 4;
    pub const DELETE_RANGE: u8 = 5;
    pub const SCAN: u8 = 6;
    pub const VIEW_OPEN: u8 = 7;
    pub const VIEW_CLOSE: u8 = 8;
    pub const COUNT: u8 = 9;
    pub const HISTORY: u8 = 10;
    pub const DIFF: u8 = 11;
    pub const CHANGES: u8 = 12;
    pub const STATS: u8 = 13;
    pub const SEGMENTS: u8 = 14;
    pub const COMPACT_STEP: u8 = 15;
    pub const PLAN: u8 = 16;
    pub const SYNC: u8 = 17;
    pub const RETENTION: u8 = 18;
    pub const INFO: u8 = 19;
    pub const RECORDS: u8 = 20;
    pub const BYTES: u8 = 21;
    pub const SET_MANY: u8 = 22;
}

/// Answers, by the byte they begin with.
pub mod status {
    #![allow(missing_docs)]
    pub const OK: u8 = 0;
    pub const ABSENT: u8 = 1;
    pub const ERROR: u8 = 2;
}

/// Takes fields off a request.
///
/// What is not there reads as 0 or as no bytes, and the request is then none: [`Reader::whole`] is
/// asked before anything is done with what was read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    malformed: bool,
}

impl<'a> Reader<'a> {
    /// Reads from `at` on.
    #[must_use]
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, malformed: false }
    }

    /// Where the next field begins.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Whether the next operation gets values of keys, which makes no files.
    #[must_use]
    pub fn is_get(&self) -> bool {
        self.bytes.get(self.at).is_some_and(|operation| *operation < code::WRITE)
    }

    /// Whether a field ended early or was none.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Tells that a field is none: nothing is left then.
    pub fn refuse(&mut self) {
        self.malformed = true;
        self.at = self.bytes.len();
    }

    /// Whether all fields so far were there.
    ///
    /// # Errors
    /// `Invalid`: some were not.
    pub fn whole(&self) -> Result<(), Error> {
        if self.malformed { Err(ErrorKind::Invalid(MALFORMED).into()) } else { Ok(()) }
    }

    /// One byte.
    pub fn u8(&mut self) -> u8 {
        let Some(byte) = self.bytes.get(self.at) else {
            self.refuse();
            return 0;
        };
        self.at += 1;
        *byte
    }

    /// A number.
    pub fn n(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.u8();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 && value <= SEQ_MAX {
                return value;
            }
            if byte < 0x80 {
                break;
            }
        }
        self.refuse();
        0
    }

    /// Bytes.
    pub fn b(&mut self) -> &'a [u8] {
        let len = self.n();
        self.take(len)
    }

    /// So many bytes, whose length stood elsewhere.
    pub fn take(&mut self, len: u64) -> &'a [u8] {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let left = self.bytes.get(self.at..).unwrap_or_default();
        let Some((bytes, _)) = left.split_at_checked(len) else {
            self.refuse();
            return &[];
        };
        self.at += len;
        bytes
    }

    /// A number if the flag says that there is one.
    pub fn n_if(&mut self, given: bool) -> Option<u64> {
        given.then(|| self.n())
    }

    /// Bytes of their own if the flag says that there are some.
    pub fn b_if(&mut self, given: bool) -> Option<Vec<u8>> {
        given.then(|| owned(self.b()))
    }
}

/// Appends a number.
pub fn put_n(out: &mut Vec<u8>, value: u64) {
    put(out, value);
}

/// Appends bytes with their length before them.
pub fn put_b(out: &mut Vec<u8>, bytes: &[u8]) {
    put_n(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Length of a length that is told when the bytes are there.
const LENGTH_LEN: usize = 5;

/// Begins bytes whose length is not known yet, and says where they stand.
pub fn begin_b(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0]);
    out.len()
}

/// Ends bytes that began there.
pub fn end_b(out: &mut [u8], start: usize) {
    let mut len = out.len() - start;
    for byte in &mut out[start - LENGTH_LEN..start] {
        *byte |= len as u8 & 0x7f;
        len >>= 7;
    }
}
