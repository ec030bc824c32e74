//! Compaction of a single-owner store: choosing, stepping, installing.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::{IntoIter, Vec};

use super::Store;
use crate::compaction::{Compacted, Compaction, CompactionPlan, CompactionReport, Rules, plan_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{SegmentHeader, SegmentKind};
use crate::host::Host;
use crate::index::{Index, Location};
use crate::indexing;
use crate::limits::BLOCK_RECORDS_MAX;
use crate::recovery;
use crate::sealed::Sealed;
use crate::stats::SegmentStats;
use crate::storage::Storage;
use crate::types::Progress;

/// Input worked through between two calls of the progress function, in bytes.
const STEP_BYTES: u64 = 1 << 20;
/// Bytes that count for a record where only the index is worked on.
const RECORD_BYTES: u64 = 64;
/// [`Store::upkeep`] seals no active segment of fewer bytes early.
const SEAL_BYTES_MIN: u64 = 512 << 10;
/// Which share of a segment, or of the store, must be superseded to be worth rewriting while
/// others wait, and while nobody does.
const BUSY_RATIO: f32 = 0.5;
const IDLE_RATIO: f32 = 0.17;

/// A compaction of everything that is done in steps.
#[derive(Debug)]
pub struct FullCompaction {
    plans: IntoIter<CompactionPlan>,
    done: u64,
    total: u64,
    report: CompactionReport,
}

/// A compaction that is published, while the index learns of it.
pub(super) struct Installing<S: Storage> {
    inputs: Vec<Arc<Sealed<S::Reader>>>,
    output: Option<Arc<Sealed<S::Reader>>>,
    /// The inputs, as slots name them.
    replaced: Vec<u32>,
    dropped_hashes: Vec<u64>,
    older: Vec<Arc<Sealed<S::Reader>>>,
    /// Blocks of the output's key table that are done, then hashes.
    done: usize,
}

impl<S: Storage> Installing<S> {
    /// Does about so many records. `true` while there is more to do. A step that failed may be
    /// tried again.
    fn step(&mut self, index: &mut Index, records: usize) -> Result<bool> {
        let mut blocks = 0;
        if let Some(output) = &self.output {
            blocks = output.directory()?.blocks();
            if self.done < blocks {
                let end = self.done + (records / BLOCK_RECORDS_MAX).max(1).min(blocks - self.done);
                let these = self.done..end;
                indexing::retarget_blocks(index, output, &self.replaced, these)?;
                self.done = end;
                return Ok(true);
            }
        }
        let start = self.done - blocks;
        let hashes = self.dropped_hashes.get(start..).unwrap_or_default();
        let hashes = &hashes[..hashes.len().min(records)];
        indexing::drop_slots(index, hashes, &self.replaced, &self.older)?;
        self.done += hashes.len();
        Ok(self.done - blocks < self.dropped_hashes.len())
    }
}

impl FullCompaction {
    /// How far it has come, in bytes of input.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { done: self.done.min(self.total), total: self.total }
    }

    /// What was done so far.
    #[must_use]
    pub fn report(&self) -> CompactionReport {
        self.report
    }
}

