//! Every command.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{client, config, counters, expiry, info, keys, meta, past, scan, server, strings};
use crate::server::resp::spec::{
    ADMIN, Alone, DENYOOM, FAST, Function, NO_AUTH, OWNER, READONLY, Run, SYNC, Spec, WRITE, row,
};

/// Longest name of a command.
const NAME_LEN_MAX: usize = 16;

/// The command of a name, in capitals or not.
pub fn find(name: &[u8]) -> Option<&'static Spec> {
    find_place(name).and_then(|place| TABLE.get(place))
}

/// The place of a command in the table.
pub fn find_place(name: &[u8]) -> Option<usize> {
    static PLACES: OnceLock<HashMap<&[u8], usize, foldhash::fast::RandomState>> = OnceLock::new();
    let places = PLACES.get_or_init(|| {
        TABLE.iter().enumerate().map(|(place, spec)| (spec.name.as_bytes(), place)).collect()
    });
    let mut small = [0; NAME_LEN_MAX];
    let small = small.get_mut(..name.len())?;
    small.copy_from_slice(name);
    small.make_ascii_lowercase();
    places.get(&*small).copied()
}

const STRING: &str = "string";
const GENERIC: &str = "generic";
const SERVER: &str = "server";
const CONNECTION: &str = "connection";
const TRANSACTIONS: &str = "transactions";

/// The second word is the only key, all from the second on are, or none.
const ONE: (i32, i32, i32) = (1, 1, 1);
const ALL: (i32, i32, i32) = (1, -1, 1);
const NONE: (i32, i32, i32) = (0, 0, 0);

const fn data(run: Function) -> Run {
    Run::Data(run)
}

const fn slow(run: Function) -> Run {
    Run::Slow(run)
}

const fn alone(alone: Alone) -> Run {
    Run::Alone(alone)
}

