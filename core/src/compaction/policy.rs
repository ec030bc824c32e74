//! Which run of neighbouring segments to compact: pure choice over sizes.
//!
//! Two rules. *Waste*: neighbours each of which is by `dead_ratio` droppable are rewritten, so that
//! freeing a byte costs at most one copied byte at the default ratio of a half. *Tiers*: a stretch
//! of segments within `tier_factor` of its largest is merged once it has `tier_count` of them,
//! smaller ones between them counted and newer smaller ones taken along; so a byte is copied about
//! once per tier, and there are fewer than `tier_count` segments per tier. A run that both rules
//! want is rewritten once, for both.

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

/// The next compaction, if a rewrite of each segment drops so many bytes; `None` for a segment
/// that must be left alone.
pub(super) fn choose(
    segments: &[SegmentStats],
    droppable: &[Option<u64>],
    options: &CompactionOptions,
) -> Option<CompactionPlan> {
    let bytes_max = options.input_bytes_max.min(RUN_BYTES_MAX);
    let choice = Choice { segments, droppable, options, bytes_max };
    let (run, reason) = match (choice.waste(), choice.tier()) {
        (Some(waste), Some(tier)) if waste.start < tier.end && tier.start < waste.end => {
            let both = waste.start.min(tier.start)..waste.end.max(tier.end);
            if choice.bytes(&both) <= bytes_max {
                (both, "neighbours of one size, and dead or expired bytes")
            } else {
                (waste, WASTE)
            }
        }
        (Some(waste), _) => (waste, WASTE),
        (None, Some(tier)) => (tier, "neighbours of one size"),
        (None, None) => return None,
    };
    Some(plan(&segments[run], reason))
}

const WASTE: &str = "dead or expired bytes";

struct Choice<'a> {
    segments: &'a [SegmentStats],
    droppable: &'a [Option<u64>],
    options: &'a CompactionOptions,
    bytes_max: u64,
}

