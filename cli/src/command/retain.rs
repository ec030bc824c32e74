//! `silt retain`.

use clap::Args;
use siltdb::json::{RetainForm, parse_rule, rule_text};
use siltdb::{Options, Retention};

use super::Context;
use crate::output::{Outcome, Run};
use crate::text::Encoding;

/// Show or set which superseded versions compaction keeps
#[derive(Debug, Args)]
pub struct Retain {
    /// latest, a time (7d), a number of versions (10), or forever; left out, the rule is shown.
    #[arg(value_parser = parse_rule)]
    rule: Option<Retention>,
}

impl Retain {
    /// Prints the rule, or sets it; a store that is missing is created with it.
    pub fn run(self, context: &Context) -> Run {
        let retention = if let Some(rule) = self.rule {
            rule.validate().map_err(|e| context.failed(&e))?;
            let options = Options { retention: rule, ..Options::default() };
            let store = context.open(options)?;
            store.set_retention(rule)?;
            store.close()?;
            if !context.json {
                return Ok(Outcome::Done);
            }
            rule
        } else {
            context.open_to_read()?.retention()?
        };
        let mut out = context.out(Encoding::Plain);
        let retain = rule_text(retention);
        if context.json {
            out.value(&RetainForm { retain })?;
        } else {
            out.line(&retain)?;
        }
        out.finish()?;
        Ok(Outcome::Done)
    }
}
