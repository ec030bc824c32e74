//! Fields of varying length, as postcard encodes them: numbers as varints, bytes behind their
//! length.

use alloc::vec::Vec;

use super::{Decoded, Malformed};

const TORN: Malformed = Malformed("a well-formed field");

/// Appends a number as a varint.
pub fn put(out: &mut Vec<u8>, number: impl Into<u64>) {
    let (mut rest, mut bytes, mut len) = (number.into(), [0; 10], 0);
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

/// Takes one byte off the front of `bytes`.
#[inline]
pub(crate) fn take_u8(bytes: &mut &[u8]) -> Decoded<u8> {
    let (first, rest) = bytes.split_first().ok_or(TORN)?;
    *bytes = rest;
    Ok(*first)
}

/// Takes a varint of at most 16 bits.
pub(crate) fn take_u16(bytes: &mut &[u8]) -> Decoded<u16> {
    take(bytes, 16).map(|number| number as u16)
}

/// Takes a varint of at most 32 bits.
pub(crate) fn take_u32(bytes: &mut &[u8]) -> Decoded<u32> {
    take(bytes, 32).map(|number| number as u32)
}

/// Takes a varint of at most 64 bits.
pub(crate) fn take_u64(bytes: &mut &[u8]) -> Decoded<u64> {
    take(bytes, 64)
}

fn take(bytes: &mut &[u8], bits: u32) -> Decoded<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = take_u8(bytes)?;
        let part = u64::from(byte & 0x7F);
        if shift >= bits || (bits - shift < 7 && part >> (bits - shift) != 0) {
            return Err(TORN);
        }
        number |= part << shift;
        if byte < 0x80 {
            return Ok(number);
        }
        shift += 7;
    }
}

/// Takes so many bytes.
pub(crate) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Decoded<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk().ok_or(TORN)?;
    *bytes = rest;
    Ok(*head)
}

/// Takes a length and that many bytes, borrowed.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8], max: usize) -> Decoded<&'a [u8]> {
    let len = take_u64(bytes)?;
    if len > max as u64 {
        return Err(Malformed("a length in range"));
    }
    let (head, rest) = bytes.split_at_checked(len as usize).ok_or(Malformed("more bytes"))?;
    *bytes = rest;
    Ok(head)
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
                let taken = |field: fn(&mut &[u8]) -> Decoded<u64>| {
                    let mut rest = &bytes[..];
                    field(&mut rest).ok().inspect(|_| assert_eq!(rest, [9]))
                };
                let u16 = u16::try_from(number).ok().map(u64::from);
                let u32 = u32::try_from(number).ok().map(u64::from);
                assert_eq!(taken(take_u64), Some(number));
                assert_eq!(taken(|bytes| take_u32(bytes).map(u64::from)), u32);
                assert_eq!(taken(|bytes| take_u16(bytes).map(u64::from)), u16);
            }
        }
        for torn in [&[][..], &[0x80], &[0xFF; 9], &[0x80; 11]] {
            assert_eq!(take_u64(&mut &torn[..]), Err(TORN));
        }
        assert_eq!(take_u16(&mut &[0x80, 0x80, 0x80, 0][..]), Err(TORN), "one byte too many");
    }
}
