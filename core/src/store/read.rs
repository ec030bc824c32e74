//! Reading: the index first, the exact path where it cannot say.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Store;
use crate::batch::check_key;
use crate::cache::CachedRecord;
use crate::changes::{Changes, Source};
use crate::dump::{DumpLine, Known, dump_known};
use crate::error::{ErrorKind, Result};
use crate::host::Host;
use crate::index::Location;
use crate::options::Retention;
use crate::sealed::Part;
use crate::storage::Storage;
use crate::types::{Record, ScanOptions, expiry, is_expired, owned};
use crate::view::{Diff, Held, History, Scan, View};

/// Takes value, seq and expiry of a record.
type Read<'a> = &'a mut dyn FnMut(&[u8], u64, u64);

impl<S: Storage, H: Host> Store<S, H> {
    /// The value of `key`.
    ///
    /// # Errors
    /// Damage; the storage's failure; a key out of the limits; `Poisoned` when a buffered write
    /// of the key could not be written out.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get_with(key, owned)
    }

    /// Gives `read` the value of `key`, without a copy where the storage lends slices.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_with<T>(&mut self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        self.get_record_with(key, |value, _, _| read(value))
    }

    /// Gives `read` the value, seq and expiry (0 for none) of `key`, as [`Store::get_with`].
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_record_with<T>(
        &mut self,
        key: &[u8],
        read: impl FnOnce(&[u8], u64, u64) -> T,
    ) -> Result<Option<T>> {
        let (mut read, mut result) = (Some(read), None);
        self.look_up(key, &mut |value, seq, expires| {
            result = read.take().map(|read| read(value, seq, expires));
        })?;
        Ok(result)
    }

    /// The record of `key`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_record(&mut self, key: &[u8]) -> Result<Option<Record>> {
        self.get_record_with(key, |value, seq, expires| Record {
            key: owned(key),
            value: owned(value),
            seq,
            expires: expiry(expires),
        })
    }

    /// Whether `key` has a live record.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn contains(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.get_with(key, |_| ())?.is_some())
    }

    /// Whether the segment of this number is a live one.
    pub fn has_segment(&self, number: u64) -> bool {
        self.files.get(Location::segment_id(number)).is_some_and(|file| file.number == number)
    }

    /// Whether the record at this place of a segment is the newest of its key, deletes and the
    /// write buffer left aside. The index must be loaded.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn is_newest(&mut self, segment: u64, offset: u64, key: &[u8], seq: u64) -> Result<bool> {
        let Some(location) = self.index.get(self.hasher.hash(key)) else { return Ok(false) };
        if location.is_exact() {
            let found = self.hardened(self.last_seq, self.now()).get(key)?;
            return Ok(found.is_some_and(|record| record.seq == seq));
        }
        let here = location.segment() == Location::segment_id(segment);
        Ok(here && u64::from(location.offset()) == offset && self.has_segment(segment))
    }

    /// As [`dump_segment`](crate::dump_segment), of a live segment and with those parts only that
    /// start at `from` or behind it. Where a group starts at `from`, nothing before it is read.
    ///
    /// # Errors
    /// As [`dump_segment`](crate::dump_segment); damage inside groups that end before `from` is
    /// not looked for.
    pub fn dump_segment(
        &self,
        number: u64,
        from: u64,
        visit: &mut dyn FnMut(DumpLine) -> bool,
    ) -> Result<()> {
        let sealed = self.sealed.iter().find(|sealed| sealed.file.number == number);
        let log = self.manifest.log;
        let synced = if log.number == number { log.len } else { 0 };
        let known = Known { footer: sealed.map(|sealed| sealed.footer.clone()), synced };
        dump_known(&self.storage, number, known, from, visit)
    }

    /// Gives `read` the value, seq and expiry of `key`, once or not at all. Not generic: it is
    /// compiled once, however many ways there are to read.
    fn look_up(&mut self, key: &[u8], read: Read<'_>) -> Result<()> {
        check_key(key)?;
        if let Some(buffered) = self.buffer.get(key) {
            if self.poisoned {
                return Err(ErrorKind::Poisoned.into());
            }
            let expires = buffered.operation.expires.unwrap_or(0);
            let value = buffered.operation.value.as_ref();
            if let Some(value) = value.filter(|_| expires == 0 || !is_expired(expires, self.now()))
            {
                read(value, buffered.seq, expires);
            }
            return Ok(());
        }
        if self.look_in_index(key, read)? {
            return Ok(());
        }
        // Nothing of the key is buffered: what else is can go on waiting.
        if let Some(record) = self.hardened(self.last_seq, self.now()).get(key)? {
            read(&record.value, record.seq, record.expires.unwrap_or(0));
        }
        Ok(())
    }

    /// Whether the index knows the answer: `read` was given the value, or the key is absent.
    fn look_in_index(&mut self, key: &[u8], read: Read<'_>) -> Result<bool> {
        let (host, not_before) = (&self.host, self.not_before());
        // To ask for the time is a good part of a read: only where it counts.
        let is_live = |expires| expires == 0 || !is_expired(expires, host.now_us().max(not_before));
        let mut judge = |found: &[u8], value: &[u8], seq, expires, tombstone: bool| {
            let same = found == key;
            if same && !tombstone && is_live(expires) {
                read(value, seq, expires);
            }
            same
        };
        let Some(location) = self.index.get(self.hasher.hash(key)) else {
            return Ok(self.loader.is_done());
        };
        if location.is_exact() {
            return Ok(false);
        }
        let Some(file) = self.files.get(location.segment()) else { return Ok(false) };
        let (offset, len_max) = (u64::from(location.offset()), location.len_max());
        if !self.cache.takes(len_max) || file.lend(offset, 1).is_some() {
            return file.with_frame(offset, len_max, |f| {
                Ok(judge(f.key, f.value, f.seq, f.expires.unwrap_or(0), f.tombstone))
            });
        }
        if let Some(record) = self.cache.get(file.number, location.offset()) {
            let CachedRecord { seq, expires, tombstone, .. } = *record;
            return Ok(judge(record.key(), record.value(), seq, expires, tombstone));
        }
        let record = file.with_frame(offset, len_max, |f| {
            let expires = f.expires.unwrap_or(0);
            Ok(CachedRecord::new(f.key, f.value, f.seq, expires, f.tombstone))
        })?;
        let CachedRecord { seq, expires, tombstone, .. } = record;
        let known = judge(record.key(), record.value(), seq, expires, tombstone);
        self.cache.insert(file.number, location.offset(), record);
        Ok(known)
    }

    /// The record of `key` as of a past moment.
    ///
    /// # Errors
    /// `HistoryGone` when the moment is older than what is held; as [`Store::get`].
    pub fn get_as_of(&mut self, key: &[u8], seq: u64) -> Result<Option<Record>> {
        check_key(key)?;
        self.view_as_of(seq)?.get(key)
    }

    /// A view of the store as it is now.
    ///
    /// # Errors
    /// The storage's failure while the write buffer is written out.
    pub fn view(&mut self) -> Result<View<S::Reader>> {
        self.drain_for_reading(u64::MAX)?;
        Ok(self.hardened(self.last_seq, self.now()))
    }

    /// A view of the store as of a moment.
    ///
    /// # Errors
    /// `HistoryGone` when the moment is older than what is held; as [`Store::view`].
    pub fn view_as_of(&mut self, seq: u64) -> Result<View<S::Reader>> {
        let oldest = self.manifest.horizon;
        if seq < oldest {
            return Err(ErrorKind::HistoryGone { asked: seq, oldest }.into());
        }
        self.drain_for_reading(seq)?;
        Ok(self.hardened(seq, seq))
    }

    /// A view of what is in segments.
    fn hardened(&mut self, seq: u64, moment: u64) -> View<S::Reader> {
        View::new(self.parts(), self.hasher, seq, moment, self.held())
    }

    fn held(&self) -> Held {
        let versions = match self.manifest.retention {
            Retention::Versions { count } => count,
            _ => 0,
        };
        Held { horizon: self.manifest.horizon, versions }
    }

    /// Writes the buffer out, if a reader as of `seq` must see some of it.
    ///
    /// A poisoned store cannot. Whether what waited is in the store shows at the next open, so
    /// whatever would have to tell of it is refused: reads of its keys, and reads of everything
    /// at a moment that includes it. Other keys and earlier moments stay readable.
    fn drain_for_reading(&mut self, seq: u64) -> Result<()> {
        match (self.buffer.holds_at(seq), self.poisoned) {
            (false, _) => Ok(()),
            (true, false) => self.drain(),
            (true, true) => Err(ErrorKind::Poisoned.into()),
        }
    }

    /// The parts of a view, newest first.
    fn parts(&mut self) -> Vec<Part<S::Reader>> {
        let mut parts = Vec::new();
        if let Some(active) = &mut self.active {
            let file = &active.file;
            let runs = active.memtable.order().iter().rev();
            parts.extend(runs.map(|run| Part::Run(Arc::clone(file), Arc::clone(run))));
        }
        parts.extend(self.sealed.iter().rev().map(|sealed| Part::Sealed(Arc::clone(sealed))));
        parts
    }

    fn view_for(&mut self, options: &ScanOptions) -> Result<View<S::Reader>> {
        match options.as_of {
            Some(seq) => self.view_as_of(seq),
            None => self.view(),
        }
    }

    /// The live records of a range, in key order, consistent at one moment.
    ///
    /// # Errors
    /// `HistoryGone`; damage; the storage's failure.
    pub fn scan(&mut self, options: &ScanOptions) -> Result<Scan<S::Reader>> {
        self.view_for(options)?.scan(options)
    }

    /// How many live records a range has, exactly.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn count(&mut self, options: &ScanOptions) -> Result<u64> {
        self.view_for(options)?.count(options)
    }

    /// Every version of `key` that is still held, newest first, one value in memory at a time.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn history(&mut self, key: &[u8]) -> Result<History<S::Reader>> {
        check_key(key)?;
        Ok(self.view()?.history(key))
    }

    /// The keys of a range that differ between two moments in value or expiry, in key order.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub fn diff(&mut self, from: u64, to: u64, options: &ScanOptions) -> Result<Diff<S::Reader>> {
        let (before, after) = (self.view_as_of(from)?, self.view_as_of(to)?);
        Diff::new(&before, &after, options)
    }

    /// Every version of the keys of a range that was committed after `since`, in the order of
    /// commits; versions of one batch share a seq. Of the options, the range and `keys_only` are
    /// looked at.
    ///
    /// # Errors
    /// `HistoryGone` when something committed after `since` may have been compacted away; as
    /// [`Store::view`].
    pub fn changes(&mut self, since: u64, options: &ScanOptions) -> Result<Changes<S::Reader>> {
        let oldest = self.manifest.horizon;
        if since < oldest {
            return Err(ErrorKind::HistoryGone { asked: since, oldest }.into());
        }
        self.drain_for_reading(u64::MAX)?;
        let mut sources = Vec::new();
        if let Some(active) = &self.active {
            sources.push(Source::log(&active.file, &active.memtable, since));
        }
        sources.extend(self.sealed.iter().rev().map(|sealed| Source::Sealed(Arc::clone(sealed))));
        Ok(Changes::new(sources, (since, self.last_seq), options))
    }

    /// How many keys have a record that is not a delete.
    ///
    /// Kept in memory: exact as long as no two live keys share a 64-bit hash and no expired
    /// record waits for compaction. [`Store::count`] is always exact.
    ///
    /// # Errors
    /// Damage or the storage's failure while the index is loaded to its end.
    pub fn len(&mut self) -> Result<u64> {
        self.drain_for_reading(u64::MAX)?;
        while self.load_index(u64::MAX)? {}
        self.finish_install()?;
        Ok(self.index.live())
    }

    /// Whether [`Store::len`] is 0.
    ///
    /// # Errors
    /// As [`Store::len`].
    pub fn is_empty(&mut self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
}
