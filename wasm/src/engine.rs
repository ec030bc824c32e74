//! The engine as JavaScript sees it; `js/engine.ts` gives it its face.
//!
//! What a call fails with is thrown as a string, `CODE: message`, and becomes an error there.

use alloc::vec;
use alloc::vec::Vec;

use siltdb_core::error::{Error, StorageError};
use siltdb_core::snapshot::{Sink, Source};
use siltdb_core::store::FullCompaction;
use siltdb_core::text::Text;
use siltdb_core::{Store, restore};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::answer;
use crate::host::{Clock, JsHost};
use crate::operation::{Pending, Session};
use crate::options;
use crate::storage::{HostStorage, JsStorage, failed};
use crate::views::Views;
use crate::wire::Reader;

#[wasm_bindgen]
extern "C" {
    /// A function that takes bytes: `(bytes: Uint8Array) => void`.
    pub type TakeBytes;
    #[wasm_bindgen(method, structural, catch, js_name = call)]
    fn take(this: &TakeBytes, nothing: &JsValue, bytes: &[u8]) -> Result<(), JsValue>;

    /// A function that gives bytes: `(into: Uint8Array) => number`.
    pub type GiveBytes;
    #[wasm_bindgen(method, structural, catch, js_name = call)]
    fn give(this: &GiveBytes, nothing: &JsValue, into: &mut [u8]) -> Result<f64, JsValue>;
}

impl Sink for TakeBytes {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.take(&JsValue::UNDEFINED, bytes).map_err(failed("write", None))
    }
}

impl Source for GiveBytes {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, StorageError> {
        let len = buf.len();
        let given = self.give(&JsValue::UNDEFINED, buf).map_err(failed("read", None))?;
        Ok((given as usize).min(len))
    }
}

/// An open store.
#[wasm_bindgen]
pub struct Engine {
    store: Store<JsStorage, JsHost>,
    views: Views,
    full: Option<FullCompaction>,
    auto_compact: bool,
    position: usize,
    /// What the next call takes at its beginning, and what the last one gives.
    taken: Vec<u8>,
    given: Vec<u8>,
}

/// Memory for bytes that cross the border, kept from one call to the next.
const KEPT_BYTES: usize = 1 << 20;

