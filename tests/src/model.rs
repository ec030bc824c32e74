//! The oracle: every commit a store was asked for, and from it the right answer to every
//! question, at any moment of the store's past and after any crash.
//!
//! A commit is an *edge*: the state before it and the state after it are both legal after a
//! crash, nothing between them is. The model keeps how far edges were promised, and when, so
//! that a crash at any earlier call can be judged as well as one now.

use std::collections::BTreeMap;
use std::ops::Bound;

use siltdb_core::options::{Durability, Retention};
use siltdb_core::types::{Change, Record, ScanOptions, Version};

/// One operation of a commit: key, value or `None` for a delete, and expiry.
pub type Written = (Vec<u8>, Option<Vec<u8>>, Option<u64>);

/// A commit the store was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Its sequence number.
    pub seq: u64,
    /// Its operations; the last one of a key counts.
    pub written: Vec<Written>,
    /// Asked for as one operation: in the write buffer it may take the place of another such.
    pub single: bool,
}

/// How many edges, from the first, are safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promise {
    /// Edges the store was asked for: no more than these may be found.
    pub asked: usize,
    /// Edges that survive the death of the process.
    pub flushed: usize,
    /// Edges that survive power loss.
    pub synced: usize,
}

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Commit that wrote it.
    pub seq: u64,
    /// Its value, `None` for a delete.
    pub value: Option<Vec<u8>>,
    /// When it expires.
    pub expires: Option<u64>,
    /// Written by a commit of one operation.
    pub single: bool,
}

/// All that a store should hold.
#[derive(Debug, Clone, Default)]
pub struct Model {
    edges: Vec<Edge>,
    keys: BTreeMap<Vec<u8>, Vec<Held>>,
    promises: Vec<Promise>,
    /// Rules that may stand; one, unless a change of it failed.
    rules: Vec<Retention>,
    /// Last commit when the rule was set.
    rule_since: u64,
    /// No sequence number from here on may be beyond the store's horizon.
    horizon_max: u64,
}

impl Held {
    /// Whether the version has a value at this moment.
    #[must_use]
    pub fn lives_at(&self, moment: u64) -> bool {
        self.value.is_some() && self.expires.is_none_or(|expires| expires > moment)
    }

    fn record(&self, key: &[u8]) -> Option<Record> {
        let value = self.value.clone()?;
        Some(Record { key: key.to_vec(), value, seq: self.seq, expires: self.expires })
    }
}

