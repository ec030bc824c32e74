use super::*;
use crate::compaction::Fate;
use crate::options::Retention;
use alloc::collections::BTreeMap;
use alloc::vec;

const RECORD: u64 = 100;
/// Records of one log segment.
const SEGMENT: usize = 256;

struct Segment {
    number: u64,
    sorted: bool,
    /// Key and sequence number.
    versions: Vec<(u32, u64)>,
    dead: u64,
    max_seq: u64,
}

/// A store of segments without files: versions are numbers, all frames of one size.
struct Model {
    retention: Retention,
    options: CompactionOptions,
    planner: Planner,
    sealed: Vec<Segment>,
    active: Vec<(u32, u64)>,
    /// Every version ever written of a key, oldest first.
    history: BTreeMap<u32, Vec<u64>>,
    /// The sealed segment of the newest version of a key.
    newest: BTreeMap<u32, u64>,
    seq: u64,
    number: u64,
    written: u64,
    copied: u64,
    /// Compactions that dropped nothing and merged nothing.
    useless: u64,
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Model {
    fn new(retention: Retention) -> Self {
        let options = CompactionOptions {
            dead_bytes_min: 20 * RECORD,
            tier_bytes_min: 64 * RECORD,
            ..CompactionOptions::default()
        };
        Self {
            retention,
            options,
            planner: Planner::new(),
            sealed: Vec::new(),
            active: Vec::new(),
            history: BTreeMap::new(),
            newest: BTreeMap::new(),
            seq: 0,
            number: 0,
            written: 0,
            copied: 0,
            useless: 0,
        }
    }

    fn superseder(&self, key: u32, seq: u64) -> Option<u64> {
        let versions = &self.history[&key];
        versions.get(versions.partition_point(|s| *s <= seq)).copied()
    }

    fn stats(&self) -> Vec<SegmentStats> {
        let of = |segment: &Segment| {
            let bytes = segment.versions.len() as u64 * RECORD;
            SegmentStats {
                number: segment.number,
                state: if segment.sorted { "sorted" } else { "arrival" },
                file_bytes: bytes,
                data_bytes: bytes,
                dead_bytes: segment.dead * RECORD,
                records: segment.versions.len() as u64,
                max_seq: segment.max_seq,
                ..SegmentStats::default()
            }
        };
        self.sealed.iter().map(of).collect()
    }

    fn add(&mut self, at: usize, sorted: bool, versions: Vec<(u32, u64)>) {
        self.number += 1;
        let number = self.number;
        let dead = versions.iter().filter(|v| self.superseder(v.0, v.1).is_some()).count() as u64;
        let max_seq = versions.iter().map(|v| v.1).max().unwrap_or(0);
        for (key, seq) in &versions {
            if self.superseder(*key, *seq).is_none() {
                self.newest.insert(*key, number);
            }
        }
        self.sealed.insert(at, Segment { number, sorted, versions, dead, max_seq });
    }

    fn write(&mut self, key: u32) {
        self.seq += 1;
        self.active.push((key, self.seq));
        self.history.entry(key).or_default().push(self.seq);
        if let Some(number) = self.newest.remove(&key) {
            let before = self.sealed.iter_mut().find(|s| s.number == number).unwrap();
            before.dead += 1;
        }
        self.written += 1;
        if self.active.len() == SEGMENT {
            let versions = core::mem::take(&mut self.active);
            self.add(self.sealed.len(), false, versions);
            let rules = Rules::new(self.retention, self.seq);
            self.planner.sealed(&self.stats(), &rules);
        }
        if self.active.len().is_multiple_of(SEGMENT / 4) {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let rules = Rules::new(self.retention, self.seq);
        for round in 0.. {
            assert!(round < 100, "compaction does not come to rest");
            let stats = self.stats();
            let Some(plan) = self.planner.next(&stats, &rules, &self.options) else { return };
            self.run(&plan, &rules);
        }
    }

    fn run(&mut self, plan: &CompactionPlan, rules: &Rules) {
        let at = self.sealed.iter().position(|s| s.number == plan.inputs[0]).unwrap();
        let end = at + plan.inputs.len();
        assert!(self.sealed[at..end].iter().map(|s| s.number).eq(plan.inputs.iter().copied()));
        let sealed_seq = self.sealed.last().unwrap().max_seq;
        let before: Vec<_> =
            self.sealed.drain(at..end).flat_map(|segment| segment.versions).collect();
        let mut after = before.clone();
        after.retain(|(key, seq)| {
            let newer = self.superseder(*key, *seq).filter(|newer| *newer <= sealed_seq);
            rules.judge(*seq, false, 0, newer, 0) == Fate::Keep
        });
        self.copied += after.len() as u64;
        self.useless += u64::from(plan.inputs.len() == 1 && after.len() == before.len());
        if !after.is_empty() {
            self.add(at, true, after);
        }
    }

    fn amplification(&self) -> f64 {
        1.0 + self.copied as f64 / self.written as f64
    }

    fn data(&self) -> u64 {
        self.sealed.iter().map(|s| s.versions.len() as u64).sum()
    }

    /// There may be `tier_count` segments less one in each tier.
    fn segments_max(&self) -> usize {
        let (mut tiers, mut size) = (1, self.options.tier_bytes_min);
        while size < self.data() * RECORD {
            size *= self.options.tier_factor;
            tiers += 1;
        }
        tiers * (self.options.tier_count - 1)
    }
}

const KEYS: u64 = 20_000;

/// Writes `passes` times as many records as there are keys, chosen by `pick`.
fn churn(model: &mut Model, passes: u64, mut pick: impl FnMut(u64) -> u64) {
    (0..KEYS).for_each(|i| model.write((i * 7_001 % KEYS) as u32));
    let loaded = model.amplification();
    assert!(loaded < 4.0, "a load is copied {loaded} times");
    (model.written, model.copied) = (0, 0);
    for i in 0..passes * KEYS {
        model.write(pick(i) as u32);
        assert!(model.sealed.len() <= model.segments_max(), "{} segments", model.sealed.len());
    }
}

type Pick<'a> = &'a mut dyn FnMut(u64) -> u64;

#[test]
fn overwriting_copies_a_bounded_number_of_times() {
    let mut state = 1;
    let mut skewed = 2;
    let picks: [(&str, Pick<'_>); 4] = [
        ("in the order of the load", &mut |i| i * 7_001 % KEYS),
        ("in another order", &mut |i| i * 3_557 % KEYS),
        ("at random", &mut |_| next(&mut state) % KEYS),
        ("mostly a few", &mut |_| {
            let all = next(&mut skewed).is_multiple_of(10);
            next(&mut skewed) % if all { KEYS } else { KEYS / 50 }
        }),
    ];
    for (what, pick) in picks {
        let mut model = Model::new(Retention::Latest);
        churn(&mut model, 6, pick);
        let amplification = model.amplification();
        assert!(amplification < 4.5, "{what}: {amplification}");
        assert_eq!(model.useless, 0, "{what}");
        // Half of each segment may be dead, and a segment's worth that is not sealed yet.
        let most = KEYS * 2 + 2 * SEGMENT as u64;
        assert!(model.data() <= most, "{what}: {} records for {KEYS} keys", model.data());
    }
}

#[test]
fn what_retention_keeps_is_not_rewritten_for_being_dead() {
    let tiers = 5.0;
    for retention in [Retention::Forever, Retention::Versions { count: 3 }] {
        let mut model = Model::new(retention);
        churn(&mut model, 6, |i| i * 3_557 % KEYS);
        assert!(model.amplification() < tiers, "{retention:?}: {}", model.amplification());
        assert_eq!(model.useless, 0, "{retention:?}");
    }
    let window = KEYS / 2;
    let mut model = Model::new(Retention::Age { us: window });
    churn(&mut model, 8, |i| i * 3_557 % KEYS);
    assert!(model.amplification() < tiers, "{}", model.amplification());
    assert!(model.useless <= 2, "{}", model.useless);
    // A mark counts only when the whole window has passed it, so up to two windows are kept.
    let most = 2 * (KEYS + 2 * window);
    assert!(model.data() <= most, "{} records for {KEYS} keys", model.data());
}

#[test]
fn a_store_that_is_opened_again_counts_what_is_dead_and_failures_wait_for_a_seal() {
    let segment = |number, state, dead_bytes| SegmentStats {
        number,
        state,
        data_bytes: 64 << 20,
        file_bytes: 64 << 20,
        dead_bytes,
        max_seq: number * 10,
        ..SegmentStats::default()
    };
    let segments =
        vec![segment(1, "sorted", 50 << 20), segment(2, "arrival", 0), segment(3, "arrival", 0)];
    let options = CompactionOptions::default();
    let rules = Rules::new(Retention::Latest, 100);
    let mut planner = Planner::new();
    let plan = planner.next(&segments, &rules, &options).map(|p| p.inputs);
    assert_eq!(plan, Some(vec![1]));
    planner.failed([1]);
    assert_eq!(planner.next(&segments, &rules, &options), None);
    planner.sealed(&segments, &rules);
    assert!(planner.next(&segments, &rules, &options).is_some());
    let young = Rules::new(Retention::Age { us: 80 }, 100);
    assert_eq!(Planner::new().next(&segments, &young, &options), None);
    let old = Rules::new(Retention::Age { us: 60 }, 100);
    assert!(Planner::new().next(&segments, &old, &options).is_some());
}

#[test]
fn deletes_of_the_oldest_segment_are_dropped_with_it() {
    let mut segments = vec![SegmentStats {
        number: 5,
        state: "arrival",
        data_bytes: 40 << 20,
        records: 1 << 20,
        tombstones: 1 << 20,
        max_seq: 9,
        ..SegmentStats::default()
    }];
    let options = CompactionOptions::default();
    let latest = Rules::new(Retention::Latest, 10);
    assert!(Planner::new().next(&segments, &latest, &options).is_some());
    let forever = Rules::new(Retention::Forever, 10);
    assert_eq!(Planner::new().next(&segments, &forever, &options), None);
    segments.insert(0, SegmentStats { number: 4, data_bytes: 64 << 20, ..segments[0].clone() });
    segments[0].tombstones = 0;
    assert_eq!(Planner::new().next(&segments, &latest, &options), None);
}
