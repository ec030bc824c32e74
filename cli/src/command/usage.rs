//! Mistakes on the command line, as one line each.

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::output::{self, Failure, Outcome};

/// Tells of a command line that is not run: help, the version, or a mistake.
pub fn report(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().take_while(|a| a != "--").any(|a| a == "--json");
    ExitCode::from(tell(error, json, "silt --help", None))
}

/// Prints help and the version as they are, and a mistake as one line. `help` is what lists the
/// commands, and `line` where the command stands in a script.
pub fn tell(error: &clap::Error, json: bool, help: &str, line: Option<&str>) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let written = write!(std::io::stdout(), "{}", error.render());
            let written = written.map_err(|e| Failure::io("stdout", &e));
            output::tell(written.map(|()| Outcome::Done), false)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Help that nobody asked for goes to stderr, and there is none to tell if it is gone.
            let _ = write!(std::io::stderr(), "{}", error.render());
            output::EXIT_USAGE
        }
        _ => {
            let failure = Failure::usage(message(&error.render().to_string(), help));
            output::tell(Err(failure.in_script(line)), json)
        }
    }
}

/// The reason and the tips of a rendered error, without the usage that follows them. It names the
/// help of the command, or `help` where no command is known.
fn message(rendered: &str, help: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut usage = None;
    for line in rendered.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(form) = line.strip_prefix("Usage:") {
            usage = Some(form.trim().to_owned());
        } else if usage.is_some() || line.starts_with("For more information") {
            break;
        } else if let Some(reason) = line.strip_prefix("error: ") {
            parts.push(reason.to_owned());
        } else if let Some(tip) = line.strip_prefix("tip: ") {
            parts.push(format!("; {tip}"));
        } else {
            parts.push(format!(" {line}"));
        }
    }
    // "silt scan [OPTIONS]" gives "silt scan".
    let command: Vec<&str> = usage
        .as_deref()
        .unwrap_or_default()
        .split_whitespace()
        .take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
        .collect();
    let reason = parts.concat();
    if matches!(command[..], [] | ["silt"]) {
        return format!("{reason}; see '{help}'");
    }
    format!("{reason}; see '{} --help'", command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_one_line() {
        let rendered = "error: unexpected argument '--foo' found\n\n  tip: to pass '--foo' as a \
                        value, use '-- --foo'\n\nUsage: silt scan [OPTIONS]\n\nFor more \
                        information, try '--help'.\n";
        assert_eq!(
            message(rendered, "help"),
            "unexpected argument '--foo' found; to pass '--foo' as a value, use '-- --foo'; \
             see 'silt scan --help'"
        );
        let rendered = "error: the following required arguments were not provided:\n  <KEY>\n\n\
                        Usage: silt get <KEY>\n";
        assert_eq!(
            message(rendered, "help"),
            "the following required arguments were not provided: <KEY>; see 'silt get --help'"
        );
        let rendered = "error: unrecognized subcommand 'x'\n\nUsage: silt [OPTIONS] <COMMAND>\n";
        assert_eq!(message(rendered, "help"), "unrecognized subcommand 'x'; see 'help'");
    }
}
