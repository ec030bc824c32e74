//! What a command is: its words, its keys, what it may, and what runs it.

use super::parser::Args;
use super::reply::{Reply, Trouble};
use super::session::Session;
use super::state::Resp;
use super::txn::Txn;
use crate::server::auth::Action;
use crate::server::metrics::Op;

/// What does a command.
pub type Function = fn(&mut Call<'_>) -> Outcome;

/// What runs a command.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// It is done at once, and may share a commit with others.
    Data(Function),
    /// The same in a thread for blocking work.
    Slow(Function),
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
pub(super) const WRITE: u8 = 1;
/// It reads keys.
pub(super) const READONLY: u8 = 2;
/// It may make the store larger.
pub(super) const DENYOOM: u8 = 4;
/// It takes the same time however much there is.
pub(super) const FAST: u8 = 8;
/// It concerns the server.
pub(super) const ADMIN: u8 = 16;
/// It needs no token.
pub(super) const NO_AUTH: u8 = 32;
/// Its user must be an admin.
pub(super) const OWNER: u8 = 64;
/// It changes no key, and its user must be allowed to.
pub(super) const SYNC: u8 = 128;

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

    /// Whether these words ask which subcommands it has.
    pub fn is_help(&self, args: Args<'_>) -> bool {
        args.count() == 2 && args.is(1, "HELP") && !self.subcommands().is_empty()
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

/// A command of the table.
#[allow(clippy::too_many_arguments)]
pub(super) const fn row(
    name: &'static str,
    arity: i32,
    flags: u8,
    keys: (i32, i32, i32),
    run: Run,
    group: &'static str,
    since: &'static str,
    summary: &'static str,
) -> Spec {
    let action = if flags & OWNER != 0 {
        Action::Admin
    } else if flags & (WRITE | SYNC) != 0 {
        Action::Write
    } else {
        Action::Read
    };
    Spec { name, arity, flags, keys, action, run, group, since, summary }
}

/// A command that is run.
pub struct Call<'a> {
    /// Its words, its own name first.
    pub args: Args<'a>,
    /// What it is.
    pub spec: &'static Spec,
    /// All commands there are.
    pub commands: &'static [Spec],
    /// What it reads and writes.
    pub txn: &'a mut Txn,
    /// Where it answers.
    pub out: &'a mut Reply,
    /// Who asks.
    pub session: &'a mut Session,
    /// What all connections share.
    pub resp: &'a Resp,
}

/// What running a command gives: an answer is in the reply, or there is this error.
pub type Outcome = Result<(), Trouble>;

impl Call<'_> {
    /// The command of a name, in capitals or not.
    pub fn command(&self, name: &[u8]) -> Option<&'static Spec> {
        self.commands.iter().find(|spec| name.eq_ignore_ascii_case(spec.name.as_bytes()))
    }

    /// A word as a whole number.
    ///
    /// # Errors
    /// Redis's words for what is none.
    pub fn int(&self, i: usize) -> Result<i64, Trouble> {
        self.args.int(i).ok_or_else(Trouble::not_an_integer)
    }

    /// Redis's words for an expiry out of range.
    pub fn invalid_expiry(&self) -> Trouble {
        Trouble::err(&format!("invalid expire time in '{}' command", self.spec.name))
    }

    /// Redis's words for a wrong number of words.
    pub fn arity(&self, name: &str) -> Trouble {
        Trouble::err(&format!("wrong number of arguments for '{name}' command"))
    }
}
