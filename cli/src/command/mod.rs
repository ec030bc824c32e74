//! The commands: one file each, with its flags and what it does.

mod batch;
mod bench;
mod compact;
mod completions;
mod count;
mod del;
mod diff;
mod dump;
mod export;
mod get;
mod history;
mod import;
mod input;
mod opened;
mod progress;
mod range;
mod restore;
mod retain;
mod salvage;
mod scan;
#[cfg(feature = "server")]
mod serve;
mod set;
mod shell;
mod snapshot;
mod stats;
mod target;
mod usage;
mod verify;
mod watch;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::{Args, Parser, Subcommand};
use siltdb::client::ConnectOptions;
use siltdb::{Commit, Options, Store};
use siltdb_core::error::Error;

use self::opened::Opened;
use crate::output::{self, Failure, Out, Run};
use crate::text::Encoding;

/// SiltDB: a log-structured key-value store whose past can be read.
#[derive(Debug, Parser)]
#[command(name = "silt", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Moments (T): 2026-01-31T10:00:00Z (RFC 3339), '10m ago', or a sequence number.
Exit codes:  0 fine, 1 absent (or diff/verify found something), 2 usage, 3 I/O, 4 corrupt,
             5 locked, 6 condition failed, 7 history no longer held.";

// Behind the options of the command itself, however many it has.
#[derive(Debug, Args)]
#[command(next_display_order = 100)]
struct Global {
    /// Directory of the store.
    #[arg(long, global = true, env = "SILT_DB", value_name = "DIR", default_value = "./silt-data")]
    db: PathBuf,
    /// URL of a server to use instead of a directory: grpc://HOST:PORT or http://HOST:PORT; with
    /// TLS grpcs:// or https://.
    #[arg(long, global = true, env = "SILT_SERVER", value_name = "URL")]
    server: Option<String>,
    /// File with the token to show to the server; or the token itself in SILT_TOKEN.
    #[arg(long, global = true, env = "SILT_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// With TLS: file of the certificates (PEM) that vouch for the server; left out, those of the
    /// system.
    #[arg(long, global = true, env = "SILT_SERVER_CA", value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// Print JSON lines, errors too.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Set(set::Set),
    Get(get::Get),
    Del(del::Del),
    Scan(scan::Scan),
    Count(count::Count),
    History(history::History),
    Watch(watch::Watch),
    Diff(diff::Diff),
    Import(import::Import),
    Export(export::Export),
    Batch(batch::Batch),
    Compact(compact::Compact),
    Stats(stats::Stats),
    Verify(verify::Verify),
    Dump(dump::Dump),
    Retain(retain::Retain),
    Snapshot(snapshot::Snapshot),
    Restore(restore::Restore),
    Salvage(salvage::Salvage),
    Bench(bench::Bench),
    #[cfg(feature = "server")]
    Serve(Box<serve::Serve>),
    Shell(shell::Shell),
    Completions(completions::Completions),
}

/// Parses the command line, runs the command, and gives the exit code of the process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    let context = Context::new(cli.global);
    let result = cli.command.run(&context);
    output::finish(result, context.json)
}

impl Command {
    fn run(self, context: &Context) -> Run {
        match self {
            Command::Set(command) => command.run(context),
            Command::Get(command) => command.run(context),
            Command::Del(command) => command.run(context),
            Command::Scan(command) => command.run(context),
            Command::Count(command) => command.run(context),
            Command::History(command) => command.run(context),
            Command::Watch(command) => command.run(context),
            Command::Diff(command) => command.run(context),
            Command::Import(command) => command.run(context),
            Command::Export(command) => command.run(context),
            Command::Batch(command) => command.run(context),
            Command::Compact(command) => command.run(context),
            Command::Stats(command) => command.run(context),
            Command::Verify(command) => command.run(context),
            Command::Dump(command) => command.run(context),
            Command::Snapshot(command) => command.run(context),
            Command::Restore(command) => command.run(context),
            Command::Salvage(command) => command.run(context),
            Command::Retain(command) => command.run(context),
            Command::Bench(command) => command.run(context),
            #[cfg(feature = "server")]
            Command::Serve(command) => command.run(context),
            Command::Shell(command) => command.run(context),
            Command::Completions(command) => command.run(),
        }
    }
}

/// What every command is told.
#[derive(Clone)]
pub struct Context {
    db: PathBuf,
    json: bool,
    server: Option<String>,
    token_file: Option<PathBuf>,
    server_ca: Option<PathBuf>,
    kept: Option<Kept>,
}

