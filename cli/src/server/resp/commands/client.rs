//! `CLIENT`: the connections.

use std::fmt::Write as _;
use std::sync::PoisonError;

use super::{Call, Outcome};
use crate::server::auth::Action;
use crate::server::resp::clients::Client;
use crate::server::resp::reply::Trouble;
use crate::server::resp::spec::Spec;

/// `CLIENT ID|GETNAME|SETNAME|SETINFO|INFO|LIST|KILL|NO-EVICT|NO-TOUCH`
pub fn client(call: &mut Call<'_>) -> Outcome {
    let sub = call.args.get(1).to_ascii_uppercase();
    let words = call.args.count();
    match (sub.as_slice(), words) {
        (b"ID", 2) => call.out.int(i64::try_from(call.session.client.id).unwrap_or(0)),
        (b"GETNAME", 2) => get_name(call),
        (b"SETNAME", 3) => return set_name(call),
        (b"SETINFO", 4) => return set_info(call),
        (b"INFO", 2) => {
            let text = line(call.commands, &call.session.client);
            call.out.verbatim(&text);
        }
        (b"LIST", _) => return list(call),
        (b"KILL", 3..) => return kill(call),
        (b"NO-EVICT" | b"NO-TOUCH", 3) => {
            if !call.args.is(2, "ON") && !call.args.is(2, "OFF") {
                return Err(Trouble::syntax());
            }
            call.out.ok();
        }
        _ => return Err(Trouble::syntax()),
    }
    Ok(())
}

fn get_name(call: &mut Call<'_>) {
    let names = call.session.client.names();
    if names.name.is_empty() { call.out.null() } else { call.out.bulk(names.name.as_bytes()) }
}

/// Names must stay one word in the list of clients.
fn checked(call: &Call<'_>, i: usize, what: &str) -> Result<String, Trouble> {
    let bytes = call.args.get(i);
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(|b| (b'!'..=b'~').contains(b)) && bytes.len() <= 256 => {
            Ok(text.to_owned())
        }
        _ => Err(Trouble::err(&format!(
            "{what} cannot contain spaces, newlines or special characters."
        ))),
    }
}

fn set_name(call: &mut Call<'_>) -> Outcome {
    let name = checked(call, 2, "Client names")?;
    call.session.client.change_names(|names| names.name = name);
    call.out.ok();
    Ok(())
}

fn set_info(call: &mut Call<'_>) -> Outcome {
    let attribute = call.args.get(2).to_ascii_lowercase();
    match attribute.as_slice() {
        b"lib-name" => {
            let text = checked(call, 3, "lib-name")?;
            call.session.client.change_names(|names| names.lib_name = text);
        }
        b"lib-ver" => {
            let text = checked(call, 3, "lib-ver")?;
            call.session.client.change_names(|names| names.lib_version = text);
        }
        _ => {
            let option = String::from_utf8_lossy(call.args.get(2)).into_owned();
            return Err(Trouble::err(&format!("Unrecognized option '{option}'")));
        }
    }
    call.out.ok();
    Ok(())
}

/// A line of the list of clients.
fn line(commands: &[Spec], client: &Client) -> String {
    let names = client.names();
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "id={} addr={} laddr={} fd=0 name={} age={} idle={} flags=N db=0 sub=0 psub=0 ssub=0 \
         multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 obl=0 oll=0 omem=0 tot-mem=0 events=r \
         cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}",
        client.id,
        client.peer,
        client.local,
        names.name,
        client.age().as_secs(),
        client.idle().as_secs(),
        commands.get(client.command()).map_or("NULL", |spec| spec.name),
        names.protocol,
        names.lib_name,
        names.lib_version
    );
    text
}

/// Whether a word is the type that all clients have here.
fn is_normal(call: &Call<'_>, i: usize) -> Result<bool, Trouble> {
    let is_normal = call.args.is(i, "normal");
    let others = ["master", "replica", "slave", "pubsub"];
    if !is_normal && !others.iter().any(|other| call.args.is(i, other)) {
        let name = String::from_utf8_lossy(call.args.get(i)).into_owned();
        return Err(Trouble::err(&format!("Unknown client type '{name}'")));
    }
    Ok(is_normal)
}