impl Model {
    /// An empty store of this retention.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self { rules: vec![retention], promises: vec![Promise::default()], ..Self::default() }
    }

    /// The edges, oldest first.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Sequence number of the last edge; 0 when there is none.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.edges.last().map_or(0, |edge| edge.seq)
    }

    /// Sequence number of the state after the first `edges` edges.
    #[must_use]
    pub fn seq_at(&self, edges: usize) -> u64 {
        edges.checked_sub(1).and_then(|n| self.edges.get(n)).map_or(0, |edge| edge.seq)
    }

    /// Changes the retention rule; `maybe` differs while nobody knows whether it was published.
    pub fn set_retention(&mut self, retention: Retention, maybe: Retention) {
        self.rules = if retention == maybe { vec![retention] } else { vec![retention, maybe] };
        // Versions the old rule did not keep may be gone already.
        self.rule_since = self.last_seq();
    }

    /// A commit is about to be asked for: from now on it may be found after a crash.
    pub fn ask(&mut self, edge: Edge) {
        assert!(edge.seq > self.last_seq(), "the order of commits is that of their numbers");
        for (key, value, expires) in &edge.written {
            let held = Held {
                seq: edge.seq,
                value: value.clone(),
                expires: *expires,
                single: edge.single,
            };
            let versions = self.keys.entry(key.clone()).or_default();
            match versions.last_mut().filter(|last| last.seq == edge.seq) {
                Some(last) => *last = held,
                None => versions.push(held),
            }
        }
        self.edges.push(edge);
        let promise = self.promise();
        self.promises.push(Promise { asked: self.edges.len(), ..promise });
    }

    /// Takes the last edge back: it was never written, or nobody knows yet.
    pub fn take_last(&mut self) -> Option<Edge> {
        let edge = self.edges.pop()?;
        for (key, _, _) in &edge.written {
            if let Some(versions) = self.keys.get_mut(key) {
                versions.retain(|held| held.seq < edge.seq);
            }
        }
        let promise = self.promise();
        self.promises.push(Promise { asked: self.edges.len(), ..promise });
        Some(edge)
    }

    /// A sync failed: what was only flushed is unknown from now on.
    pub fn lapse(&mut self) {
        let promise = self.promise();
        self.promises.push(Promise { flushed: promise.synced, ..promise });
    }

    /// All edges so far reached this level.
    pub fn reached(&mut self, level: Durability) {
        let mut promise = self.promise();
        let edges = self.edges.len();
        if level >= Durability::Flushed {
            promise.flushed = edges;
        }
        if level >= Durability::Synced {
            promise.synced = edges;
        }
        self.promises.push(promise);
    }

    /// The store says that everything up to this sequence number survives power loss.
    pub fn durable(&mut self, seq: u64) {
        let mut promise = self.promise();
        promise.synced = promise.synced.max(self.edges.partition_point(|edge| edge.seq <= seq));
        promise.flushed = promise.flushed.max(promise.synced);
        self.promises.push(promise);
    }

    /// What is promised now.
    #[must_use]
    pub fn promise(&self) -> Promise {
        self.promises.last().copied().unwrap_or_default()
    }

    /// A mark for what is promised now; see [`Model::promise_at`].
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.promises.len() as u64 - 1
    }

    /// What was promised at a mark.
    #[must_use]
    pub fn promise_at(&self, mark: u64) -> Promise {
        self.promises[mark as usize]
    }

    /// The last edge turned out not to have happened, or a crash took all after the first so
    /// many. What remains was found on disk by a store that made it durable.
    pub fn keep(&mut self, edges: usize, level: Durability) {
        let last = self.seq_at(edges);
        self.edges.truncate(edges);
        for versions in self.keys.values_mut() {
            versions.retain(|held| held.seq <= last);
        }
        self.keys.retain(|_, versions| !versions.is_empty());
        let mut promise = self.promise();
        promise.asked = edges;
        promise.flushed = promise.flushed.min(edges);
        promise.synced = promise.synced.min(edges);
        self.promises.push(promise);
        self.reached(level);
    }

    /// The last edge took a place in the write buffer, where those from `from` on wait: it may
    /// have replaced one of them, which then was never written.
    pub fn coalesce(&mut self, from: usize) {
        let first = self.seq_at(from);
        let Some(edge) = self.edges.last().filter(|edge| edge.single) else { return };
        for (key, _, _) in &edge.written {
            let Some(versions) = self.keys.get_mut(key) else { continue };
            if let [.., before, _] = versions.as_slice()
                && before.single
                && before.seq > first
            {
                versions.remove(versions.len() - 2);
            }
        }
    }

    /// Compaction may run at this moment: raises the bound of the store's horizon.
    pub fn compacts(&mut self, now_us: u64) {
        let now = now_us.max(self.last_seq());
        for rule in &self.rules {
            let bound = match rule {
                Retention::Latest | Retention::Versions { .. } => now,
                Retention::Age { us } => now.saturating_sub(*us),
                Retention::Forever => 0,
            };
            self.horizon_max = self.horizon_max.max(bound);
        }
    }

    /// The furthest the store's horizon may have moved.
    #[must_use]
    pub fn horizon_max(&self) -> u64 {
        self.horizon_max
    }

    /// Every key that was ever written, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.keys().map(Vec::as_slice)
    }

    /// Versions of a key up to a sequence number, oldest first.
    #[must_use]
    pub fn versions(&self, key: &[u8], upto: u64) -> &[Held] {
        let versions = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        &versions[..versions.partition_point(|held| held.seq <= upto)]
    }

    /// The record of a key among commits up to `upto`, expiry being judged at `moment`.
    #[must_use]
    pub fn get(&self, key: &[u8], upto: u64, moment: u64) -> Option<Record> {
        let held = self.versions(key, upto).last()?;
        held.lives_at(moment).then(|| held.record(key))?
    }

    /// What a scan gives, in its order; `as_of` of the options is not looked at.
    #[must_use]
    pub fn scan(&self, options: &ScanOptions, upto: u64, moment: u64) -> Vec<Record> {
        let keys = self.range(options);
        let mut found: Vec<Record> = keys.filter_map(|key| self.get(key, upto, moment)).collect();
        if options.reverse {
            found.reverse();
        }
        if let Some(limit) = options.limit {
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        if options.keys_only {
            found.iter_mut().for_each(|record| record.value.clear());
        }
        found
    }

    /// How many keys are live.
    #[must_use]
    pub fn len(&self, upto: u64, moment: u64) -> u64 {
        self.scan(&ScanOptions { keys_only: true, ..ScanOptions::default() }, upto, moment).len()
            as u64
    }

    /// Whether no key is live.
    #[must_use]
    pub fn is_empty(&self, upto: u64, moment: u64) -> bool {
        self.len(upto, moment) == 0
    }

    /// Keys that differ between two moments in value or expiry, in key order.
    #[must_use]
    pub fn diff(&self, from: u64, to: u64, options: &ScanOptions) -> Vec<Change> {
        let change = |key: &[u8]| {
            let (before, after) = (self.get(key, from, from), self.get(key, to, to));
            let content = |record: &Record| (record.value.clone(), record.expires);
            let same = before.as_ref().map(content) == after.as_ref().map(content);
            (!same).then(|| Change { key: key.to_vec(), before, after })
        };
        self.range(options).filter_map(change).collect()
    }

    /// Judges what a store says is the history of a key.
    ///
    /// # Errors
    /// A version that was never written, a missing one that could still be read or that the
    /// retention rule keeps, or an older one that shows because a newer one is missing.
    pub fn check_history(
        &self,
        key: &[u8],
        upto: u64,
        horizon: u64,
        found: &[Version],
    ) -> Result<(), String> {
        let versions = self.versions(key, upto);
        let mut rest = found.iter().peekable();
        let mut gap = None;
        for (age, held) in versions.iter().rev().enumerate() {
            let newer = versions.len().checked_sub(age).and_then(|n| versions.get(n));
            if rest.peek().is_some_and(|version| version.seq == held.seq) {
                let version = rest.next().ok_or("unreachable")?;
                // Compaction may leave a bare tombstone of a version that no moment reads any more.
                let bare = version.value.is_none() && version.expires.is_none();
                let expired = held.expires.is_some() && bare;
                if expired && !self.must_hold(held, newer, age, horizon) {
                    continue;
                }
                if version.value != held.value || version.expires != held.expires {
                    return Err(format!("version {} reads {version:?}, was {held:?}", held.seq));
                }
                if let Some(seq) = gap {
                    return Err(format!("version {} shows although {seq} is gone", held.seq));
                }
                continue;
            }
            if self.must_hold(held, newer, age, horizon) {
                return Err(format!("version {held:?} is missing at horizon {horizon}: {found:?}"));
            }
            // Of several superseded versions any may be gone; once the newest is, none may show.
            if newer.is_none() {
                gap = Some(held.seq);
            }
        }
        rest.next().map_or(Ok(()), |version| Err(format!("{version:?} was never written")))
    }

    /// Whether a version must still be there: some readable moment sees it, or the rule says so.
    fn must_hold(&self, held: &Held, newer: Option<&Held>, age: usize, horizon: u64) -> bool {
        let until = newer.map_or(u64::MAX, |newer| newer.seq);
        let until = until.min(held.expires.unwrap_or(u64::MAX));
        let read = held.seq.max(horizon) < until;
        let kept = self.rules.iter().all(|rule| match rule {
            Retention::Versions { count } => age < *count as usize,
            _ => false,
        });
        let kept = kept && held.expires.is_none() && until > self.rule_since;
        held.value.is_some() && (read || kept)
    }

    fn range<'a>(&'a self, options: &ScanOptions) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let from = options.from.clone().map_or(Bound::Unbounded, Bound::Included);
        let (to, prefix) = (options.to.clone(), options.prefix.clone().unwrap_or_default());
        self.keys
            .range((from, Bound::Unbounded))
            .map(|(key, _)| key.as_slice())
            .take_while(move |key| to.as_deref().is_none_or(|to| *key < to))
            .filter(move |key| key.starts_with(&prefix))
    }
}
