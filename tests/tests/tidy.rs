//! Tidiness of the project's own sources: what a reader may rely on, checked and not just asked.
//!
//! Every Rust source is plain ASCII with lines, functions and files of a bounded size, nothing is
//! left unfinished or switched off, unsafe code stays in its one file, and the modules of the
//! engine import only what lies below them. The checks read text, not a syntax tree: comments and
//! literals are blanked out first.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

const LINE_COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
/// Without the test module at the end of a file.
const FILE_LINES_MAX: usize = 800;

/// Folders with sources, from the root of the project.
const FOLDERS: [&str; 4] = ["core", "cli", "wasm", "tests"];

/// The only sources with unsafe code: maps of files, so that reads need no copy.
const UNSAFE_FILES: [&str; 1] = ["cli/src/native/map.rs"];

/// The modules of the engine, lowest first. A module imports itself and the rows above its own;
/// in a row marked `true` the modules may import each other too. A module that stands nowhere is
/// of the last row, so that nothing below it may import it until it is listed here.
const LAYERS: &[(bool, &[&str])] = &[
    (
        true,
        &[
            "limits", "sort", "text", "file_id", "error", "host", "options", "batch", "types",
            "stats",
        ],
    ),
    (false, &["format", "storage", "index", "cache"]),
    (
        true,
        &["log", "memtable", "sealed", "manifest", "segments", "segment_file", "buffer", "newest"],
    ),
    (true, &["merge", "view", "changes", "indexing", "recovery", "compaction"]),
    (true, &["store", "check", "salvage"]),
];

/// Words that mark unfinished or switched-off work, spelt so that this file passes its own check.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("#[ig", "nore"),
    concat!("XX", "X"),
];

#[test]
fn all_sources_are_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in FOLDERS {
        find_sources(&root.join(folder), &mut files);
    }
    files.sort();
    // A search that finds nothing would pass for ever.
    assert!(files.len() > 10, "only {} sources found below {}", files.len(), root.display());
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        found.extend(check_file(&name, &text).iter().map(|what| format!("{name}:{what}")));
    }
    assert!(found.is_empty(), "{} untidy places:\n{}", found.len(), found.join("\n"));
}

/// Planted bugs are for tests of the tests: no program and no package may be built with them.
#[test]
fn planted_bugs_stay_in_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in FOLDERS {
        let text = fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap();
        let (built, tested) = text.split_once("[dev-dependencies]").unwrap_or((&text, ""));
        assert_eq!(built.contains("planted-bugs"), folder == "core", "{folder}/Cargo.toml");
        assert_eq!(tested.contains("planted-bugs"), folder == "tests", "{folder}/Cargo.toml");
    }
}

fn find_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "pkg"].contains(&name) {
                find_sources(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// All that is wrong with one file, as `line: what`.
fn check_file(name: &str, text: &str) -> Vec<String> {
    let code = blank_out(text);
    let mut found = check_lines(text);
    found.extend(check_functions(&code));
    if !UNSAFE_FILES.contains(&name) {
        found.extend(check_unsafe(&code));
    }
    let body = without_tests(&code);
    let lines = body.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!("1: {lines} lines without tests, at most {FILE_LINES_MAX}"));
    }
    if let Some(path) = name.strip_prefix("core/src/") {
        found.extend(check_imports(path, body));
    }
    found
}

fn check_lines(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        if !line.is_ascii() {
            found.push(format!("{at}: not ASCII"));
        }
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            found.push(format!("{at}: {columns} columns, at most {LINE_COLUMNS_MAX}"));
        }
        for word in UNFINISHED {
            if line.contains(word) {
                found.push(format!("{at}: {word}"));
            }
        }
    }
    found
}

/// The part before a test module that ends the file. One in a file of its own ends nothing here.
fn without_tests(code: &str) -> &str {
    let modules = code.match_indices("\n#[cfg(test)]\nmod ");
    let inline = |end: usize| {
        code[end..].find(['{', ';']).is_some_and(|at| code[end..][at..].starts_with('{'))
    };
    modules.map(|(end, _)| end).find(|end| inline(*end)).map_or(code, |end| &code[..=end])
}

