//! What compaction keeps of the versions of one key, by the store's retention.
//!
//! A version dies when it is superseded or when it expires, whichever is first. It may be dropped
//! when it died before the cutoff. The horizon then moves to the latest such death: later moments
//! read the same as before.

use crate::options::Retention;

/// The retention at the moment a compaction began.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    retention: Retention,
    now: u64,
}

/// What becomes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is kept.
    Keep,
    /// It may be dropped; it died at this moment.
    Drop(u64),
}

impl Rules {
    /// The rules of a compaction that begins at `now`.
    #[must_use]
    pub fn new(retention: Retention, now: u64) -> Self {
        Self { retention, now }
    }

    /// The moment the compaction began.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Deaths up to this moment let a version be dropped; 0 where age alone never does.
    #[must_use]
    pub fn cutoff(&self) -> u64 {
        match self.retention {
            Retention::Latest => self.now,
            Retention::Age { us } => self.now.saturating_sub(us),
            Retention::Versions { .. } | Retention::Forever => 0,
        }
    }

    /// The fate of a version.
    ///
    /// `newer` is the sequence number of the version that supersedes it, `position` counts the
    /// newer versions in the run, `expires` is 0 for none. A tombstone is dead from the start.
    #[must_use]
    pub fn judge(
        &self,
        seq: u64,
        tombstone: bool,
        expires: u64,
        newer: Option<u64>,
        position: u32,
    ) -> Fate {
        let own = match (tombstone, expires) {
            (true, _) => Some(seq),
            (false, 0) => None,
            (false, expires) => Some(expires.max(seq)),
        };
        let Some(death) = newer.into_iter().chain(own).min() else { return Fate::Keep };
        let over = match self.retention {
            Retention::Latest => death <= self.now,
            Retention::Age { us } => death <= self.now.saturating_sub(us),
            Retention::Versions { count } => position >= count,
            Retention::Forever => false,
        };
        if over { Fate::Drop(death) } else { Fate::Keep }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_lives_until_it_is_superseded_or_expires() {
        let latest = Rules::new(Retention::Latest, 100);
        assert_eq!(latest.judge(5, false, 0, None, 0), Fate::Keep);
        assert_eq!(latest.judge(5, false, 0, Some(9), 1), Fate::Drop(9));
        assert_eq!(latest.judge(5, false, 8, Some(9), 1), Fate::Drop(8));
        assert_eq!(latest.judge(5, false, 101, None, 0), Fate::Keep);
        assert_eq!(latest.judge(5, true, 0, None, 0), Fate::Drop(5));
        let age = Rules::new(Retention::Age { us: 50 }, 100);
        assert_eq!(age.judge(5, false, 0, Some(51), 1), Fate::Keep);
        assert_eq!(age.judge(5, false, 0, Some(50), 1), Fate::Drop(50));
        let two = Rules::new(Retention::Versions { count: 2 }, 100);
        assert_eq!(two.judge(5, false, 0, Some(9), 1), Fate::Keep);
        assert_eq!(two.judge(5, false, 0, Some(9), 2), Fate::Drop(9));
        assert_eq!(Rules::new(Retention::Forever, 100).judge(5, true, 0, Some(9), 7), Fate::Keep);
    }
}
