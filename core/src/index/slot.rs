//! What the index holds for one hash, and the table of these slots.

use super::Table;

const SEGMENT_BITS: u32 = 20;
const SEGMENT_MASK: u64 = (1 << SEGMENT_BITS) - 1;
const SEGMENT_SHIFT: u32 = 44;
const OFFSET_SHIFT: u32 = 12;
const SIZE_SHIFT: u32 = 1;
const SIZE_MASK: u64 = (1 << 11) - 1;
const MANTISSA_BITS: u32 = 6;
const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;

/// Where a record lies, packed into 8 bytes: 20 bits of segment number, 32 bits of offset, 11
/// bits of length rounded up, 1 bit for a tombstone.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Location(u64);

impl Location {
    /// Several keys share this hash: the newest record of a key must be looked up by the key.
    ///
    /// The segment bits are all ones, which therefore must not be those of a segment in use.
    pub const EXACT: Location = Location(SEGMENT_MASK << SEGMENT_SHIFT);

    /// The location of a record. Only the low 20 bits of the segment number are kept.
    #[must_use]
    pub fn new(segment: u64, offset: u32, len: usize, tombstone: bool) -> Self {
        Self(
            (segment & SEGMENT_MASK) << SEGMENT_SHIFT
                | u64::from(offset) << OFFSET_SHIFT
                | size_code(len as u64) << SIZE_SHIFT
                | u64::from(tombstone),
        )
    }

    /// The low 20 bits of the segment's number.
    #[must_use]
    pub fn segment(self) -> u32 {
        (self.0 >> SEGMENT_SHIFT) as u32
    }

    /// Offset of the record in its segment.
    #[must_use]
    pub fn offset(self) -> u32 {
        (self.0 >> OFFSET_SHIFT) as u32
    }

    /// Upper bound of the record's length: exact under 64, at most 1/32 too large above.
    #[must_use]
    pub fn len_max(self) -> usize {
        let len = size_of_code((self.0 >> SIZE_SHIFT) & SIZE_MASK);
        usize::try_from(len).unwrap_or(usize::MAX)
    }

    /// Whether the record is a tombstone.
    #[must_use]
    pub fn tombstone(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether this is [`Location::EXACT`].
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.0 >> SEGMENT_SHIFT == SEGMENT_MASK
    }

    /// What [`Location::segment`] gives for a segment of this number: its low 20 bits.
    #[must_use]
    pub fn segment_id(number: u64) -> u32 {
        (number & SEGMENT_MASK) as u32
    }

    fn is_live(self) -> bool {
        !self.tombstone() && !self.is_exact()
    }
}

/// Five bits of exponent, six of mantissa: lengths under 64 have exponent 0, the others the
/// mantissa below a leading one, rounded up.
fn size_code(len: u64) -> u64 {
    if len <= MANTISSA_MASK {
        return len;
    }
    let shift = u64::BITS - len.leading_zeros() - MANTISSA_BITS - 1;
    // From 64 to 128: at 128 the sum carries into the exponent, where mantissa 0 is right.
    let scaled = (len >> shift) + u64::from(len & ((1 << shift) - 1) != 0);
    let code = (u64::from(shift) << MANTISSA_BITS) + scaled;
    code.min(SIZE_MASK)
}

/// The length that a code stands for.
fn size_of_code(code: u64) -> u64 {
    match code >> MANTISSA_BITS {
        0 => code,
        exponent => ((MANTISSA_MASK + 1) | (code & MANTISSA_MASK)) << (exponent - 1),
    }
}

/// What every table of hashes in the store holds, so that the code of tables is there once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Hash of a key.
    pub(crate) hash: u64,
    /// What is found by it, a [`Location`] or a place in a list; not all ones.
    pub(crate) found: u64,
}

const _: () = assert!(size_of::<Slot>() == 16);

