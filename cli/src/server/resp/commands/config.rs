//! `CONFIG`: what clients ask about.

use super::{Call, Outcome};
use crate::server::resp::glob;
use crate::server::resp::reply::Trouble;
use siltdb_core::Durability;

/// Every parameter with its value.
fn parameters(call: &Call<'_>) -> Vec<(&'static str, String)> {
    let config = &call.resp.shared.config;
    let fsync = match config.options.durability {
        Durability::Synced => "always",
        Durability::Flushed => "everysec",
        Durability::Buffered => "no",
    };
    let idle = config.idle_time.as_secs();
    let port = call.resp.local.port();
    let (port, tls_port) = if config.tls.is_some() { (0, port) } else { (port, 0) };
    vec![
        ("appendfsync", fsync.into()),
        ("appendonly", "yes".into()),
        ("bind", config.host.to_string()),
        ("databases", "1".into()),
        ("io-threads", call.resp.threads.to_string()),
        ("maxclients", config.connections.to_string()),
        ("maxmemory", "0".into()),
        ("maxmemory-policy", "noeviction".into()),
        ("port", port.to_string()),
        ("proto-max-bulk-len", config.value_len_max.to_string()),
        ("save", String::new()),
        ("timeout", if idle > 1 << 31 { 0 } else { idle }.to_string()),
        ("tls-port", tls_port.to_string()),
    ]
}

/// `CONFIG GET|SET|RESETSTAT|REWRITE|HELP`
pub fn config(call: &mut Call<'_>) -> Outcome {
    let sub = call.args.get(1).to_ascii_uppercase();
    match sub.as_slice() {
        b"GET" => get(call),
        b"SET" if call.args.count().is_multiple_of(2) => return set(call),
        b"RESETSTAT" => call.out.ok(),
        b"REWRITE" => {
            return Err(Trouble::err("The server is running without a config file"));
        }
        _ => return Err(Trouble::syntax()),
    }
    Ok(())
}

fn get(call: &mut Call<'_>) {
    let args = call.args;
    let mut found = parameters(call);
    found.retain(|(name, _)| {
        args.from(2).any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    });
    call.out.map(found.len());
    for (name, value) in found {
        call.out.bulk(name.as_bytes());
        call.out.bulk(value.as_bytes());
    }
}

/// Takes what changes nothing: a server is configured where it is started.
fn set(call: &mut Call<'_>) -> Outcome {
    let known = parameters(call);
    for i in (2..call.args.count()).step_by(2) {
        let name = String::from_utf8_lossy(call.args.get(i)).to_ascii_lowercase();
        let Some((_, value)) = known.iter().find(|(known, _)| *known == name) else {
            return Err(Trouble::err(&format!(
                "Unknown option or number of arguments for CONFIG SET - '{name}'"
            )));
        };
        let is_harmless = matches!(name.as_str(), "save" | "maxmemory-policy");
        if !is_harmless && !call.args.get(i + 1).eq_ignore_ascii_case(value.as_bytes()) {
            return Err(Trouble::err(&format!(
                "CONFIG SET failed (possibly related to argument '{name}') - can't set immutable \
                 config"
            )));
        }
    }
    call.out.ok();
    Ok(())
}
