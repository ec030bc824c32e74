//! `silt compact`.

use clap::Args;
use siltdb::Options;
use siltdb::client::CompactionPlan;

use super::Context;
use super::progress::Bar;
use crate::numbers::{bytes_text, counted};
use crate::output::{Out, Outcome, Run};
use crate::text::Encoding;

/// Rewrite segments without what is superseded, deleted or expired
#[derive(Debug, Args)]
pub struct Compact {
    /// Print what would be done, and change nothing.
    #[arg(long)]
    plan: bool,
}

#[derive(serde::Serialize)]
struct PlanLine<'a> {
    inputs: &'a [u64],
    input_bytes: u64,
    dead_bytes: u64,
    expired_bytes: u64,
    reason: &'a str,
}

#[derive(serde::Serialize)]
struct ReportLine {
    runs: u64,
    input_bytes: u64,
    output_bytes: u64,
    dropped_records: u64,
}

impl Compact {
    /// Compacts all that is worth it, or tells the plan.
    pub fn run(self, context: &Context) -> Run {
        if self.plan {
            return show_plan(context);
        }
        let mut options = Options { create: false, ..Options::default() };
        // All of it is done here, where it can be watched.
        options.compaction.auto = false;
        let store = context.open(options)?;
        let bar = Bar::bytes("compacting", None);
        let report = store.compact(&mut |progress| bar.show(&progress))?;
        drop(bar);
        store.close()?;
        let mut out = context.out(Encoding::Plain);
        if context.json {
            out.value(&ReportLine {
                runs: report.runs,
                input_bytes: report.input_bytes,
                output_bytes: report.output_bytes,
                dropped_records: report.dropped_records,
            })?;
        } else if report.runs == 0 {
            out.line("nothing to compact")?;
        } else {
            out.line(&format!(
                "compacted {} into {} in {}; {} dropped",
                bytes_text(report.input_bytes),
                bytes_text(report.output_bytes),
                counted(report.runs, "run"),
                counted(report.dropped_records, "record")
            ))?;
        }
        out.finish()?;
        Ok(Outcome::Done)
    }
}

fn show_plan(context: &Context) -> Run {
    let store = context.open_to_read()?;
    let plans = store.compaction_plan()?;
    let mut out = context.out(Encoding::Plain);
    if context.json {
        for plan in &plans {
            out.value(&PlanLine {
                inputs: &plan.inputs,
                input_bytes: plan.input_bytes,
                dead_bytes: plan.dead_bytes,
                expired_bytes: plan.expired_bytes,
                reason: &plan.reason,
            })?;
        }
    } else if plans.is_empty() {
        out.line("nothing to compact")?;
    } else {
        plan_table(&plans, &mut out)?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}

fn plan_table(plans: &[CompactionPlan], out: &mut Out) -> Run<()> {
    out.line(&format!(
        "{:>4}  {:>12}  {:>12}  {:>12}  {:<24}  segments",
        "run", "input", "dead", "expired", "reason"
    ))?;
    for (i, plan) in plans.iter().enumerate() {
        let inputs: Vec<String> = plan.inputs.iter().map(u64::to_string).collect();
        out.line(&format!(
            "{:>4}  {:>12}  {:>12}  {:>12}  {:<24}  {}",
            i + 1,
            bytes_text(plan.input_bytes),
            bytes_text(plan.dead_bytes),
            bytes_text(plan.expired_bytes),
            plan.reason,
            inputs.join(" ")
        ))?;
    }
    Ok(())
}
