//! Commands that concern the connection or the store as a whole.

use std::io;

use siltdb_core::{Batch, Durability};

use super::VERSION;
use super::connection::{Connection, Next};
use super::dispatch::Work;
use super::parser::Args;
use super::reply::Trouble;
use super::session::{Multi, Queued};
use super::spec::{Alone, Outcome};
use super::state::Resp;
use crate::server::limits;

impl Connection {
    /// Runs such a command.
    pub(super) async fn run_alone(
        &mut self,
        mut work: Box<Work>,
        alone: Alone,
        request: Queued,
    ) -> io::Result<(Box<Work>, Next)> {
        let args = request.args();
        let outcome = match alone {
            Alone::Exec => return Ok((self.exec(work).await?, Next::Go)),
            Alone::Quit => {
                work.out.ok();
                return Ok((work, Next::Close));
            }
            Alone::Auth => auth(&self.resp, &mut work, args),
            Alone::Hello => hello(&self.resp, &mut work, args),
            Alone::Reset => reset(&self.resp, &mut work),
            Alone::Multi => multi(&self.resp, &mut work),
            Alone::Discard => discard(&mut work),
            Alone::Watch => watch(&mut work, args),
            Alone::Durability => durability(&self.resp, &mut work, args),
            Alone::WaitAof => self.wait_aof(&mut work, args).await,
            Alone::Save => self.save(&mut work).await,
            Alone::BgSave => self.save_aside(&mut work),
            Alone::Compact => self.compact(&mut work),
        };
        if let Err(trouble) = outcome {
            work.out.error(&trouble.0);
        }
        let next = if work.session.wrong_tokens >= limits::AUTH_FAILURES_MAX {
            Next::Close
        } else {
            Next::Go
        };
        Ok((work, next))
    }

    async fn wait_aof(&self, work: &mut Work, args: Args<'_>) -> Outcome {
        let local = args.int(1).ok_or_else(Trouble::not_an_integer)?;
        let others = args.int(2).ok_or_else(Trouble::not_an_integer)?;
        let timeout =
            args.int(3).ok_or_else(|| Trouble::err("timeout is not an integer or out of range"))?;
        if !(0..=1).contains(&local) {
            return Err(Trouble::err("value is out of range, value must between 0 and 1"));
        }
        if others < 0 {
            return Err(Trouble::err("value is out of range, must be positive"));
        }
        if timeout < 0 {
            return Err(Trouble::err("timeout is negative"));
        }
        if local == 1 {
            self.sync().await?;
        }
        work.out.array(2);
        work.out.int(local);
        // There are no replicas, and there will be none.
        work.out.int(0);
        Ok(())
    }

    async fn sync(&self) -> Outcome {
        if self.resp.shared.config.read_only {
            return Ok(());
        }
        self.resp.shared.write(Batch::new(), Some(Durability::Synced)).await?;
        Ok(())
    }

    async fn save(&self, work: &mut Work) -> Outcome {
        self.sync().await?;
        work.out.ok();
        Ok(())
    }

    fn save_aside(&self, work: &mut Work) -> Outcome {
        self.resp.shared.submit(Batch::new(), Some(Durability::Synced), |result| {
            if let Err(failure) = result {
                tracing::error!(code = failure.code, "the sync that BGSAVE asked for failed");
            }
        });
        work.out.simple("Background saving started");
        Ok(())
    }

    fn compact(&self, work: &mut Work) -> Outcome {
        if !self.resp.compact() {
            let text = "Background append only file rewriting already in progress";
            return Err(Trouble::err(text));
        }
        work.out.simple("Background append only file rewriting started");
        Ok(())
    }
}

/// Takes a token; a name before it may be anything, for the token says who it is.
fn show_token(resp: &Resp, work: &mut Work, token: &[u8]) -> Outcome {
    let address = work.session.client.peer.ip();
    match resp.shared.auth.with_token(address, token) {
        Ok(access) => {
            work.session.set_access(Some(access));
            Ok(())
        }
        Err(failure) => {
            work.session.wrong_tokens += 1;
            resp.shared.metrics.auth_failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if failure.code == "SILT_RATE_LIMITED" {
                work.session.wrong_tokens = limits::AUTH_FAILURES_MAX;
                return Err(failure.into());
            }
            let text = "WRONGPASS invalid username-password pair or user is disabled.";
            Err(Trouble(text.to_owned()))
        }
    }
}

fn auth(resp: &Resp, work: &mut Work, args: Args<'_>) -> Outcome {
    if args.count() > 3 {
        return Err(Trouble::syntax());
    }
    if args.count() == 2 && !resp.shared.auth.is_on() {
        return Err(Trouble::err(
            "AUTH <password> called without any password configured for the default user. Are you \
             sure your configuration is correct?",
        ));
    }
    show_token(resp, work, args.get(args.count() - 1))?;
    work.out.ok();
    Ok(())
}

