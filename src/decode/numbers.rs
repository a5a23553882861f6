//! Unsigned decimal integers inside of a longer text, all digits of one at once.
//!
//! A number of one to four digits is loaded as the four bytes that it ends, wherever it begins: no step depends on how many
//! digits there are, which in depths and likelihoods comes in no order. Anything else is for [`parse_i32`], the plain twin.
//!
//! [`parse_i32`]: super::vcf::parse_i32

use super::samples::NO_INTEGER;
use super::vcf::parse_i32;
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

/// The integers in some ranges of a text, each as [`short_integer`] or else [`parse_i32`] reads it, or [`NO_INTEGER`]: of the field
/// `slot` of each sample, where `first[i]` is the first field of sample `i`, `first` has one more than there are samples, and a
/// field ends one before the next one `starts`. A field that the sample has not is none.
pub fn integers(text: &[u8], starts: &[u32], first: &[u32], slot: usize, out: &mut Vec<i32>) {
    let n_samples = first.len().saturating_sub(1);
    out.clear();
    out.resize(n_samples, NO_INTEGER);
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bw") && text.len() < i32::MAX as usize {
        // SAFETY: the processor has the feature, and the length was looked at.
        done = unsafe { x86::integers_avx512(text, starts, first, slot, out) };
    }
    for (sample, value) in out.iter_mut().enumerate().skip(done) {
        *value = integer_of(text, starts, first, slot, sample);
    }
}

/// One of [`integers`].
fn integer_of(text: &[u8], starts: &[u32], first: &[u32], slot: usize, sample: usize) -> i32 {
    let field = first[sample] as usize + slot;
    if field >= first[sample + 1] as usize {
        return NO_INTEGER;
    }
    let range = starts[field] as usize..starts[field + 1] as usize - 1;
    short_integer(text, range.clone()).or_else(|| parse_i32(&text[range])).unwrap_or(NO_INTEGER)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::integer_of;
    use std::arch::x86_64::*;

    /// [`super::integers`] of sixteen samples at a time; says how many were done. The text is shorter than 2 GiB.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn integers_avx512(text: &[u8], starts: &[u32], first: &[u32], slot: usize, out: &mut [i32]) -> usize {
        const LANES: usize = 16;
        let whole = out.len() / LANES * LANES;
        let (one, slot_lanes) = (_mm512_set1_epi32(1), _mm512_set1_epi32(slot as i32));
        let n_starts = _mm512_set1_epi32(starts.len() as i32);
        for sample in (0..whole).step_by(LANES) {
            let (own, next) = (&first[sample..sample + LANES], &first[sample + 1..sample + 1 + LANES]);
            // SAFETY: both have sixteen numbers; loads need no alignment.
            let (own, next) =
                unsafe { (_mm512_loadu_si512(own.as_ptr().cast()), _mm512_loadu_si512(next.as_ptr().cast())) };
            let field = _mm512_add_epi32(own, slot_lanes);
            let behind = _mm512_add_epi32(field, one);
            let is_there = _mm512_cmplt_epu32_mask(field, next) & _mm512_cmplt_epu32_mask(behind, n_starts);
            // SAFETY: the fields of the mask, and the ones behind them, are among the starts.
            let (start, end) = unsafe {
                (
                    _mm512_mask_i32gather_epi32::<4>(one, is_there, field, starts.as_ptr().cast()),
                    _mm512_mask_i32gather_epi32::<4>(one, is_there, behind, starts.as_ptr().cast()),
                )
            };
            let end = _mm512_sub_epi32(end, one);
            let len = _mm512_sub_epi32(end, start);
            // one to four digits, which end four bytes behind the start of the text or later, and inside of it
            let is_short = is_there
                & _mm512_cmplt_epu32_mask(_mm512_sub_epi32(len, one), _mm512_set1_epi32(4))
                & _mm512_cmpge_epu32_mask(end, _mm512_set1_epi32(4))
                & _mm512_cmple_epu32_mask(end, _mm512_set1_epi32(text.len() as i32));
            let from = _mm512_sub_epi32(end, _mm512_set1_epi32(4));
            // SAFETY: the four bytes from each place of the mask on are in the text.
            let words = unsafe { _mm512_mask_i32gather_epi32::<1>(one, is_short, from, text.as_ptr().cast()) };
            let digits = _mm512_xor_si512(words, _mm512_set1_epi8(b'0' as i8));
            let shift = _mm512_sub_epi32(_mm512_set1_epi32(32), _mm512_slli_epi32::<3>(len));
            let digits = _mm512_and_si512(digits, _mm512_sllv_epi32(_mm512_set1_epi32(-1), shift));
            let above_nine = _mm512_subs_epu8(digits, _mm512_set1_epi8(9));
            let good = is_short & !_mm512_test_epi32_mask(above_nine, above_nine);
            let pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(i16::from_le_bytes([10, 1])));
            let values = _mm512_madd_epi16(pairs, _mm512_set1_epi32(100 + (1 << 16)));
            let own = &mut out[sample..sample + LANES];
            // SAFETY: there are sixteen numbers; the store needs no alignment.
            unsafe { _mm512_mask_storeu_epi32(own.as_mut_ptr(), good, values) };
            let mut others = !good;
            while others != 0 {
                let lane = others.trailing_zeros() as usize;
                own[lane] = integer_of(text, starts, first, slot, sample + lane);
                others &= others - 1;
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::delimiters::{self, FieldStarts};
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

        #[test]
        fn integers_of_samples_are_read_one_by_one_or_many_at_a_time(
            cells in prop::collection::vec("[0-9.]{0,3}(:([0-9]{1,4}|[0-9]{1,11}|[.]|-[0-9]|[0-9],[0-9]|)){0,3}", 1..70),
            slot in 0usize..4,
        ) {
            let text = cells.join("\t");
            let mut fields = FieldStarts { starts: vec![0], first: vec![0] };
            delimiters::scan(text.as_bytes(), &mut fields);
            fields.first.push(fields.starts.len() as u32);
            fields.starts.push(text.len() as u32 + 1);
            let expected: Vec<i32> = cells
                .iter()
                .map(|cell| cell.split(':').nth(slot).and_then(|field| parse_i32(field.as_bytes())).unwrap_or(NO_INTEGER))
                .collect();
            let mut found = Vec::new();
            integers(text.as_bytes(), &fields.starts, &fields.first, slot, &mut found);
            prop_assert_eq!(found, expected);
        }
    }
}
