//! Packing answers, and telling figures in JSON.

use alloc::string::String;
use alloc::vec::Vec;

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::options::Retention;
use siltdb_core::stats::{CheckReport, SegmentStats, Stats};
use siltdb_core::storage::FileId;
use siltdb_core::{
    Change, Changed, Commit, CompactionPlan, RecoveryReport, SnapshotReport, Version,
};

use crate::json::Json;
use crate::options::level_number;
use crate::wire::{put_b, put_n, status};

/// An answer that says why the operation failed.
pub(crate) fn error(out: &mut Vec<u8>, error: &Error) {
    let (operation, detail) = match error.kind() {
        ErrorKind::ConditionFailed { operation, found } => (*operation as u64, *found),
        ErrorKind::HistoryGone { oldest, .. } => (0, *oldest),
        _ => (0, 0),
    };
    out.push(status::ERROR);
    put_b(out, error.code().as_bytes());
    put_b(out, error.message().as_bytes());
    put_n(out, operation);
    put_n(out, detail);
}

/// A reply with the error in place of some of its answers.
pub(crate) fn replaced(reply: &[u8], answers: &[(usize, usize)], why: &Error) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(reply.len()), 0);
    for &(start, end) in answers {
        out.extend_from_slice(&reply[at..start]);
        error(&mut out, why);
        at = end;
    }
    out.extend_from_slice(&reply[at..]);
    out
}

/// The answer of a write of `count` operations.
pub(crate) fn commit(out: &mut Vec<u8>, commit: Commit, count: u64) {
    out.push(status::OK);
    put_n(out, commit.seq);
    out.push(level_number(commit.durability));
    out.push(u8::from(commit.written));
    put_n(out, count);
}

/// The answer of a read of one value.
pub(crate) fn value(out: &mut Vec<u8>, value: &[u8], seq: u64, expires: u64) {
    out.push(status::OK);
    put_b(out, value);
    put_n(out, seq);
    put_n(out, expires);
}

/// What a version says, without its seq.
fn version(out: &mut Vec<u8>, version: &Version) {
    match &version.value {
        Some(value) => {
            out.push(1);
            put_b(out, value);
        }
        None => out.push(0),
    }
    put_n(out, version.expires.unwrap_or(0));
}

/// A version of a history.
pub(crate) fn past(out: &mut Vec<u8>, past: &Version) {
    put_n(out, past.seq);
    version(out, past);
}

/// A commit of the change feed.
pub(crate) fn changed(out: &mut Vec<u8>, changed: &Changed) {
    put_n(out, changed.version.seq);
    put_b(out, &changed.key);
    version(out, &changed.version);
}

/// A key that differs.
pub(crate) fn difference(out: &mut Vec<u8>, change: &Change) {
    put_b(out, &change.key);
    out.push(u8::from(change.before.is_some()) | u8::from(change.after.is_some()) << 1);
    for side in [&change.before, &change.after].into_iter().flatten() {
        put_b(out, &side.value);
        put_n(out, side.seq);
    }
}

/// An answer of JSON.
pub(crate) fn json(out: &mut Vec<u8>, text: &str) {
    out.push(status::OK);
    put_b(out, text.as_bytes());
}

fn rule(json: &mut Json, retention: Retention) {
    json.name("retention");
    match retention {
        Retention::Latest => json.string("latest"),
        Retention::Forever => json.string("forever"),
        Retention::Age { us } => json.open('{').numbers(&[("ms", us / 1000)]).close('}'),
        Retention::Versions { count } => {
            json.open('{').numbers(&[("versions", u64::from(count))]).close('}')
        }
    };
}

fn recovery(json: &mut Json, r: &RecoveryReport) {
    json.name("recovery").open('{');
    json.flag("created", r.created).flag("clean", r.clean).flag("rewritten", r.rewritten);
    json.numbers(&[
        ("segments", r.segments),
        ("logSegments", r.log_segments),
        ("logBytes", r.log_bytes),
        ("records", r.records),
        ("droppedBytes", r.dropped_bytes),
        ("droppedRecords", r.dropped_records),
        ("removedFiles", r.removed_files),
    ]);
    json.close('}');
}

