//! The log: what is appended to the active segment, and how it is read back after a crash.

mod scanner;
mod writer;

pub(crate) use scanner::durable_behind;
pub use scanner::{ScanEnd, ScannedRecord, scan_log};
pub use writer::{LogWriter, StagedRecord};
