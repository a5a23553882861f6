//! The encodings of Parquet pages that the hot columns use, each way next to the other: what is written by us is read by
//! us without the general reader.
//!
//! Parquet format, Encodings.md: RLE / bit-packing hybrid (levels and dictionary indexes), DELTA_BINARY_PACKED, PLAIN. A page
//! that ends too early is `None`, never a wrong number.

use super::word::Word;

/// Fewest bits that hold every number up to `most`, of those whose groups begin at bytes: 0, 1, 2, 4, 8, 16 or 32. zstd
/// finds what repeats where numbers begin at bytes, or at halves of them.
pub fn even_bit_width(most: u32) -> u32 {
    match u32::BITS - most.leading_zeros() {
        0 => 0,
        bits => bits.next_power_of_two(),
    }
}

/// Appends `n` times `value` to a run-length / bit-packed hybrid.
pub fn push_run(out: &mut Vec<u8>, value: u32, n: usize, bit_width: u32) {
    push_varint(out, (n as u64) << 1);
    out.extend_from_slice(&value.to_le_bytes()[..bit_width.div_ceil(8) as usize]);
}

/// Appends numbers to a hybrid as one packed run; `bit_width` as [`even_bit_width`] gives it.
pub fn push_packed(out: &mut Vec<u8>, values: &[u32], bit_width: u32) {
    if values.is_empty() {
        return;
    }
    let end = start_packed(out, values.len(), bit_width);
    match bit_width {
        0 => {}
        8 => out.extend(values.iter().map(|&value| value as u8)),
        16 => push_words(out, values, |value| (value as u16).to_le_bytes()),
        32 => push_words(out, values, u32::to_le_bytes),
        _ => {
            let bytes: Vec<u8> = values.iter().map(|&value| value as u8).collect();
            push_parts(out, &bytes, bit_width);
        }
    }
    // the last group is filled up
    out.resize(end, 0);
}

/// [`push_packed`] for numbers below 256.
pub fn push_packed_bytes(out: &mut Vec<u8>, values: &[u8], bit_width: u32) {
    if values.is_empty() {
        return;
    }
    let end = start_packed(out, values.len(), bit_width);
    match bit_width {
        0 => {}
        8 => out.extend_from_slice(values),
        _ => push_parts(out, values, bit_width),
    }
    out.resize(end, 0);
}

/// Begins a packed run; says where it will end.
fn start_packed(out: &mut Vec<u8>, n: usize, bit_width: u32) -> usize {
    let n_groups = n.div_ceil(8);
    push_varint(out, (n_groups as u64) << 1 | 1);
    out.reserve(n_groups * bit_width as usize);
    out.len() + n_groups * bit_width as usize
}

#[inline]
fn push_words<const N: usize>(out: &mut Vec<u8>, values: &[u32], bytes: impl Fn(u32) -> [u8; N]) {
    let start = out.len();
    out.resize(start + N * values.len(), 0);
    for (word, &value) in out[start..].chunks_exact_mut(N).zip(values) {
        word.copy_from_slice(&bytes(value));
    }
}

/// Packs numbers of 1, 2 or 4 bits.
fn push_parts(out: &mut Vec<u8>, values: &[u8], bit_width: u32) {
    match bit_width {
        1 => push_parts_of::<8>(out, values),
        2 => push_parts_of::<4>(out, values),
        4 => push_parts_of::<2>(out, values),
        _ => unreachable!("an even width below a byte"),
    }
}

/// `N` numbers a byte.
#[inline]
fn push_parts_of<const N: usize>(out: &mut Vec<u8>, values: &[u8]) {
    let pack = |values: &[u8]| values.iter().rev().fold(0, |byte: u8, value| byte << (8 / N) | value);
    let chunks = values.chunks_exact(N);
    let rest = chunks.remainder();
    out.extend(chunks.map(pack));
    if !rest.is_empty() {
        out.push(pack(rest));
    }
}

