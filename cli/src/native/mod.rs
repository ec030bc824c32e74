//! The storage backend on native files, and the operating system as host.
//!
//! A store is a directory: one file per segment and manifest, and `LOCK`, which the process that
//! has the store open keeps locked. Names that are none of these are left alone.

mod appender;
mod dir;
mod error;
pub mod fs;
mod host;
mod lock;
mod map;
mod reader;
mod storage;

pub use appender::NativeAppender;
pub use dir::NativeOptions;
pub use host::SystemHost;
pub(crate) use lock::LOCK;
pub use reader::NativeReader;
pub use storage::NativeStorage;
