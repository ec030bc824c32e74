//! Who and what gets in, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::Peer;
use crate::abuse::ends_within;
use crate::served::{ADMIN, READER, Served, WRITER, tokens};
use crate::silt::Silt;

#[test]
fn what_there_is_not_is_a_problem_document() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    for path in ["/", "/v1", "/v1/", "/v2/kv/a", "/v1/kvx", "/metrics/", "//v1/kv/a", "/.."] {
        peer.get(path).problem(404, "SILT_ROUTE_NOT_FOUND");
    }
    // A path is a key, and no file: what looks like one is only a name.
    peer.get("/v1/kv/../../../etc/passwd").problem(404, "SILT_KEY_NOT_FOUND");
    for (what, allow) in [
        ("PATCH /v1/kv/a", "GET,HEAD,PUT,DELETE"),
        ("POST /v1/kv/a", "GET,HEAD,PUT,DELETE"),
        ("PUT /v1/kv", "GET,HEAD,DELETE"),
        ("DELETE /v1/stats", "GET,HEAD"),
        ("GET /v1/batch", "POST"),
        ("TRACE /v1/kv/a", "GET,HEAD,PUT,DELETE"),
        ("OPTIONS /v1/kv/a", "GET,HEAD,PUT,DELETE"),
        ("BREW /v1/sync", "POST"),
    ] {
        let reply = peer.ask(what, &[], b"");
        assert_eq!(reply.header("allow"), Some(allow), "{what}");
        reply.problem(405, "SILT_METHOD_NOT_ALLOWED");
    }
}

#[test]
fn only_this_server_is_meant_by_its_names() {
    let served = Served::new(&["--allow-host", "silt.example"]);
    let port = served.address("http").port();
    let mut peer = Peer::of(&served);
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "silt.example", "10.1.2.3:9"]
    {
        peer.ask("GET /healthz", &[&format!("Host: {host}")], b"").is(200);
    }
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil:3000", ""]
    {
        let reply = peer.ask("PUT /v1/kv/a", &[&format!("Host: {host}")], b"x");
        reply.problem(421, "SILT_BAD_HOST");
    }
    let mut twice = Peer::of(&served);
    twice
        .ask("GET /healthz", &["Host: localhost", "Host: evil"], b"")
        .problem(400, "SILT_BAD_INPUT");
    let mut absolute = Peer::of(&served);
    let reply = absolute.ask("GET http://evil.example/healthz", &["Host: localhost"], b"");
    reply.problem(421, "SILT_BAD_HOST");
    let mut none = Peer::of(&served);
    none.send("GET /healthz HTTP/1.1\r\n\r\n");
    none.reply().problem(400, "SILT_BAD_INPUT");
    let own = format!("Origin: http://localhost:{port}");
    peer.ask("GET /healthz", &[&format!("Host: localhost:{port}"), &own], b"").is(200);
    assert_eq!(peer.get("/v1/count").json()["count"], 0);
}

#[test]
fn pages_of_others_may_nothing_unless_they_are_allowed() {
    let served = Served::new(&["--cors-origin", "https://a.example"]);
    let mut peer = Peer::of(&served);
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: https://a.example.evil.example",
        "Origin: http://a.example",
        "Sec-Fetch-Site: cross-site",
    ] {
        for what in ["PUT /v1/kv/a", "GET /v1/kv/a", "OPTIONS /v1/kv/a", "POST /v1/sync"] {
            let reply = peer.ask(what, &[header], b"");
            assert_eq!(reply.header("access-control-allow-origin"), None);
            reply.problem(403, "SILT_BAD_ORIGIN");
        }
    }
    let origin = "Origin: https://a.example";
    let asked = peer.ask("OPTIONS /v1/kv/a", &[origin, "Access-Control-Request-Method: PUT"], b"");
    let asked = asked.is(204);
    assert_eq!(asked.header("access-control-allow-origin"), Some("https://a.example"));
    assert!(asked.header("access-control-allow-methods").unwrap().contains("PUT"));
    let put = peer.ask("PUT /v1/kv/a", &[origin], b"x").is(200);
    assert_eq!(put.header("access-control-allow-origin"), Some("https://a.example"));
    assert!(put.header("access-control-expose-headers").unwrap().contains("etag"));
    assert_eq!(peer.get("/v1/kv/a").header("access-control-allow-origin"), None);
    let silt = Silt::new();
    for origin in ["*", "a.example", "https://a.example/", "https://*.example"] {
        silt.run(&["serve", "--cors-origin", origin]).failed(2, "SILT_USAGE");
    }
}