/// The store that the shell keeps open, once there is one, and the moment it reads.
#[derive(Clone, Default)]
struct Kept {
    store: Rc<RefCell<Option<Opened>>>,
    at: Option<u64>,
}

impl Context {
    fn new(global: Global) -> Self {
        let Global { db, json, server, token_file, server_ca } = global;
        let server = server.filter(|url| !url.is_empty());
        Self { db, json, server, token_file, server_ca, kept: None }
    }

    /// Opens the store to read it. A missing one is not created, and nothing compacts it.
    fn open_to_read(&self) -> Run<Opened> {
        let mut options = Options { create: false, ..Options::default() };
        options.compaction.auto = false;
        self.open(options)
    }

    /// Opens the store to write it, and creates it if it is missing.
    fn open(&self, options: Options) -> Run<Opened> {
        let Some(kept) = &self.kept else { return self.open_anew(options) };
        let mut store = kept.store.borrow_mut();
        let store = match &mut *store {
            Some(store) => store,
            none => {
                // It outlives the command, so it is maintained as a store that stays open is.
                let options = Options { create: options.create, ..Options::default() };
                none.insert(self.open_anew(options)?)
            }
        };
        Ok(store.at(kept.at))
    }

    fn open_anew(&self, options: Options) -> Run<Opened> {
        let Some(url) = &self.server else {
            let store = Store::open(&self.db, options).map_err(|e| self.failed(&e))?;
            return Ok(Opened::local(store, &self.db));
        };
        Opened::connect(ConnectOptions {
            url: url.clone(),
            token: self.token()?,
            ca: self.server_ca.clone(),
            identity: None,
        })
    }

    /// The token for the server, from a file or the environment: never from the command line,
    /// which others can read.
    fn token(&self) -> Run<Option<String>> {
        let Some(path) = &self.token_file else {
            return Ok(std::env::var("SILT_TOKEN").ok().filter(|token| !token.is_empty()));
        };
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::io(path.display().to_string(), &e))?;
        Ok(Some(text.trim().to_owned()))
    }

    /// Whether the store stays open after the command.
    fn in_shell(&self) -> bool {
        self.kept.is_some()
    }

    /// For commands that work on a directory alone.
    fn local_only(&self) -> Run<()> {
        if self.in_shell() {
            return Err(Failure::usage(
                "this cannot be done in the shell, which holds the store open",
            ));
        }
        self.without_server()
    }

    /// For commands that do nothing on a server.
    fn without_server(&self) -> Run<()> {
        match &self.server {
            None => Ok(()),
            Some(_) => Err(Failure::usage(
                "this works on a store in a directory; leave --server (SILT_SERVER) out",
            )),
        }
    }

    /// The failure line of a store's error.
    fn failed(&self, error: &Error) -> Failure {
        let place = self.server.as_ref().map_or(self.db.as_path(), Path::new);
        Failure::store(place, error)
    }

    fn out(&self, encoding: Encoding) -> Out {
        Out::new(encoding)
    }

    /// Prints what a write reached, with `--json`; silent otherwise.
    fn print_commit(&self, commit: &Commit) -> Run<()> {
        if !self.json {
            return Ok(());
        }
        let mut out = self.out(Encoding::Plain);
        out.value(&CommitLine::new(commit))?;
        out.finish()
    }
}

/// The JSON form of a commit.
#[derive(serde::Serialize)]
struct CommitLine {
    seq: u64,
    durability: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
}

impl CommitLine {
    fn new(commit: &Commit) -> Self {
        Self { seq: commit.seq, durability: commit.durability.name(), deleted: None }
    }
}

/// How keys and values stand in arguments and text.
#[derive(Debug, Args)]
struct EncodingArgs {
    /// Keys and values are hexadecimal.
    #[arg(long, conflicts_with = "base64")]
    hex: bool,
    /// Keys and values are base64.
    #[arg(long)]
    base64: bool,
}

impl EncodingArgs {
    fn encoding(&self) -> Encoding {
        match (self.hex, self.base64) {
            (true, _) => Encoding::Hex,
            (_, true) => Encoding::Base64,
            _ => Encoding::Plain,
        }
    }

    /// The bytes of an argument; `name` is how the argument is called in an error.
    fn decode(&self, name: &str, text: &std::ffi::OsStr) -> Run<Vec<u8>> {
        self.encoding().decode_argument(text).map_err(|e| Failure::usage(format!("{name} is {e}")))
    }
}
