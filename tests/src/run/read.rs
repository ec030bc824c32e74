//! The calls of a run that read.

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::host::Host;
use siltdb_core::options::Options;
use siltdb_core::types::{Change, Record, ScanOptions};

use super::Run;
use crate::check::{
    Depth, Frame, Outcome, brief, compare, compare_as_of, compare_get, compare_refusing,
    compare_scan, ok, wrong,
};
use crate::model::Model;
use crate::sim::{Loss, SimHost, SimStorage};
use crate::store::{self, SimStore};
use crate::workload::{ScanOp, key};

impl Run {
    /// Where the store stands in the order of commits and in time.
    #[must_use]
    pub fn frame(&self) -> Frame {
        let edges = self.model.edges().len() - usize::from(self.doubt);
        let horizon = self.store.as_ref().map_or(0, SimStore::horizon);
        frame_at(&self.model, edges, &self.host, horizon, &self.options)
    }

    /// Compares everything with the model. The disk's faults pause.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&mut self, depth: Depth) -> Outcome {
        let frame = self.frame();
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        self.storage.pause_faults(true);
        let result = if store.is_poisoned() && store.buffered_bytes() > 0 {
            let before = self.model.seq_at(self.buffered_from.unwrap_or(0));
            compare_refusing(store, &self.model, frame.moment.max(store.last_seq()), before)
        } else {
            compare(store, &self.model, frame, depth)
        };
        let stats = store.stats();
        self.storage.pause_faults(false);
        result?;
        self.model.durable(ok("stats", stats)?.durable_seq);
        self.storage.mark(self.model.mark());
        Ok(())
    }

    pub(super) fn get(&mut self, key: &[u8], back: u8) -> Outcome {
        let (frame, as_of) = (self.frame(), self.seq_back(back));
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        compare_get(store, &self.model, frame, key)?;
        let history = ok("history", store.history(key))?;
        let horizon = store.horizon();
        self.model.check_history(key, frame.upto, horizon, &history)?;
        compare_as_of(store, &self.model, as_of, horizon)
    }

    pub(super) fn scan(&mut self, op: &ScanOp) -> Outcome {
        let mut frame = self.frame();
        let mut options = scan_options(op);
        options.as_of = op.back.map(|back| self.seq_back(back));
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        if let Some(seq) = options.as_of {
            let horizon = store.horizon();
            if seq < horizon {
                return compare_as_of(store, &self.model, seq, horizon);
            }
            frame = Frame { upto: seq, moment: seq, exact_len: false };
        }
        let found = store.scan(&options);
        if options.as_of.is_some_and(|seq| seq < store.horizon()) && found.is_err() {
            return Ok(());
        }
        let found = ok("scan", found)?;
        compare_scan(&self.model, frame, &options, &found)?;
        let count = store.count(&options);
        if options.as_of.is_some_and(|seq| seq < store.horizon()) && count.is_err() {
            return Ok(());
        }
        let count = ok("count", count)?;
        if count != found.len() as u64 {
            wrong!("count gives {count}, the scan {} records: {options:?}", found.len());
        }
        Ok(())
    }

    pub(super) fn diff(&mut self, from: u8, to: u8, op: &ScanOp) -> Outcome {
        let (a, b) = (self.seq_back(from), self.seq_back(to));
        let (from, to) = (a.min(b), a.max(b));
        let options =
            ScanOptions { reverse: false, limit: None, keys_only: false, ..scan_options(op) };
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let horizon = store.horizon();
        let found = store.diff(from, to, &options);
        if let Err(ErrorKind::HistoryGone { .. }) = found.as_ref().map_err(Error::kind) {
            if from < store.horizon() {
                return Ok(());
            }
            wrong!("diff from {from} says history is gone; the horizon is {}", store.horizon());
        }
        if from < horizon {
            wrong!("diff from {from}, before {horizon}, gives {found:?}");
        }
        let (found, expected) = (ok("diff", found)?, self.model.diff(from, to, &options));
        if found != expected {
            let of = |changes: &[Change]| -> Vec<String> {
                let side = |record: &Option<Record>| record.as_ref().map(brief);
                changes
                    .iter()
                    .map(|c| format!("{:?} to {:?}", side(&c.before), side(&c.after)))
                    .collect()
            };
            wrong!("diff from {from} to {to} gives {:#?}, not {:#?}", of(&found), of(&expected));
        }
        Ok(())
    }

    pub(super) fn take_view(&mut self, back: u8) -> Outcome {
        let (frame, seq) = (self.frame(), self.seq_back(back));
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let now = back == 0 || seq < store.horizon();
        let view = if now { store.view() } else { store.view_as_of(seq) };
        let gone = |e: &Error| matches!(e.kind(), ErrorKind::HistoryGone { .. });
        if view.as_ref().is_err_and(gone) && seq < store.horizon() {
            return Ok(());
        }
        self.views.push((ok("view", view)?, if now { frame.moment } else { seq }));
        Ok(())
    }

    pub(super) fn drop_view(&mut self) -> Outcome {
        if self.views.is_empty() {
            return Ok(());
        }
        let (view, moment) = self.views.remove(0);
        let seq = view.seq();
        let frame = Frame { upto: seq, moment, exact_len: false };
        for reverse in [false, true] {
            let options = ScanOptions { reverse, ..ScanOptions::default() };
            let found = view.scan(&options).and_then(Iterator::collect);
            compare_scan(
                &self.model,
                frame,
                &options,
                &ok::<Vec<Record>>("scan of a view", found)?,
            )?;
        }
        for n in 0..crate::workload::KEYS {
            let key = key(n);
            let found = ok("get of a view", view.get(&key))?;
            let expected = self.model.get(&key, seq, moment);
            if found != expected {
                wrong!("a view at {seq} gives {found:?} for key {n}, not {expected:?}");
            }
        }
        Ok(())
    }

    /// A snapshot of the store, as one file.
    ///
    /// # Errors
    /// The store's; the snapshot is of another commit than the last.
    pub fn copy(&mut self) -> Outcome<Vec<u8>> {
        let frame = self.frame();
        let Some(store) = self.store.as_mut() else { wrong!("no store is open") };
        let (seq, bytes) = ok("snapshot", store.snapshot())?;
        if seq != frame.upto {
            wrong!("a snapshot has seq {seq}, the store has {}", frame.upto);
        }
        Ok(bytes)
    }

    /// Opens a restored snapshot of the store and compares everything with the model.
    ///
    /// # Errors
    /// It does not open, or the first difference.
    pub fn compare_copy(&self, disk: SimStorage) -> Outcome {
        let options = Options { create: false, ..self.options.clone() };
        let copy = SimStore::open(self.kind, disk, self.host.clone(), options);
        compare(&mut ok("open of a copy", copy)?, &self.model, self.frame(), Depth::Light)
    }

    pub(super) fn snapshot(&mut self) -> Outcome {
        if self.store.is_none() {
            return Ok(());
        }
        let bytes = self.copy()?;
        let disk = SimStorage::seeded(1);
        ok("restore", store::restore(&disk, &bytes))?;
        // What was restored is durable, and nothing in it is damaged.
        let disk = disk.power_loss(Loss::Everything);
        let damaged = ok("verify", store::verify(&disk))?;
        if !damaged.is_empty() {
            wrong!("the verification of a copy finds damage in {damaged:?}");
        }
        self.compare_copy(disk)
    }

    pub(super) fn verify(&mut self) -> Outcome {
        if self.store.is_none() {
            return Ok(());
        }
        // A copy, so that the check has the files to itself.
        let copy = self.storage.process_death(0);
        let damaged = ok("verify", store::verify(&copy))?;
        if !damaged.is_empty() && self.storage.failures() == 0 {
            wrong!("the verification finds damage in {damaged:?}");
        }
        Ok(())
    }

    /// Verifies the files of a stopped store: what a crash tears is no damage.
    pub(super) fn verify_image(&self) -> Outcome {
        match store::verify(&self.storage.process_death(self.opened)) {
            Err(e) if *e.kind() == ErrorKind::NoStore && self.storage.files().is_empty() => Ok(()),
            found => match ok("verify before the open", found)? {
                damaged if damaged.is_empty() => Ok(()),
                damaged => wrong!("before the open, damage is found in {damaged:?}"),
            },
        }
    }

    /// The seq so many commits ago, one less for some, so that moments between commits occur.
    pub(super) fn seq_back(&self, back: u8) -> u64 {
        let edges = self.model.edges().len() - usize::from(self.doubt);
        let seq = self.model.seq_at(edges.saturating_sub(usize::from(back / 2)));
        seq.saturating_sub(u64::from(back % 2)).max(1)
    }
}

/// Where a store with the first so many edges of a model stands.
#[must_use]
pub fn frame_at(
    model: &Model,
    edges: usize,
    host: &SimHost,
    horizon: u64,
    options: &Options,
) -> Frame {
    let upto = model.seq_at(edges);
    // What was dropped because it had expired stays expired when the clock goes back.
    let moment = host.now_us().max(upto).max(horizon);
    Frame { upto, moment, exact_len: options.hash_bits == 64 }
}

fn scan_options(op: &ScanOp) -> ScanOptions {
    ScanOptions {
        from: op.from.map(key),
        to: op.to.map(key),
        prefix: op.prefix.map(|n| key(n).into_iter().take(3).collect()),
        reverse: op.reverse,
        limit: op.limit.map(u64::from),
        keys_only: op.keys_only,
        as_of: None,
    }
}