impl<S: Storage, H: Host> Store<S, H> {
    /// What [`Store::compact`] would do, in order. Changes nothing.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn compaction_plan(&mut self) -> Result<Vec<CompactionPlan>> {
        while self.load_index(u64::MAX)? {}
        let mut segments = self.segments()?;
        segments.retain(|s| s.records > 0);
        Ok(plan_all(&segments))
    }

    /// Compacts everything that is worth it, the active segment included.
    ///
    /// # Errors
    /// Damage; the storage's failure. Nothing is lost: the old segments stay until the new one
    /// is published.
    ///
    /// # Crash behaviour
    /// The store holds the old set of segments or the new one.
    pub fn compact(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<CompactionReport> {
        let mut full = self.compact_begin()?;
        while self.compact_next(&mut full, STEP_BYTES)? {
            progress(full.progress());
        }
        progress(full.progress());
        Ok(full.report)
    }

    /// Begins what [`Store::compact`] does, for a host that does it in steps by
    /// [`Store::compact_next`]. What is written between the steps is not compacted.
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub fn compact_begin(&mut self) -> Result<FullCompaction> {
        self.seal()?;
        while self.load_index(u64::MAX)? {}
        self.finish_install()?;
        // What follows rewrites everything, whatever an automatic one was about.
        self.abandon_compaction();
        let plans = self.compaction_plan()?;
        let total = plans.iter().map(|p| p.input_bytes).sum();
        let report = CompactionReport::default();
        Ok(FullCompaction { plans: plans.into_iter(), done: 0, total, report })
    }

    /// Does about so many bytes of a compaction of everything. `true` while there is more to do.
    ///
    /// Between the steps there must be no automatic compaction.
    ///
    /// # Errors
    /// As [`Store::compact`]. The step under way is given up, those before stay.
    pub fn compact_next(&mut self, full: &mut FullCompaction, budget_bytes: u64) -> Result<bool> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        if self.installing.is_some() {
            self.install_step(budget_bytes)?;
            return Ok(true);
        }
        if self.compaction.is_none() {
            let Some(plan) = full.plans.as_slice().first() else { return Ok(false) };
            self.compaction = Some(self.begin(plan)?);
        }
        let Some(compacted) = self.step_begun(budget_bytes)? else {
            let done = self.compaction.as_ref().map_or(0, Compaction::done_bytes);
            full.done = full.report.input_bytes + done;
            return Ok(true);
        };
        full.plans.next();
        full.report.runs += 1;
        full.report.input_bytes +=
            compacted.inputs.iter().map(|s| s.footer.file_len()).sum::<u64>();
        full.report.output_bytes +=
            compacted.output.as_ref().map_or(0, |output| output.footer.file_len());
        full.report.dropped_records += compacted.dropped_records;
        full.done = full.report.input_bytes;
        self.install(compacted)?;
        Ok(true)
    }

    /// Does about so many bytes of the automatic compaction that is due, if some is. `true` while
    /// there is more to do. Unlike [`Store::compact_step`] it costs next to nothing when there is
    /// nothing to do.
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub fn compact_due(&mut self, budget_bytes: u64) -> Result<bool> {
        if self.compaction_due {
            let more = self.compact_step(budget_bytes);
            self.compaction_due = more.as_ref().map_or_else(Error::is_not_ready, |more| *more);
            more?;
        }
        Ok(self.compaction_due)
    }

    /// Does about so many bytes of automatic compaction. `true` while there is more to do.
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub fn compact_step(&mut self, budget_bytes: u64) -> Result<bool> {
        if self.poisoned {
            return Err(ErrorKind::Poisoned.into());
        }
        if self.installing.is_some() {
            self.install_step(budget_bytes)?;
            return Ok(true);
        }
        if self.compaction.is_none() {
            if self.load_index(budget_bytes / 64)? {
                return Ok(true);
            }
            let Some(plan) = self.plan_next() else { return Ok(false) };
            let begun = self.begin(&plan);
            self.compaction = Some(begun.inspect_err(|e| self.note_failed(e, plan.inputs))?);
        }
        let inputs = self.compaction.as_ref().map_or_else(Vec::new, Compaction::inputs);
        let stepped = self.step_begun(budget_bytes);
        if let Some(compacted) = stepped.inspect_err(|e| self.note_failed(e, inputs))? {
            self.install(compacted)?;
        }
        Ok(true)
    }

    /// What cannot be compacted is left as it is, unless it only has to be tried again.
    fn note_failed(&mut self, error: &Error, inputs: Vec<u64>) {
        if !error.is_not_ready() {
            self.planner.failed(inputs);
        }
    }

    /// Does about so many bytes of the compaction that is begun; what it made, at its end. Where
    /// a file is not ready it stays begun, after any other failure it is given up.
    fn step_begun(&mut self, budget_bytes: u64) -> Result<Option<Compacted<S>>> {
        let Some(mut compaction) = self.compaction.take() else { return Ok(None) };
        if let Err(e) = compaction.ready()
            && e.is_not_ready()
        {
            self.compaction = Some(compaction);
            return Err(e);
        }
        match compaction.step(&self.storage, budget_bytes) {
            Ok(true) => {
                self.compaction = Some(compaction);
                Ok(None)
            }
            Ok(false) => compaction.finish(&self.storage).map(Some),
            Err(e) => {
                compaction.abandon(&self.storage);
                Err(e)
            }
        }
    }

    fn plan_next(&mut self) -> Option<CompactionPlan> {
        let (segments, rules) = self.survey();
        self.planner.next(&segments, &rules, &self.options.compaction)
    }

    /// As [`Store::compact_due`], for an owner that does all its upkeep by this: loads the index,
    /// and seals the active segment early once what is superseded takes more than a share of the
    /// store, which compaction can only then free. `idle`: nobody waits, so that a smaller share
    /// is worth a rewriting.
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub fn upkeep(&mut self, budget_bytes: u64, idle: bool) -> Result<bool> {
        if self.poisoned {
            return Ok(false);
        }
        if self.load_index(budget_bytes / RECORD_BYTES)? {
            return Ok(true);
        }
        if let Some(active) = &mut self.active {
            active.memtable.order_frozen();
        }
        self.options.compaction.dead_ratio = if idle { IDLE_RATIO } else { BUSY_RATIO };
        let resting = self.compaction.is_none() && self.installing.is_none();
        if resting && self.is_wasteful() {
            self.seal()?;
            return Ok(true);
        }
        if idle && resting && self.idle_at != self.last_seq {
            self.idle_at = self.last_seq;
            self.compaction_due = true;
        }
        self.compact_due(budget_bytes)
    }

    /// Whether so much is superseded that some segment is worth rewriting as soon as the active
    /// one is sealed, by which most of it is superseded.
    fn is_wasteful(&self) -> bool {
        let Some(active) = &self.active else { return false };
        let rules = Rules::new(self.manifest.retention, self.now());
        // What retention keeps, no rewriting frees.
        if active.len < SEAL_BYTES_MIN || rules.cutoff() <= active.header.base_seq {
            return false;
        }
        let sealed = self.sealed.iter().map(|s| (s.numbers().data_end, s.file.dead()));
        let both = sealed.chain([(active.len, active.file.dead())]);
        let (total, dead) = both.fold((0, 0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
        let per_mille = (f64::from(self.options.compaction.dead_ratio) * 1000.0) as u64;
        active.len >= total / 8 && dead * 1000 >= total * per_mille
    }

    /// Figures about the sealed segments for the planner.
    fn survey(&self) -> (Vec<SegmentStats>, Rules) {
        let rules = Rules::new(self.manifest.retention, self.now());
        (self.sealed.iter().map(|s| s.stats(rules.cutoff())).collect(), rules)
    }

    /// Tells the planner that a segment was just sealed.
    pub(super) fn note_sealed(&mut self) {
        let (segments, rules) = self.survey();
        self.planner.sealed(&segments, &rules);
        self.compaction_due = true;
    }

    /// Gives up the compaction under way, if there is one, and its output.
    pub(super) fn abandon_compaction(&mut self) {
        if let Some(compaction) = self.compaction.take() {
            compaction.abandon(&self.storage);
        }
    }

    fn begin(&mut self, plan: &CompactionPlan) -> Result<Compaction<S>> {
        let len = plan.inputs.len();
        let planned = |run: &[Arc<Sealed<_>>]| {
            run.iter().zip(&plan.inputs).all(|(sealed, number)| sealed.file.number == *number)
        };
        let at = self.sealed.windows(len.max(1)).position(planned).filter(|_| len > 0);
        let start = at.ok_or(ErrorKind::Invalid("the plan names a segment that is gone"))?;
        let run = start..start + len;
        Sealed::all_ready(&self.sealed[run.clone()])?;
        let base_seq = self.sealed[run.clone()].iter().map(|s| s.numbers().min_seq).min();
        let header = SegmentHeader {
            kind: SegmentKind::Sorted,
            salt: self.host.random_u64() as u32,
            store_id: self.manifest.store_id,
            number: recovery::next_number(&mut self.number_max),
            base_seq: base_seq.unwrap_or(0),
            previous_number: 0,
            previous_len: 0,
            previous_seq: 0,
        };
        let rules = Rules::new(self.manifest.retention, self.now());
        Compaction::begin(&self.sealed, run, header, self.hasher, rules)
    }

    /// Publishes a finished compaction. Its output is read from here on, but the index points to
    /// its inputs until [`Store::install_step`] has come to its end.
    fn install(&mut self, compacted: Compacted<S>) -> Result<()> {
        let Compacted { inputs, output, dropped_hashes, horizon, .. } = compacted;
        let first = inputs.first().map_or(0, |s| s.file.number);
        let at = self.sealed.iter().position(|s| s.file.number == first);
        let start = at.ok_or(ErrorKind::Invalid("a compacted segment is gone"))?;
        let older = self.sealed[..start].to_vec();
        let mut sealed = older.clone();
        sealed.extend(output.clone());
        sealed.extend_from_slice(&self.sealed[start + inputs.len()..]);
        let segments = sealed.iter().map(|s| s.entry()).collect();
        let horizon = if planted!(ForgottenHorizon) { 0 } else { horizon };
        let horizon = self.manifest.horizon.max(horizon);
        let (log, retention) = (self.manifest.log, self.manifest.retention);
        if let Err(e) = self.publish(segments, log, horizon, retention) {
            self.poisoned = true;
            return Err(e);
        }
        self.sealed = sealed;
        if let Some(output) = &output {
            self.counters.bytes_compacted += output.footer.file_len();
            self.files.add(&output.file);
        }
        let replaced = inputs.iter().map(|s| Location::segment_id(s.file.number)).collect();
        let done = 0;
        let installing = Installing { inputs, output, replaced, dropped_hashes, older, done };
        self.installing = Some(Box::new(installing));
        Ok(())
    }

    /// Points slots of the index at the output of the last compaction, for about so many bytes of
    /// it; at the end nothing points to its inputs any more, and they can go.
    pub(super) fn install_step(&mut self, budget_bytes: u64) -> Result<()> {
        let Some(mut installing) = self.installing.take() else { return Ok(()) };
        let records = usize::try_from(budget_bytes / RECORD_BYTES).unwrap_or(usize::MAX);
        let moved = installing.step(&mut self.index, records.max(1));
        if moved.as_ref().map_or_else(Error::is_not_ready, |more| *more) {
            self.installing = Some(installing);
            return moved.map(drop);
        }
        // Slots that still point to the inputs, after a failure, are left to the exact path.
        for (id, input) in installing.replaced.iter().zip(&installing.inputs) {
            self.files.remove(*id);
            self.cache.remove_segment(input.file.number);
        }
        self.retired.append(&mut installing.inputs);
        drop(installing);
        moved?;
        self.remove_retired()
    }

    /// Lets the index learn all of the last compaction.
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub fn finish_install(&mut self) -> Result<()> {
        while self.installing.is_some() {
            self.install_step(u64::MAX)?;
        }
        Ok(())
    }
}
