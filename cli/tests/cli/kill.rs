//! `silt` killed in the middle of its work, again and again on one store.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Child;
use std::thread;
use std::time::Duration;

use crate::silt::Silt;

const RECORDS: usize = 20_000;
/// Records that an import commits together.
const BATCH: usize = 1_000;

fn key(i: usize) -> String {
    format!("key-{i:020}")
}

fn value(i: usize, round: usize) -> String {
    format!("{round:04}-{i:095}")
}

/// The keys in the order of the file: not that of the keys.
fn order() -> impl Iterator<Item = usize> {
    // A multiplier without a common factor visits each number once.
    (0..RECORDS).map(|n| n * 7_919 % RECORDS)
}

fn table(round: usize) -> String {
    let mut text = String::new();
    for i in order() {
        writeln!(text, "{}\t{}", key(i), value(i, round)).unwrap();
    }
    text
}

/// Kills a child at its work; whether it still was.
fn kill(mut child: Child) -> bool {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    // One that had ended by itself must have ended well.
    assert!(status.code().is_none_or(|code| code == 0), "{status}");
    status.code().is_none()
}

fn sleep(us: u64) {
    thread::sleep(Duration::from_micros(us));
}

/// Waits until the files of the store have grown so much, or the child has ended.
fn wait_for_growth(silt: &Silt, child: &mut Child, grown: u64) {
    let size = || {
        let files = std::fs::read_dir(silt.db()).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>()
    };
    let enough = size() + grown;
    while size() < enough && child.try_wait().unwrap().is_none() {
        sleep(100);
    }
}

/// What the store must hold: of each record, in the order of the file, the round that wrote it.
struct Expected(Vec<Option<usize>>);

impl Expected {
    /// Compares the whole store: the first so many records may be of `round`, by whole batches,
    /// and must all be if `done`. Gives how many are.
    fn judge(&mut self, silt: &Silt, round: usize, done: bool) -> usize {
        if !silt.db().join("LOCK").exists() {
            assert!(!done && self.0.iter().all(Option::is_none));
            return 0;
        }
        let ended = silt.run(&["verify"]);
        if ended.code() != 0 {
            // It was killed before there was a store.
            ended.failed(3, "SILT_NO_STORE");
            assert!(!done && self.0.iter().all(Option::is_none));
            return 0;
        }
        let export = silt.ok(&["export", "--format", "tsv"]);
        let mut found: BTreeMap<&str, &str> =
            export.lines().map(|line| line.split_once('\t').unwrap()).collect();
        let rounds: Vec<Option<usize>> = order()
            .map(|i| {
                let found = found.remove(key(i).as_str())?;
                let round = found[..4].parse().unwrap();
                assert_eq!(found, value(i, round));
                Some(round)
            })
            .collect();
        assert!(found.is_empty(), "records that were never written");
        let stored = rounds.iter().take_while(|found| **found == Some(round)).count();
        assert!(!done || stored == RECORDS, "{stored} of an import that ended well");
        assert!(stored.is_multiple_of(BATCH), "{stored} records: half a batch");
        assert!(rounds[stored..] == self.0[stored..], "after the {stored} records of the import");
        self.0 = rounds;
        stored
    }
}

#[test]
fn import_and_compact_are_killed_and_go_on() {
    let silt = Silt::new();
    let mut expected = Expected(vec![None; RECORDS]);
    let mut random = 0x5eed_u64;
    let mut below = move |bound: u64| {
        // A linear congruential generator is enough to spread the moments.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (random >> 33) % bound
    };
    let (mut imports, mut compactions, mut partial) = (0, 0, 0);
    for round in 0..24 {
        let file = silt.file("in.tsv", table(round));
        let mut import = silt.command(&["import", &file]).spawn().unwrap();
        // By the clock, and by how far it is, whatever the speed of the machine.
        if round % 2 == 0 {
            sleep(below(60_000));
        } else {
            wait_for_growth(&silt, &mut import, below(2_500_000));
        }
        let killed = kill(import);
        let stored = expected.judge(&silt, round, !killed);
        imports += u32::from(killed);
        partial += u32::from(stored > 0 && stored < RECORDS);
        if stored == 0 && round == 0 {
            continue;
        }
        if round % 2 == 1 {
            let compact = silt.command(&["compact"]).spawn().unwrap();
            sleep(below(40_000));
            compactions += u32::from(kill(compact));
            expected.judge(&silt, round, false);
        }
        if round % 5 == 4 {
            // What was cut off is imported again, and then it is all there.
            silt.ok(&["import", &file]);
            expected.judge(&silt, round, true);
        }
    }
    println!("{imports} imports killed, {partial} half way; {compactions} compactions killed");
    assert!(imports > 6 && partial > 3);
    silt.ok(&["compact"]);
    expected.judge(&silt, 24, false);
}
