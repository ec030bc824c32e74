//! The prompt: line editing, history, completion, colours.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Command;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Editor, Helper};

use super::complete::complete;
use super::line::{Ended, Session};
use super::words;
use crate::numbers::counted;
use crate::output::{self, Failure, Run, note};
use crate::time;

/// Lines of history kept from one shell to the next.
const HISTORY_LINES: usize = 10_000;

const COMMAND: &str = "\x1b[1;36m";
const MISTAKE: &str = "\x1b[31m";
const FLAG: &str = "\x1b[33m";
const TEXT: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const PAST: &str = "\x1b[1;35m";
const PLAIN: &str = "\x1b[0m";

/// Says what this is and how it is left.
pub fn greet(session: &Session, is_there: bool) -> Run<()> {
    let state = if is_there {
        format!("about {}", counted(session.store()?.len()?, "key"))
    } else {
        String::from("no store yet; the first 'set' makes it")
    };
    note(&format!("SiltDB {}, {}: {state}", env!("CARGO_PKG_VERSION"), session.name()));
    note("'help' lists the commands, Tab completes, 'at 10m ago' shows the past, Ctrl-D leaves.");
    Ok(())
}

/// Reads and runs lines until the end of input.
pub fn run(session: &mut Session) -> Run<()> {
    let failed = |e: ReadlineError| match e {
        ReadlineError::Io(e) => Failure::io("terminal", &e),
        other => Failure::io("terminal", &std::io::Error::other(other.to_string())),
    };
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(HISTORY_LINES)
        .map_err(failed)?
        .history_ignore_space(true)
        .build();
    let mut editor: Editor<Prompt<'_>, FileHistory> =
        Editor::with_config(config).map_err(failed)?;
    let mut history = history_file();
    if let Some(file) = &history {
        // The first shell has none.
        let _ = editor.load_history(file);
    }
    let shared = Rc::new(RefCell::new(session));
    let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    editor.set_helper(Some(Prompt {
        session: Rc::clone(&shared),
        commands: Session::commands(),
        hinter: HistoryHinter::new(),
        is_coloured,
    }));
    loop {
        let prompt = prompt(&shared.borrow());
        match editor.readline(&prompt) {
            Ok(line) => {
                // History is a comfort: what cannot be kept is not worth a failure.
                let _ = editor.add_history_entry(line.trim_end());
                // At once: who closes the terminal ends the shell without a word.
                if let Some(file) = &history
                    && let Err(e) = save_history(&mut editor, file)
                {
                    note(&format!("silt: history is not kept: {}: {e}", file.display()));
                    history = None;
                }
                if matches!(shared.borrow_mut().run(&line, None), Ended::Leave) {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            // A mistake of whoever types or pastes, as any other: the shell goes on.
            Err(ReadlineError::Io(e)) if e.kind() == ErrorKind::InvalidData => {
                let reason = "not UTF-8, so the line is dropped; use --hex or --base64";
                output::tell(Err(Failure::input(reason).at("terminal")), false);
            }
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(())
}

fn save_history(
    editor: &mut Editor<Prompt<'_>, FileHistory>,
    file: &PathBuf,
) -> Result<(), ReadlineError> {
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir)?;
    }
    editor.append_history(file)
}

fn prompt(session: &Session) -> String {
    let name = session.name();
    match session.at() {
        None => format!("{name}> "),
        Some(at) => format!("{name} @ {}> ", time::rfc3339(at)),
    }
}

/// Where lines are kept: `SILT_HISTORY`, or a file of the user's state. None if it is empty.
fn history_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(file) = std::env::var_os("SILT_HISTORY") {
        return (!file.is_empty()).then(|| file.into());
    }
    let state = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/state")))
        .or_else(|| set("LOCALAPPDATA").map(PathBuf::from))?;
    Some(state.join("silt").join("history"))
}

/// What the line editor asks.
struct Prompt<'a> {
    session: Rc<RefCell<&'a mut Session>>,
    commands: Vec<Command>,
    hinter: HistoryHinter,
    is_coloured: bool,
}

impl Helper for Prompt<'_> {}

impl Completer for Prompt<'_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let offer = complete(&self.session.borrow(), &self.commands, &line[..pos]);
        let mut candidates = offer.candidates;
        // A word that is complete is followed by the next one.
        if let [only] = candidates.as_mut_slice() {
            only.push(' ');
        }
        Ok((offer.start, candidates))
    }
}

impl Hinter for Prompt<'_> {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, context: &rustyline::Context<'_>) -> Option<String> {
        self.hinter.hint(line, pos, context)
    }
}

impl Validator for Prompt<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match words::cut(context.input()).wants {
            Some(_) => ValidationResult::Incomplete,
            None => ValidationResult::Valid(None),
        })
    }
}

impl Highlighter for Prompt<'_> {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.is_coloured {
            return Cow::Borrowed(line);
        }
        let is_command = |name: &str| self.commands.iter().any(|c| c.get_name() == name);
        Cow::Owned(coloured(line, is_command))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if !self.is_coloured {
            return Cow::Borrowed(prompt);
        }
        let colour = if self.session.borrow().at().is_some() { PAST } else { DIM };
        Cow::Owned(format!("{colour}{prompt}{PLAIN}"))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.is_coloured { Cow::Owned(format!("{DIM}{hint}{PLAIN}")) } else { hint.into() }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.is_coloured
    }
}

/// The line with its colours, which take no room.
fn coloured(line: &str, is_command: impl Fn(&str) -> bool) -> String {
    let found = words::cut(line);
    let mut text = String::with_capacity(line.len() + 32);
    let mut done = 0;
    for (i, word) in found.words.iter().enumerate() {
        let raw = &line[word.start..word.end];
        let colour = match raw.chars().next() {
            _ if i == 0 && is_command(&word.text) => COMMAND,
            // Still being typed, or no command at all.
            _ if i == 0 && word.end < line.len() => MISTAKE,
            Some('-') => FLAG,
            Some('\'' | '"' | '{' | '[') => TEXT,
            _ => "",
        };
        text.push_str(&line[done..word.start]);
        text.push_str(colour);
        text.push_str(raw);
        if !colour.is_empty() {
            text.push_str(PLAIN);
        }
        done = word.end;
    }
    if found.comment.is_some() {
        text.push_str(DIM);
    }
    text.push_str(&line[done..]);
    if found.comment.is_some() {
        text.push_str(PLAIN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_room() {
        let is_command = |name: &str| name == "set";
        for line in ["set a {\"x\": 1} --ttl '1 m' # why", "sett a", "  set", "a 'b", ""] {
            let mut text = coloured(line, is_command);
            for colour in [COMMAND, MISTAKE, FLAG, TEXT, DIM, PLAIN] {
                text = text.replace(colour, "");
            }
            assert_eq!(text, line);
        }
        assert!(coloured("set a", is_command).starts_with(COMMAND));
        assert!(coloured("sett a", is_command).starts_with(MISTAKE));
        assert!(!coloured("se", is_command).contains('\x1b'));
    }
}
