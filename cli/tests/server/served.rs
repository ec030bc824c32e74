//! Starts `silt serve` on free ports and ends it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use siltdb::client::{Client, ConnectOptions};

use crate::silt::{Ended, Silt};

/// A server that runs, and the place of its store.
pub struct Served {
    pub silt: Silt,
    child: Option<Child>,
    protocol: &'static str,
    line: Value,
    log: Log,
}

/// A token of each role.
pub const ADMIN: &str = "admin-0123456789abcdef0123456789ab";
pub const WRITER: &str = "writer-0123456789abcdef0123456789a";
pub const READER: &str = "reader-0123456789abcdef0123456789a";

/// Writes the file of the tokens.
pub fn tokens(silt: &Silt) -> String {
    let text = format!("# roles\nadmin {ADMIN}\n\nread-write {WRITER}\nread-only {READER}\n");
    let path = silt.file("tokens", text);
    private(Path::new(&path), 0o600);
    path
}

pub fn private(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Served {
    /// Serves a new store.
    pub fn new(arguments: &[&str]) -> Self {
        Self::of(Silt::new(), arguments)
    }

    /// Serves a store.
    pub fn of(silt: Silt, arguments: &[&str]) -> Self {
        let mut all = vec!["serve", "--json", "--port=0", "--http-port=0", "--resp-port=0"];
        all.extend(arguments);
        let mut child = silt.command(&all).spawn().unwrap();
        let mut log = Log::follow(child.stderr.take().unwrap());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            panic!("no server: {}", log.end());
        }
        let line = serde_json::from_str(&line).unwrap();
        Self { silt, child: Some(child), protocol: "grpc", line, log }
    }

    /// Lets clients and commands use it by this protocol.
    pub fn by(mut self, protocol: &'static str) -> Self {
        self.protocol = protocol;
        self
    }

    /// The URL of a protocol.
    pub fn url(&self, protocol: &str) -> String {
        self.line[protocol].as_str().unwrap().to_owned()
    }

    /// Where a protocol is served.
    pub fn address(&self, protocol: &str) -> SocketAddr {
        self.url(protocol).split_once("://").unwrap().1.parse().unwrap()
    }

    /// A client that shows no token.
    pub async fn client(&self) -> Client {
        Client::connect(self.url(self.protocol)).await.unwrap()
    }

    /// A client that shows a token.
    pub async fn client_with(&self, protocol: &str, token: &str) -> Client {
        let token = Some(token.to_owned());
        let options = ConnectOptions { url: self.url(protocol), token, ..Default::default() };
        Client::connect_with(options).await.unwrap()
    }

    /// Runs a command on the server.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.silt.command(arguments);
        Ended(command.arg("--server").arg(self.url(self.protocol)).output().unwrap())
    }

    /// Runs a command on the server that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        ended.stdout()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end; gives the exit code and what was logged.
    pub fn ended(mut self) -> (Option<i32>, String, Silt) {
        let mut child = self.child.take().unwrap();
        until("the end of the server", || child.try_wait().unwrap().is_some());
        let code = child.wait().unwrap().code();
        let log = self.log.end();
        let silt = std::mem::replace(&mut self.silt, Silt::new());
        (code, log, silt)
    }

    /// Waits until this is in what it logs.
    pub fn logged(&self, words: &str) {
        until(words, || self.log.text.lock().unwrap().contains(words));
    }

    /// How many lines it has logged.
    pub fn log_lines(&self) -> usize {
        self.log.text.lock().unwrap().lines().count()
    }

    /// Stops it as it should be, and gives the store back.
    pub fn stop(self) -> Silt {
        self.signal(Signal::TERM);
        let (code, log, silt) = self.ended();
        assert_eq!(code, Some(0), "{log}");
        silt
    }

    /// Bytes of memory it has resident.
    pub fn memory(&self) -> u64 {
        status(self.pid(), "VmRSS:")
    }

    /// The most bytes of memory it ever had resident.
    pub fn memory_peak(&self) -> u64 {
        status(self.pid(), "VmHWM:")
    }

    /// The most memory of its own, files it maps left aside, that it has while this runs.
    pub fn peak_of<T>(&self, run: impl FnOnce() -> T) -> (T, u64) {
        let pid = self.pid();
        std::thread::scope(|scope| {
            let (end, is_over) = mpsc::channel::<()>();
            let watch = scope.spawn(move || {
                let mut peak = 0;
                while is_over.recv_timeout(Duration::from_millis(1))
                    == Err(RecvTimeoutError::Timeout)
                {
                    peak = peak.max(status(pid, "RssAnon:"));
                }
                peak
            });
            let result = run();
            drop(end);
            (result, watch.join().unwrap())
        })
    }
}

/// What the system says of the memory of a process.
fn status(pid: Pid, name: &str) -> u64 {
    let path = PathBuf::from(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a server has logged.
struct Log {
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    fn follow(stderr: ChildStderr) -> Self {
        let text: Arc<Mutex<String>> = Arc::default();
        let told = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                told.lock().unwrap().push_str(&(line.unwrap() + "\n"));
            }
        });
        Self { text, thread: Some(thread) }
    }

    /// All of it, once the server has ended.
    fn end(&mut self) -> String {
        self.thread.take().unwrap().join().unwrap();
        self.text.lock().unwrap().clone()
    }
}

/// Runs a command that is to end by itself.
pub fn ended(mut command: Command) -> Ended {
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it goes on: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ended(child.wait_with_output().unwrap())
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not after 60 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs this to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Runs a command on the store of a directory; it must succeed.
pub fn of(dir: &str, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(crate::silt::BINARY);
    let ended = Ended(command.arg("--db").arg(dir).args(arguments).output().unwrap());
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    ended.stdout()
}
