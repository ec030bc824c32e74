//! Crash images: what a disk may hold once the power, or only the process, is gone.

use std::ops::Range;
use std::rc::Rc;

use siltdb_core::storage::FileId;

use super::Random;
use super::disk::{Disk, File, SECTOR};

/// What a power loss takes. Every choice is legal under the fault model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: all that was written had reached the disk.
    Nothing,
    /// All that was not synced: names, bytes, removals.
    Everything,
    /// One sector, counted over the un-synced sectors of all files in order; see
    /// [`super::SimStorage::volatile_sectors`].
    Sector(usize),
    /// As `Nothing`, but un-synced sectors hold garbage.
    Garbage(u64),
    /// Names, lengths and sectors as this seed has it.
    Random(u64),
}

impl Disk {
    /// The disk after a power loss: everything it holds is settled.
    pub fn power_loss(&self, loss: Loss) -> Disk {
        let mut random = Random::new(match loss {
            Loss::Random(seed) => seed,
            Loss::Garbage(seed) => seed ^ 0x6A5B,
            _ => 0,
        });
        // One image in four loses much, one in four little: extremes find more than averages.
        let keep = 1 + random.below(7);
        let mut painter = Painter { loss, keep, random, next_sector: 0, donors: self.donors() };
        let mut image = Disk::default();
        for (id, file) in self.choose_names(&mut painter) {
            image.files.insert(id, File::settled(painter.paint(file)));
        }
        image
    }

    /// The disk after the death of the process: all it wrote is there. Bytes whose sync failed
    /// may have left the cache, as the seed has it, and then show what the disk holds.
    pub fn process_death(&self, seed: u64) -> Disk {
        let mut random = Random::new(seed ^ 0xDEAD);
        let mut image = self.clone();
        for file in image.files.values_mut() {
            for range in std::mem::take(&mut file.doomed) {
                if random.one_in(2) {
                    Rc::make_mut(&mut file.bytes)[range].fill(0);
                } else {
                    file.doomed.push(range);
                }
            }
        }
        image
    }

    /// How many sectors a power loss may take.
    pub fn volatile_sectors(&self) -> usize {
        self.files.values().map(|file| file.volatile().len()).sum()
    }

    /// For each name the file a power loss leaves under it, if any.
    fn choose_names(&self, painter: &mut Painter) -> Vec<(FileId, &File)> {
        let mut ids: Vec<FileId> = self.files.keys().copied().collect();
        ids.extend(self.ghosts.iter().map(|(id, _)| *id));
        ids.sort_unstable();
        ids.dedup();
        let mut chosen = Vec::new();
        for id in ids {
            let now = self.files.get(&id);
            let before = self.ghosts.iter().rev().filter(|(ghost, _)| *ghost == id);
            let before: Vec<&File> = before.map(|(_, file)| file).collect();
            let kept = match painter.loss {
                _ if now.is_some_and(|file| file.named) => now,
                Loss::Nothing | Loss::Sector(_) | Loss::Garbage(_) => now,
                Loss::Everything => before.iter().rev().find(|file| file.named).copied(),
                Loss::Random(_) if painter.random.one_in(2) => now,
                Loss::Random(_) => {
                    // Any earlier life of the name; none only where none of them was settled.
                    let pick = painter.random.index(before.len() + 1);
                    before.get(pick).copied()
                }
            };
            chosen.extend(kept.map(|file| (id, file)));
        }
        chosen
    }

    /// Sectors of all files, removed ones too: recycled space may show any of them.
    fn donors(&self) -> Vec<Rc<Vec<u8>>> {
        let removed = self.ghosts.iter().map(|(_, file)| file);
        let files = self.files.values().chain(removed);
        files.map(|file| Rc::clone(&file.bytes)).filter(|b| b.len() >= SECTOR).collect()
    }
}

