//! Whether one order explains what concurrent clients saw.
//!
//! The search is that of Wing and Gong with the memory of Lowe: a set of calls that were put in
//! order and the value they lead to is looked at once.

use std::collections::HashSet;

/// Keys that calls are made on.
pub const KEYS: u64 = 3;

/// What a call did to a key that holds a number, 0 for none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Did {
    Set(u64),
    Get(u64),
    /// Added one, and was told the sum.
    Incr(u64),
    /// Set the second if the first was there.
    Swapped(u64, u64),
    /// Was refused, since the key did not hold this.
    Refused(u64),
    /// Set, or not: the answer never came.
    Perhaps(u64),
}

/// A call on a key, from one tick of the clock to another.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub key: u64,
    pub from: u64,
    pub to: u64,
    pub did: Did,
}

/// The value after a call, if its answer fits the value before.
fn after(value: u64, did: Did) -> Option<u64> {
    match did {
        Did::Set(new) | Did::Perhaps(new) => Some(new),
        Did::Get(seen) => (seen == value).then_some(value),
        Did::Incr(sum) => (sum == value + 1).then_some(sum),
        Did::Swapped(old, new) => (old == value).then_some(new),
        Did::Refused(old) => (old != value).then_some(value),
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

/// Checks the calls on each key; a read of something older among them must be noticed.
pub fn check(calls: &[Call]) {
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
    let (from, to) = (last + 3, last + 4);
    let key = calls[0].key;
    let never = 1 << 50;
    calls.push(Call { key, from: last + 1, to: last + 2, did: Did::Set(never) });
    calls.push(Call { key, from, to, did: Did::Get(stale) });
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
    let refused = vec![call(1, 2, Did::Set(5)), call(3, 4, Did::Refused(5))];
    assert!(!is_linearizable(refused), "a swap of what was there");
    let refused = vec![call(1, 3, Did::Set(5)), call(2, 4, Did::Refused(5))];
    assert!(is_linearizable(refused), "a swap before it was there");
    // What never ended may stand anywhere after its begin, or nowhere.
    let unknown =
        vec![call(1, u64::MAX, Did::Perhaps(9)), call(3, 4, Did::Get(0)), call(5, 6, Did::Get(9))];
    assert!(is_linearizable(unknown));
}
