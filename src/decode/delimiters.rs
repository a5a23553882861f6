//! Where the fields of sample columns end: every `:` and tab of a text, 64 or 32 bytes at a time where the processor can. All
//! ways give the same; a property test holds them to it.

/// Appends the offset of every `:` and tab; says how many are tabs.
pub fn scan(text: &[u8], ends: &mut Vec<u32>) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            // SAFETY: the processor has the feature.
            return unsafe { x86::scan_avx512(text, ends) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { x86::scan_avx2(text, ends) };
        }
    }
    scan_portable(text, 0, ends)
}

/// [`scan`] byte by byte; the first has the offset `base`.
fn scan_portable(text: &[u8], base: usize, ends: &mut Vec<u32>) -> usize {
    let mut n_tabs = 0;
    for offset in memchr::memchr2_iter(b':', b'\t', text) {
        n_tabs += usize::from(text[offset] == b'\t');
        ends.push((base + offset) as u32);
    }
    n_tabs
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::scan_portable;
    use std::arch::x86_64::*;

    /// Appends `base` plus the place of each bit.
    #[inline(always)]
    fn push_bits(mut bits: u64, base: usize, ends: &mut Vec<u32>) {
        let n = bits.count_ones() as usize;
        ends.reserve(u64::BITS as usize);
        let len = ends.len();
        let spare = &mut ends.spare_capacity_mut()[..u64::BITS as usize];
        for place in &mut spare[..n] {
            place.write(base as u32 + bits.trailing_zeros());
            bits &= bits - 1;
        }
        // SAFETY: the `n` numbers behind `len` were just written.
        unsafe { ends.set_len(len + n) };
    }

    #[target_feature(enable = "avx512bw,avx512f,popcnt,bmi1")]
    pub fn scan_avx512(text: &[u8], ends: &mut Vec<u32>) -> usize {
        const LANES: usize = 64;
        let (colon, tab) = (_mm512_set1_epi8(b':' as i8), _mm512_set1_epi8(b'\t' as i8));
        let chunks = text.chunks_exact(LANES);
        let rest = chunks.remainder();
        let mut n_tabs = 0;
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the chunk has 64 bytes; the load needs no alignment.
            let bytes = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            let tabs = _mm512_cmpeq_epi8_mask(bytes, tab);
            n_tabs += tabs.count_ones() as usize;
            push_bits(_mm512_cmpeq_epi8_mask(bytes, colon) | tabs, i * LANES, ends);
        }
        n_tabs + scan_portable(rest, text.len() - rest.len(), ends)
    }

    #[target_feature(enable = "avx2,popcnt,bmi1")]
    pub fn scan_avx2(text: &[u8], ends: &mut Vec<u32>) -> usize {
        const LANES: usize = 32;
        let (colon, tab) = (_mm256_set1_epi8(b':' as i8), _mm256_set1_epi8(b'\t' as i8));
        let chunks = text.chunks_exact(LANES);
        let rest = chunks.remainder();
        let mut n_tabs = 0;
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the chunk has 32 bytes; the load needs no alignment.
            let bytes = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
            let tabs = _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, tab)) as u32;
            let colons = _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, colon)) as u32;
            n_tabs += tabs.count_ones() as usize;
            push_bits(u64::from(tabs | colons), i * LANES, ends);
        }
        n_tabs + scan_portable(rest, text.len() - rest.len(), ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Scan = fn(&[u8], &mut Vec<u32>) -> usize;

    proptest! {
        #[test]
        fn all_ways_agree(text in "[0-9,:\t./]{0,300}") {
            let mut ways: Vec<(&'static str, Scan)> = vec![("dispatched", scan)];
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx512bw") {
                    // SAFETY: the processor has the feature.
                    ways.push(("avx512", |text, ends| unsafe { x86::scan_avx512(text, ends) }));
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has the feature.
                    ways.push(("avx2", |text, ends| unsafe { x86::scan_avx2(text, ends) }));
                }
            }
            let is_end = |(offset, byte)| matches!(byte, b':' | b'\t').then_some(offset as u32);
            let expected: Vec<u32> = text.bytes().enumerate().filter_map(is_end).collect();
            for (name, scan) in ways {
                let mut found = Vec::new();
                let n_tabs = scan(text.as_bytes(), &mut found);
                prop_assert_eq!(&found, &expected, "{}", name);
                prop_assert_eq!(n_tabs, text.matches('\t').count(), "{}", name);
            }
        }
    }
}
