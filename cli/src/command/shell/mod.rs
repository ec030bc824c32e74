//! `silt shell`: a prompt for the commands of `silt`, on a store that stays open.

mod complete;
mod edit;
mod line;
mod words;

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Instant;

use clap::Args;

use self::line::{Ended, Session};
use super::Context;
use crate::interrupt;
use crate::output::{Failure, Outcome, Run, note};

/// Type commands at a prompt, or run a script of them from stdin
///
/// The commands are those of silt, without 'silt' and with the store opened once. At a terminal
/// there are history, completion of commands and keys by Tab, and 'help'. Otherwise stdin is a
/// script: one command a line, # begins a comment, the first failure ends it.
#[derive(Debug, Args)]
pub struct Shell {
    /// Go on with a script after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Tell after each command how long it took; at a terminal that is on already.
    #[arg(long)]
    timing: bool,
}

impl Shell {
    /// Reads commands until there are no more.
    pub fn run(self, context: &Context) -> Run {
        if context.in_shell() {
            return Err(Failure::usage("this is the shell already"));
        }
        let at_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let mut session = Session::new(context, self.timing || at_terminal);
        let is_there = session.open()?;
        if at_terminal {
            interrupt::catch().map_err(|e| Failure::io("Ctrl-C", &e))?;
            edit::greet(&session, is_there)?;
            edit::run(&mut session)?;
            session.close()?;
            return Ok(Outcome::Done);
        }
        let code = self.script(&mut session)?;
        session.close()?;
        match code {
            0 => Ok(Outcome::Done),
            1 => Ok(Outcome::Found),
            code => Ok(Outcome::Told(code)),
        }
    }

    /// Runs the script on stdin; the exit code of the last command, or of the first failure.
    fn script(&self, session: &mut Session) -> Run<u8> {
        let mut failed = None;
        let mut last = 0;
        let mut number = 0;
        while let Some(line) = next_line(&mut number)? {
            let place = format!("stdin: line {number}");
            match session.run(&line, Some(&place)) {
                Ended::Leave => break,
                Ended::Code(code) => last = code,
            }
            if last > 1 {
                failed = failed.or(Some(last));
                if !self.keep_going {
                    break;
                }
            }
        }
        Ok(failed.unwrap_or(last))
    }
}

/// The next command of the script, whose quotes and brackets may go over several lines.
fn next_line(number: &mut u64) -> Run<Option<String>> {
    let mut command = String::new();
    loop {
        let mut line = Vec::new();
        // The lock is not held while a command runs, which may read stdin itself.
        let read = std::io::stdin().lock().read_until(b'\n', &mut line);
        *number += 1;
        let place = || format!("stdin: line {number}");
        if read.map_err(|e| Failure::io(place(), &e))? == 0 {
            return match words::cut(&command).wants {
                _ if command.is_empty() => Ok(None),
                None => Ok(Some(command)),
                Some(wants) => {
                    let message = format!("the script ends where {wants} is wanted");
                    Err(Failure::usage(message).at(place()))
                }
            };
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| Failure::input("not UTF-8; use --hex or --base64").at(place()))?;
        command.push_str(text);
        if words::cut(&command).wants.is_none() {
            return Ok(Some(command));
        }
    }
}

/// Tells how long a command took.
fn tell_time(started: Instant) {
    let ms = started.elapsed().as_secs_f64() * 1e3;
    if ms < 1_000.0 {
        note(&format!("({ms:.1} ms)"));
    } else {
        note(&format!("({:.2} s)", ms / 1e3));
    }
}
