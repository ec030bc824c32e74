//! Compaction beside reads and writes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use siltdb_core::compaction::{
    Compacted, Compaction, CompactionPlan, CompactionReport, Planner, Rules, plan_all,
};
use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::format::{SegmentHeader, SegmentKind};
use siltdb_core::host::Host;
use siltdb_core::index::Location;
use siltdb_core::indexing;
use siltdb_core::recovery;
use siltdb_core::stats::SegmentStats;
use siltdb_core::storage::Storage;
use siltdb_core::types::Progress;

use super::lock::lock;
use super::seal::Changes;
use super::{Count, Engine};

/// Input worked through between two looks at whatever else there is to do, in bytes.
const STEP_BYTES: u64 = 1 << 20;

/// Number of a sealed segment, and superseded bytes of segments by number.
pub(super) type Seal = (u64, Vec<(u64, u64)>);

/// What only one thread at a time may touch of compaction.
pub(super) struct Compactor<S: Storage> {
    planner: Planner,
    begun: Option<Compaction<S>>,
}

impl<S: Storage> Default for Compactor<S> {
    fn default() -> Self {
        Self { planner: Planner::new(), begun: None }
    }
}

impl<S: Storage> Compactor<S> {
    /// Gives up the compaction under way, if there is one, and its output.
    pub(super) fn abandon(&mut self, storage: &S) {
        if let Some(begun) = self.begun.take() {
            begun.abandon(storage);
        }
    }
}

impl<S: Storage, H: Host> Engine<S, H> {
    /// Lets the worker look for something to compact.
    pub(super) fn look_for_compaction(&self) {
        self.compaction_due.store(true, Ordering::Release);
        self.wake.work();
    }

