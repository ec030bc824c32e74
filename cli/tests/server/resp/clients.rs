//! Programs and libraries made for Redis, unmodified.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::peer::{Answer, Peer};
use super::tools::{run, target};
use crate::served::Served;

fn port(served: &Served) -> String {
    served.address("resp").port().to_string()
}

fn directory(of: &str) -> String {
    format!("{}/tests/server/{of}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn redis_cli_does_its_work() {
    let served = Served::new(&["--durability", "flushed"]);
    let port = port(&served);
    let cli = |words: &[&str]| run(Command::new("redis-cli").args(["-p", &port]).args(words));
    assert_eq!(cli(&["SET", "greeting", "hello world"]), "OK\n");
    assert_eq!(cli(&["--no-raw", "GET", "greeting"]), "\"hello world\"\n");
    assert_eq!(cli(&["--no-raw", "GET", "absent"]), "(nil)\n");
    assert_eq!(cli(&["--no-raw", "-3", "CONFIG", "GET", "save"]), "1# \"save\" => \"\"\n");
    assert_eq!(cli(&["-r", "3", "INCR", "n"]), "1\n2\n3\n");
    assert_eq!(cli(&["--json", "MGET", "greeting", "n"]).trim(), "[\"hello world\",\"3\"]");
    for i in 0..200 {
        Peer::new(served.address("resp")).ask(&["SET", &format!("many:{i}"), &"x".repeat(i)]);
    }
    assert_eq!(cli(&["--scan", "--pattern", "many:*"]).lines().count(), 200);
    let keys = cli(&["--bigkeys"]);
    assert!(keys.contains("Biggest string found") && keys.contains("many:199"), "{keys}");
    assert!(cli(&["--memkeys"]).contains("many:199"));
    let info = cli(&["INFO", "server"]);
    assert!(info.contains("redis_mode:standalone"));
    assert!(info.contains(&format!("tcp_port:{}\r\n", served.address("resp").port())), "{info}");
    assert!(cli(&["COMMAND", "DOCS", "get"]).contains("Returns the value of a key"));
}

#[test]
fn redis_cli_loads_by_its_pipe() {
    let served = Served::new(&["--durability", "flushed"]);
    let mut child = Command::new("redis-cli")
        .args(["-p", &port(&served), "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for i in 0..20_000 {
        let key = format!("load:{i}");
        stdin.write_all(&super::peer::request(&["SET", &key, "value"])).unwrap();
    }
    drop(stdin);
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(text.contains("errors: 0, replies: 20000"), "{text}");
    assert_eq!(Peer::new(served.address("resp")).say("DBSIZE"), Answer::Int(20_000));
}

#[test]
fn redis_benchmark_runs() {
    let served = Served::new(&["--durability", "flushed"]);
    let tests = "ping_inline,ping_mbulk,set,get,incr,mset";
    let text = run(Command::new("redis-benchmark")
        .args(["-p", &port(&served), "-t", tests, "-n", "4000", "-c", "20", "-P", "4"])
        .args(["-r", "1000", "-d", "100", "--csv"]));
    let rows = text.lines().filter(|line| line.starts_with('"')).count();
    assert_eq!(rows, 7, "{text}");
}

#[test]
fn redis_py_runs() {
    let served = Served::new(&["--durability", "flushed"]);
    let python = target().join("venv/bin/python");
    let text = run(Command::new(python).arg(directory("python/resp.py")).arg(port(&served)));
    assert_eq!(text, "fine\n");
}

#[test]
fn node_redis_runs() {
    let served = Served::new(&["--durability", "flushed"]);
    let modules = target().join("node-redis");
    let text = run(Command::new("node")
        .arg(directory("js/resp.mjs"))
        .arg(std::fs::canonicalize(&modules).unwrap_or(modules))
        .arg(port(&served)));
    assert_eq!(text, "fine\n");
}

#[test]
fn socat_types_lines() {
    let served = Served::new(&[]);
    let mut child = Command::new("socat")
        .args(["-t", "5", "-", &format!("TCP:127.0.0.1:{}", port(&served))])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "PING\r\nset a \"two words\"\nGET a\n\nincr n\nnonesuch\nQUIT\n";
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    let expected = "+PONG\r\n+OK\r\n$9\r\ntwo words\r\n:1\r\n\
                    -ERR unknown command 'nonesuch', with args beginning with: \r\n+OK\r\n";
    assert_eq!(text, expected);
}
