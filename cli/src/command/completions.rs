//! `silt completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::output::{Out, Outcome, Run};
use crate::text::Encoding;

/// Print the completion script of a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn run(self) -> Run {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "silt", &mut script);
        let mut out = Out::new(Encoding::Plain);
        out.bytes(&script)?;
        out.finish()?;
        Ok(Outcome::Done)
    }
}