/// Values of a block of DELTA_BINARY_PACKED, and of a miniblock.
const DELTA_BLOCK: usize = 128;
const DELTA_MINIBLOCK: usize = 32;

/// Appends a DELTA_BINARY_PACKED page of integers.
pub fn push_delta<T: Word>(out: &mut Vec<u8>, values: &[T]) {
    push_varint(out, DELTA_BLOCK as u64);
    push_varint(out, (DELTA_BLOCK / DELTA_MINIBLOCK) as u64);
    push_varint(out, values.len() as u64);
    let (first, rest) = values.split_first().map_or((0, values), |(first, rest)| (first.to_i64(), rest));
    push_varint(out, to_zigzag(first));
    let mut last = first;
    let mut deltas = [0i64; DELTA_BLOCK];
    for block in rest.chunks(DELTA_BLOCK) {
        for (delta, value) in deltas.iter_mut().zip(block) {
            let value = value.to_i64();
            *delta = T::wrap(value.wrapping_sub(last));
            last = value;
        }
        let deltas = &deltas[..block.len()];
        let least = deltas.iter().copied().min().unwrap_or(0);
        push_varint(out, to_zigzag(least));
        let widths_at = out.len();
        out.resize(widths_at + DELTA_BLOCK / DELTA_MINIBLOCK, 0);
        for (i, miniblock) in deltas.chunks(DELTA_MINIBLOCK).enumerate() {
            // the difference of two numbers of `T` fits its unsigned twin
            let above = |delta: &i64| T::unsigned(delta.wrapping_sub(least));
            let most = miniblock.iter().map(above).fold(0, |all, delta| all | delta);
            let bit_width = u64::BITS - most.leading_zeros();
            out[widths_at + i] = bit_width as u8;
            pack(out, miniblock.iter().map(above), bit_width);
        }
    }
}

/// Values of a block and of a miniblock of [`push_even_delta`].
const EVEN_BLOCK: usize = 1024;
const EVEN_MINIBLOCK: usize = 32;

/// Appends a DELTA_BINARY_PACKED page whose differences begin at bytes, for numbers that ascend in long runs: what repeats
/// from run to run are the same bytes then, which zstd finds. A miniblock where a new run begins has 32 bits a number, as its
/// negative difference wraps.
pub fn push_even_delta(out: &mut Vec<u8>, values: &[u32]) {
    push_varint(out, EVEN_BLOCK as u64);
    push_varint(out, (EVEN_BLOCK / EVEN_MINIBLOCK) as u64);
    push_varint(out, values.len() as u64);
    push_varint(out, to_zigzag(i64::from(values.first().map_or(0, |&first| first as i32))));
    let mut deltas = [0u32; EVEN_BLOCK];
    let n = values.len().saturating_sub(1);
    for start in (0..n).step_by(EVEN_BLOCK) {
        let n_here = EVEN_BLOCK.min(n - start);
        let (before, behind) = (&values[start..start + n_here], &values[start + 1..start + 1 + n_here]);
        for ((delta, after), before) in deltas.iter_mut().zip(behind).zip(before) {
            *delta = after.wrapping_sub(*before);
        }
        deltas[n_here..].fill(0);
        // the least difference: 0
        out.push(0);
        let widths_at = out.len();
        out.resize(widths_at + EVEN_BLOCK / EVEN_MINIBLOCK, 0);
        for (i, miniblock) in deltas.chunks_exact(EVEN_MINIBLOCK).enumerate() {
            if i * EVEN_MINIBLOCK >= n_here {
                break;
            }
            let all = miniblock.iter().fold(0, |all, delta| all | delta);
            let bit_width = even_bit_width(all).max(8);
            out[widths_at + i] = bit_width as u8;
            match bit_width {
                8 => push_words(out, miniblock, |delta| [delta as u8]),
                16 => push_words(out, miniblock, |delta| (delta as u16).to_le_bytes()),
                _ => push_words(out, miniblock, u32::to_le_bytes),
            }
        }
    }
}

