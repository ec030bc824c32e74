//! `silt shell`: scripts on stdin, and a person at a terminal.

use crate::silt::{BINARY, Ended, Silt};

fn script(silt: &Silt, lines: &str) -> Ended {
    silt.run_with(&["shell"], lines.as_bytes())
}

#[test]
fn a_script_does_what_its_commands_do() {
    let silt = Silt::new();
    let ended = script(
        &silt,
        "# a comment\n\nset user/1 {\"name\": \"Ada Lovelace\"} # another\n\
         silt set user/2 'a b\nc'\nget user/1\nscan --keys-only\n\
         get user/1 --json\ndel user/2\ncount\n",
    );
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let out = ended.stdout();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..3], ["{\"name\": \"Ada Lovelace\"}", "user/1", "user/2"]);
    assert!(lines[3].starts_with("{\"key\":\"user/1\",\"value\":\"{\\\"name\\\""), "{out}");
    assert_eq!(lines[4..], ["1"]);
    // What it wrote is there after it, synced and closed.
    assert_eq!(silt.ok(&["scan"]), "user/1\t{\"name\": \"Ada Lovelace\"}\n");
}

#[test]
fn the_first_failure_ends_a_script_and_names_its_line() {
    let silt = Silt::with(&[("a", "1")]);
    let ended = script(&silt, "set b 2\nget absent\nset c 3 --if-seq 7\nset d 4\n");
    let line = ended.failed(6, "SILT_CONDITION_FAILED");
    assert!(line.contains("stdin: line 3: "), "{line}");
    assert_eq!(silt.ok(&["scan", "--keys-only"]), "a\nb\n");

    let all = silt.run_with(&["shell", "--keep-going"], b"bogus\nset d 4\nget 'x\n");
    assert_eq!(all.code(), 2);
    let stderr = all.stderr();
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    assert!(stderr.contains("line 1: unrecognized subcommand 'bogus'; see 'help'"), "{stderr}");
    assert!(stderr.contains("line 4: the script ends where ' is wanted"), "{stderr}");
    assert_eq!(silt.ok(&["get", "d"]), "4");
}

#[test]
fn the_exit_code_is_that_of_the_last_command() {
    let silt = Silt::with(&[("a", "1")]);
    assert_eq!(script(&silt, "get absent\n").code(), 1);
    assert_eq!(script(&silt, "get absent\nget a\n").code(), 0);
    assert_eq!(script(&silt, "get absent\nexit\nbogus\n").code(), 1);
    assert_eq!(script(&silt, "").code(), 0);
}

#[test]
fn the_past_is_read_until_now_is_asked_for() {
    let silt = Silt::with(&[("a", "old"), ("gone", "x")]);
    let seq = silt.json(&["get", "gone"])[0]["seq"].as_u64().unwrap();
    silt.ok(&["retain", "forever"]);
    silt.ok(&["set", "a", "new"]);
    silt.ok(&["set", "b", "young"]);
    silt.ok(&["del", "gone"]);
    let lines = format!(
        "at\nat {seq}\nget a\nscan --keys-only\ncount\nhistory a --json\nexport --format tsv\n\
         diff --from 1\nat now\nget a\ncount\nat 1h ago\ncount\n"
    );
    let ended = script(&silt, &lines);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let out = ended.stdout();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..5], ["now", "old", "a", "gone", "2"]);
    assert!(lines[5].contains("\"old\"") && !lines[6].contains("\"new\""), "{out}");
    let rest = ["a\told", "gone\tx", "+a\told", "+gone\tx", "new", "2", "0"];
    assert_eq!(lines[6..], rest);

    let refused = ["set a 1", "del a", "compact", "retain latest", "snapshot S", "batch -"];
    for command in refused {
        let ended =
            script(&silt, &format!("at {seq}\n{command}\n{{\"op\":\"delete\",\"key\":\"a\"}}\n"));
        let line = ended.failed(2, "SILT_USAGE");
        assert!(line.contains("'at now' leads back to the present"), "{command}: {line}");
    }
    assert_eq!(silt.ok(&["get", "a"]), "new");
}

#[test]
fn moments_that_are_not_held_leave_the_shell_where_it_was() {
    let silt = Silt::with(&[("a", "1")]);
    silt.ok(&["retain", "latest"]);
    for _ in 0..3 {
        silt.ok(&["set", "a", "2"]);
    }
    silt.ok(&["compact"]);
    let ended = silt.run_with(&["shell", "--keep-going"], b"at 10\nat\nat yesterday\nget a\n");
    assert_eq!(ended.stdout(), "now\n2\n", "{}", ended.stderr());
    assert!(ended.stderr().contains("SILT_HISTORY_GONE"), "{}", ended.stderr());
    assert!(ended.stderr().contains("not a moment"), "{}", ended.stderr());
}

#[test]
fn what_does_not_belong_in_the_shell_is_refused() {
    let silt = Silt::with(&[("a", "1")]);
    for command in ["serve", "shell", "completions bash", "verify", "dump 1"] {
        let line = script(&silt, &format!("{command}\n")).failed(2, "SILT_USAGE");
        assert!(line.contains("shell"), "{command}: {line}");
    }
    script(&silt, "import --skip-identical -\n").failed(2, "SILT_USAGE");
    script(&silt, "get a --db elsewhere\n").failed(2, "SILT_USAGE");
    silt.run_with(&["shell"], b"set a \xff\n").failed(2, "SILT_BAD_INPUT");
    script(&silt, "help nothing\n").failed(2, "SILT_USAGE");
}

