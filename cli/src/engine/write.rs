//! The path of a write: one leader stages, hardens and applies for all that wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use siltdb_core::batch::{Batch, Operation};
use siltdb_core::buffer::WriteBuffer;
use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::host::Host;
use siltdb_core::limits;
use siltdb_core::options::Durability;
use siltdb_core::storage::Storage;
use siltdb_core::types::Commit;

use super::lock::lock;
use super::log::Log;
use super::queue::Leadership;
use super::{Count, Engine};

/// Up to so many bytes are written at once by a thread that does not wait for its commit.
const AT_ONCE_BYTES_MAX: usize = 64 << 10;

/// Poisons the store when the thread that holds the log panics.
struct PanicGuard<'e, S: Storage, H: Host>(&'e Engine<S, H>);

impl<S: Storage, H: Host> Drop for PanicGuard<'_, S, H> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison();
        }
    }
}

impl<S: Storage, H: Host> Engine<S, H> {
    /// Commits a batch, whole or not at all; `None` for the durability of the options.
    ///
    /// # Errors
    /// `ConditionFailed` and limits: nothing was written. `Poisoned` and the storage's failures:
    /// whether the batch is in the store shows at the next open.
    ///
    /// # Crash behaviour
    /// The batch is whole or absent; once this returned it survives as its durability says.
    pub fn write(&self, batch: &Batch, durability: Option<Durability>) -> Result<Commit> {
        batch.validate()?;
        self.check_writable()?;
        let durability = durability.unwrap_or(self.options.durability);
        if durability == Durability::Buffered {
            return self.write_buffered(batch);
        }
        match self.queue.enter(batch, durability) {
            Ok(answer) => answer,
            Err(leadership) => self.lead_group(leadership, Some((batch, durability))),
        }
    }

    /// As [`Engine::write`], unless another thread is writing: then nothing is done, and there is
    /// no answer. It waits for the disk, and for nobody else.
    pub fn try_write(
        &self,
        batch: &Batch,
        durability: Option<Durability>,
    ) -> Option<Result<Commit>> {
        let durability = durability.unwrap_or(self.options.durability);
        let valid = batch.validate().and_then(|()| self.check_writable());
        match valid {
            Err(e) => Some(Err(e)),
            Ok(()) if durability == Durability::Buffered => Some(self.write_buffered(batch)),
            Ok(()) => {
                let leadership = self.queue.try_lead(durability)?;
                Some(self.lead_group(leadership, Some((batch, durability))))
            }
        }
    }

    /// Commits a batch without waiting for it: `done` is called with what [`Engine::write`] would
    /// give, from another thread or from this one. It is short and does not use the store.
    ///
    /// Somebody must run [`Engine::commit_until_closed`].
    pub fn submit(
        &self,
        batch: Batch,
        durability: Option<Durability>,
        done: impl FnOnce(Result<Commit>) + Send + 'static,
    ) {
        let durability = durability.unwrap_or(self.options.durability);
        let valid = batch.validate().and_then(|()| self.check_writable());
        match valid {
            Err(e) => done(Err(e)),
            Ok(()) if durability == Durability::Buffered => done(self.write_buffered(&batch)),
            Ok(()) => match self.write_at_once(&batch, durability) {
                Some(result) => done(result),
                None => self.queue.submit(batch, durability, Box::new(done)),
            },
        }
    }

    /// Writes a batch without crossing a thread, where that takes no longer than to hand it over:
    /// it is small, needs no sync, and nobody holds the log.
    fn write_at_once(&self, batch: &Batch, durability: Durability) -> Option<Result<Commit>> {
        if durability != Durability::Flushed || batch.bytes_max() > AT_ONCE_BYTES_MAX {
            return None;
        }
        // Nobody is taken along: one of those who come now may need a sync.
        let _leadership = self.queue.try_lead(durability)?;
        let mut log = lock(&self.log);
        let _guard = PanicGuard(self);
        let mut results = Vec::new();
        self.lead(&mut log, &mut results, batch, durability);
        self.finish_group(&mut log, &mut results);
        results.pop().map(Answer::into_result)
    }

    /// The committer's thread: leads for those who do not wait in a thread, until the store is
    /// closed.
    pub fn commit_until_closed(&self) {
        while let Some(leadership) = self.queue.wait_to_lead() {
            // With no commit of its own there is no answer.
            let _ = self.lead_group(leadership, None);
        }
    }

