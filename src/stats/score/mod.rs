//! Scores of samples: weighted sums of allele copies (polygenic scores), as `plink2 --score`.
//!
//! `sum = Σ w x` over the matched variants, with x copies of the line's allele; `avg = sum / n`, with n the alleles that were counted.
//! A call that is missing counts as `ploidy x frequency` (mean imputation), or not at all. docs/methods-score.md.
//! Cost: one pass over the carriers of the matched variants. Sums are added in the order of the tables, block by block.

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

/// Sums of one sample.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    /// Alleles of complete calls.
    n_alleles: i64,
    /// Alleles that sums are divided by: with mean imputation those of missing calls too.
    n_counted: i64,
    /// Copies of the named alleles in complete calls.
    copies: i64,
    /// `[n_scores]`
    scores: Vec<f64>,
}

/// Scores of the selected samples.
pub struct Scores {
    names: Vec<String>,
    sums: Vec<Sums>,
    /// Variants that counted.
    pub n_variants: u64,
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
        let none = Sums { scores: vec![0.0; self.weights.names.len()], ..Sums::default() };
        let mut scores =
            Scores { names: self.weights.names.clone(), sums: vec![none.clone(); samples.len()], n_variants: 0 };
        source.run(
            |block| Ok(self.block(&block, samples, &none)),
            |(sums, n_variants)| {
                for (total, block) in scores.sums.iter_mut().zip(sums) {
                    total.add(&block);
                }
                scores.n_variants += n_variants;
                Ok(())
            },
        )?;
        Ok(scores)
    }

    /// Sums over the variants of a block by sample, and the number of variants.
    fn block(&self, block: &Block, samples: &SampleSet, none: &Sums) -> (Vec<Sums>, u64) {
        let mut sums = vec![none.clone(); samples.len()];
        // what samples without a listed call have, of all variants where sex does not matter
        let mut plain = none.clone();
        let mut n_variants = 0;
        for (variant, site) in block.sites.iter().enumerate() {
            let Some(found) = self.matches.by_variant.get(&site.variant_id) else { continue };
            n_variants += 1;
            let term = Term {
                weights: &self.weights.lines[found.line].weights,
                counts_ref: found.counts_ref,
                // of the counted allele; a variant without a call has none
                frequency: site.counts.af().map_or(0.0, |af| if found.counts_ref { 1.0 - af } else { af }),
                impute_mean: self.impute_mean,
            };
            let default = |sample: usize| match site.unlisted {
                Unlisted::HomRef => Call::HomRef,
                Unlisted::HemiRef => Call::HemiRef,
                Unlisted::BySex if samples.sex(sample) == Some(Sex::Male) => Call::HemiRef,
                Unlisted::BySex => Call::HomRef,
            };
            match site.unlisted {
                Unlisted::BySex => (0..samples.len()).for_each(|at| term.add(default(at), 1.0, &mut sums[at], 2)),
                _ => term.add(default(0), 1.0, &mut plain, 2),
            }
            let (listed, calls) = block.listed(variant);
            for (&sample, &call) in listed.iter().zip(calls) {
                let sample = sample as usize;
                let without = default(sample);
                let ploidy = if without == Call::HemiRef { 1 } else { 2 };
                term.add(without, -1.0, &mut sums[sample], 2);
                term.add(call, 1.0, &mut sums[sample], ploidy);
            }
        }
        sums.iter_mut().for_each(|sum| sum.add(&plain));
        (sums, n_variants)
    }
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
    fn add(&self, call: Call, sign: f64, sums: &mut Sums, missing_ploidy: i64) {
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
        sums.n_alleles += sign as i64 * ploidy;
        sums.n_counted += sign as i64 * counted;
        sums.copies += sign as i64 * known.unwrap_or_default();
        for (score, weight) in sums.scores.iter_mut().zip(self.weights) {
            *score += sign * weight * copies;
        }
    }
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.n_alleles += other.n_alleles;
        self.n_counted += other.n_counted;
        self.copies += other.copies;
        self.scores.iter_mut().zip(&other.scores).for_each(|(score, other)| *score += other);
    }
}

impl Scores {
    /// The table `score`.
    pub fn frame(&self, samples: &SampleSet) -> Result<DataFrame> {
        let indexes: Vec<i32> = samples.indexes().iter().map(|&at| at as i32).collect();
        let mut columns = vec![
            Column::new("sample_index".into(), indexes),
            Column::new("sample".into(), samples.names().collect::<Vec<_>>()),
            Column::new("n_alleles".into(), self.sums.iter().map(|sum| sum.n_alleles).collect::<Vec<_>>()),
            Column::new("n_counted".into(), self.sums.iter().map(|sum| sum.n_counted).collect::<Vec<_>>()),
            Column::new("allele_sum".into(), self.sums.iter().map(|sum| sum.copies).collect::<Vec<_>>()),
        ];
        for (at, name) in self.names.iter().enumerate() {
            let sums = self.sums.iter().map(|sum| sum.scores[at]);
            let averages =
                self.sums.iter().map(|sum| (sum.n_counted > 0).then(|| sum.scores[at] / sum.n_counted as f64));
            columns.push(Column::new(format!("{name}_sum").into(), sums.collect::<Vec<_>>()));
            columns.push(Column::new(format!("{name}_avg").into(), averages.collect::<Vec<_>>()));
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
            let mut sums = Sums { scores: vec![0.0], ..Sums::default() };
            term.add(call, 1.0, &mut sums, 2);
            (sums.n_alleles, sums.n_counted, sums.copies, sums.scores[0])
        };
        assert_eq!(sums(term(false, true), Call::HomAlt), (2, 2, 2, 1.0));
        assert_eq!(sums(term(true, true), Call::HomAlt), (2, 2, 0, 0.0));
        assert_eq!(sums(term(true, true), Call::HemiRef), (1, 1, 1, 0.5));
        assert_eq!(sums(term(false, true), Call::Missing), (0, 2, 0, 0.25));
        assert_eq!(sums(term(false, false), Call::Missing), (0, 0, 0, 0.0));
    }
}
