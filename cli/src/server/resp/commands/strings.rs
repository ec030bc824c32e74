//! Values set and read.

use super::{Call, Outcome};
use crate::server::resp::reply::Trouble;
use crate::server::resp::txn::Value;

/// `GET key`
pub fn get(call: &mut Call<'_>) -> Outcome {
    let (key, out) = (call.args.get(1), &mut *call.out);
    let read = |value: &[u8]| out.reserve(value.len()).map(|()| out.bulk(value));
    match call.txn.read(key, read)? {
        Some(told) => told,
        None => {
            call.out.null();
            Ok(())
        }
    }
}

fn tell(call: &mut Call<'_>, value: Option<&Value>) -> Outcome {
    match value {
        Some(value) => {
            call.out.reserve(value.bytes.len())?;
            call.out.bulk(&value.bytes);
        }
        None => call.out.null(),
    }
    Ok(())
}

/// What the options of SET and GETEX ask for.
#[derive(Default)]
struct Options {
    if_absent: bool,
    if_present: bool,
    get: bool,
    keep: bool,
    persist: bool,
    /// The place of the number, whether it is of seconds, and whether it counts from now on.
    expiry: Option<(usize, bool, bool)>,
}

impl Options {
    fn parse(call: &Call<'_>, first: usize, is_set: bool) -> Result<Self, Trouble> {
        let mut options = Self::default();
        let mut i = first;
        while i < call.args.count() {
            let word = call.args.get(i).to_ascii_uppercase();
            let has_expiry = options.expiry.is_some() || options.keep || options.persist;
            let expiry = match word.as_slice() {
                b"EX" => Some((true, true)),
                b"PX" => Some((false, true)),
                b"EXAT" => Some((true, false)),
                b"PXAT" => Some((false, false)),
                _ => None,
            };
            match word.as_slice() {
                b"NX" if is_set && !options.if_present => options.if_absent = true,
                b"XX" if is_set && !options.if_absent => options.if_present = true,
                b"GET" if is_set => options.get = true,
                b"KEEPTTL" if is_set && options.expiry.is_none() => options.keep = true,
                b"PERSIST" if !is_set && options.expiry.is_none() => options.persist = true,
                _ => {
                    let Some((is_seconds, is_relative)) = expiry else {
                        return Err(Trouble::syntax());
                    };
                    if has_expiry || i + 1 >= call.args.count() {
                        return Err(Trouble::syntax());
                    }
                    i += 1;
                    options.expiry = Some((i, is_seconds, is_relative));
                }
            }
            i += 1;
        }
        Ok(options)
    }

    fn moment(&self, call: &mut Call<'_>) -> Result<Option<u64>, Trouble> {
        let Some((i, is_seconds, is_relative)) = self.expiry else { return Ok(None) };
        call.moment(i, is_seconds, is_relative).map(Some)
    }
}

/// `SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`
pub fn set(call: &mut Call<'_>) -> Outcome {
    let (key, value) = (call.args.get(1), call.args.get(2));
    if call.args.count() == 3 {
        call.txn.set(key, value.to_vec(), None)?;
        call.out.ok();
        return Ok(());
    }
    let options = Options::parse(call, 3, true)?;
    let mut expires = options.moment(call)?;
    let looks = options.if_absent || options.if_present || options.get || options.keep;
    let old = if looks { call.txn.value_to_change(key)? } else { None };
    let refused = (options.if_absent && old.is_some()) || (options.if_present && old.is_none());
    if options.keep {
        expires = old.as_ref().and_then(|old| old.expires);
    }
    if !refused {
        call.txn.set(key, value.to_vec(), expires)?;
    }
    match (options.get, refused) {
        (true, _) => tell(call, old.as_ref())?,
        (false, true) => call.out.null(),
        (false, false) => call.out.ok(),
    }
    Ok(())
}

/// `SETNX key value`
pub fn setnx(call: &mut Call<'_>) -> Outcome {
    let key = call.args.get(1);
    let is_absent = call.txn.value_to_change(key)?.is_none();
    if is_absent {
        call.txn.set(key, call.args.get(2).to_vec(), None)?;
    }
    call.out.int(is_absent.into());
    Ok(())
}

/// `SETEX key seconds value`
pub fn setex(call: &mut Call<'_>) -> Outcome {
    set_until(call, true)
}

/// `PSETEX key milliseconds value`
pub fn psetex(call: &mut Call<'_>) -> Outcome {
    set_until(call, false)
}

fn set_until(call: &mut Call<'_>, is_seconds: bool) -> Outcome {
    let expires = call.moment(2, is_seconds, true)?;
    call.txn.set(call.args.get(1), call.args.get(3).to_vec(), Some(expires))?;
    call.out.ok();
    Ok(())
}

/// `GETSET key value`
pub fn getset(call: &mut Call<'_>) -> Outcome {
    let key = call.args.get(1);
    let old = call.txn.value_to_change(key)?;
    call.txn.set(key, call.args.get(2).to_vec(), None)?;
    tell(call, old.as_ref())
}