    /// Writes one group: the leader's own commit, if it has one, and those that wait.
    fn lead_group(
        &self,
        mut leadership: Leadership<'_>,
        own: Option<(&Batch, Durability)>,
    ) -> Result<Commit> {
        let mut log = lock(&self.log);
        let _guard = PanicGuard(self);
        let mut results = Vec::new();
        if let Some((batch, durability)) = own {
            self.lead(&mut log, &mut results, batch, durability);
            leadership.wait_for_company();
        }
        for ticket in leadership.take() {
            self.lead(&mut log, &mut results, &ticket.batch, ticket.durability);
        }
        self.finish_group(&mut log, &mut results);
        drop(log);
        let mut results = results.into_iter().map(Answer::into_result);
        let answer = own.and_then(|_| results.next());
        leadership.answer(results);
        answer.unwrap_or(Err(ErrorKind::Poisoned.into()))
    }

    /// Makes everything written before survive power loss; gives the last such sequence number.
    ///
    /// # Errors
    /// As [`Engine::write`].
    pub fn sync(&self) -> Result<u64> {
        self.write(&Batch::new(), Some(Durability::Synced))?;
        Ok(self.durable_seq())
    }

    fn lead(
        &self,
        log: &mut Log<S>,
        results: &mut Vec<Answer>,
        batch: &Batch,
        durability: Durability,
    ) {
        let answer = match self.prepare(log, results, batch, durability) {
            Ok(commit) => Answer::InGroup(commit),
            Err(e) => Answer::Done(Err(e)),
        };
        results.push(answer);
    }

    /// Stages one batch, with all that was buffered before it.
    fn prepare(
        &self,
        log: &mut Log<S>,
        results: &mut [Answer],
        batch: &Batch,
        durability: Durability,
    ) -> Result<Commit> {
        self.check_writable()?;
        let mut last_seq = lock(&self.clock);
        let seq = self.next_seq(*last_seq)?;
        let buffered = self.buffer.take();
        // What must be read first gets its place in the order only if there is something to be
        // written then; until that is known, nobody else gets one.
        let undecided = if self.must_read(batch) {
            Some(last_seq)
        } else {
            // A batch of nothing is a sync: it has no place in the order.
            *last_seq = if batch.is_empty() { *last_seq } else { seq };
            None
        };
        self.stage_buffered(log, buffered)?;
        if durability == Durability::Synced {
            log.ask_for_sync();
        }
        if undecided.is_some() {
            let written = batch.operations().iter().map(|o| &o.key);
            let mut keys = written.chain(batch.required().iter().map(|(key, _)| key));
            let touched = keys.any(|key| log.touches(self.hasher.hash(key)));
            if touched {
                self.finish_group(log, results);
                self.check_writable()?;
                if durability == Durability::Synced {
                    log.ask_for_sync();
                }
            }
        }
        let kept = self.judge(batch)?;
        let count = kept.as_ref().map_or(batch.len(), Vec::len);
        if count == 0 {
            return Ok(Commit { seq: self.last_seq(), durability, written: false });
        }
        if let Some(mut last_seq) = undecided {
            *last_seq = seq;
        }
        let bytes = batch.bytes_max();
        let staged = match kept {
            Some(kept) => self.stage(log, kept.into_iter().map(|o| (o, seq)), bytes),
            None => self.stage(log, batch.operations().iter().map(|o| (o, seq)), bytes),
        };
        self.or_poison(staged)?;
        self.counters.add(Count::Commits, 1);
        Ok(Commit { seq, durability, written: true })
    }

    /// Stages what was buffered, as one unit: coalescing left no moments in between.
    fn stage_buffered(&self, log: &mut Log<S>, buffered: Option<Arc<WriteBuffer>>) -> Result<()> {
        let Some(buffered) = buffered else { return Ok(()) };
        let operations: Vec<_> = buffered.iter().map(|b| (&b.operation, b.seq)).collect();
        let staged = self.stage(log, operations.into_iter(), buffered.bytes());
        self.or_poison(staged)?;
        log.buffer_staged();
        Ok(())
    }

    /// Hardens and applies the group; commits in it that failed with it are told.
    fn finish_group(&self, log: &mut Log<S>, results: &mut [Answer]) {
        let finished = self.finish(log);
        for answer in results {
            if let Answer::InGroup(commit) = *answer {
                *answer = Answer::Done(finished.clone().map(|()| commit));
            }
        }
    }

