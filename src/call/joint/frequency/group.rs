//! Classes of samples that name the same alleles, as matrices.

use super::super::genotypes::{for_each, n_genotypes, n_orders};
use super::sums::{Sum, add_scaled, clear, dot, ln_sum, scaled_to_one};
use super::{Class, LINEAR, TINY};
use std::f64::consts::LN_10;

/// Neighbouring classes of one ploidy that name the same alleles. Genotypes are over their letters: those alleles and, where
/// the site has more alleles, U.
pub(super) struct Group<'c> {
    classes: &'c [Class],
    /// Number of letters.
    n_letters: usize,
    /// `[genotypes x letters]`: copies of each letter in each genotype.
    copies: Vec<u8>,
    /// Number of orders of each genotype.
    orders: Vec<f64>,
    /// `[genotypes x classes]`: `10^(-PL/10)`, the largest of a class 1.
    linear: Vec<f64>,
    /// Number of samples of each class.
    n: Vec<f64>,
}

/// Values that are used for one group after the other.
#[derive(Default)]
pub(super) struct Scratch {
    /// Frequency of each letter.
    pub(super) letter_frequencies: Vec<f64>,
    /// Prior probability of each genotype.
    prior: Vec<f64>,
    /// Per class, sum over the genotypes of prior x likelihood.
    total: Vec<f64>,
    /// The part of it without an allele, and the part with it.
    without: Vec<f64>,
    with: Vec<f64>,
    /// Samples of each class over its total.
    scale: Vec<f64>,
}

/// The classes as groups.
pub(super) fn groups(classes: &[Class], n_alleles: usize) -> Vec<Group<'_>> {
    let alike = |a: &Class, b: &Class| {
        a.likelihoods.ploidy == b.likelihoods.ploidy && a.likelihoods.alleles == b.likelihoods.alleles
    };
    let with_copies = |classes: &&[Class]| classes[0].likelihoods.ploidy > 0;
    classes.chunk_by(alike).filter(with_copies).map(|classes| Group::new(classes, n_alleles)).collect()
}

impl<'c> Group<'c> {
    /// Of classes (one at least) that are alike, at a site of `n_alleles`.
    pub(super) fn new(classes: &'c [Class], n_alleles: usize) -> Self {
        let first = &classes[0].likelihoods;
        let has_unseen = first.alleles.len() < n_alleles;
        let n_letters = first.alleles.len() + usize::from(has_unseen);
        let (mut copies, mut orders) = (Vec::new(), Vec::new());
        for_each(n_letters, usize::from(first.ploidy), |genotype| {
            let start = copies.len();
            copies.resize(start + n_letters, 0);
            genotype.iter().for_each(|&letter| copies[start + usize::from(letter)] += 1);
            orders.push(n_orders(genotype));
        });
        debug_assert_eq!(Some(orders.len()), n_genotypes(n_letters, usize::from(first.ploidy)));
        let n = classes.iter().map(|class| class.n as f64).collect();
        let mut group = Group { classes, n_letters, copies, orders, linear: Vec::new(), n };
        group.linear = group.linear_likelihoods();
        group
    }

    pub(super) fn linear_likelihoods(&self) -> Vec<f64> {
        let (n_genotypes, n_classes) = (self.orders.len(), self.classes.len());
        let mut linear = vec![0.0; n_genotypes * n_classes];
        for (column, class) in self.classes.iter().enumerate() {
            // without U at the site, the genotypes with U are left out at the end
            let pl = &class.likelihoods.pl[..n_genotypes];
            let least = pl.iter().copied().min().unwrap_or(0);
            for (row, &pl) in pl.iter().enumerate() {
                linear[row * n_classes + column] = LINEAR.get((pl - least) as usize).copied().unwrap_or(0.0);
            }
        }
        linear
    }

    pub(super) fn alleles(&self) -> &[u16] {
        &self.classes[0].likelihoods.alleles
    }

    /// Copies of each letter in a genotype.
    pub(super) fn copies_of(&self, genotype: usize) -> &[u8] {
        &self.copies[genotype * self.n_letters..][..self.n_letters]
    }

    /// `10^(-PL/10)` of a genotype, per class.
    pub(super) fn linear_of(&self, genotype: usize) -> &[f64] {
        let n_classes = self.classes.len();
        &self.linear[genotype * n_classes..][..n_classes]
    }

