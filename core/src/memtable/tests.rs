use super::*;
use alloc::vec;

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Short keys of few different bytes, among them zeros, around the length of the prefix.
fn random_key(state: &mut u64) -> Vec<u8> {
    let long = next(state).is_multiple_of(2);
    let mut key = if long { vec![b'p'; 6] } else { Vec::new() };
    for _ in 0..next(state) % 5 {
        key.push([0, 1, b'a', 255][(next(state) % 4) as usize]);
    }
    key
}

/// The records in the order that a run promises; the number of arrival is the offset.
type Model = Vec<(Vec<u8>, u64, u32)>;

fn ordered(model: &Model) -> Model {
    let mut model = model.clone();
    model.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2)));
    model
}

fn contents(run: &Run) -> Model {
    (0..run.len())
        .map(|i| {
            let entry = run.entry(i);
            assert_eq!(entry.tombstone, entry.offset.is_multiple_of(3));
            assert_eq!((entry.expires, entry.len), (u64::from(entry.offset) * 7, entry.offset + 1));
            (run.key(i).to_vec(), entry.seq, entry.offset)
        })
        .collect()
}

fn push(table: &mut Memtable, model: &mut Model, key: &[u8], seq: u64) {
    let n = model.len() as u32;
    table.push(key, seq, n.is_multiple_of(3), u64::from(n) * 7, n, n + 1);
    model.push((key.to_vec(), seq, n));
}

fn merged(runs: &[Arc<Run>]) -> Run {
    runs.iter().fold(Run::default(), |older, newer| Run::merged(newer, &older))
}

#[test]
fn random_operations_agree_with_a_sorted_list() {
    for seed in 0..40 {
        let (mut table, mut model) = (Memtable::new(), Model::new());
        let mut state = seed;
        let mut taken: Option<Fork> = None;
        for _ in 0..1500 {
            match next(&mut state) % 40 {
                0 => table.freeze(),
                1 => taken = Some(table.fork()),
                2 => {
                    if let Some(mut fork) = taken.take() {
                        fork.order();
                        table.install(&fork);
                    }
                }
                3 => assert_eq!(contents(&merged(table.order())), ordered(&model)),
                4 if seed % 4 == 0 => {
                    assert_eq!(contents(&table.order_fully()), ordered(&model));
                    assert!(table.runs().len() <= 1);
                }
                _ => {
                    let key = random_key(&mut state);
                    push(&mut table, &mut model, &key, next(&mut state) % 4);
                }
            }
            assert_eq!(table.len(), model.len());
        }
        let run = table.order_fully();
        let want = ordered(&model);
        assert_eq!(contents(&run), want);
        for _ in 0..500 {
            let key = random_key(&mut state);
            assert_eq!(run.lower_bound(&key), want.partition_point(|record| record.0 < key));
        }
    }
}

#[test]
fn full_chunks_freeze_by_themselves_and_runs_stay_few() {
    let (mut table, mut model) = (Memtable::new(), Model::new());
    let mut state = 1;
    for i in 0..100_000 {
        push(&mut table, &mut model, &next(&mut state).to_be_bytes(), i);
        if i % 5_000 == 0 {
            let runs = table.order();
            assert!(runs.len() <= 16);
            assert!(runs.windows(2).all(|pair| pair[1].len() * 2 < pair[0].len()));
        }
    }
    table.order();
    for i in 0..CHUNK_RECORDS as u64 {
        assert_eq!(table.is_unordered(), i > 0);
        assert!(table.chunks.is_empty());
        push(&mut table, &mut model, b"k", i);
    }
    assert_eq!(table.chunks.len(), 1);
    assert!(table.bytes() >= table.len() * 40);
    assert_eq!(contents(&table.order_fully()), ordered(&model));
}

#[test]
fn install_ignores_a_fork_of_what_was_ordered_meanwhile() {
    let (mut table, mut model) = (Memtable::new(), Model::new());
    push(&mut table, &mut model, b"b", 1);
    let mut first = table.fork();
    let mut second = table.fork();
    push(&mut table, &mut model, b"a", 2);
    table.freeze();
    first.order();
    table.install(&first);
    assert_eq!((table.chunks.len(), table.runs().len()), (1, 1));
    second.order();
    table.install(&second);
    assert_eq!((table.chunks.len(), table.runs().len()), (1, 1));
    // A fork without chunks must not put back the runs of before.
    let mut third = table.fork();
    table.order();
    third.order_fully();
    table.install(&third);
    assert_eq!(contents(&table.order_fully()), ordered(&model));
}

#[test]
fn empty_table_has_an_empty_run() {
    let mut table = Memtable::new();
    assert!(table.is_empty() && table.order().is_empty());
    assert_eq!(table.bytes(), 0);
    let run = table.order_fully();
    assert!(run.is_empty());
    assert_eq!(run.lower_bound(b""), 0);
}

#[test]
fn what_arrived_after_a_moment_is_found_with_few_older() {
    let mut state = 11;
    for len in 0..100_u32 {
        let mut table = Memtable::new();
        let mut seqs = Vec::new();
        for i in 0..len {
            // Those of one batch have the same.
            let seq = seqs.last().map_or(1, |last| last + next(&mut state) % 3);
            table.push(b"k", seq, false, 0, i * 10, 9);
            seqs.push(seq);
        }
        for since in 0..u64::from(len) * 2 + 2 {
            let found = table.arrivals().after(since);
            let first = found.first().map_or(len, |(offset, _)| offset / 10) as usize;
            assert!(seqs[..first].iter().all(|seq| *seq <= since));
            let before = seqs.iter().position(|seq| *seq > since).unwrap_or(seqs.len());
            assert!(before - first < arrivals::MARK_RECORDS);
            assert_eq!(
                found.last().map_or((0, 9), |last| *last).1,
                9,
                "the last ends where it ends"
            );
            assert!(found.iter().rev().skip(1).all(|(_, len)| *len == 10));
        }
    }
}
