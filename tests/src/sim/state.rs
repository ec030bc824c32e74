//! The state behind a simulated disk: what it holds, how calls fare, and what is kept of them.

use std::collections::BTreeMap;

use siltdb_core::error::{StorageError, StorageErrorKind, StorageFailure};
use siltdb_core::storage::FileId;

use super::disk::{Disk, File};
use super::{CallKind, CrashPoint, Faults, Plant, Random, SimOptions, mix};

/// A call that changes the disk, with what it was given.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Create(FileId),
    Resume(FileId, usize),
    Publish(FileId, Vec<u8>),
    Remove(FileId),
    Append(FileId, Vec<u8>),
    Sync(FileId),
    Finish(FileId),
}

#[derive(Debug)]
pub(super) struct State {
    pub disk: Disk,
    pub options: SimOptions,
    pub faults: Faults,
    pub random: Random,
    /// Calls since the faults were set, in all and of each kind.
    pub calls: u64,
    pub calls_by_kind: [u64; 10],
    pub dead: bool,
    pub plant: Plant,
    /// Published, but not settled yet because of a planted bug.
    pub unsettled: Option<FileId>,
    pub paused: bool,
    pub failures: u64,
    pub failed_syncs: u64,
    pub trace: u64,
    pub readers: BTreeMap<FileId, usize>,
    pub appenders: BTreeMap<FileId, usize>,
    /// Sectors that can never be read again.
    pub bad: Vec<(FileId, u64)>,
    pub points: Option<Vec<CrashPoint>>,
    pub mark: u64,
}

/// How a call goes.
pub(super) enum Fate {
    Fine,
    /// It fails with this kind.
    Fails(StorageErrorKind),
    /// The process dies in it.
    Dies,
}

impl Change {
    /// The call's whole effect, not yet acknowledged: a published name is not settled.
    pub fn apply(&self, disk: &mut Disk, reserve: usize) {
        match self {
            Change::Create(id) => {
                disk.files.insert(*id, File::default());
            }
            Change::Publish(id, bytes) => {
                disk.files.insert(*id, File::published(bytes));
            }
            Change::Remove(id) => disk.remove(*id),
            Change::Sync(id) => disk.settle(*id),
            Change::Resume(id, len) => {
                if let Some(file) = disk.files.get_mut(id) {
                    file.cut(*len);
                }
            }
            Change::Append(id, bytes) => {
                if let Some(file) = disk.files.get_mut(id) {
                    file.append(bytes, reserve);
                }
            }
            Change::Finish(id) => {
                if let Some(file) = disk.files.get_mut(id) {
                    file.finish();
                }
            }
        }
    }
}

impl State {
    /// Counts the call and decides how it goes.
    pub fn begin(&mut self, kind: CallKind, id: Option<FileId>) -> Fate {
        if self.paused {
            return if self.dead { Fate::Fails(StorageErrorKind::Io) } else { Fate::Fine };
        }
        self.calls += 1;
        self.calls_by_kind[kind as usize] += 1;
        if kind.changes() && kind != CallKind::Remove {
            self.unsettled.take().into_iter().for_each(|id| self.disk.settle(id));
        }
        let (file, number) = id.map_or((0, 0), |id| (id.kind as u64 + 1, id.number));
        self.note(kind as u64 ^ (file << 8) ^ (number << 16));
        if self.dead {
            return Fate::Fails(StorageErrorKind::Io);
        }
        if self.faults.die_at == Some(self.calls) {
            self.dead = true;
            self.note(0xDEAD);
            return Fate::Dies;
        }
        let nth = self.faults.nth.filter(|nth| {
            let count = nth.kind.map_or(self.calls, |kind| self.calls_by_kind[kind as usize]);
            nth.kind.is_none_or(|k| k == kind) && (count == nth.n || (nth.forever && count > nth.n))
        });
        let by_rate = self.random.one_in(self.faults.one_in[kind as usize]);
        let failure = nth.map(|nth| nth.error).or_else(|| by_rate.then(|| self.pick_error(kind)));
        failure.map_or(Fate::Fine, |error| {
            self.note(error as u64 ^ 0xFA11);
            Fate::Fails(error)
        })
    }

    /// Bytes that may still be written.
    pub fn room(&self) -> u64 {
        let space = self.faults.space.filter(|_| !self.paused);
        space.map_or(u64::MAX, |space| space.saturating_sub(self.disk.total()))
    }

    pub fn pick_error(&mut self, kind: CallKind) -> StorageErrorKind {
        let full = matches!(kind, CallKind::Append | CallKind::Create | CallKind::Publish);
        match self.random.below(4) {
            0 if full => StorageErrorKind::OutOfSpace,
            1 => StorageErrorKind::Denied,
            _ => StorageErrorKind::Io,
        }
    }

    pub fn note(&mut self, what: u64) {
        self.trace = mix(self.trace.rotate_left(23) ^ what);
    }

    pub fn note_bytes(&mut self, bytes: &[u8]) {
        let hash = bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(hash.rotate_left(17) ^ u64::from_le_bytes(word))
        });
        self.note(hash);
    }

    /// An error of the disk's own making (not of the caller's).
    pub fn fail(
        &mut self,
        kind: CallKind,
        id: Option<FileId>,
        error: StorageErrorKind,
    ) -> StorageError {
        self.failures += 1;
        self.failed_syncs += u64::from(kind == CallKind::Sync);
        let message = if self.dead { "simulated death" } else { "simulated fault" };
        StorageFailure { op: kind.op(), file: id, kind: error, message: message.into() }.into()
    }

    pub fn point(&mut self, call: impl FnOnce() -> Change) {
        if let Some(points) = &mut self.points {
            points.push(CrashPoint {
                before: self.disk.clone(),
                call: call(),
                options: self.options,
                mark: self.mark,
                number: points.len(),
            });
        }
    }

    /// A call that happens wholly or not at all. On failure and death it may have happened.
    pub fn whole(
        &mut self,
        kind: CallKind,
        id: FileId,
        change: Change,
    ) -> Result<(), StorageError> {
        let fate = self.begin(kind, Some(id));
        if !self.dead {
            self.point(|| change.clone());
        }
        let reserve = self.options.reserve;
        match fate {
            Fate::Fine => change.apply(&mut self.disk, reserve),
            Fate::Dies => {
                if self.random.one_in(2) {
                    change.apply(&mut self.disk, reserve);
                }
                return Err(self.fail(kind, Some(id), StorageErrorKind::Io));
            }
            Fate::Fails(error) => {
                let unknown =
                    matches!(kind, CallKind::Create | CallKind::Publish | CallKind::Remove);
                if unknown && !self.dead && self.random.one_in(2) {
                    change.apply(&mut self.disk, reserve);
                }
                return Err(self.fail(kind, Some(id), error));
            }
        }
        Ok(())
    }

    pub fn file(&self, kind: CallKind, id: FileId) -> Result<&File, StorageError> {
        let missing = || StorageError::new(kind.op(), Some(id), StorageErrorKind::NotFound);
        self.disk.files.get(&id).ok_or_else(missing)
    }

    pub fn refuse_existing(&self, kind: CallKind, id: FileId) -> Result<(), StorageError> {
        if self.disk.files.contains_key(&id) {
            return Err(StorageError::new(kind.op(), Some(id), StorageErrorKind::AlreadyExists));
        }
        Ok(())
    }
}
