//! CRC-32 whose tables are made at the first use.
//!
//! The crate that other targets use carries 16 KiB of tables, which do not compress: a quarter
//! of all that a page would load.

use alloc::boxed::Box;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use once_cell::race::OnceBox;

const POLYNOMIAL: u32 = 0xedb8_8320;
/// Bytes taken in one step.
const STEP: usize = 16;

/// What a byte comes to, by its place in a step. Where they stand is known to the code, which saves
/// an addition for every byte. The last entry, which is not 0, says that all are there.
static TABLES: [[AtomicU32; 256]; STEP] = [const { [const { AtomicU32::new(0) }; 256] }; STEP];

fn at(step: usize, byte: u8) -> u32 {
    TABLES[step][usize::from(byte)].load(Relaxed)
}

fn make_tables() {
    for place in 0..STEP * 256 {
        let (step, byte) = (place / 256, place % 256);
        let crc = if step == 0 {
            (0..8)
                .fold(byte as u32, |crc, _| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
        } else {
            // The same byte with one more zero byte after it.
            let before = at(step - 1, byte as u8);
            (before >> 8) ^ at(0, before as u8)
        };
        // Threads that make them at once make the same; whoever sees the last one sees them all.
        TABLES[step][byte].store(crc, Release);
    }
}

/// Computes the CRC-32 of what had one, with bytes after it.
pub type Update = fn(u32, &[u8]) -> u32;

/// What computes long ones faster than this, where the host has it.
static LONG: OnceBox<Update> = OnceBox::new();
/// From so many bytes on it pays to ask the host.
const LONG_LEN: usize = 4 << 10;

/// Has long checksums computed by the host, which must compute the same.
pub fn long_checksums_by(update: Update) {
    // Whoever was first stays.
    let _ = LONG.set(Box::new(update));
}

/// The CRC-32 of what had `crc`, with `bytes` after it.
pub(super) fn update(crc: u32, bytes: &[u8]) -> u32 {
    if bytes.len() >= LONG_LEN
        && let Some(long) = LONG.get()
    {
        return long(crc, bytes);
    }
    if TABLES[STEP - 1][255].load(Acquire) == 0 {
        make_tables();
    }
    let mut crc = !crc;
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for b in steps {
        let [c0, c1, c2, c3] = (crc ^ u32::from_le_bytes([b[0], b[1], b[2], b[3]])).to_le_bytes();
        // What does not wait for the step before is put together apart.
        let ahead = at(11, b[4])
            ^ at(10, b[5])
            ^ at(9, b[6])
            ^ at(8, b[7])
            ^ at(7, b[8])
            ^ at(6, b[9])
            ^ at(5, b[10])
            ^ at(4, b[11])
            ^ at(3, b[12])
            ^ at(2, b[13])
            ^ at(1, b[14])
            ^ at(0, b[15]);
        crc = (at(15, c0) ^ at(14, c1)) ^ (at(13, c2) ^ at(12, c3)) ^ ahead;
    }
    for byte in rest {
        crc = (crc >> 8) ^ at(0, crc as u8 ^ byte);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{LONG_LEN, long_checksums_by, update};

    #[test]
    fn it_is_the_one_of_all_other_targets() {
        assert_eq!(update(0, b"123456789"), 0xcbf4_3926);
        let bytes: Vec<u8> = (0..1000_u32).map(|i| ((i * i) >> 3) as u8).collect();
        long_checksums_by(|crc, bytes| crc ^ bytes.len() as u32);
        assert_eq!(update(7, &[0; LONG_LEN]), 7 ^ LONG_LEN as u32, "by the host");
        for len in (0..40).chain([255, 256, 999, 1000]) {
            for seed in [0, 1, 0xdead_beef, u32::MAX] {
                let mut hasher = crc32fast::Hasher::new_with_initial(seed);
                hasher.update(&bytes[..len]);
                assert_eq!(update(seed, &bytes[..len]), hasher.finalize(), "{len} {seed}");
            }
        }
    }
}
