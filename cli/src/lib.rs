//! SiltDB on native files.
#![deny(unsafe_code)]

pub mod native;
