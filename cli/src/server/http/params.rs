//! What a request asks for: the key of its path, its parameters, its body.

use std::borrow::Cow;

use axum::extract::Request;
use bytes::Buf as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use siltdb_core::{Durability, ScanOptions};

use crate::server::body::{BodyMemory, Limited};
use crate::server::error::Failure;
use crate::server::{Shared, limits};
use crate::time;

/// Bytes of parameters in a body: three keys of the greatest length, each byte as `%XX`.
const FORM_BYTES_MAX: usize = 9 * limits::KEY_LEN_MAX + (4 << 10);

/// A name and a value.
type Field<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Parameters of a request. Those that are not known, or given twice, are refused.
#[derive(Debug)]
pub struct Params<'a> {
    fields: Vec<Field<'a>>,
}

/// Undoes percent encoding. A `%` that begins none is refused, never guessed at.
pub fn decode(text: &[u8], is_form: bool) -> Result<Cow<'_, [u8]>, Failure> {
    let is_plain = |b: &u8| *b != b'%' && !(is_form && *b == b'+');
    let Some(first) = text.iter().position(|b| !is_plain(b)) else {
        return Ok(Cow::Borrowed(text));
    };
    let mut bytes = text[..first].to_vec();
    let mut rest = &text[first..];
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' if is_form => bytes.push(b' '),
            b'%' => {
                let digit = |b: &u8| char::from(*b).to_digit(16).map(|d| d as u8);
                let pair = rest.first().and_then(digit).zip(rest.get(1).and_then(digit));
                let (high, low) =
                    pair.ok_or_else(|| Failure::input("'%' needs two hexadecimal digits"))?;
                bytes.push(high << 4 | low);
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    Ok(Cow::Owned(bytes))
}

/// The key that stands in a path after `prefix`.
pub fn key(path: &str, prefix: &str) -> Result<Vec<u8>, Failure> {
    let text = path.strip_prefix(prefix).unwrap_or_default();
    let key = decode(text.as_bytes(), false)?.into_owned();
    siltdb_core::batch::check_key(&key)?;
    Ok(key)
}

impl<'a> Params<'a> {
    /// Reads parameters of these names.
    pub fn parse(text: &'a [u8], known: &[&str]) -> Result<Self, Failure> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        for field in text.split(|b| *b == b'&').filter(|field| !field.is_empty()) {
            let at = field.iter().position(|b| *b == b'=');
            let at = at.ok_or_else(|| Failure::input("a parameter is NAME=VALUE"))?;
            let name = decode(&field[..at], true)?;
            if !known.iter().any(|known| known.as_bytes() == &*name) {
                let known = known.join(", ");
                let known = if known.is_empty() { String::from("none") } else { known };
                let message = format!("unknown parameter; there are: {known}");
                return Err(Failure::input(message));
            }
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(Failure::input("a parameter is given twice"));
            }
            fields.push((name, decode(&field[at + 1..], true)?));
        }
        Ok(Self { fields })
    }

    /// Reads parameters of the query of a request.
    pub fn of(parts: &'a Parts, known: &[&str]) -> Result<Self, Failure> {
        Self::parse(parts.uri.query().unwrap_or_default().as_bytes(), known)
    }

    /// The bytes of a parameter.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(n, _)| &**n == name.as_bytes()).map(|(_, value)| &**value)
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let text = self.bytes(name).map(std::str::from_utf8).transpose();
        text.map_err(|_| Failure::input(format!("{name} is not UTF-8")))
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        let value = self.text(name)?.map(read).transpose();
        value.map_err(|reason| Failure::input(format!("{name} is wrong: {reason}")))
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<bool, Failure> {
        let flag = self.read(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(String::from("write true or false")),
        });
        Ok(flag?.unwrap_or(false))
    }

    /// A whole number that bounds something: one too great for the machine bounds nothing.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.read(name, |text| {
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err(String::from("write a whole number"));
            }
            Ok(text.parse().unwrap_or(u64::MAX))
        })
    }

    /// A moment: RFC 3339, `10m ago`, or a seq.
    pub fn moment(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.read(name, time::parse_moment)
    }

    /// When a record expires, given as the time it has to live.
    pub fn expiry(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.read(name, |text| time::parse_length(text).and_then(time::expiry_after))
    }

    /// A durability.
    pub fn durability(&self) -> Result<Option<Durability>, Failure> {
        self.read("durability", |text| {
            Durability::parse(text).ok_or_else(|| String::from("write buffered, flushed or synced"))
        })
    }

    /// The range of `prefix`, `from` and `to`, and the moment of `as_of`.
    pub fn range(&self) -> Result<ScanOptions, Failure> {
        let owned = |name: &str| self.bytes(name).map(<[u8]>::to_vec);
        let options = ScanOptions {
            prefix: owned("prefix"),
            from: owned("from"),
            to: owned("to"),
            as_of: self.moment("as_of")?,
            ..ScanOptions::default()
        };
        Ok(options)
    }
}

