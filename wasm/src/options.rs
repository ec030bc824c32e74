//! Options of an engine, as `js/engine.ts` packs them: a tag and a number each.

use siltdb_core::error::Error;
use siltdb_core::options::{Durability, Options, Retention};

use crate::wire::Reader;

/// Segments are smaller than in native stores: memory of a browser tab is scarcer.
const SEGMENT_BYTES: u64 = 8 << 20;

/// Memory of the cache of what is in the files.
pub(crate) const CACHE_BYTES: usize = 32 << 20;

/// What an engine is opened with.
pub(crate) struct EngineOptions {
    pub(crate) store: Options,
    pub(crate) cache_bytes: usize,
    /// Whether compaction runs by itself, in steps that the host gives time for.
    pub(crate) auto_compact: bool,
}

/// The level of a number that was taken off these fields; `None` for the store's own.
pub(crate) fn level(number: u64, fields: &mut Reader<'_>) -> Option<Durability> {
    match number {
        0 => return None,
        1 => return Some(Durability::Buffered),
        2 => return Some(Durability::Flushed),
        3 => return Some(Durability::Synced),
        _ => fields.refuse(),
    }
    None
}

/// The number of a level.
pub(crate) fn level_number(durability: Durability) -> u8 {
    match durability {
        Durability::Buffered => 1,
        Durability::Flushed => 2,
        Durability::Synced => 3,
    }
}

/// The retention rule of a kind that was taken off these fields, where its amount is next.
pub(crate) fn retention(kind: u64, fields: &mut Reader<'_>) -> Retention {
    let amount = fields.n();
    match kind {
        0 => {}
        1 => return Retention::Age { us: amount },
        // A count too large stays one, for the store to refuse.
        2 => return Retention::Versions { count: u32::try_from(amount).unwrap_or(u32::MAX) },
        3 => return Retention::Forever,
        _ => fields.refuse(),
    }
    Retention::Latest
}

/// Kind and amount of a retention rule.
pub(crate) fn retention_numbers(rule: Retention) -> (u8, u64) {
    match rule {
        Retention::Latest => (0, 0),
        Retention::Age { us } => (1, us),
        Retention::Versions { count } => (2, u64::from(count)),
        Retention::Forever => (3, 0),
    }
}

/// Reads packed options; what is not among them has its default.
pub(crate) fn parse(packed: &[u8]) -> Result<EngineOptions, Error> {
    let mut store = Options { durability: Durability::Flushed, ..Options::default() };
    store.segment_bytes = SEGMENT_BYTES;
    // Nothing beside commits, so that none is slow: the host gives idle time.
    store.compaction.auto = false;
    // The storage keeps what is in the files, so that the store need not.
    store.cache_bytes = 0;
    let mut options = EngineOptions { store, cache_bytes: CACHE_BYTES, auto_compact: true };
    let mut fields = Reader::new(packed, 0);
    while !fields.is_done() {
        let store = &mut options.store;
        let (tag, value) = (fields.u8(), fields.n());
        match tag {
            1 => match level(value, &mut fields) {
                Some(durability) => store.durability = durability,
                None => fields.refuse(),
            },
            2 => store.segment_bytes = value,
            3 => store.sync_interval_ms = value,
            4 => store.buffer_bytes_max = usize::try_from(value).unwrap_or(usize::MAX),
            5 => store.buffer_ms_max = value,
            6 => store.skip_identical = value != 0,
            7 => options.cache_bytes = usize::try_from(value).unwrap_or(usize::MAX),
            8 => store.retention = retention(value, &mut fields),
            9 => store.create = value != 0,
            10 => options.auto_compact = value != 0,
            11 => store.seal_on_close_bytes = value,
            _ => fields.refuse(),
        }
    }
    fields.whole()?;
    Ok(options)
}
