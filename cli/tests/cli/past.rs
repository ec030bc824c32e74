//! The oldest moment that a refused read of the past names, read by exactly what was printed.

use crate::silt::Silt;

/// Writes 40 versions under a rule, compacts, and reads everything that the store says it holds.
fn oldest_named(rule: &str) {
    let silt = Silt::new();
    silt.ok(&["retain", rule]);
    let mut seqs = Vec::new();
    for n in 0..40 {
        let commit = &silt.json(&["set", "key", &format!("value {n}")])[0];
        seqs.push(commit["seq"].as_u64().unwrap());
    }
    silt.ok(&["compact"]);
    let first = seqs[0].to_string();
    for command in [&["get", "key"][..], &["scan"], &["count"], &["export", "-"]] {
        let command = [command, &["--as-of"]].concat();
        let line = silt.fails(&[&command[..], &[&first]].concat(), 7, "SILT_HISTORY_GONE");
        let named = line.split("the oldest moment that can be read is ").nth(1).unwrap();
        let time = named.split(' ').next().unwrap();
        let seq = named.split("(seq ").nth(1).unwrap().split(')').next().unwrap();
        assert!(time.ends_with('Z') && seq.parse::<u64>().unwrap() > seqs[0], "{line}");
        for moment in [time, seq] {
            let ended = silt.run(&[&command[..], &[moment]].concat());
            assert_eq!(ended.code(), 0, "{rule}: {command:?} {moment}: {}", ended.stderr());
        }
        // Just before it, nothing can be read any more.
        let before = (seq.parse::<u64>().unwrap() - 1).to_string();
        silt.fails(&[&command[..], &[&before]].concat(), 7, "SILT_HISTORY_GONE");
    }
    let horizon = silt.json(&["stats"])[0]["horizon"].as_u64().unwrap();
    for (n, seq) in seqs.iter().enumerate().filter(|(_, seq)| **seq >= horizon) {
        let value = silt.ok(&["get", "key", "--as-of", &seq.to_string()]);
        assert_eq!(value, format!("value {n}"));
    }
}

#[test]
fn the_oldest_moment_named_reads() {
    for rule in ["latest", "1ms", "5"] {
        oldest_named(rule);
    }
}
