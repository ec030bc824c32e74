//! Damage to the files of a cleanly closed store, and the judgement of what it then says.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::host::Host;
use siltdb_core::options::Options;
use siltdb_core::storage::FileId;
use siltdb_core::types::{Record, ScanOptions};

use crate::check::{Outcome, Trouble, compare_scan, show, wrong};
use crate::model::Model;
use crate::run::{Run, Stop, frame_at};
use crate::sim::{SimHost, SimOptions, SimStorage};
use crate::store::{self, Kind, SimStore};
use crate::workload::Op;

/// The files of a cleanly closed store, and what it holds.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Its files.
    pub files: BTreeMap<FileId, Vec<u8>>,
    /// The segment that writes went to, if it was not sealed.
    pub active: Option<FileId>,
    model: Model,
    options: Options,
    now_us: u64,
}

/// What a damaged store did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reaction {
    /// It did not open and said which file is damaged.
    Refused,
    /// It opened, and some reads said which file is damaged; all others were right.
    Reported,
    /// Every answer was right, and the verification found the damage.
    Verified,
    /// Every answer was right, and nothing found the damage.
    Unnoticed,
}

impl Closed {
    /// Runs a workload without faults, closes the store and takes its files.
    ///
    /// # Errors
    /// The workload went wrong.
    pub fn new(seed: u64, options: Options, ops: &[Op]) -> Outcome<Self> {
        let disk = SimStorage::new(SimOptions { seed, ..SimOptions::default() });
        let mut run = Run::unopened(Kind::Single, seed, disk, options.clone());
        run.open()?;
        for op in ops {
            run.step(op)?;
        }
        let active = run.active_segment()?;
        run.stop(Stop::Close)?;
        let files: BTreeMap<FileId, Vec<u8>> = run.storage.files().into_iter().collect();
        let now_us = run.host.now_us();
        let active = active.filter(|id| files.contains_key(id));
        Ok(Self { files, active, model: std::mem::take(&mut run.model), options, now_us })
    }

    /// Opens damaged files and judges every answer. `damaged` is the file that errors must name;
    /// `edges` how many of the last commits may be gone.
    ///
    /// # Errors
    /// A panic, a wrong answer, or an error that names no damaged file.
    pub fn judge(
        &self,
        files: &BTreeMap<FileId, Vec<u8>>,
        damaged: &[FileId],
        lost: Lost,
    ) -> Outcome<Reaction> {
        let judge = || self.judge_unguarded(files, damaged, lost);
        catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    fn judge_unguarded(
        &self,
        files: &BTreeMap<FileId, Vec<u8>>,
        damaged: &[FileId],
        lost: Lost,
    ) -> Outcome<Reaction> {
        let disk = || {
            let files = files.iter().map(|(id, bytes)| (*id, bytes.clone())).collect();
            SimStorage::with_files(SimOptions::default(), files)
        };
        let host = SimHost::new(99);
        host.set(self.now_us);
        let (storage, options) = (disk(), self.options.clone());
        let mut store = match SimStore::open(Kind::Single, storage.clone(), host.clone(), options) {
            Ok(store) => store,
            Err(e) => {
                named("open", &e, damaged)?;
                unchanged(&storage, files)?;
                return Ok(Reaction::Refused);
            }
        };
        let mut reader = Reader { store: &mut store, damaged, reported: false };
        let edges = self.edges_left(&mut reader, lost)?;
        let horizon = reader.store.horizon();
        let frame = frame_at(&self.model, edges, &host, horizon, &self.options);
        for reverse in [false, true] {
            let options = ScanOptions { reverse, ..ScanOptions::default() };
            if let Some(found) = reader.scan(&options)? {
                compare_scan(&self.model, frame, &options, &found)?;
            }
        }
        for key in self.model.keys() {
            let expected = self.model.get(key, frame.upto, frame.moment);
            let found = reader.ask("get", |store| store.get_record(key))?;
            if let Some(found) = found.filter(|found| *found != expected) {
                wrong!("get {} gives {found:?}, not {expected:?}", show(key));
            }
            if let Some(found) = reader.ask("history", |store| store.history(key))? {
                let horizon = reader.store.horizon();
                self.model.check_history(key, frame.upto, horizon, &found)?;
            }
        }
        if reader.reported {
            return Ok(Reaction::Reported);
        }
        drop(store);
        match store::verify(&disk()) {
            Err(e) => named("verify", &e, damaged)?,
            Ok(found) if found.is_empty() => return Ok(Reaction::Unnoticed),
            Ok(found) => {
                if let Some(other) = found.iter().find(|id| !damaged.contains(id)) {
                    wrong!("the verification blames {other}, damaged is {damaged:?}");
                }
            }
        }
        Ok(Reaction::Verified)
    }

    /// How many commits the store still has, as far as any may be gone.
    fn edges_left(&self, reader: &mut Reader<'_>, lost: Lost) -> Outcome<usize> {
        let all = self.model.edges().len();
        if lost == Lost::Nothing {
            return Ok(all);
        }
        let last = reader.store.last_seq();
        Ok(self.model.edges().partition_point(|edge| edge.seq <= last))
    }
}

/// What damage may take away silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Nothing.
    Nothing,
    /// The last commits: the file of the newest ones was cut, as a torn tail is.
    LastCommits,
}

/// Asks a damaged store: an error that names the damage is an answer, too.
struct Reader<'a> {
    store: &'a mut SimStore,
    damaged: &'a [FileId],
    reported: bool,
}

impl Reader<'_> {
    fn ask<T>(
        &mut self,
        what: &str,
        call: impl FnOnce(&mut SimStore) -> Result<T, Error>,
    ) -> Outcome<Option<T>> {
        match call(self.store) {
            Ok(answer) => Ok(Some(answer)),
            Err(e) => {
                named(what, &e, self.damaged)?;
                self.reported = true;
                Ok(None)
            }
        }
    }

    fn scan(&mut self, options: &ScanOptions) -> Outcome<Option<Vec<Record>>> {
        self.ask("scan", |store| store.scan(options))
    }
}

/// Demands an error that names a damaged file.
fn named(what: &str, e: &Error, damaged: &[FileId]) -> Outcome {
    let file = match e.kind() {
        ErrorKind::Corrupt(corruption) => Some(corruption.file),
        ErrorKind::Unsupported { file, .. } => Some(*file),
        _ => None,
    };
    if file.is_none_or(|file| !damaged.contains(&file)) {
        wrong!("{what} says {e:?}; damaged is {damaged:?}");
    }
    Ok(())
}

/// A store that does not open must not have touched anything.
fn unchanged(storage: &SimStorage, files: &BTreeMap<FileId, Vec<u8>>) -> Outcome {
    let now: BTreeMap<FileId, Vec<u8>> = storage.files().into_iter().collect();
    for (id, bytes) in files {
        if now.get(id) != Some(bytes) {
            wrong!("the store did not open, yet {id} was changed or removed");
        }
    }
    Ok(())
}

fn panicked(panic: &(dyn Any + Send)) -> Trouble {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
    Trouble::from(format!("panic: {text}"))
}
