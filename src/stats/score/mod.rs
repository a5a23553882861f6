//! Scores of samples: weighted sums of allele copies (polygenic scores), as `plink2 --score`.
//!
//! `sum = Σ w x` over the matched variants, with x copies of the line's allele; `avg = sum / n`, with n the alleles that were counted.
//! A call that is missing counts as `ploidy x frequency` (mean imputation), or not at all. docs/methods-score.md.
//! Cost: one pass over the carriers of the matched variants. Sums are added in the order of the tables, block by block. Memory: the
//! sums of all samples once, and of blocks under way those of their carriers.

pub mod matching;
pub mod weights;

use crate::error::Result;
use crate::genome::sex::Sex;
use crate::stats::block::{Block, Call, Unlisted};
use crate::stats::selection::{SampleSet, Selection};
use crate::stats::source::Source;
use crate::stats::tables::frame;
use matching::Matches;
use polars::prelude::{Column, DataFrame};
use weights::Weights;

/// Alleles of one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Alleles {
    /// Alleles of complete calls.
    n_alleles: i64,
    /// Alleles that sums are divided by: with mean imputation those of missing calls too.
    n_counted: i64,
    /// Copies of the named alleles in complete calls.
    copies: i64,
}

/// Sums of some samples.
#[derive(Clone, Debug, PartialEq)]
struct Sums {
    n_scores: usize,
    /// `[n_samples]`
    alleles: Vec<Alleles>,
    /// `[n_samples][n_scores]`
    scores: Vec<f64>,
}

/// Scores of the selected samples.
pub struct Scores {
    names: Vec<String>,
    sums: Sums,
    /// Variants that counted.
    pub n_variants: u64,
}

/// Sums over the variants of a block.
struct BlockSums {
    /// Samples with a listed call, and theirs against what they would have without it.
    touched: Vec<u32>,
    sums: Sums,
    /// What a sample without a listed call has: women and others, then men.
    plain: Sums,
    n_variants: u64,
}

/// What to score.
pub struct Scoring<'a> {
    /// The file.
    pub weights: &'a Weights,
    /// Where its lines are in the dataset.
    pub matches: &'a Matches,
    /// Whether a missing call counts as the mean.
    pub impute_mean: bool,
}

impl Scoring<'_> {
    /// Reads the calls of the selection; its variants are the matched ones.
    pub fn run(&self, source: &Source, selection: &Selection) -> Result<Scores> {
        let samples = &selection.samples;
        let n_scores = self.weights.names.len();
        let sums = Sums::new(samples.len(), n_scores);
        let mut scores = Scores { names: self.weights.names.clone(), sums, n_variants: 0 };
        let plain_of: Vec<usize> = (0..samples.len()).map(|at| plain_of(samples, at)).collect();
        source.run(
            |block| Ok(self.block(&block, samples)),
            |mut block| {
                for (at, &sample) in block.touched.iter().enumerate() {
                    block.sums.add(at, &block.plain, plain_of[sample as usize]);
                }
                let mut touched = block.touched.iter().map(|&sample| sample as usize).enumerate().peekable();
                for (sample, &plain) in plain_of.iter().enumerate() {
                    match touched.next_if(|&(_, next)| next == sample) {
                        Some((at, _)) => scores.sums.add(sample, &block.sums, at),
                        None => scores.sums.add(sample, &block.plain, plain),
                    }
                }
                scores.n_variants += block.n_variants;
                Ok(())
            },
        )?;
        Ok(scores)
    }

    /// Sums over the variants of a block, of the samples that it lists.
    fn block(&self, block: &Block, samples: &SampleSet) -> BlockSums {
        let n_scores = self.weights.names.len();
        let mut touched: Vec<u32> = (0..block.sites.len()).flat_map(|at| block.listed(at).0).copied().collect();
        touched.sort_unstable();
        touched.dedup();
        let mut slots = vec![0_u32; samples.len()];
        touched.iter().zip(0..).for_each(|(&sample, slot)| slots[sample as usize] = slot);
        let sums = Sums::new(touched.len(), n_scores);
        let mut found = BlockSums { touched, sums, plain: Sums::new(2, n_scores), n_variants: 0 };
        for (variant, site) in block.sites.iter().enumerate() {
            let Some(matched) = self.matches.by_variant.get(&site.variant_id) else { continue };
            found.n_variants += 1;
            let term = Term {
                weights: &self.weights.lines[matched.line].weights,
                counts_ref: matched.counts_ref,
                // of the counted allele; a variant without a call has none
                frequency: site.counts.af().map_or(0.0, |af| if matched.counts_ref { 1.0 - af } else { af }),
                impute_mean: self.impute_mean,
            };
            let unlisted = match site.unlisted {
                Unlisted::HomRef => [Call::HomRef; 2],
                Unlisted::HemiRef => [Call::HemiRef; 2],
                Unlisted::BySex => [Call::HomRef, Call::HemiRef],
            };
            unlisted.into_iter().enumerate().for_each(|(at, call)| term.add(call, 1.0, found.plain.of(at), 2));
            let (listed, calls) = block.listed(variant);
            for (&sample, &call) in listed.iter().zip(calls) {
                let (sample, slot) = (sample as usize, slots[sample as usize] as usize);
                let without = unlisted[plain_of(samples, sample)];
                let ploidy = if without == Call::HemiRef { 1 } else { 2 };
                term.add(without, -1.0, found.sums.of(slot), 2);
                term.add(call, 1.0, found.sums.of(slot), ploidy);
            }
        }
        found
    }
}