/// The source with the content of comments and literals replaced by spaces, line by line the same.
fn blank_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // A prefix or a hash belongs to a literal only where no identifier runs into it.
        let fresh = !out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let literal = literal_len(rest, fresh);
        if let Some(len) = literal {
            out.extend(rest[..len].chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = &rest[len..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The length of the comment or literal that `rest` starts with.
fn literal_len(rest: &str, fresh: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_len(rest));
    }
    let prefix = if fresh { ["br", "cr", "b", "c", "r"].as_slice() } else { &[] };
    let prefix = prefix.iter().find(|p| {
        rest.strip_prefix(**p).is_some_and(|r| {
            r.starts_with('"')
                || (p.ends_with('r') && r.starts_with('#'))
                || (**p == "b" && r.starts_with('\''))
        })
    });
    let start = prefix.map_or(0, |p| p.len());
    let literal = &rest[start..];
    if prefix.is_some_and(|p| p.ends_with('r')) {
        let hashes = literal.len() - literal.trim_start_matches('#').len();
        // `r#name` is an identifier.
        let body = literal[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let len = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(start + hashes + 1 + len);
    }
    match literal.chars().next()? {
        '"' => Some(start + quoted_len(literal, '"')),
        '\'' if is_char_literal(literal) => Some(start + quoted_len(literal, '\'')),
        _ => None,
    }
}

fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// A quote starts a lifetime unless a second one follows its one character or escape.
fn is_char_literal(literal: &str) -> bool {
    let mut chars = literal.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

fn quoted_len(literal: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in literal.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    literal.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn check_unsafe(code: &str) -> Vec<String> {
    let lines = code.lines().enumerate();
    let unsafe_lines = lines.filter(|(_, line)| line.split(|c| !is_word(c)).any(|w| w == "unsafe"));
    unsafe_lines.map(|(at, _)| format!("{}: unsafe code", at + 1)).collect()
}

/// Functions that are too long, from the line of `fn` to that of the closing brace.
fn check_functions(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
        if name.is_empty() || code[..at].ends_with(is_word) {
            continue;
        }
        let lines = body_lines(&code[at..]);
        if lines > FUNCTION_LINES_MAX {
            let line = code[..at].matches('\n').count() + 1;
            found.push(format!("{line}: fn {name} of {lines} lines, at most {FUNCTION_LINES_MAX}"));
        }
    }
    found
}

/// The lines of the function that `code` starts with; 1 for one without a body.
fn body_lines(code: &str) -> usize {
    let (mut nested, mut braces) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            // In brackets of the signature it stands in an array type.
            ';' if nested == 0 && braces == 0 => return 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => continue,
        }
        if c == '}' && braces == 0 {
            return code[..at].matches('\n').count() + 1;
        }
    }
    code.matches('\n').count()
}

/// Imports of the engine's modules against their order; `path` is below `core/src`.
fn check_imports(path: &str, code: &str) -> Vec<String> {
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    let module = parts[0];
    if module == "lib" || parts.last() == Some(&"tests") {
        return Vec::new();
    }
    let layer = layer_of(module);
    // How many `super::` lead from this file to the root of the crate.
    let depth = parts.len() - usize::from(parts.last() == Some(&"mod"));
    let root = "super::".repeat(depth);
    let mut found = Vec::new();
    for (line, item) in crate_paths(code, &root) {
        let target = item.split("::").next().unwrap_or_default();
        // A capital names an item that the root of the crate exports again.
        if !target.starts_with(|c: char| c.is_ascii_lowercase()) {
            continue;
        }
        let lower = layer_of(target);
        let sibling = lower == layer && (target == module || LAYERS[layer].0);
        if lower >= layer && !sibling {
            found.push(format!("{line}: {module} imports {item}"));
        }
    }
    found
}

fn layer_of(module: &str) -> usize {
    let row = LAYERS.iter().position(|(_, modules)| modules.contains(&module));
    row.unwrap_or(LAYERS.len() - 1)
}

/// Every path from the root of the crate, as `module::Item`, braces spread out, with its line.
fn crate_paths(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for prefix in ["crate::", root] {
        for (at, _) in code.match_indices(prefix) {
            // `super::x` inside `super::super::x`, or `my_crate::x`, starts no path.
            if code[..at].ends_with(|c: char| is_word(c) || c == ':') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + prefix.len()..];
            paths.extend(spread(rest, 2).into_iter().map(|path| (line, path)));
        }
    }
    paths
}

/// The paths that `rest` starts with, cut to `segments` segments, each branch of braces apart.
fn spread(rest: &str, segments: usize) -> Vec<String> {
    let rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        return branches(inside).iter().flat_map(|branch| spread(branch, segments)).collect();
    }
    let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
    match rest[name.len()..].strip_prefix("::") {
        Some(tail) if segments > 1 => {
            let tails = spread(tail, segments - 1);
            tails.iter().map(|tail| format!("{name}::{tail}")).collect()
        }
        _ => vec![name],
    }
}

