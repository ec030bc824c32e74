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
    let before = items.to_vec();
    let places = merge_places(items.len(), &|a, b| order(&before[a], &before[b]));
    for (item, place) in items.iter_mut().zip(places) {
        *item = before[place as usize];
    }
}

/// Where so many items stand before they are put in order, in that order. Not generic.
#[cfg(any(test, target_arch = "wasm32"))]
#[inline(never)]
fn merge_places(len: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<u32> {
    let mut from: Vec<_> = (0..len as u32).collect();
    let mut to = from.clone();
    let in_order = |a: u32, b: u32| order(a as usize, b as usize) != Ordering::Greater;
    let mut width = 1;
    while width < len {
        let mut start = 0;
        while start < len {
            let (mut middle, end) = ((start + width).min(len), (start + 2 * width).min(len));
            if middle < end && in_order(from[middle - 1], from[middle]) {
                middle = end;
            }
            let (mut left, mut right) = (start, middle);
            for place in &mut to[start..end] {
                let stays = left < middle && (right == end || in_order(from[left], from[right]));
                let next = if stays { &mut left } else { &mut right };
                *place = from[*next];
                *next += 1;
            }
            start = end;
        }
        core::mem::swap(&mut from, &mut to);
        width *= 2;
    }
    from
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
