//! Operations of a request, one by one: take the fields, run it, pack the answer.
//!
//! All fields of an operation are taken before it runs, so that one that fails leaves the
//! request at the operation after it.

use alloc::vec::Vec;

use siltdb_core::batch::check_key;
use siltdb_core::{
    Batch, Commit, Condition, Durability, Error, ErrorKind, Operation, ScanOptions, Store,
};

use crate::answer;
use crate::host::JsHost;
use crate::options::{level, retention, retention_numbers};
use crate::storage::{JsReader, JsStorage};
use crate::views::Views;
use crate::wire::{Reader, begin_b, code, end_b, put_b, put_n, status};
use siltdb_core::store::FullCompaction;
use siltdb_core::types::owned;
use siltdb_core::view::{Scan, View};

/// Whether an operation was answered.
pub(crate) type Run = Result<(), Error>;

/// The moment a read asks for.
#[derive(Clone, Copy)]
struct Moment {
    at: Option<u64>,
    view: Option<u64>,
}

impl Moment {
    /// Takes the fields that the flags say are there.
    fn take(request: &mut Reader<'_>, flags: u8) -> Self {
        let at = request.n_if(flags & 1 != 0);
        Self { at, view: request.n_if(flags & 2 != 0) }
    }
}

/// What operations run on.
pub(crate) struct Session<'a> {
    pub(crate) store: &'a mut Store<JsStorage, JsHost>,
    pub(crate) views: &'a mut Views,
    /// A compaction of everything that is done in steps.
    pub(crate) full: &'a mut Option<FullCompaction>,
    pub(crate) client: u32,
    pub(crate) pending: &'a mut Pending,
}

/// Commits of a request that are appended, and some of them synced, all at once when it has run:
/// the places of their answers in the reply.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) ahead: Vec<(usize, usize)>,
    pub(crate) synced: Vec<(usize, usize)>,
}

impl Pending {
    /// Appends and syncs them. What fails takes the answers back that it was for.
    pub(crate) fn settle(self, store: &mut Store<JsStorage, JsHost>, reply: &mut Vec<u8>) {
        let (answers, settled) = match store.append() {
            Ok(()) if self.synced.is_empty() => return,
            Ok(()) => (self.synced, store.sync().map(drop)),
            Err(error) => (self.ahead, Err(error)),
        };
        if let Err(error) = settled {
            *reply = answer::replaced(reply, &answers, &error);
        }
    }
}