/// The branches of a brace group whose opening brace was just read.
fn branches(inside: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            '}' => {
                parts.push(&inside[start..at]);
                break;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Goal: each check finds what it is for, and nothing in sound code. Method: small bad sources.
mod the_checks {
    use super::*;

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn lines_must_be_ascii_short_and_finished() {
        assert_eq!(check_file("cli/src/a.rs", "fn a() {}\n// caf\u{e9}\n"), ["2: not ASCII"]);
        let wide = format!("//{}\n", "-".repeat(99));
        assert_eq!(check_file("cli/src/a.rs", &wide), ["1: 101 columns, at most 100"]);
        assert!(check_file("cli/src/a.rs", &wide.replacen('-', "", 1)).is_empty());
        for word in UNFINISHED {
            let text = format!("fn a() {{}}\n// {word}\n");
            assert_eq!(check_file("cli/src/a.rs", &text), [format!("2: {word}")]);
        }
    }

    #[test]
    fn unsafe_code_stays_where_it_is() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nfn a() {\n    unsafe { b() }\n}\n";
        assert_eq!(check_file("cli/src/a.rs", text), ["4: unsafe code"]);
        assert!(check_file(UNSAFE_FILES[0], text).is_empty());
    }

    #[test]
    fn functions_are_measured_whatever_their_literals_hold() {
        assert!(check_functions(&function_of(70)).is_empty());
        assert_eq!(check_functions(&function_of(71)), ["1: fn long of 71 lines, at most 70"]);
        let nested = format!("mod m {{\n    impl T {{\n{}    }}\n}}\n", function_of(71));
        assert_eq!(check_file("cli/src/a.rs", &nested).len(), 1);
        let signature = function_of(71).replace("()", "<'a>(a: &'a [u8; 4], f: fn(u8) -> u8)");
        assert_eq!(check_file("cli/src/a.rs", &signature).len(), 1);
        for line in [
            "'}'",
            "'\\''",
            "\"}\\\"}\"",
            "r#\"}\"}\"#",
            "b'}'",
            "br\"}\"",
            "/* } /* } */ } */",
            "// }",
        ] {
            let odd = function_of(71).replacen("step();", &format!("step(); {line}"), 1);
            assert_eq!(check_file("cli/src/a.rs", &odd).len(), 1, "{line}");
            let balanced = function_of(70).replacen("step();", &line.replace('}', "{"), 1);
            assert!(check_file("cli/src/a.rs", &balanced).is_empty(), "{line}");
        }
        let declared = format!("trait T {{\n    fn a(&self) -> [u8; 2];\n{}}}\n", "\n".repeat(80));
        assert!(check_file("cli/src/a.rs", &declared).is_empty());
    }

    #[test]
    fn files_are_measured_without_their_tests() {
        let body = "const A: u8 = 1;\n".repeat(800);
        let tests =
            format!("\n#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(300));
        let short = body.replacen("const A: u8 = 1;\n", "", 1);
        assert!(check_file("cli/src/a.rs", &format!("{short}{tests}")).is_empty());
        let long = check_file("cli/src/a.rs", &format!("{body}x\n"));
        assert_eq!(long, ["1: 801 lines without tests, at most 800"]);
    }

    #[test]
    fn imports_follow_the_layers() {
        for (path, text, found) in [
            ("format/frame.rs", "use crate::storage::Storage;", "format imports storage::Storage"),
            ("format/mod.rs", "use super::index::Index;", "format imports index::Index"),
            (
                "index/mod.rs",
                "use crate::{error::Error, storage::FileId};",
                "index imports storage::FileId",
            ),
            ("index/shard.rs", "use super::super::format::Frame;", "index imports format::Frame"),
            ("log.rs", "use crate::{\n    store::{Store, Scan},\n};", "log imports store::Store"),
            (
                "memtable.rs",
                "fn a() -> crate::recovery::Parts {}",
                "memtable imports recovery::Parts",
            ),
            ("limits.rs", "use crate::format;", "limits imports format"),
        ] {
            let all = check_imports(path, &blank_out(text));
            assert_eq!(all.first(), Some(&format!("1: {found}")), "{path}: {text}");
        }
        for (path, text) in [
            (
                "format/frame.rs",
                "use crate::file_id::{FileId, FileKind};\nuse super::record::Record;",
            ),
            ("log.rs", "use crate::{format, index::Index, memtable::Memtable, storage::*};"),
            ("store.rs", "use crate::{compaction, check};\nuse my_crate::store;"),
            ("limits.rs", "//! See crate::store.\n"),
            ("lib.rs", "pub use crate::store::Store;"),
        ] {
            assert!(check_imports(path, &blank_out(text)).is_empty(), "{path}: {text}");
        }
        // Not listed: it may import anything, and only its own row may import it.
        assert!(check_imports("novelty.rs", "use crate::store::Store;").is_empty());
        assert!(check_imports("check.rs", "use crate::novelty::A;").is_empty());
        assert_eq!(check_imports("recovery.rs", "use crate::novelty::A;").len(), 1);
        assert!(check_imports("index/tests.rs", "use crate::store::Store;").is_empty());
        let in_tests = "\n#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}\n";
        assert!(check_file("core/src/index/mod.rs", in_tests).is_empty());
        let elsewhere = "\n#[cfg(test)]\nmod tests;\nuse crate::store::Store;\n";
        assert_eq!(check_file("core/src/index/mod.rs", elsewhere).len(), 1);
    }
}
