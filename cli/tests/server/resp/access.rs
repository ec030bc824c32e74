//! Tokens, roles, read-only servers, TLS, and what Redis does not have.

use std::collections::BTreeSet;
use std::process::Command;

use super::peer::{Answer, Peer, bulk};
use super::tools::run;
use crate::served::{ADMIN, READER, Served, WRITER, tokens, until};
use crate::silt::Silt;
use crate::tls::Authority;

fn error(answer: &Answer) -> String {
    match answer {
        Answer::Error(text) => text.clone(),
        other => panic!("no error: {other:?}"),
    }
}

#[test]
fn tokens_let_in_as_their_roles_say() {
    let silt = Silt::new();
    let file = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &file]);
    let mut peer = Peer::new(served.address("resp"));
    assert_eq!(error(&peer.say("GET a")), "NOAUTH Authentication required.");
    assert!(error(&peer.say("HELLO 3")).starts_with("NOAUTH HELLO must be called"));
    assert!(error(&peer.say("AUTH wrong")).starts_with("WRONGPASS invalid"));
    assert_eq!(peer.ask(&["AUTH", READER]), Answer::Simple("OK".into()));
    assert_eq!(peer.say("GET a"), Answer::Null);
    let refused = "NOPERM this user has no permissions to run the 'set' command";
    assert_eq!(error(&peer.say("SET a 1")), refused);
    assert_eq!(peer.ask(&["AUTH", "anybody", WRITER]), Answer::Simple("OK".into()));
    assert_eq!(peer.say("SET a 1"), Answer::Simple("OK".into()));
    assert!(error(&peer.say("FLUSHALL")).starts_with("NOPERM"));
    assert!(error(&peer.say("CLIENT LIST")).starts_with("NOPERM"));
    peer.say("MULTI");
    assert!(error(&peer.say("FLUSHALL")).starts_with("NOPERM"));
    assert!(error(&peer.say("EXEC")).starts_with("EXECABORT"));
    assert!(matches!(peer.ask(&["HELLO", "3", "AUTH", "default", ADMIN]), Answer::Map(_)));
    assert_eq!(peer.say("FLUSHALL"), Answer::Simple("OK".into()));
    assert_eq!(peer.say("RESET"), Answer::Simple("RESET".into()));
    assert_eq!(error(&peer.say("GET a")), "NOAUTH Authentication required.");
}

#[test]
fn who_guesses_tokens_is_cut_off() {
    let silt = Silt::new();
    let file = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &file]);
    let mut peer = Peer::new(served.address("resp"));
    let mut tries = 0;
    while let Ok(answer) = peer.try_ask(&["AUTH", "guess"]) {
        assert!(matches!(answer, Answer::Error(_)));
        tries += 1;
        assert!(tries < 50, "it may guess on");
    }
    let mut again = Peer::new(served.address("resp"));
    let answer = again.ask(&["AUTH", ADMIN]);
    assert!(error(&answer).contains("SILT_RATE_LIMITED"), "{answer:?}");
}

#[test]
fn a_server_that_only_reads_says_so() {
    let silt = Silt::with(&[("a", "1")]);
    let served = Served::of(silt, &["--read-only"]);
    let mut peer = Peer::new(served.address("resp"));
    assert_eq!(peer.say("GET a"), bulk("1"));
    for write in ["SET a 2", "DEL a", "INCR a", "EXPIRE a 1", "FLUSHALL", "GETEX a"] {
        assert!(error(&peer.say(write)).starts_with("READONLY "), "{write}");
    }
}