/// One table of slots.
pub struct Shard {
    table: Table,
    live: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    /// An empty table; takes no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self { table: Table::default(), live: 0 }
    }

    /// The location stored for this hash.
    #[must_use]
    pub fn get(&self, hash: u64) -> Option<Location> {
        self.table.find(hash, |_| true).map(Location)
    }

    /// Stores a location for this hash and returns the one it replaced.
    pub fn insert(&mut self, hash: u64, location: Location) -> Option<Location> {
        let mut old = None;
        self.update(hash, |found| {
            old = found;
            Some(location)
        });
        old
    }

    /// Changes the slot of this hash in one step: `change` gets what is there and gives what is
    /// to be there, `None` for a vacant slot.
    pub fn update(&mut self, hash: u64, change: impl FnOnce(Option<Location>) -> Option<Location>) {
        let mut change = Some(change);
        self.change(hash, &mut |found| change.take().map_or(found, |change| change(found)));
    }

    /// Not generic: it is compiled once.
    fn change(&mut self, hash: u64, change: &mut dyn FnMut(Option<Location>) -> Option<Location>) {
        let Self { table, live } = self;
        let is_live =
            |location: Option<Location>| u64::from(location.is_some_and(Location::is_live));
        // Slots of one hash are one slot here.
        table.change(
            hash,
            |_| true,
            |found| {
                let old = found.map(Location);
                let new = change(old);
                *live = *live + is_live(new) - is_live(old);
                new.map(|location| location.0)
            },
        );
    }

    /// How many slots are neither tombstones nor [`Location::EXACT`].
    #[must_use]
    pub fn live(&self) -> u64 {
        self.live
    }

    /// How many slots are occupied.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no slot is occupied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Memory of the table, in bytes, with vacant slots and control bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Every hash with its location, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Location)> {
        self.table.iter().map(|slot| (slot.hash, Location(slot.found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_gives_back_its_parts() {
        for segment in [0, 1, 0xf_fffe, 0x10_0000, 0x12_3456_789a] {
            for offset in [0, 1, 4096, u32::MAX] {
                for tombstone in [false, true] {
                    let location = Location::new(segment, offset, usize::MAX, tombstone);
                    assert_eq!(location.segment(), Location::segment_id(segment));
                    assert_eq!(location.offset(), offset);
                    assert_eq!(location.tombstone(), tombstone);
                    assert!(!location.is_exact());
                }
            }
        }
        assert!(Location::EXACT.is_exact());
        assert!(!Location::EXACT.tombstone());
    }

    #[test]
    fn length_is_rounded_up_a_little() {
        let near_powers = (6..32).flat_map(|p| (1_u64 << p) - 3..(1 << p) + 3);
        for len in (0..100_000).chain(near_powers).chain([512 << 20, u64::from(u32::MAX)]) {
            let location = Location::new(5, 9, len as usize, false);
            let max = location.len_max() as u64;
            assert!(max >= len && max - len <= len / 32, "{len} {max}");
            assert!(len >= 64 || max == len);
            assert_eq!((location.segment(), location.offset()), (5, 9));
        }
    }

    #[test]
    fn every_code_is_that_of_its_length() {
        for code in 0..=SIZE_MASK {
            assert_eq!(size_code(size_of_code(code)), code);
        }
    }

    #[test]
    fn live_counts_neither_tombstones_nor_shared_hashes() {
        let mut shard = Shard::new();
        assert_eq!(shard.bytes(), 0);
        shard.insert(1, Location::new(1, 0, 10, false));
        shard.insert(2, Location::new(1, 0, 10, true));
        shard.insert(3, Location::EXACT);
        assert_eq!((shard.live(), shard.len()), (1, 3));
        shard.update(1, |old| old.map(|_| Location::EXACT));
        shard.update(4, |old| old.map(|_| Location::EXACT));
        assert_eq!((shard.live(), shard.len()), (0, 3));
        assert!(shard.bytes() >= 3 * 17);
    }
}
