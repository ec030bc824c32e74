//! From the library's types to those of the protocol, and back.

use super::condition::Condition as ConditionKind;
use super::retain::Rule;
use super::{Change, Changed, CompactionPlan, Condition, Durability, Record, Retain, Version};
use super::{SegmentStats, SnapshotReport, StatsResponse};

impl From<siltdb_core::Durability> for Durability {
    fn from(durability: siltdb_core::Durability) -> Self {
        match durability {
            siltdb_core::Durability::Buffered => Durability::Buffered,
            siltdb_core::Durability::Flushed => Durability::Flushed,
            siltdb_core::Durability::Synced => Durability::Synced,
        }
    }
}

impl Durability {
    /// The library's level; `None` stands for the default of the store.
    #[must_use]
    pub fn to_store(self) -> Option<siltdb_core::Durability> {
        match self {
            Durability::Unspecified => None,
            Durability::Buffered => Some(siltdb_core::Durability::Buffered),
            Durability::Flushed => Some(siltdb_core::Durability::Flushed),
            Durability::Synced => Some(siltdb_core::Durability::Synced),
        }
    }
}

impl From<siltdb_core::Condition> for Condition {
    fn from(condition: siltdb_core::Condition) -> Self {
        let kind = match condition {
            siltdb_core::Condition::Absent => ConditionKind::Absent(true),
            siltdb_core::Condition::SeqIs(seq) => ConditionKind::SeqIs(seq),
        };
        Self { condition: Some(kind) }
    }
}

impl Condition {
    /// The library's condition; `None` when nothing is asked for.
    #[must_use]
    pub fn to_store(self) -> Option<siltdb_core::Condition> {
        match self.condition? {
            ConditionKind::Absent(true) => Some(siltdb_core::Condition::Absent),
            ConditionKind::Absent(false) => None,
            ConditionKind::SeqIs(seq) => Some(siltdb_core::Condition::SeqIs(seq)),
        }
    }
}

impl From<siltdb_core::Record> for Record {
    fn from(record: siltdb_core::Record) -> Self {
        let siltdb_core::Record { key, value, seq, expires } = record;
        Self { key, value, seq, expires }
    }
}

impl From<Record> for siltdb_core::Record {
    fn from(record: Record) -> Self {
        let Record { key, value, seq, expires } = record;
        Self { key, value, seq, expires }
    }
}

impl From<siltdb_core::Version> for Version {
    fn from(version: siltdb_core::Version) -> Self {
        let siltdb_core::Version { seq, value, expires } = version;
        Self { seq, value, expires }
    }
}

impl From<Version> for siltdb_core::Version {
    fn from(version: Version) -> Self {
        let Version { seq, value, expires } = version;
        Self { seq, value, expires }
    }
}

impl From<siltdb_core::Change> for Change {
    fn from(change: siltdb_core::Change) -> Self {
        let siltdb_core::Change { key, before, after } = change;
        Self { key, before: before.map(Record::from), after: after.map(Record::from) }
    }
}

impl From<Change> for siltdb_core::Change {
    fn from(change: Change) -> Self {
        let Change { key, before, after } = change;
        Self { key, before: before.map(Into::into), after: after.map(Into::into) }
    }
}

impl From<siltdb_core::Changed> for Changed {
    fn from(changed: siltdb_core::Changed) -> Self {
        Self { key: changed.key, version: Some(changed.version.into()) }
    }
}

impl From<Changed> for siltdb_core::Changed {
    fn from(changed: Changed) -> Self {
        Self { key: changed.key, version: changed.version.unwrap_or_default().into() }
    }
}

impl From<siltdb_core::CompactionPlan> for CompactionPlan {
    fn from(plan: siltdb_core::CompactionPlan) -> Self {
        Self {
            inputs: plan.inputs,
            input_bytes: plan.input_bytes,
            dead_bytes: plan.dead_bytes,
            expired_bytes: plan.expired_bytes,
            reason: plan.reason.to_owned(),
        }
    }
}

impl From<siltdb_core::Retention> for Retain {
    fn from(retention: siltdb_core::Retention) -> Self {
        let rule = match retention {
            siltdb_core::Retention::Latest => Rule::Latest(true),
            siltdb_core::Retention::Age { us } => Rule::Age(us),
            siltdb_core::Retention::Versions { count } => Rule::Versions(count),
            siltdb_core::Retention::Forever => Rule::Forever(true),
        };
        Self { rule: Some(rule) }
    }
}

