//! Reading: the index first, the exact path where it cannot say. No lock is held across a read
//! of a file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use siltdb_core::batch::check_key;
use siltdb_core::changes::Changes;
use siltdb_core::error::{ErrorKind, Result};
use siltdb_core::format::Frame;
use siltdb_core::host::Host;
use siltdb_core::storage::Storage;
use siltdb_core::types::{Record, ScanOptions, expiry, is_expired};
use siltdb_core::view::{Diff, History, Scan, View};

use super::Engine;
use super::table::Table;

/// How often a reader looks again when the segment it was sent to is replaced meanwhile.
const TRIES: usize = 3;

/// What the index says of a key.
enum Found<T> {
    Live(T),
    Absent,
    AskExactPath,
}

impl<S: Storage, H: Host> Engine<S, H> {
    /// The value of `key`.
    ///
    /// # Errors
    /// Damage; the storage's failure; a key out of the limits; `Poisoned` when a buffered write
    /// of the key could not be written out.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get_with(key, <[u8]>::to_vec)
    }

    /// Gives `read` the value of `key`, without a copy where the storage lends slices.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn get_with<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        check_key(key)?;
        self.look_up(key, |value, _, _| read(value))
    }

    /// The record of `key`.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn get_record(&self, key: &[u8]) -> Result<Option<Record>> {
        check_key(key)?;
        self.look_up(key, |value, seq, expires| Record {
            key: key.to_vec(),
            value: value.to_vec(),
            seq,
            expires: expiry(expires),
        })
    }

    /// The sequence number of the newest record of `key`, be it a delete or expired; 0 if none is
    /// known. Two calls that give the same enclose no write of the key, unless compaction forgot
    /// a delete.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn newest_seq(&self, key: &[u8]) -> Result<u64> {
        check_key(key)?;
        if let Some(buffered) = self.buffer.get(key) {
            return Ok(buffered.seq);
        }
        // Asked before the slot, as for a value.
        let is_loaded = self.is_loaded.load(Ordering::Acquire);
        let slot = self.shards.get(self.hasher.hash(key));
        if slot.is_none() && is_loaded {
            return Ok(0);
        }
        if let Some(location) = slot.filter(|location| !location.is_exact())
            && let Some(file) = self.table.load().files.get(&location.segment())
        {
            let offset = u64::from(location.offset());
            let found = file.with_frame(offset, location.len_max(), |frame| {
                Ok((frame.key == key).then_some(frame.seq))
            })?;
            if let Some(seq) = found {
                return Ok(seq);
            }
        }
        Ok(self.history(key)?.next().transpose()?.map_or(0, |version| version.seq))
    }

    fn look_up<T>(&self, key: &[u8], read: impl FnOnce(&[u8], u64, u64) -> T) -> Result<Option<T>> {
        if let Some(buffered) = self.buffer.get(key) {
            self.check_writable()?;
            let expires = buffered.operation.expires.unwrap_or(0);
            let value = buffered.operation.value.filter(|_| !self.is_expired(expires));
            return Ok(value.map(|value| read(&value, buffered.seq, expires)));
        }
        let mut read = Some(read);
        match self.look_in_index(key, &mut read)? {
            Found::Live(value) => return Ok(Some(value)),
            Found::Absent => return Ok(None),
            Found::AskExactPath => {}
        }
        let record = self.view_of_written()?.get(key)?;
        let read = read.take().ok_or(ErrorKind::Invalid("a value is read once"))?;
        Ok(record.map(|r| read(&r.value, r.seq, r.expires.unwrap_or(0))))
    }

    fn is_expired(&self, expires: u64) -> bool {
        // Few records expire, and the clock costs more than the rest of a read.
        expires != 0 && is_expired(expires, self.now())
    }

    fn look_in_index<T>(
        &self,
        key: &[u8],
        read: &mut Option<impl FnOnce(&[u8], u64, u64) -> T>,
    ) -> Result<Found<T>> {
        let hash = self.hasher.hash(key);
        // Asked before the slot: what is loaded in between must not count as absent.
        let is_loaded = self.is_loaded.load(Ordering::Acquire);
        for _ in 0..TRIES {
            let Some(location) = self.shards.get(hash) else {
                return Ok(if is_loaded { Found::Absent } else { Found::AskExactPath });
            };
            if location.is_exact() {
                return Ok(Found::AskExactPath);
            }
            let table = self.table.load();
            let Some(file) = table.files.get(&location.segment()) else { continue };
            let offset = u64::from(location.offset());
            return file.with_frame(offset, location.len_max(), |frame| {
                self.judge_frame(key, &frame, read)
            });
        }
        Ok(Found::AskExactPath)
    }

    fn judge_frame<T>(
        &self,
        key: &[u8],
        frame: &Frame<'_>,
        read: &mut Option<impl FnOnce(&[u8], u64, u64) -> T>,
    ) -> Result<Found<T>> {
        if frame.key != key {
            return Ok(Found::AskExactPath);
        }
        let expires = frame.expires.unwrap_or(0);
        if frame.tombstone || self.is_expired(expires) {
            return Ok(Found::Absent);
        }
        let read = read.take().ok_or(ErrorKind::Invalid("a value is read once"))?;
        Ok(Found::Live(read(frame.value, frame.seq, expires)))
    }

    /// The record of `key` as of a past moment.
    ///
    /// # Errors
    /// `HistoryGone` when the moment is older than what is held; as [`Engine::get`].
    pub fn get_as_of(&self, key: &[u8], seq: u64) -> Result<Option<Record>> {
        check_key(key)?;
        self.view_as_of(seq)?.get(key)
    }

    /// A view of the store as it is now.
    ///
    /// # Errors
    /// The storage's failure while the write buffer is written out, or `Poisoned` where that
    /// failed before.
    pub fn view(&self) -> Result<View<S::Reader>> {
        self.drain_for_reading(u64::MAX)?;
        self.view_of_written()
    }

    /// A view without what waits in the write buffer.
    fn view_of_written(&self) -> Result<View<S::Reader>> {
        let (seq, table) = self.visible_table();
        let moment = self.now();
        Ok(View::new(table.parts(), self.hasher, seq, moment, table.held()))
    }

    /// The last sequence number that readers know, and the segments to read it from.
    fn visible_table(&self) -> (u64, Arc<Table<S>>) {
        loop {
            let seq = self.visible_seq();
            let table = self.table.load_full();
            // A compaction may have dropped what was the newest at `seq` for a later record.
            if table.sealed_seq() <= seq {
                return (seq, table);
            }
        }
    }

    /// A view of the store as of a moment.
    ///
    /// # Errors
    /// `HistoryGone` when the moment is older than what is held; as [`Engine::view`].
    pub fn view_as_of(&self, seq: u64) -> Result<View<S::Reader>> {
        self.drain_for_reading(seq)?;
        let table = self.table.load_full();
        if seq < table.horizon {
            return Err(ErrorKind::HistoryGone { asked: seq, oldest: table.horizon }.into());
        }
        Ok(View::new(table.parts(), self.hasher, seq, seq, table.held()))
    }

    /// Writes the buffer out, if a reader as of `seq` must see some of it.
    ///
    /// A poisoned store cannot. Whether what waited is in the store shows at the next open, so
    /// whatever would have to tell of it is refused: reads of its keys, and reads of everything
    /// at a moment that includes it. Other keys and earlier moments stay readable.
    pub(super) fn drain_for_reading(&self, seq: u64) -> Result<()> {
        if self.buffer.holds_at(seq) { self.drain() } else { Ok(()) }
    }

    /// The live records of a range, in key order, consistent at one moment.
    ///
    /// # Errors
    /// `HistoryGone`; damage; the storage's failure.
    pub fn scan(&self, options: &ScanOptions) -> Result<Scan<S::Reader>> {
        self.view_for(options)?.scan(options)
    }

    /// How many live records a range has, exactly.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub fn count(&self, options: &ScanOptions) -> Result<u64> {
        self.view_for(options)?.count(options)
    }

    fn view_for(&self, options: &ScanOptions) -> Result<View<S::Reader>> {
        match options.as_of {
            Some(seq) => self.view_as_of(seq),
            None => self.view(),
        }
    }

    /// Every version of `key` that is still held, newest first, one value in memory at a time.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn history(&self, key: &[u8]) -> Result<History<S::Reader>> {
        check_key(key)?;
        Ok(self.view()?.history(key))
    }

    /// The keys of a range that differ between two moments, in key order.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub fn diff(&self, from: u64, to: u64, options: &ScanOptions) -> Result<Diff<S::Reader>> {
        let (before, after) = (self.view_as_of(from)?, self.view_as_of(to)?);
        Diff::new(&before, &after, options)
    }

    /// Every version of the keys of a range that was committed after `since`, in the order of
    /// commits; versions of one batch share a seq. Of the options, the range and `keys_only` are
    /// looked at.
    ///
    /// # Errors
    /// `HistoryGone` when something committed after `since` may have been compacted away; as
    /// [`Engine::view`].
    pub fn changes(&self, since: u64, options: &ScanOptions) -> Result<Changes<S::Reader>> {
        self.drain_for_reading(u64::MAX)?;
        let (until, table) = self.visible_table();
        let oldest = table.horizon;
        if since < oldest {
            return Err(ErrorKind::HistoryGone { asked: since, oldest }.into());
        }
        Ok(Changes::new(table.changes(since), (since, until), options))
    }
}
