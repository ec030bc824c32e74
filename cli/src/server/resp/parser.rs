//! Requests, as their bytes come. It does no reading and takes no memory by what is declared.
//!
//! A request is an array of bulk strings (the same in RESP2 and RESP3), or a line of words, as
//! people type it. The errors are Redis's own words.

use super::number::parse_int;

/// Longest line: an inline request, or the head of an array or a string.
const LINE_LEN_MAX: usize = 64 << 10;
/// Most words of a request.
const ARGS_MAX: i64 = 1 << 20;
/// Most words of a peer that has not shown its token.
const UNKNOWN_ARGS_MAX: i64 = 10;

/// What a parser takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one word.
    pub bulk_len_max: usize,
    /// Bytes of all words.
    pub request_len_max: usize,
    /// The peer has not shown its token.
    pub is_unknown: bool,
}

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A request of so many bytes; its words are [`Parser::args`].
    Request(usize),
    /// So many bytes that ask for nothing: an empty line, an empty array.
    Nothing(usize),
    /// More bytes are needed.
    Incomplete,
}

/// The bytes are no request: the connection cannot go on. The text of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolError(pub String);

fn wrong<T>(what: &str) -> Result<T, ProtocolError> {
    Err(ProtocolError(format!("ERR Protocol error: {what}")))
}

/// Parses one request after the other. It remembers how far it came in the present one.
#[derive(Debug, Default)]
pub struct Parser {
    /// Where the words are, from the request's first byte.
    ranges: Vec<(usize, usize)>,
    /// How far it came.
    at: usize,
    /// No end of line is before here.
    looked: usize,
    /// Words still to come; `None` before the head of the array.
    missing: Option<usize>,
    /// Length of the word to come.
    bulk: Option<usize>,
    /// Bytes of all words.
    total: usize,
    /// Words of an inline request, without quotes.
    inline: Vec<u8>,
    is_inline: bool,
}

/// The words of a request.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    ranges: &'a [(usize, usize)],
}

impl<'a> Args<'a> {
    /// Words that lie in these bytes.
    pub fn new(bytes: &'a [u8], ranges: &'a [(usize, usize)]) -> Self {
        Self { bytes, ranges }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.ranges.len()
    }

    /// A word; empty when there is none.
    pub fn get(self, i: usize) -> &'a [u8] {
        let (from, to) = self.ranges.get(i).copied().unwrap_or_default();
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// The words from this one on.
    pub fn from(self, i: usize) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let ranges = self.ranges.get(i..).unwrap_or_default();
        ranges.iter().map(move |(from, to)| self.bytes.get(*from..*to).unwrap_or_default())
    }

    /// Whether a word is this one, in capitals or not.
    pub fn is(self, i: usize, word: &str) -> bool {
        self.get(i).eq_ignore_ascii_case(word.as_bytes())
    }

    /// A word as a whole number.
    pub fn int(self, i: usize) -> Option<i64> {
        parse_int(self.get(i))
    }
}

impl Parser {
    /// Begins anew, as before the first byte of a request.
    pub fn reset(&mut self) {
        self.ranges.clear();
        self.inline.clear();
        (self.at, self.looked, self.total) = (0, 0, 0);
        (self.missing, self.bulk, self.is_inline) = (None, None, false);
    }

    /// Gives back memory beyond what a small request needs.
    pub fn shrink(&mut self) {
        if self.ranges.capacity() > 64 {
            self.ranges.shrink_to(16);
        }
        if self.inline.capacity() > 256 {
            self.inline.shrink_to(0);
        }
    }