/// Appends one miniblock, filled up with zeros.
#[inline]
fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, bit_width: u32) {
    let end = out.len() + DELTA_MINIBLOCK * bit_width as usize / 8;
    let (mut word, mut n_bits) = (0u128, 0);
    for value in values {
        word |= u128::from(value) << n_bits;
        n_bits += bit_width;
        if n_bits >= u64::BITS {
            out.extend_from_slice(&(word as u64).to_le_bytes());
            word >>= u64::BITS;
            n_bits -= u64::BITS;
        }
    }
    out.extend_from_slice(&(word as u64).to_le_bytes()[..n_bits.div_ceil(8) as usize]);
    out.resize(end, 0);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn to_zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// The value that `n` values of a run-length / bit-packed hybrid all have, where they are one run.
pub fn single_run(mut bytes: &[u8], bit_width: u32, n: usize) -> Option<u32> {
    if bit_width == 0 {
        return Some(0);
    }
    let header = varint(&mut bytes)?;
    let covers = header & 1 == 0 && usize::try_from(header >> 1).is_ok_and(|count| count >= n);
    if covers { run_value(&mut bytes, bit_width) } else { None }
}

/// The bytes of `n` values of a hybrid that are one packed run; [`packed_value`] takes them out.
pub fn single_packed_run(mut bytes: &[u8], bit_width: u32, n: usize) -> Option<&[u8]> {
    let header = varint(&mut bytes)?;
    let covers = header & 1 == 1 && usize::try_from(header >> 1).is_ok_and(|groups| groups >= n.div_ceil(8));
    let is_whole = (1..=32).contains(&bit_width) && bytes.len() >= (n * bit_width as usize).div_ceil(8);
    (covers && is_whole).then_some(bytes)
}

/// The value at a place of packed bytes of values of `bit_width` bits (1 to 32), least bits first.
#[inline]
pub fn packed_value(packed: &[u8], bit_width: u32, place: usize) -> u32 {
    let bit = place * bit_width as usize;
    let at = bit >> 3;
    let word = match packed.get(at..at + 8) {
        Some(bytes) => u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
        None => last_word(packed, at),
    };
    ((word >> (bit & 7)) & ((1u64 << bit_width) - 1)) as u32
}

fn run_value(bytes: &mut &[u8], bit_width: u32) -> Option<u32> {
    let width_bytes = bit_width.div_ceil(8) as usize;
    let (value, rest) = bytes.split_at_checked(width_bytes)?;
    let mut word = [0; 4];
    word.get_mut(..width_bytes)?.copy_from_slice(value);
    *bytes = rest;
    Some(u32::from_le_bytes(word))
}

/// Decodes `n` values of a run-length / bit-packed hybrid of `bit_width` bits; appends them.
pub fn hybrid(mut bytes: &[u8], bit_width: u32, n: usize, out: &mut Vec<u32>) -> Option<()> {
    let start = out.len();
    out.resize(start + n, 0);
    if bit_width == 0 {
        return Some(());
    }
    if bit_width > 32 {
        return None;
    }
    let mut left = &mut out[start..];
    while !left.is_empty() {
        let header = varint(&mut bytes)?;
        let count = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let (here, rest) = left.split_at_mut(count.min(left.len()));
            here.fill(run_value(&mut bytes, bit_width)?);
            left = rest;
        } else {
            let n_bytes = count.checked_mul(bit_width as usize)?;
            let (here, rest) = left.split_at_mut(count.checked_mul(8)?.min(left.len()));
            // a writer may leave the padding of the last group out
            let (packed, behind) = bytes.split_at(n_bytes.min(bytes.len()));
            match bit_width {
                8 if packed.len() >= here.len() => {
                    here.iter_mut().zip(packed).for_each(|(place, &byte)| *place = u32::from(byte));
                }
                16 if packed.len() >= 2 * here.len() => {
                    let words = packed.chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
                    here.iter_mut().zip(words).for_each(|(place, word)| *place = u32::from(word));
                }
                _ => unpack(packed, bit_width, here.iter_mut(), |place, value| *place = value as u32)?,
            }
            (bytes, left) = (behind, rest);
        }
    }
    Some(())
}

