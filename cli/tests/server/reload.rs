//! SIGHUP: files are read again, and whoever reads the log may leave.

use std::io::{BufRead, BufReader};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use siltdb::ScanOptions;

use crate::resp::peer::{Answer, Peer};
use crate::served::{ADMIN, READER, Served, WRITER, private, tokens, until, wait};
use crate::silt::Silt;

const NEWCOMER: &str = "newcomer-0123456789abcdef012345678";

fn write_tokens(silt: &Silt, text: &str) {
    private(Path::new(&silt.file("tokens", text)), 0o600);
}

fn ok() -> Answer {
    Answer::Simple(String::from("OK"))
}

#[test]
fn a_hangup_with_nothing_to_read_again_changes_nothing() {
    let served = Served::new(&[]);
    served.signal(Signal::HUP);
    served.logged("there are no tokens and certificates");
    served.ok(&["set", "k", "v"]);
    assert_eq!(served.stop().ok(&["get", "k"]), "v");
}

#[test]
fn a_token_that_is_taken_away_lets_nobody_go_on() {
    let silt = Silt::new();
    let file = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &file]);
    let resp = served.address("resp");
    let (mut admin, mut writer) = (Peer::new(resp), Peer::new(resp));
    assert_eq!(admin.ask(&["AUTH", ADMIN]), ok());
    assert_eq!(writer.ask(&["AUTH", WRITER]), ok());
    wait(async {
        let mut feeds = Vec::new();
        for protocol in ["grpc", "http"] {
            let reader = served.client_with(protocol, READER).await;
            feeds.push(reader.changes(Some(0), &ScanOptions::default()).await.unwrap());
        }
        assert_eq!(writer.say("SET k 1"), ok());
        for feed in &mut feeds {
            assert_eq!(feed.next().await.unwrap().unwrap().key, b"k");
        }

        write_tokens(&served.silt, &format!("admin {ADMIN}\nread-write {NEWCOMER}\n"));
        served.signal(Signal::HUP);
        served.logged("tokens were read again");
        // Connections that were let in before are no exception, nor is a feed.
        let refused = Answer::Error(String::from("NOAUTH Authentication required."));
        assert_eq!(writer.say("SET k 2"), refused);
        assert_eq!(admin.say("SET k 3"), ok());
        for (feed, protocol) in feeds.iter_mut().zip(["grpc", "http"]) {
            let told = feed.next().await.unwrap();
            assert_eq!(told.unwrap_err().code, "SILT_UNAUTHENTICATED", "{protocol}");
            let writer = served.client_with(protocol, WRITER).await;
            let answer = writer.set(b"k", b"4").await;
            assert_eq!(answer.unwrap_err().code, "SILT_UNAUTHENTICATED", "{protocol}");
            served.client_with(protocol, NEWCOMER).await.set(b"k", b"5").await.unwrap();
        }
        assert_eq!(writer.ask(&["AUTH", NEWCOMER]), ok());

        // What is not right changes nothing.
        write_tokens(&served.silt, "admin short\n");
        served.signal(Signal::HUP);
        served.logged("the old tokens stay in use");
        assert_eq!(writer.say("SET k 6"), ok());
    });
    served.stop();
}

#[test]
fn who_reads_the_log_may_leave() {
    let silt = Silt::new();
    let file = tokens(&silt);
    let all =
        ["serve", "--json", "--port=0", "--http-port=0", "--resp-port=0", "--auth-file", &file];
    let mut child = silt.command(&all).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let resp = line["resp"].as_str().unwrap().strip_prefix("redis://").unwrap().parse().unwrap();
    drop(child.stderr.take());
    let mut peer = Peer::new(resp);
    assert_eq!(peer.ask(&["AUTH", ADMIN]), ok());
    write_tokens(&silt, &format!("admin {NEWCOMER}\n"));
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::HUP).unwrap();
    until("the new tokens", || matches!(peer.say("PING"), Answer::Error(_)));
    assert_eq!(peer.ask(&["AUTH", NEWCOMER]), ok());
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
