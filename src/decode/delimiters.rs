//! Where the fields of sample columns begin: behind every `:` and tab of a text, 64 or 32 bytes at a time where the processor
//! can. All ways give the same; a property test holds them to it.

/// Where fields begin, and which of them are the first of a sample.
#[derive(Debug, Default)]
pub struct FieldStarts {
    /// Offset behind each `:` or tab.
    pub starts: Vec<u32>,
    /// Index in `starts` of each offset that is behind a tab.
    pub first: Vec<u32>,
}

impl FieldStarts {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.starts.clear();
        self.first.clear();
    }
}

/// Appends what is behind every `:` and tab.
pub fn scan(text: &[u8], found: &mut FieldStarts) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512vbmi2") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has the features: AVX-512 VBMI2 comes with F and BW.
            return unsafe { x86::scan_vbmi2(text, found) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { x86::scan_avx2(text, found) };
        }
    }
    scan_portable(text, 0, found)
}

/// [`scan`] byte by byte; the first has the offset `base`.
fn scan_portable(text: &[u8], base: usize, found: &mut FieldStarts) {
    for offset in memchr::memchr2_iter(b':', b'\t', text) {
        if text[offset] == b'\t' {
            found.first.push(found.starts.len() as u32);
        }
        found.starts.push((base + offset) as u32 + 1);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{FieldStarts, scan_portable};
    use std::arch::x86_64::*;

    /// Places in a chunk.
    const PLACES: [u8; 64] = {
        let mut places = [0; 64];
        let mut i = 0;
        while i < 64 {
            places[i] = i as u8;
            i += 1;
        }
        places
    };

    /// Appends `base` plus the place of each bit.
    #[inline]
    #[target_feature(enable = "avx512vbmi2,avx512bw,avx512f,popcnt")]
    fn push_places(bits: u64, base: u32, out: &mut Vec<u32>) {
        const LANES: usize = 16;
        let n = bits.count_ones() as usize;
        out.reserve(PLACES.len());
        let len = out.len();
        // SAFETY: there are 64 bytes; the load needs no alignment.
        let places = unsafe { _mm512_loadu_si512(PLACES.as_ptr().cast()) };
        let mut places = _mm512_maskz_compress_epi8(bits, places);
        let mut n_written = 0;
        while n_written < n {
            let next = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
            let next = _mm512_add_epi32(next, _mm512_set1_epi32(base as i32));
            // SAFETY: there is room for 64 behind `len`, and `n_written` is a multiple of 16 below 64.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(len + n_written).cast(), next) };
            places = _mm512_alignr_epi32::<4>(places, places);
            n_written += LANES;
        }
        // SAFETY: the `n` numbers behind `len` were just written.
        unsafe { out.set_len(len + n) };
    }

    #[target_feature(enable = "avx512vbmi2,avx512bw,avx512f,bmi2,popcnt")]
    pub fn scan_vbmi2(text: &[u8], found: &mut FieldStarts) {
        const LANES: usize = 64;
        let (colon, tab) = (_mm512_set1_epi8(b':' as i8), _mm512_set1_epi8(b'\t' as i8));
        let chunks = text.chunks_exact(LANES);
        let rest = chunks.remainder();
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the chunk has 64 bytes; the load needs no alignment.
            let bytes = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            let tabs = _mm512_cmpeq_epi8_mask(bytes, tab);
            let all = _mm512_cmpeq_epi8_mask(bytes, colon) | tabs;
            push_places(_pext_u64(tabs, all), found.starts.len() as u32, &mut found.first);
            push_places(all, (i * LANES) as u32 + 1, &mut found.starts);
        }
        scan_portable(rest, text.len() - rest.len(), found)
    }

    #[target_feature(enable = "avx2,popcnt,bmi1")]
    pub fn scan_avx2(text: &[u8], found: &mut FieldStarts) {
        const LANES: usize = 32;
        let (colon, tab) = (_mm256_set1_epi8(b':' as i8), _mm256_set1_epi8(b'\t' as i8));
        let chunks = text.chunks_exact(LANES);
        let rest = chunks.remainder();
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the chunk has 32 bytes; the load needs no alignment.
            let bytes = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
            let mut tabs = _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, tab)) as u32;
            let mut all = _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, colon)) as u32 | tabs;
            let FieldStarts { starts, first } = &mut *found;
            while tabs != 0 {
                let n_before = (all & (tabs.wrapping_sub(1) & !tabs)).count_ones();
                first.push(starts.len() as u32 + n_before);
                tabs &= tabs - 1;
            }
            starts.reserve(LANES);
            while all != 0 {
                starts.push((i * LANES) as u32 + all.trailing_zeros() + 1);
                all &= all - 1;
            }
        }
        scan_portable(rest, text.len() - rest.len(), found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Scan = fn(&[u8], &mut FieldStarts);

    fn ways() -> Vec<(&'static str, Scan)> {
        let mut ways: Vec<(&'static str, Scan)> =
            vec![("dispatched", scan), ("portable", |text, found| scan_portable(text, 0, found))];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512vbmi2") && is_x86_feature_detected!("bmi2") {
                // SAFETY: the processor has the features.
                ways.push(("vbmi2", |text, found| unsafe { x86::scan_vbmi2(text, found) }));
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature.
                ways.push(("avx2", |text, found| unsafe { x86::scan_avx2(text, found) }));
            }
        }
        ways
    }

    proptest! {
        #[test]
        fn all_ways_agree(text in prop_oneof!["[0-9,:\t./]{0,300}", "[:\t]{0,300}", "[0-9]{0,90}[:\t]{0,9}[0-9]{0,90}"]) {
            let ends: Vec<(usize, u8)> = text.bytes().enumerate().filter(|(_, byte)| matches!(byte, b':' | b'\t')).collect();
            let starts: Vec<u32> = ends.iter().map(|(offset, _)| *offset as u32 + 1).collect();
            let tabs = ends.iter().enumerate().filter(|(_, (_, byte))| *byte == b'\t');
            let first: Vec<u32> = tabs.map(|(index, _)| index as u32).collect();
            for (name, scan) in ways() {
                let mut found = FieldStarts::default();
                scan(text.as_bytes(), &mut found);
                prop_assert_eq!(&found.starts, &starts, "{}", name);
                prop_assert_eq!(&found.first, &first, "{}", name);
            }
        }
    }
}
