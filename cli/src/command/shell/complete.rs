//! What Tab offers: commands, their flags, keys of the store.

use clap::Command;
use siltdb::ScanOptions;

use super::line::Session;
use super::words::{self, Word};

/// Keys offered at once.
const KEYS_MAX: u64 = 100;

/// What can stand where the cursor is.
#[derive(Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where the word starts that is replaced.
    pub start: usize,
    /// What it can be, in order.
    pub candidates: Vec<String>,
}

/// The candidates for the word that ends at the cursor, which is at the end of `line`.
pub fn complete(session: &Session, commands: &[Command], line: &str) -> Offer {
    let mut found = words::cut(line);
    let open = match found.words.last() {
        Some(word) if word.end == line.len() => found.words.pop(),
        _ => None,
    };
    let start = open.as_ref().map_or(line.len(), |word| word.start);
    let text = open.map(|word| word.text).unwrap_or_default();
    let candidates = if found.comment.is_some() {
        Vec::new()
    } else {
        candidates(session, commands, &found.words, &text)
    };
    Offer { start, candidates }
}

fn candidates(session: &Session, commands: &[Command], before: &[Word], text: &str) -> Vec<String> {
    let Some(name) = before.first().map(|word| word.text.as_str()) else {
        return starting(commands.iter().map(Command::get_name), text);
    };
    match name {
        "help" if before.len() == 1 => {
            return starting(commands.iter().map(Command::get_name), text);
        }
        "at" if before.len() == 1 => return starting(["now"].into_iter(), text),
        "timing" => return starting(["on", "off"].into_iter(), text),
        "retain" => return starting(["forever", "latest"].into_iter(), text),
        _ => {}
    }
    let Some(command) = commands.iter().find(|c| c.get_name() == name) else { return Vec::new() };
    if text.starts_with("--") {
        let flags: Vec<String> = command
            .get_arguments()
            .filter_map(|argument| argument.get_long())
            .map(|long| format!("--{long}"))
            .collect();
        return starting(flags.iter().map(String::as_str), text);
    }
    if wants_key(command, before) { keys(session, text) } else { Vec::new() }
}

/// Whether the next word is a key or the start of one.
fn wants_key(command: &Command, before: &[Word]) -> bool {
    let last = before.last().map_or("", |word| word.text.as_str());
    if matches!(last, "--prefix" | "--from" | "--to") {
        // The moments of diff have the same names as ends of ranges.
        return command.get_name() != "diff" || last == "--prefix";
    }
    let takes_value = |word: &str| {
        command
            .get_arguments()
            .any(|a| a.get_long() == word.strip_prefix("--") && a.get_action().takes_values())
    };
    if last.starts_with("--") && takes_value(last) {
        return false;
    }
    match command.get_name() {
        "del" => true,
        "get" | "set" | "history" => {
            let mut is_value = false;
            let is_word = |word: &Word| {
                let is_flag = !is_value && word.text.starts_with("--");
                let is_plain = !is_value && !is_flag;
                is_value = is_flag && takes_value(&word.text);
                is_plain
            };
            before[1..].iter().map(is_word).filter(|plain| *plain).count() == 0
        }
        _ => false,
    }
}

fn starting<'a>(names: impl Iterator<Item = &'a str>, text: &str) -> Vec<String> {
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with(text)).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// The first keys that start with `text`, and the last one, so that what all of them have in
/// common is what all such keys have in common. A store that cannot be read offers none.
fn keys(session: &Session, text: &str) -> Vec<String> {
    let Ok(store) = session.store() else { return Vec::new() };
    let scan = ScanOptions {
        prefix: Some(text.as_bytes().to_vec()),
        limit: Some(KEYS_MAX),
        keys_only: true,
        ..ScanOptions::default()
    };
    let last = ScanOptions { reverse: true, limit: Some(1), ..scan.clone() };
    let mut keys = Vec::new();
    for scan in [scan, last] {
        let Ok(rows) = store.scan(&scan) else { return Vec::new() };
        for record in rows {
            // Only what can be typed at a prompt is offered.
            if let Ok(record) = record
                && let Ok(key) = String::from_utf8(record.key)
                && !key.contains(char::is_control)
                && keys.last() != Some(&key)
            {
                keys.push(key);
            }
        }
    }
    keys.into_iter().map(|key| words::quote(&key)).collect()
}
