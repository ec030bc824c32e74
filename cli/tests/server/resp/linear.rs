//! Histories of concurrent clients are linearizable, key by key: some order of the calls explains
//! every answer, in which no call stands before one that had ended when it began.
//!
//! The search is that of Wing and Gong with the memory of Lowe: a set of calls that were put in
//! order and the value they lead to is looked at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use siltdb::{Batch, Condition, Operation};

use super::peer::{Answer, Peer};
use crate::served::{Served, wait};

const KEYS: u64 = 3;
/// Calls of each client.
const CALLS: u64 = 250;

/// What a call did to a key that holds a number, 0 for none.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Did {
    Set(u64),
    Get(u64),
    /// Added one, and was told the sum.
    Incr(u64),
    /// Set the second if the first was there.
    Swapped(u64, u64),
    /// Set, or not: the answer never came.
    Perhaps(u64),
}

/// A call on a key, from one tick of the clock to another.
#[derive(Debug, Clone, Copy)]
struct Call {
    key: u64,
    from: u64,
    to: u64,
    did: Did,
}

/// The value after a call, if its answer fits the value before.
fn after(value: u64, did: Did) -> Option<u64> {
    match did {
        Did::Set(new) | Did::Perhaps(new) => Some(new),
        Did::Get(seen) => (seen == value).then_some(value),
        Did::Incr(sum) => (sum == value + 1).then_some(sum),
        Did::Swapped(old, new) => (old == value).then_some(new),
    }
}

/// Whether calls on one key have an order that explains them.
fn is_linearizable(mut calls: Vec<Call>) -> bool {
    calls.sort_by_key(|call| call.from);
    let must: usize = calls.iter().filter(|call| !matches!(call.did, Did::Perhaps(_))).count();
    let mut seen = HashSet::new();
    // Which are in order (all before `first`, and the later ones listed), and the value then.
    let mut stack = vec![(0, Vec::<usize>::new(), 0_u64, 0_usize)];
    while let Some((first, later, value, done)) = stack.pop() {
        if done == must {
            return true;
        }
        if !seen.insert((first, later.clone(), value)) {
            continue;
        }
        let is_open = |at: &usize| *at >= first && !later.contains(at);
        let open: Vec<usize> =
            (first..calls.len()).take(later.len() + 64).filter(is_open).collect();
        let end = open.iter().map(|at| calls[*at].to).min().unwrap_or(u64::MAX);
        for at in open {
            if calls[at].from > end {
                break;
            }
            let Some(next) = after(value, calls[at].did) else { continue };
            let mut later = later.clone();
            later.push(at);
            later.sort_unstable();
            let mut first = first;
            while let Some(place) = later.iter().position(|at| *at == first) {
                later.remove(place);
                first += 1;
            }
            let is_must = !matches!(calls[at].did, Did::Perhaps(_));
            stack.push((first, later, next, done + usize::from(is_must)));
        }
    }
    false
}

fn check(calls: &[Call]) {
    for key in 0..KEYS {
        let of_key: Vec<Call> = calls.iter().filter(|call| call.key == key).copied().collect();
        assert!(of_key.len() > 50, "too few calls");
        assert!(is_linearizable(of_key.clone()), "no order explains the calls on key {key}");
        assert!(!is_linearizable(with_stale_read(of_key)), "a stale read was not noticed");
    }
}

/// The history with one read of a value that was overwritten before the read began.
fn with_stale_read(mut calls: Vec<Call>) -> Vec<Call> {
    calls.sort_by_key(|call| call.from);
    let last = calls.iter().map(|call| call.to).filter(|to| *to < u64::MAX).max().unwrap();
    let first = calls.iter().find_map(|call| match call.did {
        Did::Set(value) => Some(value),
        _ => None,
    });
    let stale = first.unwrap();
    let (from, to) = (last + 2, last + 3);
    let key = calls[0].key;
    let never = 1 << 50;
    calls.push(Call { key, from: last, to: last + 1, did: Did::Set(never) });
    calls.push(Call { key, from, to, did: Did::Get(stale) });
    calls
}

/// Ticks, one for every begin and end of a call.
fn tick(clock: &AtomicU64) -> u64 {
    clock.fetch_add(1, Ordering::SeqCst)
}

/// A client of RESP: sets, reads, counts, and swaps by WATCH.
fn by_resp(served: &Served, clock: &AtomicU64, client: u64) -> Vec<Call> {
    let mut peer = Peer::new(served.address("resp"));
    let mut calls = Vec::new();
    let number = |answer: &Answer| match answer {
        Answer::Null => 0,
        answer => answer.text().parse().unwrap(),
    };
    for i in 0..CALLS {
        let key = (i * 7 + client) % KEYS;
        let name = format!("key{key}");
        // Far apart, so that sums of different starts never meet.
        let new = (client * CALLS + i + 1) << 20;
        let from = tick(clock);
        let did = match (i + client * 3) % 5 {
            0 | 1 => Did::Get(number(&peer.ask(&["GET", &name]))),
            2 => {
                peer.ask(&["SET", &name, &new.to_string()]);
                Did::Set(new)
            }
            3 => Did::Incr(peer.ask(&["INCR", &name]).int() as u64),
            _ => {
                peer.ask(&["WATCH", &name]);
                let old = number(&peer.ask(&["GET", &name]));
                let to = tick(clock);
                calls.push(Call { key, from, to, did: Did::Get(old) });
                let from = tick(clock);
                peer.ask(&["MULTI"]);
                peer.ask(&["SET", &name, &new.to_string()]);
                if peer.ask(&["EXEC"]) != Answer::Null {
                    let to = tick(clock);
                    calls.push(Call { key, from, to, did: Did::Swapped(old, new) });
                }
                continue;
            }
        };
        calls.push(Call { key, from, to: tick(clock), did });
    }
    calls
}