/// All of them.
#[rustfmt::skip]
pub static TABLE: &[Spec] = &[
    row("get", 2, READONLY | FAST, ONE, data(strings::get), STRING, "1.0.0",
        "Returns the value of a key"),
    row("set", -3, WRITE | DENYOOM, ONE, data(strings::set), STRING, "1.0.0",
        "Sets the value of a key, with conditions and an expiry"),
    row("setnx", 3, WRITE | DENYOOM | FAST, ONE, data(strings::setnx), STRING, "1.0.0",
        "Sets the value of a key that is absent"),
    row("setex", 4, WRITE | DENYOOM, ONE, data(strings::setex), STRING, "2.0.0",
        "Sets a value that expires after seconds"),
    row("psetex", 4, WRITE | DENYOOM, ONE, data(strings::psetex), STRING, "2.6.0",
        "Sets a value that expires after milliseconds"),
    row("getset", 3, WRITE | DENYOOM | FAST, ONE, data(strings::getset), STRING, "1.0.0",
        "Sets a value and returns the old one"),
    row("getdel", 2, WRITE | FAST, ONE, data(strings::getdel), STRING, "6.2.0",
        "Returns a value and deletes its key"),
    row("getex", -2, WRITE | FAST, ONE, data(strings::getex), STRING, "6.2.0",
        "Returns a value and sets when it expires"),
    row("mget", -2, READONLY | FAST, ALL, data(strings::mget), STRING, "1.0.0",
        "Returns the values of keys, of one moment"),
    row("mset", -3, WRITE | DENYOOM, (1, -1, 2), data(strings::mset), STRING, "1.0.1",
        "Sets the values of keys, all or none"),
    row("msetnx", -3, WRITE | DENYOOM, (1, -1, 2), data(strings::msetnx), STRING, "1.0.1",
        "Sets the values of keys if all of them are absent"),
    row("append", 3, WRITE | DENYOOM | FAST, ONE, data(strings::append), STRING, "2.0.0",
        "Appends to a value"),
    row("strlen", 2, READONLY | FAST, ONE, data(strings::strlen), STRING, "2.2.0",
        "Returns the length of a value"),
    row("getrange", 4, READONLY, ONE, data(strings::getrange), STRING, "2.4.0",
        "Returns a part of a value"),
    row("substr", 4, READONLY, ONE, data(strings::getrange), STRING, "1.0.0",
        "Returns a part of a value"),
    row("setrange", 4, WRITE | DENYOOM, ONE, data(strings::setrange), STRING, "2.2.0",
        "Overwrites a part of a value"),
    row("incr", 2, WRITE | DENYOOM | FAST, ONE, data(counters::incr), STRING, "1.0.0",
        "Adds one to a number"),
    row("decr", 2, WRITE | DENYOOM | FAST, ONE, data(counters::decr), STRING, "1.0.0",
        "Takes one from a number"),
    row("incrby", 3, WRITE | DENYOOM | FAST, ONE, data(counters::incrby), STRING, "1.0.0",
        "Adds to a number"),
    row("decrby", 3, WRITE | DENYOOM | FAST, ONE, data(counters::decrby), STRING, "1.0.0",
        "Takes from a number"),
    row("incrbyfloat", 3, WRITE | DENYOOM | FAST, ONE, data(counters::incrbyfloat), STRING, "2.6.0",
        "Adds to a decimal number"),
    row("del", -2, WRITE, ALL, data(keys::del), GENERIC, "1.0.0",
        "Deletes keys"),
    row("unlink", -2, WRITE | FAST, ALL, data(keys::del), GENERIC, "4.0.0",
        "Deletes keys"),
    row("exists", -2, READONLY | FAST, ALL, data(keys::exists), GENERIC, "1.0.0",
        "Counts the keys that are there"),
    row("touch", -2, READONLY | FAST, ALL, data(keys::exists), GENERIC, "3.2.1",
        "Counts the keys that are there"),
    row("type", 2, READONLY | FAST, ONE, data(keys::type_of), GENERIC, "1.0.0",
        "Returns the type of a value"),
    row("rename", 3, WRITE, (1, 2, 1), data(keys::rename), GENERIC, "1.0.0",
        "Gives a value another key"),
    row("renamenx", 3, WRITE | FAST, (1, 2, 1), data(keys::renamenx), GENERIC, "1.0.0",
        "Gives a value another key that is absent"),
    row("copy", -3, WRITE | DENYOOM, (1, 2, 1), data(keys::copy), GENERIC, "6.2.0",
        "Copies a value to another key"),
    row("object", -2, READONLY, (2, 2, 1), data(keys::object), GENERIC, "2.2.3",
        "Tells about a value"),
    row("memory", -2, READONLY, (2, 2, 1), data(keys::memory), SERVER, "4.0.0",
        "Estimates the memory of a record"),
    row("expire", -3, WRITE | FAST, ONE, data(expiry::expire), GENERIC, "1.0.0",
        "Sets after how many seconds a key expires"),
    row("pexpire", -3, WRITE | FAST, ONE, data(expiry::pexpire), GENERIC, "2.6.0",
        "Sets after how many milliseconds a key expires"),
    row("expireat", -3, WRITE | FAST, ONE, data(expiry::expireat), GENERIC, "1.2.0",
        "Sets the second at which a key expires"),
    row("pexpireat", -3, WRITE | FAST, ONE, data(expiry::pexpireat), GENERIC, "2.6.0",
        "Sets the millisecond at which a key expires"),
    row("persist", 2, WRITE | FAST, ONE, data(expiry::persist), GENERIC, "2.2.0",
        "Lets a key expire no more"),
    row("ttl", 2, READONLY | FAST, ONE, data(expiry::ttl), GENERIC, "1.0.0",
        "Returns after how many seconds a key expires"),
    row("pttl", 2, READONLY | FAST, ONE, data(expiry::pttl), GENERIC, "2.6.0",
        "Returns after how many milliseconds a key expires"),
    row("expiretime", 2, READONLY | FAST, ONE, data(expiry::expiretime), GENERIC, "7.0.0",
        "Returns the second at which a key expires"),
    row("pexpiretime", 2, READONLY | FAST, ONE, data(expiry::pexpiretime), GENERIC, "7.0.0",
        "Returns the millisecond at which a key expires"),
    row("keys", 2, READONLY, NONE, slow(scan::keys), GENERIC, "1.0.0",
        "Returns the keys that match a pattern"),
    row("scan", -2, READONLY, NONE, slow(scan::scan), GENERIC, "2.8.0",
        "Returns keys, page by page"),
    row("randomkey", 1, READONLY, NONE, slow(scan::randomkey), GENERIC, "1.0.0",
        "Returns some key"),
    row("dbsize", 1, READONLY | FAST, NONE, slow(scan::dbsize), SERVER, "1.0.0",
        "Returns how many keys there are"),
    row("flushdb", -1, WRITE | OWNER, NONE, slow(scan::flush), SERVER, "1.0.0",
        "Deletes all keys"),
    row("flushall", -1, WRITE | OWNER, NONE, slow(scan::flush), SERVER, "1.0.0",
        "Deletes all keys"),
    row("ping", -1, FAST, NONE, data(server::ping), CONNECTION, "1.0.0",
        "Answers, or returns the message"),
    row("echo", 2, FAST, NONE, data(server::echo), CONNECTION, "1.0.0",
        "Returns the message"),
    row("select", 2, FAST, NONE, data(server::select), CONNECTION, "1.0.0",
        "Selects database 0, the only one"),
    row("time", 1, FAST, NONE, data(server::time), SERVER, "2.6.0",
        "Returns the time"),
    row("lastsave", 1, FAST, NONE, data(server::lastsave), SERVER, "1.0.0",
        "Returns the second of the last commit that survives power loss"),
    row("info", -1, 0, NONE, data(info::info), SERVER, "1.0.0",
        "Tells about the server"),
    row("config", -2, ADMIN, NONE, data(config::config), SERVER, "2.0.0",
        "Returns how the server is configured"),
    row("command", -1, 0, NONE, data(meta::command), SERVER, "2.8.13",
        "Tells about commands"),
    row("client", -2, 0, NONE, data(client::client), CONNECTION, "2.4.0",
        "Tells about connections, names and ends them"),
    row("silt.getat", 3, READONLY, ONE, slow(past::get_at), STRING, "0.1.0",
        "Returns the value a key had at a moment"),
    row("silt.history", -2, READONLY, ONE, slow(past::history), STRING, "0.1.0",
        "Returns the versions of a key, newest first"),
    row("silt.changes", -2, READONLY, NONE, slow(past::changes), GENERIC, "0.1.0",
        "Returns what was committed after a moment"),
    row("silt.lastcommit", 1, FAST, NONE, data(past::last_commit), CONNECTION, "0.1.0",
        "Returns the seq and the durability of the last write of the connection"),
    row("silt.durability", -1, FAST, NONE, alone(Alone::Durability), CONNECTION, "0.1.0",
        "Returns or sets how safe the writes of the connection are"),
    row("auth", -2, FAST | NO_AUTH, NONE, alone(Alone::Auth), CONNECTION, "1.0.0",
        "Shows a token"),
    row("hello", -1, FAST | NO_AUTH, NONE, alone(Alone::Hello), CONNECTION, "6.0.0",
        "Chooses RESP2 or RESP3"),
    row("quit", -1, FAST | NO_AUTH, NONE, alone(Alone::Quit), CONNECTION, "1.0.0",
        "Ends the connection"),
    row("reset", 1, FAST | NO_AUTH, NONE, alone(Alone::Reset), CONNECTION, "6.2.0",
        "Makes the connection as a new one"),
    row("multi", 1, FAST, NONE, alone(Alone::Multi), TRANSACTIONS, "1.2.0",
        "Begins a transaction"),
    row("exec", 1, 0, NONE, alone(Alone::Exec), TRANSACTIONS, "1.2.0",
        "Runs a transaction as one"),
    row("discard", 1, FAST, NONE, alone(Alone::Discard), TRANSACTIONS, "2.0.0",
        "Drops a transaction"),
    row("watch", -2, FAST, ALL, alone(Alone::Watch), TRANSACTIONS, "2.2.0",
        "Lets EXEC run only if keys do not change"),
    row("unwatch", 1, FAST, NONE, data(server::unwatch), TRANSACTIONS, "2.2.0",
        "Watches no key any more"),
    row("wait", 3, 0, NONE, data(server::wait), GENERIC, "3.0.0",
        "Returns 0: there are no replicas"),
    row("waitaof", 4, SYNC, NONE, alone(Alone::WaitAof), GENERIC, "7.2.0",
        "Waits until all that was written survives power loss"),
    row("save", 1, ADMIN | SYNC, NONE, alone(Alone::Save), SERVER, "1.0.0",
        "Makes all that was written survive power loss"),
    row("bgsave", -1, ADMIN | SYNC, NONE, alone(Alone::BgSave), SERVER, "1.0.0",
        "Begins to make all that was written survive power loss"),
    row("bgrewriteaof", 1, ADMIN | OWNER, NONE, alone(Alone::Compact), SERVER, "1.0.0",
        "Begins to compact"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::auth::Action;

    #[test]
    fn every_command_is_found_by_its_name() {
        for spec in TABLE {
            assert!(spec.name.len() <= NAME_LEN_MAX, "{}", spec.name);
            assert!(find(spec.name.to_uppercase().as_bytes()).is_some_and(|s| s.name == spec.name));
            assert!(!spec.is_write() || spec.action != Action::Read, "{}", spec.name);
        }
        assert!(find(b"nonesuch").is_none() && find(&[b'x'; 100]).is_none());
    }
}
