//! Figures in the text format of Prometheus.

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use http::HeaderValue;
use siltdb_core::{SegmentStats, Stats};
use tokio::task::spawn_blocking;

use super::reply::{self, Reply};
use crate::server::error::Failure;
use crate::server::metrics::{BUCKETS_US, Op, OpMetrics, outcome_name};
use crate::server::{Protocol, Shared};

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::Http, Protocol::Resp];
const KIND: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// All figures of the server and its store.
pub async fn metrics(State(shared): State<Arc<Shared>>) -> Reply {
    let store = shared.store.store().clone();
    let figures = spawn_blocking(move || Ok((store.stats()?, store.segments()?)));
    let figures: siltdb_core::Result<_> = figures.await.map_err(|_| Failure::stopping())?;
    let (stats, segments) = figures?;
    let mut text = Text::default();
    server(&shared, &mut text);
    requests(&shared, &mut text);
    store_figures(&stats, &segments, &mut text);
    Ok(reply::bytes(KIND, text.0))
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory cannot fail.
        let _ = writeln!(self.0, "# HELP silt_{name} {help}\n# TYPE silt_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "silt_{name}");
        for (i, (label, text)) in labels.iter().enumerate() {
            let begin = if i == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{begin}{label}=\"{text}\"");
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A number of microseconds in seconds, exactly.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn server(shared: &Shared, text: &mut Text) {
    let metrics = &shared.metrics;
    text.family("build_info", "gauge", "The version of the server.");
    text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let up = u64::try_from(metrics.started.elapsed().as_micros()).unwrap_or(u64::MAX);
    text.gauge("uptime_seconds", "Time since the server started.", Seconds(up));
    text.gauge("ready", "Whether the server serves requests.", u8::from(shared.is_ready()));
    let poisoned = u8::from(shared.is_poisoned());
    text.gauge("poisoned", "Whether the store can no longer write.", poisoned);
    let used = shared.budget.used();
    text.gauge("buffered_bytes", "Memory of requests and replies under way.", used);
    let waiting = shared.writes_waiting();
    text.gauge("writes_waiting", "Writes that wait for the log.", waiting);
    text.counter("auth_failures_total", "Wrong or missing tokens.", load(&metrics.auth_failures));
    text.counter("snapshots_total", "Snapshots written on schedule.", load(&metrics.snapshots));
    let failures = load(&metrics.snapshot_failures);
    text.counter("snapshot_failures_total", "Snapshots on schedule that failed.", failures);
}

type Pick = fn(&crate::server::metrics::ProtocolMetrics) -> &AtomicU64;

fn requests(shared: &Shared, text: &mut Text) {
    let by_protocol: [(&str, &str, &str, Pick); 5] = [
        ("connections", "gauge", "Connections open now.", |m| &m.connections_open),
        ("connections_total", "counter", "Connections accepted.", |m| &m.connections),
        (
            "connections_refused_total",
            "counter",
            "Connections refused for a limit, or lost in the TLS handshake.",
            |m| &m.connections_refused,
        ),
        ("received_bytes_total", "counter", "Bytes from peers.", |m| &m.bytes_in),
        ("sent_bytes_total", "counter", "Bytes to peers.", |m| &m.bytes_out),
    ];
    for (name, kind, help, pick) in by_protocol {
        text.family(name, kind, help);
        for protocol in PROTOCOLS {
            let value = load(pick(shared.metrics.of(protocol)));
            text.sample(name, &[("protocol", protocol.name())], value);
        }
    }
    text.family("requests_total", "counter", "Requests by what they ended with.");
    each_op(shared, |protocol, op, metrics| {
        for (outcome, count) in metrics.outcomes.iter().enumerate() {
            let labels = [("protocol", protocol), ("op", op), ("code", outcome_name(outcome))];
            let count = load(count);
            if count > 0 {
                text.sample("requests_total", &labels, count);
            }
        }
    });
    let name = "request_duration_seconds";
    text.family(name, "histogram", "How long requests took until their reply began.");
    each_op(shared, |protocol, op, metrics| histogram(protocol, op, metrics, text));
}

/// Calls `tell` for every operation that there was.
fn each_op(shared: &Shared, mut tell: impl FnMut(&'static str, &'static str, &OpMetrics)) {
    for protocol in PROTOCOLS {
        for (op, metrics) in Op::ALL.iter().zip(&shared.metrics.of(protocol).ops) {
            if metrics.durations.iter().any(|count| load(count) > 0) {
                tell(protocol.name(), op.name(), metrics);
            }
        }
    }
}

fn histogram(protocol: &str, op: &str, metrics: &OpMetrics, text: &mut Text) {
    let mut sum = 0;
    for (bound, count) in BUCKETS_US.iter().zip(&metrics.durations) {
        sum += load(count);
        let bound = match *bound {
            u64::MAX => String::from("+Inf"),
            us => Seconds(us).to_string(),
        };
        let labels = [("protocol", protocol), ("op", op), ("le", bound.as_str())];
        text.sample("request_duration_seconds_bucket", &labels, sum);
    }
    let labels = [("protocol", protocol), ("op", op)];
    let took = Seconds(load(&metrics.duration_us));
    text.sample("request_duration_seconds_sum", &labels, took);
    text.sample("request_duration_seconds_count", &labels, sum);
}

fn store_figures(stats: &Stats, segments: &[SegmentStats], text: &mut Text) {
    let expired: u64 = segments.iter().map(|segment| segment.expired_bytes).sum();
    let gauges = [
        ("store_keys", "Keys; an expired one counts until compaction.", stats.keys),
        ("store_records", "Records held, superseded ones included.", stats.records),
        ("store_segments", "Live segments.", stats.segments),
        ("store_file_bytes", "Bytes of the live segments' files.", stats.file_bytes),
        ("store_live_bytes", "Bytes of records that are not superseded.", stats.live_bytes),
        ("store_dead_bytes", "Bytes of superseded records.", stats.dead_bytes),
        ("store_expired_bytes", "Bytes of expired records.", expired),
        ("store_index_bytes", "Memory of the index.", stats.index_bytes),
        ("store_memtable_bytes", "Memory of the memtable.", stats.memtable_bytes),
        ("store_cache_bytes", "Memory of the cache of values.", stats.cache_bytes),
        ("store_last_seq", "Seq of the last commit.", stats.last_seq),
        ("store_durable_seq", "Last seq that survives power loss.", stats.durable_seq),
        ("store_horizon_seq", "Oldest moment that can be read.", stats.horizon),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help, value);
    }
    let counters = [
        ("store_commits_total", "Commits since the open.", stats.commits),
        ("store_groups_total", "Groups of commits appended since the open.", stats.groups),
        ("store_syncs_total", "Syncs since the open.", stats.syncs),
        ("store_appended_bytes_total", "Bytes appended to the log.", stats.bytes_appended),
        ("store_compacted_bytes_total", "Bytes written by compaction.", stats.bytes_compacted),
        ("store_cache_hits_total", "Reads answered by the cache.", stats.cache_hits),
        ("store_cache_misses_total", "Reads not answered by the cache.", stats.cache_misses),
        ("store_identical_total", "Writes of what was there already.", stats.identical_skipped),
        ("store_coalesced_total", "Writes replaced in the write buffer.", stats.coalesced),
    ];
    for (name, help, value) in counters {
        text.counter(name, help, value);
    }
}
