//! Runs `silt` on a store of its own in a temporary directory.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_silt");

/// A store's directory, and the one around it for other files.
pub struct Silt {
    dir: tempfile::TempDir,
}

impl Silt {
    /// A place where no store is yet.
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A store of these keys and values.
    pub fn with(records: &[(&str, &str)]) -> Self {
        let silt = Self::new();
        for (key, value) in records {
            silt.ok(&["set", "--", key, value]);
        }
        silt
    }

    /// The store.
    pub fn db(&self) -> PathBuf {
        self.dir.path().join("db")
    }

    /// A file beside the store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file beside the store.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A command that is not started yet.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(BINARY);
        command.env_remove("SILT_DB").arg("--db").arg(self.db()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ended {
        Ended(self.command(arguments).output().unwrap())
    }

    /// Runs a command with this on its stdin.
    pub fn run_with<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &[u8]) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = stdin.to_vec();
        // From a thread of its own: the child may write before it has read all. It may also end
        // before it has read all.
        let feeder = std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Ended(output)
    }

    /// A process that has the store open until its stdin ends: an import, of what comes there.
    pub fn holder(&self) -> Child {
        let mut holder =
            self.command(&["import", "-", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
        // Once it has the store, its note names it.
        let note = || std::fs::read_to_string(self.db().join("LOCK")).unwrap_or_default();
        while !note().starts_with(&format!("{} ", holder.id())) {
            assert!(holder.try_wait().unwrap().is_none(), "the import ended early");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        holder
    }

    /// Runs a command that must succeed, and gives its stdout.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        ended.stdout()
    }

    /// Runs a command with `--json` that must succeed, and gives its lines.
    pub fn json<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Vec<serde_json::Value> {
        let mut command = self.command(arguments);
        let ended = Ended(command.arg("--json").output().unwrap());
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        ended.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs a command that must fail with this exit code, this stable code, and one line on
    /// stderr; gives that line.
    pub fn fails<S: AsRef<OsStr>>(&self, arguments: &[S], exit: i32, code: &str) -> String {
        self.run(arguments).failed(exit, code)
    }
}

/// How a command ended.
pub struct Ended(pub Output);

impl Ended {
    pub fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Checks a failure, and gives its one line.
    pub fn failed(&self, exit: i32, code: &str) -> String {
        let stderr = self.stderr();
        assert_eq!(self.code(), exit, "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("silt: "), "{stderr}");
        assert!(stderr.ends_with(&format!(" [{code}]\n")), "{stderr}");
        stderr
    }
}

/// Names and bytes of all files of a directory but the lock, which names who had it last.
pub fn files_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "LOCK")
        .map(|entry| {
            let name = entry.file_name().to_str().unwrap().to_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}
