//! Histories of concurrent clients are linearizable, key by key, whatever protocols they speak:
//! some order of the calls explains every answer, in which no call stands before one that had ended
//! when it began.

mod clients;
mod order;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clients::{by_grpc, by_http, by_resp, tick, until_killed};
use order::{Call, Did, KEYS, check};

use crate::resp::peer::Peer;
use crate::served::{Served, wait};

/// Clients of each protocol.
#[derive(Clone, Copy, Default)]
struct Clients {
    resp: u64,
    grpc: u64,
    http: u64,
}

fn run(arguments: &[&str], clients: Clients) {
    let served = Served::new(arguments);
    let clock = AtomicU64::new(1);
    let calls: Vec<Call> = std::thread::scope(|scope| {
        let (served, clock) = (&served, &clock);
        let mut threads = Vec::new();
        let (resp_end, grpc_end) = (clients.resp, clients.resp + clients.grpc);
        for i in 0..resp_end {
            threads.push(scope.spawn(move || by_resp(served, clock, i)));
        }
        for i in resp_end..grpc_end {
            threads.push(scope.spawn(move || wait(by_grpc(served, clock, i))));
        }
        for i in grpc_end..grpc_end + clients.http {
            threads.push(scope.spawn(move || by_http(served, clock, i)));
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    check(&calls);
}

#[test]
fn clients_of_resp_see_one_order() {
    let clients = Clients { resp: 6, ..Clients::default() };
    run(&["--durability", "flushed"], clients);
    run(&[], clients);
}

#[test]
fn clients_of_grpc_see_one_order() {
    run(&[], Clients { grpc: 6, ..Clients::default() });
}

#[test]
fn clients_of_http_see_one_order() {
    let clients = Clients { http: 6, ..Clients::default() };
    run(&["--durability", "flushed"], clients);
    run(&[], clients);
}

#[test]
fn clients_of_all_protocols_see_one_order() {
    run(&["--durability", "flushed"], Clients { resp: 3, grpc: 3, http: 3 });
    run(&["--durability", "buffered"], Clients { resp: 2, grpc: 2, http: 2 });
}

/// What was asked and never answered may have been done, or not; what was answered has.
#[test]
fn one_order_explains_what_is_seen_before_and_after_a_kill() {
    let served = Served::new(&[]);
    let clock = AtomicU64::new(1);
    let address = served.address("resp");
    let mut calls: Vec<Call> = std::thread::scope(|scope| {
        let clock = &clock;
        let clients: Vec<_> = (0..6)
            .map(|client| scope.spawn(move || until_killed(address, clock, client)))
            .collect();
        while clock.load(Ordering::SeqCst) < 1_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        served.signal(rustix::process::Signal::KILL);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let silt = served.ended().2;
    let served = Served::of(silt, &[]);
    let mut peer = Peer::new(served.address("resp"));
    for key in 0..KEYS {
        let from = tick(&clock);
        let seen = peer.ask(&["GET", &format!("key{key}")]).text().parse().unwrap();
        calls.push(Call { key, from, to: tick(&clock), did: Did::Get(seen) });
    }
    check(&calls);
}
