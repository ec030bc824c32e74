//! Compares all a store says with what the model says.

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::types::{Record, ScanOptions};

use crate::model::Model;
use crate::store::{self, SimStore};

/// What went wrong: an answer that is wrong, or an error that was not expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub what: String,
    /// The store's error, if that is the trouble.
    pub error: Option<Error>,
}

/// Result of a step or a comparison.
pub type Outcome<T = ()> = Result<T, Trouble>;

impl From<String> for Trouble {
    fn from(what: String) -> Self {
        Self { what, error: None }
    }
}

/// Leaves with words.
macro_rules! wrong {
    ($($message:tt)+) => {
        return Err($crate::check::Trouble::from(format!($($message)+)))
    };
}
pub(crate) use wrong;

/// Where in the order of commits and in time a store is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Commits up to this sequence number count.
    pub upto: u64,
    /// Expiry is judged at this moment.
    pub moment: u64,
    /// Whether `len` is exact: no two live keys share a hash.
    pub exact_len: bool,
}

/// How much is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every key, both directions, every history.
    Light,
    /// Also counts, as-of reads, differences, statistics.
    Full,
}

/// Compares a store with the model.
///
/// # Errors
/// The first difference.
pub fn compare(store: &mut SimStore, model: &Model, frame: Frame, depth: Depth) -> Outcome {
    for reverse in [false, true] {
        let options = ScanOptions { reverse, ..ScanOptions::default() };
        let found = ok("scan", store.scan(&options))?;
        compare_scan(model, frame, &options, &found)?;
    }
    let horizon = store.horizon();
    if horizon > model.horizon_max() {
        let max = model.horizon_max();
        wrong!("the horizon is {horizon}, it may be {max} at most");
    }
    for key in model.keys() {
        compare_record(store, model, frame, key)?;
        if depth == Depth::Full {
            compare_get(store, model, frame, key)?;
        }
        let history = ok("history", store.history(key))?;
        let horizon = store.horizon();
        model
            .check_history(key, frame.upto, horizon, &history)
            .map_err(|what| Trouble::from(format!("history of {}: {what}", show(key))))?;
    }
    if depth == Depth::Full {
        compare_counts(store, model, frame)?;
        compare_past(store, model, frame)?;
    }
    Ok(())
}

/// Compares every way to read the newest record of one key.
///
/// # Errors
/// The first difference.
pub fn compare_get(store: &mut SimStore, model: &Model, frame: Frame, key: &[u8]) -> Outcome {
    let found = compare_record(store, model, frame, key)?;
    let value = found.as_ref().map(|record| record.value.as_slice());
    let plain = ok("get", store.get(key))?;
    if plain.as_deref() != value {
        wrong!("get {} gives {plain:?}, get_record {value:?}", show(key));
    }
    let same = ok("get_with", store.get_with(key, |bytes| Some(bytes) == value))?;
    if same != value.map(|_| true) {
        wrong!("get_with {} gives other bytes than get", show(key));
    }
    if ok("contains", store.contains(key))? != value.is_some() {
        wrong!("contains {} disagrees with get", show(key));
    }
    Ok(())
}

fn compare_record(
    store: &mut SimStore,
    model: &Model,
    frame: Frame,
    key: &[u8],
) -> Outcome<Option<Record>> {
    let expected = model.get(key, frame.upto, frame.moment);
    let found = ok("get_record", store.get_record(key))?;
    if found != expected {
        let (found, expected) = (found.as_ref().map(brief), expected.as_ref().map(brief));
        wrong!("get_record {} gives {found:?}, not {expected:?}", show(key));
    }
    Ok(found)
}

/// Compares the answer of one scan.
///
/// # Errors
/// The first difference.
pub fn compare_scan(
    model: &Model,
    frame: Frame,
    options: &ScanOptions,
    found: &[Record],
) -> Outcome {
    let expected = model.scan(options, frame.upto, frame.moment);
    if found == expected {
        return Ok(());
    }
    let at = found.iter().zip(&expected).take_while(|(a, b)| a == b).count();
    wrong!(
        "scan {options:?} gives {} records, not {}; number {at} is {:?}, not {:?}",
        found.len(),
        expected.len(),
        found.get(at).map(brief),
        expected.get(at).map(brief),
    )
}

fn compare_counts(store: &mut SimStore, model: &Model, frame: Frame) -> Outcome {
    let expected = model.len(frame.upto, frame.moment);
    let count = ok("count", store.count(&ScanOptions::default()))?;
    if count != expected {
        wrong!("count gives {count}, not {expected}");
    }
    // Expired records count until their slots are dropped, so `len` is exact without them only.
    let ttl = model
        .keys()
        .any(|key| model.versions(key, frame.upto).iter().any(|held| held.expires.is_some()));
    let len = ok("len", store.len())?;
    if frame.exact_len && !ttl && len != expected {
        wrong!("len gives {len}, not {expected}");
    }
    for absent in [&b"no such key"[..], b"b", &[0xFE, 1]] {
        if ok("get", store.get(absent))?.is_some() {
            wrong!("{} was never written, yet it is found", show(absent));
        }
    }
    if let Some(what) = ok("statistics", store::figures_fault(store))? {
        wrong!("statistics: {what}");
    }
    Ok(())
}