impl File {
    /// Byte ranges, none crossing a sector's edge, that a power loss may take.
    fn volatile(&self) -> Vec<Range<usize>> {
        if self.whole {
            return Vec::new();
        }
        let end = self.bytes.len().max(self.firm + self.stale.len());
        let below = self.doomed.iter().map(|r| r.start..r.end.min(self.firm));
        let mut pieces = Vec::new();
        for range in below.chain(std::iter::once(self.firm..end)) {
            let mut start = range.start;
            while start < range.end {
                let stop = (start + 1).next_multiple_of(SECTOR).min(range.end);
                pieces.push(start..stop);
                start = stop;
            }
        }
        pieces
    }
}

/// Makes the bytes of files as a power loss leaves them.
struct Painter {
    loss: Loss,
    keep: u64,
    random: Random,
    next_sector: usize,
    donors: Vec<Rc<Vec<u8>>>,
}

impl Painter {
    fn paint(&mut self, file: &File) -> Vec<u8> {
        let pieces = file.volatile();
        let mut image = file.bytes.to_vec();
        let end = image.len().max(file.firm + file.stale.len());
        let mut old = vec![0; end];
        old[file.firm..file.firm + file.stale.len()].copy_from_slice(&file.stale);
        match self.loss {
            Loss::Nothing => {}
            Loss::Everything => {
                for piece in pieces.iter().filter(|piece| piece.end <= file.firm) {
                    image[piece.clone()].fill(0);
                }
                image.truncate(file.firm);
                image.extend_from_slice(&file.stale);
            }
            Loss::Sector(lost) => self.lose_one(&mut image, &old, &pieces, lost),
            Loss::Garbage(_) => {
                let len = image.len();
                for piece in pieces.into_iter().filter(|piece| piece.end <= len) {
                    image[piece].fill_with(|| self.random.next_u64() as u8);
                }
            }
            Loss::Random(_) => {
                image.resize(end, 0);
                for piece in pieces {
                    self.repaint(&file.bytes, &mut image, &old, piece);
                }
                let len = self.length(file);
                image.truncate(len);
            }
        }
        self.next_sector += file.volatile().len();
        image
    }

    /// Loses one sector; when it is the file's last, the file ends before it.
    fn lose_one(&self, image: &mut Vec<u8>, old: &[u8], pieces: &[Range<usize>], lost: usize) {
        let Some(piece) = lost.checked_sub(self.next_sector).and_then(|n| pieces.get(n)) else {
            return;
        };
        let piece = piece.start.min(image.len())..piece.end.min(image.len());
        if piece.end == image.len() {
            image.truncate(piece.start);
        } else {
            image[piece.clone()].copy_from_slice(&old[piece]);
        }
    }

    /// One sector: new, old, zero, garbage, another file's, or torn between two of them.
    fn repaint(&mut self, own: &Rc<Vec<u8>>, image: &mut [u8], old: &[u8], piece: Range<usize>) {
        if self.random.below(8) < self.keep {
            return;
        }
        let len = piece.len();
        // Recycled space was another file's: a file never finds its own bytes elsewhere in it.
        let donors: Vec<&Rc<Vec<u8>>> =
            self.donors.iter().filter(|bytes| !Rc::ptr_eq(bytes, own)).collect();
        let other = match self.random.below(5) {
            0 => vec![0; len],
            1 => self.random.bytes(len),
            2 if !donors.is_empty() => {
                let donor = donors[self.random.index(donors.len())];
                let at = self.random.index(donor.len() / SECTOR) * SECTOR + piece.start % SECTOR;
                donor[at..at + len].to_vec()
            }
            _ => old[piece.clone()].to_vec(),
        };
        let torn = if self.random.one_in(3) { self.random.index(len) } else { 0 };
        image[piece.start + torn..piece.end].copy_from_slice(&other[torn..]);
    }

    /// The length: new, old, or any between.
    fn length(&mut self, file: &File) -> usize {
        if file.whole {
            return file.bytes.len();
        }
        let (old, new) = (file.firm + file.stale.len(), file.bytes.len());
        match self.random.below(4) {
            0 => old,
            1 => old.min(new) + self.random.index(old.abs_diff(new) + 1),
            _ => new,
        }
    }
}
