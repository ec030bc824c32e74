//! Commands that touch no key.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Call, Outcome};
use crate::server::resp::reply::Trouble;

/// `PING [message]`
pub fn ping(call: &mut Call<'_>) -> Outcome {
    match call.args.count() {
        1 => call.out.simple("PONG"),
        2 => {
            call.out.reserve(call.args.get(1).len())?;
            call.out.bulk(call.args.get(1));
        }
        _ => return Err(call.arity("ping")),
    }
    Ok(())
}

/// `ECHO message`
pub fn echo(call: &mut Call<'_>) -> Outcome {
    call.out.reserve(call.args.get(1).len())?;
    call.out.bulk(call.args.get(1));
    Ok(())
}

/// `SELECT 0`: there is one database.
pub fn select(call: &mut Call<'_>) -> Outcome {
    match call.int(1)? {
        0 => {
            call.out.ok();
            Ok(())
        }
        _ => Err(Trouble::err("DB index is out of range")),
    }
}

/// `TIME`
pub fn time(call: &mut Call<'_>) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    call.out.array(2);
    call.out.bulk(now.as_secs().to_string().as_bytes());
    call.out.bulk(now.subsec_micros().to_string().as_bytes());
    Ok(())
}

/// `LASTSAVE`: the second of the last commit that is known to survive power loss.
pub fn lastsave(call: &mut Call<'_>) -> Outcome {
    let seq = call.txn.store().durable_seq();
    call.out.int(i64::try_from(seq / 1_000_000).unwrap_or(0));
    Ok(())
}

/// `UNWATCH`
pub fn unwatch(call: &mut Call<'_>) -> Outcome {
    call.session.watched.clear();
    call.out.ok();
    Ok(())
}

/// `WAIT replicas timeout`: there are no replicas to wait for.
pub fn wait(call: &mut Call<'_>) -> Outcome {
    call.int(1)?;
    let wrong = || Trouble::err("timeout is not an integer or out of range");
    if call.args.int(2).ok_or_else(wrong)? < 0 {
        return Err(Trouble::err("timeout is negative"));
    }
    call.out.int(0);
    Ok(())
}
