//! What becomes of one request: whether it may be run now, and where.

use std::time::Instant;

use siltdb_core::error::ErrorKind;

use super::commands::meta;
use super::commands::table::{TABLE, find_place};
use super::parser::Args;
use super::reply::{Reply, Trouble};
use super::session::{Queued, Session};
use super::spec::{Alone, Call, Outcome, Run, Spec, takes};
use super::state::Resp;
use super::txn::Txn;
use crate::server::error::Failure;
use crate::server::{Protocol, limits};

/// What requests work on. It moves to another thread for those that take long.
pub struct Work {
    /// What is remembered of the connection.
    pub session: Session,
    /// What was read and written since the last commit.
    pub txn: Txn,
    /// Replies not yet sent.
    pub out: Reply,
}

/// What a request needs besides what was done at once.
pub enum Todo {
    /// It is done, or refused.
    Nothing,
    /// What was written before is committed first.
    Alone(Alone),
    /// The same, and a thread for blocking work.
    Slow(&'static Spec),
    /// The connection ends.
    Close,
}

/// Runs one command on what there is; its error is its reply.
pub fn run_data(resp: &Resp, spec: &'static Spec, args: Args<'_>, work: &mut Work) -> bool {
    let (Run::Data(run) | Run::Slow(run)) = spec.run else { return false };
    let run = if spec.is_help(args) { meta::help } else { run };
    let before = work.out.waiting();
    let Work { session, txn, out } = work;
    match run(&mut Call { args, spec, commands: TABLE, txn, out, session, resp }) {
        Ok(()) => true,
        Err(trouble) => {
            work.out.truncate(before);
            work.out.error(&trouble.0);
            false
        }
    }
}

/// Refuses a request, or queues it, or runs it, or says what else it needs.
pub fn dispatch(resp: &Resp, args: Args<'_>, work: &mut Work, begun: Instant) -> Todo {
    let (place, spec) = match judge(resp, args, work) {
        Ok(found) => found,
        Err(Some(trouble)) => {
            if let Some(multi) = &mut work.session.multi {
                multi.is_aborted = true;
            }
            work.out.error(&trouble.0);
            return Todo::Nothing;
        }
        Err(None) => return Todo::Close,
    };
    work.session.client.note(place, begun);
    if work.session.multi.is_some() {
        match spec.run {
            Run::Alone(alone) if alone.is_of_transactions() => return Todo::Alone(alone),
            _ => queue(args, spec, work),
        }
        return Todo::Nothing;
    }
    match spec.run {
        Run::Data(_) => {
            let is_ok = run_data(resp, spec, args, work);
            resp.shared.metrics.request(Protocol::Resp, spec.op(), begun.elapsed(), is_ok);
            Todo::Nothing
        }
        Run::Slow(_) => Todo::Slow(spec),
        Run::Alone(alone) => Todo::Alone(alone),
    }
}

/// The command, if it may be run now and is one that works on keys alone.
pub fn for_lane(
    resp: &Resp,
    args: Args<'_>,
    work: &mut Work,
    begun: Instant,
) -> Option<&'static Spec> {
    let (place, spec) = judge(resp, args, work).ok()?;
    let is_fit = matches!(spec.run, Run::Data(_)) && spec.keys.0 > 0;
    if !is_fit || work.session.multi.is_some() {
        return None;
    }
    work.session.client.note(place, begun);
    Some(spec)
}

fn queue(args: Args<'_>, spec: &'static Spec, work: &mut Work) {
    let Some(multi) = &mut work.session.multi else { return };
    let trouble = match spec.run {
        Run::Alone(_) => Some(Trouble::err("Command not allowed inside a transaction")),
        _ => {
            let queued = Queued::of(args);
            let (size, max) = (multi.held.bytes() + queued.size(), limits::BATCH_BYTES_MAX);
            if size > max {
                // Trying again would not help, as it does where memory is short.
                Some(Failure::from(ErrorKind::BatchTooLarge { size, max }).into())
            } else if multi.held.grow(queued.size()) {
                multi.queue.push(queued);
                None
            } else {
                Some(Failure::busy("transactions fill the memory").into())
            }
        }
    };
    match trouble {
        None => work.out.simple("QUEUED"),
        Some(trouble) => {
            multi.is_aborted = true;
            work.out.error(&trouble.0);
        }
    }
}

/// The command, if there is one and it may be run now; `Err(None)` ends the connection.
fn judge(
    resp: &Resp,
    args: Args<'_>,
    work: &Work,
) -> Result<(usize, &'static Spec), Option<Trouble>> {
    let found = find_place(args.get(0)).and_then(|place| Some((place, TABLE.get(place)?)));
    let Some((place, spec)) = found else {
        // A browser was made to send this: it would go on with lines of its choice.
        if args.is(0, "POST") || args.is(0, "Host:") {
            tracing::warn!("a request of HTTP came to the port of RESP: cut off");
            return Err(None);
        }
        return Err(Some(unknown(args)));
    };
    if !spec.takes(args.count()) {
        let text = format!("wrong number of arguments for '{}' command", spec.name);
        return Err(Some(Trouble::err(&text)));
    }
    check_subcommand(spec, args).map_err(Some)?;
    if spec.is_for_all() {
        return Ok((place, spec));
    }
    let Some(access) = work.session.access() else {
        return Err(Some(Trouble(String::from("NOAUTH Authentication required."))));
    };
    if !access.may(spec.action) {
        let text =
            format!("NOPERM this user has no permissions to run the '{}' command", spec.name);
        return Err(Some(Trouble(text)));
    }
    if spec.is_write() && resp.shared.config.read_only {
        let text = "READONLY You can't write against a read only server.";
        return Err(Some(Trouble(text.to_owned())));
    }
    Ok((place, spec))
}

fn check_subcommand(spec: &Spec, args: Args<'_>) -> Outcome {
    let all = spec.subcommands();
    if all.is_empty() || args.count() < 2 || spec.is_help(args) {
        return Ok(());
    }
    let name = spec.name;
    match all.iter().find(|(sub, _)| args.is(1, sub)) {
        Some((_, arity)) if takes(*arity, args.count()) => Ok(()),
        Some((sub, _)) => {
            let text = format!("wrong number of arguments for '{name}|{sub}' command");
            Err(Trouble::err(&text))
        }
        None => {
            let sub = String::from_utf8_lossy(args.get(1));
            let sub: String = sub.chars().take(128).collect();
            let name = name.to_ascii_uppercase();
            Err(Trouble::err(&format!("unknown subcommand '{sub}'. Try {name} HELP.")))
        }
    }
}

fn unknown(args: Args<'_>) -> Trouble {
    let text = |bytes: &[u8], len: usize| {
        String::from_utf8_lossy(bytes.get(..len).unwrap_or(bytes)).into_owned()
    };
    let mut words = String::new();
    for word in args.from(1) {
        if words.len() >= 128 {
            break;
        }
        words.push_str(&format!("'{}' ", text(word, 128 - words.len())));
    }
    let name = text(args.get(0), 128);
    Trouble::err(&format!("unknown command '{name}', with args beginning with: {words}"))
}