    /// Alleles of the site that have no name here.
    pub(super) fn unseen<'f>(&'f self, frequency: &'f [f64]) -> impl Iterator<Item = (usize, f64)> + 'f {
        let mut named = self.alleles().iter().map(|&allele| usize::from(allele)).peekable();
        frequency.iter().copied().enumerate().filter(move |(allele, _)| named.next_if_eq(allele).is_none())
    }

    /// Frequency of each letter.
    pub(super) fn letter_frequencies(&self, frequency: &[f64]) -> Vec<f64> {
        let mut found: Vec<f64> = self.alleles().iter().map(|&allele| frequency[usize::from(allele)]).collect();
        if found.len() < self.n_letters {
            found.push(self.unseen(frequency).map(|(_, frequency)| frequency).sum());
        }
        found
    }

    /// Prior of each genotype and total weight of each class.
    pub(super) fn weigh(&self, frequency: &[f64], scratch: &mut Scratch) {
        scratch.letter_frequencies = self.letter_frequencies(frequency);
        scratch.prior.clear();
        for (genotype, &orders) in self.orders.iter().enumerate() {
            let mut prior = orders;
            for (&frequency, &copies) in scratch.letter_frequencies.iter().zip(self.copies_of(genotype)) {
                (0..copies).for_each(|_| prior *= frequency);
            }
            scratch.prior.push(prior);
        }
        clear(&mut scratch.total, self.classes.len());
        for (genotype, &prior) in scratch.prior.iter().enumerate() {
            add_scaled(&mut scratch.total, prior, self.linear_of(genotype));
        }
    }

    /// Adds the expected copies of each allele of the site in the samples of the group.
    pub(super) fn add_copies(&self, frequency: &[f64], copies: &mut [f64], scratch: &mut Scratch) {
        self.weigh(frequency, scratch);
        clear(&mut scratch.scale, self.classes.len());
        for ((scale, &n), &total) in scratch.scale.iter_mut().zip(&self.n).zip(&scratch.total) {
            *scale = if total > TINY { n / total } else { 0.0 };
        }
        let mut of_letters = vec![0.0; self.n_letters];
        for (genotype, prior) in scratch.prior.iter().enumerate() {
            let n_samples = prior * dot(&scratch.scale, self.linear_of(genotype));
            for (sum, &copies) in of_letters.iter_mut().zip(self.copies_of(genotype)) {
                *sum += n_samples * f64::from(copies);
            }
        }
        for (column, _) in scratch.total.iter().enumerate().filter(|(_, total)| **total <= TINY) {
            self.add_copies_by_logarithms(column, &scratch.letter_frequencies, &mut of_letters);
        }
        for (&allele, of_letter) in self.alleles().iter().zip(&of_letters) {
            copies[usize::from(allele)] += of_letter;
        }
        // copies of U are of an allele in proportion to its frequency
        if let Some(&unseen) = scratch.letter_frequencies.get(self.alleles().len()).filter(|&&unseen| unseen > 0.0) {
            let per_frequency = of_letters[self.alleles().len()] / unseen;
            for (allele, frequency) in self.unseen(frequency) {
                copies[allele] += per_frequency * frequency;
            }
        }
    }

    /// The same for one class whose weights are too small for numbers.
    pub(super) fn add_copies_by_logarithms(&self, column: usize, letter_frequencies: &[f64], of_letters: &mut [f64]) {
        let weights = scaled_to_one(&self.ln_weights(column, letter_frequencies));
        for (genotype, weight) in weights.iter().enumerate() {
            for (sum, &copies) in of_letters.iter_mut().zip(self.copies_of(genotype)) {
                *sum += self.n[column] * weight * f64::from(copies);
            }
        }
    }

    /// Natural logarithm of prior x likelihood of each genotype of a class. A frequency of 0 counts as the least number.
    pub(super) fn ln_weights(&self, column: usize, letter_frequencies: &[f64]) -> Vec<f64> {
        let ln_frequencies: Vec<f64> = letter_frequencies.iter().map(|&f| f.max(f64::MIN_POSITIVE).ln()).collect();
        let pl = &self.classes[column].likelihoods.pl;
        let of_genotype = |(genotype, (&orders, &pl)): (usize, (&f64, &u32))| {
            let logs = ln_frequencies.iter().zip(self.copies_of(genotype)).map(|(ln, &copies)| ln * f64::from(copies));
            orders.ln() + logs.sum::<f64>() - f64::from(pl) * (LN_10 / 10.0)
        };
        self.orders.iter().zip(pl).enumerate().map(of_genotype).collect()
    }