#[wasm_bindgen]
impl Engine {
    /// Opens the store in `storage`, or creates one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(storage: HostStorage, options: &[u8], clock: Clock) -> Result<Engine, JsValue> {
        let options = options::parse(options).map_err(thrown)?;
        let storage = JsStorage::new(storage, options.cache_bytes);
        let store = Store::open(storage, JsHost::new(clock), options.store).map_err(thrown)?;
        Ok(Self {
            store,
            views: Views::default(),
            full: None,
            auto_compact: options.auto_compact,
            position: 0,
            taken: Vec::new(),
            given: Vec::new(),
        })
    }

    /// Where in memory to put the bytes that the next call takes.
    pub fn take(&mut self, len: usize) -> usize {
        if self.taken.len() < len || self.taken.len() > KEPT_BYTES {
            self.taken = vec![0; len];
        }
        self.taken.as_ptr() as usize
    }

    /// Where in memory the bytes stand that the last call gave.
    #[must_use]
    pub fn given(&self) -> usize {
        self.given.as_ptr() as usize
    }

    /// Takes a key of so many bytes and gives its newest value: its length, -1 if it has none, -2
    /// where it failed: [`Engine::execute`] tells why. Nothing is thrown from here, for a call that
    /// may throw answers by an array.
    pub fn get(&mut self, len: usize) -> f64 {
        let mut value = self.begin();
        let key = &self.taken[..len];
        let found = self.store.get_with(key, |bytes| value.extend_from_slice(bytes));
        self.given = value;
        match found {
            Ok(Some(())) => self.given.len() as f64,
            Ok(None) => -1.0,
            Err(_) => -2.0,
        }
    }

    /// Takes a request of so many bytes, runs its operations from `position` on and gives their
    /// answers, of which the length is returned; -1 if the request is none. Stops before an
    /// operation that the storage is not ready for; one that gets values needs only the files it
    /// reads. What an operation fails with is its answer.
    pub fn execute(&mut self, client: u32, len: usize, position: usize) -> f64 {
        let (taken, mut reply) = (core::mem::take(&mut self.taken), self.begin());
        let done = self.run(client, &taken[..len], position, &mut reply);
        (self.taken, self.given) = (taken, reply);
        done.map_or(-1.0, |()| self.given.len() as f64)
    }

    /// Where in the last request to go on.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Writes out and syncs what is due. In how many milliseconds something is due again; -1
    /// for nothing.
    ///
    /// # Errors
    /// As [`Store::tick`].
    pub fn tick(&mut self) -> Result<f64, JsValue> {
        if !self.store.storage().is_ready() {
            return Ok(0.0);
        }
        if self.store.due_us() == Some(0) {
            match self.store.tick() {
                Err(e) if self.can_repeat(&e) => return Ok(0.0),
                ticked => ticked.map_err(thrown)?,
            }
        }
        Ok(self.store.due_us().map_or(-1.0, |us| us.div_ceil(1000) as f64))
    }

    /// Loads a part of the index or compacts a step. `true` while there is more to do. `idle`:
    /// nobody waits, and it is worth more work to give space back.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn work(&mut self, budget_bytes: f64, idle: bool) -> Result<bool, JsValue> {
        let budget = budget_bytes as u64;
        // A full compaction goes on by its own operation; a poisoned store stays as it is.
        if self.full.is_some() || self.store.is_poisoned() {
            return Ok(false);
        }
        if !self.store.storage().is_ready() {
            return Ok(true);
        }
        let more = if self.auto_compact {
            self.store.upkeep(budget, idle)
        } else {
            self.store.load_index(budget / 64)
        };
        match more {
            Err(e) if self.can_repeat(&e) => Ok(true),
            more => more.map_err(thrown),
        }
    }

    /// Closes the views of a client.
    #[wasm_bindgen(js_name = dropClient)]
    pub fn drop_client(&mut self, client: u32) {
        self.views.drop_client(client);
    }

    /// Writes the whole store into `sink`.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn snapshot(&mut self, sink: TakeBytes) -> Result<(), JsValue> {
        let mut sink = sink;
        self.store.snapshot(&mut sink, &mut |_| {}).map(drop).map_err(thrown)
    }

    /// Seq of the last commit.
    #[wasm_bindgen(js_name = lastSeq)]
    #[must_use]
    pub fn last_seq(&self) -> f64 {
        self.store.last_seq() as f64
    }

    /// Whether something was made durable since this was last asked.
    #[wasm_bindgen(js_name = takeSynced)]
    #[must_use]
    pub fn take_synced(&self) -> bool {
        self.store.storage().take_synced()
    }

    /// Closes the store cleanly.
    ///
    /// # Errors
    /// As [`Store::close`]; it is closed all the same.
    pub fn close(mut self) -> Result<(), JsValue> {
        self.views.clear();
        self.store.close().map_err(thrown)
    }

    /// Makes a store in an empty `storage` out of a snapshot.
    ///
    /// # Errors
    /// As [`restore`].
    pub fn restore(storage: HostStorage, source: GiveBytes) -> Result<(), JsValue> {
        let mut source = source;
        let storage = JsStorage::new(storage, options::CACHE_BYTES);
        restore(&storage, &mut source, &mut |_| {}).map(drop).map_err(thrown)
    }
}

impl Engine {
    /// Runs the operations of a request as [`Engine::execute`] does, and appends their answers.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub fn run(
        &mut self,
        client: u32,
        request: &[u8],
        position: usize,
        reply: &mut Vec<u8>,
    ) -> Result<(), JsValue> {
        let mut request = Reader::new(request, position);
        self.position = position;
        let mut pending = Pending::default();
        while request.is_get() || (!request.is_done() && self.store.storage().is_ready()) {
            let (store, views, full) = (&mut self.store, &mut self.views, &mut self.full);
            let mut session = Session { store, views, full, client, pending: &mut pending };
            let answered = reply.len();
            let answer = session.run(&mut request, reply);
            request.whole().map_err(thrown)?;
            if let Err(error) = answer {
                reply.truncate(answered);
                if self.can_repeat(&error) {
                    break;
                }
                answer::error(reply, &error);
            }
            self.position = request.position();
        }
        if !pending.ahead.is_empty() {
            pending.settle(&mut self.store, reply);
        }
        Ok(())
    }

    /// Whether the operation only has to wait for a file: it changed nothing yet.
    fn can_repeat(&self, error: &Error) -> bool {
        error.is_not_ready() && !self.store.is_poisoned() && !self.store.storage().is_ready()
    }

    /// Memory for what a call gives.
    fn begin(&mut self) -> Vec<u8> {
        let mut given = core::mem::take(&mut self.given);
        given.clear();
        given.shrink_to(KEPT_BYTES);
        given
    }
}

fn thrown(error: Error) -> JsValue {
    let mut text = Text::default();
    text.add(error.code()).add(": ").add(&error.message());
    JsValue::from_str(&text.into_string())
}
