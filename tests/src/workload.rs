//! Operations of a random workload, made of a few small numbers each.
//!
//! Small numbers shrink well and print short; what they stand for (keys, values, moments) is
//! looked up when the operation runs. Keys are few, so that they are overwritten, deleted and
//! compacted all the time.

use siltdb_core::options::{CompactionOptions, Durability, Options, Retention};

use crate::sim::{Random, SimOptions};

/// Keys of the small key space.
pub const KEYS: u8 = 24;

/// One step of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Sets a key by the plain call.
    Set {
        /// Which key.
        key: u8,
        /// Which value.
        value: u16,
    },
    /// Deletes a key by the plain call.
    Delete {
        /// Which key.
        key: u8,
    },
    /// Commits a batch.
    Write {
        /// Its operations.
        batch: Vec<BatchOp>,
        /// Level asked for.
        durability: Option<Durability>,
    },
    /// Raises all that came before to synced.
    Sync,
    /// Lets the store do what has come due.
    Tick,
    /// Seals the active segment.
    Seal,
    /// Compacts on demand, to the end.
    Compact,
    /// Compacts a little.
    CompactStep(u64),
    /// Loads some slots of the index.
    LoadIndex(u64),
    /// Reads one key in every way.
    Get {
        /// Which key.
        key: u8,
        /// As of this moment, counted back in commits.
        back: u8,
    },
    /// Scans, counts.
    Scan(ScanOp),
    /// Asks for the changes between two moments, counted back in commits.
    Diff {
        /// The earlier one.
        from: u8,
        /// The later one.
        to: u8,
        /// Range.
        scan: ScanOp,
    },
    /// Compares everything with the model.
    CheckAll,
    /// Takes a view, to be looked at later.
    TakeView {
        /// Counted back in commits; 0 is now.
        back: u8,
    },
    /// Compares a view with the model and drops it.
    DropView,
    /// Changes the retention rule.
    SetRetention(u8),
    /// Moves the clock on by so many microseconds.
    Advance(u64),
    /// Moves the clock back by so many microseconds.
    Rewind(u64),
    /// Freezes the clock or lets it go on.
    Freeze(bool),
    /// Copies the store by a snapshot, restores it elsewhere and compares.
    Snapshot,
    /// Verifies all files.
    Verify,
    /// Closes and opens again.
    Reopen,
    /// The process dies; opens again.
    Kill(u64),
    /// The power fails; opens again.
    PowerLoss(u64),
}

/// One operation of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOp {
    /// Which key.
    pub key: u8,
    /// Which value, or a delete.
    pub value: Option<u16>,
    /// Time to live in microseconds from now; may be in the past.
    pub ttl: Option<i64>,
    /// What the condition asks: 0 none, 1 absent, 2 the newest seq, 3 a wrong seq.
    pub condition: u8,
}

/// A range to scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanOp {
    /// Start, inclusive.
    pub from: Option<u8>,
    /// End, exclusive.
    pub to: Option<u8>,
    /// Prefix: the first bytes of this key.
    pub prefix: Option<u8>,
    /// Backwards.
    pub reverse: bool,
    /// At most so many.
    pub limit: Option<u8>,
    /// Without values.
    pub keys_only: bool,
    /// As of a moment, counted back in commits; `None` is now.
    pub back: Option<u8>,
}

/// The small numbers an operation is made of.
pub type Raw = (u8, u8, u8, u16);

/// Which calls a workload makes besides those that write and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Reopening, cleanly.
    pub reopen: bool,
    /// Process deaths and power losses.
    pub crash: bool,
    /// The clock going back and standing still.
    pub clock: bool,
    /// Records that expire.
    pub ttl: bool,
}

impl Palette {
    /// Everything.
    pub const ALL: Palette = Palette { reopen: true, crash: true, clock: true, ttl: true };
}

/// The bytes of a key: of all lengths, with common prefixes, and some that are not text.
#[must_use]
pub fn key(n: u8) -> Vec<u8> {
    let n = n % KEYS;
    match n {
        0 => b"a".to_vec(),
        1 => b"ab".to_vec(),
        2 => vec![0],
        3 => vec![0, 0],
        4 => vec![0xFF],
        5 => vec![0xFF; 3],
        6 => vec![b'l'; 300],
        7 => [vec![b'l'; 300], vec![0]].concat(),
        8 => vec![b'm'; 1_200],
        _ => format!("user:{}:{}", n % 3, n).into_bytes(),
    }
}

/// The bytes of a value: mostly short, some longer than a sector, few longer than what shares
/// a checksum with its key.
#[must_use]
pub fn value(n: u16) -> Vec<u8> {
    let len = match n % 64 {
        0 => 0,
        1..=39 => usize::from(n % 40),
        40..=55 => 100 + usize::from(n % 200),
        56..=61 => 500 + usize::from(n % 100) * 8,
        62 => 4_096,
        _ => 4_097 + usize::from(n % 500),
    };
    Random::new(u64::from(n)).bytes(len)
}

