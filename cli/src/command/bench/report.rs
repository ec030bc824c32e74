//! What the benchmark prints: what was measured, on what, and the figures.

use serde_json::json;
use siltdb::Durability;

use super::data::KEY_LEN;
use super::machine::Machine;
use super::phases::{Bench, Row, VERSIONS, What};
use super::work::{RANGE_RECORDS, batch_records};
use crate::numbers::count_text;
use crate::output::{Out, Run};

/// Whether the compiler left its checks in, which makes every figure worse.
const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Prints lines for programs: the run, a line a row, and the memory.
pub fn json(out: &mut Out, bench: &Bench<'_>, machine: &Machine) -> Run<()> {
    let data = &bench.data;
    out.value(&json!({
        "what": "run",
        "version": env!("CARGO_PKG_VERSION"),
        "build": BUILD,
        "keys": data.keys,
        "key_bytes": KEY_LEN,
        "value_bytes": data.value_bytes,
        "seed": data.seed,
        "seconds": bench.time.as_secs_f64(),
        "threads": bench.threads,
        "machine": machine,
    }))?;
    for row in &bench.rows {
        let m = &row.measured;
        out.value(&json!({
            "what": row.what.name(),
            "threads": row.threads,
            "durability": row.durability.map(Durability::name),
            "ops": m.ops,
            "records": m.records,
            "elapsed_seconds": m.elapsed.as_secs_f64(),
            "records_per_second": m.rate,
            "p50_ns": m.latency.value_at_quantile(0.5),
            "p95_ns": m.latency.value_at_quantile(0.95),
            "p99_ns": m.latency.value_at_quantile(0.99),
            "max_ns": m.latency.max(),
        }))?;
    }
    if let Some(memory) = bench.memory {
        out.value(&json!({
            "what": "memory",
            "keys": memory.keys,
            "index_bytes": memory.index_bytes,
            "index_bytes_per_key": ratio(memory.index_bytes, memory.keys),
        }))?;
    }
    Ok(())
}

/// Prints a table for people.
pub fn table(out: &mut Out, bench: &Bench<'_>, machine: &Machine) -> Run<()> {
    head(out, bench, machine)?;
    out.line(&format!(
        "{:<7} {:>7}  {:<10} {:>14} {:>10} {:>10} {:>10} {:>10}",
        "what", "threads", "durability", "records/s", "p50", "p95", "p99", "max"
    ))?;
    for row in &bench.rows {
        let latency = &row.measured.latency;
        let at = |quantile| time_text(latency.value_at_quantile(quantile));
        out.line(&format!(
            "{:<7} {:>7}  {:<10} {:>14} {:>10} {:>10} {:>10} {:>10}",
            row.what.name(),
            row.threads,
            row.durability.map_or("", Durability::name),
            rate_text(row.measured.rate),
            at(0.5),
            at(0.95),
            at(0.99),
            time_text(latency.max())
        ))?;
    }
    if let Some(memory) = bench.memory {
        out.line(&format!(
            "memory: {:.1} bytes of index for each of {} keys",
            ratio(memory.index_bytes, memory.keys),
            count_text(memory.keys)
        ))?;
    }
    notes(out, bench)
}

fn head(out: &mut Out, bench: &Bench<'_>, machine: &Machine) -> Run<()> {
    let data = &bench.data;
    out.line(&format!(
        "silt {} ({BUILD} build): {} keys of {KEY_LEN} B with random values of {} B, seed {}, \
         {} s a phase",
        env!("CARGO_PKG_VERSION"),
        count_text(data.keys),
        count_text(data.value_bytes as u64),
        data.seed,
        bench.time.as_secs_f64()
    ))?;
    let mut parts = vec![format!("{} cores", machine.cores)];
    parts.extend(machine.cpu.clone());
    parts.push(machine.system.clone());
    parts.extend(machine.kernel.clone());
    out.line(&format!("machine: {}", parts.join(", ")))?;
    let on = machine.filesystem.as_ref().map_or(String::new(), |on| format!(" ({on})"));
    out.line(&format!("files: {}{on}", machine.dir))?;
    out.line("")
}

/// What the words in the table mean, for those that stand in it.
fn notes(out: &mut Out, bench: &Bench<'_>) -> Run<()> {
    let has = |what| bench.rows.iter().any(|row: &Row| row.what == what);
    out.line("")?;
    out.line("Times are those of one operation, its call to its return; records/s counts the")?;
    out.line("time inside operations, all threads together. Every value read is checked.")?;
    if has(What::Load) {
        let records = count_text(batch_records(&bench.data));
        out.line(&format!("load: batches of {records}, the last one synced with all before it"))?;
    }
    if has(What::Put) {
        out.line("put: new keys, one by one. synced: survives power loss; flushed: survives the")?;
        out.line("  death of the process; buffered: in memory when the call returns")?;
    }
    if has(What::Scan) {
        out.line(
            "scan: all records in key order, right after the load; an operation is the whole",
        )?;
    }
    if has(What::Range) {
        out.line(&format!("range: {RANGE_RECORDS} records in key order from a random key on"))?;
    }
    if has(What::AsOf) {
        out.line(&format!("as-of: any of {VERSIONS} versions of random keys, by its moment"))?;
    }
    if has(What::Reopen) {
        out.line("reopen: a store that was closed, from the open to the first value")?;
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / (b.max(1)) as f64
}

fn rate_text(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}") } else { count_text(rate.round() as u64) }
}

/// A time in nanoseconds for people: `850 ns`, `12.3 us`, `4.56 ms`.
fn time_text(ns: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let (amount, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = if amount < 10.0 { 2 } else { usize::from(amount < 100.0) };
    format!("{amount:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_for_people() {
        for (ns, text) in [
            (7, "7 ns"),
            (1_234, "1.23 us"),
            (12_340, "12.3 us"),
            (123_400, "123 us"),
            (4_560_000, "4.56 ms"),
            (61_000_000_000, "61.0 s"),
        ] {
            assert_eq!(time_text(ns), text);
        }
        assert_eq!(rate_text(12.34), "12.3");
        assert_eq!(rate_text(1_234_567.8), "1,234,568");
    }
}