/// Which of the plain sums a sample has.
fn plain_of(samples: &SampleSet, at: usize) -> usize {
    usize::from(samples.sex(at) == Some(Sex::Male))
}

/// One variant in the sums.
struct Term<'a> {
    weights: &'a [f64],
    counts_ref: bool,
    frequency: f64,
    impute_mean: bool,
}

impl Term<'_> {
    /// Adds a call, or with `sign` -1 takes it off. `missing_ploidy`: copies that a missing call stands for.
    fn add(&self, call: Call, sign: f64, (alleles, scores): (&mut Alleles, &mut [f64]), missing_ploidy: i64) {
        let ploidy = match call {
            Call::HomRef | Call::Het | Call::HomAlt => 2,
            Call::HemiRef | Call::HemiAlt => 1,
            Call::Missing => 0,
        };
        let known =
            call.copies().map(|copies| if self.counts_ref { ploidy - i64::from(copies) } else { copies.into() });
        let copies = match known {
            Some(copies) => copies as f64,
            None if self.impute_mean => missing_ploidy as f64 * self.frequency,
            None => 0.0,
        };
        let counted = if known.is_none() && self.impute_mean { missing_ploidy } else { ploidy };
        alleles.n_alleles += sign as i64 * ploidy;
        alleles.n_counted += sign as i64 * counted;
        alleles.copies += sign as i64 * known.unwrap_or_default();
        for (score, weight) in scores.iter_mut().zip(self.weights) {
            *score += sign * weight * copies;
        }
    }
}

impl Sums {
    fn new(n_samples: usize, n_scores: usize) -> Sums {
        Sums { n_scores, alleles: vec![Alleles::default(); n_samples], scores: vec![0.0; n_samples * n_scores] }
    }

    /// Those of one sample.
    fn of(&mut self, at: usize) -> (&mut Alleles, &mut [f64]) {
        (&mut self.alleles[at], &mut self.scores[at * self.n_scores..(at + 1) * self.n_scores])
    }

    /// Adds those that `other` has at another place.
    fn add(&mut self, at: usize, other: &Sums, place: usize) {
        let (alleles, scores) = self.of(at);
        let added = &other.alleles[place];
        alleles.n_alleles += added.n_alleles;
        alleles.n_counted += added.n_counted;
        alleles.copies += added.copies;
        let added = &other.scores[place * other.n_scores..(place + 1) * other.n_scores];
        scores.iter_mut().zip(added).for_each(|(score, other)| *score += other);
    }
}

impl Scores {
    /// The table `score`.
    pub fn frame(&self, samples: &SampleSet) -> Result<DataFrame> {
        let alleles = &self.sums.alleles;
        let indexes: Vec<i32> = samples.indexes().iter().map(|&at| at as i32).collect();
        let mut columns = vec![
            Column::new("sample_index".into(), indexes),
            Column::new("sample".into(), samples.names().collect::<Vec<_>>()),
            Column::new("n_alleles".into(), alleles.iter().map(|sum| sum.n_alleles).collect::<Vec<_>>()),
            Column::new("n_counted".into(), alleles.iter().map(|sum| sum.n_counted).collect::<Vec<_>>()),
            Column::new("allele_sum".into(), alleles.iter().map(|sum| sum.copies).collect::<Vec<_>>()),
        ];
        for (at, name) in self.names.iter().enumerate() {
            let sums: Vec<f64> = self.sums.scores.iter().copied().skip(at).step_by(self.names.len()).collect();
            let average =
                |(alleles, sum): (&Alleles, &f64)| (alleles.n_counted > 0).then(|| sum / alleles.n_counted as f64);
            let averages: Vec<Option<f64>> = alleles.iter().zip(&sums).map(average).collect();
            columns.push(Column::new(format!("{name}_sum").into(), sums));
            columns.push(Column::new(format!("{name}_avg").into(), averages));
        }
        frame(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_for_the_allele_of_its_line() {
        let term = |counts_ref, impute_mean| Term { weights: &[0.5], counts_ref, frequency: 0.25, impute_mean };
        let sums = |term: Term, call| {
            let mut sums = Sums::new(1, 1);
            term.add(call, 1.0, sums.of(0), 2);
            (sums.alleles[0].n_alleles, sums.alleles[0].n_counted, sums.alleles[0].copies, sums.scores[0])
        };
        assert_eq!(sums(term(false, true), Call::HomAlt), (2, 2, 2, 1.0));
        assert_eq!(sums(term(true, true), Call::HomAlt), (2, 2, 0, 0.0));
        assert_eq!(sums(term(true, true), Call::HemiRef), (1, 1, 1, 0.5));
        assert_eq!(sums(term(false, true), Call::Missing), (0, 2, 0, 0.25));
        assert_eq!(sums(term(false, false), Call::Missing), (0, 0, 0, 0.0));
    }
}
