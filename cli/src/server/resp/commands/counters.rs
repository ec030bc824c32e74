//! Values that are numbers.

use super::{Call, Outcome};
use crate::server::resp::number::{Decimal, parse_int, push_int};
use crate::server::resp::reply::Trouble;

/// `INCR key`
pub fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

/// `DECR key`
pub fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

/// `INCRBY key increment`
pub fn incrby(call: &mut Call<'_>) -> Outcome {
    let step = call.int(2)?;
    add(call, step)
}

/// `DECRBY key decrement`
pub fn decrby(call: &mut Call<'_>) -> Outcome {
    let step = call.int(2)?.checked_neg();
    add(call, step.ok_or_else(|| Trouble::err("decrement would overflow"))?)
}

fn add(call: &mut Call<'_>, step: i64) -> Outcome {
    let key = call.args.get(1);
    let (number, expires) = match call.txn.value_to_change(key)? {
        None => (0, None),
        Some(old) => {
            let number = parse_int(&old.bytes).ok_or_else(Trouble::not_an_integer)?;
            (number, old.expires)
        }
    };
    let sum = number.checked_add(step);
    let sum = sum.ok_or_else(|| Trouble::err("increment or decrement would overflow"))?;
    let mut bytes = Vec::with_capacity(20);
    push_int(&mut bytes, sum);
    call.txn.set(key, bytes, expires)?;
    call.out.int(sum);
    Ok(())
}

/// `INCRBYFLOAT key increment`
pub fn incrbyfloat(call: &mut Call<'_>) -> Outcome {
    let not_a_float = || Trouble::err("value is not a valid float");
    let key = call.args.get(1);
    let old = call.txn.value_to_change(key)?;
    let (bytes, expires) = match &old {
        None => (&b"0"[..], None),
        Some(old) => (old.bytes.as_slice(), old.expires),
    };
    let number = Decimal::parse(bytes).ok_or_else(not_a_float)?;
    let step = Decimal::parse(call.args.get(2)).ok_or_else(not_a_float)?;
    let sum = number.sum(step);
    let sum = sum.ok_or_else(|| Trouble::err("increment would produce NaN or Infinity"))?.text();
    call.txn.set(key, sum.clone(), expires)?;
    call.out.bulk(&sum);
    Ok(())
}