fn hello(resp: &Resp, work: &mut Work, args: Args<'_>) -> Outcome {
    let version = match args.count() {
        1 => None,
        _ => {
            let number = args.int(1);
            let wrong = "Protocol version is not an integer or out of range";
            let number = number.ok_or_else(|| Trouble::err(wrong))?;
            if !(2..=3).contains(&number) {
                return Err(Trouble(String::from("NOPROTO unsupported protocol version")));
            }
            Some(number)
        }
    };
    let (mut i, mut name) = (2, None);
    let mut token = None;
    while i < args.count() {
        let more = args.count() - i - 1;
        if args.is(i, "AUTH") && more >= 2 {
            token = Some(args.get(i + 2));
            i += 3;
        } else if args.is(i, "SETNAME") && more >= 1 {
            name = Some(args.get(i + 1));
            i += 2;
        } else {
            let option = String::from_utf8_lossy(args.get(i)).into_owned();
            return Err(Trouble::err(&format!("Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some(token) = token {
        show_token(resp, work, token)?;
    }
    if work.session.access().is_none() {
        return Err(Trouble(String::from(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        )));
    }
    if let Some(name) = name {
        let is_word = name.len() <= 256 && name.iter().all(|b| (b'!'..=b'~').contains(b));
        if !is_word {
            let text = "Client names cannot contain spaces, newlines or special characters.";
            return Err(Trouble::err(text));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        work.session.client.change_names(|names| names.name = name);
    }
    if let Some(version) = version {
        work.out.set_resp3(version == 3);
        work.session.client.change_names(|names| names.protocol = if version == 3 { 3 } else { 2 });
    }
    tell_hello(work);
    Ok(())
}

fn tell_hello(work: &mut Work) {
    let protocol = if work.out.is_resp3() { 3 } else { 2 };
    let id = i64::try_from(work.session.client.id).unwrap_or(i64::MAX);
    let out = &mut work.out;
    out.map(7);
    for (name, text) in [("server", "redis"), ("version", VERSION)] {
        out.bulk(name.as_bytes());
        out.bulk(text.as_bytes());
    }
    for (name, number) in [("proto", protocol), ("id", id)] {
        out.bulk(name.as_bytes());
        out.int(number);
    }
    for (name, text) in [("mode", "standalone"), ("role", "master")] {
        out.bulk(name.as_bytes());
        out.bulk(text.as_bytes());
    }
    out.bulk(b"modules");
    out.array(0);
}

fn reset(resp: &Resp, work: &mut Work) -> Outcome {
    let session = &mut work.session;
    session.multi = None;
    session.watched.clear();
    session.durability = None;
    session.set_access(resp.shared.auth.without_token().ok());
    session.client.change_names(|names| {
        names.name.clear();
        names.protocol = 2;
    });
    work.out.set_resp3(false);
    work.out.simple("RESET");
    Ok(())
}

fn multi(resp: &Resp, work: &mut Work) -> Outcome {
    if work.session.multi.is_some() {
        return Err(Trouble::err("MULTI calls can not be nested"));
    }
    let held = resp.shared.budget.nothing();
    work.session.multi = Some(Multi { queue: Vec::new(), is_aborted: false, held });
    work.out.ok();
    Ok(())
}

fn discard(work: &mut Work) -> Outcome {
    if work.session.multi.take().is_none() {
        return Err(Trouble::err("DISCARD without MULTI"));
    }
    work.session.watched.clear();
    work.out.ok();
    Ok(())
}

fn watch(work: &mut Work, args: Args<'_>) -> Outcome {
    if work.session.multi.is_some() {
        return Err(Trouble::err("WATCH inside MULTI is not allowed"));
    }
    for key in args.from(1) {
        work.session.watched.watch(work.txn.store(), key)?;
    }
    work.out.ok();
    Ok(())
}

fn durability(resp: &Resp, work: &mut Work, args: Args<'_>) -> Outcome {
    match args.count() {
        1 => {
            let level = work.session.durability.unwrap_or(resp.shared.config.options.durability);
            work.out.bulk(level.name().as_bytes());
            Ok(())
        }
        2 => {
            let text = String::from_utf8_lossy(args.get(1)).to_ascii_lowercase();
            let level = Durability::parse(&text);
            let wrong = || Trouble::err("a durability is buffered, flushed or synced");
            let level = level.ok_or_else(wrong)?;
            let is_default = level == resp.shared.config.options.durability;
            work.session.durability = (!is_default).then_some(level);
            work.out.ok();
            Ok(())
        }
        _ => Err(Trouble::syntax()),
    }
}
