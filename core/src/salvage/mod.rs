//! Salvage: a new store of what can still be read of a damaged one.
//!
//! The damaged store is not touched. Every byte of its segments that may be data is looked at:
//! frames carry their own checksums, so a record is found wherever it stands whole, whatever is
//! damaged around it. Records keep their sequence numbers, and so their times and their history.

mod build;
mod scan;
mod wreck;

use alloc::vec::Vec;

use self::build::NewStore;
use self::scan::scan;
use self::wreck::{newest_manifest, wrecks};
use crate::error::{ErrorKind, Result};
use crate::host::Host;
use crate::options::Options;
use crate::recovery;
use crate::storage::{FileId, Storage};
use crate::types::Progress;

/// Progress is told about so often, in bytes.
const PROGRESS_LEN: u64 = 1 << 20;

/// A place that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: FileId,
    /// Where the bytes start that are no record.
    pub offset: u64,
    /// How many bytes that are.
    pub len: u64,
}

/// What was saved, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// Whether a manifest could be read. Without one, files that a compaction had replaced are
    /// taken for data too, and what they hold of deleted keys may be back.
    pub manifest: bool,
    /// Segments looked through.
    pub segments: u64,
    /// Records saved, superseded ones and deletes included.
    pub records: u64,
    /// Records that sealed segments count and that were not found.
    pub lost_records: u64,
    /// Batches of which a part was saved.
    pub parted_batches: u64,
    /// Bytes at the end of the log that a stop in the middle of an append left: no loss.
    pub torn_bytes: u64,
    /// Places that could not be read, in the order of the files.
    pub damage: Vec<Damage>,
    /// Largest sequence number saved.
    pub last_seq: u64,
}

impl SalvageReport {
    /// Whether anything may be missing from the new store, or too much in it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.manifest && self.damage.is_empty() && self.lost_records == 0
    }

    fn damaged(&mut self, file: FileId, offset: u64, len: u64) {
        self.damage.push(Damage { file, offset, len });
    }
}

/// Makes a store in `target`, which must be empty, of what can be read in `source`.
///
/// Memory is 24 bytes for each record, and the keys of one new segment at a time.
///
/// # Errors
/// `NotEmpty`; `NoStore`; `Unsupported`; the target's failure. Nothing is left in `target` then.
///
/// # Crash behaviour
/// A crash leaves segments without a manifest in `target`, which do not open as a store.
pub fn salvage<S: Storage, H: Host>(
    source: &S,
    target: &S,
    host: &H,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<SalvageReport> {
    let mut is_empty = true;
    target.list(&mut |_, _| is_empty = false)?;
    if !is_empty {
        return Err(ErrorKind::NotEmpty.into());
    }
    let mut report = SalvageReport::default();
    let files = recovery::list(source)?;
    if files.is_empty() {
        return Err(ErrorKind::NoStore.into());
    }
    let manifest = newest_manifest(source, &files, &mut report)?;
    let wrecks = wrecks(source, &files, manifest.as_ref(), &mut report)?;
    let scanned: u64 = wrecks.iter().map(|wreck| wreck.end).sum();
    let mut told = Told { progress, done: 0, total: scanned * 2, next: 0 };
    let mut found = Vec::new();
    for (i, wreck) in wrecks.iter().enumerate() {
        scan(wreck, i as u32, &mut found, &mut report, &mut told)?;
    }
    found.sort_unstable();
    let mut new = NewStore::begin(target, host, options, manifest.as_ref());
    let result = new.write(&wrecks, &found, &mut report, &mut told);
    if result.is_err() {
        for number in 1..=new.manifest.log.number {
            // Garbage without a manifest is no store; the first error matters more.
            let _ = target.remove(FileId::segment(number));
        }
    }
    result.map(|()| report)
}

/// Tells progress now and then.
struct Told<'a> {
    progress: &'a mut dyn FnMut(Progress),
    done: u64,
    total: u64,
    next: u64,
}

impl Told<'_> {
    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.done >= self.next {
            self.next = self.done + PROGRESS_LEN;
            (self.progress)(Progress { done: self.done, total: self.total.max(self.done) });
        }
    }
}