pub(crate) fn stats(s: &Stats, opened: &RecoveryReport) -> String {
    let mut json = Json::default();
    json.open('{').name("storeId").hex(&s.store_id);
    json.numbers(&[
        ("keys", s.keys),
        ("records", s.records),
        ("segments", s.segments),
        ("fileBytes", s.file_bytes),
        ("payloadBytes", s.payload_bytes),
        ("liveBytes", s.live_bytes),
        ("deadBytes", s.dead_bytes),
        ("lastSeq", s.last_seq),
        ("durableSeq", s.durable_seq),
        ("horizon", s.horizon),
        ("indexBytes", s.index_bytes),
        ("memtableBytes", s.memtable_bytes),
        ("cacheBytes", s.cache_bytes),
        ("cacheHits", s.cache_hits),
        ("cacheMisses", s.cache_misses),
        ("commits", s.commits),
        ("groups", s.groups),
        ("syncs", s.syncs),
        ("bytesAppended", s.bytes_appended),
        ("bytesCompacted", s.bytes_compacted),
        ("identicalSkipped", s.identical_skipped),
        ("coalesced", s.coalesced),
        ("manifest", s.manifest),
    ]);
    rule(&mut json, s.retention);
    recovery(&mut json, opened);
    json.flag("indexLoaded", s.index_loaded).close('}').take()
}

pub(crate) fn segments(segments: &[SegmentStats]) -> String {
    let mut json = Json::default();
    json.open('[');
    for s in segments {
        json.open('{').name("state").string(s.state);
        json.name("file").string(&FileId::segment(s.number).name());
        json.numbers(&[
            ("segment", s.number),
            ("fileBytes", s.file_bytes),
            ("dataBytes", s.data_bytes),
            ("payloadBytes", s.payload_bytes),
            ("deadBytes", s.dead_bytes),
            ("expiredBytes", s.expired_bytes),
            ("records", s.records),
            ("tombstones", s.tombstones),
            ("minSeq", s.min_seq),
            ("maxSeq", s.max_seq),
        ]);
        json.name("firstKey").hex(&s.first_key).name("lastKey").hex(&s.last_key).close('}');
    }
    json.close(']').take()
}

pub(crate) fn plan(plans: &[CompactionPlan]) -> String {
    let mut json = Json::default();
    json.open('[');
    for plan in plans {
        json.open('{').name("reason").string(plan.reason);
        json.numbers(&[
            ("inputBytes", plan.input_bytes),
            ("deadBytes", plan.dead_bytes),
            ("expiredBytes", plan.expired_bytes),
        ]);
        json.name("segments").open('[');
        for number in &plan.inputs {
            json.number(*number);
        }
        json.close(']').close('}');
    }
    json.close(']').take()
}

pub(crate) fn info(
    (store_id, last_seq, horizon): ([u8; 16], u64, u64),
    retention: Retention,
    poisoned: bool,
) -> String {
    let mut json = Json::default();
    json.open('{').name("version").string(env!("CARGO_PKG_VERSION"));
    json.numbers(&[
        ("format", u64::from(siltdb_core::format::FORMAT_MAJOR)),
        ("lastSeq", last_seq),
        ("horizon", horizon),
    ]);
    json.name("storeId").hex(&store_id);
    rule(&mut json, retention);
    json.flag("poisoned", poisoned).close('}').take()
}

pub(crate) fn snapshot(report: &SnapshotReport) -> String {
    let mut json = Json::default();
    json.open('{').numbers(&[
        ("bytes", report.bytes),
        ("segments", report.segments),
        ("records", report.records),
        ("lastSeq", report.seq),
        ("crc", u64::from(report.crc)),
    ]);
    json.close('}').take()
}

pub(crate) fn check(report: &CheckReport) -> String {
    let mut json = Json::default();
    json.open('{').numbers(&[
        ("files", report.files),
        ("bytes", report.bytes),
        ("records", report.records),
    ]);
    json.name("problems").open('[');
    for problem in &report.problems {
        json.open('{').name("file").string(&problem.file.name());
        json.numbers(&[("offset", problem.offset)]);
        json.name("what").string(&problem.what).close('}');
    }
    json.close(']').close('}').take()
}