#[test]
fn help_tells_of_every_command() {
    let silt = Silt::new();
    let ended = script(&silt, "help\nhelp get\nget --help\ntiming on\nat\n");
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let out = ended.stdout();
    for command in ["set", "scan", "at", "timing", "exit"] {
        let line = out.lines().find(|line| line.starts_with(&format!("  {command} ")));
        assert!(line.is_some_and(|line| line.len() > 20), "{command}: {out}");
    }
    assert_eq!(out.matches("--as-of").count(), 2, "{out}");
    assert!(ended.stderr().contains(" ms)\n"), "{}", ended.stderr());
    assert!(!silt.db().exists(), "only a write makes a store");
}

#[cfg(unix)]
mod at_a_terminal {
    use std::process::Command;

    use rexpect::ReadUntil;
    use rexpect::session::{PtySession, spawn_command};

    use super::{BINARY, Silt};

    const TIME_MAX_MS: u64 = 20_000;

    fn shell(silt: &Silt) -> PtySession {
        let mut command = Command::new(BINARY);
        command.arg("--db").arg(silt.db()).arg("shell");
        command.env("SILT_HISTORY", silt.path("history")).env("TERM", "xterm");
        command.env("NO_COLOR", "1").env_remove("SILT_DB");
        let mut session = spawn_command(command, Some(TIME_MAX_MS)).unwrap();
        session.exp_string("Ctrl-D leaves.").unwrap();
        session.exp_string("db> ").unwrap();
        session
    }

    /// Types keys one after the other, as a person does.
    fn types(session: &mut PtySession, keys: &str) {
        session.send(keys).unwrap();
        session.flush().unwrap();
    }

    #[test]
    fn tab_completes_commands_flags_and_keys() {
        let silt = Silt::with(&[("user/ada", "1"), ("user/grace", "two words"), ("x y", "3")]);
        let mut session = shell(&silt);
        types(&mut session, "ge\tuser/g\t\r");
        session.exp_string("two words").unwrap();
        types(&mut session, "get x\t\r");
        session.exp_string("get 'x y'").unwrap();
        session.exp_string("3").unwrap();
        // The part that all keys share, then the keys.
        types(&mut session, "scan --prefix us\t\t\t");
        session.exp_string("user/ada").unwrap();
        session.exp_string("user/grace").unwrap();
        types(&mut session, "ada --keys\t\r");
        session.exp_string("--keys-only").unwrap();
        session.exp_string("ms)").unwrap();
        types(&mut session, "\x04");
        session.exp_eof().unwrap();
        let history = std::fs::read_to_string(silt.path("history")).unwrap();
        assert!(history.contains("get user/grace\nget 'x y'\n"), "{history}");
    }

    #[test]
    fn the_prompt_shows_the_past_and_an_open_quote_goes_on() {
        let silt = Silt::with(&[("a", "1")]);
        let mut session = shell(&silt);
        types(&mut session, "at 1h ago\r");
        session.exp_regex(r"db @ \d{4}-\d\d-\d\dT[0-9:.]+Z> ").unwrap();
        types(&mut session, "get a\r");
        session.exp_string("absent").unwrap();
        types(&mut session, "at now\r");
        session.exp_string("db> ").unwrap();
        types(&mut session, "set b {\"k\":\r");
        types(&mut session, "[1]}\r");
        session.exp_string("ms)").unwrap();
        types(&mut session, "exit\r");
        session.exp_eof().unwrap();
        assert_eq!(silt.ok(&["get", "b"]), "{\"k\":\n[1]}");
    }

    #[test]
    fn what_is_not_utf_8_costs_the_line_and_not_the_shell() {
        let silt = Silt::with(&[("a", "one")]);
        let mut session = shell(&silt);
        let mut keys = session.process().get_file_handle().unwrap();
        std::io::Write::write_all(&mut keys, b"get \xff").unwrap();
        session.exp_string("not UTF-8").unwrap();
        session.exp_string("db> ").unwrap();
        types(&mut session, "get a\r");
        session.exp_string("one").unwrap();
        types(&mut session, "\x04");
        session.exp_eof().unwrap();
    }

    #[test]
    fn a_terminal_that_is_closed_takes_no_history_with_it() {
        let silt = Silt::with(&[("a", "1")]);
        let mut session = shell(&silt);
        types(&mut session, "get a\r");
        session.exp_string("ms)").unwrap();
        // Nobody leaves the shell: it ends with the terminal, which hangs it up.
        drop(session);
        assert_eq!(std::fs::read_to_string(silt.path("history")).unwrap(), "#V2\nget a\n");
        let mut session = shell(&silt);
        types(&mut session, "\x1b[A\r");
        session.exp_string("ms)").unwrap();
        types(&mut session, "\x04");
        session.exp_eof().unwrap();
    }

    #[test]
    fn ctrl_c_ends_the_command_and_not_the_shell() {
        let silt = Silt::new();
        let lines: String = (0..200_000).map(|i| format!("{i:07}\tvalue\n")).collect();
        let file = silt.file("many.tsv", lines);
        silt.ok(&["import", &file]);
        let mut session = shell(&silt);
        // On a busy machine a scan may be at its end before the key is pressed.
        let was_stopped = (0..20).any(|_| {
            types(&mut session, "scan\r");
            session.exp_string("0000009").unwrap();
            types(&mut session, "\x03");
            let ends = ["SILT_INTERRUPTED", "db> "];
            let ends = ends.map(|end| ReadUntil::String(end.to_owned()));
            session.exp_any(ends.into()).unwrap().1 == "SILT_INTERRUPTED"
        });
        assert!(was_stopped);
        session.exp_string("db> ").unwrap();
        // At the prompt it drops the line.
        types(&mut session, "set never 1\x03");
        session.exp_string("db> ").unwrap();
        types(&mut session, "count\r");
        session.exp_string("200000").unwrap();
        types(&mut session, "\x04");
        session.exp_eof().unwrap();
    }
}
