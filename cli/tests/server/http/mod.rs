//! HTTP, spoken byte for byte.

mod abuse;
mod feed;
mod guard;
mod keys;
mod ranges;
mod store;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::served::Served;

/// A connection that speaks HTTP.
pub struct Peer {
    reader: BufReader<TcpStream>,
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Peer {
    pub fn of(served: &Served) -> Self {
        Self::at(served, "http")
    }

    pub fn at(served: &Served, protocol: &str) -> Self {
        let stream = TcpStream::connect(served.address(protocol)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        self.reader.get_mut()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// The head of a reply, without its body.
    pub fn head(&mut self) -> Reply {
        let line = self.line();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no reply: {line:?}"));
        let status = status.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return Reply { status, headers, body: Vec::new() };
            }
            let (name, value) = line.split_once(": ").unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// A chunk of a body; `None` at its end.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let len = usize::from_str_radix(&self.line(), 16).unwrap();
        let mut chunk = vec![0; len];
        self.reader.read_exact(&mut chunk).unwrap();
        if len > 0 {
            assert_eq!(self.line(), "");
            return Some(chunk);
        }
        while !self.line().is_empty() {}
        None
    }

    /// A whole reply.
    pub fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        if reply.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                reply.body.extend(chunk);
            }
        } else if let Some(len) = reply.header("content-length") {
            reply.body = vec![0; len.parse().unwrap()];
            self.reader.read_exact(&mut reply.body).unwrap();
        }
        reply
    }

    /// Asks with these header lines and this body.
    pub fn ask(&mut self, what: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut head = format!("{what} HTTP/1.1\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            head.push_str("Host: localhost\r\n");
        }
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.send(bytes);
        if what.starts_with("HEAD ") { self.head() } else { self.reply() }
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), &[], b"")
    }

    pub fn put(&mut self, path: &str, value: &[u8]) -> Reply {
        self.ask(&format!("PUT {path}"), &[], value)
    }

    /// Posts JSON.
    pub fn post(&mut self, path: &str, body: &str) -> Reply {
        self.ask(&format!("POST {path}"), &["Content-Type: application/json"], body.as_bytes())
    }

    /// Posts a form.
    pub fn form(&mut self, path: &str, body: &str) -> Reply {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        self.ask(&format!("POST {path}"), &[kind], body.as_bytes())
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The reply, which is to have this status.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The seq that a reply tells.
    pub fn seq(&self) -> u64 {
        self.header("silt-seq").unwrap().parse().unwrap()
    }

    /// Checks a problem document; gives it.
    pub fn problem(self, status: u16, code: &str) -> Value {
        let reply = self.is(status);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let problem = reply.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"].as_str(), reply.header("x-request-id"));
        problem
    }
}
