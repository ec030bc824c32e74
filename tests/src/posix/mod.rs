//! Two implementations of the native backend's file calls for tests: one that fails when it is
//! told to, and one that records a run, so that every state a power loss may leave of it can be
//! built and opened by the real backend (the method of the ALICE paper, without its kernel part).

mod fault;
mod image;
mod record;

pub use fault::{Call, FaultFs, Seen, Verdict};
pub use image::{Choice, Image};
pub use record::{Event, Recording, RecordingFs};