/// Takes a value of `bit_width` bits (at most 32) out of packed bytes, least bits first, for each place.
#[inline]
fn unpack<T>(
    packed: &[u8],
    bit_width: u32,
    places: impl ExactSizeIterator<Item = T>,
    mut take: impl FnMut(T, u64),
) -> Option<()> {
    if bit_width > 32 || packed.len() * 8 < places.len() * bit_width as usize {
        return None;
    }
    let mask = (1u64 << bit_width) - 1;
    for (i, place) in places.enumerate() {
        let bit = i * bit_width as usize;
        let at = bit >> 3;
        let word = match packed.get(at..at + 8) {
            Some(bytes) => u64::from_le_bytes(bytes.try_into().ok()?),
            None => last_word(packed, at),
        };
        take(place, word >> (bit & 7) & mask);
    }
    Some(())
}

/// Eight bytes from `at` on, 0 behind the end.
#[cold]
fn last_word(packed: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    let bytes = packed.get(at..).unwrap_or_default();
    word[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
    u64::from_le_bytes(word)
}

/// Decodes the `n_wanted` values of a DELTA_BINARY_PACKED page of 32-bit integers; appends them. `None` where it has others: a page
/// of few bytes can claim any number, since differences of no bits take none.
pub fn delta(mut bytes: &[u8], n_wanted: usize, out: &mut Vec<i32>) -> Option<()> {
    let block_values = usize::try_from(varint(&mut bytes)?).ok()?;
    let n_miniblocks = usize::try_from(varint(&mut bytes)?).ok()?;
    let n_values = usize::try_from(varint(&mut bytes)?).ok()?;
    let mut last = zigzag(varint(&mut bytes)?);
    if n_values != n_wanted {
        return None;
    }
    if n_values == 0 {
        return Some(());
    }
    let per_miniblock = block_values.checked_div(n_miniblocks).filter(|&n| n > 0)?;
    let mut left = n_values - 1;
    out.reserve(n_values);
    out.push(last as i32);
    while left > 0 {
        let least = zigzag(varint(&mut bytes)?);
        let (widths, rest) = bytes.split_at_checked(n_miniblocks)?;
        bytes = rest;
        for &width in widths {
            if left == 0 {
                break;
            }
            let count = per_miniblock.min(left);
            let n_bytes = per_miniblock.checked_mul(usize::from(width))?.div_ceil(8);
            let (packed, rest) = bytes.split_at(n_bytes.min(bytes.len()));
            unpack(packed, u32::from(width), 0..count, |_, delta| {
                last = last.wrapping_add(least).wrapping_add(delta as i64);
                out.push(last as i32);
            })?;
            bytes = rest;
            left -= count;
        }
    }
    Some(())
}

/// Little-endian 32-bit integers.
pub fn plain(bytes: &[u8], out: &mut Vec<i32>) {
    out.extend(bytes.chunks_exact(4).map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]])));
}

/// Texts, each behind its length.
pub fn plain_texts(mut bytes: &[u8]) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (len, rest) = bytes.split_at_checked(4)?;
        let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
        let (text, rest) = rest.split_at_checked(len)?;
        found.push(std::str::from_utf8(text).ok()?);
        bytes = rest;
    }
    Some(found)
}

pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_and_packed_groups() {
        // 8 times 4 in 3 bits, then 0 to 7 packed: the example of the format's text
        let bytes = [16, 4, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        let mut found = Vec::new();
        hybrid(&bytes, 3, 16, &mut found).expect("complete");
        assert_eq!(found, [4, 4, 4, 4, 4, 4, 4, 4, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hybrid(&bytes[..4], 3, 16, &mut Vec::new()), None);
        assert_eq!(hybrid(&bytes, 40, 16, &mut Vec::new()), None);
    }

    #[test]
    fn differences() {
        // 7, 5, 3, 1, 2, 3, 4, 5: the second example of the format's text, in one block of 128 with 4 miniblocks
        let mut bytes = vec![128, 1, 4, 8, 14, 3, 2, 0, 0, 0];
        bytes.extend([0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0]);
        let mut found = Vec::new();
        delta(&bytes, 8, &mut found).expect("complete");
        assert_eq!(found, [7, 5, 3, 1, 2, 3, 4, 5]);
        assert_eq!(delta(&bytes[..10], 8, &mut Vec::new()), None);
        assert_eq!(delta(&bytes, 9, &mut Vec::new()), None);
        // differences of no bits: a few bytes that claim 2^40 values
        let mut vast = vec![128, 1, 1];
        vast.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 0, 0]);
        assert_eq!(delta(&vast, 8, &mut Vec::new()), None);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(values in prop::collection::vec(0u32..3_000, 0..300), cut in 0u32..3_000, runs in 0usize..3) {
            let values: Vec<u32> = values.into_iter().map(|value| value.min(cut)).collect();
            let bit_width = even_bit_width(cut);
            let mut bytes = Vec::new();
            push_packed(&mut bytes, &values, bit_width);
            if bit_width <= 8 {
                let mut again = Vec::new();
                push_packed_bytes(&mut again, &values.iter().map(|&value| value as u8).collect::<Vec<u8>>(), bit_width);
                prop_assert_eq!(&again, &bytes);
            }
            if let Some(packed) = single_packed_run(&bytes, bit_width, values.len()) {
                let one_by_one = (0..values.len()).map(|place| packed_value(packed, bit_width, place));
                prop_assert_eq!(&one_by_one.collect::<Vec<u32>>(), &values);
            } else {
                prop_assert!(bit_width == 0 || values.is_empty());
            }
            let padding = values.len().next_multiple_of(8) - values.len();
            let mut expected = values;
            expected.resize(expected.len() + padding, 0);
            for _ in 0..runs {
                push_run(&mut bytes, cut, 100, bit_width);
                expected.resize(expected.len() + 100, cut);
            }
            let mut found = Vec::new();
            hybrid(&bytes, bit_width, expected.len(), &mut found).expect("complete");
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn differences_are_read_again(values in prop::collection::vec(any::<i32>(), 0..400), shift in 0u32..32) {
            let values: Vec<i32> = values.into_iter().map(|value| value >> shift).collect();
            let mut bytes = Vec::new();
            push_delta(&mut bytes, &values);
            let mut found = Vec::new();
            delta(&bytes, values.len(), &mut found).expect("complete");
            prop_assert_eq!(found, values);
        }
    }

    proptest! {
        #[test]
        fn even_differences_are_read_again(values in prop::collection::vec(any::<i32>(), 0..3000), shift in 0u32..32, sorted in any::<bool>()) {
            let mut values: Vec<i32> = values.into_iter().map(|value| value >> shift).collect();
            if sorted {
                values.sort_unstable();
            }
            let mut bytes = Vec::new();
            push_even_delta(&mut bytes, &values.iter().map(|&value| value as u32).collect::<Vec<u32>>());
            let mut found = Vec::new();
            delta(&bytes, values.len(), &mut found).expect("complete");
            prop_assert_eq!(found, values);
        }
    }

    #[test]
    fn texts() {
        assert_eq!(plain_texts(b"\x01\0\0\0a\0\0\0\0\x02\0\0\0bc"), Some(vec!["a", "", "bc"]));
        assert_eq!(plain_texts(b"\x05\0\0\0a"), None);
    }
}