    /// Adds the logarithm of the probability that no sample of the group has what `absent` is about. After [`Group::weigh`].
    pub(super) fn add_absent(&self, absent: &Absent, scratch: &mut Scratch, sum: &mut Sum) {
        clear(&mut scratch.without, self.classes.len());
        clear(&mut scratch.with, self.classes.len());
        for (genotype, prior) in scratch.prior.iter().enumerate() {
            let Part { without, with } = absent.part(self.copies_of(genotype));
            if without > 0.0 {
                add_scaled(&mut scratch.without, prior * without, self.linear_of(genotype));
            }
            if with > 0.0 {
                add_scaled(&mut scratch.with, prior * with, self.linear_of(genotype));
            }
        }
        for (column, (&without, &with)) in scratch.without.iter().zip(&scratch.with).enumerate() {
            // P = without / (without + with): as many digits near 1 as near 0
            let ln_absent = if without > TINY {
                -(with / without).ln_1p()
            } else {
                self.ln_absent_by_logarithms(column, absent, &scratch.letter_frequencies)
            };
            sum.add(self.n[column] * ln_absent);
        }
    }

    /// For one class whose weights are too small for numbers.
    pub(super) fn ln_absent_by_logarithms(&self, column: usize, absent: &Absent, letter_frequencies: &[f64]) -> f64 {
        let logs = self.ln_weights(column, letter_frequencies);
        let without =
            logs.iter().enumerate().map(|(genotype, ln)| ln + absent.part(self.copies_of(genotype)).without.ln());
        let found = ln_sum(without) - ln_sum(logs.iter().copied());
        let least = f64::from(self.classes[column].likelihoods.pl.iter().copied().max().unwrap_or(0)) * (-LN_10 / 10.0);
        if found.is_finite() { found.min(0.0) } else { least }
    }
}

/// What a probability of absence is about: an allele, or anything that is a variant. Per letter the share of its copies that
/// are not it (`kept`) and that are (`lost`), which add up to 1.
pub(super) struct Absent {
    shares: Vec<Part>,
}

/// Two parts of 1, each with all its digits.
#[derive(Clone, Copy)]
pub(super) struct Part {
    without: f64,
    with: f64,
}

impl Absent {
    pub(super) const NONE: Part = Part { without: 1.0, with: 0.0 };
    pub(super) const ALL: Part = Part { without: 0.0, with: 1.0 };

    /// An allele of the site, of this frequency.
    pub(super) fn allele(group: &Group, allele: u16, frequency: f64, letter_frequencies: &[f64]) -> Absent {
        let mut shares = vec![Self::NONE; group.n_letters];
        match group.alleles().binary_search(&allele) {
            Ok(place) => shares[place] = Self::ALL,
            Err(_) => {
                let share = share_of(frequency, letter_frequencies.last());
                shares[group.alleles().len()] = Part { without: 1.0 - share, with: share };
            }
        }
        Absent { shares }
    }

    /// Any allele but REF and `*`.
    pub(super) fn variant(group: &Group, frequency: &[f64], spanning_deletion: Option<u16>) -> Absent {
        let is_variant = |allele: &u16| *allele != 0 && Some(*allele) != spanning_deletion;
        let share = |allele: &u16| if is_variant(allele) { Self::ALL } else { Self::NONE };
        let mut shares: Vec<Part> = group.alleles().iter().map(share).collect();
        if shares.len() < group.n_letters {
            let (mut deleted, mut others) = (0.0, 0.0);
            for (allele, frequency) in group.unseen(frequency) {
                *if is_variant(&(allele as u16)) { &mut others } else { &mut deleted } += frequency;
            }
            let total: f64 = deleted + others;
            let part = Part { without: deleted / total, with: others / total };
            shares.push(if total > 0.0 { part } else { Self::NONE });
        }
        Absent { shares }
    }

    /// Of a genotype with these copies of the letters: the probability that no copy is it, and that one is.
    pub(super) fn part(&self, copies: &[u8]) -> Part {
        let mut part = Self::NONE;
        for (share, &copies) in self.shares.iter().zip(copies) {
            for _ in 0..copies {
                part.with += part.without * share.with;
                part.without *= share.without;
            }
        }
        part
    }
}

/// `f_a / f_U`, between 0 and 1.
pub(super) fn share_of(frequency: f64, unseen: Option<&f64>) -> f64 {
    unseen.filter(|&&unseen| unseen > 0.0).map_or(0.0, |unseen| (frequency / unseen).min(1.0))
}
