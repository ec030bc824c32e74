//! `INFO`.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use super::{Call, Outcome};
use crate::server::Protocol;
use crate::server::resp::VERSION;
use siltdb_core::Durability;

type Section = fn(&Call<'_>, &mut String) -> std::fmt::Result;

const SECTIONS: &[(&str, Section)] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
];

/// `INFO [section ...]`
pub fn info(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let is_asked = |name: &str| {
        args.count() == 1
            || args.from(1).any(|asked| {
                let all = [name, "all", "everything", "default"];
                all.iter().any(|known| asked.eq_ignore_ascii_case(known.as_bytes()))
            })
    };
    let mut text = String::new();
    for (name, section) in SECTIONS.iter().filter(|(name, _)| is_asked(name)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        // Writing into a string does not fail.
        let _ = write!(text, "# {name}\r\n");
        let _ = section(call, &mut text);
    }
    call.out.verbatim(&text);
    Ok(())
}

fn server(call: &Call<'_>, text: &mut String) -> std::fmt::Result {
    let uptime = call.resp.shared.metrics.started.elapsed().as_secs();
    write!(
        text,
        "redis_version:{VERSION}\r\nredis_mode:standalone\r\nsilt_version:{}\r\nos:{} {}\r\n\
         arch_bits:{}\r\nprocess_id:{}\r\ntcp_port:{}\r\nuptime_in_seconds:{uptime}\r\n\
         uptime_in_days:{}\r\nio_threads_active:{}\r\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        usize::BITS,
        std::process::id(),
        call.session.client.local.port(),
        uptime / 86_400,
        call.resp.threads,
    )
}

fn clients(call: &Call<'_>, text: &mut String) -> std::fmt::Result {
    let metrics = call.resp.shared.metrics.of(Protocol::Resp);
    write!(
        text,
        "connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:0\r\n",
        metrics.connections_open.load(Ordering::Relaxed),
        call.resp.shared.config.connections
    )
}

fn memory(call: &Call<'_>, text: &mut String) -> std::fmt::Result {
    let used = resident();
    write!(
        text,
        "used_memory:{used}\r\nused_memory_rss:{used}\r\nmaxmemory:0\r\n\
         maxmemory_policy:noeviction\r\nclients_buffers:{}\r\n",
        call.resp.shared.budget.used()
    )
}

/// Memory of the process that is resident, where the system tells.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

fn persistence(call: &Call<'_>, text: &mut String) -> std::fmt::Result {
    let store = call.txn.store();
    let fsync = match call.resp.shared.config.options.durability {
        Durability::Synced => "always",
        Durability::Flushed => "everysec",
        Durability::Buffered => "no",
    };
    let is_well = !call.resp.shared.is_poisoned();
    let status = if is_well { "ok" } else { "err" };
    write!(
        text,
        "loading:0\r\naof_enabled:1\r\naof_rewrite_in_progress:{}\r\naof_last_write_status:\
         {status}\r\naof_last_bgrewrite_status:ok\r\nrdb_bgsave_in_progress:0\r\n\
         rdb_last_save_time:{}\r\nrdb_last_bgsave_status:{status}\r\nappendfsync:{fsync}\r\n\
         silt_last_seq:{}\r\nsilt_durable_seq:{}\r\nsilt_oldest_seq:{}\r\n",
        u8::from(call.resp.is_compacting()),
        store.durable_seq() / 1_000_000,
        store.last_seq(),
        store.durable_seq(),
        store.horizon()
    )
}

fn stats(call: &Call<'_>, text: &mut String) -> std::fmt::Result {
    let metrics = call.resp.shared.metrics.of(Protocol::Resp);
    let sum = |from: usize| -> u64 {
        let all = metrics.ops.iter().flat_map(|op| op.outcomes.iter().skip(from));
        all.map(|n| n.load(Ordering::Relaxed)).sum()
    };
    let (commands, failures) = (sum(0), sum(1));
    write!(
        text,
        "total_connections_received:{}\r\ntotal_commands_processed:{commands}\r\n\
         rejected_connections:{}\r\ntotal_error_replies:{failures}\r\nexpired_keys:0\r\n\
         evicted_keys:0\r\n",
        metrics.connections.load(Ordering::Relaxed),
        metrics.connections_refused.load(Ordering::Relaxed)
    )
}

fn replication(_: &Call<'_>, text: &mut String) -> std::fmt::Result {
    text.write_str("role:master\r\nconnected_slaves:0\r\n")
}

fn cluster(_: &Call<'_>, text: &mut String) -> std::fmt::Result {
    text.write_str("cluster_enabled:0\r\n")
}

fn keyspace(call: &Call<'_>, text: &mut String) -> std::fmt::Result {
    match call.txn.store().len() {
        Ok(keys) if keys > 0 => write!(text, "db0:keys={keys},expires=0,avg_ttl=0\r\n"),
        _ => Ok(()),
    }
}
