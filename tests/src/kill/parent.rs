//! The parent: starts children on one directory, kills them, and judges what they left.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use siltdb::{
    Batch, Durability, Error, ErrorKind, Operation, Options, Record, Retention, ScanOptions, Store,
};

use super::script;
use super::{Act, ORDER, Order, Script, Series, now_us};
use crate::sim::{Random, mix};
use crate::versions::Versions;

/// How long a child may take for what it is killed after.
const PATIENCE: Duration = Duration::from_secs(15);
/// Shorter-lived records are waited for before the state is judged.
const SHORT_LIVED_US: u64 = 60_000_000;
const _: () = assert!(script::SHORT_US < SHORT_LIVED_US);

/// When a child is killed.
#[derive(Debug, Clone, Copy)]
enum End {
    /// So long after it was started, wherever it is then.
    SinceStart(Duration),
    /// So long after it opened the store.
    SinceOpen(Duration),
    /// Once it said so often that a step is done.
    Done(u64),
}

/// What the killed children of a series did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Killed {
    /// Children killed.
    pub kills: u64,
    /// Steps they were acknowledged.
    pub steps: u64,
    /// Commits they began and were not acknowledged, that were there afterwards.
    pub unacknowledged: u64,
    /// Acknowledged buffered commits that were lost.
    pub lost: u64,
    /// Reads of past moments that were compared.
    pub past_reads: u64,
    /// Reads of past moments that were refused as no longer held.
    pub gone: u64,
}

/// How far one thread of a child said it was.
#[derive(Debug, Clone, Default)]
struct Said {
    started: u64,
    done: Vec<(u64, Durability)>,
}

/// A series of lives on one directory, and what must be there.
#[derive(Debug)]
pub struct Parent {
    series: Series,
    test: &'static str,
    place: PathBuf,
    model: Versions,
    /// Seqs of commits of each thread after which its state is known exactly, with the thread.
    moments: Vec<(u64, u64)>,
    random: Random,
    /// What happened so far.
    pub killed: Killed,
    life: u64,
}

impl Parent {
    /// A parent whose children are the test of this name, with a store somewhere in `place`.
    #[must_use]
    pub fn new(test: &'static str, series: Series, place: &Path) -> Self {
        Self {
            random: Random::new(mix(series.seed ^ 0x6b69_6c6c)),
            series,
            test,
            place: place.to_path_buf(),
            model: Versions::default(),
            moments: Vec::new(),
            killed: Killed::default(),
            life: 0,
        }
    }

    fn dir(&self) -> PathBuf {
        self.place.join("store")
    }

    /// One life: a child is started, killed, and what it left is judged.
    ///
    /// # Panics
    /// Whatever is wrong with what it left.
    pub fn life(&mut self) {
        self.life += 1;
        let order =
            Order { dir: self.dir(), seed: self.series.seed, life: self.life, base_us: now_us() };
        let end = match self.random.below(4) {
            0 => End::SinceStart(Duration::from_micros(self.random.below(60_000))),
            1 => End::SinceOpen(Duration::from_micros(self.random.below(60_000))),
            2 => End::Done(1 + self.random.below(20)),
            _ => End::Done(1 + self.random.below(500)),
        };
        let said = self.run(&order, end);
        self.killed.kills += 1;
        // Half of them are judged on a copy, so that the next child meets what this one left.
        let context = format!("seed {} life {}, killed {end:?}", self.series.seed, self.life);
        let on_copy = self.random.one_in(2);
        let dir = if on_copy { copy_of(&self.dir(), &self.place) } else { self.dir() };
        if let Err(what) = self.judge(&dir, &order, &said) {
            panic!("{context}: {what}\nthe store is kept in {}", self.keep(&dir).display());
        }
        if on_copy {
            fs::remove_dir_all(&dir).unwrap();
        }
    }