/// A client of gRPC: sets, reads, and swaps by seq.
async fn by_grpc(served: &Served, clock: &AtomicU64, client: u64) -> Vec<Call> {
    let grpc = served.client().await;
    let mut calls = Vec::new();
    for i in 0..CALLS {
        let key = (i * 5 + client) % KEYS;
        let name = format!("key{key}");
        let new = (client * CALLS + i + 1) << 20;
        let from = tick(clock);
        if i % 3 == 0 {
            grpc.set(name.as_bytes(), new.to_string().as_bytes()).await.unwrap();
            calls.push(Call { key, from, to: tick(clock), did: Did::Set(new) });
            continue;
        }
        let record = grpc.get_record(name.as_bytes(), None).await.unwrap();
        let text = record.as_ref().map(|r| String::from_utf8(r.value.clone()).unwrap());
        let old: u64 = text.map_or(0, |text| text.parse().unwrap());
        calls.push(Call { key, from, to: tick(clock), did: Did::Get(old) });
        if i % 3 == 1 {
            let condition = record.map_or(Condition::Absent, |r| Condition::SeqIs(r.seq));
            let mut batch = Batch::new();
            batch.push(Operation {
                key: name.into_bytes(),
                value: Some(new.to_string().into_bytes()),
                expires: None,
                condition: Some(condition),
            });
            let from = tick(clock);
            match grpc.batch(&batch, None).await {
                Ok(_) => {
                    let did = Did::Swapped(old, new);
                    calls.push(Call { key, from, to: tick(clock), did });
                }
                Err(e) => assert_eq!(e.code, "SILT_CONDITION_FAILED", "{e}"),
            }
        }
    }
    calls
}

fn run(arguments: &[&str], of_resp: u64, of_grpc: u64) {
    let served = Served::new(arguments);
    let clock = AtomicU64::new(1);
    let calls: Vec<Call> = std::thread::scope(|scope| {
        let (served, clock) = (&served, &clock);
        let resp: Vec<_> =
            (0..of_resp).map(|i| scope.spawn(move || by_resp(served, clock, i))).collect();
        let grpc: Vec<_> = (of_resp..of_resp + of_grpc)
            .map(|i| scope.spawn(move || wait(by_grpc(served, clock, i))))
            .collect();
        resp.into_iter().chain(grpc).flat_map(|thread| thread.join().unwrap()).collect()
    });
    check(&calls);
}

#[test]
fn clients_of_resp_see_one_order() {
    run(&["--durability", "flushed"], 6, 0);
    run(&[], 6, 0);
}

#[test]
fn clients_of_grpc_see_one_order() {
    run(&[], 0, 6);
}

#[test]
fn clients_of_both_protocols_see_one_order() {
    run(&["--durability", "flushed"], 4, 4);
    run(&["--durability", "buffered"], 3, 3);
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

fn until_killed(address: std::net::SocketAddr, clock: &AtomicU64, client: u64) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut peer = Peer::new(address);
    for i in 0.. {
        let (key, new) = ((i + client) % KEYS, (client * 1_000_000 + i + 1) << 20);
        let name = format!("key{key}");
        let from = tick(clock);
        let did = if i % 3 == 0 {
            match peer.try_ask(&["GET", &name]) {
                Ok(Answer::Null) => Did::Get(0),
                Ok(answer) => Did::Get(answer.text().parse().unwrap()),
                Err(_) => return calls,
            }
        } else {
            match peer.try_ask(&["SET", &name, &new.to_string()]) {
                Ok(_) => Did::Set(new),
                Err(_) => {
                    calls.push(Call { key, from, to: u64::MAX, did: Did::Perhaps(new) });
                    return calls;
                }
            }
        };
        calls.push(Call { key, from, to: tick(clock), did });
    }
    calls
}

#[test]
fn the_checker_knows_right_from_wrong() {
    let call = |from, to, did| Call { key: 0, from, to, did };
    // Two writes at the same time, read in either order by one after the other: fine.
    let fine = vec![
        call(1, 4, Did::Set(1)),
        call(2, 5, Did::Set(2)),
        call(6, 7, Did::Get(1)),
        call(8, 9, Did::Swapped(1, 7)),
        call(8, 9, Did::Get(1)),
        call(10, 11, Did::Incr(8)),
    ];
    assert!(is_linearizable(fine.clone()));
    let mut wrong = fine.clone();
    wrong.push(call(12, 13, Did::Get(2)));
    assert!(!is_linearizable(wrong), "a value that was overwritten");
    let mut wrong = fine.clone();
    wrong.push(call(3, 4, Did::Incr(100)));
    assert!(!is_linearizable(wrong), "a sum of nothing");
    // Two that read different values one after the other, while nothing was written.
    let back = vec![call(1, 20, Did::Set(1)), call(2, 3, Did::Get(1)), call(4, 5, Did::Get(0))];
    assert!(!is_linearizable(back), "a value that went away again");
    let twice = vec![call(1, 2, Did::Swapped(0, 5)), call(1, 2, Did::Swapped(0, 6))];
    assert!(!is_linearizable(twice), "two swaps of one value");
    // What never ended may stand anywhere after its begin, or nowhere.
    let unknown =
        vec![call(1, u64::MAX, Did::Perhaps(9)), call(3, 4, Did::Get(0)), call(5, 6, Did::Get(9))];
    assert!(is_linearizable(unknown));
}
