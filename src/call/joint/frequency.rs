//! Allele frequencies of a site by expectation-maximisation over genotype likelihoods, and the qualities that follow.
//!
//! The model is that of GATK's AlleleFrequencyCalculator: alleles have a Dirichlet prior, genotypes are multinomial in the
//! frequencies, `P(g | f) = P! / prod k_a! x prod f_a ^ k_a`, and a sample's likelihood of genotype `g` is `10^(-PL/10)`.
//! `docs/methods-joint-math.md` has all formulas.
//!
//! What is different is the cost. A sample's record names few of the site's alleles, and its likelihood is the same for all
//! others; those are one letter U here, with the sum of their frequencies. A multinomial summed over the alleles that make
//! up U is the multinomial of their sum, so this is exact. Samples with equal likelihoods are counted, not repeated; classes
//! that name the same alleles share the genotype probabilities, and are a matrix `[genotypes x classes]`. One round costs
//! O(sum over classes of their genotypes), whatever the number of samples and of alleles of the site.
//!
//! Sums run in the order of the classes given, with a fixed number of partial sums: the same classes give the same bits.

use super::genotypes::{for_each, n_genotypes, n_orders};
use super::likelihood::Likelihoods;
use std::f64::consts::LN_10;
use std::sync::LazyLock;

/// Likelihoods from here on are 0 as a number.
const N_LINEAR: usize = 3_240;
/// Numbers below this have lost digits or come from terms that have; logarithms are used instead.
const TINY: f64 = 1e-280;
/// Number of partial sums of a long sum.
const N_LANES: usize = 8;

/// `10^(-PL/10)`.
static LINEAR: LazyLock<Vec<f64>> = LazyLock::new(|| (0..N_LINEAR).map(|pl| 10f64.powf(-(pl as f64) / 10.0)).collect());

/// Samples with equal likelihoods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Their likelihoods; the alleles are below the number of alleles of the site.
    pub likelihoods: Likelihoods,
    /// How many samples.
    pub n: u64,
}

/// The prior, and when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Pseudo-count of each allele of the site, the reference first; above 0. GATK: 10 for REF, 0.01 for an allele as long
    /// as REF, 0.00125 for any other.
    pub pseudo_counts: &'a [f64],
    /// The allele that stands for a deletion from elsewhere, which is no variant of this site.
    pub spanning_deletion: Option<u16>,
    /// Largest change of an allele's expected copies at which the estimate is done (GATK: 0.1).
    pub tolerance: f64,
    /// Most rounds.
    pub max_iterations: u32,
}

/// The estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Frequencies {
    /// Frequency of each allele of the site.
    pub frequency: Vec<f64>,
    /// Expected copies of each allele in the samples, without pseudo-counts.
    pub copies: Vec<f64>,
    /// Rounds that it took.
    pub iterations: u32,
    /// Whether it settled.
    pub converged: bool,
}

/// Phred-scaled probabilities that something is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Qualities {
    /// -10 log10 of the probability that all samples have REF and spanning deletions only.
    pub site: f64,
    /// -10 log10 of the probability that no sample has the allele, per allele of the site (0 for REF).
    pub allele: Vec<f64>,
}

/// Estimates the frequencies of the alleles of a site. Every class counts: leave out those that should not (flat ones: they
/// follow the others' frequencies, and so raise QUAL). Order classes by their likelihoods.
///
/// Frequencies begin equal; a round takes the expected copies `c_a` at the frequencies, then
/// `f_a = (alpha_a + c_a) / sum`; done when no `c_a` changes by more than the tolerance.
pub fn estimate(classes: &[Class], model: &Model) -> Frequencies {
    let n_alleles = model.pseudo_counts.len();
    let groups = groups(classes, n_alleles);
    let mut frequency = vec![1.0 / n_alleles as f64; n_alleles];
    let mut copies = vec![0.0; n_alleles];
    let mut next = vec![0.0; n_alleles];
    let mut scratch = Scratch::default();
    let mut iterations = 0;
    loop {
        next.fill(0.0);
        for group in &groups {
            group.add_copies(&frequency, &mut next, &mut scratch);
        }
        let change = next.iter().zip(&copies).map(|(new, old)| (new - old).abs()).fold(0.0, f64::max);
        std::mem::swap(&mut copies, &mut next);
        let total: f64 = copies.iter().zip(model.pseudo_counts).map(|(copies, pseudo)| copies + pseudo).sum();
        for ((value, copies), pseudo) in frequency.iter_mut().zip(&copies).zip(model.pseudo_counts) {
            *value = (copies + pseudo) / total;
        }
        iterations += 1;
        let converged = change <= model.tolerance;
        if converged || iterations >= model.max_iterations {
            return Frequencies { frequency, copies, iterations, converged };
        }
    }
}

