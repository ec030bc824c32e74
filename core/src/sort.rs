//! Sorting, compiled once: each use of the library's sort with another type would be code of its
//! own, and in a page every kilobyte is loaded before the first read.

#[cfg(any(test, target_arch = "wasm32"))]
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Sorts by the first number, then by the second.
#[inline(never)]
pub(crate) fn sort_pairs(pairs: &mut [(u64, u64)]) {
    #[cfg(not(target_arch = "wasm32"))]
    pairs.sort_unstable();
    #[cfg(target_arch = "wasm32")]
    merge_sort(pairs, Ord::cmp);
}

/// Sorts by `order`; equal items stay in the order they have.
#[inline(never)]
pub(crate) fn sort_stable<T: Copy>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    #[cfg(not(target_arch = "wasm32"))]
    items.sort_by(order);
    #[cfg(target_arch = "wasm32")]
    merge_sort(items, order);
}

/// A few hundred bytes of code where the library's sort takes some thousand.
#[cfg(any(test, target_arch = "wasm32"))]
fn merge_sort<T: Copy>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    let len = items.len();
    let mut buffer: Vec<T> = items.to_vec();
    let (mut from, mut to, mut in_buffer) = (&mut *items, buffer.as_mut_slice(), false);
    let mut width = 1;
    while width < len {
        let mut start = 0;
        while start < len {
            let (middle, end) = ((start + width).min(len), (start + 2 * width).min(len));
            let (mut left, mut right) = (start, middle);
            if middle == end || order(&from[middle - 1], &from[middle]).is_le() {
                to[start..end].copy_from_slice(&from[start..end]);
                start = end;
                continue;
            }
            for slot in &mut to[start..end] {
                let stays =
                    || right == end || order(&from[left], &from[right]) != Ordering::Greater;
                let next = if left < middle && stays() { &mut left } else { &mut right };
                *slot = from[*next];
                *next += 1;
            }
            start = end;
        }
        core::mem::swap(&mut from, &mut to);
        in_buffer = !in_buffer;
        width *= 2;
    }
    if in_buffer {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_sort_sorts_as_the_library_does() {
        let mut state = 7_u64;
        for len in (0..40).chain([1000, 1024, 4097]) {
            let mut items = Vec::new();
            for at in 0..len {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                items.push((state >> 60, at));
            }
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            let mut stable = items.clone();
            sort_stable(&mut stable, |a, b| a.0.cmp(&b.0));
            assert_eq!(stable, expected);
            merge_sort(&mut items, |a, b| a.0.cmp(&b.0));
            assert_eq!(items, expected);
        }
    }
}