#[test]
fn roles_do_what_they_may_and_no_more() {
    let silt = Silt::new();
    let tokens = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &tokens, "--metrics-port", "0"]);
    let mut peer = Peer::of(&served);
    let mut ask = |what: &str, token: &str, body: &[u8]| {
        let header = format!("Authorization: Bearer {token}");
        let headers = ["Content-Type: application/json", header.as_str()];
        peer.ask(what, if token.is_empty() { &headers[..1] } else { &headers }, body)
    };
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        ask(&format!("GET {path}"), "", b"").is(200);
    }
    for what in ["GET /v1/kv/a", "PUT /v1/kv/a", "GET /metrics", "GET /none", "GET /v1/snapshot"] {
        let reply = ask(what, "", b"");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
        reply.problem(401, "SILT_UNAUTHENTICATED");
    }
    let forbidden = |reply: super::Reply| {
        reply.problem(403, "SILT_FORBIDDEN");
    };
    ask("PUT /v1/kv/a", WRITER, b"x").is(200);
    for token in [READER, WRITER, ADMIN] {
        ask("GET /v1/kv/a", token, b"").is(200);
        ask("GET /v1/kv", token, b"").is(200);
        ask("GET /metrics", token, b"").is(200);
        ask("GET /v1/retention", token, b"").is(200);
    }
    let batch = b"{\"operations\":[{\"op\":\"delete\",\"key\":\"b\"}]}";
    for (what, body) in [
        ("PUT /v1/kv/a", &b"y"[..]),
        ("DELETE /v1/kv/a", b""),
        ("DELETE /v1/kv?prefix=a", b""),
        ("POST /v1/batch", batch),
        ("POST /v1/sync", b""),
    ] {
        forbidden(ask(what, READER, body));
        ask(what, WRITER, body).is(200);
    }
    for (what, body) in [
        ("GET /v1/snapshot", &b""[..]),
        ("POST /v1/compact", b""),
        ("GET /v1/compact", b""),
        ("PUT /v1/retention", b"{\"retain\":\"latest\"}"),
        ("DELETE /v1/kv?prefix=", b""),
    ] {
        forbidden(ask(what, READER, body));
        forbidden(ask(what, WRITER, body));
        ask(what, ADMIN, body).is(200);
    }
    Peer::at(&served, "metrics").get("/metrics").is(200);
    Peer::at(&served, "metrics").get("/v1/kv/a").problem(404, "SILT_ROUTE_NOT_FOUND");
    for _ in 0..10 {
        ask("GET /v1/kv/a", "wrong-0123456789abcdef0123456789", b"");
    }
    let late = ask("GET /v1/kv/a", ADMIN, b"");
    assert_eq!(late.header("retry-after"), Some("60"));
    late.problem(429, "SILT_RATE_LIMITED");
    served.signal(rustix::process::Signal::TERM);
    let (_, log, _) = served.ended();
    for token in [ADMIN, WRITER, READER] {
        assert!(!log.contains(token), "a token is in the log");
    }
}

#[test]
fn keys_and_values_are_not_logged() {
    let served = Served::new(&["--log-level", "debug"]);
    let mut peer = Peer::of(&served);
    peer.put("/v1/kv/secret-key", b"secret-value").is(200);
    peer.get("/v1/kv/secret-key").is(200);
    peer.get("/v1/kv?prefix=secret-key").is(200);
    peer.get("/v1/history/secret-key").is(200);
    peer.get("/v1/kv/secret-key?as_of=secret-moment").problem(400, "SILT_BAD_INPUT");
    let batch = r#"{"operations":[{"op":"set","key":"secret-key","value":"secret-value","x":1}]}"#;
    peer.post("/v1/batch", batch).problem(400, "SILT_BAD_INPUT");
    served.signal(rustix::process::Signal::TERM);
    let (code, log, _) = served.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("request"), "nothing is logged at all: {log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn a_read_only_server_writes_nothing() {
    let served = Served::of(Silt::with(&[("k", "v")]), &["--read-only"]);
    let mut peer = Peer::of(&served);
    assert_eq!(peer.get("/v1/kv/k").is(200).text(), "v");
    for (what, body) in [
        ("PUT /v1/kv/k", &b"w"[..]),
        ("DELETE /v1/kv/k", b""),
        ("DELETE /v1/kv?prefix=", b""),
        ("POST /v1/batch", b"{\"operations\":[]}"),
        ("POST /v1/compact", b""),
        ("PUT /v1/retention", b"{\"retain\":\"forever\"}"),
    ] {
        let reply = peer.ask(what, &["Content-Type: application/json"], body);
        reply.problem(403, "SILT_READ_ONLY");
    }
    assert_eq!(served.stop().ok(&["get", "k"]), "v");
}

