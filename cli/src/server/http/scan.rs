//! Ranges of records: `/v1/kv`, `/v1/count`, `/v1/diff`, and the versions of one key.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use http::HeaderMap;
use siltdb_core::{Record, ScanOptions};

use super::cursor::Cursor;
use super::kv::check_writable;
use super::lines::{self, json_len, long_len};
use super::params::{self, Params};
use super::reply::{self, Reply, SILT_SEQ};
use crate::json::{self, CountForm};
use crate::server::auth::{Access, Action};
use crate::server::budget::{Budget, Held};
use crate::server::deletes::{self, Deletes};
use crate::server::error::Failure;
use crate::server::{Shared, limits};
use crate::{Store, time};

const SCAN: &[&str] = &["prefix", "from", "to", "reverse", "limit", "cursor", "keys_only", "as_of"];

/// Records of a range: pages that are all of one moment, or lines to the end.
pub async fn scan(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, text) = params::text_of(&shared, request).await?;
    let params = Params::parse(&text, SCAN)?;
    let options = ScanOptions {
        reverse: params.flag("reverse")?,
        keys_only: params.flag("keys_only")?,
        limit: params.number("limit")?,
        ..params.range()?
    };
    let cursor = params.bytes("cursor").filter(|text| !text.is_empty());
    if lines::wants_lines(&parts.headers) {
        if cursor.is_some() {
            return Err(Failure::input("lines come to the end and take no cursor"));
        }
        return all(&shared, &parts.headers, options).await;
    }
    let cursor = cursor.map(|text| Cursor::decode(text, &options)).transpose()?;
    if cursor.is_some() && options.as_of.is_some() {
        return Err(Failure::input("a cursor has its moment; leave as_of out"));
    }
    let budget = Arc::clone(&shared.budget);
    let page = shared.long(move |store| Page::read(store, &options, cursor, &budget)).await??;
    let mut response = reply::bytes(reply::JSON, reply::held(page.json, page.held));
    response.headers_mut().insert(SILT_SEQ, page.seq.into());
    Ok(response)
}

async fn all(shared: &Arc<Shared>, headers: &HeaderMap, options: ScanOptions) -> Reply {
    lines::stream(shared, headers, "records", move |store, lines| {
        lines.push_all(
            store.scan(&options)?,
            |record| long_len(&record.key) + long_len(&record.value),
            |record, line| json::record_line(record, options.keys_only, line),
        )
    })
    .await
}

/// A page of a scan.
struct Page {
    json: Vec<u8>,
    seq: u64,
    held: Held,
}

impl Page {
    /// Reads a page. Failures of memory are inside, those of the store outside.
    fn read(
        store: &Store,
        options: &ScanOptions,
        cursor: Option<Cursor>,
        budget: &Arc<Budget>,
    ) -> siltdb_core::Result<Result<Self, Failure>> {
        let (records, seq, moment) = begin(store, options, cursor)?;
        let _uncounted = budget.uncounted_blocking();
        let mut held = budget.nothing();
        let max = options.limit.unwrap_or(u64::MAX).min(limits::PAGE_RECORDS_MAX as u64);
        let (mut json, mut count) = (b"{\"records\":[".to_vec(), 0);
        let mut last = Vec::new();
        let mut next = None;
        for record in records {
            let record = record?;
            if record.expires.is_some_and(|expires| expires <= moment) {
                continue;
            }
            if count == max || json.len() >= limits::PAGE_BYTES_MAX {
                next = (count > 0).then_some(Cursor { seq, moment, key: last });
                break;
            }
            let value_len = if options.keys_only { 0 } else { json_len(&record.value) };
            let len = json_len(&record.key) + value_len + 64;
            if !held.grow(len) {
                return Ok(Err(Failure::replies_full()));
            }
            // Grown by itself it would take up to twice that, and once more while it is moved.
            json.reserve(len);
            if count > 0 {
                json.push(b',');
            }
            json::record_line(&record, options.keys_only, &mut json);
            count += 1;
            last = record.key;
        }
        let next = next.map_or(String::from("null"), |c| format!("\"{}\"", c.encode(options)));
        json.extend_from_slice(format!("],\"seq\":{seq},\"cursor\":{next}}}").as_bytes());
        Ok(Ok(Self { json, seq, held }))
    }
}

