//! CRC-32 whose tables are made at the first use.
//!
//! The crate that other targets use carries 16 KiB of tables, which do not compress: a quarter
//! of all that a page would load.

use alloc::boxed::Box;

use once_cell::race::OnceBox;

const POLYNOMIAL: u32 = 0xedb8_8320;
/// Bytes taken in one step.
const STEP: usize = 16;

type Tables = [[u32; 256]; STEP];

static TABLES: OnceBox<Tables> = OnceBox::new();

fn make_tables() -> Box<Tables> {
    let mut tables = Box::new([[0; 256]; STEP]);
    for place in 0..STEP * 256 {
        let (step, byte) = (place / 256, place % 256);
        tables[step][byte] = if step == 0 {
            (0..8)
                .fold(byte as u32, |crc, _| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
        } else {
            // The same byte with one more zero byte after it.
            let before = tables[step - 1][byte];
            (before >> 8) ^ tables[0][(before & 0xff) as usize]
        };
    }
    tables
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
    let t = TABLES.get_or_init(make_tables);
    let mut crc = !crc;
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for b in steps {
        let c = crc ^ u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let [c0, c1, c2, c3] = c.to_le_bytes();
        crc = t[15][c0 as usize]
            ^ t[14][c1 as usize]
            ^ t[13][c2 as usize]
            ^ t[12][c3 as usize]
            ^ t[11][b[4] as usize]
            ^ t[10][b[5] as usize]
            ^ t[9][b[6] as usize]
            ^ t[8][b[7] as usize]
            ^ t[7][b[8] as usize]
            ^ t[6][b[9] as usize]
            ^ t[5][b[10] as usize]
            ^ t[4][b[11] as usize]
            ^ t[3][b[12] as usize]
            ^ t[2][b[13] as usize]
            ^ t[1][b[14] as usize]
            ^ t[0][b[15] as usize];
    }
    for byte in rest {
        crc = (crc >> 8) ^ t[0][((crc ^ u32::from(*byte)) & 0xff) as usize];
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
