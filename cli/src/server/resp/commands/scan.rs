//! Commands that look at many keys. They run in threads for blocking work.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use siltdb_core::ScanOptions;

use super::{Call, Outcome};
use crate::server::deletes;
use crate::server::limits::{self, PAGE_BYTES_MAX, PAGE_RECORDS_MAX};
use crate::server::resp::glob;
use crate::server::resp::parser::Args;
use crate::server::resp::reply::Trouble;

/// Keys are counted one by one up to so many.
const EXACT_UP_TO: u64 = 100_000;
/// Keys among which RANDOMKEY chooses.
const RANDOM_AMONG: u64 = 64;
/// How often it picks a byte before that.
const RANDOM_STEPS: usize = 16;

/// The bytes that every match of a pattern begins with.
fn literal_prefix(pattern: &[u8]) -> Option<Vec<u8>> {
    let special = |b: &u8| matches!(b, b'*' | b'?' | b'[' | b'\\');
    let end = pattern.iter().position(special).unwrap_or(pattern.len());
    (end > 0).then(|| pattern[..end].to_vec())
}

/// What was written in the same transaction and is not in the store yet, by key: whether it is
/// there.
fn written(call: &Call<'_>) -> BTreeMap<Vec<u8>, bool> {
    call.txn.writes().map(|(key, value)| (key.to_vec(), value.is_some())).collect()
}

/// `KEYS pattern`
pub fn keys(call: &mut Call<'_>) -> Outcome {
    let pattern = call.args.get(1);
    let written = written(call);
    let options =
        ScanOptions { prefix: literal_prefix(pattern), keys_only: true, ..ScanOptions::default() };
    let (start, mut count) = (call.out.waiting(), 0);
    let mut tell = |key: &[u8]| {
        if glob::matches(pattern, key) {
            count += 1;
            call.out.reserve(key.len() + 16)?;
            call.out.bulk(key);
        }
        Ok::<(), Trouble>(())
    };
    for record in call.txn.store().scan(&options)? {
        let key = record?.key;
        if !written.contains_key(&key) {
            tell(&key)?;
        }
    }
    for (key, _) in written.iter().filter(|(_, is_there)| **is_there) {
        tell(key)?;
    }
    call.out.insert(start, |out| out.array(count));
    Ok(())
}

struct Page {
    pattern: Option<Vec<u8>>,
    count: usize,
    is_for_strings: bool,
}

impl Page {
    fn parse(call: &Call<'_>) -> Result<Self, Trouble> {
        let mut page = Self { pattern: None, count: 10, is_for_strings: true };
        for i in (2..call.args.count()).step_by(2) {
            if i + 1 >= call.args.count() {
                return Err(Trouble::syntax());
            }
            match call.args.get(i).to_ascii_uppercase().as_slice() {
                b"COUNT" => {
                    let count = call.int(i + 1)?;
                    if count < 1 {
                        return Err(Trouble::syntax());
                    }
                    page.count = usize::try_from(count).unwrap_or(PAGE_RECORDS_MAX);
                }
                b"MATCH" => page.pattern = Some(call.args.get(i + 1).to_vec()),
                b"TYPE" => page.is_for_strings = call.args.is(i + 1, "string"),
                _ => return Err(Trouble::syntax()),
            }
        }
        // More at a time is not given: the cursor goes on from there.
        page.count = page.count.min(PAGE_RECORDS_MAX);
        Ok(page)
    }
}

/// `SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]`: keys in order, so that whatever is there
/// from the first call to the last is told exactly once.
pub fn scan(call: &mut Call<'_>) -> Outcome {
    let invalid = || Trouble::err("invalid cursor");
    let cursor = std::str::from_utf8(call.args.get(1)).ok().and_then(|text| text.parse().ok());
    let cursor: u64 = cursor.ok_or_else(invalid)?;
    let page = Page::parse(call)?;
    let last = match cursor {
        0 => None,
        cursor => Some(call.resp.cursors.get(cursor).ok_or_else(invalid)?),
    };
    let from = last.clone().map(|mut last| {
        last.push(0);
        last
    });
    let options = ScanOptions {
        from,
        prefix: page.pattern.as_deref().and_then(literal_prefix),
        limit: Some(page.count as u64),
        keys_only: true,
        ..ScanOptions::default()
    };
    let mut keys: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
    let (mut bytes, mut next) = (0, None);
    for record in call.txn.store().scan(&options)? {
        let key = record?.key;
        bytes += key.len();
        keys.insert(key.clone(), true);
        if keys.len() == page.count || bytes >= PAGE_BYTES_MAX {
            next = Some(key);
            break;
        }
    }
    for (key, is_there) in written(call) {
        let is_after = last.as_ref().is_none_or(|last| key > *last);
        if is_after && next.as_ref().is_none_or(|next| key <= *next) {
            keys.insert(key, is_there);
        }
    }
    let pattern = page.pattern.as_deref().unwrap_or(b"*");
    keys.retain(|key, is_there| *is_there && page.is_for_strings && glob::matches(pattern, key));
    let cursor = next.map_or(0, |next| call.resp.cursors.put(next));
    call.out.array(2);
    call.out.bulk(cursor.to_string().as_bytes());
    call.out.array(keys.len());
    for key in keys.keys() {
        call.out.reserve(key.len())?;
        call.out.bulk(key);
    }
    Ok(())
}