    fn run(&self, order: &Order, end: End) -> Vec<Said> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", self.test, "--nocapture"]).env(ORDER, order.encode());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let reader = thread::spawn(move || {
            for line in stdout.split(b'\n') {
                // The parent may have stopped listening, once something is wrong.
                let _ = sender.send(String::from_utf8(line.unwrap()).unwrap());
            }
        });
        let mut said = vec![Said::default(); self.series.threads as usize];
        listen(&lines, started, end, &mut said);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        reader.join().unwrap();
        for line in lines {
            take(&line, &mut said);
        }
        assert_eq!(status.signal(), Some(9), "the child ended by itself: {status}");
        said
    }

    /// Compares the store in `dir` with all that was said, and takes what is there as given.
    fn judge(&mut self, dir: &Path, order: &Order, said: &[Said]) -> Result<(), String> {
        match siltdb::check(dir, &mut |_| ()).map_err(Error::into_kind) {
            Ok(report) if report.problems.is_empty() => {}
            // It was killed before there was a store. What it was told to keep is looked for below.
            Err(ErrorKind::NoStore) => {}
            other => return Err(format!("check: {other:?}")),
        }
        let mut options = self.series.options.clone();
        // Compaction would take away the only trace of a delete that was not acknowledged.
        options.compaction.auto = false;
        let mut store = open(dir, &options)?;
        let last_seq = store.last_seq();
        self.take_commits(&store, order, said)?;
        if self.random.one_in(3) {
            drop(store);
            options.compaction.auto = true;
            store = open(dir, &options)?;
        }
        self.wait_for_short_lives();
        self.compare(&store)?;
        self.compare_past(&store)?;
        if self.random.one_in(3) {
            store.compact(&mut |_| ()).map_err(|e| format!("compact: {e}"))?;
            self.compare(&store)?;
            self.compare_past(&store)?;
        }
        if store.last_seq() != last_seq {
            return Err(format!("the last seq went from {last_seq} to {}", store.last_seq()));
        }
        store.close().map_err(|e| format!("close: {e}"))?;
        let store = open(dir, &options)?;
        self.compare(&store)?;
        store.close().map_err(|e| format!("second close: {e}"))
    }

    /// What a killed child had acknowledged, and what else is there, goes into the model.
    ///
    /// The store holds a prefix of all commits. Its last seq names the last of them, so it tells
    /// of every acknowledged commit whether it must be there.
    fn take_commits(&mut self, store: &Store, order: &Order, said: &[Said]) -> Result<(), String> {
        let last_seq = store.last_seq();
        let (mut commits, mut begun) = (Vec::new(), Vec::new());
        for (thread, said) in said.iter().enumerate() {
            let thread = thread as u64;
            let mut script = Script::new(&self.series, order.life, thread, order.base_us);
            let mut before = 0;
            for (seq, level) in &said.done {
                self.killed.steps += 1;
                let Act::Write(batch, _) = script.step() else { continue };
                if *seq <= before {
                    return Err(format!("thread {thread} got seq {seq} after {before}"));
                }
                before = *seq;
                if *seq <= last_seq {
                    commits.push((*seq, thread, batch, *level));
                } else if *level == Durability::Buffered {
                    self.killed.lost += 1;
                } else {
                    return Err(format!("lost: seq {seq} was {level:?}; the last is {last_seq}"));
                }
            }
            if said.started > said.done.len() as u64
                && let Act::Write(batch, _) = script.step()
            {
                begun.push(batch);
            }
        }
        commits.sort_by_key(|(seq, ..)| *seq);
        for (seq, thread, batch, level) in commits {
            self.model.commit(seq, batch.operations());
            // Overwrites in the write buffer coalesce: only what drains it pins a moment.
            if level >= Durability::Flushed {
                self.moments.push((seq, thread));
            }
        }
        for batch in begun {
            if let Some(seq) = self.seq_of(store, &batch)? {
                self.killed.unacknowledged += 1;
                self.model.commit(seq, batch.operations());
            }
        }
        Ok(())
    }

    /// The seq at which a batch that was never acknowledged is there, if it is. No other thread
    /// writes its keys, and it is the last of its thread.
    fn seq_of(&self, store: &Store, batch: &Batch) -> Result<Option<u64>, String> {
        let soon = now_us() + SHORT_LIVED_US;
        let is_brief = |operation: &Operation| {
            operation.value.is_none() || operation.expires.is_some_and(|expires| expires < soon)
        };
        let (mut seq, mut last, mut missing) = (None, 0, false);
        for operation in batch.operations() {
            let key = &operation.key;
            let known = self.model.history(key).first().map_or(0, |version| version.seq);
            let newest = store.history(key).and_then(|mut history| history.next().transpose());
            let newest = newest.map_err(|e| format!("history: {e}"))?.map(|version| version.seq);
            seq = seq.max(newest.filter(|newest| *newest > known));
            last = last.max(known);
            let expected = self.model.record(key, u64::MAX, soon);
            missing |= is_brief(operation) && newest.is_none() && expected.is_some();
        }
        // Of a delete, and of what has expired, only absence is left if another thread compacted
        // before the kill.
        let all_brief = batch.operations().iter().all(is_brief);
        Ok(seq.or((all_brief && missing).then_some(last + 1)))
    }

    fn wait_for_short_lives(&self) {
        let now = now_us();
        let until = self.model.last_expiry(now + SHORT_LIVED_US);
        thread::sleep(Duration::from_micros(until.saturating_sub(now)));
    }

    /// Compares every newest record.
    fn compare(&self, store: &Store) -> Result<(), String> {
        let now = now_us();
        let expected = self.model.scan(b"", u64::MAX, now);
        for reverse in [false, true] {
            let options = ScanOptions { reverse, ..ScanOptions::default() };
            let mut found = scan(store, &options)?;
            if reverse {
                found.reverse();
            }
            same(&found, &expected).map_err(|e| format!("scan, reverse {reverse}: {e}"))?;
        }
        let count = store.count(&ScanOptions::default()).map_err(|e| format!("count: {e}"))?;
        if count != expected.len() as u64 {
            return Err(format!("count gives {count}, not {}", expected.len()));
        }
        for key in self.model.keys() {
            let found = store.get_record(key).map_err(|e| format!("get: {e}"))?;
            let at = expected.binary_search_by(|r| r.key.as_slice().cmp(key)).ok();
            same(found.as_slice(), at.map_or(&[][..], |at| &expected[at..=at]))
                .map_err(|e| format!("get: {e}"))?;
        }
        Ok(())
    }

    /// Compares reads of some past moments, as far as the store still holds them.
    fn compare_past(&mut self, store: &Store) -> Result<(), String> {
        let retention = self.series.options.retention;
        let horizon = store.horizon();
        if retention == Retention::Forever && horizon > 0 {
            return Err(format!("everything is retained, yet the horizon is {horizon}"));
        }
        let recent = self.moments.len().saturating_sub(300);
        for _ in 0..40.min(self.moments.len()) {
            let from = if self.random.one_in(3) { 0 } else { recent };
            let at = from + self.random.index(self.moments.len() - from);
            let (seq, thread) = self.moments[at];
            let prefix = Series::prefix(thread);
            let expected = self.model.scan(&prefix, seq, seq);
            let options =
                ScanOptions { prefix: Some(prefix), as_of: Some(seq), ..ScanOptions::default() };
            if seq < horizon {
                match store.scan(&options).map(|_| ()).map_err(Error::into_kind) {
                    Err(ErrorKind::HistoryGone { asked, oldest })
                        if asked == seq && oldest > seq => {}
                    other => return Err(format!("as of {seq}, gone: {other:?}")),
                }
                self.killed.gone += 1;
                continue;
            }
            self.killed.past_reads += 1;
            // Automatic compaction may take the moment away meanwhile.
            match scan(store, &options) {
                Ok(found) => same(&found, &expected).map_err(|e| format!("as of {seq}: {e}"))?,
                Err(e) if store.horizon() > seq => drop(e),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Keeps what failed, for whoever looks into it.
    fn keep(&self, dir: &Path) -> PathBuf {
        let kept = std::env::temp_dir().join(format!("siltdb-kill-{}", self.series.seed));
        let _ = fs::remove_dir_all(&kept);
        copy(dir, &kept);
        kept
    }
}

/// Listens to a child until it is to be killed.
fn listen(lines: &Receiver<String>, started: Instant, end: End, said: &mut [Said]) {
    let mut until = started + PATIENCE;
    if let End::SinceStart(delay) = end {
        until = started + delay;
    }
    let mut done = 0;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                take(&line, said);
                done += u64::from(line.starts_with("done"));
                match end {
                    End::SinceOpen(delay) if line == "open" => until = Instant::now() + delay,
                    End::Done(count) if done >= count => return,
                    _ => {}
                }
            }
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => panic!("the child ended by itself"),
        }
    }
}

