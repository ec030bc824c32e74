//! Any bytes, in any pieces: the parser never panics, and pieces make no difference.

use proptest::prelude::*;
use siltdb::server::resp::parser::{Bounds, Parsed, Parser};

const BOUNDS: Bounds =
    Bounds { bulk_len_max: 1 << 20, request_len_max: 2 << 20, is_unknown: false };

/// Requests, or the error at the end of them.
type Seen = (Vec<Vec<Vec<u8>>>, Option<String>);

/// Parses bytes that come in pieces of these lengths.
fn parse(bytes: &[u8], pieces: &[usize], bounds: &Bounds) -> Seen {
    let (mut parser, mut requests) = (Parser::default(), Vec::new());
    let (mut start, mut end, mut pieces) = (0, 0, pieces.iter());
    loop {
        match parser.parse(&bytes[start..end], bounds) {
            Ok(Parsed::Request(len)) => {
                let args = parser.args(&bytes[start..end]);
                requests.push(args.from(0).map(<[u8]>::to_vec).collect());
                assert!(len > 0 && start + len <= end, "a request of bytes that are not there");
                start += len;
                parser.reset();
            }
            Ok(Parsed::Nothing(len)) => {
                assert!(len > 0 && start + len <= end);
                start += len;
                parser.reset();
            }
            Ok(Parsed::Incomplete) if end == bytes.len() => return (requests, None),
            Ok(Parsed::Incomplete) => {
                end = (end + pieces.next().copied().unwrap_or(bytes.len())).min(bytes.len());
            }
            Err(error) => return (requests, Some(error.0)),
        }
    }
}

fn one(bytes: &[u8]) -> Seen {
    parse(bytes, &[], &BOUNDS)
}

fn words(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Bytes that look like requests more often than not.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"*".to_vec()),
        Just(b"$".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"'".to_vec()),
        Just(b"\\x4".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        (-2_i64..12).prop_map(|n| format!("*{n}\r\n").into_bytes()),
        (-2_i64..12).prop_map(|n| format!("${n}\r\n").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..12),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..4)
            .prop_map(|words| super::peer::request(&words)),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn pieces_make_no_difference(
        bytes in likely(),
        pieces in prop::collection::vec(1_usize..9, 0..60),
        is_unknown: bool,
    ) {
        let bounds = Bounds { is_unknown, ..BOUNDS };
        let whole = parse(&bytes, &[bytes.len()], &bounds);
        prop_assert_eq!(parse(&bytes, &pieces, &bounds), whole.clone());
        prop_assert_eq!(parse(&bytes, &vec![1; bytes.len()], &bounds), whole);
    }

    #[test]
    fn requests_are_read_as_they_were_written(
        requests in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 0..8),
        pieces in prop::collection::vec(1_usize..30, 0..40),
    ) {
        let bytes: Vec<u8> =
            requests.iter().flat_map(|words| super::peer::request(words)).collect();
        prop_assert_eq!(parse(&bytes, &pieces, &BOUNDS), (requests, None));
    }
}

#[test]
fn lines_are_split_as_a_shell_does() {
    let seen = |line: &str| one(line.as_bytes());
    assert_eq!(seen("SET a b\r\n").0, [words("SET a b")]);
    assert_eq!(seen("  SET\ta   b \nPING\n").0, [words("SET a b"), words("PING")]);
    let quoted = vec![b"a".to_vec(), b"b c\n\x01".to_vec(), b"it's \\n".to_vec(), Vec::new()];
    assert_eq!(seen("a \"b c\\n\\x01\" 'it\\'s \\n' \"\"\n").0, [quoted]);
    assert_eq!(seen("\r\n\n").0, Vec::<Vec<Vec<u8>>>::new());
    for line in ["a \"b\n", "a 'b\n", "\"a\"b\n", "'a'b\n"] {
        assert_eq!(seen(line).1.unwrap(), "ERR Protocol error: unbalanced quotes in request");
    }
}

#[test]
fn what_is_no_request_is_said_in_the_words_of_redis() {
    let wrong = |bytes: &[u8]| one(bytes).1.unwrap().replace("ERR Protocol error: ", "");
    assert_eq!(wrong(b"*x\r\n"), "invalid multibulk length");
    assert_eq!(wrong(b"*2147483648\r\n"), "invalid multibulk length");
    assert_eq!(wrong(b"*1\r\n:1\r\n"), "expected '$', got ':'");
    assert_eq!(wrong(b"*1\r\n$-1\r\n"), "invalid bulk length");
    assert_eq!(wrong(b"*1\r\n$1048577\r\n"), "invalid bulk length");
    assert_eq!(wrong(b"*1\r\n*1\r\n$1\r\na\r\n"), "expected '$', got '*'");
    assert_eq!(wrong(&b"x".repeat(70_000)), "too big inline request");
    let long = [&b"*"[..], &b"1".repeat(70_000)].concat();
    assert_eq!(wrong(&long), "too big mbulk count string");
    let long = [&b"*1\r\n$"[..], &b"1".repeat(70_000)].concat();
    assert_eq!(wrong(&long), "too big bulk count string");
    let unknown = Bounds { is_unknown: true, bulk_len_max: 4_096, request_len_max: 4_096 };
    let seen = |bytes: &[u8]| parse(bytes, &[], &unknown).1.unwrap();
    assert!(seen(b"*11\r\n").ends_with("unauthenticated multibulk length"));
    let two = [&b"*2\r\n$4000\r\n"[..], &b"x".repeat(4_000), b"\r\n$4000\r\n"].concat();
    assert!(seen(&two).ends_with("unauthenticated bulk length"));
    assert_eq!(parse(b"*2\r\n$4000\r\n", &[], &unknown), (Vec::new(), None));
}