/// `GETDEL key`
pub fn getdel(call: &mut Call<'_>) -> Outcome {
    let key = call.args.get(1);
    let old = call.txn.value_to_change(key)?;
    if old.is_some() {
        call.txn.delete(key)?;
    }
    tell(call, old.as_ref())
}

/// `GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]`
pub fn getex(call: &mut Call<'_>) -> Outcome {
    let key = call.args.get(1);
    let options = Options::parse(call, 2, false)?;
    let Some(old) = call.txn.value_to_change(key)? else {
        call.out.null();
        return Ok(());
    };
    let expires = options.moment(call)?;
    tell(call, Some(&old))?;
    if expires.is_some() || (options.persist && old.expires.is_some()) {
        call.txn.set(key, old.bytes, expires)?;
    }
    Ok(())
}

/// `MGET key [key ...]`
pub fn mget(call: &mut Call<'_>) -> Outcome {
    call.out.array(call.args.count() - 1);
    let args = call.args;
    for key in args.from(1) {
        // All values are of one moment.
        let value = call.txn.value_to_change(key)?;
        tell(call, value.as_ref())?;
    }
    Ok(())
}

/// `MSET key value [key value ...]`
pub fn mset(call: &mut Call<'_>) -> Outcome {
    set_all(call)?;
    call.out.ok();
    Ok(())
}

fn set_all(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if args.count().is_multiple_of(2) {
        return Err(call.arity(call.spec.name));
    }
    // All keys are looked at before the first is set: none is, or all are.
    for i in (1..args.count()).step_by(2) {
        siltdb_core::batch::check_key(args.get(i))?;
    }
    for i in (1..args.count()).step_by(2) {
        call.txn.set(args.get(i), args.get(i + 1).to_vec(), None)?;
    }
    Ok(())
}

/// `MSETNX key value [key value ...]`
pub fn msetnx(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if args.count().is_multiple_of(2) {
        return Err(call.arity(call.spec.name));
    }
    for i in (1..args.count()).step_by(2) {
        if call.txn.value_to_change(args.get(i))?.is_some() {
            call.out.int(0);
            return Ok(());
        }
    }
    set_all(call)?;
    call.out.int(1);
    Ok(())
}

/// `APPEND key value`
pub fn append(call: &mut Call<'_>) -> Outcome {
    let (key, more) = (call.args.get(1), call.args.get(2));
    let old = call.txn.value_to_change(key)?;
    let (mut bytes, expires) = old.map_or((Vec::new(), None), |old| (old.bytes, old.expires));
    bytes.extend_from_slice(more);
    let len = bytes.len();
    call.txn.set(key, bytes, expires)?;
    call.out.size(len);
    Ok(())
}

/// `STRLEN key`
pub fn strlen(call: &mut Call<'_>) -> Outcome {
    let len = call.txn.read(call.args.get(1), <[u8]>::len)?;
    call.out.size(len.unwrap_or(0));
    Ok(())
}

/// `GETRANGE key start end`
pub fn getrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.int(2)?, call.int(3)?);
    let out = &mut *call.out;
    let read = |value: &[u8]| {
        let part = part(value, start, end);
        out.reserve(part.len()).map(|()| out.bulk(part))
    };
    match call.txn.read(call.args.get(1), read)? {
        Some(told) => told,
        None => {
            call.out.bulk(b"");
            Ok(())
        }
    }
}

/// The bytes from one place to another, both included and counted from the end if negative.
fn part(value: &[u8], start: i64, end: i64) -> &[u8] {
    let len = i64::try_from(value.len()).unwrap_or(i64::MAX);
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let place = |at: i64| if at < 0 { (len.saturating_add(at)).max(0) } else { at };
    let (from, to) = (place(start), place(end).min(len - 1));
    if from > to {
        return b"";
    }
    let place = |at: i64| usize::try_from(at).unwrap_or(0);
    value.get(place(from)..=place(to)).unwrap_or_default()
}

/// `SETRANGE key offset value`
pub fn setrange(call: &mut Call<'_>) -> Outcome {
    let (key, part) = (call.args.get(1), call.args.get(3));
    let offset = usize::try_from(call.int(2)?);
    let offset = offset.map_err(|_| Trouble::err("offset is out of range"))?;
    let old = call.txn.value_to_change(key)?;
    let (mut bytes, expires) = old.map_or((Vec::new(), None), |old| (old.bytes, old.expires));
    if part.is_empty() {
        call.out.size(bytes.len());
        return Ok(());
    }
    let end = offset.saturating_add(part.len());
    if end > call.resp.shared.config.value_len_max {
        let text = "string exceeds maximum allowed size (proto-max-bulk-len)";
        return Err(Trouble::err(text));
    }
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(place) = bytes.get_mut(offset..end) {
        place.copy_from_slice(part);
    }
    let len = bytes.len();
    call.txn.set(key, bytes, expires)?;
    call.out.size(len);
    Ok(())
}
