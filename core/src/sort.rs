//! Sorting, compiled once: each use of the library's sort with another type would be code of its
//! own, and in a page every kilobyte is loaded before the first read.

/// Sorts by the first number, then by the second.
#[inline(never)]
pub(crate) fn sort_pairs(pairs: &mut [(u64, u64)]) {
    pairs.sort_unstable();
}
