//! What the server does by itself: snapshots and compactions.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::Store;

/// How often a snapshot is made, unless configured.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60 * 60);
/// How many snapshots are kept, unless configured.
const SNAPSHOT_KEEP: usize = 24;
/// A snapshot or a compaction that failed is tried again after this time at the latest.
const RETRY_AFTER: Duration = Duration::from_secs(60);
const DAY: u64 = 24 * 60 * 60;

/// When snapshots and compactions are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Where snapshots go.
    pub snapshot_dir: Option<PathBuf>,
    /// How often one is made.
    pub snapshot_every: Option<Duration>,
    /// How many of them are kept.
    pub snapshot_keep: Option<usize>,
    /// How often everything worth it is compacted.
    pub compact_every: Option<Duration>,
    /// The second of the day (UTC) at which everything worth it is compacted.
    pub compact_at: Option<u32>,
}

impl Schedule {
    /// Checks that it fits together.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        let wants_snapshots = self.snapshot_every.is_some() || self.snapshot_keep.is_some();
        if self.snapshot_dir.is_none() && wants_snapshots {
            return Err(String::from("--snapshot-every and --snapshot-keep need --snapshot-dir"));
        }
        if self.snapshot_keep == Some(0) {
            return Err(String::from("--snapshot-keep is at least 1"));
        }
        Ok(())
    }
}

/// Begins what is scheduled.
pub fn start(shared: &Arc<Shared>) {
    let schedule = shared.config.schedule.clone();
    if let Some(dir) = schedule.snapshot_dir {
        let every = schedule.snapshot_every.unwrap_or(SNAPSHOT_EVERY);
        let keep = schedule.snapshot_keep.unwrap_or(SNAPSHOT_KEEP);
        shared.tasks.spawn(snapshots(Arc::clone(shared), dir, every, keep));
    }
    if let Some(every) = schedule.compact_every {
        shared.tasks.spawn(compactions(Arc::clone(shared), move || every));
    }
    if let Some(second) = schedule.compact_at {
        let until = move || until_second_of_day(u64::from(second), SystemTime::now());
        shared.tasks.spawn(compactions(Arc::clone(shared), until));
    }
}

/// `false` when the server stops first.
async fn wait(stop: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = sleep(time) => true,
    }
}

fn until_second_of_day(second: u64, now: SystemTime) -> Duration {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = since.as_secs() % DAY;
    // The second that is under way counts as over: the same one is not met twice.
    let left = (second + DAY - now - 1) % DAY + 1;
    Duration::from_secs(left) - Duration::from_nanos(u64::from(since.subsec_nanos()))
}

async fn compactions(shared: Arc<Shared>, until: impl Fn() -> Duration) {
    while wait(&shared.stop, until()).await {
        let store = shared.store.store().clone();
        match spawn_blocking(move || store.compact(&mut |_| ())).await {
            Ok(Ok(report)) if report.runs == 0 => tracing::debug!("nothing is worth compacting"),
            Ok(Ok(report)) => tracing::info!(
                runs = report.runs,
                input_bytes = report.input_bytes,
                output_bytes = report.output_bytes,
                dropped_records = report.dropped_records,
                "compacted on schedule"
            ),
            Ok(Err(error)) => tracing::error!(%error, "compaction on schedule failed"),
            Err(error) => tracing::error!(%error, "compaction on schedule failed"),
        }
    }
}

async fn snapshots(shared: Arc<Shared>, dir: PathBuf, every: Duration, keep: usize) {
    // A server that is started again goes on where it was.
    let mut next = due_in(&dir, every);
    while wait(&shared.stop, next).await {
        let store = shared.store.store().clone();
        let (place, stop) = (dir.clone(), shared.stop.clone());
        let made = spawn_blocking(move || snapshot(&store, &place, keep, &stop)).await;
        next = every;
        match made.unwrap_or_else(|e| Err(e.to_string())) {
            Ok(Some((path, bytes))) => {
                shared.metrics.snapshots.fetch_add(1, Ordering::Relaxed);
                tracing::info!(file = %path.display(), bytes, "snapshot on schedule");
            }
            Ok(None) => tracing::debug!("no snapshot: nothing was written since the last one"),
            Err(_) if shared.stop.is_cancelled() => return,
            Err(error) => {
                shared.metrics.snapshot_failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error, "snapshot on schedule failed");
                next = every.min(RETRY_AFTER);
            }
        }
    }
}

fn due_in(dir: &Path, every: Duration) -> Duration {
    let newest = snapshots_in(dir).ok().and_then(|all| all.into_iter().max());
    let age = newest.and_then(|(_, path)| path.metadata().ok()?.modified().ok()?.elapsed().ok());
    age.map_or(Duration::ZERO, |age| every.saturating_sub(age))
}