/// Qualities of a site and its alleles at the estimated frequencies: samples are independent given those, so the
/// probability that none has an allele is the product over the samples. Finite for any likelihoods.
pub fn qualities(classes: &[Class], frequencies: &Frequencies, model: &Model) -> Qualities {
    let frequency = &frequencies.frequency[..];
    let mut site = Sum::default();
    let mut alleles = vec![Sum::default(); frequency.len()];
    let mut scratch = Scratch::default();
    let only_alt = frequency.len() == 2 && model.spanning_deletion.is_none();
    for group in &groups(classes, frequency.len()) {
        group.weigh(frequency, &mut scratch);
        group.add_absent(&Absent::variant(group, frequency, model.spanning_deletion), &mut scratch, &mut site);
        for (allele, sum) in alleles.iter_mut().enumerate().skip(1) {
            if !only_alt {
                let absent = Absent::allele(group, allele as u16, frequency[allele], &scratch.letter_frequencies);
                group.add_absent(&absent, &mut scratch, sum);
            }
        }
    }
    let phred = |sum: &Sum| (-10.0 / LN_10 * sum.value()).max(0.0) + 0.0;
    let site_phred = phred(&site);
    let of_allele = |sum: &Sum| if only_alt { site_phred } else { phred(sum) };
    let mut allele: Vec<f64> = alleles.iter().map(of_allele).collect();
    if let Some(reference) = allele.first_mut() {
        *reference = 0.0;
    }
    Qualities { site: site_phred, allele }
}

/// Posterior probabilities of the genotypes of one sample over the alleles that its record names, in VCF order, given the
/// frequencies of the site's alleles and that no copy is an unseen allele: `P(g | f) 10^(-PL/10)`, scaled to a sum of 1
/// over the genotypes without U. The probability of those with U is so shared out in proportion.
pub fn posteriors(likelihoods: &Likelihoods, frequency: &[f64]) -> Vec<f64> {
    let class = Class { likelihoods: likelihoods.clone(), n: 1 };
    let group = Group::new(std::slice::from_ref(&class), frequency.len());
    let mut ln_weights = group.ln_weights(0, &group.letter_frequencies(frequency));
    ln_weights.truncate(likelihoods.named_pl().len());
    scaled_to_one(&ln_weights)
}

/// Posterior probabilities of 0, 1, ... copies of an allele in one sample, given the frequencies of the site's alleles. Of
/// the copies of U, each is the allele with probability `f_a / f_U` when the record does not name it.
pub fn posterior_copies(likelihoods: &Likelihoods, allele: u16, frequency: &[f64]) -> Vec<f64> {
    let class = Class { likelihoods: likelihoods.clone(), n: 1 };
    let group = Group::new(std::slice::from_ref(&class), frequency.len());
    let letter_frequencies = group.letter_frequencies(frequency);
    let weights = scaled_to_one(&group.ln_weights(0, &letter_frequencies));
    let (place, share) = match likelihoods.alleles.binary_search(&allele) {
        Ok(place) => (place, 1.0),
        Err(_) => (likelihoods.alleles.len(), share_of(frequency[usize::from(allele)], letter_frequencies.last())),
    };
    let mut found = vec![0.0; usize::from(likelihoods.ploidy) + 1];
    for (genotype, weight) in weights.iter().enumerate() {
        let n_copies = group.copies_of(genotype).get(place).copied().unwrap_or(0);
        for (k, part) in binomial(n_copies, share).into_iter().enumerate() {
            found[k] += weight * part;
        }
    }
    found
}

/// Probabilities of 0, 1, ..., n successes of `p`.
fn binomial(n: u8, p: f64) -> Vec<f64> {
    let mut found = vec![1.0];
    for _ in 0..n {
        let before = std::mem::take(&mut found);
        found = vec![0.0; before.len() + 1];
        for (k, value) in before.into_iter().enumerate() {
            found[k] += value * (1.0 - p);
            found[k + 1] += value * p;
        }
    }
    found
}

/// `f_a / f_U`, between 0 and 1.
fn share_of(frequency: f64, unseen: Option<&f64>) -> f64 {
    unseen.filter(|&&unseen| unseen > 0.0).map_or(0.0, |unseen| (frequency / unseen).min(1.0))
}

/// Exponentials of logarithms, with sum 1.
fn scaled_to_one(logs: &[f64]) -> Vec<f64> {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut found: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
    let total: f64 = found.iter().sum();
    found.iter_mut().for_each(|value| *value /= total);
    found
}

/// Logarithm of the sum of exponentials of logarithms.
fn ln_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + logs.map(|log| (log - most).exp()).sum::<f64>().ln() }
}

/// A sum that keeps the digits that adding loses (Neumaier 1974, Z Angew Math Mech 54:39).
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    fn value(&self) -> f64 {
        self.sum + self.lost
    }
}

