//! One key: `/v1/kv/{key}`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_RANGE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, StatusCode};
use siltdb_core::error::ErrorKind;
use siltdb_core::{Batch, Commit, Condition, Durability, Operation, Record};

use super::params::{self, Params};
use super::reply::{self, Reply, SILT_EXPIRES, SILT_SEQ};
use crate::server::Shared;
use crate::server::error::Failure;

/// What stands before the key.
pub const PATH: &str = "/v1/kv/";
/// Values longer than this are counted against the memory of the server until they are sent.
const SMALL: usize = 64 << 10;
/// How often a write is tried whose conditions the store cannot judge by itself.
const TRIES: usize = 16;

/// The value of a key.
pub async fn get(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, _) = request.into_parts();
    let key = params::key(parts.uri.path(), PATH)?;
    let as_of = match parts.uri.query() {
        None => None,
        Some(_) => Params::of(&parts, &["as_of"])?.moment("as_of")?,
    };
    value(&shared, &parts.headers, &key, as_of).await
}

/// As [`get`], of a key in the body.
pub async fn post_get(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, text) = params::text_of(&shared, request).await?;
    let params = Params::parse(&text, &["key", "as_of"])?;
    let key = params.bytes("key").ok_or_else(|| Failure::input("key is missing"))?;
    value(&shared, &parts.headers, key, params.moment("as_of")?).await
}

async fn value(shared: &Shared, headers: &HeaderMap, key: &[u8], as_of: Option<u64>) -> Reply {
    let (matching, none_matching) = (tags(headers, &IF_MATCH)?, tags(headers, &IF_NONE_MATCH)?);
    let (record, _uncounted) = shared.record(key, as_of).await?;
    let seq = record.as_ref().map(|record| record.seq);
    if matching.is_some_and(|tags| !tags.name(seq, true)) {
        return Err(failed(seq));
    }
    let record = record.ok_or_else(absent)?;
    if none_matching.is_some_and(|tags| tags.name(seq, false)) {
        return Ok(headed(reply::bytes(reply::BYTES, ""), &record, StatusCode::NOT_MODIFIED));
    }
    let Record { value, seq, expires, .. } = record;
    let value = match value.len() {
        len if len > SMALL => {
            let held = shared.budget.take(len);
            reply::held(value, held.ok_or_else(Failure::replies_full)?)
        }
        _ => Bytes::from(value),
    };
    let record = Record { key: Vec::new(), value: Vec::new(), seq, expires };
    Ok(headed(reply::bytes(reply::BYTES, value), &record, StatusCode::OK))
}

/// A reply with what is told of a record beside its value.
fn headed(mut response: Response, record: &Record, status: StatusCode) -> Response {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ETAG, reply::etag(record.seq));
    headers.insert(SILT_SEQ, record.seq.into());
    if let Some(expires) = record.expires {
        headers.insert(SILT_EXPIRES, expires.into());
    }
    response
}

fn absent() -> Failure {
    Failure::new("SILT_KEY_NOT_FOUND", "the key is absent")
}

fn failed(found: Option<u64>) -> Failure {
    let kind = ErrorKind::ConditionFailed { operation: 0, found: found.unwrap_or(0) };
    Failure::from(kind).of_one_key()
}

/// Sets a key to the body.
pub async fn put(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let key = params::key(parts.uri.path(), PATH)?;
    let params = Params::of(&parts, &["ttl", "durability"])?;
    let (expires, durability) = (params.expiry("ttl")?, params.durability()?);
    // Taken for the whole, the part would put an end to the rest of the value.
    if parts.headers.contains_key(CONTENT_RANGE) {
        return Err(Failure::input("a value is set as a whole: leave Content-Range out"));
    }
    let conditions = Conditions::of(&parts.headers)?;
    check_writable(&shared)?;
    let max = shared.config.value_len_max;
    let too_long = |len: u64| {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        ErrorKind::ValueTooLong { len, max }.into()
    };
    let (value, _memory) = params::whole(&shared, &parts.headers, body, max, too_long).await?;
    let operation = Operation { key, value: Some(value), expires, condition: None };
    let commit = conditions.write(&shared, operation, durability).await?;
    Ok(reply::key_commit(commit, true))
}

/// Deletes a key.
pub async fn delete(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let parts = params::no_body(&shared, request).await?;
    let key = params::key(parts.uri.path(), PATH)?;
    let durability = Params::of(&parts, &["durability"])?.durability()?;
    let conditions = Conditions::of(&parts.headers)?;
    check_writable(&shared)?;
    let operation = Operation { key, value: None, expires: None, condition: None };
    let commit = conditions.write(&shared, operation, durability).await?;
    Ok(reply::key_commit(commit, false))
}

/// Refuses a write of a server that only reads, before its body is read.
pub fn check_writable(shared: &Shared) -> Result<(), Failure> {
    if shared.config.read_only { Err(Failure::read_only()) } else { Ok(()) }
}

/// Entity tags of a condition.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: any record.
    Any,
    /// These seqs, and whether each tag is a strong one.
    Some(Vec<(u64, bool)>),
}

