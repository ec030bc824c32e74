//! Every command: its words, its keys, what it may, and what runs it.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::commands::{
    Call, Outcome, client, config, counters, expiry, info, keys, meta, past, scan, server, strings,
};
use crate::server::auth::Action;
use crate::server::metrics::Op;

/// What runs a command.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// It is done at once, and may share a commit with others.
    Data(fn(&mut Call<'_>) -> Outcome),
    /// The same in a thread for blocking work.
    Slow(fn(&mut Call<'_>) -> Outcome),
    /// What was written before is committed first.
    Alone(Alone),
}

/// Commands that concern the connection or the store as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Alone {
    Auth,
    Hello,
    Quit,
    Reset,
    Multi,
    Exec,
    Discard,
    Watch,
    WaitAof,
    Save,
    BgSave,
    Compact,
    Durability,
}

impl Alone {
    /// Whether it is done at once between MULTI and EXEC.
    pub fn is_of_transactions(self) -> bool {
        use Alone::{Discard, Exec, Multi, Quit, Reset, Watch};
        matches!(self, Multi | Exec | Discard | Watch | Quit | Reset)
    }
}

/// It changes keys.
const WRITE: u8 = 1;
/// It reads keys.
const READONLY: u8 = 2;
/// It may make the store larger.
const DENYOOM: u8 = 4;
/// It takes the same time however much there is.
const FAST: u8 = 8;
/// It concerns the server.
const ADMIN: u8 = 16;
/// It needs no token.
const NO_AUTH: u8 = 32;

/// A command.
#[derive(Debug)]
pub struct Spec {
    /// Its name, in small letters.
    pub name: &'static str,
    /// How many words it has, with its name; at least so many, if negative.
    pub arity: i32,
    flags: u8,
    /// The first and the last key, and the step between keys; 0 for none.
    pub keys: (i32, i32, i32),
    /// What its user must be allowed.
    pub action: Action,
    /// What runs it.
    pub run: Run,
    /// The group of the documentation.
    pub group: &'static str,
    /// The version of Redis that has it first, or ours.
    pub since: &'static str,
    /// One line for people.
    pub summary: &'static str,
}

impl Spec {
    /// Whether it can have so many words.
    pub fn takes(&self, words: usize) -> bool {
        takes(self.arity, words)
    }

    /// Its subcommands with their numbers of words, if it has any.
    pub fn subcommands(&self) -> &'static [(&'static str, i32)] {
        match self.name {
            "client" => CLIENT,
            "config" => &[("get", -3), ("set", -4), ("resetstat", 2), ("rewrite", 2)],
            "command" => &[("count", 2), ("docs", -2), ("info", -2), ("list", -2), ("getkeys", -4)],
            "object" => &[("encoding", 3), ("refcount", 3), ("idletime", 3), ("freq", 3)],
            "memory" => &[("usage", -3)],
            _ => &[],
        }
    }

    /// Whether it changes keys.
    pub fn is_write(&self) -> bool {
        self.flags & WRITE != 0
    }

    /// Whether it needs no token.
    pub fn is_for_all(&self) -> bool {
        self.flags & NO_AUTH != 0
    }

    /// The flags that COMMAND tells of.
    pub fn flag_names(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (WRITE, "write"),
            (READONLY, "readonly"),
            (DENYOOM, "denyoom"),
            (FAST, "fast"),
            (ADMIN, "admin"),
            (NO_AUTH, "no_auth"),
        ];
        let flags = self.flags;
        all.into_iter().filter(move |(flag, _)| flags & flag != 0).map(|(_, name)| name)
    }

    /// What it is counted as.
    pub fn op(&self) -> Op {
        match self.name {
            "get" | "strlen" | "exists" | "ttl" | "getrange" | "silt.getat" => Op::Get,
            "mset" | "msetnx" | "exec" => Op::Batch,
            "del" | "unlink" | "getdel" | "flushall" | "flushdb" => Op::Delete,
            "keys" | "scan" | "randomkey" => Op::Scan,
            "dbsize" => Op::Count,
            "silt.history" => Op::History,
            "silt.changes" => Op::Changes,
            "bgrewriteaof" => Op::Compact,
            "info" => Op::Stats,
            _ if self.is_write() => Op::Set,
            _ => Op::Other,
        }
    }
}

