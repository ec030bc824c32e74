//! What one line does: commands of `silt`, and those of the shell itself.

use std::time::Instant;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use super::super::opened::Opened;
use super::super::{Command, Context, Kept, usage};
use super::words;
use crate::interrupt;
use crate::output::{self, Failure, Out, Outcome, Run, note};
use crate::text::Encoding;
use crate::time;

/// A line as the command line's parser sees it.
#[derive(Debug, Parser)]
#[command(name = "silt", no_binary_name = true, disable_help_subcommand = true)]
struct Line {
    /// Print JSON lines, errors too.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    spoken: Spoken,
}

#[derive(Debug, Subcommand)]
enum Spoken {
    #[command(flatten)]
    Command(Box<Command>),
    /// Read the past from here on, as in 'at 10m ago'; 'at now' leads back to the present
    At {
        /// The moment; left out, it is printed.
        #[arg(value_name = "T")]
        moment: Vec<String>,
    },
    /// Tell how long each command takes, or no longer
    Timing { state: Switch },
    /// List the commands, or explain one
    Help { command: Option<String> },
    /// Leave the shell; so does Ctrl-D
    #[command(alias = "quit")]
    Exit,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// How a line ended.
pub enum Ended {
    /// With this exit code.
    Code(u8),
    /// The shell is left.
    Leave,
}

/// A shell and the store that it keeps open.
pub struct Session {
    context: Context,
    kept: Kept,
    is_timed: bool,
}

impl Session {
    pub fn new(context: &Context, is_timed: bool) -> Self {
        Self { context: context.clone(), kept: Kept::default(), is_timed }
    }

    /// Opens the store, if there is one: the first write makes a missing one.
    pub fn open(&self) -> Run<bool> {
        match self.here(false).open_to_read() {
            Ok(_) => Ok(true),
            Err(failure) if failure.code() == "SILT_NO_STORE" => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The store as the commands see it now.
    pub fn store(&self) -> Run<Opened> {
        self.here(false).open_to_read()
    }

    /// How the store is called, for the prompt.
    pub fn name(&self) -> String {
        match &self.context.server {
            Some(url) => url.clone(),
            None => self.context.db.display().to_string(),
        }
    }

    /// The moment that is read, when it is not the newest.
    pub fn at(&self) -> Option<u64> {
        self.kept.at
    }

    /// Names of the commands, and what they do.
    pub fn commands() -> Vec<clap::Command> {
        let mut line = Line::command();
        line.build();
        let not_here = ["serve", "shell", "completions"];
        line.get_subcommands().filter(|c| !not_here.contains(&c.get_name())).cloned().collect()
    }

    /// Runs one line. `place` is where it stands in a script.
    pub fn run(&mut self, line: &str, place: Option<&str>) -> Ended {
        interrupt::clear();
        let mut words: Vec<String> =
            words::cut(line).words.into_iter().map(|word| word.text).collect();
        // A command pasted from elsewhere.
        if words.first().is_some_and(|word| word == "silt") {
            words.remove(0);
        }
        if words.is_empty() {
            return Ended::Code(0);
        }
        let started = Instant::now();
        let json = self.context.json || words.iter().any(|word| word == "--json");
        let ended = match Line::try_parse_from(&words) {
            Ok(Line { spoken: Spoken::Exit, .. }) => return Ended::Leave,
            Ok(line) => {
                let result = self.speak(line.spoken, json, place.is_none());
                output::tell(result.map_err(|failure| failure.in_script(place)), json)
            }
            Err(error) => usage::tell(&error, json, "help", place),
        };
        if self.is_timed {
            super::tell_time(started);
        }
        Ended::Code(ended)
    }

    fn speak(&mut self, spoken: Spoken, json: bool, at_terminal: bool) -> Run {
        match spoken {
            Spoken::Command(command) => match *command {
                Command::Shell(_) | Command::Completions(_) => Err(not_here()),
                #[cfg(feature = "server")]
                Command::Serve(_) => Err(not_here()),
                command => {
                    let is_lookup = matches!(command, Command::Get(_) | Command::History(_));
                    let outcome = command.run(&self.here(json))?;
                    if outcome == Outcome::Found && is_lookup && at_terminal {
                        note("absent");
                    }
                    Ok(outcome)
                }
            },
            Spoken::At { moment } => self.move_to(&moment.join(" ")),
            Spoken::Timing { state } => {
                self.is_timed = matches!(state, Switch::On);
                Ok(Outcome::Done)
            }
            Spoken::Help { command } => help(command.as_deref()),
            // Seen before this is called.
            Spoken::Exit => Ok(Outcome::Done),
        }
    }

    /// Reads the past from here on, or the present again.
    fn move_to(&mut self, moment: &str) -> Run {
        match moment {
            "" => {
                let at = self.kept.at.map_or_else(|| String::from("now"), time::rfc3339);
                let mut out = Out::new(Encoding::Plain);
                out.line(&at)?;
                out.finish()?;
            }
            "now" => self.kept.at = None,
            moment => {
                let at = time::parse_moment(moment).map_err(Failure::usage)?;
                // A moment that is not held any more is told at once, not by every command after.
                let before = self.kept.at.replace(at);
                if let Err(failure) = self.store().and_then(|store| store.contains(b"\0")) {
                    self.kept.at = before;
                    return Err(failure);
                }
            }
        }
        Ok(Outcome::Done)
    }

    /// What a command of this line is told.
    fn here(&self, json: bool) -> Context {
        let json = self.context.json || json;
        Context { json, kept: Some(self.kept.clone()), ..self.context.clone() }
    }

    /// Closes the store.
    pub fn close(self) -> Run<()> {
        let store = self.kept.store.borrow_mut().take();
        store.map_or(Ok(()), Opened::close)
    }
}

fn not_here() -> Failure {
    Failure::usage("this cannot be done in the shell; leave it first")
}

fn help(command: Option<&str>) -> Run {
    let mut commands = Session::commands();
    let mut out = Out::new(Encoding::Plain);
    if let Some(name) = command {
        let Some(command) = commands.iter_mut().find(|c| c.get_name() == name) else {
            let message = format!("no such command: {name}; 'help' lists them");
            return Err(Failure::usage(message));
        };
        out.bytes(command.render_long_help().to_string().as_bytes())?;
    } else {
        for command in &commands {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            out.line(&format!("  {:<10} {about}", command.get_name()))?;
        }
        out.line("")?;
        out.line("'help COMMAND' and 'COMMAND --help' say more. Quotes and \\ work as in other")?;
        out.line("shells; JSON needs none: set user/1 {\"name\": \"Ada\"}")?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}
