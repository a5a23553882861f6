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

mod group;
mod sums;
#[cfg(test)]
mod tests;

use super::likelihood::Likelihoods;
use group::{Absent, Group, Scratch, groups, share_of};
use std::f64::consts::LN_10;
use std::sync::LazyLock;
use sums::{Sum, scaled_to_one};

/// Likelihoods from here on are 0 as a number.
const N_LINEAR: usize = 3_240;
/// Numbers below this have lost digits or come from terms that have; logarithms are used instead.
const TINY: f64 = 1e-280;

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
