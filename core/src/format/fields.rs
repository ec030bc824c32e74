//! Fields of varying length, as postcard encodes them: numbers as varints, bytes behind their
//! length.

use alloc::vec::Vec;

use super::{Decoded, Malformed};

/// Appends a number as a varint.
#[inline]
pub fn put(out: &mut Vec<u8>, number: impl Into<u64>) {
    put_u64(out, number.into());
}

/// Not generic: it is compiled once.
fn put_u64(out: &mut Vec<u8>, mut rest: u64) {
    let (mut bytes, mut len) = ([0; 10], 0);
    while rest >= 0x80 {
        bytes[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    bytes[len] = rest as u8;
    out.extend_from_slice(&bytes[..=len]);
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes fields off the front of bytes.
///
/// A field that is not there reads as 0 or as no bytes. [`Fields::whole`] tells of it, once for
/// many fields, and is asked before they are used.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    torn: bool,
}

impl<'a> Fields<'a> {
    /// Takes from the front of these bytes.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, torn: false }
    }

    /// Bytes that are left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Tells that a field has a value that it cannot have.
    pub(crate) fn refuse(&mut self) {
        self.torn = true;
    }

    /// Whether all fields so far were there.
    ///
    /// # Errors
    /// When one was not.
    #[inline]
    pub(crate) fn whole(&self) -> Decoded<()> {
        if self.torn { Err(Malformed("a well-formed field")) } else { Ok(()) }
    }

    /// Takes one byte.
    #[inline]
    pub(crate) fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            self.torn = true;
            return 0;
        };
        self.rest = rest;
        *first
    }

    /// Takes a varint of at most 16 bits.
    pub(crate) fn u16(&mut self) -> u16 {
        self.number(16) as u16
    }

    /// Takes a varint of at most 32 bits.
    pub(crate) fn u32(&mut self) -> u32 {
        self.number(32) as u32
    }

    /// Takes a varint of at most 64 bits.
    pub(crate) fn u64(&mut self) -> u64 {
        self.number(64)
    }

    fn number(&mut self, bits: u32) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.u8();
            let part = u64::from(byte & 0x7F);
            if shift >= bits || (bits - shift < 7 && part >> (bits - shift) != 0) {
                self.torn = true;
                return 0;
            }
            number |= part << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    /// Takes so many bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let Some((head, rest)) = self.rest.split_first_chunk() else {
            self.torn = true;
            return [0; N];
        };
        self.rest = rest;
        *head
    }

    /// Takes a length and that many bytes, borrowed.
    pub(crate) fn bytes(&mut self, max: usize) -> &'a [u8] {
        let len = usize::try_from(self.u64()).unwrap_or(usize::MAX);
        let taken = self.rest.split_at_checked(len).filter(|_| len <= max);
        self.torn |= taken.is_none();
        let (head, rest) = taken.unwrap_or_default();
        self.rest = rest;
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn numbers_come_back_and_none_has_more_bits_than_its_field() {
        for bits in 0..64 {
            for number in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut bytes = vec![];
                put(&mut bytes, number);
                assert_eq!(bytes.len(), (64 - number.leading_zeros()).div_ceil(7).max(1) as usize);
                bytes.push(9);
                let taken = |field: fn(&mut Fields<'_>) -> u64| {
                    let mut fields = Fields::new(&bytes);
                    let number = field(&mut fields);
                    fields.whole().ok().map(|()| assert_eq!(fields.u8(), 9)).map(|()| number)
                };
                let u16 = u16::try_from(number).ok().map(u64::from);
                let u32 = u32::try_from(number).ok().map(u64::from);
                assert_eq!(taken(|fields| fields.number(64)), Some(number));
                assert_eq!(taken(|fields| fields.u32().into()), u32);
                assert_eq!(taken(|fields| fields.u16().into()), u16);
            }
        }
        for torn in [&[][..], &[0x80], &[0xFF; 9], &[0x80; 11]] {
            let mut fields = Fields::new(torn);
            fields.u64();
            assert!(fields.whole().is_err());
        }
        let mut fields = Fields::new(&[0x80, 0x80, 0x80, 0]);
        fields.u16();
        assert!(fields.whole().is_err(), "one byte too many");
    }

    #[test]
    fn bytes_and_arrays_are_there_or_torn() {
        let taken = |bytes: &[u8], max| {
            let mut fields = Fields::new(bytes);
            let taken = fields.bytes(max).to_vec();
            fields.whole().ok().map(|()| (taken, fields.left()))
        };
        assert_eq!(taken(&[2, 7, 8, 9], 2), Some((vec![7, 8], 1)));
        assert_eq!(taken(&[2, 7, 8, 9], 1), None, "longer than allowed");
        assert_eq!(taken(&[4, 7, 8, 9], 9), None, "more than there is");
        let mut fields = Fields::new(&[1, 2, 3]);
        assert_eq!((fields.array::<2>(), fields.whole()), ([1, 2], Ok(())));
        assert_eq!((fields.array::<2>(), fields.whole().is_err()), ([0, 0], true));
    }
}