/// The records from the cursor on, the seq that all pages are of, and the moment expiry is judged
/// at.
fn begin(
    store: &Store,
    options: &ScanOptions,
    cursor: Option<Cursor>,
) -> siltdb_core::Result<(crate::Scan, u64, u64)> {
    let unlimited = ScanOptions { limit: None, ..options.clone() };
    if let Some(cursor) = cursor {
        let records = store.scan(&cursor.rest(&unlimited))?;
        return Ok((records, cursor.seq, cursor.moment));
    }
    let view = store.view()?;
    // What expired by itself may have been dropped up to the horizon, and nothing was committed
    // since: the state is the same there, and can be read.
    let newest = view.seq().max(view.horizon());
    let asked = options.as_of;
    let unlimited = ScanOptions { as_of: None, ..unlimited };
    match asked {
        Some(moment) if moment < newest => {
            let records = store.view_as_of(moment)?.scan(&unlimited)?;
            Ok((records, moment, moment))
        }
        // Of a time to come: as things stand, without what will have expired.
        Some(moment) => Ok((view.scan(&unlimited)?, newest, moment)),
        None => Ok((view.scan(&unlimited)?, newest, time::now_us())),
    }
}

/// How many records a range has.
pub async fn count(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (_, text) = params::text_of(&shared, request).await?;
    let params = Params::parse(&text, &["prefix", "from", "to", "limit", "as_of"])?;
    let options = ScanOptions { limit: params.number("limit")?, ..params.range()? };
    let count = shared.long(move |store| store.count(&options)).await?;
    Ok(reply::json(&CountForm { count }))
}

/// The keys of a range that differ between two moments.
pub async fn diff(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, text) = params::text_of(&shared, request).await?;
    let params = Params::parse(&text, &["from", "to", "prefix"])?;
    let from = params.moment("from")?.ok_or_else(|| Failure::input("from is missing"))?;
    let to = params.moment("to")?;
    let to = to.unwrap_or_else(|| shared.store.store().now().max(from));
    if to < from {
        return Err(Failure::input("from is later than to"));
    }
    let prefix = params.bytes("prefix").map(<[u8]>::to_vec);
    let options = ScanOptions { prefix, ..ScanOptions::default() };
    lines::stream(&shared, &parts.headers, "changes", move |store, lines| {
        let len = |record: &Option<Record>| record.as_ref().map_or(0, |r| long_len(&r.value));
        lines.push_all(
            store.diff(from, to, &options)?,
            |change| len(&change.before) + len(&change.after),
            json::change_line,
        )
    })
    .await
}

/// What stands before the key of a history.
const HISTORY: &str = "/v1/history/";

/// Every version of a key that is still held, newest first.
pub async fn history(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, _) = request.into_parts();
    let key = params::key(parts.uri.path(), HISTORY)?;
    let limit = Params::of(&parts, &["limit"])?.number("limit")?;
    versions(&shared, &parts.headers, key, limit).await
}

/// As [`history`], of a key in the body.
pub async fn post_history(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let (parts, text) = params::text_of(&shared, request).await?;
    let params = Params::parse(&text, &["key", "limit"])?;
    let key = params.bytes("key").ok_or_else(|| Failure::input("key is missing"))?;
    versions(&shared, &parts.headers, key.to_vec(), params.number("limit")?).await
}

async fn versions(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    key: Vec<u8>,
    limit: Option<u64>,
) -> Reply {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    lines::stream(shared, headers, "versions", move |store, lines| {
        lines.push_all(
            store.history(&key)?.take(limit),
            |version| version.value.as_deref().map_or(0, long_len),
            |version, line| json::version_line(&key, version, false, line),
        )
    })
    .await
}

/// Deletes every key of a prefix, in one batch.
pub async fn delete(
    State(shared): State<Arc<Shared>>,
    Extension(access): Extension<Access>,
    request: Request,
) -> Reply {
    let parts = params::no_body(&shared, request).await?;
    let params = Params::of(&parts, &["prefix", "durability"])?;
    let durability = params.durability()?;
    let prefix = params.bytes("prefix").map(<[u8]>::to_vec);
    let prefix = prefix.ok_or_else(|| Failure::input("prefix is missing"))?;
    if prefix.is_empty() {
        access.check(Action::Admin)?;
    }
    check_writable(&shared)?;
    let options = ScanOptions { prefix: Some(prefix), keys_only: true, ..ScanOptions::default() };
    let budget = Arc::clone(&shared.budget);
    let max = limits::BATCH_BYTES_MAX - limits::KEY_LEN_MAX;
    let found = shared.long(move |store| deletes::collect(store, &options, &budget, max));
    let Deletes { batch, next, held: _held } = found.await??;
    if next.is_some() {
        let message = "the prefix has more keys than one batch holds; delete longer prefixes";
        return Err(Failure::new("SILT_BATCH_TOO_LARGE", message));
    }
    let deleted = batch.len() as u64;
    let commit = shared.write(batch, durability).await?;
    Ok(reply::commit(commit, Some(deleted)))
}
