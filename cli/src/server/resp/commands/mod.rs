//! The commands. Each one reads and writes through the [`Txn`] and answers into the [`Reply`].

pub mod client;
pub mod config;
pub mod counters;
pub mod expiry;
pub mod info;
pub mod keys;
pub mod meta;
pub mod past;
pub mod scan;
pub mod server;
pub mod strings;

use super::parser::Args;
use super::reply::{Reply, Trouble};
use super::session::Session;
use super::state::Resp;
use super::table::Spec;
use super::txn::Txn;

/// A command that is run.
pub struct Call<'a> {
    /// Its words, its own name first.
    pub args: Args<'a>,
    /// What it is.
    pub spec: &'static Spec,
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
    /// A word as a whole number.
    ///
    /// # Errors
    /// Redis's words for what is none.
    pub fn int(&self, i: usize) -> Result<i64, Trouble> {
        self.args.int(i).ok_or_else(Trouble::not_an_integer)
    }

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
            .and_then(expiry::micros)
            .ok_or_else(|| self.invalid_expiry())
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