    /// What [`Engine::compact`] would do, in order. Changes nothing.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn compaction_plan(&self) -> Result<Vec<CompactionPlan>> {
        self.load_index_fully()?;
        let segments = self.segments()?;
        let filled: Vec<_> = segments.into_iter().filter(|s| s.records > 0).collect();
        Ok(plan_all(&filled))
    }

    /// Compacts everything that is worth it, what is in the log included.
    ///
    /// # Errors
    /// Damage; the storage's failure. Nothing is lost: the old segments stay until the new one
    /// is published.
    ///
    /// # Crash behaviour
    /// The store holds the old set of segments or the new one.
    pub fn compact(&self, progress: &mut dyn FnMut(Progress)) -> Result<CompactionReport> {
        self.seal_all()?;
        self.load_index_fully()?;
        let mut compacting = lock(&self.compacting);
        // What follows rewrites everything, whatever an automatic one was about.
        compacting.abandon(&self.storage);
        let plans = plan_all(&self.sealed_stats(self.now()));
        let total = plans.iter().map(|p| p.input_bytes).sum();
        let (mut report, mut before) = (CompactionReport::default(), 0);
        for plan in plans {
            let begun = self.begin(&plan)?;
            let (output_bytes, dropped_records) = self.run_to_end(begun, &mut |done| {
                progress(Progress { done: (before + done).min(total), total });
            })?;
            before += plan.input_bytes;
            report.runs += 1;
            report.input_bytes += plan.input_bytes;
            report.output_bytes += output_bytes;
            report.dropped_records += dropped_records;
        }
        progress(Progress { done: total, total });
        Ok(report)
    }

    /// Runs a compaction to its end and installs it: the bytes written, the records dropped.
    fn run_to_end(
        &self,
        mut compaction: Compaction<S>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(u64, u64)> {
        loop {
            match compaction.step(&self.storage, STEP_BYTES) {
                Ok(true) => progress(compaction.done_bytes()),
                Ok(false) => break,
                Err(e) => {
                    compaction.abandon(&self.storage);
                    return Err(e);
                }
            }
        }
        let compacted = compaction.finish(&self.storage)?;
        let bytes = compacted.output.as_ref().map_or(0, |output| output.footer.file_len());
        let dropped = compacted.dropped_records;
        self.install(compacted)?;
        Ok((bytes, dropped))
    }

    /// Does a step of automatic compaction. `true` while there is more to do.
    pub(super) fn compact_step(&self) -> Result<bool> {
        if !self.compaction_due.load(Ordering::Acquire) {
            return Ok(false);
        }
        // Whoever holds it compacts everything.
        let Ok(mut compacting) = self.compacting.try_lock() else { return Ok(false) };
        let Compactor { planner, begun } = &mut *compacting;
        let mut compaction = match begun.take() {
            Some(compaction) => compaction,
            None => {
                // Asked anew from here on: a segment may be sealed at any moment.
                self.compaction_due.store(false, Ordering::Release);
                let Some(plan) = self.plan_next(planner) else { return Ok(false) };
                self.compaction_due.store(true, Ordering::Release);
                let begun = self.begin(&plan);
                begun.inspect_err(|_| planner.failed(plan.inputs))?
            }
        };
        match compaction.step(&self.storage, STEP_BYTES) {
            Ok(true) => *begun = Some(compaction),
            Ok(false) => {
                let inputs = compaction.inputs();
                let compacted = compaction.finish(&self.storage);
                self.install(compacted.inspect_err(|_| planner.failed(inputs))?)?;
            }
            Err(e) => {
                // What it cannot read stays as it is, for reads and checks to report.
                planner.failed(compaction.inputs());
                compaction.abandon(&self.storage);
                return Err(e);
            }
        }
        Ok(true)
    }

    fn plan_next(&self, planner: &mut Planner) -> Option<CompactionPlan> {
        let rules = Rules::new(self.retention(), self.now());
        let segments = self.sealed_stats(rules.cutoff());
        if let Some((number, dead)) = std::mem::take(&mut *lock(&self.seals)).pop()
            && let Some(at) = segments.iter().position(|s| s.number == number)
        {
            let mut until_then = segments[..=at].to_vec();
            for segment in &mut until_then {
                let known = dead.iter().find(|(number, _)| *number == segment.number);
                segment.dead_bytes = known.map_or(segment.dead_bytes, |(_, bytes)| *bytes);
            }
            planner.sealed(&until_then, &rules);
        }
        planner.next(&segments, &rules, &self.options.compaction)
    }

    /// Figures about the sealed segments, expiry judged at `now`.
    fn sealed_stats(&self, now: u64) -> Vec<SegmentStats> {
        self.table.load().sealed.iter().map(|sealed| sealed.stats(now)).collect()
    }

    fn begin(&self, plan: &CompactionPlan) -> Result<Compaction<S>> {
        let table = self.table.load_full();
        let first = plan.inputs.first().copied().unwrap_or(0);
        let at = table.sealed.iter().position(|s| s.file.number == first);
        let start = at.ok_or(ErrorKind::Invalid("the plan names a segment that is gone"))?;
        let run = start..start + plan.inputs.len();
        let base_seq = table.sealed[run.clone()].iter().map(|s| s.numbers().min_seq).min();
        let header = SegmentHeader {
            kind: SegmentKind::Sorted,
            salt: self.host.random_u64() as u32,
            store_id: self.store_id,
            number: recovery::next_number(&mut lock(&self.number_max)),
            base_seq: base_seq.unwrap_or(0),
            previous_number: 0,
            previous_len: 0,
            previous_seq: 0,
        };
        let rules = Rules::new(table.retention, self.now());
        Compaction::begin(&table.sealed, run, header, self.hasher, rules)
    }

    /// Publishes a finished compaction and points the index at its output.
    ///
    /// Readers may hold a slot or a table of before at any moment: the files of both stay in the
    /// table until no slot names a replaced one, and on disk until no reader has them.
    fn install(&self, compacted: Compacted<S>) -> Result<()> {
        let Compacted { inputs, output, dropped_hashes, horizon, .. } = compacted;
        let mut published = lock(&self.published);
        let mut sealed = self.table.load().sealed.clone();
        let first = inputs.first().map_or(0, |s| s.file.number);
        let at = sealed.iter().position(|s| s.file.number == first);
        let start = at.ok_or(ErrorKind::Invalid("a compacted segment is gone"))?;
        sealed.splice(start..start + inputs.len(), output.clone());
        let older = sealed[..start].to_vec();
        let horizon = published.horizon.max(horizon);
        let changes = Changes { horizon: Some(horizon), ..Changes::default() };
        let done = self.publish(&mut published, &sealed, changes);
        self.or_poison(done)?;
        self.change_table(|table| {
            table.sealed = sealed;
            table.horizon = horizon;
            if let Some(output) = &output {
                table.add_file(&output.file);
            }
        });
        drop(published);
        let replaced: Vec<u32> =
            inputs.iter().map(|s| Location::segment_id(s.file.number)).collect();
        if let Some(output) = &output {
            self.counters.add(Count::BytesCompacted, output.footer.file_len());
            indexing::retarget(&mut &self.shards, output, &replaced)?;
        }
        indexing::drop_slots(&mut &self.shards, &dropped_hashes, &replaced, &older)?;
        self.change_table(|table| replaced.iter().for_each(|id| drop(table.files.remove(id))));
        lock(&self.retired).extend(inputs);
        self.remove_retired()
    }

    /// Removes the files of replaced segments that no reader has any more.
    pub(super) fn remove_retired(&self) -> Result<()> {
        let mut retired = lock(&self.retired);
        let mut at = 0;
        while at < retired.len() {
            let sealed = &retired[at];
            if Arc::strong_count(sealed) > 1 || Arc::strong_count(&sealed.file) > 1 {
                at += 1;
                continue;
            }
            let id = sealed.file.id();
            drop(retired.swap_remove(at));
            self.storage.remove(id)?;
        }
        Ok(())
    }
}
