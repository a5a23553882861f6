//! The fixed-stride kernels: which four-byte cells of a line, or two-byte genotypes of BCF, are not `0/0` or `0|0`, and the codes
//! of those; many at a time where the processor can, else one by one. All ways give the same; a property test holds them to it.

use crate::genome::genotype::GtCode;
use crate::wide::wide;

/// Bytes of a cell: allele, separator, allele, tab.
pub const CELL: usize = 4;

const UNPHASED: u32 = u32::from_le_bytes(*b"0/0\t");
const PHASED: u32 = u32::from_le_bytes(*b"0|0\t");

/// Cells that are not plain reference.
#[derive(Debug, Default)]
pub struct OtherCells {
    /// Index of each, ascending.
    pub indexes: Vec<u32>,
    /// Its bytes as a little-endian word.
    pub words: Vec<u32>,
}

impl OtherCells {
    /// Without cells.
    pub fn clear(&mut self) {
        self.indexes.clear();
        self.words.clear();
    }

    #[inline]
    fn push(&mut self, index: u32, word: u32) {
        self.indexes.push(index);
        self.words.push(word);
    }
}

/// Appends the cells of `text` that are not `0/0` or `0|0` before a tab. `text`: whole cells.
pub fn scan(text: &[u8], others: &mut OtherCells) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the feature.
            return unsafe { x86::scan_avx512(text, others) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { x86::scan_avx2(text, others) };
        }
    }
    scan_portable(text, 0, others)
}

/// [`scan`] cell by cell; the first has the index `base`.
fn scan_portable(text: &[u8], base: u32, others: &mut OtherCells) {
    for (index, cell) in (base..).zip(text.chunks_exact(CELL)) {
        let word = u32::from_le_bytes([cell[0], cell[1], cell[2], cell[3]]);
        if word != UNPHASED && word != PHASED {
            others.push(index, word);
        }
    }
}

/// Allele 0 in BCF, and the same with the phase bit (VCF 4.5 section 6.3.3).
const ZERO: u8 = 1 << 1;
const UNPHASED_PAIR: u16 = u16::from_le_bytes([ZERO, ZERO]);
const PHASED_PAIR: u16 = u16::from_le_bytes([ZERO, ZERO | 1]);

/// Appends the two-byte genotypes that are not `0/0` or `0|0`. `pairs`: two bytes for each sample.
pub fn scan_pairs(pairs: &[u8], others: &mut OtherCells) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512vbmi2") && is_x86_feature_detected!("bmi1") {
            // SAFETY: the processor has the features: AVX-512 VBMI2 comes with F and BW.
            return unsafe { x86::scan_pairs_vbmi2(pairs, others) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { x86::scan_pairs_avx2(pairs, others) };
        }
    }
    scan_pairs_portable(pairs, 0, others)
}

/// [`scan_pairs`] one by one; the first has the index `base`.
fn scan_pairs_portable(pairs: &[u8], base: u32, others: &mut OtherCells) {
    for (index, pair) in (base..).zip(pairs.chunks_exact(2)) {
        let pair = u16::from_le_bytes([pair[0], pair[1]]);
        if pair != UNPHASED_PAIR && pair != PHASED_PAIR {
            others.push(index, u32::from(pair));
        }
    }
}

/// Appends the samples whose text does not begin with `0/0:` or `0|0:`, where `first[i]` says which of the `starts` is that of sample
/// `i`; `first` has one more than there are samples.
pub fn scan_starts(text: &[u8], starts: &[u32], first: &[u32], others: &mut Vec<u32>) {
    let n_samples = first.len().saturating_sub(1);
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && text.len() < i32::MAX as usize {
        // SAFETY: the processor has the feature, and the length was looked at.
        done = unsafe { x86::scan_starts_avx512(text, starts, &first[..n_samples], others) };
    }
    scan_starts_portable(text, starts, first, done..n_samples, others)
}

/// [`scan_starts`] one by one, of some samples.
fn scan_starts_portable(
    text: &[u8],
    starts: &[u32],
    first: &[u32],
    samples: std::ops::Range<usize>,
    others: &mut Vec<u32>,
) {
    for sample in samples {
        let start = starts[first[sample] as usize] as usize;
        let is_reference = text.get(start..start + CELL).is_some_and(|cell| cell == b"0/0:" || cell == b"0|0:");
        if !is_reference {
            others.push(sample as u32);
        }
    }
}

