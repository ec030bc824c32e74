//! The storage trait over an object of JavaScript: `HostStorage` of `js/storage.ts`.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use siltdb_core::error::{StorageError, StorageErrorKind, StorageFailure};
use siltdb_core::storage::{Append, FileId, FileKind, ReadAt, Storage};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::blocks::Blocks;

type Thrown<T> = Result<T, JsValue>;

#[wasm_bindgen]
extern "C" {
    /// The files of one store, as JavaScript holds them. Slices are views over the memory of the
    /// engine and of no use after the call.
    #[derive(Clone)]
    pub type HostStorage;

    #[wasm_bindgen(method, structural, catch)]
    fn list(this: &HostStorage) -> Thrown<List>;
    #[wasm_bindgen(method, structural, catch)]
    fn open(this: &HostStorage, name: &str) -> Thrown<u32>;
    #[wasm_bindgen(method, structural, catch)]
    fn create(this: &HostStorage, name: &str) -> Thrown<u32>;
    #[wasm_bindgen(method, structural, catch)]
    fn resume(this: &HostStorage, name: &str, length: f64) -> Thrown<u32>;
    #[wasm_bindgen(method, structural, catch)]
    fn publish(this: &HostStorage, name: &str, bytes: &[u8]) -> Thrown<()>;
    #[wasm_bindgen(method, structural, catch)]
    fn remove(this: &HostStorage, name: &str) -> Thrown<()>;
    #[wasm_bindgen(method, structural, catch)]
    fn size(this: &HostStorage, handle: u32) -> Thrown<f64>;
    #[wasm_bindgen(method, structural, catch)]
    fn read(this: &HostStorage, handle: u32, offset: f64, into: &mut [u8]) -> Thrown<()>;
    #[wasm_bindgen(method, structural, catch)]
    fn append(this: &HostStorage, handle: u32, bytes: &[u8]) -> Thrown<()>;
    #[wasm_bindgen(method, structural, catch)]
    fn sync(this: &HostStorage, handle: u32) -> Thrown<()>;
    #[wasm_bindgen(method, structural, catch)]
    fn close(this: &HostStorage, handle: u32) -> Thrown<()>;
    #[wasm_bindgen(method, structural, catch)]
    fn ready(this: &HostStorage) -> Thrown<bool>;

    /// An array.
    type List;
    #[wasm_bindgen(method, structural, getter)]
    fn length(this: &List) -> u32;
    #[wasm_bindgen(method, structural)]
    fn at(this: &List, index: u32) -> JsValue;

    /// Whatever was thrown, seen as an error.
    type Failure;
    #[wasm_bindgen(method, structural, catch, getter)]
    fn code(this: &Failure) -> Thrown<JsValue>;
    #[wasm_bindgen(method, structural, catch, getter)]
    fn message(this: &Failure) -> Thrown<JsValue>;
}

/// The files of one store in a [`HostStorage`]. Clones share it.
#[derive(Clone)]
pub struct JsStorage {
    shared: Rc<Shared>,
}

struct Shared {
    host: HostStorage,
    /// Whether something was made durable since the host last asked.
    synced: Cell<bool>,
    blocks: RefCell<Blocks>,
    /// How often a file was cut off.
    cuts: Cell<u32>,
}

/// An open handle, given back when dropped.
struct Handle {
    shared: Rc<Shared>,
    id: FileId,
    number: u32,
}

/// Reads a file of a [`JsStorage`].
pub struct JsReader {
    handle: Handle,
    /// Bytes that the file is known to have had after so many cuts.
    known: Cell<(u64, u32)>,
}

/// Appends to a file of a [`JsStorage`].
pub struct JsAppender {
    handle: Handle,
    len: u64,
}

impl JsStorage {
    /// The storage of this object, of whose files about so many bytes are kept in memory.
    #[must_use]
    pub fn new(host: HostStorage, cache_bytes: usize) -> Self {
        let blocks = RefCell::new(Blocks::new(cache_bytes));
        Self {
            shared: Rc::new(Shared { host, synced: Cell::new(false), blocks, cuts: Cell::new(0) }),
        }
    }

    /// Memory of what is kept, and how many reads did and did not find their bytes there.
    #[must_use]
    pub fn cache_figures(&self) -> (u64, u64, u64) {
        let blocks = self.shared.blocks.borrow();
        (blocks.bytes() as u64, blocks.hits, blocks.misses)
    }

    /// Whether the host has everything at hand that the next operation may need.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.host.ready().unwrap_or(true)
    }

    /// Whether something was made durable since this was last asked.
    #[must_use]
    pub fn take_synced(&self) -> bool {
        self.shared.synced.take()
    }

    fn handle(
        &self,
        op: &'static str,
        id: FileId,
        open: impl FnOnce(&HostStorage, &str) -> Thrown<u32>,
    ) -> Result<Handle, StorageError> {
        let number = open(&self.shared.host, &id.name()).map_err(failed(op, Some(id)))?;
        Ok(Handle { shared: Rc::clone(&self.shared), id, number })
    }
}

