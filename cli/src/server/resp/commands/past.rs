//! What Redis does not have: the past, and changes. Moments and sequence numbers are microseconds
//! since 1970.

use siltdb_core::{ScanOptions, Version};

use super::{Call, Outcome};
use crate::server::limits::PAGE_RECORDS_MAX;
use crate::server::resp::reply::{Reply, Trouble};

/// Bytes of a version beside its key and value: numbers, lengths and line ends.
const NUMBERS_LEN: usize = 96;

fn seq(call: &Call<'_>, i: usize) -> Result<u64, Trouble> {
    u64::try_from(call.int(i)?).map_err(|_| Trouble::not_an_integer())
}

/// The number behind `LIMIT`, if there is one.
fn limit(call: &Call<'_>) -> Result<usize, Trouble> {
    match call.args.count() {
        2 => Ok(PAGE_RECORDS_MAX),
        4 if call.args.is(2, "LIMIT") => match usize::try_from(call.int(3)?) {
            Ok(limit) if limit > 0 => Ok(limit.min(PAGE_RECORDS_MAX)),
            _ => Err(Trouble::not_an_integer()),
        },
        _ => Err(Trouble::syntax()),
    }
}

fn number(out: &mut Reply, number: u64) {
    out.int(i64::try_from(number).unwrap_or(i64::MAX));
}

fn version(out: &mut Reply, version: &Version) {
    match &version.value {
        Some(value) => out.bulk(value),
        None => out.null(),
    }
    match version.expires {
        Some(expires) => number(out, expires),
        None => out.null(),
    }
}

/// `SILT.GETAT key moment`: the value as it was at a moment.
pub fn get_at(call: &mut Call<'_>) -> Outcome {
    let moment = seq(call, 2)?;
    match call.txn.store().get_as_of(call.args.get(1), moment)? {
        Some(record) => {
            call.out.reserve(record.value.len())?;
            call.out.bulk(&record.value);
        }
        None => call.out.null(),
    }
    Ok(())
}

/// `SILT.HISTORY key [LIMIT n]`: versions, newest first, each of its seq, its value (none for a
/// delete) and its expiry.
pub fn history(call: &mut Call<'_>) -> Outcome {
    let limit = limit(call)?;
    let (start, mut count) = (call.out.waiting(), 0);
    for told in call.txn.store().history(call.args.get(1))?.take(limit) {
        let told = told?;
        call.out.reserve(told.size() + NUMBERS_LEN)?;
        call.out.array(3);
        number(call.out, told.seq);
        version(call.out, &told);
        count += 1;
    }
    call.out.insert(start, |out| out.array(count));
    Ok(())
}

/// `SILT.CHANGES since [LIMIT n]`: the seq to go on from, and versions in the order of commits,
/// each of its seq, key, value and expiry. A commit is told whole, if that makes more than `n`.
pub fn changes(call: &mut Call<'_>) -> Outcome {
    let (since, limit) = (seq(call, 1)?, limit(call)?);
    let changes = call.txn.store().changes(since, &ScanOptions::default())?;
    let (until, mut last) = (changes.until().max(since), since);
    let (start, mut count, mut is_cut) = (call.out.waiting(), 0, false);
    for changed in changes {
        let changed = changed?;
        is_cut = count >= limit && last != changed.version.seq;
        if is_cut {
            break;
        }
        last = changed.version.seq;
        call.out.reserve(changed.size() + NUMBERS_LEN)?;
        call.out.array(4);
        number(call.out, last);
        call.out.bulk(&changed.key);
        version(call.out, &changed.version);
        count += 1;
    }
    call.out.insert(start, |out| {
        out.array(2);
        number(out, if is_cut { last } else { until });
        out.array(count);
    });
    Ok(())
}

/// `SILT.LASTCOMMIT`: the seq of the last write of this connection, and how safe it is.
pub fn last_commit(call: &mut Call<'_>) -> Outcome {
    match call.session.last_commit {
        None => call.out.null_array(),
        Some(commit) => {
            call.out.array(2);
            number(call.out, commit.seq);
            call.out.bulk(commit.durability.name().as_bytes());
        }
    }
    Ok(())
}
