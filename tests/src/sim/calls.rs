//! The storage trait over a simulated disk.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use siltdb_core::error::{StorageError, StorageErrorKind};
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};

use super::state::{Change, Fate, State};
use super::{CallKind, Plant, SECTOR, SimStorage};

/// Reads a file of [`SimStorage`].
#[derive(Debug)]
pub struct SimReader {
    state: Rc<RefCell<State>>,
    id: FileId,
    lent: OnceCell<Lent>,
}

/// What a reader lends slices of.
#[derive(Debug)]
struct Lent {
    bytes: Rc<Vec<u8>>,
    /// Bytes appended by then.
    len: usize,
    /// How often the file had been cut by then.
    cuts: u64,
}

/// Appends to a file of [`SimStorage`].
#[derive(Debug)]
pub struct SimAppender {
    state: Rc<RefCell<State>>,
    id: FileId,
    failed: Cell<bool>,
}

impl SimStorage {
    fn reader(&self, id: FileId) -> SimReader {
        *self.state.borrow_mut().readers.entry(id).or_default() += 1;
        SimReader { state: Rc::clone(&self.state), id, lent: OnceCell::new() }
    }

    fn appender(&self, id: FileId) -> SimAppender {
        *self.state.borrow_mut().appenders.entry(id).or_default() += 1;
        SimAppender { state: Rc::clone(&self.state), id, failed: Cell::new(false) }
    }
}

impl Storage for SimStorage {
    type Reader = SimReader;
    type Appender = SimAppender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        let mut state = self.state.borrow_mut();
        if !matches!(state.begin(CallKind::List, None), Fate::Fine) {
            return Err(state.fail(CallKind::List, None, StorageErrorKind::Io));
        }
        let files: Vec<(FileId, u64)> =
            state.disk.files.iter().map(|(id, file)| (*id, file.bytes.len() as u64)).collect();
        drop(state);
        // Any order is allowed: number order must not be relied on, so give the reverse.
        for (id, len) in files.into_iter().rev() {
            visit(id, len);
        }
        Ok(())
    }

    fn open(&self, id: FileId) -> Result<SimReader, StorageError> {
        let mut state = self.state.borrow_mut();
        match state.begin(CallKind::Open, Some(id)) {
            Fate::Fine => {}
            Fate::Fails(error) => return Err(state.fail(CallKind::Open, Some(id), error)),
            Fate::Dies => return Err(state.fail(CallKind::Open, Some(id), StorageErrorKind::Io)),
        }
        state.file(CallKind::Open, id)?;
        drop(state);
        Ok(self.reader(id))
    }

    fn create(&self, id: FileId) -> Result<SimAppender, StorageError> {
        let mut state = self.state.borrow_mut();
        state.refuse_existing(CallKind::Create, id)?;
        state.whole(CallKind::Create, id, Change::Create(id))?;
        drop(state);
        Ok(self.appender(id))
    }

    fn resume(&self, id: FileId, len: u64) -> Result<SimAppender, StorageError> {
        let mut state = self.state.borrow_mut();
        assert_eq!(state.appenders.get(&id), None, "{id} resumed while an appender is open");
        let size = state.file(CallKind::Resume, id)?.bytes.len();
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= size) else {
            let kind = StorageErrorKind::UnexpectedEnd;
            return Err(StorageError::new("resume", Some(id), kind));
        };
        state.whole(CallKind::Resume, id, Change::Resume(id, len))?;
        drop(state);
        Ok(self.appender(id))
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        let mut state = self.state.borrow_mut();
        state.refuse_existing(CallKind::Publish, id)?;
        state.note_bytes(bytes);
        let kind = CallKind::Publish;
        if bytes.len() as u64 > state.room() {
            state.begin(kind, Some(id));
            return Err(state.fail(kind, Some(id), StorageErrorKind::OutOfSpace));
        }
        state.whole(kind, id, Change::Publish(id, bytes.to_vec()))?;
        if state.plant == Plant::SwappedPublishRemove {
            state.unsettled = Some(id);
        } else {
            state.disk.settle(id);
        }
        Ok(())
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        let mut state = self.state.borrow_mut();
        let open = (state.readers.get(&id), state.appenders.get(&id));
        assert_eq!(open, (None, None), "{id} removed while it is still open");
        state.whole(CallKind::Remove, id, Change::Remove(id))
    }
}