#[test]
fn redis_cli_talks_by_tls() {
    let silt = Silt::new();
    let authority = Authority::new();
    let (cert, key) = authority.sign();
    let (cert, key) = (silt.file("cert.pem", cert), silt.file("key.pem", key));
    let ca = authority.file(&silt, "ca.pem").display().to_string();
    let served = Served::of(silt, &["--tls-cert", &cert, "--tls-key", &key]);
    let port = served.address("resp").port().to_string();
    let mut command = Command::new("redis-cli");
    command.args(["--tls", "--cacert", &ca, "--sni", "localhost", "-p", &port, "SET", "a", "1"]);
    assert_eq!(run(&mut command), "OK\n");
    let mut command = Command::new("redis-cli");
    command.args(["--tls", "--cacert", &ca, "--sni", "localhost", "-p", &port, "CONFIG", "GET"]);
    assert_eq!(run(command.args(["tls-port", "port"])), format!("port\n0\ntls-port\n{port}\n"));
    let mut plain = Peer::new(served.address("resp"));
    assert!(plain.try_ask(&["PING"]).is_err(), "no plain text where TLS is asked for");
}

#[test]
fn the_past_and_changes_are_told() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    peer.say("SET k old");
    let first = peer.say("SILT.LASTCOMMIT").array()[0].int();
    peer.say("SET k new");
    peer.say("DEL k");
    assert_eq!(peer.ask(&["SILT.GETAT", "k", &first.to_string()]), bulk("old"));
    assert_eq!(peer.ask(&["SILT.GETAT", "k", &(first - 1).to_string()]), Answer::Null);
    let history = peer.say("SILT.HISTORY k");
    let values: Vec<&Answer> = history.array().iter().map(|v| &v.array()[1]).collect();
    assert_eq!(values, [&Answer::Null, &bulk("new"), &bulk("old")]);
    assert_eq!(peer.say("SILT.HISTORY k LIMIT 1").array().len(), 1);
    peer.say("MSET a 1 b 2");
    let mut since = 0;
    let mut told = Vec::new();
    loop {
        let page = peer.ask(&["SILT.CHANGES", &since.to_string(), "LIMIT", "1"]);
        let page = page.array();
        if page[1].array().is_empty() {
            break;
        }
        // A commit of two keys is told whole.
        told.push(page[1].array().len());
        since = page[0].int();
    }
    assert_eq!(told, [1, 1, 1, 2]);
    assert!(error(&peer.say("SILT.HISTORY k LIMIT 0")).starts_with("ERR "));
}

#[test]
fn subcommands_are_told_of() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    assert!(error(&peer.say("OBJECT NONE")).ends_with("Try OBJECT HELP."));
    let told = peer.say("OBJECT HELP");
    assert!(told.array().contains(&Answer::Simple("ENCODING".into())), "{told:?}");
}

#[test]
fn commands_are_listed_by_what_is_asked() {
    let served = Served::new(&[]);
    let mut peer = Peer::new(served.address("resp"));
    let mut list = |filter: &str| {
        let told = peer.say(format!("COMMAND LIST {filter}").trim());
        told.array().iter().map(Answer::text).collect::<Vec<_>>()
    };
    assert!(list("").contains(&String::from("exec")));
    assert_eq!(list("FILTERBY PATTERN GET*x"), ["getex"]);
    let strings = list("FILTERBY ACLCAT string");
    assert!(strings.contains(&String::from("append")) && !strings.contains(&String::from("exec")));
    assert!(list("FILTERBY MODULE json").is_empty());
    for wrong in ["FILTERBY", "FILTERBY PATTERN", "FILTERBY NAME get", "get"] {
        assert!(error(&peer.say(&format!("COMMAND LIST {wrong}"))).contains("syntax"), "{wrong}");
    }
}

