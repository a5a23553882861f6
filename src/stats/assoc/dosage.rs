//! One variant's allele copies in the samples of a regression.

use super::basis::Rows;
use crate::genome::sex::Sex;
use crate::stats::block::{Block, Call, Unlisted};
use crate::stats::selection::SampleSet;

/// Samples without a complete call in a regression of this variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingCalls {
    /// Are left out, as `plink2 --glm` does.
    Drop,
    /// Have the mean of the others, as Hail and REGENIE do.
    Mean,
}

/// Copies of the allele, sparse: rows that are not listed have none.
#[derive(Clone, Debug, Default)]
pub struct Dosages {
    /// Rows with copies (and those with the mean), and their copies.
    pub carriers: Vec<(u32, f64)>,
    /// Rows that are left out, ascending.
    pub missing: Vec<u32>,
    /// Rows that take part.
    pub n: usize,
    /// Sum over `carriers`.
    pub sum: f64,
    /// Sum of squares over `carriers`.
    pub sum_squares: f64,
    /// Copies of the allele in complete calls.
    pub ac: u64,
    /// Alleles in complete calls.
    pub an: u64,
    /// Whether all rows have the same number of copies.
    pub is_constant: bool,
}

/// The samples of a regression as [`Dosages`] sees them.
#[derive(Clone, Debug)]
pub struct Takers<'a> {
    /// The samples.
    pub rows: &'a Rows,
    /// All selected samples.
    pub samples: &'a SampleSet,
    /// Men among `rows`.
    pub n_males: u64,
    /// What a missing call means.
    pub missing: MissingCalls,
}

impl Dosages {
    /// Any values of `n` rows that are all known: those of the rows that are not 0, ascending.
    pub fn of_values(n: usize, values: Vec<(u32, f64)>) -> Dosages {
        let first = values.first().map_or(0.0, |(_, value)| *value);
        let is_constant = values.is_empty() || (values.len() == n && values.iter().all(|(_, value)| *value == first));
        let (sum, sum_squares) =
            values.iter().fold((0.0, 0.0), |(sum, squares), (_, value)| (sum + value, squares + value * value));
        Dosages { carriers: values, n, sum, sum_squares, is_constant, ..Dosages::default() }
    }

    /// Reads variant `at` of `block`. On `is_x`, a man's one copy counts as two (`--xchr-model 2` of PLINK 2); on other contigs a
    /// haploid copy is one.
    pub fn fill(&mut self, block: &Block, at: usize, is_x: bool, takers: &Takers) {
        self.carriers.clear();
        self.missing.clear();
        let (samples, calls) = block.listed(at);
        let (mut listed, mut haploid, mut diploid, mut listed_males) = (0, 0, 0, 0);
        let by_sex = block.sites[at].unlisted == Unlisted::BySex;
        self.ac = 0;
        for (&sample, &call) in samples.iter().zip(calls) {
            let Some(row) = takers.rows.row(sample) else { continue };
            listed += 1;
            if by_sex && takers.samples.sex(sample as usize) == Some(Sex::Male) {
                listed_males += 1;
            }
            let copies = match call {
                Call::Missing => {
                    self.missing.push(row);
                    continue;
                }
                Call::HemiRef | Call::HemiAlt => {
                    haploid += 1;
                    if call == Call::HemiRef { 0 } else { 1 + u32::from(is_x) }
                }
                Call::HomRef | Call::Het | Call::HomAlt => {
                    diploid += 1;
                    u32::from(call.copies().unwrap_or_default())
                }
            };
            self.ac += u64::from(call.copies().unwrap_or_default());
            if copies > 0 {
                self.carriers.push((row, f64::from(copies)));
            }
        }
        let rest = (takers.rows.n() - listed) as u64;
        let rest_haploid = match block.sites[at].unlisted {
            Unlisted::HomRef => 0,
            Unlisted::HemiRef => rest,
            Unlisted::BySex => takers.n_males - listed_males,
        };
        self.an = 2 * (diploid + rest - rest_haploid) + haploid + rest_haploid;
        self.add_up(takers);
    }

    fn add_up(&mut self, takers: &Takers) {
        self.n = takers.rows.n() - self.missing.len();
        self.sum = self.carriers.iter().map(|(_, copies)| copies).sum();
        self.sum_squares = self.carriers.iter().map(|(_, copies)| copies * copies).sum();
        // whole numbers below 2^53: exact
        self.is_constant = self.sum_squares * self.n as f64 == self.sum * self.sum;
        if takers.missing == MissingCalls::Mean && self.n > 0 && self.sum > 0.0 {
            let mean = self.sum / self.n as f64;
            self.carriers.extend(self.missing.iter().map(|&row| (row, mean)));
            self.sum += mean * self.missing.len() as f64;
            self.sum_squares += mean * mean * self.missing.len() as f64;
        }
        if takers.missing == MissingCalls::Mean && self.n > 0 {
            self.n = takers.rows.n();
            self.missing.clear();
        }
    }

    /// Sum of squares around the mean.
    pub fn centred_squares(&self) -> f64 {
        self.sum_squares - self.sum * self.sum / self.n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::block::{Counts, Site};

    fn filled(unlisted: Unlisted, is_x: bool, missing: MissingCalls) -> Dosages {
        let mut block = Block::new(6);
        for (sample, call) in [(1, Call::Het), (2, Call::HomAlt), (3, Call::Missing), (4, Call::HemiAlt)] {
            block.push_call(sample, call);
        }
        block.end_variant(Site {
            variant_id: 1,
            contig: 0,
            pos: 1,
            id: None,
            ref_allele: "A".into(),
            alt_allele: "C".into(),
            n_alts: 1,
            counts: Counts::default(),
            unlisted,
        });
        let samples = SampleSet::named(&["a", "b", "c", "d", "e", "f"]);
        let rows = Rows::new(&[true, true, false, true, true, true]);
        let mut dosages = Dosages::default();
        dosages.fill(&block, 0, is_x, &Takers { rows: &rows, samples: &samples, n_males: 0, missing });
        dosages
    }

    #[test]
    fn copies_of_rows() {
        let found = filled(Unlisted::HomRef, false, MissingCalls::Drop);
        assert_eq!((&found.carriers[..], &found.missing[..]), (&[(1, 1.0), (3, 1.0)][..], &[2][..]));
        assert_eq!((found.n, found.ac, found.an, found.is_constant), (4, 2, 7, false));
        let found = filled(Unlisted::HemiRef, true, MissingCalls::Drop);
        assert_eq!((&found.carriers[..], found.ac, found.an), (&[(1, 1.0), (3, 2.0)][..], 2, 5));
        assert_eq!((found.sum, found.sum_squares, found.centred_squares()), (3.0, 5.0, 2.75));
        let found = filled(Unlisted::HomRef, false, MissingCalls::Mean);
        assert_eq!((found.n, found.sum, found.carriers.last()), (5, 2.5, Some(&(2, 0.5))));
        assert!(found.missing.is_empty());
    }
}
