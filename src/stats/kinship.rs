//! KING-robust kinship of pairs of samples (Manichaikul et al. 2010, Bioinformatics 26:2867), between-family estimator.
//!
//! Over the variants where both have a diploid call: `phi = 1/2 - (4 ibs0 + het_hom) / (4 min(het_1, het_2))`.
//! Haploid calls count as missing. Counts are integers, so the number of threads does not matter.

use super::block::{Block, Call, Unlisted};
use super::selection::SampleSet;
use crate::error::{Error, Result};
use polars::prelude::{DataFrame, df};
use rayon::prelude::*;

/// Words of 64 variants that are buffered before pairs are counted.
const N_WORDS: usize = 256;

/// Counts of one pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// Both heterozygous.
    pub het_het: u32,
    /// Opposite homozygotes.
    pub ibs0: u32,
    /// First heterozygous, second homozygous.
    pub het_hom: u32,
    /// First homozygous, second heterozygous.
    pub hom_het: u32,
    /// Both homozygous.
    pub hom_hom: u32,
}

impl Pair {
    /// Variants where both have a call.
    pub fn n_variants(&self) -> u32 {
        self.het_het + self.het_hom + self.hom_het + self.hom_hom
    }

    /// The coefficient; `None` where one of the two has no heterozygous call.
    pub fn kinship(&self) -> Option<f64> {
        let least = self.het_het + self.het_hom.min(self.hom_het);
        let apart = 4.0 * f64::from(self.ibs0) + f64::from(self.het_hom) + f64::from(self.hom_het);
        (least > 0).then(|| 0.5 - apart / (4.0 * f64::from(least)))
    }
}

/// Class of a coefficient by the cut-offs of Manichaikul et al.
pub fn relation(kinship: f64) -> &'static str {
    match kinship {
        x if x > 0.354 => "duplicate",
        x if x > 0.177 => "first",
        x if x > 0.0884 => "second",
        x if x > 0.0442 => "third",
        _ => "unrelated",
    }
}

/// The table `kinship`: pairs with at least `least`, or all where it is `None`. `rows`: of sample i with 0..i.
pub fn table(rows: &[Vec<Pair>], samples: &SampleSet, least: Option<f64>) -> Result<DataFrame> {
    let all = rows.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, pair)| (j, i, pair)));
    let wanted = |pair: &Pair| least.is_none_or(|least| pair.kinship().is_some_and(|phi| phi >= least));
    let kept: Vec<(usize, usize, &Pair)> = all.filter(|&(_, _, pair)| wanted(pair)).collect();
    let index = |at: usize| samples.indexes()[at] as i32;
    let share = |pair: &Pair| (pair.n_variants() > 0).then(|| f64::from(pair.ibs0) / f64::from(pair.n_variants()));
    df!(
        "sample_index_1" => kept.iter().map(|row| index(row.0)).collect::<Vec<_>>(),
        "sample_1" => kept.iter().map(|row| samples.name(row.0)).collect::<Vec<_>>(),
        "sample_index_2" => kept.iter().map(|row| index(row.1)).collect::<Vec<_>>(),
        "sample_2" => kept.iter().map(|row| samples.name(row.1)).collect::<Vec<_>>(),
        "n_variants" => kept.iter().map(|row| row.2.n_variants()).collect::<Vec<_>>(),
        "n_hethet" => kept.iter().map(|row| row.2.het_het).collect::<Vec<_>>(),
        "n_ibs0" => kept.iter().map(|row| row.2.ibs0).collect::<Vec<_>>(),
        "ibs0" => kept.iter().map(|row| share(row.2)).collect::<Vec<_>>(),
        "kinship" => kept.iter().map(|row| row.2.kinship()).collect::<Vec<_>>(),
        "relation" => kept.iter().map(|row| row.2.kinship().map(relation)).collect::<Vec<_>>(),
    )
    .map_err(|error| Error::internal(format!("cannot make the table kinship: {error}")))
}

