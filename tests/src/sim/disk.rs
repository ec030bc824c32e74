//! What a simulated disk holds: for every file what the process sees, and how much of it a
//! power loss would leave alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use siltdb_core::storage::FileId;

/// Bytes the disk reads and writes as one.
pub const SECTOR: usize = 512;

/// One file, or one that was removed and may come back.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    /// What the process sees, space reserved ahead included.
    pub bytes: Rc<Vec<u8>>,
    /// Bytes appended; what follows in `bytes` is reserved.
    pub len: usize,
    /// How often the file was cut.
    pub cuts: u64,
    /// Bytes before this survive every power loss, doomed ones excepted.
    pub firm: usize,
    /// What the disk may still hold from `firm` on: bytes that a resume cut off.
    pub stale: Vec<u8>,
    /// Bytes whose sync failed once: unknown for ever, even when a later sync succeeds.
    pub doomed: Vec<Range<usize>>,
    /// Whether the name survives power loss.
    pub named: bool,
    /// Published: absent or whole, so its bytes are firm even while its name is not.
    pub whole: bool,
}

/// All files of a disk. Cloning is cheap: files share their bytes until one is appended to.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub files: BTreeMap<FileId, File>,
    /// Removed files that a power loss may bring back.
    pub ghosts: Vec<(FileId, File)>,
}

impl File {
    /// A file that is on the disk for good.
    pub fn settled(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self { bytes: Rc::new(bytes), len, firm: len, named: true, ..Self::default() }
    }

    /// A published file; its name is settled by the caller.
    pub fn published(bytes: &[u8]) -> Self {
        Self { whole: true, named: false, ..Self::settled(bytes.to_vec()) }
    }

    /// Appends, keeping `reserve` bytes ahead (a multiple; 0 for none).
    pub fn append(&mut self, bytes: &[u8], reserve: usize) {
        let all = Rc::make_mut(&mut self.bytes);
        let end = self.len + bytes.len();
        if all.len() < end {
            let room = if reserve == 0 { end } else { end.next_multiple_of(reserve) };
            all.resize(room, 0);
        }
        all[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Cuts the file at `len`; the disk may go on holding what is cut off.
    pub fn cut(&mut self, len: usize) {
        self.cuts += 1;
        if len < self.bytes.len() {
            let from = self.firm.min(len);
            let seen = self.bytes[from..].to_vec();
            // What was stale before is older still; the longer one makes the harder image.
            if len < self.firm || seen.len() > self.stale.len() {
                self.stale = seen;
            }
            self.firm = from;
            Rc::make_mut(&mut self.bytes).truncate(len);
        }
        self.len = len;
        self.clip_doomed();
    }

    /// Gives back the space reserved ahead.
    pub fn finish(&mut self) {
        Rc::make_mut(&mut self.bytes).truncate(self.len);
    }

    /// A sync that reached the disk.
    pub fn settle(&mut self) {
        // Reserved space stays volatile: what is appended into it later may be lost again.
        self.firm = self.len;
        self.stale = vec![0; self.bytes.len() - self.len];
        self.named = true;
    }

    /// A sync that failed.
    pub fn doom(&mut self) {
        if self.firm < self.bytes.len() {
            self.doomed.push(self.firm..self.bytes.len());
        }
    }

    fn clip_doomed(&mut self) {
        let len = self.len;
        for range in &mut self.doomed {
            range.end = range.end.min(len);
        }
        self.doomed.retain(|range| range.start < range.end);
    }
}

impl Disk {
    /// Removes a file; it may come back.
    pub fn remove(&mut self, id: FileId) {
        if let Some(file) = self.files.remove(&id) {
            self.ghosts.push((id, file));
        }
    }

    /// A sync of a file that reached the disk: earlier files of this name are gone for good.
    pub fn settle(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(&id) {
            file.settle();
            self.ghosts.retain(|(ghost, _)| *ghost != id);
        }
    }

    /// Bytes of all files.
    pub fn total(&self) -> u64 {
        self.files.values().map(|file| file.bytes.len() as u64).sum()
    }
}