/// `DBSIZE`: exact where there are few keys; otherwise those that have expired may be counted in.
pub fn dbsize(call: &mut Call<'_>) -> Outcome {
    let store = call.txn.store();
    // What has expired is counted in memory until it is compacted away.
    let mut count = match store.len()? {
        few if few <= EXACT_UP_TO => store.count(&ScanOptions::default())?,
        many => many,
    };
    for (key, is_there) in written(call) {
        match (call.txn.store().contains(&key)?, is_there) {
            (false, true) => count += 1,
            (true, false) => count = count.saturating_sub(1),
            _ => {}
        }
    }
    call.out.int(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(())
}

/// `RANDOMKEY`: one of the keys behind a random place; not every key is as likely as another.
pub fn randomkey(call: &mut Call<'_>) -> Outcome {
    let written = written(call);
    let mut keys = near_random(call)?;
    keys.retain(|key| !written.contains_key(key));
    if keys.is_empty() {
        let options = ScanOptions { keys_only: true, ..ScanOptions::default() };
        for record in call.txn.store().scan(&options)? {
            let key = record?.key;
            if !written.contains_key(&key) {
                keys.push(key);
                break;
            }
        }
    }
    keys.extend(written.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| key));
    match keys.len() {
        0 => call.out.null(),
        n => call.out.bulk(&keys[(random() % n as u64) as usize]),
    }
    Ok(())
}

fn random() -> u64 {
    foldhash::fast::RandomState::default().hash_one(0_u8)
}

/// Some keys at a random place: wherever keys differ, one of the bytes there is picked. A place
/// among all bytes would miss keys that begin alike, as most do.
fn near_random(call: &Call<'_>) -> Result<Vec<Vec<u8>>, Trouble> {
    let mut prefix = Vec::new();
    for _ in 0..RANDOM_STEPS {
        let within = || ScanOptions { prefix: Some(prefix.clone()), ..ScanOptions::default() };
        let first = first_of(call, within())?;
        let last = first_of(call, ScanOptions { reverse: true, ..within() })?;
        let (Some(first), Some(last)) = (first, last) else { break };
        let shared = first.iter().zip(&last).take_while(|(a, b)| a == b).count();
        let Some(high) = last.get(shared) else { break };
        // All others begin with it: it is found nowhere further on.
        if first.len() == shared && random().is_multiple_of(16) {
            return Ok(vec![first]);
        }
        let low = first.get(shared).copied().unwrap_or(0);
        let byte = low + (random() % (u64::from(high - low) + 1)) as u8;
        let from = [&last[..shared], &[byte]].concat();
        let found = first_of(call, ScanOptions { from: Some(from), ..within() })?;
        prefix = found.unwrap_or(last);
        prefix.truncate(shared + 1);
    }
    let options = ScanOptions {
        prefix: Some(prefix),
        limit: Some(RANDOM_AMONG),
        keys_only: true,
        ..ScanOptions::default()
    };
    let mut keys = Vec::new();
    for record in call.txn.store().scan(&options)? {
        keys.push(record?.key);
    }
    Ok(keys)
}

/// The first key that a scan finds.
fn first_of(call: &Call<'_>, options: ScanOptions) -> Result<Option<Vec<u8>>, Trouble> {
    let options = ScanOptions { limit: Some(1), keys_only: true, ..options };
    let found = call.txn.store().scan(&options)?.next().transpose()?;
    Ok(found.map(|record| record.key))
}

/// `FLUSHDB [ASYNC|SYNC]`, `FLUSHALL [ASYNC|SYNC]` within MULTI: all keys as one.
pub fn flush(call: &mut Call<'_>) -> Outcome {
    check_flush(&call.args)?;
    let options = ScanOptions { keys_only: true, ..ScanOptions::default() };
    let max = limits::FLUSH_BYTES_MAX - limits::KEY_LEN_MAX;
    let budget = &call.resp.shared.budget;
    let deletes = deletes::collect(call.txn.store(), &options, budget, max)??;
    if deletes.next.is_some() {
        return Err(Trouble::err("there are too many keys to flush them within MULTI"));
    }
    call.txn.flush(deletes)?;
    call.out.ok();
    Ok(())
}

/// Checks the options of FLUSHDB and FLUSHALL.
///
/// # Errors
/// Redis's words for others than it has.
pub fn check_flush(args: &Args<'_>) -> Outcome {
    match args.count() {
        1 => Ok(()),
        2 if args.is(1, "ASYNC") || args.is(1, "SYNC") => Ok(()),
        _ => Err(Trouble::syntax()),
    }
}