impl Session<'_> {
    /// Runs the operation that the request stands at and appends its answer.
    pub(crate) fn run(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        match request.u8() {
            code::GET => self.get(request, out),
            code::GET_MANY => self.get_many(request, out),
            code::HAS => self.has(request, out),
            code::WRITE => self.write(request, out),
            code::SET_MANY => self.set_many(request, out),
            code::DELETE_RANGE => self.delete_range(request, out),
            code::SCAN => self.scan(request, out),
            code::VIEW_OPEN => self.view_open(request, out),
            code::VIEW_CLOSE => {
                self.views.close(self.client, request.n());
                out.push(status::OK);
                Ok(())
            }
            code::COUNT => self.count(request, out),
            code::HISTORY => self.history(request, out),
            code::DIFF => self.diff(request, out),
            code::CHANGES => self.changes(request, out),
            code::COMPACT_STEP => self.compact_step(request, out),
            code::RETENTION => self.retention(request, out),
            code::RECORDS => self.records(request, out),
            code::BYTES => self.bytes(request, out),
            other => self.figures(other, request, out),
        }
    }

    /// Operations without fields.
    fn figures(&mut self, operation: u8, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let store = &mut *self.store;
        match operation {
            code::STATS => {
                let mut stats = store.stats()?;
                (stats.cache_bytes, stats.cache_hits, stats.cache_misses) =
                    store.storage().cache_figures();
                answer::json(out, &answer::stats(&stats, &store.recovery()));
            }
            code::SEGMENTS => {
                while store.load_index(u64::MAX)? {}
                answer::json(out, &answer::segments(&store.segments()?));
            }
            code::PLAN => answer::json(out, &answer::plan(&store.compaction_plan()?)),
            code::SYNC => {
                let seq = store.sync()?;
                out.push(status::OK);
                put_n(out, seq);
            }
            code::INFO => {
                let numbers = (store.store_id(), store.last_seq(), store.horizon());
                let text = answer::info(numbers, store.retention(), store.is_poisoned());
                answer::json(out, &text);
            }
            _ => request.refuse(),
        }
        Ok(())
    }

    /// The view that a moment means; `None` for the newest state.
    fn view(&mut self, moment: Moment) -> Result<Option<View<JsReader>>, Error> {
        if let Some(number) = moment.view {
            if let Some(open) = self.views.find(self.client, number) {
                return Ok(Some(open.view.clone()));
            }
            // Whoever opened it is gone, and the client knows what it looked at.
            let at = moment.at.ok_or(ErrorKind::Invalid("the snapshot is closed"))?;
            let view = self.store.view_as_of(at)?;
            self.views.open(self.client, number, view.clone(), false);
            return Ok(Some(view));
        }
        moment.at.map(|seq| self.store.view_as_of(seq)).transpose()
    }

    /// The view that a moment means, be it the newest state.
    fn some_view(&mut self, moment: Moment) -> Result<View<JsReader>, Error> {
        match self.view(moment)? {
            Some(view) => Ok(view),
            None => self.store.view(),
        }
    }

    /// Gives `read` the value, seq and expiry of a key.
    fn look_up(
        &mut self,
        key: &[u8],
        view: Option<&View<JsReader>>,
        read: &mut dyn FnMut(&[u8], u64, u64),
    ) -> Result<bool, Error> {
        check_key(key)?;
        let found = match view {
            None => self.store.get_record_with(key, read)?,
            Some(view) => {
                let found = view.get(key)?;
                found.map(|r| read(&r.value, r.seq, r.expires.unwrap_or(0)))
            }
        };
        Ok(found.is_some())
    }

    fn get(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let (flags, key) = (request.u8(), request.b());
        let moment = Moment::take(request, flags);
        request.whole()?;
        let view = self.view(moment)?;
        let found = self.look_up(key, view.as_ref(), &mut |value, seq, expires| {
            answer::value(out, value, seq, expires);
        })?;
        if !found {
            out.push(status::ABSENT);
        }
        Ok(())
    }

    fn get_many(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let (flags, count) = (request.u8(), request.n());
        let mut keys = *request;
        for _ in 0..count {
            request.b();
            request.whole()?;
        }
        let moment = Moment::take(request, flags);
        request.whole()?;
        let view = self.view(moment)?;
        out.push(status::OK);
        put_n(out, count);
        for _ in 0..count {
            let found = self.look_up(keys.b(), view.as_ref(), &mut |value, _, _| {
                out.push(1);
                put_b(out, value);
            })?;
            if !found {
                out.push(0);
            }
        }
        Ok(())
    }

    fn has(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let (flags, key) = (request.u8(), request.b());
        let moment = Moment::take(request, flags);
        request.whole()?;
        let view = self.view(moment)?;
        let found = self.look_up(key, view.as_ref(), &mut |_, _, _| {})?;
        out.extend([status::OK, u8::from(found)]);
        Ok(())
    }

    fn write(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let durability = level(u64::from(request.u8()), request);
        let count = request.n();
        request.whole()?;
        let (mut batch, mut again) = (Batch::new(), *request);
        for operation in 0..count {
            self.part(operation as usize, request, Some(&mut batch))?;
        }
        // Nobody else writes between the checks and the batch.
        if (batch.len() as u64) < count {
            for operation in 0..count {
                self.part(operation as usize, &mut again, None)?;
            }
        }
        self.commit(&batch, durability, (count, !request.is_done()), out)
    }

    /// Sets keys to values: all lengths stand first, then all bytes.
    fn set_many(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let durability = level(u64::from(request.u8()), request);
        let count = request.n();
        let mut lengths = *request;
        for _ in 0..count {
            request.n();
            request.n();
            request.whole()?;
        }
        let mut batch = Batch::new();
        for _ in 0..count {
            let (key, value) = (request.take(lengths.n()), request.take(lengths.n()));
            request.whole()?;
            batch.set(key, value);
        }
        self.commit(&batch, durability, (count, !request.is_done()), out)
    }

    /// Takes an operation of a write. What is to be written goes into `batch`; without one, what
    /// is only asked for is checked.
    fn part(
        &mut self,
        operation: usize,
        request: &mut Reader<'_>,
        batch: Option<&mut Batch>,
    ) -> Run {
        let flags = request.u8();
        if flags & 32 != 0 {
            let (range, since) = (take_range(request), request.n());
            request.whole()?;
            return match batch {
                Some(_) => Ok(()),
                None => self.check_range(operation, &range, since),
            };
        }
        let key = request.b();
        let value = (flags & 1 == 0).then(|| request.b());
        let expires = request.n_if(flags & 2 != 0);
        let mut condition = (flags & 4 != 0).then_some(Condition::Absent);
        if let Some(seq) = request.n_if(flags & 8 != 0) {
            condition = Some(Condition::SeqIs(seq));
        }
        request.whole()?;
        let written = flags & 16 == 0;
        match (batch, condition) {
            (Some(batch), _) if written => {
                let (key, value) = (owned(key), value.map(owned));
                batch.push(Operation { key, value, expires, condition });
            }
            (None, Some(condition)) if !written => self.check(operation, key, condition)?,
            _ => {}
        }
        Ok(())
    }

    /// Commits a batch and answers. Where more of the request follows, that waits for its end,
    /// which takes the answer back if it fails; so does what is to be synced.
    fn commit(
        &mut self,
        batch: &Batch,
        durability: Option<Durability>,
        (count, more): (u64, bool),
        out: &mut Vec<u8>,
    ) -> Run {
        let durability = durability.unwrap_or(self.store.durability());
        let synced = durability == Durability::Synced;
        let grouped = more || !self.pending.ahead.is_empty();
        let ahead = synced || (durability == Durability::Flushed && grouped);
        let commit = if ahead {
            if self.pending.ahead.is_empty() {
                // What others left in the write buffer is no part of this request.
                self.store.append()?;
            }
            self.store.write_ahead(batch)?
        } else {
            self.store.write(batch, Some(durability))?
        };
        let start = out.len();
        answer::commit(out, Commit { durability, ..commit }, count);
        if ahead {
            self.pending.ahead.push((start, out.len()));
        }
        if synced {
            self.pending.synced.push((start, out.len()));
        }
        Ok(())
    }

    /// Fails if a condition does not hold for a key that the batch does not write.
    fn check(&mut self, operation: usize, key: &[u8], condition: Condition) -> Result<(), Error> {
        let mut found = 0;
        self.look_up(key, None, &mut |_, seq, _| found = seq)?;
        let holds = match condition {
            Condition::Absent => found == 0,
            Condition::SeqIs(seq) => found == seq,
        };
        if holds { Ok(()) } else { Err(ErrorKind::ConditionFailed { operation, found }.into()) }
    }

    /// Fails if any key of a range was written after a moment.
    fn check_range(
        &mut self,
        operation: usize,
        range: &ScanOptions,
        since: u64,
    ) -> Result<(), Error> {
        if self.store.last_seq() <= since {
            return Ok(());
        }
        let found = match self.store.changes(since, range) {
            Ok(mut changes) => changes.next().transpose()?.map(|changed| changed.version.seq),
            // What was compacted away since then was superseded since then.
            Err(e) => match e.kind() {
                ErrorKind::HistoryGone { oldest, .. } => Some(*oldest),
                _ => return Err(e),
            },
        };
        found.map_or(Ok(()), |found| Err(ErrorKind::ConditionFailed { operation, found }.into()))
    }

    fn delete_range(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let durability = level(u64::from(request.u8()), request);
        let range = ScanOptions { keys_only: true, ..take_range(request) };
        request.whole()?;
        let (mut batch, mut scan) = (Batch::new(), self.store.view()?.scan(&range)?);
        let mut delete = |key: &[u8], _: &[u8], _, _| {
            batch.delete(key);
        };
        while let Some(deleted) = scan.next_with(&mut delete) {
            deleted?;
        }
        self.commit(&batch, durability, (batch.len() as u64, !request.is_done()), out)
    }

    fn scan(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let flags = request.u8();
        let range = take_range(request);
        let (limit, bytes_max) = (unlimited(request.n()), unlimited(request.n()));
        let moment = Moment::take(request, flags >> 2);
        request.whole()?;
        let range = ScanOptions { reverse: flags & 1 != 0, keys_only: flags & 2 != 0, ..range };
        // Only a scan under a view's number has where to keep what it goes on with.
        let keep = moment.view.filter(|_| flags & 16 != 0);
        let (seq, mut scan) = self.begin_scan(&range, moment, keep)?;
        out.push(status::OK);
        let start = begin_b(out);
        let (mut count, mut bytes, mut ended) = (0, 0, false);
        let mut last = start;
        while count < limit && bytes < bytes_max {
            let next = scan.next_with(&mut |key, value, _, _| {
                last = out.len();
                put_b(out, key);
                put_b(out, value);
                bytes += (key.len() + value.len()) as u64;
            });
            let Some(next) = next else {
                ended = true;
                break;
            };
            next?;
            count += 1;
        }
        end_b(out, start);
        let last = if count > 0 { owned(Reader::new(out, last).b()) } else { Vec::new() };
        if let Some(number) = keep {
            self.keep_scan(number, range, (!ended).then_some(&last), scan);
        }
        put_n(out, seq);
        out.push(u8::from(!ended));
        put_n(out, count);
        put_b(out, &last);
        Ok(())
    }

    /// Begins a scan, or goes on with one that stopped.
    fn begin_scan(
        &mut self,
        range: &ScanOptions,
        moment: Moment,
        keep: Option<u64>,
    ) -> Result<(u64, Scan<JsReader>), Error> {
        if let Some(number) = keep {
            if self.views.find(self.client, number).is_none() {
                let view = self.some_view(Moment { view: None, ..moment })?;
                self.views.open(self.client, number, view, true);
            }
            let open = self.views.find(self.client, number);
            let open = open.ok_or(ErrorKind::Invalid("no view of this number is open"))?;
            let scan = match open.rest.take() {
                Some((next, scan)) if next == *range => scan,
                _ => open.view.scan(range)?,
            };
            return Ok((open.view.seq(), scan));
        }
        let view = self.some_view(moment)?;
        Ok((view.seq(), view.scan(range)?))
    }

    /// Keeps a scan that has not ended, but has come to its last key so far; closes the view that
    /// one which has ended opened.
    fn keep_scan(
        &mut self,
        number: u64,
        mut next: ScanOptions,
        last_key: Option<&[u8]>,
        scan: Scan<JsReader>,
    ) {
        let Some(open) = self.views.find(self.client, number) else { return };
        if let Some(last_key) = last_key {
            if next.reverse {
                next.to = Some(owned(last_key));
            } else {
                let mut from = owned(last_key);
                from.push(0);
                next.from = Some(from);
            }
            open.rest = Some((next, scan));
        } else if open.by_scan {
            self.views.close(self.client, number);
        }
    }

    fn view_open(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let (number, flags) = (request.n(), request.u8());
        let moment = Moment::take(request, flags & 1);
        request.whole()?;
        let view = self.some_view(moment)?;
        out.push(status::OK);
        put_n(out, view.seq());
        self.views.open(self.client, number, view, false);
        Ok(())
    }

    fn count(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let flags = request.u8();
        let range = take_range(request);
        let moment = Moment::take(request, flags >> 2);
        request.whole()?;
        let count = self.some_view(moment)?.count(&range)?;
        out.push(status::OK);
        put_n(out, count);
        Ok(())
    }

    fn history(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let (key, limit) = (request.b(), unlimited(request.n()));
        request.whole()?;
        let (mut versions, mut count) = (Vec::new(), 0);
        for version in self.store.history(key)?.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            answer::past(&mut versions, &version?);
            count += 1;
        }
        out.push(status::OK);
        put_n(out, count);
        out.append(&mut versions);
        Ok(())
    }

    fn diff(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let range = take_range(request);
        let (from, to) = (request.n(), request.n());
        let limit = unlimited(request.n());
        request.whole()?;
        let (mut changes, mut count) = (Vec::new(), 0);
        for change in self.store.diff(from, to, &ScanOptions { limit: Some(limit), ..range })? {
            answer::difference(&mut changes, &change?);
            count += 1;
        }
        out.push(status::OK);
        put_n(out, count);
        out.append(&mut changes);
        Ok(())
    }

    fn changes(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let since = request.n();
        let (limit, bytes_max) = (unlimited(request.n()), unlimited(request.n()));
        let range = take_range(request);
        request.whole()?;
        let changes = self.store.changes(since, &range)?;
        let (mut packed, mut count, mut more) = (Vec::new(), 0, false);
        let mut next = since;
        for changed in changes {
            let changed = changed?;
            let full = count >= limit || packed.len() as u64 >= bytes_max;
            // What is read next begins after a seq: a batch must not be cut.
            if full && changed.version.seq != next {
                more = true;
                break;
            }
            next = changed.version.seq;
            answer::changed(&mut packed, &changed);
            count += 1;
        }
        if !more {
            next = next.max(self.store.last_seq());
        }
        out.push(status::OK);
        put_n(out, next);
        out.push(u8::from(more));
        put_n(out, count);
        out.append(&mut packed);
        Ok(())
    }

    fn compact_step(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let budget = request.n();
        request.whole()?;
        let mut full = match self.full.take() {
            Some(full) => full,
            None => self.store.compact_begin()?,
        };
        let more = self.store.compact_next(&mut full, budget.max(1));
        let progress = full.progress();
        if more.as_ref().map_or_else(Error::is_not_ready, |more| *more) {
            *self.full = Some(full);
        }
        let more = more?;
        out.extend([status::OK, u8::from(more)]);
        put_n(out, progress.done);
        put_n(out, progress.total);
        Ok(())
    }

    fn retention(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        if request.u8() != 0 {
            let kind = u64::from(request.u8());
            let rule = retention(kind, request);
            request.whole()?;
            self.store.set_retention(rule)?;
        }
        let (kind, amount) = retention_numbers(self.store.retention());
        out.extend([status::OK, kind]);
        put_n(out, amount);
        Ok(())
    }
}

/// Limits of 0 are none.
pub(crate) fn unlimited(limit: u64) -> u64 {
    if limit == 0 { u64::MAX } else { limit }
}

fn take_range(request: &mut Reader<'_>) -> ScanOptions {
    let flags = request.u8();
    ScanOptions {
        from: request.b_if(flags & 1 != 0),
        to: request.b_if(flags & 2 != 0),
        prefix: request.b_if(flags & 4 != 0),
        ..ScanOptions::default()
    }
}
