//! What Redis does not have: the past, and changes. Moments and sequence numbers are microseconds
//! since 1970.

use siltdb_core::ScanOptions;

use super::{Call, Outcome};
use crate::server::limits::PAGE_RECORDS_MAX;
use crate::server::resp::reply::{Reply, Trouble};

fn seq(call: &Call<'_>, i: usize) -> Result<u64, Trouble> {
    u64::try_from(call.int(i)?).map_err(|_| Trouble::not_an_integer())
}

/// The number behind `COUNT`, if there is one.
fn count(call: &Call<'_>) -> Result<usize, Trouble> {
    match call.args.count() {
        2 => Ok(PAGE_RECORDS_MAX),
        4 if call.args.is(2, "COUNT") => match usize::try_from(call.int(3)?) {
            Ok(count) if count > 0 => Ok(count.min(PAGE_RECORDS_MAX)),
            _ => Err(Trouble::not_an_integer()),
        },
        _ => Err(Trouble::syntax()),
    }
}

fn number(out: &mut Reply, number: u64) {
    out.int(i64::try_from(number).unwrap_or(i64::MAX));
}

fn version(out: &mut Reply, value: Option<&[u8]>, expires: Option<u64>) -> Outcome {
    match value {
        Some(value) => {
            out.reserve(value.len())?;
            out.bulk(value);
        }
        None => out.null(),
    }
    match expires {
        Some(expires) => number(out, expires),
        None => out.null(),
    }
    Ok(())
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

/// `SILT.HISTORY key [COUNT n]`: versions, newest first, each of its seq, its value (none for a
/// delete) and its expiry.
pub fn history(call: &mut Call<'_>) -> Outcome {
    let count = count(call)?;
    let mut versions = call.txn.store().history(call.args.get(1))?;
    versions.truncate(count);
    call.out.array(versions.len());
    for told in &versions {
        call.out.array(3);
        number(call.out, told.seq);
        version(call.out, told.value.as_deref(), told.expires)?;
    }
    Ok(())
}

/// `SILT.CHANGES since [COUNT n]`: the seq to go on from, and versions in the order of commits,
/// each of its seq, key, value and expiry. A commit is told whole, if that makes more than `n`.
pub fn changes(call: &mut Call<'_>) -> Outcome {
    let (since, count) = (seq(call, 1)?, count(call)?);
    let changes = call.txn.store().changes(since, &ScanOptions::default())?;
    let mut next = changes.until().max(since);
    let mut told = Vec::new();
    let mut bytes = 0;
    for changed in changes {
        let changed = changed?;
        if told.len() >= count
            && let Some(last) = told.last().map(|last: &siltdb_core::Changed| last.version.seq)
            && last != changed.version.seq
        {
            next = last;
            break;
        }
        bytes += changed.key.len() + changed.version.value.as_ref().map_or(0, Vec::len) + 64;
        call.out.reserve(bytes)?;
        told.push(changed);
    }
    call.out.array(2);
    number(call.out, next);
    call.out.array(told.len());
    for changed in &told {
        call.out.array(4);
        number(call.out, changed.version.seq);
        call.out.bulk(&changed.key);
        version(call.out, changed.version.value.as_deref(), changed.version.expires)?;
    }
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
