//! When keys expire.

use siltdb_core::limits::SEQ_MAX;

use super::{Call, Outcome};
use crate::server::resp::reply::Trouble;

/// Milliseconds since 1970 in microseconds; `None` when that is too far off.
pub fn micros(ms: i64) -> Option<u64> {
    let us = u64::try_from(ms).ok()?.checked_mul(1_000)?;
    (us <= SEQ_MAX).then_some(us)
}

impl Call<'_> {
    /// The moment of an expiry option in microseconds since 1970: seconds or milliseconds, from
    /// now on or since 1970.
    ///
    /// # Errors
    /// Redis's words for what is none, or not after 1970, or too far off.
    pub fn moment(
        &mut self,
        i: usize,
        is_seconds: bool,
        is_relative: bool,
    ) -> Result<u64, Trouble> {
        let number = self.int(i)?;
        let ms = if is_seconds { number.checked_mul(1_000) } else { Some(number) };
        let from = if is_relative { self.txn.now_ms() } else { 0 };
        ms.filter(|ms| *ms > 0)
            .and_then(|ms| ms.checked_add(from))
            .and_then(micros)
            .ok_or_else(|| self.invalid_expiry())
    }
}

/// `EXPIRE key seconds [NX|XX|GT|LT]`
pub fn expire(call: &mut Call<'_>) -> Outcome {
    let now = call.txn.now_ms();
    set_expiry(call, true, now)
}

/// `PEXPIRE key milliseconds [NX|XX|GT|LT]`
pub fn pexpire(call: &mut Call<'_>) -> Outcome {
    let now = call.txn.now_ms();
    set_expiry(call, false, now)
}

/// `EXPIREAT key seconds [NX|XX|GT|LT]`
pub fn expireat(call: &mut Call<'_>) -> Outcome {
    set_expiry(call, true, 0)
}

/// `PEXPIREAT key milliseconds [NX|XX|GT|LT]`
pub fn pexpireat(call: &mut Call<'_>) -> Outcome {
    set_expiry(call, false, 0)
}

#[derive(Default)]
struct Rules {
    without: bool,
    with: bool,
    later: bool,
    earlier: bool,
}

impl Rules {
    fn parse(call: &Call<'_>) -> Result<Self, Trouble> {
        let mut rules = Self::default();
        for word in call.args.from(3) {
            match word.to_ascii_uppercase().as_slice() {
                b"NX" => rules.without = true,
                b"XX" => rules.with = true,
                b"GT" => rules.later = true,
                b"LT" => rules.earlier = true,
                _ => {
                    let word = String::from_utf8_lossy(word);
                    return Err(Trouble::err(&format!("Unsupported option {word}")));
                }
            }
        }
        if rules.without && (rules.with || rules.later || rules.earlier) {
            let text = "NX and XX, GT or LT options at the same time are not compatible";
            return Err(Trouble::err(text));
        }
        if rules.later && rules.earlier {
            let text = "GT and LT options at the same time are not compatible";
            return Err(Trouble::err(text));
        }
        Ok(rules)
    }

    /// Whether an expiry in milliseconds may take the place of another one; none is the latest.
    fn allow(&self, old: Option<i64>, new: i64) -> bool {
        let is_refused = (self.without && old.is_some())
            || (self.with && old.is_none())
            || (self.later && old.is_none_or(|old| new <= old))
            || (self.earlier && old.is_some_and(|old| new >= old));
        !is_refused
    }
}

fn set_expiry(call: &mut Call<'_>, is_seconds: bool, from: i64) -> Outcome {
    let key = call.args.get(1);
    let rules = Rules::parse(call)?;
    let number = call.int(2)?;
    let ms = if is_seconds { number.checked_mul(1_000) } else { Some(number) };
    let ms = ms.and_then(|ms| ms.checked_add(from)).ok_or_else(|| call.invalid_expiry())?;
    let Some(old) = call.txn.value_to_change(key)? else {
        call.out.int(0);
        return Ok(());
    };
    if !rules.allow(old.expires.map(millis), ms) {
        call.out.int(0);
        return Ok(());
    }
    if ms <= call.txn.now_ms() {
        call.txn.delete(key)?;
    } else {
        let expires = micros(ms).ok_or_else(|| call.invalid_expiry())?;
        call.txn.set(key, old.bytes, Some(expires))?;
    }
    call.out.int(1);
    Ok(())
}

/// `PERSIST key`
pub fn persist(call: &mut Call<'_>) -> Outcome {
    let key = call.args.get(1);
    let old = call.txn.value_to_change(key)?.filter(|old| old.expires.is_some());
    call.out.int(old.is_some().into());
    if let Some(old) = old {
        call.txn.set(key, old.bytes, None)?;
    }
    Ok(())
}

fn millis(us: u64) -> i64 {
    i64::try_from(us / 1_000).unwrap_or(i64::MAX)
}

fn tell(call: &mut Call<'_>, time: impl FnOnce(i64, i64) -> i64) -> Outcome {
    let value = call.txn.value(call.args.get(1))?;
    let number = match value {
        None => -2,
        Some(value) => match value.expires {
            None => -1,
            Some(expires) => time(millis(expires), call.txn.now_ms()).max(0),
        },
    };
    call.out.int(number);
    Ok(())
}

/// `TTL key`
pub fn ttl(call: &mut Call<'_>) -> Outcome {
    tell(call, |expires, now| (expires - now + 500) / 1_000)
}

/// `PTTL key`
pub fn pttl(call: &mut Call<'_>) -> Outcome {
    tell(call, |expires, now| expires - now)
}

/// `EXPIRETIME key`
pub fn expiretime(call: &mut Call<'_>) -> Outcome {
    tell(call, |expires, _| (expires + 500) / 1_000)
}

/// `PEXPIRETIME key`
pub fn pexpiretime(call: &mut Call<'_>) -> Outcome {
    tell(call, |expires, _| expires)
}
