//! What a command works on: a store in a directory, or one behind a server.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use siltdb::client::{Answers, Client, ClientError, CompactionPlan, ConnectOptions, Piece};
use siltdb::{
    Batch, Change, Changed, Commit, CompactionReport, Durability, Error, Progress, Record,
    Retention, ScanOptions, SegmentStats, SnapshotReport, Stats, Store, Version,
};
use tokio::runtime::Runtime;

use super::target::Target;
use crate::interrupt;
use crate::output::{Failure, Run, check_interrupt};

/// How long Ctrl-C may go unnoticed while a server says nothing.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);

/// A store that a command reads and writes. Clones share it.
#[derive(Clone)]
pub struct Opened {
    place: Rc<Place>,
    /// The moment that is read, when it is not the newest.
    at: Option<u64>,
}

enum Place {
    /// In a directory.
    Local(Local),
    /// Behind a server.
    Remote(Remote),
}

/// A store in a directory.
struct Local {
    store: Store,
    dir: PathBuf,
}

/// A connection to a server, for a thread that waits.
struct Remote {
    client: Client,
    runtime: Rc<Runtime>,
    url: Rc<str>,
}

/// Records as they are read.
pub type Rows<T> = Box<dyn Iterator<Item = Run<T>>>;

impl Local {
    fn failed(&self, error: &Error) -> Failure {
        Failure::store(&self.dir, error)
    }

    fn rows<T, I>(&self, rows: Result<I, Error>) -> Run<Rows<T>>
    where
        I: Iterator<Item = Result<T, Error>> + 'static,
    {
        let rows = rows.map_err(|e| self.failed(&e))?;
        let dir = self.dir.clone();
        Ok(Box::new(rows.map(move |row| row.map_err(|e| Failure::store(&dir, &e)))))
    }
}

impl Remote {
    fn connect(options: ConnectOptions) -> Run<Self> {
        let url: Rc<str> = Rc::from(options.url.as_str());
        // One thread beside this one keeps the connection alive while this one waits for input.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| Failure::io("runtime", &e))?;
        let client = runtime.block_on(Client::connect_with(options));
        let client = client.map_err(|e| Failure::server(&url, &e))?;
        Ok(Self { client, runtime: Rc::new(runtime), url })
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T, ClientError>>) -> Run<T> {
        self.runtime.block_on(call).map_err(|e| Failure::server(&self.url, &e))
    }

    fn rows<T: 'static>(
        &self,
        call: impl Future<Output = Result<Answers<T>, ClientError>>,
    ) -> Run<Rows<T>> {
        let mut answers = self.wait(call)?;
        let (runtime, url) = (Rc::clone(&self.runtime), Rc::clone(&self.url));
        Ok(Box::new(std::iter::from_fn(move || {
            let answer = loop {
                if !interrupt::is_caught() {
                    break runtime.block_on(answers.next());
                }
                // Looked at now and then, because a feed may be silent for long.
                let next = async { tokio::time::timeout(INTERRUPT_POLL, answers.next()).await };
                if let Ok(answer) = runtime.block_on(next) {
                    break answer;
                }
                if let Err(failure) = check_interrupt() {
                    return Some(Err(failure));
                }
            };
            Some(answer?.map_err(|e| Failure::server(&url, &e)))
        })))
    }
}

impl Opened {
    /// A store in a directory.
    pub fn local(store: Store, dir: &Path) -> Self {
        Self::new(Place::Local(Local { store, dir: dir.to_owned() }))
    }

    /// A store behind a server.
    pub fn connect(options: ConnectOptions) -> Run<Self> {
        Ok(Self::new(Place::Remote(Remote::connect(options)?)))
    }

    fn new(place: Place) -> Self {
        Self { place: Rc::new(place), at: None }
    }

    /// The same store as it was at a moment: reads tell of it, and nothing is written.
    pub fn at(&self, at: Option<u64>) -> Self {
        Self { place: Rc::clone(&self.place), at }
    }

    /// The scan as it is at the moment that is read.
    fn at_scan(&self, options: &ScanOptions) -> ScanOptions {
        ScanOptions { as_of: options.as_of.or(self.at), ..options.clone() }
    }

    /// The past stays as it was.
    fn check_present(&self) -> Run<()> {
        match self.at {
            None => Ok(()),
            Some(_) => Err(Failure::usage("this is the past; 'at now' leads back to the present")),
        }
    }

    /// Whether it is behind a server.
    pub fn is_remote(&self) -> bool {
        matches!(*self.place, Place::Remote(_))
    }

