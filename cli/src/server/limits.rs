//! Every limit of the server, in one place. They are told when the server starts.

use std::time::Duration;

/// Connections of all protocols at a time, unless configured.
pub const CONNECTIONS_DEFAULT: usize = 1_024;
/// The most connections that can be configured.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Connections at a time of one address other than this machine's own, unless configured.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 64;
/// Requests under way on one connection.
pub const REQUESTS_PER_CONNECTION_MAX: u32 = 128;
/// Bytes of the head of a request.
pub const HEADER_BYTES_MAX: usize = 8 << 10;
/// Bytes of a key.
pub const KEY_LEN_MAX: usize = siltdb_core::limits::KEY_LEN_MAX;
/// Bytes of a value, unless configured.
pub const VALUE_LEN_DEFAULT: usize = 16 << 20;
/// Bytes of a batch.
pub const BATCH_BYTES_MAX: usize = 32 << 20;
/// Bytes of a batch that deletes all keys, which no peer has to send.
pub const FLUSH_BYTES_MAX: usize = 64 << 20;
/// Bytes of requests and replies held in memory over all connections; then work is refused.
pub const BUFFERED_BYTES_MAX: usize = 256 << 20;
/// Records being read at a time for scans and the like, which are counted when they are read.
pub const UNCOUNTED_READS_MAX: usize = 8;
/// Bytes held of a peer that has not shown its token.
pub const UNKNOWN_BYTES_MAX: usize = 4 << 10;
/// Time a peer has to show its token.
pub const UNKNOWN_TIME_MAX: Duration = Duration::from_secs(5);
/// Time for the first byte of a connection, and for the head of a request.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
/// Time for a TLS handshake.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// After this time a body must come at least at the rate below.
pub const BODY_TIME_FREE: Duration = Duration::from_secs(10);
/// Bytes a second a body must come at.
pub const BODY_RATE_MIN: u64 = 1 << 10;
/// A connection on which nothing moves for so long is closed, unless configured.
pub const IDLE_TIME_DEFAULT: Duration = Duration::from_secs(60);
/// A peer that takes nothing of a reply for so long is cut off.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// What a peer of RESP may still send after it was told why its connection ends, and for how long.
pub const LINGER_BYTES_MAX: usize = 64 << 20;
/// See [`LINGER_BYTES_MAX`].
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(2);
/// Records in one page or message of a scan.
pub const PAGE_RECORDS_MAX: usize = 1_000;
/// Bytes in one page or message of a scan, unless a single record has more.
pub const PAGE_BYTES_MAX: usize = 1 << 20;
/// Memory of the keys that one connection of RESP watches.
pub const WATCHED_BYTES_MAX: usize = 1 << 20;
/// Writes waiting for the log over all connections; then they are refused.
pub const WRITES_WAITING_MAX: usize = 16_384;
/// Scans, feeds, snapshots and the like at a time, each with a thread for a while.
pub const LONG_READS_MAX: usize = 64;
/// Change feeds at a time.
pub const FEEDS_MAX: usize = 256;
/// Wrong tokens of one address in the time below; then it is not heard.
pub const AUTH_FAILURES_MAX: u32 = 10;
/// How long wrong tokens are remembered.
pub const AUTH_FAILURES_TIME: Duration = Duration::from_secs(60);
/// Addresses whose wrong tokens are remembered.
pub const AUTH_ADDRESSES_MAX: usize = 10_000;
/// Bytes of the shortest token: 128 bits, as 32 hexadecimal or 22 base64 digits.
pub const TOKEN_LEN_MIN: usize = 22;
/// Time for requests under way to end when the server stops.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// Signals to stop within this time of the first are the same request.
pub const SIGNALS_TOGETHER: Duration = Duration::from_millis(500);
/// Time for the store to close then. All is synced before.
pub const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);
/// First wait after an error of accepting; doubled with each, up to the one below.
pub const ACCEPT_WAIT_MIN: Duration = Duration::from_millis(5);
/// Longest wait after an error of accepting.
pub const ACCEPT_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often certificates and keys are looked at for change.
pub const TLS_LOOK: Duration = Duration::from_secs(2);
/// How often the store is asked whether it can still write, while no write fails.
pub const POISON_LOOK: Duration = Duration::from_secs(1);

/// The limits that people want to know of, with their values.
#[must_use]
pub fn told(config: &super::Config) -> Vec<(&'static str, u64)> {
    let count = |n: usize| n as u64;
    vec![
        ("connections", count(config.connections)),
        ("connections_per_address", count(config.connections_per_address)),
        ("requests_per_connection", u64::from(REQUESTS_PER_CONNECTION_MAX)),
        ("header_bytes", count(HEADER_BYTES_MAX)),
        ("key_bytes", count(KEY_LEN_MAX)),
        ("value_bytes", count(config.value_len_max)),
        ("batch_bytes", count(BATCH_BYTES_MAX)),
        ("buffered_bytes", count(BUFFERED_BYTES_MAX)),
        ("writes_waiting", count(WRITES_WAITING_MAX)),
        ("long_reads", count(LONG_READS_MAX)),
        ("header_seconds", HEADER_TIME_MAX.as_secs()),
        ("idle_seconds", config.idle_time.as_secs()),
        ("write_stall_seconds", WRITE_STALL_MAX.as_secs()),
        ("stop_seconds", STOP_TIME_MAX.as_secs()),
    ]
}
