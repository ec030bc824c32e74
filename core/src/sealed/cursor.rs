//! A cursor over the versions one part holds, in the order (key ascending, seq descending), moved
//! by ordinal, so that both directions are the same work.

use alloc::sync::Arc;

use super::Sealed;
use super::state::State;
use crate::error::{Error, Result};
use crate::memtable::Run;
use crate::segment_file::SegmentFile;
use crate::storage::ReadAt;

/// Something that holds ordered versions: a sealed segment or a run of a memtable.
#[derive(Debug)]
pub enum Part<R> {
    /// A sealed segment.
    Sealed(Arc<Sealed<R>>),
    /// An ordered run in memory, with the file its values stand in.
    Run(Arc<SegmentFile<R>>, Arc<Run>),
}

impl<R> Clone for Part<R> {
    fn clone(&self) -> Self {
        match self {
            Part::Sealed(sealed) => Part::Sealed(Arc::clone(sealed)),
            Part::Run(file, run) => Part::Run(Arc::clone(file), Arc::clone(run)),
        }
    }
}

/// The version a cursor stands on, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Sequence number.
    pub seq: u64,
    /// Whether it is a delete.
    pub tombstone: bool,
    /// Expiry, 0 for none.
    pub expires: u64,
}

/// Stands on one version of a part.
#[derive(Debug)]
pub struct Cursor<R> {
    part: Part<R>,
    len: u64,
    state: State,
}

impl<R: ReadAt> Part<R> {
    /// The file the part's values stand in.
    pub fn file(&self) -> &Arc<SegmentFile<R>> {
        match self {
            Part::Sealed(sealed) => &sealed.file,
            Part::Run(file, _) => file,
        }
    }

    /// How many versions the part holds.
    pub fn len(&self) -> u64 {
        match self {
            Part::Sealed(sealed) => sealed.numbers().records,
            Part::Run(_, run) => run.len() as u64,
        }
    }

    /// Whether the part holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<R: ReadAt> Cursor<R> {
    /// A cursor that stands nowhere yet.
    pub fn new(part: Part<R>) -> Self {
        Self { len: part.len(), part, state: State::default() }
    }

    /// How many versions the part holds.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the part holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Moves to the version of this ordinal, from 0 to `len() - 1`.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn move_to(&mut self, ordinal: u64) -> Result<()> {
        match &self.part {
            Part::Run(_, run) => {
                self.state.move_in_run(run, ordinal as usize);
                Ok(())
            }
            Part::Sealed(sealed) if sealed.numbers().sorted => {
                self.state.move_in_sorted(sealed, ordinal)
            }
            Part::Sealed(sealed) => self.state.move_in_arrival(sealed, ordinal),
        }
    }

    /// The version the cursor stands on.
    pub fn version(&self) -> Version<'_> {
        self.state.version()
    }

    /// Offset and length of the frame the cursor stands on.
    pub fn frame_place(&self) -> (u32, u32) {
        (self.state.offset, self.state.len)
    }

    /// The version the cursor stands on, with its value.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn record(&mut self) -> Result<(Version<'_>, &[u8])> {
        if let Part::Run(file, run) = &self.part {
            self.state.gather_in_run(file, run)?;
        }
        self.state.record(self.part.file())
    }

    /// The first ordinal whose version is not before (`key`, `seq`) in the order: keys
    /// ascending, sequence numbers descending. `len()` if there is none.
    ///
    /// # Errors
    /// Damage; the storage's failure.
    pub fn lower_bound(&mut self, key: &[u8], seq: u64) -> Result<u64> {
        let (mut low, mut high) = match &self.part {
            Part::Run(_, run) => (run.lower_bound(key) as u64, self.len),
            Part::Sealed(sealed) => {
                let directory = sealed.directory()?;
                if directory.blocks() == 0 {
                    return Err(Error::corrupt(sealed.file.id(), 0, "a segment with blocks"));
                }
                (directory.fence(directory.block_of_key(key)).first, self.len)
            }
        };
        // Gallop from the first candidate: it is mostly near.
        let mut step = 16;
        while low < high {
            let probe = (low + step).min(high) - 1;
            self.move_to(probe)?;
            if self.before(key, seq) {
                low = probe + 1;
                step *= 2;
            } else {
                high = probe;
                break;
            }
        }
        while low < high {
            let middle = low.midpoint(high);
            self.move_to(middle)?;
            if self.before(key, seq) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn before(&self, key: &[u8], seq: u64) -> bool {
        let found = self.version();
        (found.key, u64::MAX - found.seq) < (key, u64::MAX - seq)
    }
}