impl Storage for JsStorage {
    type Reader = JsReader;
    type Appender = JsAppender;

    fn list(&self, visit: &mut dyn FnMut(FileId, u64)) -> Result<(), StorageError> {
        let files = self.shared.host.list().map_err(failed("list", None))?;
        for at in 0..files.length() {
            let pair: List = files.at(at).unchecked_into();
            let name = pair.at(0).as_string().unwrap_or_default();
            if let Some(id) = FileId::parse(&name) {
                visit(id, pair.at(1).as_f64().unwrap_or(0.0) as u64);
            }
        }
        Ok(())
    }

    fn open(&self, id: FileId) -> Result<JsReader, StorageError> {
        let handle = self.handle("open", id, HostStorage::open)?;
        Ok(JsReader { handle, known: Cell::new((0, 0)) })
    }

    fn create(&self, id: FileId) -> Result<JsAppender, StorageError> {
        Ok(JsAppender { handle: self.handle("create", id, HostStorage::create)?, len: 0 })
    }

    fn resume(&self, id: FileId, len: u64) -> Result<JsAppender, StorageError> {
        self.shared.cuts.set(self.shared.cuts.get() + 1);
        let resume = |host: &HostStorage, name: &str| host.resume(name, len as f64);
        Ok(JsAppender { handle: self.handle("resume", id, resume)?, len })
    }

    fn publish(&self, id: FileId, bytes: &[u8]) -> Result<(), StorageError> {
        self.shared.synced.set(true);
        self.shared.host.publish(&id.name(), bytes).map_err(failed("publish", Some(id)))
    }

    fn remove(&self, id: FileId) -> Result<(), StorageError> {
        self.shared.host.remove(&id.name()).map_err(failed("remove", Some(id)))
    }
}

impl ReadAt for JsReader {
    fn len(&self) -> Result<u64, StorageError> {
        let Handle { shared, id, number } = &self.handle;
        shared.host.size(*number).map(|len| len as u64).map_err(failed("len", Some(*id)))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let Handle { shared, id, .. } = &self.handle;
        let read = |offset, block: &mut Vec<u8>| {
            let (mut len, cuts) = self.known.get();
            if offset + block.len() as u64 > len || cuts != shared.cuts.get() {
                len = self.len()?;
                self.known.set((len, shared.cuts.get()));
                block.truncate(len.saturating_sub(offset) as usize);
            }
            self.read_file(offset, block)
        };
        if id.kind == FileKind::Segment
            && shared.blocks.borrow_mut().read(id.number, offset, buf, read)?
        {
            return Ok(());
        }
        self.read_file(offset, buf)
    }

    fn ready(&self) -> Result<(), StorageError> {
        self.read_file(0, &mut [])
    }
}

impl JsReader {
    fn read_file(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let Handle { shared, id, number } = &self.handle;
        shared.host.read(*number, offset as f64, buf).map_err(failed("read", Some(*id)))
    }
}

impl Append for JsAppender {
    fn len(&self) -> u64 {
        self.len
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let Handle { shared, id, number } = &self.handle;
        shared.host.append(*number, bytes).map_err(failed("append", Some(*id)))?;
        shared.blocks.borrow_mut().append(id.number, self.len, bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let Handle { shared, id, number } = &self.handle;
        shared.synced.set(true);
        shared.host.sync(*number).map_err(failed("sync", Some(*id)))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // What was appended and synced is so without it.
        let _ = self.shared.host.close(self.number);
    }
}

/// What a host tells by a code; all else is a failure of input or output.
const KINDS: [StorageErrorKind; 7] = [
    StorageErrorKind::NotFound,
    StorageErrorKind::AlreadyExists,
    StorageErrorKind::NotReady,
    StorageErrorKind::OutOfSpace,
    StorageErrorKind::Locked,
    StorageErrorKind::UnexpectedEnd,
    StorageErrorKind::Denied,
];

/// Turns what the host threw into the engine's error.
pub(crate) fn failed(op: &'static str, file: Option<FileId>) -> impl Fn(JsValue) -> StorageError {
    move |thrown| {
        let text = |value: Thrown<JsValue>| value.ok().and_then(|value| value.as_string());
        let error: &Failure = thrown.unchecked_ref();
        let code = text(error.code()).unwrap_or_default();
        let kind = KINDS.into_iter().find(|kind| kind.code() == code);
        let kind = kind.unwrap_or(StorageErrorKind::Io);
        let message = text(error.message()).or_else(|| thrown.as_string()).unwrap_or_default();
        StorageFailure { op, file, kind, message }.into()
    }
}