    /// The words of the request that was parsed last from the same bytes.
    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        Args::new(if self.is_inline { &self.inline } else { input }, &self.ranges)
    }

    /// Parses the first request of the input. While it is incomplete the same bytes are given
    /// again, with more behind them; after a request or nothing, [`Parser::reset`] comes first.
    ///
    /// # Errors
    /// Redis's words for what no request looks like.
    pub fn parse(&mut self, input: &[u8], bounds: &Bounds) -> Result<Parsed, ProtocolError> {
        let Some(missing) = self.missing else {
            return match input.first() {
                None => Ok(Parsed::Incomplete),
                Some(b'*') => self.parse_head(input, bounds),
                Some(_) => self.parse_inline(input, bounds),
            };
        };
        self.parse_words(input, bounds, missing)
    }

    fn parse_head(&mut self, input: &[u8], bounds: &Bounds) -> Result<Parsed, ProtocolError> {
        let Some((line, next)) = self.line(input, "too big mbulk count string")? else {
            return Ok(Parsed::Incomplete);
        };
        let count = match parse_int(line) {
            Some(count) if count <= ARGS_MAX => count,
            _ => return wrong("invalid multibulk length"),
        };
        if bounds.is_unknown && count > UNKNOWN_ARGS_MAX {
            return wrong("unauthenticated multibulk length");
        }
        if count <= 0 {
            return Ok(Parsed::Nothing(next));
        }
        self.at = next;
        self.looked = next;
        let missing = usize::try_from(count).unwrap_or(0);
        self.missing = Some(missing);
        self.parse_words(input, bounds, missing)
    }

    fn parse_words(
        &mut self,
        input: &[u8],
        bounds: &Bounds,
        mut missing: usize,
    ) -> Result<Parsed, ProtocolError> {
        while missing > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.parse_bulk_head(input, bounds)? {
                    Some(len) => len,
                    None => return Ok(Parsed::Incomplete),
                },
            };
            let end = self.at + len;
            let Some(line_end) = input.get(end..end + 2) else { return Ok(Parsed::Incomplete) };
            if line_end != b"\r\n" {
                return wrong("expected the end of the line after a bulk");
            }
            self.ranges.push((self.at, end));
            self.at = end + 2;
            self.looked = self.at;
            self.bulk = None;
            missing -= 1;
            self.missing = Some(missing);
        }
        Ok(Parsed::Request(self.at))
    }

    fn parse_bulk_head(
        &mut self,
        input: &[u8],
        bounds: &Bounds,
    ) -> Result<Option<usize>, ProtocolError> {
        let first = input.get(self.at).copied();
        let Some((line, next)) = self.line(input, "too big bulk count string")? else {
            return Ok(None);
        };
        match first {
            Some(b'$') => {}
            first => {
                let first = first.map_or('?', char::from);
                return wrong(&format!("expected '$', got '{first}'"));
            }
        }
        let len = parse_int(line).and_then(|len| usize::try_from(len).ok());
        let Some(len) = len.filter(|len| *len <= bounds.bulk_len_max) else {
            return wrong("invalid bulk length");
        };
        self.total += len;
        if self.total > bounds.request_len_max {
            let what =
                if bounds.is_unknown { "unauthenticated bulk length" } else { "too big request" };
            return wrong(what);
        }
        self.at = next;
        self.looked = next;
        self.bulk = Some(len);
        Ok(Some(len))
    }

    /// The line at `at`, without its first byte, and where the next one begins.
    fn line<'i>(
        &mut self,
        input: &'i [u8],
        too_long: &str,
    ) -> Result<Option<(&'i [u8], usize)>, ProtocolError> {
        let unseen = input.get(self.looked..).unwrap_or_default();
        let Some(found) = unseen.iter().position(|b| *b == b'\r') else {
            self.looked = input.len();
            if input.len() - self.at > LINE_LEN_MAX {
                return wrong(too_long);
            }
            return Ok(None);
        };
        let end = self.looked + found;
        // The carriage return is seen again together with what follows it.
        self.looked = end;
        if input.len() < end + 2 {
            return Ok(None);
        }
        let line = input.get(self.at + 1..end).unwrap_or_default();
        Ok(Some((line, end + 2)))
    }

    fn parse_inline(&mut self, input: &[u8], bounds: &Bounds) -> Result<Parsed, ProtocolError> {
        let unseen = input.get(self.looked..).unwrap_or_default();
        let Some(found) = unseen.iter().position(|b| *b == b'\n') else {
            self.looked = input.len();
            let max = if bounds.is_unknown { bounds.request_len_max } else { LINE_LEN_MAX };
            if input.len() > max {
                return wrong("too big inline request");
            }
            return Ok(Parsed::Incomplete);
        };
        let end = self.looked + found;
        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.is_inline = true;
        if !split_words(line, &mut self.inline, &mut self.ranges) {
            return wrong("unbalanced quotes in request");
        }
        if self.ranges.is_empty() {
            return Ok(Parsed::Nothing(end + 1));
        }
        Ok(Parsed::Request(end + 1))
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

/// Splits a line as a shell does, with `"..."` (and its escapes) and `'...'`; `false` when a quote
/// is not closed, or something follows one.
fn split_words(line: &[u8], words: &mut Vec<u8>, ranges: &mut Vec<(usize, usize)>) -> bool {
    // A zero byte ends a line, as it ends a string of C.
    let line = line.split(|b| *b == 0).next().unwrap_or_default();
    let mut rest = line;
    loop {
        while let [blank, after @ ..] = rest
            && is_blank(*blank)
        {
            rest = after;
        }
        if rest.is_empty() {
            return true;
        }
        let from = words.len();
        let Some(after) = take_word(rest, words) else { return false };
        ranges.push((from, words.len()));
        rest = after;
    }
}

fn take_word<'l>(mut rest: &'l [u8], words: &mut Vec<u8>) -> Option<&'l [u8]> {
    while let [byte, after @ ..] = rest {
        match byte {
            b'"' => {
                rest = take_quoted(after, words)?;
                return ends_word(rest).then_some(rest);
            }
            b'\'' => {
                rest = take_single_quoted(after, words)?;
                return ends_word(rest).then_some(rest);
            }
            byte if is_blank(*byte) => return Some(rest),
            byte => {
                words.push(*byte);
                rest = after;
            }
        }
    }
    Some(rest)
}

fn ends_word(rest: &[u8]) -> bool {
    rest.first().is_none_or(|byte| is_blank(*byte))
}

fn take_quoted<'l>(mut rest: &'l [u8], words: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', a, b, after @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                words.push(hex(*a) << 4 | hex(*b));
                after
            }
            [b'\\', escaped, after @ ..] => {
                words.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                words.push(*byte);
                after
            }
        }
    }
}

fn take_single_quoted<'l>(mut rest: &'l [u8], words: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => {
                words.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                words.push(*byte);
                after
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}
