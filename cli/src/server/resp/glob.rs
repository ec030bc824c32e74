//! Patterns of KEYS and SCAN.

/// Whether a text matches a pattern of `*`, `?`, `[a-z]`, `[^a-z]` and `\`.
///
/// Only the last `*` is gone back to, so the time is at most the product of the lengths.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            star = Some((p, t));
            continue;
        }
        match (text.get(t), step(pattern, p, text.get(t).copied())) {
            (None, _) if p >= pattern.len() => return true,
            (Some(_), Some(next)) => {
                p = next;
                t += 1;
            }
            _ => match star {
                Some((after, from)) if from < text.len() => {
                    star = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                _ => return false,
            },
        }
    }
}

/// The place in the pattern after what matches one byte.
fn step(pattern: &[u8], p: usize, byte: Option<u8>) -> Option<usize> {
    let byte = byte?;
    match pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => class(pattern, p + 1, byte),
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1] == byte).then_some(p + 2),
        own => (*own == byte).then_some(p + 1),
    }
}

/// As [`step`], within brackets. A bracket that is not closed ends with the pattern.
fn class(pattern: &[u8], mut p: usize, byte: u8) -> Option<usize> {
    let is_negated = pattern.get(p) == Some(&b'^');
    p += usize::from(is_negated);
    let mut is_in = false;
    loop {
        match (pattern.get(p), pattern.get(p + 1), pattern.get(p + 2)) {
            (None, ..) => break,
            (Some(b']'), ..) => {
                p += 1;
                break;
            }
            (Some(b'\\'), Some(own), _) => {
                is_in |= *own == byte;
                p += 2;
            }
            (Some(a), Some(b'-'), Some(b)) => {
                is_in |= (*a.min(b)..=*a.max(b)).contains(&byte);
                p += 3;
            }
            (Some(own), ..) => {
                is_in |= *own == byte;
                p += 1;
            }
        }
    }
    (is_in != is_negated).then_some(p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_they_say() {
        let yes: [(&str, &str); 14] = [
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbbc"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hbllo"),
            ("h[a-c]llo", "hbllo"),
            ("h[c-a]llo", "hbllo"),
            ("h\\*llo", "h*llo"),
            ("*a*b*", "xxaxxbxx"),
            ("[\\]]", "]"),
            ("**", "x"),
            ("a**", "a"),
            ("[a", "a"),
        ];
        for (pattern, text) in yes {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        let no = [("a", ""), ("", "a"), ("a*c", "ab"), ("h[^e]llo", "hello"), ("?", "ab")];
        for (pattern, text) in no {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time_to_speak_of() {
        let pattern = b"*a".repeat(500);
        assert!(!matches(&[&pattern[..], b"b"].concat(), &b"a".repeat(5_000)));
    }
}