/// Codes of four-byte cells; false when one of them is no diploid genotype of alleles of one digit, and a tab.
pub fn cell_codes(words: &[u32], codes: &mut Vec<GtCode>) -> bool {
    codes_by(words, codes, cell_code)
}

/// Codes of two-byte genotypes, each byte `(allele + 1) << 1 | phased`; false when one of them has one allele, or one above 9.
pub fn pair_codes(words: &[u32], codes: &mut Vec<GtCode>) -> bool {
    codes_by(words, codes, pair_code)
}

/// The code of each word; false when one of them is none.
#[inline(always)]
fn codes_by(words: &[u32], codes: &mut Vec<GtCode>, code_of: impl Fn(u32) -> (GtCode, u32)) -> bool {
    codes.clear();
    codes.resize(words.len(), 0);
    each_code(words, codes, code_of) == 0
}

wide! {
    fn each_code<F: Fn(u32) -> (GtCode, u32)>(words: &[u32], codes: &mut [GtCode], code_of: F) -> u32 {
        let mut bad = 0;
        for (&word, code) in words.iter().zip(codes) {
            let wrong;
            (*code, wrong) = code_of(word);
            bad |= wrong;
        }
        bad
    }
}

/// Code of one fixed-stride cell and a value that is not 0 when the bytes are no diploid one-digit genotype and a tab.
/// Branch-free, so that the loop over cells can be vectorised.
#[inline(always)]
fn cell_code(word: u32) -> (GtCode, u32) {
    let allele = |byte: u32| {
        let digit = byte.wrapping_sub(u32::from(b'0'));
        let missing = byte == u32::from(b'.');
        let value = if missing { 10 } else { digit };
        (value, u32::from(!missing & (digit > 9)))
    };
    let (first, bad_first) = allele(word & 0xff);
    let (second, bad_second) = allele(word >> 16 & 0xff);
    let separator = word >> 8 & 0xff;
    let phased = separator == u32::from(b'|');
    let bad_separator = u32::from(!phased & (separator != u32::from(b'/')));
    let bad_end = word >> 24 ^ u32::from(b'\t');
    // of bytes that are no digits it may be anything
    let code = first.wrapping_mul(11).wrapping_add(second).wrapping_mul(2) + u32::from(phased);
    (code as GtCode, bad_first | bad_second | bad_separator | bad_end)
}