impl Choice<'_> {
    fn bytes(&self, run: &Range<usize>) -> u64 {
        self.segments[run.clone()].iter().map(|s| s.data_bytes).sum()
    }

    fn is_wasteful(&self, at: usize) -> bool {
        let Some(droppable) = self.droppable[at] else { return false };
        let per_mille = (f64::from(self.options.dead_ratio) * 1000.0) as u64;
        droppable >= self.options.dead_bytes_min
            && droppable * 1000 >= self.segments[at].data_bytes * per_mille
    }

    /// The neighbours, all of them wasteful, that give most bytes back.
    fn waste(&self) -> Option<Range<usize>> {
        let mut best: Option<(u64, Range<usize>)> = None;
        let mut at = 0;
        while at < self.segments.len() {
            let start = at;
            let (mut bytes, mut gain) = (0, 0);
            while at < self.segments.len() && self.is_wasteful(at) {
                bytes += self.segments[at].data_bytes;
                // One alone may be larger: rewriting it makes it smaller.
                if at > start && bytes > self.bytes_max {
                    break;
                }
                gain += self.droppable[at].unwrap_or(0);
                at += 1;
            }
            if at == start {
                at += 1;
            } else if best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, start..at));
            }
        }
        best.map(|(_, run)| run)
    }

    /// The neighbours of one size whose merge costs the fewest bytes for a segment less.
    fn tier(&self) -> Option<Range<usize>> {
        let apart = |at: &usize| {
            self.droppable[*at].is_none() || self.segments[*at].data_bytes > self.bytes_max / 2
        };
        let mut best: Option<(u64, Range<usize>)> = None;
        let mut start = 0;
        while start < self.segments.len() {
            let end = (start..self.segments.len()).find(apart).unwrap_or(self.segments.len());
            let mut from = start;
            while from < end {
                let span = self.span(from..end);
                for at in span.clone() {
                    // Windows of the span, and what is newer and smaller along with it.
                    let run = self.fitting(at..end);
                    let counted = run.end.min(span.end) - at;
                    let cost = self.bytes(&run) / (run.len() as u64).saturating_sub(1).max(1);
                    if counted >= self.options.tier_count
                        && best.as_ref().is_none_or(|(least, _)| cost < *least)
                    {
                        best = Some((cost, run));
                    }
                }
                from = span.end;
            }
            start = end + 1;
        }
        best.map(|(_, run)| run)
    }

    /// From the start of `range` to its last segment of the size of its largest.
    fn span(&self, range: Range<usize>) -> Range<usize> {
        let sizes = range.clone().map(|at| self.segments[at].data_bytes);
        let largest = sizes.max().unwrap_or(0);
        let least = if largest <= self.options.tier_bytes_min {
            0
        } else {
            (largest / self.options.tier_factor).min(largest - 1)
        };
        let end = range.clone().rfind(|at| self.segments[*at].data_bytes >= least);
        range.start..end.map_or(range.end, |at| at + 1)
    }

    /// The longest front of `range` that is not too large for one merge.
    fn fitting(&self, range: Range<usize>) -> Range<usize> {
        let (mut end, mut bytes) = (range.start, 0);
        while end < range.end && bytes + self.segments[end].data_bytes <= self.bytes_max {
            bytes += self.segments[end].data_bytes;
            end += 1;
        }
        range.start..end
    }
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
    use alloc::vec;

    /// As if every dead and expired byte could be dropped.
    fn plan_next(segments: &[SegmentStats], options: &CompactionOptions) -> Option<CompactionPlan> {
        let droppable: Vec<_> =
            segments.iter().map(|s| Some(s.dead_bytes + s.expired_bytes)).collect();
        choose(segments, &droppable, options)
    }

    const MIB: u64 = 1 << 20;

    fn segments(sizes_and_dead: &[(u64, u64)]) -> Vec<SegmentStats> {
        let number = |at: usize| at as u64 + 1;
        let segment = |(at, (data_bytes, dead_bytes)): (usize, &(u64, u64))| SegmentStats {
            number: number(at),
            data_bytes: *data_bytes,
            file_bytes: *data_bytes,
            dead_bytes: *dead_bytes,
            state: "arrival",
            ..SegmentStats::default()
        };
        sizes_and_dead.iter().enumerate().map(segment).collect()
    }

    fn chosen(sizes_and_dead: &[(u64, u64)]) -> Option<Vec<u64>> {
        let options = CompactionOptions { tier_count: 4, ..CompactionOptions::default() };
        plan_next(&segments(sizes_and_dead), &options).map(|p| p.inputs)
    }

    #[test]
    fn three_calm_segments_are_left_alone() {
        assert_eq!(chosen(&[(64 * MIB, 0), (64 * MIB, 0), (64 * MIB, 0)]), None);
        assert_eq!(chosen(&[(64 * MIB, 20 * MIB), (64 * MIB, 0)]), None);
        assert_eq!(chosen(&[(1000, 1000)]), None, "too little to be worth it");
    }

    #[test]
    fn waste_is_rewritten_alone_and_neighbours_of_one_size_together() {
        let calm = (64 * MIB, 0);
        assert_eq!(chosen(&[calm, (64 * MIB, 40 * MIB), calm]), Some(vec![2]));
        let wasteful = (900 * MIB, 600 * MIB);
        assert_eq!(chosen(&[wasteful, (MIB, MIB), calm, calm]), Some(vec![1, 2]));
        let four = [(300 * MIB, 0), calm, (63 * MIB, 0), (65 * MIB, 0), calm, (1, 0)];
        // The largest is within a factor of the others here, and a newer small one goes along.
        assert_eq!(chosen(&four[1..]), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(chosen(&four), Some(vec![2, 3, 4, 5, 6]));
    }

    #[test]
    fn what_both_rules_want_is_done_once() {
        let calm = (64 * MIB, 0);
        let wasteful = (64 * MIB, 50 * MIB);
        assert_eq!(chosen(&[calm, wasteful, calm, calm]), Some(vec![1, 2, 3, 4]));
        let apart = [(900 * MIB, 800 * MIB), calm, calm, calm, calm];
        assert_eq!(chosen(&apart), Some(vec![1]));
    }

    #[test]
    fn small_ones_between_large_ones_count() {
        let (large, small) = ((64 * MIB, 0), (2 * MIB, 0));
        assert_eq!(chosen(&[large, small, small]), None);
        assert_eq!(chosen(&[large, small, small, large]), Some(vec![1, 2, 3, 4]));
        assert_eq!(chosen(&[large, small, small, small, small]), Some(vec![2, 3, 4, 5]));
    }

    #[test]
    fn no_merge_is_too_large_but_one_alone_may_be() {
        let large = (1500 * MIB, 0);
        assert_eq!(chosen(&[large, large, large, large, large]), None);
        assert_eq!(chosen(&[(3000 * MIB, 2000 * MIB), large]), Some(vec![1]));
        let (half, most) = ((900 * MIB, 0), (1200 * MIB, 1000 * MIB));
        assert_eq!(chosen(&[half, half, half, half]), None);
        assert_eq!(chosen(&[most, most]), Some(vec![1]));
    }

    #[test]
    fn everything_is_planned_when_asked_for() {
        let sizes: Vec<_> = (0..5).map(|_| (1500 * MIB, 0)).collect();
        let plans = plan_all(&segments(&sizes));
        let inputs: Vec<_> = plans.into_iter().map(|p| p.inputs).collect();
        assert_eq!(inputs, [vec![1, 2], vec![3, 4], vec![5]]);
        let mut sorted = segments(&[(1500 * MIB, 0)]);
        sorted[0].state = "sorted";
        assert_eq!(plan_all(&sorted), []);
    }
}
