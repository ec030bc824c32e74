//! Real kills: a child process writes, its parent kills it and judges what is left.
//!
//! What a child does follows from a seed, so that it only has to say how far it is: a line before
//! each step and one after it, through a pipe that outlives it. When it is killed is left to the
//! clock, so a seed does not replay a failure exactly, but it names the options and the steps.

mod child;
mod parent;
mod script;

pub use child::live_if_asked;
pub use parent::{Killed, Parent};
pub use script::{Act, Script, Series};

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Carries an [`Order`] to the child.
const ORDER: &str = "SILTDB_KILL_ORDER";

/// What a child is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Order {
    dir: PathBuf,
    seed: u64,
    life: u64,
    /// The clock at the start of this life: short expiries count from it.
    base_us: u64,
}

impl Order {
    fn encode(&self) -> String {
        let Self { dir, seed, life, base_us } = self;
        format!("{seed} {life} {base_us} {}", dir.display())
    }

    fn decode(text: &str) -> Self {
        let mut words = text.splitn(4, ' ');
        let mut number = || words.next().unwrap().parse().unwrap();
        let (seed, life, base_us) = (number(), number(), number());
        Self { dir: words.next().unwrap().into(), seed, life, base_us }
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}