impl ReadAt for SimReader {
    fn len(&self) -> Result<u64, StorageError> {
        let mut state = self.state.borrow_mut();
        match state.begin(CallKind::Read, Some(self.id)) {
            Fate::Fine => Ok(state.file(CallKind::Read, self.id)?.bytes.len() as u64),
            Fate::Fails(error) => Err(state.fail(CallKind::Read, Some(self.id), error)),
            Fate::Dies => Err(state.fail(CallKind::Read, Some(self.id), StorageErrorKind::Io)),
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let mut state = self.state.borrow_mut();
        let (kind, id) = (CallKind::Read, self.id);
        let fate = state.begin(kind, Some(id));
        if let Fate::Fails(error) = fate {
            if state.faults.nth.is_none() && !state.dead && state.random.one_in(4) {
                state.bad.push((id, offset / SECTOR as u64));
            }
            return Err(state.fail(kind, Some(id), error));
        }
        let end = offset.saturating_add(buf.len() as u64);
        let sectors = offset / SECTOR as u64..end.div_ceil(SECTOR as u64);
        let bad = state.bad.iter().any(|(file, sector)| *file == id && sectors.contains(sector));
        if (bad && !state.paused) || matches!(fate, Fate::Dies) {
            return Err(state.fail(kind, Some(id), StorageErrorKind::Io));
        }
        let file = state.file(kind, id)?;
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| file.bytes.get(start..start.checked_add(buf.len())?));
        let end = || StorageError::new("read", Some(id), StorageErrorKind::UnexpectedEnd);
        buf.copy_from_slice(bytes.ok_or_else(end)?);
        Ok(())
    }

    fn borrow(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        let state = self.state.borrow();
        let file = state.disk.files.get(&self.id).filter(|_| state.options.lend)?;
        // Appended bytes never change, so a copy of the file can be lent: until it is cut.
        let lent = self.lent.get_or_init(|| Lent {
            bytes: Rc::clone(&file.bytes),
            len: file.len,
            cuts: file.cuts,
        });
        // Space reserved ahead is still to be written.
        let appended = lent.bytes.get(..lent.len).filter(|_| lent.cuts == file.cuts)?;
        appended.get(start..start.checked_add(len)?)
    }
}

impl Drop for SimReader {
    fn drop(&mut self) {
        release(&mut self.state.borrow_mut().readers, self.id);
    }
}

impl SimAppender {
    /// Starts a call; an appender that failed must not be used again.
    fn begin(&self, kind: CallKind) -> Fate {
        let mut state = self.state.borrow_mut();
        assert!(!self.failed.get() || state.dead, "{} after a failure on {}", kind.op(), self.id);
        state.begin(kind, Some(self.id))
    }

    fn fail(&self, kind: CallKind, error: StorageErrorKind) -> StorageError {
        self.failed.set(true);
        self.state.borrow_mut().fail(kind, Some(self.id), error)
    }
}

impl Append for SimAppender {
    fn len(&self) -> u64 {
        self.state.borrow().disk.files.get(&self.id).map_or(0, |file| file.len as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let kind = CallKind::Append;
        let fate = self.begin(kind);
        let mut state = self.state.borrow_mut();
        state.note_bytes(bytes);
        if !state.dead || matches!(fate, Fate::Dies) {
            state.point(|| Change::Append(self.id, bytes.to_vec()));
        }
        let reserve = state.options.reserve;
        let room = state.room();
        let (part, error) = match fate {
            Fate::Fine if bytes.len() as u64 <= room => (bytes.len(), None),
            Fate::Fine => (room as usize, Some(StorageErrorKind::OutOfSpace)),
            Fate::Fails(_) if state.dead => (0, Some(StorageErrorKind::Io)),
            Fate::Fails(error) => (state.random.index(bytes.len() + 1), Some(error)),
            Fate::Dies => (state.random.index(bytes.len() + 1), Some(StorageErrorKind::Io)),
        };
        Change::Append(self.id, bytes[..part].to_vec()).apply(&mut state.disk, reserve);
        drop(state);
        error.map_or(Ok(()), |error| Err(self.fail(kind, error)))
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let kind = CallKind::Sync;
        let fate = self.begin(kind);
        let mut state = self.state.borrow_mut();
        if !state.dead || matches!(fate, Fate::Dies) {
            state.point(|| Change::Sync(self.id));
        }
        let error = match fate {
            Fate::Fine if state.plant == Plant::MissingSync => return Ok(()),
            Fate::Fine => {
                state.disk.settle(self.id);
                return Ok(());
            }
            Fate::Dies => {
                if state.random.one_in(2) {
                    state.disk.settle(self.id);
                }
                StorageErrorKind::Io
            }
            Fate::Fails(error) => {
                if let Some(file) = state.disk.files.get_mut(&self.id) {
                    file.doom();
                }
                error
            }
        };
        drop(state);
        Err(self.fail(kind, error))
    }

    fn finish(&mut self) -> Result<(), StorageError> {
        assert!(!self.failed.get() || self.state.borrow().dead, "finish after a failure");
        let change = Change::Finish(self.id);
        self.state.borrow_mut().whole(CallKind::Finish, self.id, change)
    }
}

impl Drop for SimAppender {
    fn drop(&mut self) {
        release(&mut self.state.borrow_mut().appenders, self.id);
    }
}

fn release(handles: &mut BTreeMap<FileId, usize>, id: FileId) {
    if let Some(count) = handles.get_mut(&id) {
        *count -= 1;
        if *count == 0 {
            handles.remove(&id);
        }
    }
}
