//! Values out of the pages of a part, straight into numbers: the encodings that [`schema`](super::schema) asks for.
//!
//! Parquet format, Encodings.md: RLE / bit-packing hybrid (levels and dictionary indexes), DELTA_BINARY_PACKED, PLAIN. A page
//! that ends too early is `None`, never a wrong number.

/// Decodes `n` values of a run-length / bit-packed hybrid of `bit_width` bits; appends them.
pub fn hybrid(mut bytes: &[u8], bit_width: u32, n: usize, out: &mut Vec<u32>) -> Option<()> {
    if bit_width == 0 {
        out.resize(out.len() + n, 0);
        return Some(());
    }
    if bit_width > 32 {
        return None;
    }
    let end = out.len() + n;
    while out.len() < end {
        let header = varint(&mut bytes)?;
        let left = end - out.len();
        if header & 1 == 0 {
            let width_bytes = bit_width.div_ceil(8) as usize;
            let (value, rest) = bytes.split_at_checked(width_bytes)?;
            let mut word = [0; 4];
            word[..width_bytes].copy_from_slice(value);
            let count = usize::try_from(header >> 1).ok()?.min(left);
            out.resize(out.len() + count, u32::from_le_bytes(word));
            bytes = rest;
        } else {
            let groups = usize::try_from(header >> 1).ok()?;
            let n_bytes = groups.checked_mul(bit_width as usize)?;
            // a writer may leave the padding of the last group out
            let count = groups.checked_mul(8)?.min(left);
            let (packed, rest) = bytes.split_at(n_bytes.min(bytes.len()));
            unpack(packed, bit_width, count, |value| out.push(value as u32))?;
            bytes = rest;
        }
    }
    Some(())
}

/// Takes `count` values of `bit_width` bits (at most 32) out of packed bytes, least bits first.
#[inline]
fn unpack(packed: &[u8], bit_width: u32, count: usize, mut take: impl FnMut(u64)) -> Option<()> {
    if bit_width > 32 || packed.len() * 8 < count * bit_width as usize {
        return None;
    }
    let mask = (1u64 << bit_width) - 1;
    // as long as eight bytes can be read at once
    let fast = if packed.len() < 8 { 0 } else { ((packed.len() - 8) * 8 / bit_width.max(1) as usize).min(count) };
    let mut bit = 0usize;
    for _ in 0..fast {
        let at = bit >> 3;
        let word = u64::from_le_bytes(packed[at..at + 8].try_into().ok()?);
        take(word >> (bit & 7) & mask);
        bit += bit_width as usize;
    }
    for _ in fast..count {
        let at = bit >> 3;
        let mut word = [0; 8];
        let n = (packed.len() - at.min(packed.len())).min(8);
        word[..n].copy_from_slice(&packed[at..at + n]);
        take(u64::from_le_bytes(word) >> (bit & 7) & mask);
        bit += bit_width as usize;
    }
    Some(())
}

/// Decodes all values of a DELTA_BINARY_PACKED page of 32-bit integers; appends them.
pub fn delta(mut bytes: &[u8], out: &mut Vec<i32>) -> Option<()> {
    let block_values = usize::try_from(varint(&mut bytes)?).ok()?;
    let n_miniblocks = usize::try_from(varint(&mut bytes)?).ok()?;
    let n_values = usize::try_from(varint(&mut bytes)?).ok()?;
    let mut last = zigzag(varint(&mut bytes)?);
    if n_values == 0 {
        return Some(());
    }
    let per_miniblock = block_values.checked_div(n_miniblocks).filter(|&n| n > 0)?;
    let mut left = n_values - 1;
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
            let n_bytes = (per_miniblock * usize::from(width)).div_ceil(8);
            let (packed, rest) = bytes.split_at(n_bytes.min(bytes.len()));
            unpack(packed, u32::from(width), count, |delta| {
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

fn varint(bytes: &mut &[u8]) -> Option<u64> {
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
        delta(&bytes, &mut found).expect("complete");
        assert_eq!(found, [7, 5, 3, 1, 2, 3, 4, 5]);
        assert_eq!(delta(&bytes[..10], &mut Vec::new()), None);
    }

    #[test]
    fn texts() {
        assert_eq!(plain_texts(b"\x01\0\0\0a\0\0\0\0\x02\0\0\0bc"), Some(vec!["a", "", "bc"]));
        assert_eq!(plain_texts(b"\x05\0\0\0a"), None);
    }
}
