//! Damage to the files of a real store in a directory, and the judgement of what it then says.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use siltdb::{Batch, Durability, Error, ErrorKind, Options, Record, ScanOptions, Store, Version};
use tempfile::TempDir;

use crate::versions::Versions;

/// Panics of this process since the first judgement.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Names and bytes of the files of a store, but for its lock.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A directory for stores, in memory where there is such a place: they are many.
///
/// # Panics
/// It cannot be made.
#[must_use]
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).unwrap()
}

/// Puts exactly these files into a directory, beside its lock.
///
/// # Panics
/// The system refuses.
pub fn lay_out(dir: &Path, files: &Files) {
    for name in fs::read_dir(dir).unwrap() {
        let name = name.unwrap().file_name();
        if !files.contains_key(name.to_str().unwrap()) && name != "LOCK" {
            fs::remove_file(dir.join(name)).unwrap();
        }
    }
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// The files of a directory, but for its lock; none if there is no directory.
///
/// # Panics
/// The system refuses.
#[must_use]
pub fn files_of(dir: &Path) -> Files {
    if !dir.exists() {
        return Files::new();
    }
    let names = fs::read_dir(dir).unwrap().map(|name| name.unwrap().file_name());
    let names = names.map(|name| name.to_str().unwrap().to_owned());
    names.filter(|n| n != "LOCK").map(|n| (n.clone(), fs::read(dir.join(n)).unwrap())).collect()
}

/// A store that is written to, and what it must hold.
#[derive(Debug)]
pub struct Written {
    dir: PathBuf,
    options: Options,
    /// The store.
    pub store: Store,
    /// What it must hold.
    pub model: Versions,
    /// Seqs of its commits, in order.
    pub seqs: Vec<u64>,
}

impl Written {
    /// An empty store in `dir`.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn new(dir: &Path, options: Options) -> Self {
        let store = Store::open(dir, options.clone()).unwrap();
        let (model, seqs) = (Versions::default(), Vec::new());
        Self { dir: dir.to_path_buf(), options, store, model, seqs }
    }

    /// Closes the store and opens it with other options.
    ///
    /// # Panics
    /// It does not close or open.
    #[must_use]
    pub fn reopen(self, options: Options) -> Self {
        self.store.close().unwrap();
        let store = Store::open(&self.dir, options.clone()).unwrap();
        Self { store, options, ..self }
    }

    /// Closes the store and takes its files.
    ///
    /// # Panics
    /// It does not close, or does not hold what was written.
    #[must_use]
    pub fn close(self) -> Closed {
        let Self { dir, options, store, model, mut seqs } = self;
        let now = *seqs.last().unwrap();
        let horizon = store.horizon();
        seqs.retain(|seq| *seq >= horizon);
        let histories = model.keys().map(|key| {
            let history: Vec<_> = store.history(key).unwrap().map(Result::unwrap).collect();
            assert!(model.history(key).starts_with(&history));
            history
        });
        let histories = histories.collect();
        store.close().unwrap();
        let options = Options { create: false, ..options };
        let closed = Closed { files: files_of(&dir), options, model, histories, seqs, now };
        assert_eq!(closed.judge(&dir, &closed.files, &[], false), Ok(Reaction::Right));
        lay_out(&dir, &closed.files);
        closed
    }

    /// Goes on writing to a closed store in its directory.
    ///
    /// # Panics
    /// It does not open.
    #[must_use]
    pub fn go_on(dir: &Path, closed: &Closed, options: Options) -> Self {
        let store = Store::open(dir, options.clone()).unwrap();
        let (model, seqs) = (closed.model.clone(), closed.seqs.clone());
        Self { dir: dir.to_path_buf(), options, store, model, seqs }
    }

    /// Commits a batch, flushed, and notes it.
    ///
    /// # Panics
    /// The store refuses.
    pub fn commit(&mut self, batch: &Batch) -> u64 {
        let commit = self.store.write(batch, Some(Durability::Flushed)).unwrap();
        self.model.commit(commit.seq, batch.operations());
        self.seqs.push(commit.seq);
        commit.seq
    }

    /// Sets a key, and notes it.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> u64 {
        self.commit(Batch::new().set(key, value))
    }

    /// Deletes a key, and notes it.
    pub fn delete(&mut self, key: &[u8]) -> u64 {
        self.commit(Batch::new().delete(key))
    }
}

/// A cleanly closed store: its files and what it holds.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Its files.
    pub files: Files,
    options: Options,
    model: Versions,
    histories: Vec<Vec<Version>>,
    /// Seqs of its commits that can still be read as of.
    seqs: Vec<u64>,
    now: u64,
}

/// What a damaged store did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reaction {
    /// It did not open, and said which file is damaged.
    Refused,
    /// Some reads said which file is damaged; all others were right.
    Reported,
    /// Every read was right.
    Right,
}

impl Closed {
    /// Opens an empty store, has it written to, closes it and takes its files.
    pub fn new(options: &Options, write: impl FnOnce(Written) -> Written) -> Self {
        let scratch = scratch();
        let dir = place_in(&scratch, "store");
        write(Written::new(&dir, options.clone())).close()
    }