/// As-of reads at every commit that is within the horizon, and one that is not.
fn compare_past(store: &mut SimStore, model: &Model, frame: Frame) -> Outcome {
    let horizon = store.horizon();
    let seqs: Vec<u64> =
        model.edges().iter().map(|edge| edge.seq).filter(|seq| *seq <= frame.upto).collect();
    let step = (seqs.len() / 12).max(1);
    for seq in seqs.iter().copied().rev().step_by(step) {
        compare_as_of(store, model, seq, horizon)?;
    }
    if horizon > 1 {
        compare_as_of(store, model, horizon, horizon)?;
        compare_as_of(store, model, horizon - 1, horizon)?;
    }
    Ok(())
}

/// Compares a scan and some reads as of one moment, or demands that history is gone.
///
/// # Errors
/// The first difference.
pub fn compare_as_of(store: &mut SimStore, model: &Model, seq: u64, horizon: u64) -> Outcome {
    let options = ScanOptions { as_of: Some(seq), ..ScanOptions::default() };
    let found = store.scan(&options);
    if let Err(&ErrorKind::HistoryGone { asked, oldest }) = found.as_ref().map_err(Error::kind) {
        // The read may have written the buffer out, and that may have moved the horizon.
        if asked == seq && seq < oldest && oldest == store.horizon() {
            return Ok(());
        }
        wrong!("as of {seq}: gone, the oldest being {oldest}; it is {}", store.horizon());
    }
    if seq < horizon {
        wrong!("a scan as of {seq}, before {horizon}, gives {found:?}");
    }
    let frame = Frame { upto: seq, moment: seq, exact_len: false };
    let found = ok("scan as of", found)?;
    compare_scan(model, frame, &options, &found).map_err(|trouble| {
        Trouble::from(format!("as of {seq} (horizon {horizon}): {}", trouble.what))
    })?;
    for key in model.keys().step_by(5) {
        let expected = model.get(key, seq, seq);
        let record = ok("get_as_of", store.get_as_of(key, seq))?;
        if record != expected {
            wrong!("{} as of {seq}: {record:?}, not {expected:?}", show(key));
        }
    }
    Ok(())
}

/// Compares a poisoned store in whose write buffer the commits after `before` wait: what would
/// have to tell of them is refused, all else is right.
///
/// # Errors
/// The first difference.
pub fn compare_refusing(store: &mut SimStore, model: &Model, moment: u64, before: u64) -> Outcome {
    let refused = |what: &str, error: Option<Error>| match error.map(Error::into_kind) {
        Some(ErrorKind::Poisoned) => Ok(()),
        other => wrong!("{what} gives {other:?}, though commits wait that were not written"),
    };
    let all = ScanOptions::default();
    refused("scan", store.scan(&all).err())?;
    refused("count", store.count(&all).err())?;
    refused("len", store.len().err())?;
    for key in model.keys() {
        let waits = model.versions(key, store.last_seq()).last().is_some_and(|v| v.seq > before);
        let found = store.get_record(key);
        if waits {
            refused("get_record", found.err())?;
            continue;
        }
        let (found, expected) = (ok("get_record", found)?, model.get(key, before, moment));
        if found != expected {
            wrong!("get_record {} gives {found:?}, not {expected:?}", show(key));
        }
    }
    let horizon = store.horizon();
    for edge in model.edges().iter().rev().filter(|edge| edge.seq <= before).step_by(3) {
        compare_as_of(store, model, edge.seq, horizon)?;
    }
    Ok(())
}

/// Turns an unexpected error into words.
///
/// # Errors
/// The words.
pub fn ok<T>(what: &str, result: Result<T, Error>) -> Outcome<T> {
    result
        .map_err(|e| Trouble { what: format!("{what} failed: {e} ({})", e.code()), error: Some(e) })
}

/// A key, as messages show it.
#[must_use]
pub fn show(key: &[u8]) -> String {
    let text: String =
        key.iter().take(16).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
    format!("{text:?} ({} bytes)", key.len())
}

/// A record, as messages show it.
#[must_use]
pub fn brief(record: &Record) -> String {
    let value = &record.value[..record.value.len().min(4)];
    let (len, seq, expires) = (record.value.len(), record.seq, record.expires);
    format!("{} = {value:02x?} ({len} bytes) at {seq}, expires {expires:?}", show(&record.key))
}
