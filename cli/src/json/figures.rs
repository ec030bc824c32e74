//! Answers that are one object: what a write reached, and figures about the store.

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use siltdb_core::{
    Commit, CompactionPlan, CompactionReport, Durability, SegmentStats, SnapshotReport, Stats,
};

use super::{parse_rule, read, rule_text};

/// What a write reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CommitForm {
    pub seq: u64,
    pub durability: String,
    pub written: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u64>,
}

impl From<Commit> for CommitForm {
    fn from(commit: Commit) -> Self {
        let Commit { seq, durability, written } = commit;
        Self { seq, durability: durability.name().to_owned(), written, deleted: None }
    }
}

impl CommitForm {
    /// The commit; `None` for a word that is no durability.
    #[must_use]
    pub fn to_store(&self) -> Option<Commit> {
        let durability = Durability::parse(&self.durability)?;
        Some(Commit { seq: self.seq, durability, written: self.written })
    }
}

/// A batch: the operations, each as [`super::part`] reads it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with \"operations\"")]
#[allow(missing_docs)]
pub struct BatchForm<'a> {
    #[serde(borrow)]
    pub operations: Vec<&'a serde_json::value::RawValue>,
}

/// How many records there are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CountForm {
    pub count: u64,
}

/// What a sync reached.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SyncForm {
    pub durable_seq: u64,
}

/// A retention rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct RetainForm {
    pub retain: String,
}

/// A run of segments that compaction would rewrite.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PlanForm {
    pub inputs: Vec<u64>,
    pub input_bytes: u64,
    pub dead_bytes: u64,
    pub expired_bytes: u64,
    pub reason: String,
}

impl From<CompactionPlan> for PlanForm {
    fn from(plan: CompactionPlan) -> Self {
        let CompactionPlan { inputs, input_bytes, dead_bytes, expired_bytes, reason } = plan;
        Self { inputs, input_bytes, dead_bytes, expired_bytes, reason: reason.to_owned() }
    }
}

impl From<PlanForm> for crate::proto::CompactionPlan {
    fn from(form: PlanForm) -> Self {
        let PlanForm { inputs, input_bytes, dead_bytes, expired_bytes, reason } = form;
        Self { inputs, input_bytes, dead_bytes, expired_bytes, reason }
    }
}

/// What compaction did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CompactionForm {
    pub runs: u64,
    pub input_bytes: u64,
    pub output_bytes: u64,
    pub dropped_records: u64,
}

impl From<CompactionReport> for CompactionForm {
    fn from(report: CompactionReport) -> Self {
        let CompactionReport { runs, input_bytes, output_bytes, dropped_records } = report;
        Self { runs, input_bytes, output_bytes, dropped_records }
    }
}

impl From<CompactionForm> for CompactionReport {
    fn from(form: CompactionForm) -> Self {
        let CompactionForm { runs, input_bytes, output_bytes, dropped_records } = form;
        Self { runs, input_bytes, output_bytes, dropped_records }
    }
}

/// What a snapshot holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SnapshotForm {
    pub seq: u64,
    pub bytes: u64,
    pub segments: u64,
    pub records: u64,
    pub crc: String,
}

impl From<SnapshotReport> for SnapshotForm {
    fn from(report: SnapshotReport) -> Self {
        let SnapshotReport { seq, bytes, segments, records, crc } = report;
        Self { seq, bytes, segments, records, crc: format!("{crc:08x}") }
    }
}

impl SnapshotForm {
    /// The report; `None` for a checksum that is none.
    #[must_use]
    pub fn to_store(&self) -> Option<SnapshotReport> {
        let crc = u32::from_str_radix(&self.crc, 16).ok()?;
        let Self { seq, bytes, segments, records, .. } = *self;
        Some(SnapshotReport { seq, bytes, segments, records, crc })
    }
}

/// Figures about one segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SegmentForm {
    pub segment: u64,
    pub state: String,
    pub file_bytes: u64,
    pub data_bytes: u64,
    pub payload_bytes: u64,
    pub dead_bytes: u64,
    pub expired_bytes: u64,
    pub records: u64,
    pub tombstones: u64,
    pub min_seq: u64,
    pub max_seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_key_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_key_base64: Option<String>,
}

/// The library's words for the state of a segment are fixed ones.
fn state(name: &str) -> &'static str {
    match name {
        "active" => "active",
        "sealed" => "sealed",
        "arrival" => "arrival",
        "sorted" => "sorted",
        _ => "other",
    }
}

/// The two fields that bytes may stand in.
fn split(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(BASE64.encode(error.as_bytes()))),
    }
}