impl Op {
    /// The operation these numbers stand for.
    #[must_use]
    pub fn from_raw((kind, a, b, c): Raw, palette: Palette) -> Op {
        // A few values come often, so that a key is set to what it has already.
        let value = if c.is_multiple_of(4) { c % 32 } else { c };
        let plain = Op::Set { key: a, value };
        match kind {
            0..=69 => plain,
            70..=94 => Op::Delete { key: a },
            95..=134 => Op::Write { batch: batch(a, b, c, palette), durability: level(b) },
            135..=139 => Op::Sync,
            140..=145 => Op::Tick,
            146..=151 => Op::Seal,
            152..=154 => Op::Compact,
            155..=166 => Op::CompactStep(1 + u64::from(c) * 4),
            167..=172 => Op::LoadIndex(1 + u64::from(b)),
            173..=190 => Op::Get { key: a, back: b % 32 },
            191..=204 => Op::Scan(scan(a, b, c)),
            205..=209 => Op::Diff { from: b, to: (c >> 8) as u8, scan: scan(a, 0, c) },
            210..=212 => Op::CheckAll,
            213..=218 => Op::TakeView { back: if b < 128 { 0 } else { b % 16 } },
            219..=224 => Op::DropView,
            225..=226 => Op::SetRetention(a),
            227..=236 => Op::Advance(1 + u64::from(c) * u64::from(b) * 4),
            237..=238 if palette.clock => Op::Rewind(u64::from(c) * 64),
            239 if palette.clock => Op::Freeze(b < 128),
            240 => Op::Snapshot,
            241..=242 => Op::Verify,
            243..=246 if palette.reopen => Op::Reopen,
            247..=250 if palette.crash => Op::Kill(u64::from(c)),
            251..=255 if palette.crash => Op::PowerLoss(u64::from(c)),
            _ => plain,
        }
    }

    /// A random operation.
    pub fn random(random: &mut Random, palette: Palette) -> Op {
        let x = random.next_u64();
        Op::from_raw((x as u8, (x >> 8) as u8, (x >> 16) as u8, (x >> 32) as u16), palette)
    }
}

fn level(b: u8) -> Option<Durability> {
    match b % 8 {
        0 | 1 => Some(Durability::Synced),
        2 | 3 => Some(Durability::Flushed),
        4 | 5 => Some(Durability::Buffered),
        _ => None,
    }
}

fn batch(a: u8, b: u8, c: u16, palette: Palette) -> Vec<BatchOp> {
    let mut random = Random::new(u64::from(a) ^ u64::from(b) << 8 ^ u64::from(c) << 16);
    let count = 1 + usize::from(a % 6);
    let op = |random: &mut Random| BatchOp {
        key: random.next_u64() as u8,
        value: (!random.one_in(4)).then(|| random.next_u64() as u16),
        ttl: match random.below(12) {
            0 => Some(-5),
            1 => Some(0),
            2 => Some(50),
            3 => Some(20_000),
            4 => Some(2_000_000),
            _ => None,
        }
        .filter(|_| palette.ttl),
        condition: if random.one_in(6) { 1 + random.below(3) as u8 } else { 0 },
    };
    (0..count).map(|_| op(&mut random)).collect()
}

fn scan(a: u8, b: u8, c: u16) -> ScanOp {
    let some = |flag: u16, n: u8| (c & flag != 0).then_some(n);
    ScanOp {
        from: some(1, a % KEYS),
        to: some(2, a.wrapping_mul(7) % KEYS),
        prefix: some(4, a.wrapping_mul(5) % KEYS),
        reverse: c & 8 != 0,
        limit: some(16, a % 9),
        keys_only: c & 32 != 0,
        back: some(64, b % 24),
    }
}

/// The retention rule a small number stands for.
#[must_use]
pub fn retention(n: u8) -> Retention {
    match n % 6 {
        0 | 1 => Retention::Latest,
        2 => Retention::Age { us: 40_000 },
        3 => Retention::Age { us: 4_000_000 },
        4 => Retention::Versions { count: 1 + u32::from(n / 6 % 4) },
        _ => Retention::Forever,
    }
}

/// Options small enough that everything happens within a few dozen commits.
#[must_use]
pub fn small_options(seed: u64) -> Options {
    let mut random = Random::new(seed ^ 0x0971_0715);
    Options {
        durability: match random.below(4) {
            0 => Durability::Flushed,
            1 => Durability::Buffered,
            _ => Durability::Synced,
        },
        segment_bytes: 4_096,
        seal_on_close_bytes: [1, 2_000, 1 << 20][random.index(3)],
        sync_interval_ms: [0, 5, 250][random.index(3)],
        buffer_bytes_max: [200, 2_000, 1 << 20][random.index(3)],
        buffer_ms_max: [0, 5, 50][random.index(3)],
        skip_identical: random.one_in(4),
        cache_bytes: [0, 600, 1 << 16][random.index(3)],
        compaction: CompactionOptions {
            auto: !random.one_in(4),
            dead_ratio: [0.1, 0.5, 0.9][random.index(3)],
            dead_bytes_min: 200,
            tier_count: 2 + random.index(3),
            tier_factor: 2 + random.below(3),
            tier_bytes_min: 4_096,
            input_bytes_max: [20_000, 1 << 20][random.index(2)],
        },
        retention: retention(random.next_u64() as u8),
        hash_bits: if random.one_in(4) { 8 } else { 64 },
        create: true,
    }
}

/// What the disk of a run is like.
#[must_use]
pub fn small_disk(seed: u64) -> SimOptions {
    let mut random = Random::new(seed ^ 0xD15C);
    SimOptions { seed, reserve: [0, 0, 1_000, 4_096][random.index(4)], lend: random.one_in(3) }
}