    /// Lays damaged files out in `dir`, has them checked, opens them and judges every answer.
    ///
    /// `damaged` names the files that errors may name. The check must find the damage if
    /// `found` says so; what it finds must be there in any case.
    ///
    /// # Errors
    /// A panic, a wrong answer, an error that names no damaged file, or damage not found.
    pub fn judge(
        &self,
        dir: &Path,
        files: &Files,
        damaged: &[&str],
        found: bool,
    ) -> Result<Reaction, String> {
        lay_out(dir, files);
        let judge = || {
            self.judge_check(dir, damaged, found)?;
            self.judge_reads(dir, files, damaged)
        };
        // Threads of the store panic where nobody sees it.
        static WATCH: Once = Once::new();
        WATCH.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                PANICS.fetch_add(1, Ordering::Relaxed);
                before(info);
            }));
        });
        let panics = PANICS.load(Ordering::Relaxed);
        let judged = catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(format!("panic: {}", text.or(panic.downcast_ref().copied()).unwrap_or("?")))
        });
        if judged.is_ok() && PANICS.load(Ordering::Relaxed) > panics {
            return Err("a thread panicked".into());
        }
        judged
    }

    fn judge_check(&self, dir: &Path, damaged: &[&str], must: bool) -> Result<(), String> {
        match siltdb::check(dir, &mut |_| ()) {
            Err(e) => named("check", &e, damaged),
            Ok(report) => {
                for problem in &report.problems {
                    if !damaged.contains(&problem.file.to_string().as_str()) {
                        return Err(format!("the check blames {problem:?}; it is {damaged:?}"));
                    }
                }
                if must && report.problems.is_empty() {
                    return Err("the check finds nothing".into());
                }
                Ok(())
            }
        }
    }

    fn judge_reads(&self, dir: &Path, files: &Files, damaged: &[&str]) -> Result<Reaction, String> {
        let store = match Store::open(dir, self.options.clone()) {
            Ok(store) => store,
            Err(e) => {
                named("open", &e, damaged)?;
                if files_of(dir) != *files {
                    return Err("the store did not open, and yet its files were changed".into());
                }
                return Ok(Reaction::Refused);
            }
        };
        let mut asker = Asker { damaged, reports: false };
        self.ask_now(&store, &mut asker)?;
        self.ask_past(&store, &mut asker)?;
        Ok(if asker.reports { Reaction::Reported } else { Reaction::Right })
    }

    fn ask_now(&self, store: &Store, asker: &mut Asker<'_>) -> Result<(), String> {
        let expected = self.model.scan(b"", u64::MAX, self.now);
        asker.hear("count", store.count(&ScanOptions::default()), &(expected.len() as u64))?;
        asker.hear("scan", scan(store, &ScanOptions::default()), &expected)?;
        let backwards: Vec<Record> = expected.into_iter().rev().collect();
        let options = ScanOptions { reverse: true, ..ScanOptions::default() };
        asker.hear("scan backwards", scan(store, &options), &backwards)?;
        for (key, history) in self.model.keys().zip(&self.histories) {
            let expected = self.model.record(key, u64::MAX, self.now);
            asker.hear("get", store.get_record(key), &expected)?;
            asker.hear("history", store.history(key).and_then(Iterator::collect), history)?;
        }
        Ok(())
    }

    fn ask_past(&self, store: &Store, asker: &mut Asker<'_>) -> Result<(), String> {
        let keys: Vec<&[u8]> = self.model.keys().collect();
        for (at, seq) in self.seqs.iter().enumerate() {
            let expected = self.model.scan(b"", *seq, *seq);
            let options = ScanOptions { as_of: Some(*seq), ..ScanOptions::default() };
            asker.hear("scan as of", scan(store, &options), &expected)?;
            let key = keys[at % keys.len()];
            let expected = self.model.record(key, *seq, *seq);
            asker.hear("get as of", store.get_as_of(key, *seq), &expected)?;
        }
        Ok(())
    }
}

/// Hears answers: the true one, or an error that names the damage.
struct Asker<'a> {
    damaged: &'a [&'a str],
    reports: bool,
}

impl Asker<'_> {
    fn hear<T: PartialEq + Debug>(
        &mut self,
        what: &str,
        answer: Result<T, Error>,
        expected: &T,
    ) -> Result<(), String> {
        match answer {
            Ok(answer) if answer == *expected => Ok(()),
            Ok(answer) => Err(format!("{what} gives {answer:?}, not {expected:?}")),
            Err(e) => {
                self.reports = true;
                named(what, &e, self.damaged)
            }
        }
    }
}

fn scan(store: &Store, options: &ScanOptions) -> Result<Vec<Record>, Error> {
    store.scan(options)?.collect()
}

/// Demands an error that names a damaged file.
fn named(what: &str, error: &Error, damaged: &[&str]) -> Result<(), String> {
    let file = match error.kind() {
        ErrorKind::Corrupt(corruption) => Some(corruption.file),
        ErrorKind::Unsupported { file, .. } => Some(*file),
        _ => None,
    };
    if file.is_some_and(|file| damaged.contains(&file.to_string().as_str())) {
        return Ok(());
    }
    Err(format!("{what} says {error:?}; damaged is {damaged:?}"))
}

/// A new directory inside `scratch` for the owner alone.
///
/// # Panics
/// It cannot be made.
#[must_use]
pub fn place_in(scratch: &TempDir, name: &str) -> PathBuf {
    let dir = scratch.path().join(name);
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    dir
}
