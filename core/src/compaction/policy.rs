//! Which run of neighbouring segments to compact.

use alloc::vec::Vec;
use core::ops::Range;

use crate::limits;
use crate::options::CompactionOptions;
use crate::stats::SegmentStats;

/// A run of neighbours worth compacting, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactionPlan {
    /// Numbers of the segments, oldest first.
    pub inputs: Vec<u64>,
    /// Bytes of their files.
    pub input_bytes: u64,
    /// Bytes of superseded frames in them.
    pub dead_bytes: u64,
    /// Bytes of expired frames in them, estimated.
    pub expired_bytes: u64,
    /// Why the run was chosen.
    pub reason: &'static str,
}

/// A segment's data may grow a little when it is rewritten: leave room below the offset limit.
const RUN_BYTES_MAX: u64 = limits::SEGMENT_DATA_MAX - (512 << 20);

/// The next automatic compaction over the sealed segments, oldest first, if one is worth it.
#[must_use]
pub fn plan_next(segments: &[SegmentStats], options: &CompactionOptions) -> Option<CompactionPlan> {
    let is_wasteful = |s: &SegmentStats| {
        let wasted = s.dead_bytes + s.expired_bytes;
        let per_mille = (f64::from(options.dead_ratio) * 1000.0) as u64;
        wasted >= options.dead_bytes_min && wasted * 1000 >= s.data_bytes * per_mille
    };
    let bytes_max = options.input_bytes_max.min(RUN_BYTES_MAX);
    let wasteful = runs(segments, bytes_max, |s, first| is_wasteful(s) && is_wasteful(first));
    if let Some(run) = wasteful.max_by_key(ExactSizeIterator::len) {
        return Some(plan(&segments[run], "dead and expired bytes"));
    }
    let tier = |s: &SegmentStats| {
        let (mut tier, mut bytes) = (0, s.data_bytes);
        while bytes > options.tier_bytes_min {
            bytes /= options.tier_factor;
            tier += 1;
        }
        tier
    };
    // Smaller ones may stand among those of the first's tier, but do not make the run worth it.
    let tiers = runs(segments, bytes_max, |s, first| tier(s) <= tier(first)).filter(|run| {
        let first = tier(&segments[run.start]);
        segments[run.clone()].iter().filter(|s| tier(s) == first).count() >= options.tier_count
    });
    let run = tiers.max_by_key(ExactSizeIterator::len)?;
    Some(plan(&segments[run], "neighbours of one size"))
}

/// All compactions that are worth it when asked for: everything, in runs as long as may be.
#[must_use]
pub fn plan_all(segments: &[SegmentStats]) -> Vec<CompactionPlan> {
    let mut plans = Vec::new();
    let mut start = 0;
    while start < segments.len() {
        let mut end = start + 1;
        let mut bytes = segments[start].data_bytes;
        while end < segments.len() && bytes + segments[end].data_bytes <= RUN_BYTES_MAX {
            bytes += segments[end].data_bytes;
            end += 1;
        }
        let run = &segments[start..end];
        let wasted: u64 = run.iter().map(|s| s.dead_bytes + s.expired_bytes + s.tombstones).sum();
        if run.len() > 1 || wasted > 0 || run[0].state != "sorted" {
            plans.push(plan(run, "asked for"));
        }
        start = end;
    }
    plans
}

/// From every start the longest run in which `fits` holds for every segment beside the first.
fn runs(
    segments: &[SegmentStats],
    bytes_max: u64,
    fits: impl Fn(&SegmentStats, &SegmentStats) -> bool,
) -> impl Iterator<Item = Range<usize>> {
    (0..segments.len()).filter_map(move |start| {
        let (mut end, mut bytes) = (start, 0);
        while end < segments.len()
            && fits(&segments[end], &segments[start])
            && bytes + segments[end].data_bytes <= bytes_max
        {
            bytes += segments[end].data_bytes;
            end += 1;
        }
        (end > start).then_some(start..end)
    })
}

fn plan(run: &[SegmentStats], reason: &'static str) -> CompactionPlan {
    CompactionPlan {
        inputs: run.iter().map(|s| s.number).collect(),
        input_bytes: run.iter().map(|s| s.file_bytes).sum(),
        dead_bytes: run.iter().map(|s| s.dead_bytes).sum(),
        expired_bytes: run.iter().map(|s| s.expired_bytes).sum(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u64, data_bytes: u64, dead_bytes: u64) -> SegmentStats {
        SegmentStats {
            number,
            data_bytes,
            file_bytes: data_bytes,
            dead_bytes,
            state: "arrival",
            ..SegmentStats::default()
        }
    }

    #[test]
    fn waste_goes_first_then_neighbours_of_one_size() {
        let options = CompactionOptions::default();
        let mib = 1 << 20;
        let calm = [segment(1, 64 * mib, 0), segment(2, 64 * mib, 0), segment(3, 64 * mib, 0)];
        assert_eq!(plan_next(&calm, &options), None);
        let mut wasteful = calm.to_vec();
        wasteful[1].dead_bytes = 40 * mib;
        let chosen = plan_next(&wasteful, &options).map(|p| p.inputs);
        assert_eq!(chosen, Some(alloc::vec![2]));
        let mut many = alloc::vec![segment(1, 300 * mib, 0)];
        many.extend((2..6).map(|n| segment(n, 64 * mib, 0)));
        many.push(segment(6, 1, 0));
        let chosen = plan_next(&many, &options).map(|p| p.inputs);
        assert_eq!(chosen, Some(alloc::vec![2, 3, 4, 5, 6]));
        assert_eq!(plan_all(&many).len(), 1);
    }
}
