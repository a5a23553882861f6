//! Unsigned decimal integers inside of a longer text, all digits of one at once.
//!
//! A number of one to four digits is loaded as the four bytes that it ends, wherever it begins: no step depends on how many
//! digits there are, which in depths and likelihoods comes in no order. Anything else is for [`parse_i32`], the plain twin.
//!
//! [`parse_i32`]: super::vcf::parse_i32

use std::ops::Range;

/// Digits at most.
const MAX_DIGITS: usize = 4;

/// The number in `range` of `text`; `None` for anything but one to four digits.
#[inline(always)]
pub fn short_integer(text: &[u8], range: Range<usize>) -> Option<i32> {
    /// Carries into the highest bit of a byte that is above 9.
    const ABOVE_NINE: u32 = 0x7676_7676;
    const HIGHEST: u32 = 0x8080_8080;
    let len = range.end.wrapping_sub(range.start);
    let word = match text.get(range.end.wrapping_sub(MAX_DIGITS)..range.end) {
        Some(word) => u32::from_le_bytes(word.try_into().expect("four bytes")),
        None => first_word(text.get(..range.end)?),
    };
    if len.wrapping_sub(1) >= MAX_DIGITS {
        return None;
    }
    // the first digit is in the lowest byte: what stands before the number is shifted out, and zeros come in
    let digits = (word ^ u32::from_le_bytes(*b"0000")) & (u32::MAX << (u32::BITS - 8 * len as u32));
    if (digits.wrapping_add(ABOVE_NINE) | digits) & HIGHEST != 0 {
        return None;
    }
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff;
    Some((pairs.wrapping_mul(1 + (100 << 16)) >> 16) as i32)
}

/// The word that ends with `start`, the first bytes of a text: less than four, after zeros.
#[cold]
fn first_word(start: &[u8]) -> u32 {
    let word: u32 = start.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
    // no byte at all: nothing to shift
    word.checked_shl(u32::BITS - 8 * start.len() as u32).unwrap_or(0)
}

/// The number of one to ten digits that begins at `at`, and where it ends; `None` for anything else, and above [`i32::MAX`].
///
/// Eight digits are taken at once, whether or not they are there: what is behind the number is shifted out.
#[inline(always)]
pub fn leading_integer(text: &[u8], at: usize) -> Option<(i32, usize)> {
    const ABOVE_NINE: u64 = 0x7676_7676_7676_7676;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let Some(word) = text.get(at..at + 8) else { return plain_leading_integer(text, at) };
    let digits = u64::from_le_bytes(word.try_into().expect("eight bytes")) ^ u64::from_le_bytes(*b"00000000");
    // the lowest byte that is no digit has its highest bit set, and none before it
    let others = (digits.wrapping_add(ABOVE_NINE) | digits) & HIGHEST;
    let len = others.trailing_zeros() / 8;
    if len == 0 {
        return None;
    }
    let digits = digits << (u64::BITS - 8 * len);
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let value = (quads as u32).wrapping_mul(10_000).wrapping_add((quads >> 32) as u32);
    if len < 8 { Some((value as i32, at + len as usize)) } else { with_more_digits(value, text, at + 8) }
}

/// A number and up to two more digits behind it.
#[inline]
fn with_more_digits(value: u32, text: &[u8], at: usize) -> Option<(i32, usize)> {
    let (mut value, mut end) = (u64::from(value), at);
    while let Some(digit) = text.get(end).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit <= 9) {
        if end == at + 2 {
            return None;
        }
        (value, end) = (value * 10 + u64::from(digit), end + 1);
    }
    i32::try_from(value).ok().map(|value| (value, end))
}

/// The plain twin.
fn plain_leading_integer(text: &[u8], at: usize) -> Option<(i32, usize)> {
    let rest = text.get(at..)?;
    let len = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    if len == 0 || len > 10 {
        return None;
    }
    let value = rest[..len].iter().fold(0u64, |value, byte| value * 10 + u64::from(byte - b'0'));
    i32::try_from(value).ok().map(|value| (value, at + len))
}

/// How far the next comma is from `start`; `None` when it is not among eight bytes.
#[inline(always)]
pub fn comma(text: &[u8], start: usize) -> Option<usize> {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let Some(word) = text.get(start..start + 8) else {
        return text.get(start..)?.iter().position(|&byte| byte == b',');
    };
    let others = u64::from_le_bytes(word.try_into().expect("eight bytes")) ^ (LOWEST * b',' as u64);
    // the lowest byte that is 0 has its highest bit set, and none before it
    let commas = others.wrapping_sub(LOWEST) & !others & HIGHEST;
    (commas != 0).then(|| commas.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::vcf::parse_i32;
    use proptest::prelude::*;

    #[test]
    fn every_short_number_is_read() {
        for value in 0..10_000 {
            for text in [format!("{value}"), format!("{value:02}"), format!("{value:04}")] {
                let long = format!("9,:\t{text}9,");
                assert_eq!(short_integer(long.as_bytes(), 4..4 + text.len()), Some(value), "{text}");
                assert_eq!(short_integer(text.as_bytes(), 0..text.len()), Some(value), "{text} at the start");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_plain_twin_reads(text in "[0-9,.:\\-+é]{0,24}", range in (0usize..30, 0usize..30)) {
            let (text, range) = (text.as_bytes(), range.0.min(range.1)..range.0.max(range.1));
            let own = text.get(range.clone());
            let is_short = own.is_some_and(|own| matches!(own.len(), 1..=4) && own.iter().all(u8::is_ascii_digit));
            let expected = if is_short { own.and_then(parse_i32) } else { None };
            prop_assert_eq!(short_integer(text, range), expected);
        }

        #[test]
        fn the_leading_number_is_read(number in "[0-9]{0,12}", behind in "[^0-9]?.{0,10}", at in 0usize..3) {
            let text = ["x".repeat(at), number, behind].concat();
            prop_assert_eq!(leading_integer(text.as_bytes(), at), plain_leading_integer(text.as_bytes(), at));
        }

        #[test]
        fn the_next_comma_is_found(text in "[0-9,:]{0,20}", start in 0usize..22) {
            let expected = text.bytes().skip(start).take(8).position(|byte| byte == b',');
            prop_assert_eq!(comma(text.as_bytes(), start), expected);
        }
    }
}