/// A sample of metrics: its name, its labels, its value.
fn sample(line: &str) -> (String, String, f64) {
    let (place, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = place.split_once('{').unwrap_or((place, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (name, text) = label.split_once('=').unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
        assert!(text.len() > 1 && text.starts_with('"') && text.ends_with('"'), "{line}");
    }
    (name.to_owned(), labels.to_owned(), value.parse().unwrap())
}

#[test]
fn every_line_of_the_metrics_is_as_prometheus_wants_it() {
    let served = Served::new(&["--metrics-port", "0"]);
    let mut peer = Peer::of(&served);
    for i in 0..20 {
        peer.put(&format!("/v1/kv/secret-{i}"), b"hidden").is(200);
    }
    peer.get("/v1/kv/none").problem(404, "SILT_KEY_NOT_FOUND");
    let reply = Peer::at(&served, "metrics").get("/metrics").is(200);
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let text = reply.text();
    assert!(text.ends_with('\n') && !text.contains("secret") && !text.contains("hidden"));
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut values = BTreeMap::new();
    let mut helped = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.') && !kinds.contains_key(name), "{line}");
            helped = name.to_owned();
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            kinds.insert(name.to_owned(), kind.to_owned());
            continue;
        }
        let (name, labels, value) = sample(line);
        // Samples stand under their family, and each stands once.
        let part = name.strip_prefix(&helped).unwrap_or_else(|| panic!("{line}"));
        let is_histogram = kinds[&helped] == "histogram";
        let parts: &[&str] = if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(parts.contains(&part) && value >= 0.0, "{line}");
        assert!(seen.insert((name.clone(), labels.clone())), "{line}");
        values.insert(format!("{name}{{{labels}}}"), value);
    }
    assert_eq!(values["silt_requests_total{protocol=\"http\",op=\"set\",code=\"ok\"}"], 20.0);
    let missed = "silt_requests_total{protocol=\"http\",op=\"get\",code=\"SILT_KEY_NOT_FOUND\"}";
    assert_eq!(values[missed], 1.0);
    let of_set = "protocol=\"http\",op=\"set\"";
    let count = values[&format!("silt_request_duration_seconds_count{{{of_set}}}")];
    let bucket = format!("silt_request_duration_seconds_bucket{{{of_set},le=\"+Inf\"}}");
    assert_eq!((count, values[&bucket]), (20.0, 20.0));
    assert_eq!(values["silt_store_keys{}"], 20.0);
    assert_eq!(values["silt_poisoned{}"], 0.0);
    assert!(values["silt_received_bytes_total{protocol=\"http\"}"] > 1_000.0);
}

#[test]
fn the_document_tells_of_every_route_and_of_no_other() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    let document = peer.get("/openapi.json").is(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(found.is_some(), "{reference}");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        let real = path.replace("{key}", "a");
        // BREW is no method of anything: the reply tells which ones there are.
        let allow = peer.ask(&format!("BREW {real}"), &[], b"").is(405);
        let allow: BTreeSet<_> =
            allow.header("allow").unwrap().split(',').map(str::to_lowercase).collect();
        let methods = ["get", "head", "put", "post", "delete"];
        let told = methods.iter().filter(|method| item.get(**method).is_some());
        let mut told: BTreeSet<_> = told.map(|method| (*method).to_owned()).collect();
        if told.contains("get") {
            told.insert(String::from("head"));
        }
        assert_eq!(allow, told, "{path}");
    }
}

#[test]
fn to_get_something_changes_nothing() {
    let served = Served::new(&[]);
    let mut peer = Peer::of(&served);
    peer.put("/v1/kv/a", b"old").is(200);
    peer.put("/v1/kv/a", b"new").is(200);
    let document = peer.get("/openapi.json").is(200).json();
    let state = || {
        let stats: Value = serde_json::from_str(&served.ok(&["stats", "--json"])).unwrap();
        ["last_seq", "keys", "records", "horizon", "retention"].map(|name| stats[name].to_string())
    };
    let before = state();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // The feed goes on until its reader leaves, and the past of a diff has to be named.
        let query = match path.as_str() {
            "/v1/changes" => "?since=0&end=true",
            "/v1/diff" => "?from=1",
            _ => "",
        };
        let real = format!("{}{query}", path.replace("{key}", "a"));
        if item.get("get").is_none() {
            peer.get(&real).problem(405, "SILT_METHOD_NOT_ALLOWED");
            continue;
        }
        asked += 1;
        for method in ["GET", "HEAD"] {
            let mut peer = Peer::of(&served);
            let rest = "Host: localhost\r\nConnection: close\r\n\r\n";
            peer.send(format!("{method} {real} HTTP/1.1\r\n{rest}"));
            assert_eq!(peer.head().status, 200, "{method} {real}");
            assert!(ends_within(peer.stream(), Duration::from_secs(30)), "{method} {real}");
        }
        assert_eq!(state(), before, "{real} changes something");
    }
    assert!(asked > 10);
}

fn collect<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(reference) => references.push(reference),
                    None => collect(value, references),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