/// Snapshots of the schedule, with their seqs.
fn snapshots_in(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let seq = name.strip_prefix("silt-").and_then(|rest| rest.strip_suffix(".snapshot"));
        // Nothing else is touched, whatever it is.
        if let Some(seq) = seq.filter(|seq| seq.len() == 16).and_then(|seq| seq.parse().ok()) {
            found.push((seq, path));
        }
    }
    Ok(found)
}

/// Copies the store into a file of `dir`, and removes the oldest ones over `keep`.
fn snapshot(
    store: &Store,
    dir: &Path,
    keep: usize,
    stop: &CancellationToken,
) -> Result<Option<(PathBuf, u64)>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", dir.display());
    fs::create_dir_all(dir).map_err(|e| failed(&e))?;
    let newest = snapshots_in(dir).map_err(|e| failed(&e))?.into_iter().max();
    if newest.is_some_and(|(seq, _)| seq == store.last_seq()) {
        return Ok(None);
    }
    let temporary = dir.join("silt.snapshot.tmp");
    let written = write(store, &temporary, stop);
    let (seq, bytes) = written.inspect_err(|_| {
        // Half a snapshot is of no use.
        let _ = fs::remove_file(&temporary);
    })?;
    let path = dir.join(format!("silt-{seq:016}.snapshot"));
    fs::rename(&temporary, &path).map_err(|e| failed(&e))?;
    // The name is durable once its directory is; only Unix lets a directory be synced.
    if cfg!(unix) {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| failed(&e))?;
    }
    let mut all = snapshots_in(dir).map_err(|e| failed(&e))?;
    all.sort();
    let surplus = all.len().saturating_sub(keep);
    for (_, old) in all.into_iter().take(surplus) {
        fs::remove_file(old).map_err(|e| failed(&e))?;
    }
    Ok(Some((path, bytes)))
}

fn write(store: &Store, path: &Path, stop: &CancellationToken) -> Result<(u64, u64), String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::create(path).map_err(|e| failed(&e))?;
    let mut out = Stoppable { out: BufWriter::with_capacity(256 << 10, file), stop };
    let report = store.snapshot(&mut out, &mut |_| ()).map_err(|e| failed(&e))?;
    let file = out.out.into_inner().map_err(|e| failed(&e))?;
    file.sync_all().map_err(|e| failed(&e))?;
    Ok((report.seq, report.bytes))
}

/// Writing ends when the server stops, so that stopping does not wait for it.
struct Stoppable<'a> {
    out: BufWriter<File>,
    stop: &'a CancellationToken,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("the server stops"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_next_time_of_day_is_never_now() {
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(until_second_of_day(60, at(0)), Duration::from_secs(60));
        assert_eq!(until_second_of_day(60, at(60)), Duration::from_secs(DAY));
        assert_eq!(until_second_of_day(0, at(DAY - 1)), Duration::from_secs(1));
        let half = at(DAY) + Duration::from_millis(500);
        assert_eq!(until_second_of_day(1, half), Duration::from_millis(500));
    }

    #[test]
    fn old_snapshots_go_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("db"), crate::Options::default()).unwrap();
        let place = dir.path().join("snapshots");
        let stop = CancellationToken::new();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("silt-mine.snapshot"), "x").unwrap();
        let mut seqs = Vec::new();
        for i in 0..4_u8 {
            seqs.push(store.set(b"key", &[i]).unwrap().seq);
            assert!(snapshot(&store, &place, 2, &stop).unwrap().is_some());
            assert!(snapshot(&store, &place, 2, &stop).unwrap().is_none());
        }
        let mut kept = snapshots_in(&place).unwrap();
        kept.sort();
        let kept_seqs: Vec<u64> = kept.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(kept_seqs, seqs[2..]);
        assert!(place.join("silt-mine.snapshot").exists());
        let restored = dir.path().join("restored");
        crate::restore(&mut fs::File::open(&kept[1].1).unwrap(), &restored, &mut |_| ()).unwrap();
        let restored = Store::open(restored, crate::Options::default()).unwrap();
        assert_eq!(restored.get(b"key").unwrap(), Some(vec![3]));
        assert_eq!(due_in(&place, Duration::ZERO), Duration::ZERO);
        assert!(due_in(&place, Duration::from_secs(600)) > Duration::from_secs(500));

        store.set(b"key", b"more").unwrap();
        stop.cancel();
        assert!(snapshot(&store, &place, 2, &stop).is_err());
        assert!(!place.join("silt.snapshot.tmp").exists());
    }
}
