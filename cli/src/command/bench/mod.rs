//! `silt bench`.

mod data;
mod machine;
mod measure;
mod phases;
mod place;
mod report;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use siltdb_core::limits::VALUE_LEN_MAX;

use self::data::Data;
use self::machine::Machine;
use self::phases::{Bench as Phases, What, phases};
use self::place::Place;
use super::Context;
use super::progress::Bar;
use crate::interrupt;
use crate::output::{Failure, Outcome, Run, check_interrupt};
use crate::text::Encoding;

/// Measure the store on this machine and disk
///
/// Works in a fresh directory beside the store of --db, or in --dir, and removes it at the end: no
/// existing store is touched. Without options a run takes about half a minute and 500 MB of disk.
/// Ctrl-C ends it after the phase that runs; one that is killed leaves its directory, silt-bench-*.
#[derive(Debug, Args)]
pub struct Bench {
    /// Keys in the store that is loaded and read.
    #[arg(long, value_name = "N", default_value_t = 200_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    keys: u64,
    /// Length of every value.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(..=VALUE_LEN_MAX as i64))]
    value_bytes: u32,
    /// Numbers of threads for put, get and miss.
    #[arg(long, value_name = "N,N", default_value = "1,8", value_delimiter = ',',
          value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Vec<u16>,
    /// How long each phase takes; a load takes as long as it needs.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = parse_seconds)]
    seconds: f64,
    /// Measure only these.
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// What keys, values and order of access are derived from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Work in a fresh directory below this one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err(String::from("write a number of seconds, more than 0 and at most 86400")),
    }
}

impl Bench {
    /// Measures, then prints: a run that fails prints no figures.
    pub fn run(self, context: &Context) -> Run {
        context.without_server()?;
        // So that the directory is removed then, too.
        if !interrupt::is_caught() {
            interrupt::catch().map_err(|e| Failure::io("Ctrl-C", &e))?;
        }
        let place = Place::create(self.parent(&context.db)?)?;
        let machine = Machine::here(place.path());
        let threads: Vec<usize> = self.threads.iter().copied().map(usize::from).collect();
        let only =
            if self.only.is_empty() { What::value_variants().to_vec() } else { self.only.clone() };
        let bar = Bar::steps(phases(&only, threads.len()));
        let mut bench = Phases {
            place: &place,
            data: Data { seed: self.seed, keys: self.keys, value_bytes: self.value_bytes as usize },
            time: Duration::from_secs_f64(self.seconds),
            threads,
            only,
            begin: &|phase| {
                bar.step(phase);
                check_interrupt()
            },
            rows: Vec::new(),
            memory: None,
        };
        let ran = bench.run();
        bar.clear();
        ran?;
        let mut out = context.out(Encoding::Plain);
        if context.json {
            report::json(&mut out, &bench, &machine)?;
        } else {
            report::table(&mut out, &bench, &machine)?;
        }
        out.finish()?;
        Ok(Outcome::Done)
    }

    /// The directory that the benchmark's own is made in.
    fn parent<'a>(&'a self, db: &'a Path) -> Run<&'a Path> {
        let parent = match &self.dir {
            Some(dir) => dir,
            None => match db.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            },
        };
        if parent.is_dir() {
            return Ok(parent);
        }
        let message = "no such directory; use --dir to say where to measure";
        Err(Failure::new(crate::output::EXIT_IO, "SILT_NOT_FOUND", message)
            .at(parent.display().to_string()))
    }
}
