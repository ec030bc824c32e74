//! What is counted. Labels are of fixed sets: nothing of keys, values or peers is in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Protocol, error};

/// What requests are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)]
pub enum Op {
    Get,
    Set,
    Delete,
    Batch,
    Scan,
    Count,
    History,
    Changes,
    Diff,
    Compact,
    Snapshot,
    Stats,
    Other,
}

impl Op {
    /// All of them.
    pub const ALL: [Op; 13] = [
        Op::Get,
        Op::Set,
        Op::Delete,
        Op::Batch,
        Op::Scan,
        Op::Count,
        Op::History,
        Op::Changes,
        Op::Diff,
        Op::Compact,
        Op::Snapshot,
        Op::Stats,
        Op::Other,
    ];

    /// Its name as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Op::Get => "get",
            Op::Set => "set",
            Op::Delete => "delete",
            Op::Batch => "batch",
            Op::Scan => "scan",
            Op::Count => "count",
            Op::History => "history",
            Op::Changes => "changes",
            Op::Diff => "diff",
            Op::Compact => "compact",
            Op::Snapshot => "snapshot",
            Op::Stats => "stats",
            Op::Other => "other",
        }
    }
}

/// Upper bounds of the buckets of durations, in microseconds; the last one has none.
pub const BUCKETS_US: [u64; 12] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, u64::MAX];

/// What requests end with: `ok`, or the stable code of a failure.
pub const OUTCOMES: usize = error::CODES.len() + 2;

/// The name of an outcome as a label.
#[must_use]
pub fn outcome_name(outcome: usize) -> &'static str {
    match outcome.checked_sub(1) {
        None => "ok",
        Some(code) => error::CODES.get(code).copied().unwrap_or("SILT_OTHER"),
    }
}

/// The number of an outcome.
fn outcome(code: Option<&str>) -> usize {
    let Some(code) = code else { return 0 };
    let known = error::CODES.iter().position(|known| *known == code);
    known.unwrap_or(error::CODES.len()) + 1
}

/// Counters of one operation in one protocol.
#[derive(Debug)]
pub struct OpMetrics {
    /// Requests by what they ended with; see [`outcome_name`].
    pub outcomes: [AtomicU64; OUTCOMES],
    /// Requests by how long they took, in the buckets of [`BUCKETS_US`], not summed up.
    pub durations: [AtomicU64; BUCKETS_US.len()],
    /// How long they took together, in microseconds.
    pub duration_us: AtomicU64,
}

impl Default for OpMetrics {
    fn default() -> Self {
        Self {
            outcomes: [const { AtomicU64::new(0) }; OUTCOMES],
            durations: Default::default(),
            duration_us: AtomicU64::new(0),
        }
    }
}

/// Counters of one protocol.
#[derive(Debug, Default)]
pub struct ProtocolMetrics {
    /// Connections open now.
    pub connections_open: AtomicU64,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections refused for a limit, or lost in the TLS handshake.
    pub connections_refused: AtomicU64,
    /// Bytes read from peers, after TLS.
    pub bytes_in: AtomicU64,
    /// Bytes written to peers, before TLS.
    pub bytes_out: AtomicU64,
    /// Requests by [`Op`].
    pub ops: [OpMetrics; Op::ALL.len()],
}

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    /// When the server started.
    pub started: Instant,
    /// Wrong or missing tokens.
    pub auth_failures: AtomicU64,
    /// Snapshots written on schedule.
    pub snapshots: AtomicU64,
    /// Snapshots on schedule that failed.
    pub snapshot_failures: AtomicU64,
    protocols: [ProtocolMetrics; 3],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            auth_failures: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            snapshot_failures: AtomicU64::new(0),
            protocols: Default::default(),
        }
    }
}

impl Metrics {
    /// The counters of a protocol.
    #[must_use]
    pub fn of(&self, protocol: Protocol) -> &ProtocolMetrics {
        match protocol {
            Protocol::Grpc => &self.protocols[0],
            Protocol::Http => &self.protocols[1],
            Protocol::Resp => &self.protocols[2],
        }
    }

    /// Counts a request that is done, and failed without a code if it failed.
    pub fn request(&self, protocol: Protocol, op: Op, took: Duration, is_ok: bool) {
        self.answered(protocol, op, took, if is_ok { None } else { Some("") });
    }

    /// Counts a request that is done: `code` is the stable code of its failure, if it failed.
    pub fn answered(&self, protocol: Protocol, op: Op, took: Duration, code: Option<&str>) {
        let metrics = &self.of(protocol).ops[op as usize];
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.iter().position(|bound| us <= *bound).unwrap_or(0);
        metrics.outcomes[outcome(code)].fetch_add(1, Ordering::Relaxed);
        metrics.durations[bucket].fetch_add(1, Ordering::Relaxed);
        metrics.duration_us.fetch_add(us, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = (0..OUTCOMES).map(outcome_name).collect();
        assert_eq!(names.len(), OUTCOMES);
        assert_eq!(outcome_name(outcome(Some("SILT_BUSY"))), "SILT_BUSY");
        assert_eq!(outcome_name(outcome(Some("SILT_NEW"))), "SILT_OTHER");
        assert_eq!(outcome_name(outcome(None)), "ok");
    }
}