#[test]
fn durability_is_asked_for_by_connection() {
    let served = Served::new(&["--durability", "flushed"]);
    let mut peer = Peer::new(served.address("resp"));
    let mut level = |words: &str, expected: &str| {
        if !words.is_empty() {
            assert_eq!(peer.say(words), Answer::Simple("OK".into()));
        }
        peer.say("SET a 1");
        assert_eq!(peer.say("SILT.LASTCOMMIT").array()[1], bulk(expected));
    };
    level("", "flushed");
    level("SILT.DURABILITY synced", "synced");
    level("SILT.DURABILITY buffered", "buffered");
    assert_eq!(peer.say("SILT.DURABILITY"), bulk("buffered"));
    assert_eq!(peer.say("WAITAOF 1 0 0").array(), [Answer::Int(1), Answer::Int(0)]);
    assert!(error(&peer.say("SILT.DURABILITY nonesuch")).starts_with("ERR "));
    assert_eq!(peer.say("SAVE"), Answer::Simple("OK".into()));
    assert_eq!(peer.say("BGSAVE"), Answer::Simple("Background saving started".into()));
    assert!(peer.say("BGREWRITEAOF").text().starts_with("Background append only file"));
}

#[test]
fn clients_are_listed_and_ended() {
    let served = Served::new(&[]);
    let (mut a, mut b) = (Peer::new(served.address("resp")), Peer::new(served.address("resp")));
    a.say("CLIENT SETNAME first");
    b.say("CLIENT SETNAME second");
    let list = a.say("CLIENT LIST").text();
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("name=second"));
    for wrong in ["LIST TYPE nomral", "KILL TYPE nomral"] {
        let told = error(&a.say(&format!("CLIENT {wrong}")));
        assert_eq!(told, "ERR Unknown client type 'nomral'", "{wrong}");
    }
    assert_eq!(a.say("CLIENT KILL TYPE slave"), Answer::Int(0));
    let id = b.say("CLIENT ID").int().to_string();
    assert_eq!(a.ask(&["CLIENT", "KILL", "ID", &id]), Answer::Int(1));
    assert!(b.try_ask(&["PING"]).is_err(), "it goes on");
    until("it is listed no more", || a.say("CLIENT LIST").text().lines().count() == 1);
}

#[test]
fn a_random_key_is_any_of_them() {
    let served = Served::new(&["--durability", "flushed"]);
    let mut peer = Peer::new(served.address("resp"));
    // Most begin alike; one all others of its kind begin with.
    for i in 0..1_000 {
        peer.say(&format!("SET user:{i:06} v"));
    }
    peer.say("MSET user v vera v");
    let told: BTreeSet<String> = (0..1_000).map(|_| peer.say("RANDOMKEY").text()).collect();
    assert!(told.len() > 200, "{} of 1,002", told.len());
    assert!(told.contains("user") && told.contains("vera"));
    // Those that a transaction deletes are told no more.
    for words in ["FLUSHALL", "MSET a 1 b 2", "MULTI", "DEL a", "RANDOMKEY", "DEL b", "RANDOMKEY"] {
        peer.say(words);
    }
    let answers = peer.say("EXEC");
    assert_eq!((&answers.array()[1], &answers.array()[3]), (&bulk("b"), &Answer::Null));
}

#[test]
fn scans_tell_every_key_once() {
    let served = Served::new(&["--durability", "flushed"]);
    let mut peer = Peer::new(served.address("resp"));
    for i in 0..500 {
        peer.ask(&["SET", &format!("key:{i:04}"), "x"]);
    }
    let mut cursor = String::from("0");
    let (mut told, mut pages) = (Vec::new(), 0);
    loop {
        let page = peer.ask(&["SCAN", &cursor, "COUNT", "50", "MATCH", "key:*[02468]"]);
        let page = page.array();
        told.extend(page[1].array().iter().map(Answer::text));
        cursor = page[0].text();
        pages += 1;
        // Keys that come and go meanwhile make no difference to the others.
        peer.ask(&["SET", &format!("key:new{pages}"), "x"]);
        peer.ask(&["DEL", &format!("key:{:04}", pages * 2 + 1)]);
        if cursor == "0" {
            break;
        }
    }
    let even: Vec<String> = (0..500).step_by(2).map(|i| format!("key:{i:04}")).collect();
    told.retain(|key| !key.contains("new"));
    assert_eq!(told, even);
    assert!(pages >= 10);
    assert!(error(&peer.say("SCAN 12345678")).contains("invalid cursor"));
}