impl From<SegmentStats> for SegmentForm {
    fn from(s: SegmentStats) -> Self {
        let (first_key, first_key_base64) = split(s.first_key);
        let (last_key, last_key_base64) = split(s.last_key);
        Self {
            segment: s.number,
            state: s.state.to_owned(),
            file_bytes: s.file_bytes,
            data_bytes: s.data_bytes,
            payload_bytes: s.payload_bytes,
            dead_bytes: s.dead_bytes,
            expired_bytes: s.expired_bytes,
            records: s.records,
            tombstones: s.tombstones,
            min_seq: s.min_seq,
            max_seq: s.max_seq,
            first_key,
            first_key_base64,
            last_key,
            last_key_base64,
        }
    }
}

impl SegmentForm {
    /// The figures.
    ///
    /// # Errors
    /// A key is missing or not base64.
    pub fn to_store(self) -> Result<SegmentStats, String> {
        Ok(SegmentStats {
            number: self.segment,
            state: state(&self.state),
            file_bytes: self.file_bytes,
            data_bytes: self.data_bytes,
            payload_bytes: self.payload_bytes,
            dead_bytes: self.dead_bytes,
            expired_bytes: self.expired_bytes,
            records: self.records,
            tombstones: self.tombstones,
            min_seq: self.min_seq,
            max_seq: self.max_seq,
            first_key: read::bytes_of("first_key", self.first_key, self.first_key_base64)?,
            last_key: read::bytes_of("last_key", self.last_key, self.last_key_base64)?,
        })
    }
}

/// Figures about the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StatsForm {
    pub store_id: String,
    pub keys: u64,
    pub records: u64,
    pub segments: u64,
    pub file_bytes: u64,
    pub payload_bytes: u64,
    pub live_bytes: u64,
    pub dead_bytes: u64,
    pub retention: String,
    pub last_seq: u64,
    pub durable_seq: u64,
    pub horizon: u64,
    pub index_bytes: u64,
    pub index_loaded: bool,
    pub memtable_bytes: u64,
    pub cache_bytes: u64,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub commits: u64,
    pub groups: u64,
    pub syncs: u64,
    pub bytes_appended: u64,
    pub bytes_compacted: u64,
    pub identical_skipped: u64,
    pub coalesced: u64,
    pub manifest: u64,
}

impl From<Stats> for StatsForm {
    fn from(s: Stats) -> Self {
        Self {
            store_id: HEXLOWER.encode(&s.store_id),
            keys: s.keys,
            records: s.records,
            segments: s.segments,
            file_bytes: s.file_bytes,
            payload_bytes: s.payload_bytes,
            live_bytes: s.live_bytes,
            dead_bytes: s.dead_bytes,
            retention: rule_text(s.retention),
            last_seq: s.last_seq,
            durable_seq: s.durable_seq,
            horizon: s.horizon,
            index_bytes: s.index_bytes,
            index_loaded: s.index_loaded,
            memtable_bytes: s.memtable_bytes,
            cache_bytes: s.cache_bytes,
            cache_hits: s.cache_hits,
            cache_misses: s.cache_misses,
            commits: s.commits,
            groups: s.groups,
            syncs: s.syncs,
            bytes_appended: s.bytes_appended,
            bytes_compacted: s.bytes_compacted,
            identical_skipped: s.identical_skipped,
            coalesced: s.coalesced,
            manifest: s.manifest,
        }
    }
}

impl StatsForm {
    /// The figures.
    ///
    /// # Errors
    /// The retention or the identity are not as they should be.
    pub fn to_store(self) -> Result<Stats, String> {
        let id = HEXLOWER.decode(self.store_id.as_bytes()).map_err(|e| e.to_string())?;
        Ok(Stats {
            keys: self.keys,
            segments: self.segments,
            records: self.records,
            file_bytes: self.file_bytes,
            payload_bytes: self.payload_bytes,
            dead_bytes: self.dead_bytes,
            live_bytes: self.live_bytes,
            index_bytes: self.index_bytes,
            memtable_bytes: self.memtable_bytes,
            cache_bytes: self.cache_bytes,
            cache_hits: self.cache_hits,
            cache_misses: self.cache_misses,
            last_seq: self.last_seq,
            durable_seq: self.durable_seq,
            horizon: self.horizon,
            retention: parse_rule(&self.retention)?,
            commits: self.commits,
            groups: self.groups,
            syncs: self.syncs,
            bytes_appended: self.bytes_appended,
            bytes_compacted: self.bytes_compacted,
            identical_skipped: self.identical_skipped,
            coalesced: self.coalesced,
            store_id: id.try_into().map_err(|_| String::from("not the id of a store"))?,
            manifest: self.manifest,
            index_loaded: self.index_loaded,
        })
    }
}
