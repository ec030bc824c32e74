//! Who gets in, and what they may do.

use std::path::Path;

use siltdb::{Retention, ScanOptions};

use crate::served::{ADMIN, READER, Served, WRITER, ended, private, tokens, wait};
use crate::silt::Silt;

fn code<T: std::fmt::Debug>(result: siltdb::client::Result<T>) -> String {
    result.unwrap_err().code
}

#[test]
fn roles_do_what_they_may_and_no_more() {
    let silt = Silt::new();
    let tokens = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &tokens]);
    wait(async {
        let nobody = served.client().await;
        assert_eq!(code(nobody.get(b"k").await), "SILT_UNAUTHENTICATED");
        let reader = served.client_with("grpc", READER).await;
        assert_eq!(reader.get(b"k").await.unwrap(), None);
        assert_eq!(code(reader.set(b"k", b"v").await), "SILT_FORBIDDEN");
        assert_eq!(code(reader.snapshot().await), "SILT_FORBIDDEN");
        let writer = served.client_with("grpc", WRITER).await;
        writer.set(b"k", b"v").await.unwrap();
        assert_eq!(code(writer.compact().await), "SILT_FORBIDDEN");
        assert_eq!(code(writer.set_retention(Retention::Forever).await), "SILT_FORBIDDEN");
        let admin = served.client_with("grpc", ADMIN).await;
        admin.compact().await.unwrap();
        assert_eq!(reader.count(&ScanOptions::default()).await.unwrap(), 1);
    });
    // The command line takes its token from a file.
    let token = served.silt.file("token", format!("{READER}\n"));
    assert_eq!(served.ok(&["get", "k", "--token-file", &token]), "v");
    served.run(&["set", "k", "x", "--token-file", &token]).failed(3, "SILT_FORBIDDEN");
    served.signal(rustix::process::Signal::TERM);
    let (code, log, _) = served.ended();
    assert_eq!(code, Some(0));
    for token in [ADMIN, WRITER, READER] {
        assert!(!log.contains(token), "a token is in the log");
    }
}

#[test]
fn who_guesses_tokens_is_no_longer_heard() {
    let silt = Silt::new();
    let tokens = tokens(&silt);
    let served = Served::of(silt, &["--auth-file", &tokens]);
    wait(async {
        let guesser = served.client_with("grpc", "wrong-0123456789abcdef0123456789ab").await;
        for _ in 0..10 {
            assert_eq!(code(guesser.get(b"k").await), "SILT_UNAUTHENTICATED");
        }
        assert_eq!(code(guesser.get(b"k").await), "SILT_RATE_LIMITED");
        // Nor is the right token then: a guess that hits is not told from one that does not.
        let admin = served.client_with("grpc", ADMIN).await;
        assert_eq!(code(admin.get(b"k").await), "SILT_RATE_LIMITED");
    });
}

#[test]
fn a_host_that_no_request_can_name_is_refused() {
    let silt = Silt::new();
    for host in ["example.com:3000", "http://example.com", "example.com/", ""] {
        let server = ["serve", "--allow-host", host, "--port=0", "--http-port=0", "--resp-port=0"];
        let told = ended(silt.command(&server)).failed(2, "SILT_USAGE");
        assert!(told.contains("--allow-host is a name"), "{told}");
    }
}

#[test]
fn a_read_only_server_makes_no_store() {
    let silt = Silt::new();
    let server = ["serve", "--read-only", "--port=0", "--http-port=0", "--resp-port=0"];
    ended(silt.command(&server)).failed(3, "SILT_NO_STORE");
    assert!(!silt.db().exists());
}

#[test]
fn a_read_only_server_writes_nothing() {
    let silt = Silt::with(&[("k", "v")]);
    let served = Served::of(silt, &["--read-only"]);
    wait(async {
        let client = served.client().await;
        assert_eq!(client.get(b"k").await.unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(code(client.set(b"k", b"w").await), "SILT_READ_ONLY");
        assert_eq!(code(client.delete(b"k").await), "SILT_READ_ONLY");
        assert_eq!(code(client.compact().await), "SILT_READ_ONLY");
        assert_eq!(code(client.set_retention(Retention::Forever).await), "SILT_READ_ONLY");
    });
    assert_eq!(served.stop().ok(&["get", "k"]), "v");
}

#[test]
fn what_is_not_safe_does_not_start() {
    let silt = Silt::new();
    let serve = |more: &[&str]| {
        let mut all = vec!["serve", "--port=0", "--http-port=0", "--resp-port=0"];
        all.extend(more);
        ended(silt.command(&all))
    };
    serve(&["--host", "0.0.0.0"]).failed(2, "SILT_USAGE");
    let tokens = tokens(&silt);
    serve(&["--host", "0.0.0.0", "--auth-file", &tokens]).failed(2, "SILT_USAGE");
    serve(&["--no-grpc", "--no-http", "--no-resp"]).failed(2, "SILT_USAGE");
    serve(&["--max-connections", "100000"]).failed(2, "SILT_USAGE");
    private(Path::new(&tokens), 0o644);
    serve(&["--auth-file", &tokens]).failed(3, "SILT_BAD_FILE");
    let short = silt.file("short", "admin secret\n");
    private(Path::new(&short), 0o600);
    let line = serve(&["--auth-file", &short]).failed(3, "SILT_BAD_FILE");
    assert!(!line.contains("secret"), "{line}");
    std::fs::create_dir(silt.db()).unwrap();
    private(&silt.db(), 0o777);
    serve(&[]).failed(3, "SILT_BAD_FILE");
}

#[test]
fn files_of_the_server_are_for_its_user_alone() {
    use std::os::unix::fs::MetadataExt;
    let served = Served::new(&[]);
    served.ok(&["set", "k", "v"]);
    let silt = served.stop();
    for entry in std::fs::read_dir(silt.db()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.metadata().unwrap().mode() & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn one_store_has_one_server() {
    let served = Served::new(&[]);
    let all = ["serve", "--port=0", "--http-port=0", "--resp-port=0"];
    served.silt.fails(&all, 5, "SILT_LOCKED");
    let taken = served.address("grpc").port().to_string();
    let other = Silt::new();
    other.run(&["serve", "--no-http", "--no-resp", "--port", &taken]).failed(3, "SILT_IO");
    assert!(!other.db().exists(), "a store was made in vain");
}
