//! Bytes of the reference store: groups, one a commit, and the manifest.

use std::collections::BTreeMap;

use siltdb_core::error::{Error, Result};
use siltdb_core::options::Retention;
use siltdb_core::storage::FileId;

use crate::engine::Version;
use crate::model::Written;
use crate::sim::mix;

/// Versions of every key, oldest first.
pub type Versions = BTreeMap<Vec<u8>, Vec<Version>>;

/// What a manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// Salt of the segment of the same number.
    pub salt: u64,
    /// Bytes of the segment that were synced before the manifest was published.
    pub sealed_len: u64,
    /// Checksum of those bytes.
    pub sealed_sum: u64,
    /// The retention rule.
    pub retention: Retention,
}

/// Reads numbers and byte strings from the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = usize::try_from(self.number()?).ok()?;
        Some(self.take(len)?.to_vec())
    }

    fn option(&mut self) -> Option<Option<u64>> {
        let some = self.number()?;
        let number = self.number()?;
        Some((some == 1).then_some(number))
    }
}

/// A checksum: every bit of the bytes and of the salt counts.
pub fn sum(salt: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(mix(salt ^ bytes.len() as u64), |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(sum.rotate_left(21) ^ u64::from_le_bytes(word)).wrapping_add(sum)
    })
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_option(out: &mut Vec<u8>, number: Option<u64>) {
    put(out, u64::from(number.is_some()));
    put(out, number.unwrap_or(0));
}

/// A group: length, checksum, body.
pub fn encode(salt: u64, seq: u64, written: &[Written]) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, seq);
    put(&mut body, written.len() as u64);
    for (key, value, expires) in written {
        put_bytes(&mut body, key);
        put_option(&mut body, value.as_ref().map(|_| 1));
        put_bytes(&mut body, value.as_deref().unwrap_or_default());
        put_option(&mut body, *expires);
    }
    let mut out = Vec::new();
    put(&mut out, body.len() as u64);
    put(&mut out, sum(salt, &body));
    out.extend_from_slice(&body);
    out
}

/// Adds what the groups write, up to the first that is not whole. Gives the last seq.
pub fn decode(salt: u64, bytes: &[u8], checked: bool, versions: &mut Versions) -> u64 {
    let mut cursor = Cursor(bytes);
    let mut last = 0;
    while let Some(seq) = decode_group(&mut cursor, salt, checked, versions) {
        last = seq;
    }
    last
}

fn decode_group(
    cursor: &mut Cursor<'_>,
    salt: u64,
    checked: bool,
    versions: &mut Versions,
) -> Option<u64> {
    let len = usize::try_from(cursor.number()?).ok()?;
    let found = cursor.number()?;
    let body = cursor.take(len)?;
    if len == 0 || (checked && found != sum(salt, body)) {
        return None;
    }
    let mut body = Cursor(body);
    let seq = body.number()?;
    for _ in 0..body.number()? {
        let key = body.bytes()?;
        let is_set = body.option()?;
        let value = body.bytes()?;
        let expires = body.option()?;
        add(versions, key, Version { seq, value: is_set.map(|_| value), expires });
    }
    Some(seq)
}

/// Adds a version; the last one of a commit counts.
pub fn add(versions: &mut Versions, key: Vec<u8>, version: Version) {
    let held = versions.entry(key).or_default();
    if held.last().is_some_and(|last| last.seq == version.seq) {
        held.pop();
    }
    held.push(version);
}

/// All versions again as groups, oldest first.
pub fn encode_all(salt: u64, versions: &Versions) -> Vec<u8> {
    let mut commits: BTreeMap<u64, Vec<Written>> = BTreeMap::new();
    for (key, held) in versions {
        for version in held {
            let written = (key.clone(), version.value.clone(), version.expires);
            commits.entry(version.seq).or_default().push(written);
        }
    }
    commits.into_iter().flat_map(|(seq, written)| encode(salt, seq, &written)).collect()
}

impl Manifest {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (tag, number) = match self.retention {
            Retention::Latest => (0, 0),
            Retention::Age { us } => (1, us),
            Retention::Versions { count } => (2, u64::from(count)),
            Retention::Forever => (3, 0),
        };
        let mut out = Vec::new();
        for field in [self.salt, self.sealed_len, self.sealed_sum, tag, number] {
            put(&mut out, field);
        }
        let check = sum(7, &out);
        put(&mut out, check);
        out
    }

    /// Reads the bytes of a manifest.
    pub fn decode(id: FileId, bytes: &[u8]) -> Result<Self> {
        let parse = || {
            let mut cursor = Cursor(bytes);
            let (salt, sealed_len) = (cursor.number()?, cursor.number()?);
            let (sealed_sum, tag, number) = (cursor.number()?, cursor.number()?, cursor.number()?);
            let retention = match tag {
                0 => Retention::Latest,
                1 => Retention::Age { us: number },
                2 => Retention::Versions { count: u32::try_from(number).ok()? },
                _ => Retention::Forever,
            };
            let whole = cursor.number()? == sum(7, &bytes[..40]) && cursor.0.is_empty();
            whole.then_some(Self { salt, sealed_len, sealed_sum, retention })
        };
        parse().ok_or_else(|| Error::corrupt(id, 0, "a manifest with its checksum"))
    }
}