/// Counts under way. Memory: 20 bytes a pair, 10 KB a sample.
pub struct Kinship {
    n_variants: usize,
    /// `[n_samples][N_WORDS]`: het, homozygous for the allele, missing.
    het: Vec<u64>,
    hom_alt: Vec<u64>,
    missing: Vec<u64>,
    /// Of sample i with 0..i.
    rows: Vec<Vec<Pair>>,
}

impl Kinship {
    /// Without a variant.
    pub fn new(n_samples: usize) -> Kinship {
        let plane = || vec![0; n_samples * N_WORDS];
        let rows = (0..n_samples).map(|n| vec![Pair::default(); n]).collect();
        Kinship { n_variants: 0, het: plane(), hom_alt: plane(), missing: plane(), rows }
    }

    /// Adds variants; those with haploid reference calls are left out.
    pub fn add(&mut self, block: &Block) {
        for variant in (0..block.len()).filter(|&at| block.sites[at].unlisted == Unlisted::HomRef) {
            let (word, bit) = (self.n_variants / 64, 1u64 << (self.n_variants % 64));
            let (samples, calls) = block.listed(variant);
            for (&sample, call) in samples.iter().zip(calls) {
                let plane = match call {
                    Call::HomRef => continue,
                    Call::Het => &mut self.het,
                    Call::HomAlt => &mut self.hom_alt,
                    Call::Missing | Call::HemiRef | Call::HemiAlt => &mut self.missing,
                };
                plane[sample as usize * N_WORDS + word] |= bit;
            }
            self.n_variants += 1;
            if self.n_variants == 64 * N_WORDS {
                self.flush();
            }
        }
    }

    /// The counts: sample i with 0..i.
    pub fn finish(mut self) -> Vec<Vec<Pair>> {
        self.flush();
        self.rows
    }

    fn flush(&mut self) {
        let n = self.n_variants;
        // what no sample has is missing for all
        for row in self.missing.chunks_mut(N_WORDS) {
            for (word, value) in row.iter_mut().enumerate().skip(n / 64) {
                *value |= if word == n / 64 { !0 << (n % 64) } else { !0 };
            }
        }
        let (het, alt, missing) = (&self.het, &self.hom_alt, &self.missing);
        self.rows.par_iter_mut().enumerate().for_each(|(i, row)| {
            for (j, pair) in row.iter_mut().enumerate() {
                let planes = |at: usize| {
                    let range = at * N_WORDS..(at + 1) * N_WORDS;
                    (&het[range.clone()], &alt[range.clone()], &missing[range])
                };
                count(pair, planes(j), planes(i));
            }
        });
        for plane in [&mut self.het, &mut self.hom_alt, &mut self.missing] {
            plane.fill(0);
        }
        self.n_variants = 0;
    }
}

type Planes<'a> = (&'a [u64], &'a [u64], &'a [u64]);

fn count(pair: &mut Pair, one: Planes, two: Planes) {
    for at in 0..N_WORDS {
        let (h1, a1, h2, a2) = (one.0[at], one.1[at], two.0[at], two.1[at]);
        let (hom1, hom2) = (!(h1 | one.2[at]), !(h2 | two.2[at]));
        pair.het_het += (h1 & h2).count_ones();
        pair.ibs0 += ((a1 ^ a2) & hom1 & hom2).count_ones();
        pair.het_hom += (h1 & hom2).count_ones();
        pair.hom_het += (hom1 & h2).count_ones();
        pair.hom_hom += (hom1 & hom2).count_ones();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficient_by_hand() {
        let pair = Pair { het_het: 4, ibs0: 1, het_hom: 2, hom_het: 3, hom_hom: 5 };
        // 1/2 - (4 + 5) / (4 * 6)
        assert_eq!((pair.n_variants(), pair.kinship()), (14, Some(0.125)));
        assert_eq!(Pair::default().kinship(), None);
        assert_eq!(
            (relation(0.5), relation(0.25), relation(0.125), relation(0.0)),
            ("duplicate", "first", "second", "unrelated")
        );
    }
}
