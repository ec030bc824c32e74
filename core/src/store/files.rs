//! The files of live segments, found by what the index keeps of a segment's number.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::index::Location;
use crate::segment_file::SegmentFile;

/// Few files, looked up often and changed rarely: a sorted list is smaller than a map, and as fast.
pub(super) struct Files<R> {
    /// In the order of their ids.
    files: Vec<(u32, Arc<SegmentFile<R>>)>,
}

impl<R> Files<R> {
    pub(super) fn new() -> Self {
        Self { files: Vec::new() }
    }

    /// The file of this id, as [`Location::segment`] gives it.
    pub(super) fn get(&self, id: u32) -> Option<&Arc<SegmentFile<R>>> {
        let at = self.files.binary_search_by_key(&id, |file| file.0).ok()?;
        Some(&self.files[at].1)
    }

    /// Adds a file, in place of one of the same id.
    pub(super) fn add(&mut self, file: &Arc<SegmentFile<R>>) {
        let id = Location::segment_id(file.number);
        self.remove(id);
        let at = self.files.partition_point(|file| file.0 < id);
        self.files.insert(at, (id, Arc::clone(file)));
    }

    /// Forgets a file.
    pub(super) fn remove(&mut self, id: u32) {
        self.files.retain(|file| file.0 != id);
    }
}
