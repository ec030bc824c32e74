//! Bugs planted on purpose, so that the test programme can be tested: it must report each.
//!
//! Compiled only with the feature `planted-bugs`, which only tests enable. A bug is planted for
//! the thread that asks for it.

extern crate std;

use core::cell::Cell;

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A synced write is acknowledged without a sync.
    MissingSync,
    /// The manifest before is removed, and then the new one published.
    RemovedBeforePublished,
    /// A manifest found at the open is taken to be durable.
    ManifestNotFirm,
    /// Compaction drops a tombstone while an older segment may hold the key.
    DroppedTombstone,
    /// Compaction drops the slot of a hash that another segment holds.
    DroppedSlot,
    /// Compaction drops versions and leaves the horizon where it is.
    ForgottenHorizon,
    /// The log is kept as it is after an unclean stop, not written again.
    TailKept,
    /// A batch is written so that any part of it counts as whole.
    TornBatch,
    /// Writing goes on after a failed append or sync.
    NoPoison,
    /// Sequence numbers follow a clock that goes back.
    ClockOrder,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Bug; 10] = [
        Bug::MissingSync,
        Bug::RemovedBeforePublished,
        Bug::ManifestNotFirm,
        Bug::DroppedTombstone,
        Bug::DroppedSlot,
        Bug::ForgottenHorizon,
        Bug::TailKept,
        Bug::TornBatch,
        Bug::NoPoison,
        Bug::ClockOrder,
    ];
}

std::thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug for this thread, in place of the one before.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}
