//! What a rewrite of a segment would drop, followed over time.
//!
//! Not every dead byte can be dropped: a version superseded only in the log segment stays until
//! that one is sealed, and retention may keep it longer. So dead bytes are counted at marks, and
//! those of a mark become droppable once the retention's cutoff and the newest sealed record have
//! passed it. A segment that was just written by a compaction starts with none, so no segment is
//! rewritten twice for the same bytes.

use alloc::vec::Vec;

use super::policy::{CompactionPlan, choose};
use super::rules::Rules;
use crate::options::CompactionOptions;
use crate::stats::SegmentStats;

/// Chooses compactions, and remembers what is known of each segment between the choices.
#[derive(Debug, Default)]
pub struct Planner {
    accounts: Vec<Account>,
    begun: bool,
}

/// What is known of one segment.
#[derive(Debug, Clone, Copy)]
struct Account {
    /// Its number.
    segment: u64,
    /// Dead bytes that a rewrite would drop.
    droppable: u64,
    /// Dead bytes at the mark, and when that was: every death among them is no later.
    dead: u64,
    moment: u64,
    /// A compaction of it failed: it is left alone until the next segment is sealed.
    failed: bool,
}

impl Planner {
    /// A planner that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next automatic compaction over the sealed segments, oldest first, if one is worth it.
    /// Expiry in `segments` is to be judged at [`Rules::cutoff`].
    #[must_use]
    pub fn next(
        &mut self,
        segments: &[SegmentStats],
        rules: &Rules,
        options: &CompactionOptions,
    ) -> Option<CompactionPlan> {
        self.mark(segments, rules, rules.now());
        let cutoff = rules.cutoff();
        let mut droppable = Vec::with_capacity(segments.len());
        for (at, segment) in segments.iter().enumerate() {
            let Some(account) = account_of(&self.accounts, segment.number) else { continue };
            let mut bytes = account.droppable.min(segment.dead_bytes) + segment.expired_bytes;
            // Nothing is older than the first segment that its deletes would have to hide.
            if at == 0 && segment.max_seq <= cutoff {
                bytes += segment.data_bytes / segment.records.max(1) * segment.tombstones;
            }
            droppable.push((!account.failed).then_some(bytes));
        }
        choose(segments, &droppable, options)
    }

    /// Takes note that a segment was sealed, the last of these, and that nothing was written
    /// behind it yet: every dead byte of now is dead by a sealed record.
    pub fn sealed(&mut self, segments: &[SegmentStats], rules: &Rules) {
        let newest = segments.last().map_or(0, |s| s.max_seq);
        for account in &mut self.accounts {
            account.failed = false;
            account.moment = account.moment.min(newest);
        }
        // The first mark may make way for the second, which is of now.
        self.mark(segments, rules, newest);
        self.mark(segments, rules, newest);
    }

    /// Takes note that a compaction of these segments failed.
    pub fn failed(&mut self, inputs: impl IntoIterator<Item = u64>) {
        for number in inputs {
            for account in self.accounts.iter_mut().filter(|account| account.segment == number) {
                account.failed = true;
            }
        }
    }

    /// Lets marks that the cutoff has passed count, and puts new ones at `moment`.
    fn mark(&mut self, segments: &[SegmentStats], rules: &Rules, moment: u64) {
        let newest = segments.last().map_or(0, |s| s.max_seq);
        let cutoff = rules.cutoff().min(newest);
        let known = core::mem::take(&mut self.accounts);
        for segment in segments {
            let dead = segment.dead_bytes;
            let account = account_of(&known, segment.number);
            let mut account = account.unwrap_or_else(|| {
                let written_now = self.begun && segment.state == "sorted";
                let moment = if written_now { moment.max(rules.now()) } else { newest };
                Account { segment: segment.number, droppable: 0, dead, moment, failed: false }
            });
            if cutoff >= account.moment {
                account = Account { droppable: account.dead, dead, moment, ..account };
            }
            self.accounts.push(account);
        }
        self.begun = true;
    }
}

/// There are few segments: a search from the first is as good as a map.
fn account_of(accounts: &[Account], segment: u64) -> Option<Account> {
    accounts.iter().find(|account| account.segment == segment).copied()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_precision_loss)]
mod tests;
