//! `silt verify`.

use clap::Args;

use super::Context;
use super::progress::Bar;
use crate::numbers::{bytes_text, counted};
use crate::output::{Outcome, Run, file_path};
use crate::text::Encoding;

/// Check every byte of the store; exit code 1 if something is wrong
#[derive(Debug, Args)]
pub struct Verify {}

#[derive(serde::Serialize)]
struct ProblemLine {
    file: String,
    offset: u64,
    problem: String,
}

#[derive(serde::Serialize)]
struct ReportLine {
    files: u64,
    bytes: u64,
    records: u64,
    problems: u64,
}

impl Verify {
    /// Reads all files; changes nothing.
    pub fn run(self, context: &Context) -> Run {
        context.local_only()?;
        let bar = Bar::bytes("verifying", None);
        let report = siltdb::check(&context.db, &mut |progress| bar.show(&progress))
            .map_err(|e| context.failed(&e))?;
        drop(bar);
        let mut out = context.out(Encoding::Plain);
        for problem in &report.problems {
            let file = file_path(&context.db, problem.file).display().to_string();
            if context.json {
                let (offset, problem) = (problem.offset, problem.what.clone());
                out.value(&ProblemLine { file, offset, problem })?;
            } else {
                out.line(&format!("{file}: byte {}: expected {}", problem.offset, problem.what))?;
            }
        }
        let problems = report.problems.len() as u64;
        if context.json {
            let (files, bytes, records) = (report.files, report.bytes, report.records);
            out.value(&ReportLine { files, bytes, records, problems })?;
        } else {
            out.line(&format!(
                "{}, {}, {}: {}",
                counted(report.files, "file"),
                bytes_text(report.bytes),
                counted(report.records, "record"),
                match problems {
                    0 => String::from("all is well"),
                    _ => counted(problems, "problem"),
                }
            ))?;
        }
        out.finish()?;
        Ok(if problems == 0 { Outcome::Done } else { Outcome::Found })
    }
}