fn list(call: &mut Call<'_>) -> Outcome {
    call.session.access_check(Action::Admin)?;
    let ids: Option<Vec<u64>> = match call.args.count() {
        2 => None,
        4 if call.args.is(2, "TYPE") => {
            if is_normal(call, 3)? {
                None
            } else {
                Some(Vec::new())
            }
        }
        4.. if call.args.is(2, "ID") => {
            let ids = (3..call.args.count()).map(|i| call.args.int(i).map(i64::unsigned_abs));
            let invalid = || Trouble::err("Invalid client ID");
            Some(ids.collect::<Option<Vec<u64>>>().ok_or_else(invalid)?)
        }
        _ => return Err(Trouble::syntax()),
    };
    let mut text = String::new();
    let clients = call.resp.clients.all.lock().unwrap_or_else(PoisonError::into_inner);
    for (id, client) in clients.iter() {
        if ids.as_ref().is_none_or(|ids| ids.contains(id)) {
            text.push_str(&line(call.commands, client));
        }
    }
    drop(clients);
    call.out.reserve(text.len())?;
    call.out.verbatim(&text);
    Ok(())
}

/// What CLIENT KILL picks.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    peer: Option<String>,
    local: Option<String>,
    skips_me: bool,
    is_nobody: bool,
}

fn kill(call: &mut Call<'_>) -> Outcome {
    call.session.access_check(Action::Admin)?;
    let is_old = call.args.count() == 3;
    let mut filter = Filter { skips_me: !is_old, ..Filter::default() };
    if is_old {
        filter.peer = Some(String::from_utf8_lossy(call.args.get(2)).into_owned());
    } else {
        parse_filter(call, &mut filter)?;
    }
    let own = call.session.client.id;
    let mut killed = 0;
    let clients = call.resp.clients.all.lock().unwrap_or_else(PoisonError::into_inner);
    for (id, client) in clients.iter() {
        let fits = !filter.is_nobody
            && filter.id.is_none_or(|wanted| wanted == *id)
            && filter.peer.as_ref().is_none_or(|peer| *peer == client.peer.to_string())
            && filter.local.as_ref().is_none_or(|local| *local == client.local.to_string())
            && !(filter.skips_me && *id == own);
        if fits {
            client.end.cancel();
            killed += 1;
        }
    }
    drop(clients);
    match (is_old, killed) {
        (true, 0) => return Err(Trouble::err("No such client")),
        (true, _) => call.out.ok(),
        (false, killed) => call.out.int(killed),
    }
    Ok(())
}

fn parse_filter(call: &Call<'_>, filter: &mut Filter) -> Outcome {
    if call.args.count().is_multiple_of(2) {
        for i in (2..call.args.count()).step_by(2) {
            let text = || String::from_utf8_lossy(call.args.get(i + 1)).into_owned();
            match call.args.get(i).to_ascii_uppercase().as_slice() {
                b"ID" => {
                    let id = call.args.int(i + 1).filter(|id| *id > 0);
                    let wrong = || Trouble::err("client-id should be greater than 0");
                    filter.id = Some(id.ok_or_else(wrong)?.unsigned_abs());
                }
                b"ADDR" => filter.peer = Some(text()),
                b"LADDR" => filter.local = Some(text()),
                b"USER" => filter.is_nobody |= !call.args.is(i + 1, "default"),
                b"TYPE" => filter.is_nobody |= !is_normal(call, i + 1)?,
                b"SKIPME" if call.args.is(i + 1, "yes") => filter.skips_me = true,
                b"SKIPME" if call.args.is(i + 1, "no") => filter.skips_me = false,
                _ => return Err(Trouble::syntax()),
            }
        }
        return Ok(());
    }
    Err(Trouble::syntax())
}
