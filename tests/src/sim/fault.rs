//! What the simulated disk does to the store: failures by rate, by count, by space, and the
//! moment at which the process dies.

use siltdb_core::error::StorageErrorKind;

/// Kinds of calls of the storage trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// `Storage::list`.
    List,
    /// `Storage::open`.
    Open,
    /// `Storage::create`.
    Create,
    /// `Storage::resume`.
    Resume,
    /// `Storage::publish`.
    Publish,
    /// `Storage::remove`.
    Remove,
    /// `ReadAt::read_at` and `ReadAt::len`.
    Read,
    /// `Append::append`.
    Append,
    /// `Append::sync`.
    Sync,
    /// `Append::finish`.
    Finish,
}

impl CallKind {
    /// Every kind.
    pub const ALL: [CallKind; 10] = [
        CallKind::List,
        CallKind::Open,
        CallKind::Create,
        CallKind::Resume,
        CallKind::Publish,
        CallKind::Remove,
        CallKind::Read,
        CallKind::Append,
        CallKind::Sync,
        CallKind::Finish,
    ];

    /// Whether the call can change what the disk holds.
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(self, CallKind::List | CallKind::Open | CallKind::Read)
    }

    /// The name the trait gives the operation.
    #[must_use]
    pub fn op(self) -> &'static str {
        match self {
            CallKind::List => "list",
            CallKind::Open => "open",
            CallKind::Create => "create",
            CallKind::Resume => "resume",
            CallKind::Publish => "publish",
            CallKind::Remove => "remove",
            CallKind::Read => "read",
            CallKind::Append => "append",
            CallKind::Sync => "sync",
            CallKind::Finish => "finish",
        }
    }
}

/// Makes one call fail, or every call from one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nth {
    /// Which calls count; all when `None`.
    pub kind: Option<CallKind>,
    /// Which of them fails, from 1, counted from the moment the plan is set.
    pub n: u64,
    /// Whether all later ones fail, too.
    pub forever: bool,
    /// What they fail with.
    pub error: StorageErrorKind,
}

/// The faults a simulated disk has. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// For each kind in the order of [`CallKind::ALL`]: one call in so many fails; 0 for none.
    pub one_in: [u64; 10],
    /// Fail by count.
    pub nth: Option<Nth>,
    /// Bytes all files together may have; an append beyond leaves what fits and fails with
    /// `OutOfSpace`.
    pub space: Option<u64>,
    /// The process dies in this call, counted from 1 since the faults were set: it has any part
    /// of its effect, and no later call has any.
    pub die_at: Option<u64>,
}

impl Faults {
    /// The same faults with this rate for one kind of call.
    #[must_use]
    pub fn rate(mut self, kind: CallKind, one_in: u64) -> Self {
        self.one_in[kind as usize] = one_in;
        self
    }
}

/// Bugs of the caller that the disk can act out, to test the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plant {
    /// None.
    #[default]
    None,
    /// Every sync says `Ok` and does nothing, as if the caller had forgotten it.
    MissingSync,
    /// A publish settles its file only after the removals that follow it, as if the caller had
    /// removed first and published then.
    SwappedPublishRemove,
}
