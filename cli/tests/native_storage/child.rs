//! A test that runs a part of itself in a process of its own: it starts this program again with
//! its own name, and an argument that makes it take the child's branch.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{self, ChildStdout, Command, Stdio};

const ARGUMENT: &str = "SILTDB_TEST_CHILD";
const DONE: &str = "done";

/// In the child: what its parent gave it. In the parent: `None`.
pub fn argument() -> Option<OsString> {
    std::env::var_os(ARGUMENT)
}

/// In the child: tells the parent something.
pub fn say(line: &str) {
    // On a line of its own or behind what the harness prints; the child runs uncaptured.
    println!("child: {line}");
}

/// In the child: ends well.
pub fn done() -> ! {
    say(DONE);
    process::exit(0);
}

/// In the child: waits to be killed, or for the parent to be gone.
pub fn wait_for_the_end() -> ! {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    process::exit(1);
}

/// In the parent: the child.
pub struct Child {
    process: process::Child,
    lines: BufReader<ChildStdout>,
}

impl Child {
    /// Starts the test `name` again with `argument`.
    pub fn start(name: &str, argument: &Path) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), name, argument)
    }

    /// As [`Child::start`], with a command that starts this program in its own way.
    pub fn start_by(mut command: Command, name: &str, argument: &Path) -> Self {
        command.args(["--exact", name, "--nocapture"]).env(ARGUMENT, argument);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the child says `line`.
    pub fn expect(&mut self, line: &str) {
        let mut said = String::new();
        let mut all = String::new();
        while self.lines.read_line(&mut said).unwrap() > 0 {
            if said.trim_end().ends_with(&format!("child: {line}")) {
                return;
            }
            all += &said;
            said.clear();
        }
        panic!("the child ended without saying {line:?}; it said:\n{all}");
    }

    /// Waits until the child ends well.
    pub fn expect_done(mut self) {
        self.expect(DONE);
        assert!(self.process.wait().unwrap().success());
    }

    /// Kills the child; it is gone when this returns.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