    /// Whether the batch must be judged against what is stored.
    fn must_read(&self, batch: &Batch) -> bool {
        self.options.skip_identical || batch.conditions().next().is_some()
    }

    /// Judges the conditions, and picks the operations to be written: the last on each key, and
    /// of these not what is stored already if the options say so. `None` for all.
    fn judge<'b>(&self, batch: &'b Batch) -> Result<Option<Vec<&'b Operation>>> {
        let operations = batch.operations();
        for (at, key, condition) in batch.conditions() {
            let found = self.get_record(key)?.map_or(0, |record| record.seq);
            if !condition.holds(found) {
                return Err(ErrorKind::ConditionFailed { operation: at, found }.into());
            }
        }
        if !self.options.skip_identical && batch.is_ascending() {
            return Ok(None);
        }
        let mut last: HashMap<&[u8], usize, RandomState> =
            HashMap::with_capacity_and_hasher(operations.len(), RandomState::default());
        for (at, operation) in operations.iter().enumerate() {
            last.insert(&operation.key, at);
        }
        let mut kept = Vec::with_capacity(last.len());
        for (at, operation) in operations.iter().enumerate() {
            if last.get(operation.key.as_slice()) == Some(&at) {
                if self.options.skip_identical && self.is_stored(operation)? {
                    self.counters.add(Count::IdenticalSkipped, 1);
                } else {
                    kept.push(operation);
                }
            }
        }
        Ok((kept.len() < operations.len()).then_some(kept))
    }

    /// Whether the value to be set is the newest already.
    fn is_stored(&self, operation: &Operation) -> Result<bool> {
        let Some(value) = &operation.value else { return Ok(false) };
        let found = self.get_record(&operation.key)?;
        Ok(found.is_some_and(|r| r.value == *value && r.expires == operation.expires))
    }

    fn write_buffered(&self, batch: &Batch) -> Result<Commit> {
        if batch.conditions().next().is_some() {
            // A record that was judged by its seq is not replaced in the buffer.
            self.drain()?;
        }
        // What must be read may be in a group that is being hardened: wait for that.
        let log = self.must_read(batch).then(|| lock(&self.log));
        let mut last_seq = lock(&self.clock);
        let kept = self.judge(batch)?;
        let kept: Option<Vec<Operation>> = kept.map(|kept| kept.into_iter().cloned().collect());
        let operations = kept.as_deref().unwrap_or(batch.operations());
        if operations.is_empty() {
            let seq = self.last_seq();
            return Ok(Commit { seq, durability: Durability::Buffered, written: false });
        }
        let seq = self.next_seq(*last_seq)?;
        *last_seq = seq;
        let now = self.host.now_us();
        let was_empty = self.buffer.since().is_none();
        let bytes = self.buffer.push(operations, batch.len() == 1, seq, now);
        self.set_last(seq);
        drop(last_seq);
        drop(log);
        self.counters.add(Count::Commits, 1);
        if was_empty {
            self.wake.due_in(Duration::from_millis(self.options.buffer_ms_max));
        }
        if bytes >= self.options.buffer_bytes_max {
            self.drain()?;
        }
        Ok(Commit { seq, durability: Durability::Buffered, written: true })
    }

    /// Writes out the write buffer, without a sync.
    pub(super) fn drain(&self) -> Result<()> {
        if !self.buffer.is_used() {
            return Ok(());
        }
        // An empty commit also waits for what another thread is writing out just now.
        self.write(&Batch::new(), Some(Durability::Flushed)).map(drop)
    }

    /// The sequence number that a commit would get now, if no other comes before.
    pub fn upcoming_seq(&self) -> u64 {
        self.now().max(*lock(&self.clock) + 1)
    }

    /// The sequence number after `last`.
    fn next_seq(&self, last: u64) -> Result<u64> {
        let seq = self.now().max(last + 1);
        if seq > limits::SEQ_MAX {
            return Err(ErrorKind::Invalid("the clock is beyond the year 2255").into());
        }
        Ok(seq)
    }

    /// A failure poisons the store.
    pub(super) fn or_poison<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|_| self.poison())
    }
}

/// What becomes of one commit of a group.
enum Answer {
    /// It is written if the group is.
    InGroup(Commit),
    Done(Result<Commit>),
}

impl Answer {
    fn into_result(self) -> Result<Commit> {
        match self {
            Answer::InGroup(commit) => Ok(commit),
            Answer::Done(result) => result,
        }
    }
}
