//! The simulated host: seeded randomness, and a clock that only tests move.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use siltdb_core::host::Host;

use super::Random;

/// A host for simulated runs. Clones share clock and randomness.
///
/// The clock stands still during a call of the store, so that a test can tell which sequence
/// number a commit gets. It moves by [`SimHost::advance`] and jumps by [`SimHost::set`].
#[derive(Debug, Clone)]
pub struct SimHost {
    state: Rc<State>,
}

#[derive(Debug)]
struct State {
    now_us: Cell<u64>,
    frozen: Cell<bool>,
    random: RefCell<Random>,
}

impl SimHost {
    /// Where the clock of a new host stands: 2026-01-01T00:00:00Z.
    pub const START_US: u64 = 1_767_225_600_000_000;

    /// A host with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = RefCell::new(Random::new(seed ^ 0x5117_D05E_ED00_0001));
        let now_us = Cell::new(Self::START_US);
        Self { state: Rc::new(State { now_us, frozen: Cell::new(false), random }) }
    }

    /// Moves the clock on, unless it is frozen.
    pub fn advance(&self, us: u64) {
        if !self.state.frozen.get() {
            self.state.now_us.set(self.state.now_us.get().saturating_add(us));
        }
    }

    /// Sets the clock, forwards or back, even when it is frozen.
    pub fn set(&self, now_us: u64) {
        self.state.now_us.set(now_us);
    }

    /// Stops the clock, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.state.frozen.set(frozen);
    }
}

impl Host for SimHost {
    fn now_us(&self) -> u64 {
        self.state.now_us.get()
    }

    fn random_u64(&self) -> u64 {
        self.state.random.borrow_mut().next_u64()
    }
}