impl Tags {
    /// Whether they name a record of this seq. Weak tags count only where `strong` is not asked.
    fn name(&self, seq: Option<u64>, strong: bool) -> bool {
        let Some(seq) = seq else { return false };
        match self {
            Tags::Any => true,
            Tags::Some(tags) => {
                tags.iter().any(|(tag, is_strong)| *tag == seq && (*is_strong || !strong))
            }
        }
    }
}

/// The tags of a header. A tag that is no seq names no record.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Failure> {
    let mut all = Vec::new();
    let mut is_given = false;
    for value in headers.get_all(name) {
        is_given = true;
        let wrong = || Failure::input(format!("{name} is '*' or a list of tags in quotes"));
        let text = value.to_str().map_err(|_| wrong())?.trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        if text.trim_matches([',', ' ', '\t']).is_empty() {
            return Err(wrong());
        }
        // A list may have empty places, and a tag in quotes commas of its own.
        let mut is_quoted = false;
        let parts = text.split(|c| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        });
        for tag in parts.map(str::trim).filter(|tag| !tag.is_empty()) {
            let (tag, is_strong) = tag.strip_prefix("W/").map_or((tag, true), |tag| (tag, false));
            let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            // A seq as it stands is taken, too: quotes are easily lost in a shell.
            let is_seq = !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_digit());
            let inner = quoted.or(is_seq.then_some(tag));
            let inner = inner.filter(|inner| !inner.contains('"')).ok_or_else(wrong)?;
            // Tags are alike byte by byte: one that we would write otherwise is none of ours.
            let seq = inner.parse::<u64>().ok().filter(|seq| seq.to_string() == inner);
            all.extend(seq.map(|seq| (seq, is_strong)));
        }
    }
    Ok(is_given.then_some(Tags::Some(all)))
}

/// What must hold of a key for a write.
#[derive(Debug)]
struct Conditions {
    matching: Option<Tags>,
    none_matching: Option<Tags>,
}

impl Conditions {
    fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let matching = tags(headers, &IF_MATCH)?;
        Ok(Self { matching, none_matching: tags(headers, &IF_NONE_MATCH)? })
    }

    /// What the store can judge by itself, if it can.
    fn simple(&self) -> Option<Option<Condition>> {
        match (&self.matching, &self.none_matching) {
            (None, None) => Some(None),
            (None, Some(Tags::Any)) => Some(Some(Condition::Absent)),
            (Some(Tags::Some(tags)), None) => match tags.as_slice() {
                [(seq, true)] if *seq > 0 => Some(Some(Condition::SeqIs(*seq))),
                _ => None,
            },
            _ => None,
        }
    }

    fn hold_for(&self, seq: Option<u64>) -> bool {
        self.matching.as_ref().is_none_or(|tags| tags.name(seq, true))
            && self.none_matching.as_ref().is_none_or(|tags| !tags.name(seq, false))
    }

    /// Writes if they hold, at the very moment of the commit.
    async fn write(
        &self,
        shared: &Arc<Shared>,
        mut operation: Operation,
        durability: Option<Durability>,
    ) -> Result<Commit, Failure> {
        if let Some(condition) = self.simple() {
            operation.condition = condition;
            return commit(shared, operation, durability).await;
        }
        for _ in 0..TRIES {
            let record = shared.store.get_record(&operation.key, None).await?;
            let seq = record.map(|record| record.seq);
            if !self.hold_for(seq) {
                return Err(failed(seq));
            }
            operation.condition = Some(seq.map_or(Condition::Absent, Condition::SeqIs));
            match commit(shared, operation.clone(), durability).await {
                // Somebody wrote in between: judge again.
                Err(failure) if failure.code == "SILT_CONDITION_FAILED" => {}
                done => return done,
            }
        }
        Err(Failure::busy("others write this key all the time"))
    }
}

async fn commit(
    shared: &Arc<Shared>,
    operation: Operation,
    durability: Option<Durability>,
) -> Result<Commit, Failure> {
    let mut batch = Batch::new();
    batch.push(operation);
    shared.write(batch, durability).await.map_err(Failure::of_one_key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<Option<Tags>, Failure> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        tags(&headers, &IF_MATCH)
    }

    #[test]
    fn tags_name_records() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["*"]).unwrap(), Some(Tags::Any));
        let list = read(&["\"7\" , W/\"8\"", "\"x\""]).unwrap().unwrap();
        assert!(list.name(Some(7), true) && list.name(Some(8), false));
        assert!(!list.name(Some(8), true) && !list.name(None, false) && !list.name(Some(9), false));
        assert!(read(&["7"]).unwrap().unwrap().name(Some(7), true));
        let list = read(&[", \"7\",, \"a,9,b\", \"08\", \"+6\","]).unwrap().unwrap();
        assert!(list.name(Some(7), true));
        assert!(![6, 8, 9].iter().any(|seq| list.name(Some(*seq), false)));
        for value in ["x", "\"7", "\"7\" \"8\"", "", " , "] {
            assert!(read(&[value]).is_err(), "{value}");
        }
    }
}
