//! The states a power loss may leave of a recorded run.
//!
//! What a sync covered is there. Of the rest every piece is there or not, each by itself: a
//! 512-byte sector of a write, a change of length, a name. Renaming is one piece: the file has
//! its old name or its new one. A piece that is there takes effect in the order of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::record::Event;
use crate::sim::Random;

const SECTOR: u64 = 512;

/// Which of the pieces that no sync covered are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// None of them.
    None,
    /// All of them: the process died and the power stayed.
    All,
    /// All but one, counted through (modulo their number).
    AllBut(u64),
    /// Only one, counted through (modulo their number).
    Only(u64),
    /// A random subset.
    Some(u64),
}

/// What is left of a run: directories, and files with their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Image {
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, Vec<u8>>,
}

/// A piece that is there or not.
enum Piece<'a> {
    Event(&'a Event),
    Length { file: usize, len: u64 },
    Sector { file: usize, offset: u64, bytes: &'a [u8] },
}

impl Image {
    /// What may be left if the power goes when `events` are done and nothing after them.
    #[must_use]
    pub fn after(events: &[Event], choice: Choice) -> Self {
        let pieces = pieces(events);
        let open = pieces.iter().filter(|(_, settled)| !settled).count().max(1) as u64;
        let mut random = Random::new(if let Choice::Some(seed) = choice { seed } else { 0 });
        let mut kept = Vec::new();
        let mut at = 0;
        for (piece, settled) in pieces {
            let keep = settled
                || match choice {
                    Choice::None => false,
                    Choice::All => true,
                    Choice::AllBut(n) => at != n % open,
                    Choice::Only(n) => at == n % open,
                    Choice::Some(_) => random.below(2) == 0,
                };
            at += u64::from(!settled);
            if keep {
                kept.push(piece);
            }
        }
        build(&kept)
    }

    /// How many pieces no sync covers once `events` are done.
    #[must_use]
    pub fn open_pieces(events: &[Event]) -> usize {
        pieces(events).iter().filter(|(_, settled)| !settled).count()
    }

    /// Writes the image below `root`, an empty directory.
    pub fn write_to(&self, root: &Path) {
        for dir in &self.dirs {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        for (name, bytes) in &self.names {
            let path = root.join(name);
            // A directory that was lost took its files along.
            if path.parent().is_some_and(Path::is_dir) {
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

/// The pieces of a run in order, and whether a later sync covers each.
fn pieces(events: &[Event]) -> Vec<(Piece<'_>, bool)> {
    let (mut files, mut dirs) = (BTreeSet::new(), BTreeSet::new());
    let mut settled = vec![false; events.len()];
    for (at, event) in events.iter().enumerate().rev() {
        match event {
            Event::Sync { file } => _ = files.insert(*file),
            Event::SyncDir { path } => _ = dirs.insert(path.as_path()),
            Event::Write { file, .. } | Event::SetLen { file, .. } => {
                settled[at] = files.contains(file);
            }
            Event::Create { path, .. }
            | Event::Rename { to: path, .. }
            | Event::Unlink { path }
            | Event::MakeDir { path } => {
                settled[at] = dirs.contains(path.parent().unwrap_or(Path::new("")));
            }
            Event::Mark(_) => {}
        }
    }
    let mut pieces = Vec::new();
    for (event, settled) in events.iter().zip(settled) {
        match event {
            Event::Write { file, offset, bytes } if !settled => {
                let (file, offset) = (*file, *offset);
                pieces.push((Piece::Length { file, len: offset + bytes.len() as u64 }, false));
                for (offset, bytes) in sectors(offset, bytes) {
                    pieces.push((Piece::Sector { file, offset, bytes }, false));
                }
            }
            Event::Sync { .. } | Event::SyncDir { .. } | Event::Mark(_) => {}
            _ => pieces.push((Piece::Event(event), settled)),
        }
    }
    pieces
}

/// The parts of a write by the sectors of the file they fall into.
fn sectors(mut offset: u64, mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let len = ((SECTOR - offset % SECTOR) as usize).min(bytes.len());
        let (part, rest) = bytes.split_at(len);
        parts.push((offset, part));
        offset += len as u64;
        bytes = rest;
    }
    parts
}

fn build(pieces: &[Piece<'_>]) -> Image {
    let mut files: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut names: BTreeMap<&Path, usize> = BTreeMap::new();
    let mut image = Image::default();
    for piece in pieces {
        match piece {
            Piece::Length { file, len } => write(&mut files, *file, *len, &[]),
            Piece::Sector { file, offset, bytes } => write(&mut files, *file, *offset, bytes),
            Piece::Event(Event::Write { file, offset, bytes }) => {
                write(&mut files, *file, *offset, bytes);
            }
            Piece::Event(Event::SetLen { file, len }) => {
                files.entry(*file).or_default().resize(*len as usize, 0);
            }
            Piece::Event(Event::Create { path, file }) => _ = names.insert(path, *file),
            Piece::Event(Event::Rename { from, to, file }) => {
                names.remove(from.as_path());
                names.insert(to, *file);
            }
            Piece::Event(Event::Unlink { path }) => _ = names.remove(path.as_path()),
            Piece::Event(Event::MakeDir { path }) => _ = image.dirs.insert(path.clone()),
            Piece::Event(_) => {}
        }
    }
    for (path, file) in names {
        image.names.insert(path.to_path_buf(), files.get(&file).cloned().unwrap_or_default());
    }
    image
}

fn write(files: &mut BTreeMap<usize, Vec<u8>>, file: usize, offset: u64, bytes: &[u8]) {
    let content = files.entry(file).or_default();
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        // A hole where earlier writes are not there: zeros.
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}
