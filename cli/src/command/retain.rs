//! `silt retain`.

use clap::Args;
use siltdb::{Options, Retention};

use super::Context;
use crate::output::{Outcome, Run};
use crate::text::Encoding;
use crate::time;

/// Show or set which superseded versions compaction keeps
#[derive(Debug, Args)]
pub struct Retain {
    /// latest, a time (7d), a number of versions (10), or forever; left out, the rule is shown.
    #[arg(value_parser = parse_rule)]
    rule: Option<Retention>,
}

#[derive(serde::Serialize)]
struct Line {
    retain: String,
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
            out.value(&Line { retain })?;
        } else {
            out.line(&retain)?;
        }
        out.finish()?;
        Ok(Outcome::Done)
    }
}

fn parse_rule(text: &str) -> Result<Retention, String> {
    match text {
        "latest" => Ok(Retention::Latest),
        "forever" => Ok(Retention::Forever),
        _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => text
            .parse()
            .map(|count| Retention::Versions { count })
            .map_err(|_| String::from("too great a number of versions")),
        _ => time::parse_length(text).map(|us| Retention::Age { us }).map_err(|_| {
            String::from("write latest, a time (7d), a number of versions (10), or forever")
        }),
    }
}

/// A retention rule as `silt retain` reads it.
pub fn rule_text(retention: Retention) -> String {
    match retention {
        Retention::Latest => String::from("latest"),
        Retention::Age { us } => time::length_text(us),
        Retention::Versions { count } => count.to_string(),
        Retention::Forever => String::from("forever"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_and_print() {
        for text in ["latest", "forever", "10", "7d", "90s", "36h"] {
            assert_eq!(parse_rule(text).map(rule_text), Ok(text.to_owned()));
        }
        for text in ["", "-1", "sometimes", "99999999999", "1y"] {
            assert!(parse_rule(text).is_err(), "{text}");
        }
    }
}
