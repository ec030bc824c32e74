//! SiltDB on native files.
