//! The terminal sessions of README.md, run on the real tool: what is printed there is true.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Stands between the outputs of two commands.
const MARK: &str = "=== next command ===";

/// The commands of one session, each with the output shown below it.
fn read_session(block: &str) -> Vec<(String, String)> {
    let mut session: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            session.push((command.to_owned(), String::new()));
        } else if let Some((_, output)) = session.last_mut().filter(|_| !line.is_empty()) {
            output.push_str(line);
            output.push('\n');
        }
    }
    session
}

/// Runs the commands in one shell, as a reader would, and gives what each printed.
fn run_session(root: &Path, commands: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let tools = Path::new(env!("CARGO_BIN_EXE_silt")).parent().unwrap();
    let path = std::env::join_paths(
        [tools.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var("PATH").unwrap())),
    );
    let mark = format!("\necho '{MARK}'\n");
    let run = Command::new("bash")
        .args(["-uc", &commands.join(&mark)])
        .current_dir(root)
        .env("PATH", path.unwrap())
        .env("SILT_DB", folder.path().join("store"))
        .output()
        .unwrap();
    // Not the exit code: that of `diff` says whether it found something.
    let errors = String::from_utf8(run.stderr).unwrap();
    assert!(!errors.contains("SILT_"), "{errors}");
    let output = String::from_utf8(run.stdout).unwrap();
    output.split(&format!("{MARK}\n")).map(str::to_owned).collect()
}

#[test]
fn the_sessions_of_the_readme_are_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let mut sessions = 0;
    for block in readme.split("```console\n").skip(1) {
        let session = read_session(block.split("```").next().unwrap());
        let commands: Vec<&str> = session.iter().map(|(command, _)| command.as_str()).collect();
        let printed = run_session(root, &commands);
        assert_eq!(printed.len(), session.len());
        for ((command, shown), printed) in session.iter().zip(&printed) {
            // `get` prints exactly the bytes; the newline after them is the terminal's.
            let start: String = printed.chars().take(1_000).collect();
            assert!(printed.trim_end() == shown.trim_end(), "$ {command}\nprints\n{start}");
        }
        sessions += 1;
    }
    assert!(sessions > 0, "README.md has no terminal session");
}