/// Takes one line of a child.
fn take(line: &str, said: &mut [Said]) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match words[0] {
        "start" => said[number(1) as usize].started = number(2) + 1,
        "done" => {
            let said = &mut said[number(1) as usize];
            assert_eq!(number(2), said.done.len() as u64);
            said.done.push((number(3), Durability::parse(words[4]).unwrap()));
        }
        "wrong" => panic!("the child says: {line}"),
        _ => {}
    }
}

fn open(dir: &Path, options: &Options) -> Result<Store, String> {
    Store::open(dir, options.clone()).map_err(|e| format!("open: {e}"))
}

fn scan(store: &Store, options: &ScanOptions) -> Result<Vec<Record>, String> {
    let records = store.scan(options).and_then(Iterator::collect);
    records.map_err(|e| format!("scan {options:?}: {e}"))
}

/// Demands equal records, and shows the first that differs.
fn same(found: &[Record], expected: &[Record]) -> Result<(), String> {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    let at = differs.unwrap_or(found.len().min(expected.len()));
    if at == found.len() && at == expected.len() {
        return Ok(());
    }
    let show = |record: Option<&Record>| {
        record.map_or_else(
            || "nothing".to_owned(),
            |r| {
                let value = String::from_utf8_lossy(&r.value[..r.value.len().min(60)]).into_owned();
                let key = String::from_utf8_lossy(&r.key);
                format!("{key} = {value:?} at {} expiring {:?}", r.seq, r.expires)
            },
        )
    };
    Err(format!("{} is there, not {}", show(found.get(at)), show(expected.get(at))))
}

fn copy_of(dir: &Path, place: &Path) -> PathBuf {
    let copied = place.join("copy");
    copy(dir, &copied);
    copied
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // A child may be killed before it made the directory.
    let Ok(names) = fs::read_dir(from) else { return };
    for name in names {
        let name = name.unwrap();
        fs::copy(name.path(), to.join(name.file_name())).unwrap();
    }
}
