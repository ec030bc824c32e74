//! Keys, whatever their values are.

use super::{Call, Outcome};
use crate::server::resp::number::parse_int;
use crate::server::resp::reply::Trouble;

/// `DEL key [key ...]`, `UNLINK key [key ...]`
pub fn del(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let mut count = 0;
    for key in args.from(1) {
        if call.txn.value_to_change(key)?.is_some() {
            call.txn.delete(key)?;
            count += 1;
        }
    }
    call.out.int(count);
    Ok(())
}

/// `EXISTS key [key ...]`, `TOUCH key [key ...]`
pub fn exists(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let mut count = 0;
    for key in args.from(1) {
        let is_there = match args.count() {
            2 => call.txn.read(key, |_| ())?.is_some(),
            _ => call.txn.value_to_change(key)?.is_some(),
        };
        count += i64::from(is_there);
    }
    call.out.int(count);
    Ok(())
}

/// `TYPE key`
pub fn type_of(call: &mut Call<'_>) -> Outcome {
    let is_there = call.txn.read(call.args.get(1), |_| ())?.is_some();
    call.out.simple(if is_there { "string" } else { "none" });
    Ok(())
}

fn no_such_key() -> Trouble {
    Trouble::err("no such key")
}

/// `RENAME key newkey`
pub fn rename(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.args.get(1), call.args.get(2));
    let value = call.txn.value_to_change(from)?.ok_or_else(no_such_key)?;
    if from != to {
        call.txn.set(to, value.bytes, value.expires)?;
        call.txn.delete(from)?;
    }
    call.out.ok();
    Ok(())
}

/// `RENAMENX key newkey`
pub fn renamenx(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.args.get(1), call.args.get(2));
    let value = call.txn.value_to_change(from)?.ok_or_else(no_such_key)?;
    if from == to || call.txn.value_to_change(to)?.is_some() {
        call.out.int(0);
        return Ok(());
    }
    call.txn.set(to, value.bytes, value.expires)?;
    call.txn.delete(from)?;
    call.out.int(1);
    Ok(())
}

/// `COPY source destination [DB 0] [REPLACE]`
pub fn copy(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.args.get(1), call.args.get(2));
    let (mut i, mut replaces) = (3, false);
    while i < call.args.count() {
        if call.args.is(i, "REPLACE") {
            replaces = true;
        } else if call.args.is(i, "DB") && i + 1 < call.args.count() {
            i += 1;
            if call.int(i)? != 0 {
                return Err(Trouble::err("DB index is out of range"));
            }
        } else {
            return Err(Trouble::syntax());
        }
        i += 1;
    }
    if from == to {
        return Err(Trouble::err("source and destination objects are the same"));
    }
    let Some(value) = call.txn.value_to_change(from)? else {
        call.out.int(0);
        return Ok(());
    };
    if !replaces && call.txn.value_to_change(to)?.is_some() {
        call.out.int(0);
        return Ok(());
    }
    call.txn.set(to, value.bytes, value.expires)?;
    call.out.int(1);
    Ok(())
}

/// `OBJECT ENCODING|REFCOUNT|IDLETIME|FREQ key`
pub fn object(call: &mut Call<'_>) -> Outcome {
    let sub = call.args.get(1).to_ascii_uppercase();
    if sub == b"FREQ" {
        return Err(Trouble::err(
            "An LFU maxmemory policy is not selected, access frequency not tracked. Please note \
             that when switching between policies at runtime LRU and LFU data will take some time \
             to adjust.",
        ));
    }
    let Some(encoding) = call.txn.read(call.args.get(2), encoding)? else {
        call.out.null();
        return Ok(());
    };
    match sub.as_slice() {
        b"ENCODING" => call.out.bulk(encoding.as_bytes()),
        b"REFCOUNT" => call.out.int(1),
        _ => call.out.int(0),
    }
    Ok(())
}

/// What Redis would keep such a value as.
fn encoding(value: &[u8]) -> &'static str {
    match parse_int(value) {
        Some(_) => "int",
        None if value.len() <= 44 => "embstr",
        None => "raw",
    }
}

/// `MEMORY USAGE key [SAMPLES n]`: bytes of the record on disk and of its place in memory, about.
pub fn memory(call: &mut Call<'_>) -> Outcome {
    match call.args.count() {
        3 => {}
        5 if call.args.is(3, "SAMPLES") => drop(call.int(4)?),
        _ => return Err(Trouble::syntax()),
    }
    let key = call.args.get(2);
    match call.txn.read(key, <[u8]>::len)? {
        Some(len) => call.out.size(key.len() + len + 64),
        None => call.out.null(),
    }
    Ok(())
}
