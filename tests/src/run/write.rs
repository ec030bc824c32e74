//! The calls of a run that write.

use siltdb_core::batch::{Batch, Condition, Operation};
use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::host::Host;
use siltdb_core::options::Durability;
use siltdb_core::types::Commit;

use super::Run;
use crate::check::{Outcome, ok, wrong};
use crate::model::{Edge, Written};
use crate::store::SimStore;
use crate::workload::{BatchOp, key, retention, value};

impl Run {
    /// Sets one key by the plain call.
    ///
    /// # Errors
    /// A wrong answer.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Outcome {
        let mut batch = Batch::new();
        batch.set(key, value);
        self.commit(&batch, None, |store, _| store.set(key, value))
    }

    /// Deletes one key by the plain call.
    ///
    /// # Errors
    /// A wrong answer.
    pub fn delete(&mut self, key: &[u8]) -> Outcome {
        let mut batch = Batch::new();
        batch.delete(key);
        self.commit(&batch, None, |store, _| store.delete(key))
    }

    /// Commits a batch.
    ///
    /// # Errors
    /// A wrong answer.
    pub fn write(&mut self, batch: &Batch, durability: Option<Durability>) -> Outcome {
        self.commit(batch, durability, |store, batch| store.write(batch, durability))
    }

    pub(super) fn write_ops(&mut self, ops: &[BatchOp], durability: Option<Durability>) -> Outcome {
        let frame = self.frame();
        let mut batch = Batch::new();
        for op in ops {
            let key = key(op.key);
            let now = self.model.get(&key, frame.upto, frame.moment).map_or(0, |r| r.seq);
            let condition = match op.condition {
                1 => Some(Condition::Absent),
                2 if now > 0 => Some(Condition::SeqIs(now)),
                3 => Some(Condition::SeqIs(now + 1)),
                _ => None,
            };
            let expires = op.ttl.map(|ttl| self.host.now_us().saturating_add_signed(ttl));
            let value = op.value.map(value);
            let expires = expires.filter(|_| value.is_some());
            batch.push(Operation { key, value, expires, condition });
        }
        self.write(&batch, durability)
    }

    pub(super) fn commit(
        &mut self,
        batch: &Batch,
        durability: Option<Durability>,
        call: impl FnOnce(&mut SimStore, &Batch) -> Result<Commit, Error>,
    ) -> Outcome {
        let failed = self.failed_condition(batch);
        let changes = self.changes(batch);
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let seq = store.next_seq();
        let doubted = std::mem::take(&mut self.doubt).then(|| self.model.take_last());
        let writes = failed.is_none() && !changes.is_empty();
        if writes {
            self.model.ask(Edge { seq, written: changes, single: batch.len() == 1 });
            // What expires as it is written may be dropped beside this very commit.
            self.model.compacts(self.clock_max);
        }
        self.storage.mark(self.model.mark());
        let result = call(store, batch);
        let level = durability.unwrap_or(self.options.durability);
        let buffered = writes && level == Durability::Buffered && store.last_seq() == seq;
        if buffered {
            // Conditions are judged on what is written: what waited went out first.
            let judged = batch.operations().iter().any(|operation| operation.condition.is_some());
            let first = self.model.edges().len() - 1;
            let from = self.buffered_from.filter(|_| !judged).unwrap_or(first);
            self.buffered_from = Some(from);
            self.model.coalesce(from);
        }
        let mut trouble = Ok(());
        let written = matches!(&result, Ok(commit) if commit.written);
        match (result.map_err(Error::into_kind), failed) {
            (Err(ErrorKind::ConditionFailed { operation, found }), Some(expected))
                if (operation, found) == expected => {}
            (Err(ErrorKind::Poisoned), _) if self.storage.failures() > 0 && writes => {
                self.model.take_last();
            }
            (Err(ErrorKind::Poisoned), _) if self.storage.failures() > 0 => {}
            (Err(e @ ErrorKind::Storage(_)), _) => {
                self.doubt = writes;
                trouble = ok("write", Err(e.into()));
            }
            (Ok(commit), None) => self.committed(commit, seq, writes, level)?,
            (other, expected) => wrong!("write gives {other:?}; failed condition: {expected:?}"),
        }
        // Only a later commit proves that one in doubt was not written.
        if let Some(edge) = doubted.flatten().filter(|_| !written && !self.doubt) {
            self.model.ask(edge);
            self.doubt = true;
        }
        self.storage.mark(self.model.mark());
        trouble
    }

    pub(super) fn committed(
        &mut self,
        commit: Commit,
        seq: u64,
        writes: bool,
        level: Durability,
    ) -> Outcome {
        if commit.written != writes {
            wrong!("write says written: {}, should be {writes}", commit.written);
        }
        if writes && commit.seq != seq {
            wrong!("the commit has seq {}, should have {seq}", commit.seq);
        }
        if commit.durability < level {
            wrong!("the commit reached {:?}, asked was {level:?}", commit.durability);
        }
        self.model.reached(commit.durability);
        Ok(())
    }

    /// The first operation whose condition does not hold, and the seq its key has.
    pub(super) fn failed_condition(&self, batch: &Batch) -> Option<(usize, u64)> {
        let frame = self.frame();
        let found = |operation: &Operation| {
            let record = self.model.get(&operation.key, frame.upto, frame.moment);
            record.map_or(0, |record| record.seq)
        };
        batch.operations().iter().enumerate().find_map(|(n, operation)| {
            let found = found(operation);
            let holds = match operation.condition {
                None => true,
                Some(Condition::Absent) => found == 0,
                Some(Condition::SeqIs(seq)) => found == seq,
            };
            (!holds).then_some((n, found))
        })
    }

    /// What a batch writes: the last operation on each key, without values that are the newest
    /// already where those are skipped. A delete is always written.
    pub(super) fn changes(&self, batch: &Batch) -> Vec<Written> {
        let frame = self.frame();
        let all = written(batch);
        let is_last = |at: usize, key: &[u8]| all[at + 1..].iter().all(|(other, ..)| other != key);
        let changes = |key: &[u8], value: Option<&Vec<u8>>, expires: Option<u64>| {
            let now = self.model.get(key, frame.upto, frame.moment);
            let now = now.as_ref().map(|record| (&record.value, record.expires));
            !self.options.skip_identical || value.is_none_or(|value| now != Some((value, expires)))
        };
        let kept = all.iter().enumerate().filter(|(at, (key, value, expires))| {
            is_last(*at, key) && changes(key, value.as_ref(), *expires)
        });
        kept.map(|(_, written)| written.clone()).collect()
    }

    pub(super) fn sync(&mut self) -> Outcome {
        self.storage.mark(self.model.mark());
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let seq = ok("sync", store.sync())?;
        if self.doubt {
            // Whatever the sync covers, the commit that failed is not promised by it.
            return Ok(());
        }
        if seq < self.model.last_seq() {
            wrong!("sync says {seq} is durable; {} was written", self.model.last_seq());
        }
        self.model.reached(Durability::Synced);
        self.storage.mark(self.model.mark());
        Ok(())
    }

    pub(super) fn set_retention(&mut self, n: u8) -> Outcome {
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let rule = retention(n);
        let before = store.retention();
        let result = store.set_retention(rule);
        let now = store.retention();
        if now != rule && (result.is_ok() || now != before) {
            wrong!("retention is {now:?} after it was set to {rule:?}");
        }
        // A failed call may have published the rule: until the next open either may stand, and
        // what both keep is all that is promised. A poisoned store did not try.
        if result != Err(ErrorKind::Poisoned.into()) {
            self.model.set_retention(now, rule);
        }
        ok("set_retention", result)
    }

    pub(super) fn simple(
        &mut self,
        what: &str,
        call: impl FnOnce(&mut SimStore) -> Result<(), Error>,
    ) -> Outcome {
        self.storage.mark(self.model.mark());
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        ok(what, call(store))
    }
}

fn written(batch: &Batch) -> Vec<Written> {
    let parts = |op: &Operation| (op.key.clone(), op.value.clone(), op.expires);
    batch.operations().iter().map(parts).collect()
}
