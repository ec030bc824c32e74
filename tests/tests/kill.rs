//! Kills: a process that writes is killed at any moment, again and again on one directory. What
//! was acknowledged is there, batches are whole, deleted keys stay away, and the past reads right.
//!
//! Each test starts itself again as the child. What a child may lose follows from how its writes
//! were acknowledged: nothing that was synced or flushed, for only the process died, and of what
//! was buffered a suffix of all commits.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use siltdb::Durability::{self, Buffered, Flushed, Synced};
use siltdb_tests::kill::{Killed, Parent, Series, live_if_asked};
use siltdb_tests::simulation::scaled;

/// Kills of one series.
const LIVES: u64 = 10;

/// Runs five series of children of the test of this name, times `SILT_SCALE`; gives what happened.
fn run(test: &'static str, first_seed: u64, levels: Levels) -> Killed {
    live_if_asked(|seed| Series::new(seed, levels));
    let mut all = Killed::default();
    let seeds = first_seed..first_seed + scaled(5);
    for seed in seeds.clone() {
        // Every second series in memory, where such a place is: other moments meet the kill.
        let memory = Path::new("/dev/shm");
        let place = if seed % 2 == 0 && memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let place = place.unwrap();
        let mut parent = Parent::new(test, Series::new(seed, levels), place.path());
        for _ in 0..LIVES {
            parent.life();
        }
        let killed = parent.killed;
        all.kills += killed.kills;
        all.steps += killed.steps;
        all.unacknowledged += killed.unacknowledged;
        all.lost += killed.lost;
        all.past_reads += killed.past_reads;
        all.gone += killed.gone;
    }
    println!("{test}: {all:?}");
    assert_eq!(all.kills, (seeds.end - seeds.start) * LIVES);
    // A series of children that did nothing would prove nothing.
    assert!(all.steps > 20 * all.kills && all.past_reads > all.kills, "{all:?}");
    all
}

type Levels = &'static [Option<Durability>];

#[test]
fn synced_writes_survive_a_kill() {
    let all = run("synced_writes_survive_a_kill", 0, &[None, Some(Synced)]);
    assert_eq!(all.lost, 0);
}

#[test]
fn flushed_writes_survive_a_kill() {
    let all = run("flushed_writes_survive_a_kill", 1_000, &[Some(Flushed)]);
    assert_eq!(all.lost, 0);
}

#[test]
fn flushed_and_synced_writes_survive_a_kill() {
    let levels: Levels = &[None, Some(Flushed), Some(Flushed)];
    let all = run("flushed_and_synced_writes_survive_a_kill", 2_000, levels);
    assert_eq!(all.lost, 0);
}

#[test]
fn a_kill_takes_only_the_last_of_the_buffered_writes() {
    let levels: Levels = &[Some(Buffered), Some(Buffered), Some(Buffered), Some(Flushed), None];
    let all = run("a_kill_takes_only_the_last_of_the_buffered_writes", 3_000, levels);
    // Had no child lost anything, it would not have shown that more was kept than was promised.
    assert!(all.lost > 0, "{all:?}");
}