    pub fn get_record(&self, key: &[u8], as_of: Option<u64>) -> Run<Option<Record>> {
        let as_of = as_of.or(self.at);
        match &*self.place {
            Place::Local(l) => match as_of {
                Some(seq) => l.store.get_as_of(key, seq),
                None => l.store.get_record(key),
            }
            .map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.get_record(key, as_of)),
        }
    }

    pub fn contains(&self, key: &[u8]) -> Run<bool> {
        if let (Place::Local(l), None) = (&*self.place, self.at) {
            return l.store.contains(key).map_err(|e| l.failed(&e));
        }
        // A count of the one key, so that no value is read or sent.
        let mut to = key.to_vec();
        to.push(0);
        let (from, to) = (Some(key.to_vec()), Some(to));
        Ok(self.count(&ScanOptions { from, to, ..ScanOptions::default() })? > 0)
    }

    pub fn write(&self, batch: &Batch, durability: Option<Durability>) -> Run<Commit> {
        self.check_present()?;
        match &*self.place {
            Place::Local(l) => l.store.write(batch, durability).map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.batch(batch, durability)),
        }
    }

    pub fn sync(&self) -> Run<u64> {
        match &*self.place {
            Place::Local(l) => l.store.sync().map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.sync()),
        }
    }

    pub fn scan(&self, options: &ScanOptions) -> Run<Rows<Record>> {
        let options = self.at_scan(options);
        match &*self.place {
            Place::Local(l) => l.rows(l.store.scan(&options)),
            Place::Remote(r) => r.rows(r.client.scan(&options)),
        }
    }

    pub fn count(&self, options: &ScanOptions) -> Run<u64> {
        let options = self.at_scan(options);
        match &*self.place {
            Place::Local(l) => l.store.count(&options).map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.count(&options)),
        }
    }

    /// How many live keys there are, about.
    pub fn len(&self) -> Run<u64> {
        match &*self.place {
            Place::Local(l) => l.store.len().map_err(|e| l.failed(&e)),
            Place::Remote(_) => Ok(self.stats()?.keys),
        }
    }

    /// The newest `limit` versions of a key, up to the moment that is read.
    pub fn history(&self, key: &[u8], limit: u64) -> Run<Rows<Version>> {
        let at = self.at.unwrap_or(u64::MAX);
        let versions = match &*self.place {
            Place::Local(l) => l.rows(l.store.history(key)),
            // Which of them are later, a server is not asked.
            Place::Remote(r) => r.rows(r.client.history(key, self.at.is_none().then_some(limit))),
        }?;
        let versions = versions.filter(move |row| !matches!(row, Ok(v) if v.seq > at));
        Ok(Box::new(versions.take(usize::try_from(limit).unwrap_or(usize::MAX))))
    }

    /// Changes between two moments; `None` is the moment that is read.
    pub fn diff(&self, from: u64, to: Option<u64>, options: &ScanOptions) -> Run<Rows<Change>> {
        let to = to.or(self.at);
        match &*self.place {
            Place::Local(l) => {
                let to = to.unwrap_or_else(|| l.store.now().max(from));
                l.rows(l.store.diff(from, to, options))
            }
            Place::Remote(r) => r.rows(r.client.diff(from, to, options)),
        }
    }

    /// What was committed after a moment; of a server also what is committed from now on, without
    /// end.
    pub fn changes(&self, since: Option<u64>, options: &ScanOptions) -> Run<Rows<Changed>> {
        let since = since.or(self.at);
        match &*self.place {
            Place::Local(l) => {
                let since = since.unwrap_or_else(|| l.store.last_seq());
                l.rows(l.store.changes(since, options))
            }
            Place::Remote(r) => r.rows(r.client.changes(since, options)),
        }
    }

    pub fn compaction_plan(&self) -> Run<Vec<CompactionPlan>> {
        match &*self.place {
            Place::Local(l) => {
                let plans = l.store.compaction_plan().map_err(|e| l.failed(&e))?;
                Ok(plans.into_iter().map(CompactionPlan::from).collect())
            }
            Place::Remote(r) => r.wait(r.client.compaction_plan()),
        }
    }

    pub fn compact(&self, progress: &mut dyn FnMut(Progress)) -> Run<CompactionReport> {
        self.check_present()?;
        match &*self.place {
            Place::Local(l) => l.store.compact(progress).map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.compact()),
        }
    }

    /// Copies the store into `target`.
    pub fn snapshot(
        &self,
        target: &mut Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Run<SnapshotReport> {
        self.check_present()?;
        let r = match &*self.place {
            Place::Local(l) => {
                return l.store.snapshot(target, progress).map_err(|e| l.failed(&e));
            }
            Place::Remote(r) => r,
        };
        let mut done = 0;
        for piece in r.rows(r.client.snapshot())? {
            match piece? {
                Piece::Bytes(bytes) => {
                    target.write_all(&bytes).map_err(|e| Failure::io(&target.name, &e))?;
                    done += bytes.len() as u64;
                    progress(Progress { done, total: done });
                }
                Piece::Report(report) if report.bytes == done => return Ok(report),
                Piece::Report(_) => break,
            }
        }
        let error = ClientError::unreachable("the server did not send the whole snapshot");
        Err(Failure::server(&r.url, &error))
    }

    pub fn stats(&self) -> Run<Stats> {
        match &*self.place {
            Place::Local(l) => l.store.stats().map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.stats()),
        }
    }

    pub fn segments(&self) -> Run<Vec<SegmentStats>> {
        match &*self.place {
            Place::Local(l) => l.store.segments().map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.segments()),
        }
    }

    pub fn retention(&self) -> Run<Retention> {
        match &*self.place {
            Place::Local(l) => Ok(l.store.retention()),
            Place::Remote(r) => r.wait(r.client.retention()),
        }
    }

    pub fn set_retention(&self, retention: Retention) -> Run<()> {
        self.check_present()?;
        match &*self.place {
            Place::Local(l) => l.store.set_retention(retention).map_err(|e| l.failed(&e)),
            Place::Remote(r) => r.wait(r.client.set_retention(retention)),
        }
    }

    pub fn last_seq(&self) -> Run<u64> {
        match &*self.place {
            Place::Local(l) => Ok(l.store.last_seq()),
            Place::Remote(_) => Ok(self.stats()?.last_seq),
        }
    }

    /// Closes a store after writing, so that an error on the way out is not lost. While a clone
    /// is kept, as the shell does, the store stays open.
    pub fn close(self) -> Run<()> {
        match Rc::try_unwrap(self.place) {
            Ok(Place::Local(Local { store, dir })) => {
                store.close().map_err(|e| Failure::store(&dir, &e))
            }
            Ok(Place::Remote(_)) | Err(_) => Ok(()),
        }
    }
}