impl Retain {
    /// The library's rule; `None` when none is given.
    #[must_use]
    pub fn to_store(self) -> Option<siltdb_core::Retention> {
        match self.rule? {
            Rule::Latest(true) => Some(siltdb_core::Retention::Latest),
            Rule::Age(us) => Some(siltdb_core::Retention::Age { us }),
            Rule::Versions(count) => Some(siltdb_core::Retention::Versions { count }),
            Rule::Forever(true) => Some(siltdb_core::Retention::Forever),
            Rule::Latest(false) | Rule::Forever(false) => None,
        }
    }
}

impl From<siltdb_core::SnapshotReport> for SnapshotReport {
    fn from(report: siltdb_core::SnapshotReport) -> Self {
        let siltdb_core::SnapshotReport { seq, bytes, segments, records, crc } = report;
        Self { seq, bytes, segments, records, crc }
    }
}

impl From<SnapshotReport> for siltdb_core::SnapshotReport {
    fn from(report: SnapshotReport) -> Self {
        let SnapshotReport { seq, bytes, segments, records, crc } = report;
        Self { seq, bytes, segments, records, crc }
    }
}

impl From<siltdb_core::SegmentStats> for SegmentStats {
    fn from(s: siltdb_core::SegmentStats) -> Self {
        Self {
            number: s.number,
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
            first_key: s.first_key,
            last_key: s.last_key,
        }
    }
}

impl From<SegmentStats> for siltdb_core::SegmentStats {
    fn from(s: SegmentStats) -> Self {
        Self {
            number: s.number,
            // The library's words are fixed ones.
            state: match s.state.as_str() {
                "active" => "active",
                "sealed" => "sealed",
                "arrival" => "arrival",
                "sorted" => "sorted",
                _ => "other",
            },
            file_bytes: s.file_bytes,
            data_bytes: s.data_bytes,
            payload_bytes: s.payload_bytes,
            dead_bytes: s.dead_bytes,
            expired_bytes: s.expired_bytes,
            records: s.records,
            tombstones: s.tombstones,
            min_seq: s.min_seq,
            max_seq: s.max_seq,
            first_key: s.first_key,
            last_key: s.last_key,
        }
    }
}

impl From<siltdb_core::Stats> for StatsResponse {
    fn from(s: siltdb_core::Stats) -> Self {
        Self {
            keys: s.keys,
            segments: s.segments,
            records: s.records,
            file_bytes: s.file_bytes,
            payload_bytes: s.payload_bytes,
            dead_bytes: s.dead_bytes,
            live_bytes: s.live_bytes,
            index_bytes: s.index_bytes,
            memtable_bytes: s.memtable_bytes,
            cache_bytes: s.cache_bytes,
            cache_hits: s.cache_hits,
            cache_misses: s.cache_misses,
            last_seq: s.last_seq,
            durable_seq: s.durable_seq,
            horizon: s.horizon,
            retention: Some(s.retention.into()),
            commits: s.commits,
            groups: s.groups,
            syncs: s.syncs,
            bytes_appended: s.bytes_appended,
            bytes_compacted: s.bytes_compacted,
            identical_skipped: s.identical_skipped,
            coalesced: s.coalesced,
            store_id: s.store_id.to_vec(),
            manifest: s.manifest,
            index_loaded: s.index_loaded,
            segment_stats: Vec::new(),
        }
    }
}

impl From<StatsResponse> for siltdb_core::Stats {
    fn from(s: StatsResponse) -> Self {
        Self {
            keys: s.keys,
            segments: s.segments,
            records: s.records,
            file_bytes: s.file_bytes,
            payload_bytes: s.payload_bytes,
            dead_bytes: s.dead_bytes,
            live_bytes: s.live_bytes,
            index_bytes: s.index_bytes,
            memtable_bytes: s.memtable_bytes,
            cache_bytes: s.cache_bytes,
            cache_hits: s.cache_hits,
            cache_misses: s.cache_misses,
            last_seq: s.last_seq,
            durable_seq: s.durable_seq,
            horizon: s.horizon,
            retention: s.retention.and_then(Retain::to_store).unwrap_or_default(),
            commits: s.commits,
            groups: s.groups,
            syncs: s.syncs,
            bytes_appended: s.bytes_appended,
            bytes_compacted: s.bytes_compacted,
            identical_skipped: s.identical_skipped,
            coalesced: s.coalesced,
            store_id: s.store_id.try_into().unwrap_or_default(),
            manifest: s.manifest,
            index_loaded: s.index_loaded,
        }
    }
}