const CLIENT: &[(&str, i32)] = &[
    ("id", 2),
    ("getname", 2),
    ("setname", 3),
    ("setinfo", 4),
    ("info", 2),
    ("list", -2),
    ("kill", -3),
    ("no-evict", 3),
    ("no-touch", 3),
];

/// Whether a command of an arity can have so many words.
pub fn takes(arity: i32, words: usize) -> bool {
    let count = arity.unsigned_abs() as usize;
    if arity < 0 { words >= count } else { words == count }
}

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

/// All of them.
#[rustfmt::skip]
pub static TABLE: &[Spec] = &[
    Spec {
        name: "get", arity: 2, flags: READONLY | FAST, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(strings::get), group: "string", since: "1.0.0",
        summary: "Returns the value of a key",
    },
    Spec {
        name: "set", arity: -3, flags: WRITE | DENYOOM, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::set), group: "string", since: "1.0.0",
        summary: "Sets the value of a key, with conditions and an expiry",
    },
    Spec {
        name: "setnx", arity: 3, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::setnx), group: "string", since: "1.0.0",
        summary: "Sets the value of a key that is absent",
    },
    Spec {
        name: "setex", arity: 4, flags: WRITE | DENYOOM, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::setex), group: "string", since: "2.0.0",
        summary: "Sets a value that expires after seconds",
    },
    Spec {
        name: "psetex", arity: 4, flags: WRITE | DENYOOM, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::psetex), group: "string", since: "2.6.0",
        summary: "Sets a value that expires after milliseconds",
    },
    Spec {
        name: "getset", arity: 3, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::getset), group: "string", since: "1.0.0",
        summary: "Sets a value and returns the old one",
    },
    Spec {
        name: "getdel", arity: 2, flags: WRITE | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::getdel), group: "string", since: "6.2.0",
        summary: "Returns a value and deletes its key",
    },
    Spec {
        name: "getex", arity: -2, flags: WRITE | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::getex), group: "string", since: "6.2.0",
        summary: "Returns a value and sets when it expires",
    },
    Spec {
        name: "mget", arity: -2, flags: READONLY | FAST, keys: (1, -1, 1), action: Action::Read,
        run: Run::Data(strings::mget), group: "string", since: "1.0.0",
        summary: "Returns the values of keys, of one moment",
    },
    Spec {
        name: "mset", arity: -3, flags: WRITE | DENYOOM, keys: (1, -1, 2), action: Action::Write,
        run: Run::Data(strings::mset), group: "string", since: "1.0.1",
        summary: "Sets the values of keys, all or none",
    },
    Spec {
        name: "msetnx", arity: -3, flags: WRITE | DENYOOM, keys: (1, -1, 2), action: Action::Write,
        run: Run::Data(strings::msetnx), group: "string", since: "1.0.1",
        summary: "Sets the values of keys if all of them are absent",
    },
    Spec {
        name: "append", arity: 3, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::append), group: "string", since: "2.0.0",
        summary: "Appends to a value",
    },
    Spec {
        name: "strlen", arity: 2, flags: READONLY | FAST, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(strings::strlen), group: "string", since: "2.2.0",
        summary: "Returns the length of a value",
    },
    Spec {
        name: "getrange", arity: 4, flags: READONLY, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(strings::getrange), group: "string", since: "2.4.0",
        summary: "Returns a part of a value",
    },
    Spec {
        name: "substr", arity: 4, flags: READONLY, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(strings::getrange), group: "string", since: "1.0.0",
        summary: "Returns a part of a value",
    },
    Spec {
        name: "setrange", arity: 4, flags: WRITE | DENYOOM, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(strings::setrange), group: "string", since: "2.2.0",
        summary: "Overwrites a part of a value",
    },
    Spec {
        name: "incr", arity: 2, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(counters::incr), group: "string", since: "1.0.0",
        summary: "Adds one to a number",
    },
    Spec {
        name: "decr", arity: 2, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(counters::decr), group: "string", since: "1.0.0",
        summary: "Takes one from a number",
    },
    Spec {
        name: "incrby", arity: 3, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(counters::incrby), group: "string", since: "1.0.0",
        summary: "Adds to a number",
    },
    Spec {
        name: "decrby", arity: 3, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(counters::decrby), group: "string", since: "1.0.0",
        summary: "Takes from a number",
    },
    Spec {
        name: "incrbyfloat", arity: 3, flags: WRITE | DENYOOM | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(counters::incrbyfloat), group: "string", since: "2.6.0",
        summary: "Adds to a decimal number",
    },
    Spec {
        name: "del", arity: -2, flags: WRITE, keys: (1, -1, 1), action: Action::Write,
        run: Run::Data(keys::del), group: "generic", since: "1.0.0",
        summary: "Deletes keys",
    },
    Spec {
        name: "unlink", arity: -2, flags: WRITE | FAST, keys: (1, -1, 1), action: Action::Write,
        run: Run::Data(keys::del), group: "generic", since: "4.0.0",
        summary: "Deletes keys",
    },
    Spec {
        name: "exists", arity: -2, flags: READONLY | FAST, keys: (1, -1, 1), action: Action::Read,
        run: Run::Data(keys::exists), group: "generic", since: "1.0.0",
        summary: "Counts the keys that are there",
    },
    Spec {
        name: "touch", arity: -2, flags: READONLY | FAST, keys: (1, -1, 1), action: Action::Read,
        run: Run::Data(keys::exists), group: "generic", since: "3.2.1",
        summary: "Counts the keys that are there",
    },
    Spec {
        name: "type", arity: 2, flags: READONLY | FAST, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(keys::type_of), group: "generic", since: "1.0.0",
        summary: "Returns the type of a value",
    },
    Spec {
        name: "rename", arity: 3, flags: WRITE, keys: (1, 2, 1), action: Action::Write,
        run: Run::Data(keys::rename), group: "generic", since: "1.0.0",
        summary: "Gives a value another key",
    },
    Spec {
        name: "renamenx", arity: 3, flags: WRITE | FAST, keys: (1, 2, 1), action: Action::Write,
        run: Run::Data(keys::renamenx), group: "generic", since: "1.0.0",
        summary: "Gives a value another key that is absent",
    },
    Spec {
        name: "copy", arity: -3, flags: WRITE | DENYOOM, keys: (1, 2, 1), action: Action::Write,
        run: Run::Data(keys::copy), group: "generic", since: "6.2.0",
        summary: "Copies a value to another key",
    },
    Spec {
        name: "object", arity: -2, flags: READONLY, keys: (2, 2, 1), action: Action::Read,
        run: Run::Data(keys::object), group: "generic", since: "2.2.3",
        summary: "Tells about a value",
    },
    Spec {
        name: "memory", arity: -2, flags: READONLY, keys: (2, 2, 1), action: Action::Read,
        run: Run::Data(keys::memory), group: "server", since: "4.0.0",
        summary: "Estimates the memory of a record",
    },
    Spec {
        name: "expire", arity: -3, flags: WRITE | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(expiry::expire), group: "generic", since: "1.0.0",
        summary: "Sets after how many seconds a key expires",
    },
    Spec {
        name: "pexpire", arity: -3, flags: WRITE | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(expiry::pexpire), group: "generic", since: "2.6.0",
        summary: "Sets after how many milliseconds a key expires",
    },
    Spec {
        name: "expireat", arity: -3, flags: WRITE | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(expiry::expireat), group: "generic", since: "1.2.0",
        summary: "Sets the second at which a key expires",
    },
    Spec {
        name: "pexpireat", arity: -3, flags: WRITE | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(expiry::pexpireat), group: "generic", since: "2.6.0",
        summary: "Sets the millisecond at which a key expires",
    },
    Spec {
        name: "persist", arity: 2, flags: WRITE | FAST, keys: (1, 1, 1), action: Action::Write,
        run: Run::Data(expiry::persist), group: "generic", since: "2.2.0",
        summary: "Lets a key expire no more",
    },
    Spec {
        name: "ttl", arity: 2, flags: READONLY | FAST, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(expiry::ttl), group: "generic", since: "1.0.0",
        summary: "Returns after how many seconds a key expires",
    },
    Spec {
        name: "pttl", arity: 2, flags: READONLY | FAST, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(expiry::pttl), group: "generic", since: "2.6.0",
        summary: "Returns after how many milliseconds a key expires",
    },
    Spec {
        name: "expiretime", arity: 2, flags: READONLY | FAST, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(expiry::expiretime), group: "generic", since: "7.0.0",
        summary: "Returns the second at which a key expires",
    },
    Spec {
        name: "pexpiretime", arity: 2, flags: READONLY | FAST, keys: (1, 1, 1), action: Action::Read,
        run: Run::Data(expiry::pexpiretime), group: "generic", since: "7.0.0",
        summary: "Returns the millisecond at which a key expires",
    },
    Spec {
        name: "keys", arity: 2, flags: READONLY, keys: (0, 0, 0), action: Action::Read,
        run: Run::Slow(scan::keys), group: "generic", since: "1.0.0",
        summary: "Returns the keys that match a pattern",
    },
    Spec {
        name: "scan", arity: -2, flags: READONLY, keys: (0, 0, 0), action: Action::Read,
        run: Run::Slow(scan::scan), group: "generic", since: "2.8.0",
        summary: "Returns keys, page by page",
    },
    Spec {
        name: "randomkey", arity: 1, flags: READONLY, keys: (0, 0, 0), action: Action::Read,
        run: Run::Slow(scan::randomkey), group: "generic", since: "1.0.0",
        summary: "Returns some key",
    },
    Spec {
        name: "dbsize", arity: 1, flags: READONLY | FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Slow(scan::dbsize), group: "server", since: "1.0.0",
        summary: "Returns how many keys there are",
    },
    Spec {
        name: "flushdb", arity: -1, flags: WRITE, keys: (0, 0, 0), action: Action::Admin,
        run: Run::Slow(scan::flush), group: "server", since: "1.0.0",
        summary: "Deletes all keys",
    },
    Spec {
        name: "flushall", arity: -1, flags: WRITE, keys: (0, 0, 0), action: Action::Admin,
        run: Run::Slow(scan::flush), group: "server", since: "1.0.0",
        summary: "Deletes all keys",
    },
    Spec {
        name: "ping", arity: -1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(server::ping), group: "connection", since: "1.0.0",
        summary: "Answers, or returns the message",
    },
    Spec {
        name: "echo", arity: 2, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(server::echo), group: "connection", since: "1.0.0",
        summary: "Returns the message",
    },
    Spec {
        name: "select", arity: 2, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(server::select), group: "connection", since: "1.0.0",
        summary: "Selects database 0, the only one",
    },
    Spec {
        name: "time", arity: 1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(server::time), group: "server", since: "2.6.0",
        summary: "Returns the time",
    },
    Spec {
        name: "lastsave", arity: 1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(server::lastsave), group: "server", since: "1.0.0",
        summary: "Returns the second of the last commit that survives power loss",
    },
    Spec {
        name: "info", arity: -1, flags: 0, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(info::info), group: "server", since: "1.0.0",
        summary: "Tells about the server",
    },
    Spec {
        name: "config", arity: -2, flags: ADMIN, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(config::config), group: "server", since: "2.0.0",
        summary: "Returns how the server is configured",
    },
    Spec {
        name: "command", arity: -1, flags: 0, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(meta::command), group: "server", since: "2.8.13",
        summary: "Tells about commands",
    },
    Spec {
        name: "client", arity: -2, flags: 0, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(client::client), group: "connection", since: "2.4.0",
        summary: "Tells about connections, names and ends them",
    },
    Spec {
        name: "silt.getat", arity: 3, flags: READONLY, keys: (1, 1, 1), action: Action::Read,
        run: Run::Slow(past::get_at), group: "string", since: "0.1.0",
        summary: "Returns the value a key had at a moment",
    },
    Spec {
        name: "silt.history", arity: -2, flags: READONLY, keys: (1, 1, 1), action: Action::Read,
        run: Run::Slow(past::history), group: "string", since: "0.1.0",
        summary: "Returns the versions of a key, newest first",
    },
    Spec {
        name: "silt.changes", arity: -2, flags: READONLY, keys: (0, 0, 0), action: Action::Read,
        run: Run::Slow(past::changes), group: "generic", since: "0.1.0",
        summary: "Returns what was committed after a moment",
    },
    Spec {
        name: "silt.lastcommit", arity: 1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(past::last_commit), group: "connection", since: "0.1.0",
        summary: "Returns the seq and the durability of the last write of the connection",
    },
    Spec {
        name: "silt.durability", arity: -1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Durability), group: "connection", since: "0.1.0",
        summary: "Returns or sets how safe the writes of the connection are",
    },
    Spec {
        name: "auth", arity: -2, flags: FAST | NO_AUTH, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Auth), group: "connection", since: "1.0.0",
        summary: "Shows a token",
    },
    Spec {
        name: "hello", arity: -1, flags: FAST | NO_AUTH, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Hello), group: "connection", since: "6.0.0",
        summary: "Chooses RESP2 or RESP3",
    },
    Spec {
        name: "quit", arity: -1, flags: FAST | NO_AUTH, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Quit), group: "connection", since: "1.0.0",
        summary: "Ends the connection",
    },
    Spec {
        name: "reset", arity: 1, flags: FAST | NO_AUTH, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Reset), group: "connection", since: "6.2.0",
        summary: "Makes the connection as a new one",
    },
    Spec {
        name: "multi", arity: 1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Multi), group: "transactions", since: "1.2.0",
        summary: "Begins a transaction",
    },
    Spec {
        name: "exec", arity: 1, flags: 0, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Exec), group: "transactions", since: "1.2.0",
        summary: "Runs a transaction as one",
    },
    Spec {
        name: "discard", arity: 1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Alone(Alone::Discard), group: "transactions", since: "2.0.0",
        summary: "Drops a transaction",
    },
    Spec {
        name: "watch", arity: -2, flags: FAST, keys: (1, -1, 1), action: Action::Read,
        run: Run::Alone(Alone::Watch), group: "transactions", since: "2.2.0",
        summary: "Lets EXEC run only if keys do not change",
    },
    Spec {
        name: "unwatch", arity: 1, flags: FAST, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(server::unwatch), group: "transactions", since: "2.2.0",
        summary: "Watches no key any more",
    },
    Spec {
        name: "wait", arity: 3, flags: 0, keys: (0, 0, 0), action: Action::Read,
        run: Run::Data(server::wait), group: "generic", since: "3.0.0",
        summary: "Returns 0: there are no replicas",
    },
    Spec {
        name: "waitaof", arity: 4, flags: 0, keys: (0, 0, 0), action: Action::Write,
        run: Run::Alone(Alone::WaitAof), group: "generic", since: "7.2.0",
        summary: "Waits until all that was written survives power loss",
    },
    Spec {
        name: "save", arity: 1, flags: ADMIN, keys: (0, 0, 0), action: Action::Write,
        run: Run::Alone(Alone::Save), group: "server", since: "1.0.0",
        summary: "Makes all that was written survive power loss",
    },
    Spec {
        name: "bgsave", arity: -1, flags: ADMIN, keys: (0, 0, 0), action: Action::Write,
        run: Run::Alone(Alone::BgSave), group: "server", since: "1.0.0",
        summary: "Begins to make all that was written survive power loss",
    },
    Spec {
        name: "bgrewriteaof", arity: 1, flags: ADMIN, keys: (0, 0, 0), action: Action::Admin,
        run: Run::Alone(Alone::Compact), group: "server", since: "1.0.0",
        summary: "Begins to compact",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

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
