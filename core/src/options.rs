//! Options of a store, with sound defaults.

use crate::error::{ErrorKind, Result};
use crate::limits;

/// How long an acknowledged write is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Durability {
    /// Kept in the write buffer; lost with the process. Overwrites in the buffer coalesce.
    Buffered,
    /// Handed to the host: survives the death of the process, not a power loss.
    Flushed,
    /// Survives power loss.
    #[default]
    Synced,
}

impl Durability {
    /// The word for this level, as every home prints and reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Durability::Buffered => "buffered",
            Durability::Flushed => "flushed",
            Durability::Synced => "synced",
        }
    }

    /// The level of this word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "buffered" => Some(Durability::Buffered),
            "flushed" => Some(Durability::Flushed),
            "synced" => Some(Durability::Synced),
            _ => None,
        }
    }
}

/// Which superseded versions compaction keeps. Kept in the store itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retention {
    /// Only the newest version of a key.
    #[default]
    Latest,
    /// Every version that was the newest at some moment of the last so many microseconds.
    Age {
        /// Length of the window, in microseconds.
        us: u64,
    },
    /// The newest so many versions of a key, a delete counting as one.
    Versions {
        /// How many, at least 1.
        count: u32,
    },
    /// Everything.
    Forever,
}

/// When compaction runs by itself and how it chooses.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactionOptions {
    /// Whether compaction runs by itself.
    pub auto: bool,
    /// A segment with at least this share of dead and expired bytes is rewritten (0 to 1).
    pub dead_ratio: f32,
    /// A segment with fewer dead and expired bytes than this is not rewritten for them.
    pub dead_bytes_min: u64,
    /// This many neighbours of one size tier are merged.
    pub tier_count: usize,
    /// Sizes of neighbouring tiers differ by this factor.
    pub tier_factor: u64,
    /// Segments up to this size, in bytes, are all of the lowest tier.
    pub tier_bytes_min: u64,
    /// No automatic merge has more input than this, in bytes.
    pub input_bytes_max: u64,
}

impl Default for CompactionOptions {
    fn default() -> Self {
        Self {
            auto: true,
            dead_ratio: 0.5,
            dead_bytes_min: 256 << 10,
            tier_count: 6,
            tier_factor: 4,
            tier_bytes_min: 1 << 20,
            input_bytes_max: 2 << 30,
        }
    }
}

/// Options of an open store.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What a write is acknowledged for unless it says otherwise.
    pub durability: Durability,
    /// The active segment is sealed once it has this many bytes.
    pub segment_bytes: u64,
    /// On a clean close an active segment of at least this many bytes is sealed, so that the
    /// next open reads its key table and not its values.
    pub seal_on_close_bytes: u64,
    /// Longest time a flushed write waits for its sync, in milliseconds; the host's timer runs it.
    pub sync_interval_ms: u64,
    /// The write buffer is written out at this many bytes.
    pub buffer_bytes_max: usize,
    /// The write buffer is written out after this many milliseconds.
    pub buffer_ms_max: u64,
    /// Do not write a value that is already the newest: spares the disk, costs a read.
    pub skip_identical: bool,
    /// Size of the cache of values, in bytes; 0 for none. Not used where the backend lends slices.
    pub cache_bytes: usize,
    /// Automatic compaction.
    pub compaction: CompactionOptions,
    /// Retention of a store that is created; an existing store keeps its own.
    pub retention: Retention,
    /// Bits of key hash that a store is created with, 1 to 64: fewer than 64 only for tests of
    /// the collision path.
    pub hash_bits: u8,
    /// Whether a missing store is created.
    pub create: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Synced,
            segment_bytes: 64 << 20,
            seal_on_close_bytes: 1 << 20,
            sync_interval_ms: 250,
            buffer_bytes_max: 1 << 20,
            buffer_ms_max: 50,
            skip_identical: false,
            cache_bytes: 8 << 20,
            compaction: CompactionOptions::default(),
            retention: Retention::Latest,
            hash_bits: 64,
            create: true,
        }
    }
}

impl Options {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// `Invalid` names the first option out of range.
    pub fn validate(&self) -> Result<()> {
        let c = &self.compaction;
        if !(limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return Err(ErrorKind::Invalid("segment_bytes must be from 4096 to 2147483648").into());
        }
        if !(1..=64).contains(&self.hash_bits) {
            return Err(ErrorKind::Invalid("hash_bits must be from 1 to 64").into());
        }
        if !(0.01..=1.0).contains(&c.dead_ratio) {
            return Err(ErrorKind::Invalid("compaction.dead_ratio must be from 0.01 to 1").into());
        }
        if c.tier_count < 2 || c.tier_factor < 2 || c.tier_bytes_min == 0 {
            return Err(ErrorKind::Invalid(
                "compaction.tier_count and tier_factor must be at least 2, \
                 tier_bytes_min at least 1",
            )
            .into());
        }
        self.retention.validate()
    }
}

impl Retention {
    /// Checks the rule's number against its range.
    ///
    /// # Errors
    /// `Invalid` when the count is out of range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Retention::Versions { count: 0 } => {
                Err(ErrorKind::Invalid("retention must keep at least 1 version").into())
            }
            Retention::Versions { count } if *count > limits::RETAIN_VERSIONS_MAX => {
                Err(ErrorKind::Invalid("retention may keep at most 1048576 versions").into())
            }
            _ => Ok(()),
        }
    }
}