/// Neighbouring classes of one ploidy that name the same alleles. Genotypes are over their letters: those alleles and, where
/// the site has more alleles, U.
struct Group<'c> {
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
struct Scratch {
    /// Frequency of each letter.
    letter_frequencies: Vec<f64>,
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
fn groups(classes: &[Class], n_alleles: usize) -> Vec<Group<'_>> {
    let alike = |a: &Class, b: &Class| {
        a.likelihoods.ploidy == b.likelihoods.ploidy && a.likelihoods.alleles == b.likelihoods.alleles
    };
    let with_copies = |classes: &&[Class]| classes[0].likelihoods.ploidy > 0;
    classes.chunk_by(alike).filter(with_copies).map(|classes| Group::new(classes, n_alleles)).collect()
}

impl<'c> Group<'c> {
    /// Of classes (one at least) that are alike, at a site of `n_alleles`.
    fn new(classes: &'c [Class], n_alleles: usize) -> Self {
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

    fn linear_likelihoods(&self) -> Vec<f64> {
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

    fn alleles(&self) -> &[u16] {
        &self.classes[0].likelihoods.alleles
    }

    /// Copies of each letter in a genotype.
    fn copies_of(&self, genotype: usize) -> &[u8] {
        &self.copies[genotype * self.n_letters..][..self.n_letters]
    }

    /// `10^(-PL/10)` of a genotype, per class.
    fn linear_of(&self, genotype: usize) -> &[f64] {
        let n_classes = self.classes.len();
        &self.linear[genotype * n_classes..][..n_classes]
    }

    /// Alleles of the site that have no name here.
    fn unseen<'f>(&'f self, frequency: &'f [f64]) -> impl Iterator<Item = (usize, f64)> + 'f {
        let mut named = self.alleles().iter().map(|&allele| usize::from(allele)).peekable();
        frequency.iter().copied().enumerate().filter(move |(allele, _)| named.next_if_eq(allele).is_none())
    }

    /// Frequency of each letter.
    fn letter_frequencies(&self, frequency: &[f64]) -> Vec<f64> {
        let mut found: Vec<f64> = self.alleles().iter().map(|&allele| frequency[usize::from(allele)]).collect();
        if found.len() < self.n_letters {
            found.push(self.unseen(frequency).map(|(_, frequency)| frequency).sum());
        }
        found
    }

    /// Prior of each genotype and total weight of each class.
    fn weigh(&self, frequency: &[f64], scratch: &mut Scratch) {
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
    fn add_copies(&self, frequency: &[f64], copies: &mut [f64], scratch: &mut Scratch) {
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
    fn add_copies_by_logarithms(&self, column: usize, letter_frequencies: &[f64], of_letters: &mut [f64]) {
        let weights = scaled_to_one(&self.ln_weights(column, letter_frequencies));
        for (genotype, weight) in weights.iter().enumerate() {
            for (sum, &copies) in of_letters.iter_mut().zip(self.copies_of(genotype)) {
                *sum += self.n[column] * weight * f64::from(copies);
            }
        }
    }

    /// Natural logarithm of prior x likelihood of each genotype of a class. A frequency of 0 counts as the least number.
    fn ln_weights(&self, column: usize, letter_frequencies: &[f64]) -> Vec<f64> {
        let ln_frequencies: Vec<f64> = letter_frequencies.iter().map(|&f| f.max(f64::MIN_POSITIVE).ln()).collect();
        let pl = &self.classes[column].likelihoods.pl;
        let of_genotype = |(genotype, (&orders, &pl)): (usize, (&f64, &u32))| {
            let logs = ln_frequencies.iter().zip(self.copies_of(genotype)).map(|(ln, &copies)| ln * f64::from(copies));
            orders.ln() + logs.sum::<f64>() - f64::from(pl) * (LN_10 / 10.0)
        };
        self.orders.iter().zip(pl).enumerate().map(of_genotype).collect()
    }

    /// Adds the logarithm of the probability that no sample of the group has what `absent` is about. After [`Group::weigh`].
    fn add_absent(&self, absent: &Absent, scratch: &mut Scratch, sum: &mut Sum) {
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
    fn ln_absent_by_logarithms(&self, column: usize, absent: &Absent, letter_frequencies: &[f64]) -> f64 {
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
struct Absent {
    shares: Vec<Part>,
}

/// Two parts of 1, each with all its digits.
#[derive(Clone, Copy)]
struct Part {
    without: f64,
    with: f64,
}

impl Absent {
    const NONE: Part = Part { without: 1.0, with: 0.0 };
    const ALL: Part = Part { without: 0.0, with: 1.0 };

    /// An allele of the site, of this frequency.
    fn allele(group: &Group, allele: u16, frequency: f64, letter_frequencies: &[f64]) -> Absent {
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
    fn variant(group: &Group, frequency: &[f64], spanning_deletion: Option<u16>) -> Absent {
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
    fn part(&self, copies: &[u8]) -> Part {
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

/// Makes `values` `n` zeros.
fn clear(values: &mut Vec<f64>, n: usize) {
    values.clear();
    values.resize(n, 0.0);
}

/// `sums += factor x values`.
fn add_scaled(sums: &mut [f64], factor: f64, values: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// Sum of products, as [`N_LANES`] partial sums.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; N_LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(N_LANES), b.chunks_exact(N_LANES));
    let rest: f64 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::super::genotypes::index;
    use super::*;
    use proptest::prelude::*;

    /// REF and SNV as GATK has them.
    const SNV: [f64; 2] = [10.0, 0.01];

    fn class(alleles: &[u16], ploidy: u8, pl: &[u32], n: u64) -> Class {
        Class { likelihoods: Likelihoods { ploidy, alleles: alleles.to_vec(), pl: pl.to_vec() }, n }
    }

    /// Diploid samples of a site with two alleles, both named.
    fn samples([none, one, two]: [u32; 3], n: u64) -> Class {
        class(&[0, 1], 2, &[none, one, two, 9_000, 9_000, 9_000], n)
    }

    fn model(pseudo_counts: &[f64], tolerance: f64) -> Model<'_> {
        Model { pseudo_counts, spanning_deletion: None, tolerance, max_iterations: 10_000 }
    }

    fn evaluate(classes: &[Class], model: &Model) -> (Frequencies, Qualities) {
        let found = estimate(classes, model);
        let qualities = qualities(classes, &found, model);
        (found, qualities)
    }

    /// QUAL of the site and copies of allele 1.
    fn qual(classes: &[Class], tolerance: f64) -> (f64, f64) {
        let (found, qualities) = evaluate(classes, &model(&SNV, tolerance));
        (qualities.site, found.copies[1])
    }

    #[track_caller]
    fn near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    /// Values of GATK's GenotypeGVCFs (67.32 and 69.24: newMQcalc.singleSample and combine tests) and of the prototype.
    #[test]
    fn golden_numbers() {
        let (found, copies) = qual(&[samples([100, 0, 100], 1)], 0.1);
        near(found, 92.6396, 5e-5);
        near(copies, 1.0, 5e-4);
        near(qual(&[samples([79, 6, 0], 1)], 0.1).0, 67.32, 5e-3);
        near(qual(&[samples([0, 0, 0], 2), samples([79, 6, 0], 1)], 0.1).0, 69.24, 5e-3);
        near(qual(&[samples([100, 0, 100], 1), samples([0, 0, 0], 1_000)], 0.1).0, 934.6, 0.05);
        let expected = [(1, 291.914), (10, 288.140), (100, 279.811), (1_000, 270.019), (10_000, 260.041)];
        for (n, expected) in expected {
            near(qual(&[samples([0, 60, 600], n), samples([300, 0, 300], 1)], 0.1).0, expected, 5e-4);
        }
        let many = [samples([0, 15, 150], 2_000), samples([40, 0, 300], 2)];
        let (found, copies) = qual(&many, 0.1);
        near(found, 20.5723, 5e-5);
        near(copies, 1.8695, 5e-5);
        let (found, copies) = qual(&many, 1e-9);
        near(found, 20.5567, 5e-5);
        near(copies, 1.86593, 5e-6);
        let half_a_million = [samples([0, 10, 100], 500_000), samples([200, 0, 200], 3)];
        near(qual(&half_a_million, 0.1).0, 446.25, 5e-3);
        near(qual(&half_a_million, 1e-6).0, 446.21, 5e-3);
    }

    /// A class whose record names no alternate allele is the same as one that names it with equal likelihoods.
    #[test]
    fn reference_classes_need_no_names() {
        let carrier = samples([300, 0, 300], 1);
        let (found, copies) = qual(&[class(&[0], 2, &[0, 60, 600], 100), carrier.clone()], 1e-9);
        let (named, named_copies) = qual(&[samples([0, 60, 600], 100), carrier], 1e-9);
        near(found, named, 1e-9);
        near(copies, named_copies, 1e-12);
    }

    #[test]
    fn extreme_likelihoods_stay_finite() {
        let (found, copies) = qual(&[samples([30_000, 0, 30_000], 5)], 1e-6);
        assert!(found > 149_000.0 && found < 150_000.0, "{found}");
        near(copies, 5.0, 1e-9);
        let (found, _) = qual(&[class(&[0], 2, &[0, 60, 600], 100_000), samples([4_000_000, 4_000_000, 0], 100)], 1e-6);
        assert!(found > 3.9e8 && found < 4.1e8, "{found}");
        let reference = qual(&[class(&[0], 2, &[0, 4_000_000, 4_000_000], 7)], 1e-6).0;
        assert!(reference == 0.0 && reference.is_sign_positive());
    }

    /// A record may like an allele best that the site does not have: the others are weighed among themselves.
    #[test]
    fn an_unseen_allele_that_no_one_names_does_not_count() {
        let sure = class(&[0, 1], 2, &[9_000, 8_960, 9_060, 5_000, 5_000, 0], 1);
        let (found, qualities) = evaluate(&[sure], &model(&SNV, 1e-9));
        let (expected, expected_qualities) = evaluate(&[samples([40, 0, 100], 1)], &model(&SNV, 1e-9));
        assert_eq!((found, qualities), (expected, expected_qualities));
    }

    /// Of many copies each of a rare allele, no product of frequencies is a number.
    #[test]
    fn high_ploidy() {
        let ploidy = 120;
        let n = n_genotypes(3, usize::from(ploidy)).unwrap();
        let mut pl = vec![60_000; n];
        pl[index(&[1; 120])] = 0;
        let classes = [class(&[0], ploidy, &from_steps(ploidy, 40), 1_000_000), class(&[0, 1], ploidy, &pl, 1)];
        let (found, qualities) = evaluate(&classes, &model(&SNV, 1e-6));
        near(found.copies[1], 120.0, 0.5);
        near(found.copies.iter().sum::<f64>(), 1_000_001.0 * 120.0, 1e-3);
        assert!(qualities.site > 50_000.0 && qualities.site <= 60_000.0, "{qualities:?}");
    }

    fn from_steps(ploidy: u8, step: u32) -> Vec<u32> {
        (0..=u32::from(ploidy)).map(|copies| copies * step).collect()
    }

    /// PL of a genotype of three alleles called beyond doubt, as GATK's unit tests have them.
    fn called(ploidy: u8, genotype: &[u16], pl: u32) -> Class {
        let mut values = vec![pl; n_genotypes(4, usize::from(ploidy)).unwrap()];
        values[index(genotype)] = 0;
        class(&[0, 1, 2], ploidy, &values, 1)
    }

    /// The expectations of GATK's AlleleFrequencyCalculatorUnitTest (testMLECounts): pseudo-counts 1, PL 20.
    #[test]
    fn counts_of_gatk() {
        let (aa, bb, ab, ac) = (&[0, 0][..], &[1, 1][..], &[0, 1][..], &[0, 2][..]);
        let (bbb, ccc) = (&[1, 1, 1][..], &[2, 2, 2][..]);
        let cases: [(&[&[u16]], [f64; 2]); 9] = [
            (&[aa, bb], [2.0, 0.0]),
            (&[aa, ab], [1.0, 0.0]),
            (&[ab, ab], [2.0, 0.0]),
            (&[aa, aa, bb], [2.0, 0.0]),
            (&[aa, ab, ab], [2.0, 0.0]),
            (&[aa, bbb], [3.0, 0.0]),
            (&[aa, bbb, ccc], [3.0, 3.0]),
            (&[aa, ab, ac], [1.0, 1.0]),
            (&[aa, ab, ac, bbb, ccc], [4.0, 4.0]),
        ];
        for (genotypes, expected) in cases {
            let classes: Vec<Class> =
                genotypes.iter().map(|genotype| called(genotype.len() as u8, genotype, 20)).collect();
            let found = estimate(&classes, &model(&[1.0; 3], 0.1));
            assert_eq!([found.copies[1].round(), found.copies[2].round()], expected, "{genotypes:?}: {found:?}");
        }
    }

    /// GATK's testManyVeryConfidentSamples: the probability of no allele is `(10^(-PL/10) / 2)^n`.
    #[test]
    fn many_sure_samples() {
        for n in [100, 1_000] {
            let sure = Class { n, ..called(2, &[0, 2], 1_000) };
            let (found, qualities) = evaluate(&[sure], &model(&[1.0; 3], 0.1));
            assert_eq!([found.copies[1].round(), found.copies[2].round()], [0.0, n as f64]);
            near(qualities.allele[2], n as f64 * (1_000.0 + 10.0 * 2f64.log10()), 0.1 * n as f64);
            near(qualities.site, qualities.allele[2], 0.1 * n as f64);
        }
    }

    /// GATK's testManyRefSamplesDontKillGoodVariant.
    #[test]
    fn reference_samples_do_not_hide_a_variant() {
        let prior = model(&[1.0, 0.1], 0.1);
        for n in [1, 10, 100, 1_000, 10_000, 100_000] {
            let classes = [samples([0, 1_000, 1_000], n), samples([1_000, 0, 1_000], 1)];
            let found = evaluate(&classes, &prior).1.site;
            assert!(found > 1_000.0 - 10.0 * (n as f64).log10() - 10.0, "{n}: {found}");
        }
    }

    /// GATK's testSpanningDeletionIsNotConsideredVariant: REF / `*` is a haploid reference sample.
    #[test]
    fn a_spanning_deletion_is_no_variant() {
        let pseudo_counts = [1.0, 0.1, 0.1];
        let prior = Model { spanning_deletion: Some(2), ..model(&pseudo_counts, 0.1) };
        let wide = |ploidy: u8, pl: &[u32]| {
            let mut values = pl.to_vec();
            values.resize(n_genotypes(4, usize::from(ploidy)).unwrap(), 9_000);
            class(&[0, 1, 2], ploidy, &values, 1)
        };
        let (deleted, snv) = (wide(2, &[50, 100, 100, 0, 100, 100]), wide(2, &[10, 0, 40, 100, 70, 300]));
        assert!(evaluate(std::slice::from_ref(&deleted), &prior).1.site < 1e-8);
        let alone = evaluate(std::slice::from_ref(&snv), &prior).1.site;
        let both = evaluate(&[snv.clone(), deleted], &prior).1;
        let haploid = evaluate(&[wide(1, &[0, 100, 100]), snv], &prior).1.site;
        near(both.site, haploid, 1e-4);
        // the quality of the site is that something is there, in dB of the other side
        let variant = |qual: f64| (-(10f64.powf(-qual / 10.0))).ln_1p();
        assert!(variant(both.site) < variant(alone) && (variant(both.site) - variant(alone)).abs() < 0.23);
        let without = [class(&[0, 1], 1, &[0, 100, 9_000], 1), samples([10, 0, 40], 1)];
        near(variant(both.site), variant(evaluate(&without, &model(&[1.0, 0.1], 0.1)).1.site), 2.3e-6);
        // the allele itself is there
        assert!(both.allele[2] > 30.0 && both.allele[1] > 1.0);
    }

    /// GATK's testPresenceOfUnlikelySpanningDeletionDoesntAffectResults, and a record that does not name the deletion.
    #[test]
    fn an_unlikely_spanning_deletion_changes_little() {
        let pseudo_counts = [1.0, 0.1, 0.1];
        let with = Model { spanning_deletion: Some(2), ..model(&pseudo_counts, 0.1) };
        let named = class(&[0, 1, 2], 2, &[50, 0, 50, 100, 100, 100, 9_000, 9_000, 9_000, 9_000], 1);
        let unnamed = class(&[0, 1], 2, &[50, 0, 50, 100, 100, 100], 1);
        let without = evaluate(&[samples([50, 0, 50], 1)], &model(&[1.0, 0.1], 0.1)).1.site;
        let found = evaluate(&[named], &with);
        near(found.1.site, without, 0.2);
        let same = evaluate(&[unnamed], &with);
        near(same.1.site, found.1.site, 1e-9);
        near(same.1.allele[2], found.1.allele[2], 1e-9);
    }

    #[test]
    fn no_classes_leave_the_prior() {
        let (found, qualities) = evaluate(&[], &model(&[10.0, 0.01, 0.00125], 1e-6));
        assert_eq!((found.copies, found.converged), (vec![0.0; 3], true));
        near(found.frequency[0], 10.0 / 10.01125, 1e-15);
        assert_eq!((qualities.site, qualities.allele), (0.0, vec![0.0; 3]));
    }

    #[test]
    fn rounds_are_bounded() {
        let slow = [class(&[0], 2, &[0, 3, 6], 10_000), samples([40, 0, 300], 2)];
        let bounded = Model { max_iterations: 5, ..model(&SNV, 1e-12) };
        let found = estimate(&slow, &bounded);
        assert_eq!((found.iterations, found.converged), (5, false));
    }

    #[test]
    fn posterior_probabilities() {
        let het = Likelihoods { ploidy: 2, alleles: vec![0, 1], pl: vec![20, 0, 30, 40, 50, 60] };
        let frequency = [0.9, 0.1];
        let weights = [0.81 * 0.01, 0.18, 0.01 * 0.001];
        let total: f64 = weights.iter().sum();
        for found in [posteriors(&het, &frequency), posterior_copies(&het, 1, &frequency)] {
            assert_eq!(found.len(), 3);
            found.iter().zip(weights).for_each(|(found, weight)| near(*found, weight / total, 1e-12));
        }
        // of two unseen alleles one
        let reference = Likelihoods { ploidy: 2, alleles: vec![0], pl: vec![0, 10, 20] };
        let found = posterior_copies(&reference, 2, &[0.5, 0.2, 0.3]);
        let dense = [0.25 + 2.0 * 0.5 * 0.2 * 0.1 + 0.04 * 0.01, 2.0 * 0.3 * (0.5 * 0.1 + 0.2 * 0.01), 0.09 * 0.01];
        let total: f64 = dense.iter().sum();
        found.iter().zip(dense).for_each(|(found, expected)| near(*found, expected / total, 1e-12));
        assert_eq!(posteriors(&reference, &[0.5, 0.2, 0.3]), [1.0]);
    }

    /// The model without any trick: all genotypes over all alleles of the site, one sample at a time, in logarithms.
    struct Dense {
        frequency: Vec<f64>,
        copies: Vec<f64>,
        ln_absent: Vec<f64>,
        ln_no_variant: f64,
    }

    impl Dense {
        fn at(classes: &[Class], frequency: &[f64], deletion: Option<u16>) -> Dense {
            let n = frequency.len();
            let (mut copies, mut ln_absent, mut ln_no_variant) = (vec![0.0; n], vec![0.0; n], 0.0);
            for class in classes {
                let genotypes = Self::genotypes(&class.likelihoods, frequency);
                let ln_total = ln_sum(genotypes.iter().map(|(_, ln)| *ln));
                let without = |is_it: &dyn Fn(u16) -> bool| {
                    let kept = genotypes.iter().filter(|(genotype, _)| !genotype.iter().any(|&a| is_it(a)));
                    class.n as f64 * (ln_sum(kept.map(|(_, ln)| *ln)) - ln_total).min(0.0)
                };
                for (genotype, ln) in &genotypes {
                    let posterior = (ln - ln_total).exp() * class.n as f64;
                    genotype.iter().for_each(|&allele| copies[usize::from(allele)] += posterior);
                }
                for (allele, sum) in ln_absent.iter_mut().enumerate() {
                    *sum += without(&|a| usize::from(a) == allele);
                }
                ln_no_variant += without(&|a| a != 0 && Some(a) != deletion);
            }
            Dense { frequency: frequency.to_vec(), copies, ln_absent, ln_no_variant }
        }

        fn genotypes(likelihoods: &Likelihoods, frequency: &[f64]) -> Vec<(Vec<u16>, f64)> {
            let mut found = Vec::new();
            let named = &likelihoods.alleles;
            for_each(frequency.len(), usize::from(likelihoods.ploidy), |genotype| {
                let place = |a: &u16| named.iter().position(|name| name == a).unwrap_or(named.len()) as u16;
                let mut letters: Vec<u16> = genotype.iter().map(place).collect();
                letters.sort_unstable();
                let prior = genotype.iter().map(|&a| frequency[usize::from(a)].ln()).sum::<f64>();
                let pl = f64::from(likelihoods.pl[index(&letters)]);
                found.push((genotype.to_vec(), n_orders(genotype).ln() + prior - pl * LN_10 / 10.0));
            });
            found
        }

        fn estimate(classes: &[Class], model: &Model) -> Dense {
            let n = model.pseudo_counts.len();
            let mut frequency = vec![1.0 / n as f64; n];
            let mut before = vec![0.0; n];
            for _ in 0..model.max_iterations {
                let copies = Self::at(classes, &frequency, None).copies;
                let total: f64 = copies.iter().chain(model.pseudo_counts).sum();
                frequency =
                    copies.iter().zip(model.pseudo_counts).map(|(copies, alpha)| (copies + alpha) / total).collect();
                let change = copies.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                before = copies;
                if change <= model.tolerance {
                    break;
                }
            }
            Dense { copies: before, ..Self::at(classes, &frequency, model.spanning_deletion) }
        }
    }

    const N_ALLELES: usize = 6;
    const PSEUDO_COUNTS: [f64; N_ALLELES] = [10.0, 0.01, 0.01, 0.00125, 0.01, 0.00125];

    /// A class of a site with [`N_ALLELES`]; likelihoods within what numbers hold, or far beyond.
    fn any_class(ploidy: impl Strategy<Value = u8>) -> impl Strategy<Value = Class> {
        let names = prop::collection::btree_set(1u16..N_ALLELES as u16, 0..N_ALLELES);
        (ploidy, names, 1u64..40, prop_oneof![Just(60u32), Just(5_000)]).prop_flat_map(|(ploidy, others, n, most)| {
            let alleles: Vec<u16> = std::iter::once(0).chain(others).collect();
            let length = n_genotypes(alleles.len() + 1, usize::from(ploidy)).unwrap();
            prop::collection::vec(0..most, length).prop_map(move |pl| class(&alleles, ploidy, &pl, n))
        })
    }

    fn same(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
    }

    fn sorted(mut classes: Vec<Class>) -> Vec<Class> {
        classes.sort_by(|a, b| (&a.likelihoods, a.n).cmp(&(&b.likelihoods, b.n)));
        classes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn one_letter_for_all_unseen_alleles_is_exact(
            classes in prop::collection::vec(any_class(1u8..=4), 1..6),
            deletion in prop::option::of(1u16..N_ALLELES as u16),
        ) {
            let prior = Model {
                pseudo_counts: &PSEUDO_COUNTS, spanning_deletion: deletion, tolerance: 1e-6, max_iterations: 12,
            };
            let (found, qualities) = evaluate(&classes, &prior);
            let dense = Dense::estimate(&classes, &prior);
            for allele in 0..N_ALLELES {
                prop_assert!(same(found.frequency[allele], dense.frequency[allele]));
                prop_assert!(same(found.copies[allele], dense.copies[allele]), "{:?} {:?}", found.copies, dense.copies);
                let expected = if allele == 0 { 0.0 } else { -10.0 / LN_10 * dense.ln_absent[allele] };
                prop_assert!(same(qualities.allele[allele], expected), "{:?} {expected}", qualities.allele[allele]);
            }
            prop_assert!(same(qualities.site, -10.0 / LN_10 * dense.ln_no_variant));
        }

        #[test]
        fn order_does_not_matter(classes in prop::collection::vec(any_class(1u8..=3), 1..8), turn in 0usize..8) {
            let prior = model(&PSEUDO_COUNTS, 1e-9);
            let mut other = classes.clone();
            other.rotate_left(turn % classes.len());
            let (a, b) = (evaluate(&classes, &prior), evaluate(&other, &prior));
            for allele in 0..N_ALLELES {
                prop_assert!(same(a.0.copies[allele], b.0.copies[allele]));
                prop_assert!((a.1.allele[allele] - b.1.allele[allele]).abs() <= 1e-6 * a.1.allele[allele].max(1.0));
            }
            // in the order of the likelihoods, to the bit
            prop_assert_eq!(evaluate(&sorted(classes), &prior), evaluate(&sorted(other), &prior));
        }

        #[test]
        fn copies_add_up(classes in prop::collection::vec(any_class(1u8..=4), 1..6)) {
            let found = estimate(&classes, &model(&PSEUDO_COUNTS, 1e-6));
            let all: u64 = classes.iter().map(|class| class.n * u64::from(class.likelihoods.ploidy)).sum();
            prop_assert!(same(found.copies.iter().sum(), all as f64));
            prop_assert!(same(found.frequency.iter().sum(), 1.0));
        }

        #[test]
        fn twice_the_samples_and_the_prior_are_twice_the_copies(
            classes in prop::collection::vec(any_class(1u8..=3), 1..6),
        ) {
            let twice: Vec<Class> = classes.iter().map(|class| Class { n: 2 * class.n, ..class.clone() }).collect();
            let listed: Vec<Class> = classes.iter().flat_map(|class| [class.clone(), class.clone()]).collect();
            let double: Vec<f64> = PSEUDO_COUNTS.iter().map(|alpha| 2.0 * alpha).collect();
            let rounds = |pseudo_counts| Model { max_iterations: 20, ..model(pseudo_counts, 0.0) };
            let once = evaluate(&classes, &rounds(&PSEUDO_COUNTS));
            for other in [twice, listed] {
                let found = evaluate(&other, &rounds(&double));
                for allele in 0..N_ALLELES {
                    prop_assert!(same(found.0.copies[allele], 2.0 * once.0.copies[allele]));
                    prop_assert!(same(found.1.allele[allele], 2.0 * once.1.allele[allele]));
                }
            }
        }

        /// A haploid sample is half of a diploid one that cannot be heterozygous, at the same frequencies.
        #[test]
        fn haploid_samples_are_half_of_homozygous_ones(
            pl in prop::collection::vec(prop::collection::vec(0u32..200, 3), 1..6),
            raw in prop::collection::vec(0.01f64..1.0, 3),
        ) {
            let never = 100_000;
            let haploid: Vec<Class> = pl.iter().map(|pl| class(&[0, 1], 1, pl, 1)).collect();
            let diploid: Vec<Class> = pl
                .iter()
                .map(|pl| class(&[0, 1], 2, &[pl[0], never, pl[1], never, never, pl[2]], 1))
                .collect();
            // P(aa) = f_a^2: the haploid cohort has the squares
            let squares: Vec<f64> = raw.iter().map(|f| f * f / raw.iter().map(|f| f * f).sum::<f64>()).collect();
            let all: Vec<f64> = raw.iter().map(|f| f / raw.iter().sum::<f64>()).collect();
            let copies = |classes: &[Class], frequency: &[f64]| {
                let mut copies = vec![0.0; 3];
                groups(classes, 3).iter().for_each(|group| group.add_copies(frequency, &mut copies, &mut Scratch::default()));
                copies
            };
            // one unseen allele: U is it
            let (once, twice) = (copies(&haploid, &squares), copies(&diploid, &all));
            for allele in 0..3 {
                prop_assert!(same(2.0 * once[allele], twice[allele]), "{once:?} {twice:?}");
            }
        }

        /// With likelihoods that leave no doubt, a haploid cohort has the frequencies of a homozygous diploid one.
        #[test]
        fn sure_haploid_and_homozygous_cohorts_agree(alts in prop::collection::vec(any::<bool>(), 1..30)) {
            let sure = |alt: bool| if alt { [900, 0] } else { [0, 900] };
            let haploid = sorted(alts.iter().map(|&alt| class(&[0, 1], 1, &[sure(alt), [900, 900]].concat()[..3], 1)).collect());
            let diploid = sorted(alts.iter().map(|&alt| samples([sure(alt)[0], 900, sure(alt)[1]], 1)).collect());
            let (once, _) = evaluate(&haploid, &model(&[10.0, 0.01], 1e-9));
            let (twice, _) = evaluate(&diploid, &model(&[20.0, 0.02], 1e-9));
            prop_assert!(same(once.frequency[1], twice.frequency[1]), "{once:?} {twice:?}");
            let n_alts = alts.iter().filter(|&&alt| alt).count();
            prop_assert!((once.copies[1] - n_alts as f64).abs() < 1e-6);
        }
    }
}
