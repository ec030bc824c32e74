//! A plain client of RESP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Null,
    Array(Vec<Answer>),
    Map(Vec<(Answer, Answer)>),
    Set(Vec<Answer>),
    Text(String),
    Double(String),
}

impl Answer {
    /// Bytes of a value, as text.
    pub fn text(&self) -> String {
        match self {
            Answer::Simple(text) | Answer::Text(text) | Answer::Error(text) => text.clone(),
            Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Answer::Int(number) => number.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub fn int(&self) -> i64 {
        match self {
            Answer::Int(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }

    pub fn array(&self) -> &[Answer] {
        match self {
            Answer::Array(answers) => answers,
            other => panic!("no array: {other:?}"),
        }
    }
}

/// A bulk.
pub fn bulk(text: &str) -> Answer {
    Answer::Bulk(text.as_bytes().to_vec())
}

/// A connection.
pub struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    at: usize,
}

/// A request in bytes.
pub fn request<A: AsRef<[u8]>>(words: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

impl Peer {
    pub fn new(address: SocketAddr) -> Self {
        Self::try_new(address).unwrap()
    }

    pub fn try_new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, input: Vec::new(), at: 0 })
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Asks, and waits for the answer.
    pub fn ask<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Answer {
        self.try_ask(words).unwrap()
    }

    pub fn try_ask<A: AsRef<[u8]>>(&mut self, words: &[A]) -> io::Result<Answer> {
        self.write(&request(words))?;
        self.answer()
    }

    /// Asks in words that have no blanks.
    pub fn say(&mut self, line: &str) -> Answer {
        let words: Vec<&str> = line.split(' ').collect();
        self.ask(&words)
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.at == self.input.len() {
            self.input.resize(64 << 10, 0);
            let len = self.stream.read(&mut self.input)?;
            self.input.truncate(len);
            self.at = 0;
            if len == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.at += 1;
        Ok(self.input[self.at - 1])
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\r' => {
                    assert_eq!(self.byte()?, b'\n');
                    return Ok(String::from_utf8_lossy(&line).into_owned());
                }
                byte => line.push(byte),
            }
        }
    }

    fn bytes(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            bytes.push(self.byte()?);
            let there = &self.input[self.at..];
            let there = &there[..there.len().min(len - bytes.len())];
            bytes.extend_from_slice(there);
            self.at += there.len();
        }
        assert_eq!((self.byte()?, self.byte()?), (b'\r', b'\n'));
        Ok(bytes)
    }

    fn many(&mut self, len: &str) -> io::Result<Vec<Answer>> {
        (0..len.parse().unwrap()).map(|_| self.answer()).collect()
    }

    /// The next answer.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let line = self.line()?;
        let (kind, rest) = line.split_at(1);
        Ok(match kind {
            "+" => Answer::Simple(rest.to_owned()),
            "-" => Answer::Error(rest.to_owned()),
            ":" => Answer::Int(rest.parse().unwrap()),
            "_" => Answer::Null,
            "," => Answer::Double(rest.to_owned()),
            "$" | "*" if rest == "-1" => Answer::Null,
            "$" => Answer::Bulk(self.bytes(rest.parse().unwrap())?),
            "=" => {
                let bytes = self.bytes(rest.parse().unwrap())?;
                Answer::Text(String::from_utf8_lossy(&bytes[4..]).into_owned())
            }
            "*" => Answer::Array(self.many(rest)?),
            "~" => Answer::Set(self.many(rest)?),
            "%" => {
                let len: usize = rest.parse().unwrap();
                let pairs = (0..len).map(|_| Ok((self.answer()?, self.answer()?)));
                Answer::Map(pairs.collect::<io::Result<Vec<_>>>()?)
            }
            other => panic!("no answer begins with {other}: {line}"),
        })
    }
}
