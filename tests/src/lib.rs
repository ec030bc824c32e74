//! Test programme of SiltDB: storage conformance, the simulated disk and host, the model that
//! every answer is compared with, and the workloads that drive them.
//!
//! Nothing here is published. The integration tests in `tests/tests` use these parts; the other
//! crates may, too, as a development dependency.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

pub mod check;
pub mod conformance;
pub mod crash;
#[cfg(unix)]
pub mod damage;
pub mod golden;
#[cfg(unix)]
pub mod kill;
pub mod model;
#[cfg(unix)]
pub mod posix;
#[cfg(unix)]
pub mod reads;
pub mod rot;
pub mod run;
pub mod sim;
pub mod simulation;
pub mod store;
pub mod versions;
pub mod workload;
