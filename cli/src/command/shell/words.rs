//! A line of the shell, cut into words.
//!
//! As in other shells: blanks part words, 'single quotes' keep everything, "double quotes" keep
//! all but backslashes, and # begins a comment. A word that begins with { or [ is JSON: it goes
//! on to the bracket that closes it, and its quotes stay.

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What is meant, without the quotes that kept it together.
    pub text: String,
    /// Where it starts in the line, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The words of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The words; the last one may want its end.
    pub words: Vec<Word>,
    /// What the line wants so that its last word ends.
    pub wants: Option<char>,
    /// Where a comment starts.
    pub comment: Option<usize>,
}

/// Cuts a line.
pub fn cut(line: &str) -> Words {
    let mut found = Words::default();
    let mut chars = line.char_indices().peekable();
    while let Some(&(start, c)) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        if c == '#' {
            found.comment = Some(start);
            break;
        }
        let mut text = String::new();
        found.wants = match c {
            '{' | '[' => json(&mut chars, &mut text),
            _ => plain(&mut chars, &mut text),
        };
        let end = chars.peek().map_or(line.len(), |&(at, _)| at);
        found.words.push(Word { text, start, end });
    }
    found
}

type Chars<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

/// Reads a word with its quotes; gives the quote that does not end.
fn plain(chars: &mut Chars<'_>, text: &mut String) -> Option<char> {
    while let Some(&(_, c)) = chars.peek() {
        if c.is_whitespace() {
            return None;
        }
        chars.next();
        match c {
            '\'' => loop {
                match chars.next() {
                    None => return Some('\''),
                    Some((_, '\'')) => break,
                    Some((_, c)) => text.push(c),
                }
            },
            '"' => loop {
                match chars.next() {
                    None => return Some('"'),
                    Some((_, '"')) => break,
                    Some((_, '\\')) => match chars.next() {
                        None => return Some('"'),
                        Some((_, c @ ('"' | '\\'))) => text.push(c),
                        Some((_, c)) => text.extend(['\\', c]),
                    },
                    Some((_, c)) => text.push(c),
                }
            },
            '\\' => match chars.next() {
                None => return Some('\\'),
                Some((_, c)) => text.push(c),
            },
            c => text.push(c),
        }
    }
    None
}

/// Reads JSON up to the bracket that closes the first one; gives what it wants if it does not end.
fn json(chars: &mut Chars<'_>, text: &mut String) -> Option<char> {
    let mut open = Vec::new();
    while let Some((_, c)) = chars.next() {
        text.push(c);
        match c {
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => {
                open.pop();
            }
            '"' if !json_string(chars, text) => return Some('"'),
            _ => {}
        }
        if open.is_empty() {
            // What sticks to it belongs to the word, as `{}x` is no JSON anyway.
            return plain(chars, text);
        }
    }
    open.pop()
}

/// Reads the rest of a string of JSON; false if it does not end.
fn json_string(chars: &mut Chars<'_>, text: &mut String) -> bool {
    while let Some((_, c)) = chars.next() {
        text.push(c);
        match c {
            '"' => return true,
            '\\' => text.extend(chars.next().map(|(_, c)| c)),
            _ => {}
        }
    }
    false
}

/// The word as it is typed, so that it is cut to this text again.
pub fn quote(text: &str) -> String {
    let is_bare = |c: char| !c.is_whitespace() && !"'\"\\".contains(c);
    if !text.is_empty() && text.chars().all(is_bare) && !text.starts_with(['#', '{', '[']) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let found = cut(line);
        assert_eq!(found.wants, None, "{line}");
        found.words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_cut_as_in_other_shells() {
        assert_eq!(texts("  set a\tb  "), ["set", "a", "b"]);
        assert_eq!(texts(r#"set 'a b' "c \"d\" \n" e\ f"#), ["set", "a b", "c \"d\" \\n", "e f"]);
        assert_eq!(texts("get '' # the rest"), ["get", ""]);
        assert_eq!(texts("get a#b"), ["get", "a#b"]);
        assert_eq!(texts("a'b'c"), ["abc"]);
        assert!(texts("   ").is_empty());
    }

    #[test]
    fn json_keeps_its_quotes() {
        assert_eq!(
            texts(r#"set user/1 {"name": "A } \" b", "tags": [1, 2]} --ttl 1m"#),
            ["set", "user/1", r#"{"name": "A } \" b", "tags": [1, 2]}"#, "--ttl", "1m"]
        );
        assert_eq!(texts("[1, [2]]"), ["[1, [2]]"]);
        assert_eq!(texts("{} {}"), ["{}", "{}"]);
    }

    #[test]
    fn a_line_that_does_not_end_says_what_it_wants() {
        for (line, wants) in
            [("a 'b", '\''), ("\"b", '"'), ("a\\", '\\'), ("{\"a\": [1", ']'), ("{\"a", '"')]
        {
            assert_eq!(cut(line).wants, Some(wants), "{line}");
        }
    }

    #[test]
    fn places_of_words_cover_their_quotes() {
        let found = cut("set 'a b' c");
        let places: Vec<_> = found.words.iter().map(|word| (word.start, word.end)).collect();
        assert_eq!(places, [(0, 3), (4, 9), (10, 11)]);
    }

    #[test]
    fn a_quoted_word_is_cut_to_itself() {
        for text in ["a", "a b", "it's", "", "#x", "{\"a\"}", "\"", "\\", "a\u{e9}", "[", "--x"] {
            let line = format!("get {} x", quote(text));
            assert_eq!(texts(&line), ["get", text, "x"], "{line}");
        }
    }
}