/// The text of the parameters: the query, or of a POST the body, for what does not fit a URL.
pub async fn text_of(shared: &Shared, request: Request) -> Result<(Parts, Vec<u8>), Failure> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        let text = parts.uri.query().unwrap_or_default().as_bytes().to_vec();
        return Ok((parts, text));
    }
    if parts.uri.query().is_some() {
        return Err(Failure::input("the parameters of a POST stand in its body"));
    }
    let is_empty = !parts.headers.contains_key(CONTENT_TYPE) && body.is_end_stream();
    if !is_empty {
        expect_type(&parts.headers, &["application/x-www-form-urlencoded"])?;
    }
    let too_long = |len| too_long("the parameters have", len, FORM_BYTES_MAX);
    let (text, _) = whole(shared, &parts.headers, body, FORM_BYTES_MAX, too_long).await?;
    Ok((parts, text))
}

fn too_long(what: &str, len: u64, max: usize) -> Failure {
    Failure::new("SILT_BATCH_TOO_LARGE", format!("{what} {len} bytes or more, of {max} at most"))
}

/// Which of these types a body has.
pub fn expect_type<'k>(headers: &HeaderMap, known: &[&'k str]) -> Result<&'k str, Failure> {
    let given = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    let found = known.iter().find(|kind| given.eq_ignore_ascii_case(kind));
    found.copied().ok_or_else(|| {
        let known = known.join(" or ");
        Failure::new("SILT_MEDIA_TYPE", format!("the content type must be {known}"))
    })
}

/// A whole body and the memory it is counted for. Its declared length is looked at first, and
/// takes no memory.
pub async fn whole<F>(
    shared: &Shared,
    headers: &HeaderMap,
    body: axum::body::Body,
    max: usize,
    too_long: F,
) -> Result<(Vec<u8>, BodyMemory), Failure>
where
    F: Fn(u64) -> Failure,
{
    let declared = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    if let Some(declared) = declared.filter(|len| *len > max as u64) {
        return Err(too_long(declared));
    }
    let (mut body, memory) = Limited::new(body, &shared.budget);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame?.into_data() else { continue };
        let len = bytes.len() + data.remaining();
        if len > max {
            return Err(too_long(len as u64));
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            bytes.extend_from_slice(chunk);
            let len = chunk.len();
            data.advance(len);
        }
    }
    Ok((bytes, memory))
}

/// A body that must be a batch or the like.
pub async fn whole_batch(
    shared: &Shared,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<(Vec<u8>, BodyMemory), Failure> {
    // Room for base64 and the words around it.
    const MAX: usize = limits::BATCH_BYTES_MAX / 2 * 3;
    whole(shared, headers, body, MAX, |len| too_long("the body has", len, MAX)).await
}

/// Checks that a request brings no body where none is wanted.
pub async fn no_body(shared: &Shared, request: Request) -> Result<Parts, Failure> {
    let (parts, body) = request.into_parts();
    let refused = |_| Failure::input("this takes no body");
    whole(shared, &parts.headers, body, 0, refused).await?;
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keys_of_any_bytes_stand_in_a_path() {
        let all: Vec<u8> = (0..=255).collect();
        let text: String = all.iter().map(|b| format!("%{b:02x}")).collect();
        assert_eq!(key(&format!("/v1/kv/{text}"), "/v1/kv/").unwrap(), all);
        assert_eq!(key("/v1/kv/a/../b+c//", "/v1/kv/").unwrap(), b"a/../b+c//");
        for (path, code) in
            [("", "SILT_KEY_EMPTY"), ("%", "SILT_BAD_INPUT"), ("a%4", "SILT_BAD_INPUT")]
        {
            assert_eq!(key(&format!("/v1/kv/{path}"), "/v1/kv/").unwrap_err().code, code);
        }
    }

    #[test]
    fn parameters_are_read_exactly_or_refused() {
        let known = ["prefix", "limit", "reverse", "as_of"];
        let text = b"prefix=a%2Fb+c%ff&limit=07&&reverse=true&as_of=1700000000000000";
        let params = Params::parse(text, &known).unwrap();
        assert_eq!(params.bytes("prefix"), Some(&b"a/b c\xff"[..]));
        assert_eq!(params.number("limit").unwrap(), Some(7));
        assert!(params.flag("reverse").unwrap() && !params.flag("keys_only").unwrap());
        assert_eq!(params.range().unwrap().as_of, Some(1_700_000_000_000_000));
        for text in ["limit", "colour=1", "limit=1&limit=2", "prefix=%zz"] {
            assert!(Params::parse(text.as_bytes(), &known).is_err(), "{text}");
        }
        let great = Params::parse(b"limit=99999999999999999999", &known).unwrap();
        assert_eq!(great.number("limit").unwrap(), Some(u64::MAX));
        for text in ["limit=-1", "limit=+1", "limit=", "limit=1e3"] {
            let params = Params::parse(text.as_bytes(), &known).unwrap();
            assert!(params.number("limit").is_err(), "{text}");
        }
    }
}