/// The same of a two-byte genotype.
#[inline(always)]
pub fn pair_code(pair: u32) -> (GtCode, u32) {
    /// Above the byte of allele 9.
    const END: u32 = 11 << 1;
    let (first, second) = (pair & 0xff, pair >> 8);
    let allele = |byte: u32| if byte < 2 { 10 } else { (byte >> 1).wrapping_sub(1) };
    let code = (allele(first) * 11 + allele(second)) * 2 + (second & 1);
    (code as GtCode, u32::from((first >= END) | (second >= END)))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CELL, OtherCells, PHASED, PHASED_PAIR, UNPHASED, UNPHASED_PAIR, scan_pairs_portable, scan_portable};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,popcnt")]
    pub fn scan_avx512(text: &[u8], others: &mut OtherCells) {
        const LANES: usize = 16;
        let chunks = text.chunks_exact(LANES * CELL);
        let n_chunks = chunks.len();
        let (unphased, phased) = (_mm512_set1_epi32(UNPHASED as i32), _mm512_set1_epi32(PHASED as i32));
        let mut index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let rest = chunks.remainder();
        for chunk in chunks {
            // SAFETY: the chunk has 64 bytes; the load needs no alignment.
            let words = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            let is_other = _mm512_cmpneq_epi32_mask(words, unphased) & _mm512_cmpneq_epi32_mask(words, phased);
            if is_other != 0 {
                let n = is_other.count_ones() as usize;
                others.indexes.reserve(LANES);
                others.words.reserve(LANES);
                let len = others.indexes.len();
                // SAFETY: both vectors have room for 16 more, of which the first `n` are those of the mask; they are of
                // the same length throughout.
                unsafe {
                    let packed = _mm512_maskz_compress_epi32(is_other, index);
                    _mm512_storeu_si512(others.indexes.as_mut_ptr().add(len).cast(), packed);
                    let packed = _mm512_maskz_compress_epi32(is_other, words);
                    _mm512_storeu_si512(others.words.as_mut_ptr().add(len).cast(), packed);
                    others.indexes.set_len(len + n);
                    others.words.set_len(len + n);
                }
            }
            index = _mm512_add_epi32(index, _mm512_set1_epi32(LANES as i32));
        }
        scan_portable(rest, (n_chunks * LANES) as u32, others);
    }

    /// [`super::scan_starts`] of sixteen samples at a time; says how many were done. The text is shorter than 2 GiB.
    #[target_feature(enable = "avx512f,popcnt")]
    pub fn scan_starts_avx512(text: &[u8], starts: &[u32], first: &[u32], others: &mut Vec<u32>) -> usize {
        const LANES: usize = 16;
        const AHEAD: u32 = u32::from_le_bytes(*b"0/0:");
        const PHASED_AHEAD: u32 = u32::from_le_bytes(*b"0|0:");
        let (unphased, phased) = (_mm512_set1_epi32(AHEAD as i32), _mm512_set1_epi32(PHASED_AHEAD as i32));
        let zero = _mm512_setzero_si512();
        let (n_starts, last) = (_mm512_set1_epi32(starts.len() as i32), text.len().checked_sub(CELL));
        let Some(last) = last.map(|last| _mm512_set1_epi32(last as i32)) else { return 0 };
        let mut index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let chunks = first.chunks_exact(LANES);
        let n_done = first.len() - chunks.remainder().len();
        for chunk in chunks {
            // SAFETY: there are sixteen numbers; the load needs no alignment.
            let field = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            let is_known = _mm512_cmplt_epu32_mask(field, n_starts);
            // SAFETY: the fields of the mask are among the starts.
            let start = unsafe { _mm512_mask_i32gather_epi32::<4>(zero, is_known, field, starts.as_ptr().cast()) };
            let is_inside = is_known & _mm512_cmple_epu32_mask(start, last);
            // SAFETY: four bytes from each place of the mask on are in the text.
            let words = unsafe { _mm512_mask_i32gather_epi32::<1>(zero, is_inside, start, text.as_ptr().cast()) };
            let is_other = _mm512_cmpneq_epi32_mask(words, unphased) & _mm512_cmpneq_epi32_mask(words, phased);
            others.reserve(LANES);
            let (len, packed) = (others.len(), _mm512_maskz_compress_epi32(is_other, index));
            // SAFETY: there is room for 16 more behind `len`, of which the first are those of the mask.
            unsafe {
                _mm512_storeu_si512(others.as_mut_ptr().add(len).cast(), packed);
                others.set_len(len + is_other.count_ones() as usize);
            }
            index = _mm512_add_epi32(index, _mm512_set1_epi32(LANES as i32));
        }
        n_done
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub fn scan_avx2(text: &[u8], others: &mut OtherCells) {
        const LANES: usize = 8;
        let chunks = text.chunks_exact(LANES * CELL);
        let n_chunks = chunks.len();
        let rest = chunks.remainder();
        let (unphased, phased) = (_mm256_set1_epi32(UNPHASED as i32), _mm256_set1_epi32(PHASED as i32));
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the chunk has 32 bytes; the load needs no alignment.
            let words = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
            let is_reference = _mm256_or_si256(_mm256_cmpeq_epi32(words, unphased), _mm256_cmpeq_epi32(words, phased));
            let mut is_other = !_mm256_movemask_ps(_mm256_castsi256_ps(is_reference)) & 0xff;
            while is_other != 0 {
                let lane = is_other.trailing_zeros() as usize;
                let cell = &chunk[lane * CELL..];
                let word = u32::from_le_bytes([cell[0], cell[1], cell[2], cell[3]]);
                others.push((i * LANES + lane) as u32, word);
                is_other &= is_other - 1;
            }
        }
        scan_portable(rest, (n_chunks * LANES) as u32, others);
    }

    /// Appends the pairs of `chunk` whose bits are set; the first has the index `base`.
    #[inline(always)]
    fn push_pairs(mut bits: u32, chunk: &[u8], base: usize, others: &mut OtherCells) {
        while bits != 0 {
            let lane = bits.trailing_zeros() as usize;
            let pair = u16::from_le_bytes([chunk[2 * lane], chunk[2 * lane + 1]]);
            others.push((base + lane) as u32, u32::from(pair));
            bits &= bits - 1;
        }
    }

    #[target_feature(enable = "avx512vbmi2,avx512bw,avx512f,bmi1,popcnt")]
    pub fn scan_pairs_vbmi2(pairs: &[u8], others: &mut OtherCells) {
        const LANES: usize = 32;
        /// So many are taken one by one.
        const FEW: usize = 3;
        let (unphased, phased) = (_mm512_set1_epi16(UNPHASED_PAIR as i16), _mm512_set1_epi16(PHASED_PAIR as i16));
        let chunks = pairs.chunks_exact(2 * LANES);
        let rest = chunks.remainder();
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the chunk has 64 bytes; the load needs no alignment.
            let words = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            let is_other = _mm512_cmpneq_epi16_mask(words, unphased) & _mm512_cmpneq_epi16_mask(words, phased);
            if is_other.count_ones() as usize <= FEW {
                push_pairs(is_other, chunk, i * LANES, others);
            } else {
                let packed = _mm512_maskz_compress_epi16(is_other, words);
                push_widened(packed, is_other, 0, &mut others.words);
                // SAFETY: there are 64 bytes; the load needs no alignment.
                let lanes = unsafe { _mm512_loadu_si512(LANES_OF_PAIRS.as_ptr().cast()) };
                let packed = _mm512_maskz_compress_epi16(is_other, lanes);
                push_widened(packed, is_other, (i * LANES) as u32, &mut others.indexes);
            }
        }
        scan_pairs_portable(rest, ((pairs.len() - rest.len()) / 2) as u32, others);
    }

    /// The number of each lane.
    const LANES_OF_PAIRS: [u16; 32] = {
        let mut lanes = [0; 32];
        let mut i = 0;
        while i < 32 {
            lanes[i] = i as u16;
            i += 1;
        }
        lanes
    };

    /// Appends as many lanes as `bits` has, each plus `base`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,popcnt")]
    fn push_widened(lanes: __m512i, bits: u32, base: u32, out: &mut Vec<u32>) {
        let n = bits.count_ones() as usize;
        out.reserve(32);
        let (len, base) = (out.len(), _mm512_set1_epi32(base as i32));
        let halves = [_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes)];
        for (half, lanes) in halves.into_iter().enumerate().take(n.div_ceil(16)) {
            let wide = _mm512_add_epi32(_mm512_cvtepu16_epi32(lanes), base);
            // SAFETY: there is room for 32 more behind `len`.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(len + 16 * half).cast(), wide) };
        }
        // SAFETY: the first `n` of them were just written.
        unsafe { out.set_len(len + n) };
    }

    #[target_feature(enable = "avx2,bmi1")]
    pub fn scan_pairs_avx2(pairs: &[u8], others: &mut OtherCells) {
        const LANES: usize = 16;
        let (unphased, phased) = (_mm256_set1_epi16(UNPHASED_PAIR as i16), _mm256_set1_epi16(PHASED_PAIR as i16));
        let chunks = pairs.chunks_exact(2 * LANES);
        let rest = chunks.remainder();
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the chunk has 32 bytes; the load needs no alignment.
            let words = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
            let is_reference = _mm256_or_si256(_mm256_cmpeq_epi16(words, unphased), _mm256_cmpeq_epi16(words, phased));
            // two bits of each pair, of which one is enough
            let mut is_other = !(_mm256_movemask_epi8(is_reference) as u32) & 0x5555_5555;
            while is_other != 0 {
                let lane = is_other.trailing_zeros() as usize / 2;
                push_pairs(1 << lane, chunk, i * LANES, others);
                is_other &= is_other - 1;
            }
        }
        scan_pairs_portable(rest, ((pairs.len() - rest.len()) / 2) as u32, others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Scan = fn(&[u8], &mut OtherCells);

    fn ways() -> Vec<(&'static str, Scan)> {
        let mut ways: Vec<(&'static str, Scan)> = vec![("dispatched", scan)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the feature.
                ways.push(("avx512", |text, others| unsafe { x86::scan_avx512(text, others) }));
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature.
                ways.push(("avx2", |text, others| unsafe { x86::scan_avx2(text, others) }));
            }
        }
        ways
    }

    proptest! {
        #[test]
        fn all_ways_agree(cells in prop::collection::vec(prop::sample::select(vec!["0/0\t", "0|0\t", "0/1\t", ".|.\t", "0/0x", "00/\t"]), 0..90)) {
            let text = cells.concat();
            let mut expected = OtherCells::default();
            scan_portable(text.as_bytes(), 0, &mut expected);
            for (name, scan) in ways() {
                let mut found = OtherCells::default();
                scan(text.as_bytes(), &mut found);
                prop_assert_eq!(&found.indexes, &expected.indexes, "{}", name);
                prop_assert_eq!(&found.words, &expected.words, "{}", name);
            }
        }
    }

    proptest! {
        #[test]
        fn all_ways_agree_on_pairs(pairs in prop::collection::vec(prop::sample::select(vec![[2u8, 2], [2, 3], [2, 4], [4, 5], [0, 0], [2, 0x81], [3, 2]]), 0..150)) {
            let bytes = pairs.concat();
            let mut expected = OtherCells::default();
            scan_pairs_portable(&bytes, 0, &mut expected);
            let mut ways: Vec<(&'static str, Scan)> = vec![("dispatched", scan_pairs)];
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx512vbmi2") && is_x86_feature_detected!("bmi1") {
                    // SAFETY: the processor has the features.
                    ways.push(("vbmi2", |pairs, others| unsafe { x86::scan_pairs_vbmi2(pairs, others) }));
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has the feature.
                    ways.push(("avx2", |pairs, others| unsafe { x86::scan_pairs_avx2(pairs, others) }));
                }
            }
            for (name, scan) in ways {
                let mut found = OtherCells::default();
                scan(&bytes, &mut found);
                prop_assert_eq!(&found.indexes, &expected.indexes, "{}", name);
                prop_assert_eq!(&found.words, &expected.words, "{}", name);
            }
        }
    }

    proptest! {
        #[test]
        fn starts_are_looked_at_alike(cells in prop::collection::vec(prop::sample::select(vec!["0/0:1", "0|0:", "0/1:9", "0/0", ".", "", "0|0"]), 0..70)) {
            let text = cells.join("\t");
            let starts: Vec<u32> = (0..cells.len()).map(|i| cells[..i].iter().map(|cell| cell.len() as u32 + 1).sum()).collect();
            let first: Vec<u32> = (0..=cells.len() as u32).collect();
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            scan_starts(text.as_bytes(), &starts, &first, &mut found);
            scan_starts_portable(text.as_bytes(), &starts, &first, 0..cells.len(), &mut expected);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn codes_are_those_of_one_word(words in prop::collection::vec(prop_oneof![
            prop::sample::select(vec!["0/1\t", "9|.\t", ".|.\t", "1/1\t"]).prop_map(|cell| u32::from_le_bytes(cell.as_bytes().try_into().expect("4 bytes"))),
            (0u32..24, 0u32..24).prop_map(|(first, second)| second << 8 | first),
            any::<u32>().prop_map(|word| word & 0xffff),
        ], 0..70)) {
            for (codes_of, code_of) in [(cell_codes as fn(&[u32], &mut Vec<GtCode>) -> bool, cell_code as fn(u32) -> (GtCode, u32)), (pair_codes, pair_code)] {
                let mut codes = vec![7];
                let good = codes_of(&words, &mut codes);
                prop_assert_eq!(good, words.iter().all(|&word| code_of(word).1 == 0));
                prop_assert_eq!(codes, words.iter().map(|&word| code_of(word).0).collect::<Vec<_>>());
            }
        }
    }
}
