//! The plainest model of a store that forgets nothing: every version of every key, by seq.

use std::collections::BTreeMap;

use siltdb_core::batch::Operation;
use siltdb_core::{Record, Version};

/// All versions of all keys, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    keys: BTreeMap<Vec<u8>, Vec<Version>>,
}

impl Versions {
    /// Commits operations at `seq`; the last one on a key wins.
    pub fn commit(&mut self, seq: u64, operations: &[Operation]) {
        for Operation { key, value, expires, .. } in operations {
            let versions = self.keys.entry(key.clone()).or_default();
            if versions.last().is_some_and(|last| last.seq == seq) {
                versions.pop();
            }
            assert!(versions.last().is_none_or(|last| last.seq < seq), "seqs only rise");
            versions.push(Version { seq, value: value.clone(), expires: *expires });
        }
    }

    /// The record of `key` as of `seq`; `moment` judges expiry.
    #[must_use]
    pub fn record(&self, key: &[u8], seq: u64, moment: u64) -> Option<Record> {
        newest(key, self.keys.get(key)?, seq, moment)
    }

    /// The live records whose keys begin with `prefix`, in key order, as of `seq`.
    #[must_use]
    pub fn scan(&self, prefix: &[u8], seq: u64, moment: u64) -> Vec<Record> {
        let from = self.keys.range(prefix.to_vec()..);
        from.take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, versions)| newest(key, versions, seq, moment))
            .collect()
    }

    /// Every version of `key`, newest first.
    #[must_use]
    pub fn history(&self, key: &[u8]) -> Vec<Version> {
        self.keys.get(key).map_or_else(Vec::new, |v| v.iter().rev().cloned().collect())
    }

    /// Every key that was ever written, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.keys().map(Vec::as_slice)
    }

    /// The last moment at which a record that is still the newest of its key expires.
    #[must_use]
    pub fn last_expiry(&self, before: u64) -> u64 {
        let newest = self.keys.values().filter_map(|versions| versions.last()?.expires);
        newest.filter(|expires| *expires < before).max().unwrap_or(0)
    }
}

fn newest(key: &[u8], versions: &[Version], seq: u64, moment: u64) -> Option<Record> {
    let at = versions.partition_point(|version| version.seq <= seq).checked_sub(1)?;
    let Version { seq, value, expires } = &versions[at];
    if expires.is_some_and(|expires| expires <= moment) {
        return None;
    }
    let value = value.clone()?;
    Some(Record { key: key.to_vec(), value, seq: *seq, expires: *expires })
}
