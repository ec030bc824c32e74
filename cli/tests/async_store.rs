//! The store for tasks: many operations under way, streams that follow their reader's pace, and
//! the change feed.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use siltdb::{AsyncStore, Batch, Durability, ErrorKind, Options, Retention, ScanOptions};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);

async fn open(options: Options) -> (tempfile::TempDir, AsyncStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = AsyncStore::open(dir.path().join("db"), options).await.unwrap();
    (dir, store)
}

fn forever() -> Options {
    Options { retention: Retention::Forever, ..Options::default() }
}

/// On a runtime of one thread: nothing may wait in it.
#[tokio::test]
async fn many_writes_under_way_share_syncs_in_one_thread() {
    let (_dir, store) = open(Options::default()).await;
    let tasks: Vec<_> = (0..2_000_u32)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move {
                let commit = store.set(&i.to_be_bytes(), &[7; 50]).await.unwrap();
                assert_eq!(commit.durability, Durability::Synced);
                assert_eq!(store.get(&i.to_be_bytes()).await.unwrap(), Some(vec![7; 50]));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.keys, stats.commits), (2_000, 2_000));
    assert!(stats.syncs < 1_000, "{} syncs", stats.syncs);
    assert!(store.delete(b"").await == Err(ErrorKind::KeyEmpty.into()));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_scan_is_consistent_and_can_be_dropped() {
    let (_dir, store) = open(forever()).await;
    let mut batch = Batch::new();
    for i in 0..5_000_u32 {
        batch.set(&i.to_be_bytes(), b"old");
    }
    let first = store.batch(batch, None).await.unwrap();
    let mut scan = store.scan(ScanOptions::default());
    let record = scan.next().await.unwrap().unwrap();
    assert_eq!((record.key, record.seq), (0_u32.to_be_bytes().to_vec(), first.seq));
    for i in (0..5_000_u32).step_by(7) {
        let mut batch = Batch::new();
        batch.delete(&i.to_be_bytes());
        store.batch(batch, Some(Durability::Flushed)).await.unwrap();
    }
    let mut count = 1;
    while let Some(record) = scan.next().await {
        assert_eq!(record.unwrap().value, b"old");
        count += 1;
    }
    assert_eq!(count, 5_000);
    let now = store.count(ScanOptions::default()).await.unwrap();
    assert_eq!(now, 5_000 - 5_000_u64.div_ceil(7));
    let past = store.get_record(&0_u32.to_be_bytes(), Some(first.seq)).await.unwrap();
    assert_eq!(past.unwrap().value, b"old");
    let mut history = store.history(&0_u32.to_be_bytes());
    for value in [None, Some(b"old".to_vec())] {
        assert_eq!(history.next().await.unwrap().unwrap().value, value);
    }
    assert!(history.next().await.is_none());
    let mut dropped = store.scan(ScanOptions::default());
    assert!(dropped.next().await.is_some());
    drop(dropped);
    let gone = ScanOptions { as_of: Some(0), to: Some(vec![0]), ..ScanOptions::default() };
    assert!(store.scan(gone).next().await.is_none());
    timeout(SOON, store.close()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_change_feed_replays_and_goes_on_live() {
    let (_dir, store) = open(forever()).await;
    let first = store.set(b"user/1", b"a").await.unwrap();
    store.set(b"other", b"x").await.unwrap();
    let range = ScanOptions { prefix: Some(b"user/".to_vec()), ..ScanOptions::default() };
    let mut all = store.changes(0, range.clone()).unwrap();
    let mut later = store.changes(first.seq, range).unwrap();
    let told = timeout(SOON, all.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((told.key.as_slice(), told.version.seq), (&b"user/1"[..], first.seq));
    store.set(b"other", b"y").await.unwrap();
    let mut batch = Batch::new();
    batch.set(b"user/2", b"b").delete(b"user/1");
    let second = store.batch(batch, None).await.unwrap();
    for feed in [&mut all, &mut later] {
        let mut told = Vec::new();
        for _ in 0..2 {
            let changed = timeout(SOON, feed.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(changed.version.seq, second.seq);
            told.push((changed.key, changed.version.value));
        }
        told.sort();
        let expected = [(b"user/1".to_vec(), None), (b"user/2".to_vec(), Some(b"b".to_vec()))];
        assert_eq!(told, expected);
    }
    // A feed does not keep the store open, and ends with it.
    timeout(SOON, store.close()).await.unwrap().unwrap();
    assert!(timeout(SOON, all.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_feed_from_before_the_horizon_says_so() {
    let (_dir, store) = open(Options::default()).await;
    let first = store.set(b"k", b"1").await.unwrap();
    store.set(b"k", b"2").await.unwrap();
    store.compact(|_| ()).await.unwrap();
    let mut feed = store.changes(first.seq - 1, ScanOptions::default()).unwrap();
    let told = timeout(SOON, feed.next()).await.unwrap().unwrap();
    assert!(
        matches!(&told, Err(e) if matches!(e.kind(), ErrorKind::HistoryGone { .. })),
        "{told:?}"
    );
    assert!(timeout(SOON, feed.next()).await.unwrap().is_none());
    let (report, bytes) = store.snapshot(Vec::new()).await.unwrap();
    assert_eq!(report.bytes, bytes.len() as u64);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_feed_that_is_up_to_date_looks_only_at_what_is_new() {
    let (_dir, store) = open(forever()).await;
    let mut batch = Batch::new();
    for i in 0..5_000_u32 {
        batch.set(&i.to_le_bytes(), b"value");
    }
    let mut since = store.batch(batch, None).await.unwrap().seq;
    for round in 0..3_u8 {
        // The log in the order of keys does not make it more.
        assert_eq!(store.count(ScanOptions::default()).await.unwrap(), 5_000 + u64::from(round));
        let last = store.set(&[round], b"new").await.unwrap().seq;
        let mut changes = store.store().changes(since, &ScanOptions::default()).unwrap();
        let told: Vec<_> = changes.by_ref().map(|changed| changed.unwrap().key).collect();
        assert_eq!(told, [[round]]);
        assert!(changes.looked_at() <= 16, "{} were looked at", changes.looked_at());
        since = last;
    }
}
