//! Packing answers, and telling figures in JSON.

use alloc::vec::Vec;

use siltdb_core::error::{Error, ErrorKind};
use siltdb_core::options::Retention;
use siltdb_core::stats::{SegmentStats, Stats};
use siltdb_core::storage::FileId;
use siltdb_core::{Change, Changed, Commit, CompactionPlan, RecoveryReport, Version};

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
pub(crate) fn json(out: &mut Vec<u8>, text: &[u8]) {
    out.push(status::OK);
    put_b(out, text);
}

fn rule(json: &mut Json, retention: Retention) {
    json.name("retention");
    match retention {
        Retention::Latest => json.string("latest"),
        Retention::Forever => json.string("forever"),
        Retention::Age { us } => json.open(b'{').numbers("ms", &[us / 1000]).close(b'}'),
        Retention::Versions { count } => {
            json.open(b'{').numbers("versions", &[u64::from(count)]).close(b'}')
        }
    };
}

fn recovery(json: &mut Json, r: &RecoveryReport) {
    json.name("recovery").open(b'{');
    json.flag("created", r.created).flag("clean", r.clean).flag("rewritten", r.rewritten);
    json.numbers(
        "segments logSegments logBytes records droppedBytes droppedRecords removedFiles",
        &[
            r.segments,
            r.log_segments,
            r.log_bytes,
            r.records,
            r.dropped_bytes,
            r.dropped_records,
            r.removed_files,
        ],
    );
    json.close(b'}');
}

pub(crate) fn stats(s: &Stats, opened: &RecoveryReport) -> Vec<u8> {
    let mut json = Json::default();
    json.open(b'{').name("storeId").hex(&s.store_id);
    json.numbers(
        "keys records segments fileBytes payloadBytes liveBytes deadBytes lastSeq durableSeq \
         horizon indexBytes memtableBytes cacheBytes cacheHits cacheMisses commits groups syncs \
         bytesAppended bytesCompacted identicalSkipped coalesced manifest",
        &[
            s.keys,
            s.records,
            s.segments,
            s.file_bytes,
            s.payload_bytes,
            s.live_bytes,
            s.dead_bytes,
            s.last_seq,
            s.durable_seq,
            s.horizon,
            s.index_bytes,
            s.memtable_bytes,
            s.cache_bytes,
            s.cache_hits,
            s.cache_misses,
            s.commits,
            s.groups,
            s.syncs,
            s.bytes_appended,
            s.bytes_compacted,
            s.identical_skipped,
            s.coalesced,
            s.manifest,
        ],
    );
    rule(&mut json, s.retention);
    recovery(&mut json, opened);
    json.flag("indexLoaded", s.index_loaded).close(b'}').take()
}

pub(crate) fn segments(segments: &[SegmentStats]) -> Vec<u8> {
    let mut json = Json::default();
    json.open(b'[');
    for s in segments {
        json.open(b'{').name("state").string(s.state);
        json.name("file").string(&FileId::segment(s.number).name());
        json.numbers(
            "segment fileBytes dataBytes payloadBytes deadBytes expiredBytes records tombstones \
             minSeq maxSeq",
            &[
                s.number,
                s.file_bytes,
                s.data_bytes,
                s.payload_bytes,
                s.dead_bytes,
                s.expired_bytes,
                s.records,
                s.tombstones,
                s.min_seq,
                s.max_seq,
            ],
        );
        json.name("firstKey").hex(&s.first_key).name("lastKey").hex(&s.last_key).close(b'}');
    }
    json.close(b']').take()
}

pub(crate) fn plan(plans: &[CompactionPlan]) -> Vec<u8> {
    let mut json = Json::default();
    json.open(b'[');
    for plan in plans {
        json.open(b'{').name("reason").string(plan.reason);
        json.numbers(
            "inputBytes deadBytes expiredBytes",
            &[plan.input_bytes, plan.dead_bytes, plan.expired_bytes],
        );
        json.name("segments").open(b'[');
        for number in &plan.inputs {
            json.number(*number);
        }
        json.close(b']').close(b'}');
    }
    json.close(b']').take()
}

pub(crate) fn info(
    (store_id, last_seq, horizon): ([u8; 16], u64, u64),
    retention: Retention,
    poisoned: bool,
) -> Vec<u8> {
    let mut json = Json::default();
    json.open(b'{').name("version").string(env!("CARGO_PKG_VERSION"));
    json.numbers(
        "format lastSeq horizon",
        &[u64::from(siltdb_core::format::FORMAT_MAJOR), last_seq, horizon],
    );
    json.name("storeId").hex(&store_id);
    rule(&mut json, retention);
    json.flag("poisoned", poisoned).close(b'}').take()
}
