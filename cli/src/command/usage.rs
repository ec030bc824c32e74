//! Mistakes on the command line, as one line each.

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::output::{self, Failure};

/// Prints help and the version as they are, and a mistake as one line.
pub fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let written = write!(std::io::stdout(), "{}", error.render());
            match written.map_err(|e| Failure::io("stdout", &e)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => output::finish(Err(failure), false),
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Help that nobody asked for goes to stderr, and there is none to tell if it is gone.
            let _ = write!(std::io::stderr(), "{}", error.render());
            ExitCode::from(output::EXIT_USAGE)
        }
        _ => {
            let json = std::env::args_os().take_while(|a| a != "--").any(|a| a == "--json");
            output::finish(Err(Failure::usage(message(&error.render().to_string()))), json)
        }
    }
}

/// The reason and the tips of a rendered error, without the usage that follows them.
fn message(rendered: &str) -> String {
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
        .unwrap_or("silt")
        .split_whitespace()
        .take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
        .collect();
    let command = if command.is_empty() { String::from("silt") } else { command.join(" ") };
    format!("{}; see '{command} --help'", parts.concat())
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
            message(rendered),
            "unexpected argument '--foo' found; to pass '--foo' as a value, use '-- --foo'; \
             see 'silt scan --help'"
        );
        let rendered = "error: the following required arguments were not provided:\n  <KEY>\n\n\
                        Usage: silt get <KEY>\n";
        assert_eq!(
            message(rendered),
            "the following required arguments were not provided: <KEY>; see 'silt get --help'"
        );
    }
}
