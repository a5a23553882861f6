//! Allele frequencies of a site by expectation-maximisation over genotype likelihoods, and the quality that follows.
//!
//! The model is that of GATK's AlleleFrequencyCalculator: a Dirichlet prior with pseudo-counts, genotypes in
//! Hardy-Weinberg proportions given the frequencies. What is different is the cost. A sample's record names few of the
//! site's alleles, and its likelihood is the same for all others; those are one pseudo-allele U here, with the sum of
//! their frequencies. The sums are the same as over all alleles (a multinomial summed over the alleles that make up U is
//! the multinomial of their sum), so a sample costs O(named alleles ^ ploidy) whatever the site, and samples with equal
//! likelihoods are counted instead of repeated.

use super::genotypes::for_each;
use super::likelihood::Likelihoods;

/// Samples with equal likelihoods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Their likelihoods.
    pub likelihoods: Likelihoods,
    /// How many samples.
    pub n: u64,
}

/// The prior, and when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Pseudo-count of each allele of the site, the reference first.
    pub pseudo_counts: &'a [f64],
    /// The allele that stands for a deletion from elsewhere, which is no variant of this site.
    pub spanning_deletion: Option<u16>,
    /// Largest change of an allele's expected copies at which the estimate is done.
    pub tolerance: f64,
    /// Most rounds.
    pub max_iterations: u32,
}

/// The estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Frequencies {
    /// Frequency of each allele of the site.
    pub frequency: Vec<f64>,
    /// Expected copies of each allele in the samples.
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

/// A class in the form that the sums need: genotypes over its letters with linear likelihoods.
struct Terms<'c> {
    class: &'c Class,
    /// `[n_genotypes x ploidy]`: letters of each genotype.
    letters: Vec<u16>,
    /// Number of orders of each genotype.
    orders: Vec<f64>,
    /// 10 ^ (-PL / 10).
    linear: Vec<f64>,
}

impl<'c> Terms<'c> {
    fn new(class: &'c Class) -> Self {
        let ploidy = usize::from(class.likelihoods.ploidy);
        let n_letters = class.likelihoods.alleles.len() + 1;
        let mut letters = Vec::with_capacity(class.likelihoods.pl.len() * ploidy);
        let mut orders = Vec::with_capacity(class.likelihoods.pl.len());
        for_each(n_letters, ploidy, |genotype| {
            letters.extend_from_slice(genotype);
            orders.push(n_orders(genotype));
        });
        let linear = class.likelihoods.pl.iter().map(|&pl| 10f64.powf(-f64::from(pl) / 10.0)).collect();
        Terms { class, letters, orders, linear }
    }

    fn ploidy(&self) -> usize {
        usize::from(self.class.likelihoods.ploidy)
    }

    /// Frequencies of the letters, U last.
    fn letter_frequencies(&self, frequency: &[f64]) -> Vec<f64> {
        let named = &self.class.likelihoods.alleles;
        let mut found: Vec<f64> = named.iter().map(|&allele| frequency[usize::from(allele)]).collect();
        found.push(unseen_frequency(named, frequency));
        found
    }

    /// Weight of each genotype: orders x frequencies x likelihood.
    fn weights<'t>(&'t self, letter_frequencies: &'t [f64]) -> impl Iterator<Item = (&'t [u16], f64)> {
        let genotypes = self.letters.chunks_exact(self.ploidy().max(1));
        genotypes.zip(self.orders.iter().zip(&self.linear)).map(|(genotype, (orders, linear))| {
            let frequency: f64 = genotype.iter().map(|&letter| letter_frequencies[usize::from(letter)]).product();
            (genotype, orders * frequency * linear)
        })
    }
}

/// Sum of the frequencies of the alleles that are not in `named` (ascending).
fn unseen_frequency(named: &[u16], frequency: &[f64]) -> f64 {
    let mut named = named.iter().copied().peekable();
    let mut sum = 0.0;
    for (allele, &value) in frequency.iter().enumerate() {
        if named.next_if_eq(&(allele as u16)).is_none() {
            sum += value;
        }
    }
    sum
}

/// Number of orders in which the copies of a genotype (ascending) can stand: ploidy! / product of multiplicities!.
fn n_orders(genotype: &[u16]) -> f64 {
    let mut orders = 1.0;
    let mut same = 0;
    for (k, allele) in genotype.iter().enumerate() {
        same = if k > 0 && genotype[k - 1] == *allele { same + 1 } else { 1 };
        orders *= (k + 1) as f64 / f64::from(same);
    }
    orders
}

/// Estimates the frequencies of the alleles of a site. Every class counts; leave out those that should not.
pub fn estimate(classes: &[Class], model: &Model) -> Frequencies {
    let n_alleles = model.pseudo_counts.len();
    let terms: Vec<Terms> = classes.iter().map(Terms::new).collect();
    let mut frequency = vec![1.0 / n_alleles as f64; n_alleles];
    let mut copies = vec![0.0; n_alleles];
    let mut iterations = 0;
    loop {
        let next = expected_copies(&terms, &frequency);
        let change = next.iter().zip(&copies).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        copies = next;
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

/// Expected copies of each allele. The copies of U of a class are shared out by frequency: every allele gets
/// `f_a x copies / f_U`, and the named ones are taken out again.
fn expected_copies(terms: &[Terms], frequency: &[f64]) -> Vec<f64> {
    let mut own = vec![0.0; frequency.len()];
    let mut shared = 0.0;
    let mut not_shared = vec![0.0; frequency.len()];
    let mut of_letters = Vec::new();
    for terms in terms {
        let letter_frequencies = terms.letter_frequencies(frequency);
        of_letters.clear();
        of_letters.resize(letter_frequencies.len(), 0.0);
        let mut total = 0.0;
        for (genotype, weight) in terms.weights(&letter_frequencies) {
            total += weight;
            for &letter in genotype {
                of_letters[usize::from(letter)] += weight;
            }
        }
        if total <= 0.0 {
            continue;
        }
        let scale = terms.class.n as f64 / total;
        let named = &terms.class.likelihoods.alleles;
        for (place, &allele) in named.iter().enumerate() {
            own[usize::from(allele)] += of_letters[place] * scale;
        }
        let unseen = letter_frequencies[named.len()];
        if unseen > 0.0 {
            let share = of_letters[named.len()] * scale / unseen;
            shared += share;
            for &allele in named {
                not_shared[usize::from(allele)] += share;
            }
        }
    }
    let of_unseen = not_shared.iter().zip(frequency).map(|(out, frequency)| (shared - out).max(0.0) * frequency);
    own.iter().zip(of_unseen).map(|(own, unseen)| own + unseen).collect()
}

/// Qualities of a site and its alleles at the estimated frequencies.
pub fn qualities(classes: &[Class], frequencies: &Frequencies, model: &Model) -> Qualities {
    let frequency = &frequencies.frequency;
    let mut allele_log10 = vec![0.0; frequency.len()];
    let mut site_log10 = 0.0;
    for class in classes {
        let terms = Terms::new(class);
        let letter_frequencies = terms.letter_frequencies(frequency);
        let named = &class.likelihoods.alleles;
        let n = class.n as f64;
        let unseen = letter_frequencies[named.len()];
        for allele in 1..frequency.len() as u16 {
            let absent = match named.binary_search(&allele) {
                Ok(place) => {
                    terms.absent(&letter_frequencies, |letter| if usize::from(letter) == place { 0.0 } else { 1.0 })
                }
                Err(_) => {
                    let others = if unseen > 0.0 { 1.0 - frequency[usize::from(allele)] / unseen } else { 0.0 };
                    terms.absent(&letter_frequencies, |letter| {
                        if usize::from(letter) == named.len() { others.max(0.0) } else { 1.0 }
                    })
                }
            };
            allele_log10[usize::from(allele)] += n * absent;
        }
        let deletion = model.spanning_deletion;
        let deletion_in_unseen = match deletion {
            Some(allele) if !named.contains(&allele) && unseen > 0.0 => frequency[usize::from(allele)] / unseen,
            _ => 0.0,
        };
        site_log10 += n * terms.absent(&letter_frequencies, |letter| match named.get(usize::from(letter)) {
            Some(0) => 1.0,
            Some(allele) if Some(*allele) == deletion => 1.0,
            Some(_) => 0.0,
            None => deletion_in_unseen,
        });
    }
    let phred = |log10: f64| (-10.0 * log10).max(0.0) + 0.0;
    Qualities { site: phred(site_log10), allele: allele_log10.into_iter().map(phred).collect() }
}

impl Terms<'_> {
    /// log10 of the probability that all copies are of a kind; `share`: how much of each letter is of it.
    fn absent(&self, letter_frequencies: &[f64], share: impl Fn(u16) -> f64) -> f64 {
        let (mut total, mut with, mut without) = (0.0, 0.0, 0.0);
        for (genotype, weight) in self.weights(letter_frequencies) {
            let part: f64 = genotype.iter().map(|&letter| share(letter)).product();
            total += weight;
            without += weight * part;
            with += weight * (1.0 - part);
        }
        if total <= 0.0 {
            return 0.0;
        }
        // near 1 the other side has the digits
        if with < 0.5 * total {
            return (-with / total).ln_1p() / std::f64::consts::LN_10;
        }
        if without > f64::MIN_POSITIVE / f64::EPSILON {
            return (without / total).min(1.0).log10();
        }
        self.absent_in_logarithms(letter_frequencies, share) - total.log10()
    }

    /// log10 of the weight without the allele, where it is too small for a number.
    fn absent_in_logarithms(&self, letter_frequencies: &[f64], share: impl Fn(u16) -> f64) -> f64 {
        let genotypes = self.letters.chunks_exact(self.ploidy().max(1));
        let logs: Vec<f64> = genotypes
            .zip(self.orders.iter().zip(&self.class.likelihoods.pl))
            .map(|(genotype, (orders, &pl))| {
                let logs = genotype
                    .iter()
                    .map(|&letter| letter_frequencies[usize::from(letter)].log10() + share(letter).log10());
                orders.log10() + logs.sum::<f64>() - f64::from(pl) / 10.0
            })
            .filter(|log| log.is_finite())
            .collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            // no genotype is possible without the allele: as unlikely as the likelihoods can say
            return -f64::from(self.class.likelihoods.pl.iter().copied().max().unwrap_or(0)) / 10.0;
        }
        most + logs.iter().map(|log| 10f64.powf(log - most)).sum::<f64>().log10()
    }
}

/// Posterior probabilities of 0, 1, ... copies of an allele in one sample, given the frequencies of the site's alleles.
pub fn posterior_copies(likelihoods: &Likelihoods, allele: u16, frequency: &[f64]) -> Vec<f64> {
    let class = Class { likelihoods: likelihoods.clone(), n: 1 };
    let terms = Terms::new(&class);
    let letter_frequencies = terms.letter_frequencies(frequency);
    let named = &class.likelihoods.alleles;
    let place = named.binary_search(&allele).unwrap_or(named.len());
    let mut copies = vec![0.0; terms.ploidy() + 1];
    for (genotype, weight) in terms.weights(&letter_frequencies) {
        copies[genotype.iter().filter(|&&letter| usize::from(letter) == place).count()] += weight;
    }
    let total: f64 = copies.iter().sum();
    if total > 0.0 {
        copies.iter_mut().for_each(|value| *value /= total);
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SNV: [f64; 2] = [10.0, 0.01];

    fn class(alleles: &[u16], ploidy: u8, pl: &[u32], n: u64) -> Class {
        Class { likelihoods: Likelihoods { ploidy, alleles: alleles.to_vec(), pl: pl.to_vec() }, n }
    }

    /// A diploid sample of a biallelic site.
    fn sample(pl: [u32; 3], n: u64) -> Class {
        let [none, one, two] = pl;
        class(&[0, 1], 2, &[none, one, two, 9_000, 9_000, 9_000], n)
    }

    fn model(tolerance: f64) -> Model<'static> {
        Model { pseudo_counts: &SNV, spanning_deletion: None, tolerance, max_iterations: 1_000 }
    }

    fn qual(classes: &[Class], tolerance: f64) -> (f64, f64) {
        let found = estimate(classes, &model(tolerance));
        (qualities(classes, &found, &model(tolerance)).site, found.copies[1])
    }

    fn near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    /// Values of GATK's GenotypeGVCFs and of the research of this project.
    #[test]
    fn golden_numbers() {
        let (found, copies) = qual(&[sample([100, 0, 100], 1)], 0.1);
        near(found, 92.6396, 5e-5);
        near(copies, 1.0, 5e-4);
        near(qual(&[sample([79, 6, 0], 1)], 0.1).0, 67.32, 5e-3);
        near(qual(&[sample([0, 0, 0], 2), sample([79, 6, 0], 1)], 0.1).0, 69.24, 5e-3);
        let expected = [(1, 291.914), (10, 288.140), (100, 279.811), (1_000, 270.019), (10_000, 260.041)];
        for (n, expected) in expected {
            near(qual(&[sample([0, 60, 600], n), sample([300, 0, 300], 1)], 0.1).0, expected, 5e-4);
        }
        let many = [sample([0, 15, 150], 2_000), sample([40, 0, 300], 2)];
        let (found, copies) = qual(&many, 0.1);
        near(found, 20.5723, 5e-5);
        near(copies, 1.8695, 5e-5);
        let (found, copies) = qual(&many, 1e-9);
        near(found, 20.5567, 5e-5);
        near(copies, 1.86593, 5e-6);
        let half_a_million = [sample([0, 10, 100], 500_000), sample([200, 0, 200], 3)];
        near(qual(&half_a_million, 0.1).0, 446.25, 5e-3);
        near(qual(&half_a_million, 1e-6).0, 446.21, 5e-3);
    }

    #[test]
    fn flat_samples_raise_quality_and_very_sure_ones_stay_finite() {
        near(qual(&[sample([100, 0, 100], 1), sample([0, 0, 0], 1_000)], 0.1).0, 934.6, 0.05);
        let (found, _) = qual(&[sample([30_000, 0, 30_000], 5)], 1e-6);
        assert!(found.is_finite() && found > 149_000.0 && found < 150_000.0, "{found}");
    }

    /// Dense sums over all alleles of the site, without U.
    fn dense(classes: &[Class], frequency: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let n_alleles = frequency.len();
        let (mut copies, mut absent) = (vec![0.0; n_alleles], vec![0.0; n_alleles]);
        for class in classes {
            let all: Vec<u16> = (0..n_alleles as u16).collect();
            let named = &class.likelihoods;
            let place =
                |allele: u16| named.alleles.iter().position(|&a| a == allele).unwrap_or(named.alleles.len()) as u16;
            let (mut total, mut own, mut without) = (0.0, vec![0.0; n_alleles], vec![0.0; n_alleles]);
            for_each(all.len(), usize::from(named.ploidy), |genotype| {
                let mut letters: Vec<u16> = genotype.iter().map(|&allele| place(allele)).collect();
                letters.sort_unstable();
                let pl = named.pl[super::super::genotypes::index(&letters)];
                let frequency: f64 = genotype.iter().map(|&allele| frequency[usize::from(allele)]).product();
                let weight = n_orders(genotype) * frequency * 10f64.powf(-f64::from(pl) / 10.0);
                total += weight;
                for allele in 0..n_alleles {
                    let k = genotype.iter().filter(|&&copy| usize::from(copy) == allele).count();
                    own[allele] += weight * k as f64;
                    if k == 0 {
                        without[allele] += weight;
                    }
                }
            });
            for allele in 0..n_alleles {
                copies[allele] += class.n as f64 * own[allele] / total;
                absent[allele] += class.n as f64 * (without[allele] / total).log10();
            }
        }
        (copies, absent)
    }

    fn classes() -> impl Strategy<Value = Vec<Class>> {
        let one =
            (1u8..=4, prop::collection::btree_set(1u16..6, 0..4), 1u64..4).prop_flat_map(|(ploidy, others, n)| {
                let alleles: Vec<u16> = std::iter::once(0).chain(others).collect();
                let length = super::super::genotypes::n_genotypes(alleles.len() + 1, usize::from(ploidy)).unwrap_or(1);
                prop::collection::vec(0u32..60, length).prop_map(move |pl| class(&alleles, ploidy, &pl, n))
            });
        prop::collection::vec(one, 1..5)
    }

    proptest! {
        #[test]
        fn one_letter_for_all_unseen_alleles_is_exact(classes in classes(), raw in prop::collection::vec(0.01f64..1.0, 6)) {
            let total: f64 = raw.iter().sum();
            let frequency: Vec<f64> = raw.iter().map(|value| value / total).collect();
            let terms: Vec<Terms> = classes.iter().map(Terms::new).collect();
            let copies = expected_copies(&terms, &frequency);
            let (dense_copies, dense_absent) = dense(&classes, &frequency);
            let pseudo_counts = [10.0, 0.01, 0.01, 0.01, 0.01, 0.01];
            let model = Model { pseudo_counts: &pseudo_counts, spanning_deletion: None, tolerance: 0.1, max_iterations: 9 };
            let found = Frequencies { frequency: frequency.clone(), copies: copies.clone(), iterations: 1, converged: true };
            let quality = qualities(&classes, &found, &model);
            for allele in 0..6 {
                prop_assert!((copies[allele] - dense_copies[allele]).abs() < 1e-9);
                if allele > 0 {
                    prop_assert!((quality.allele[allele] + 10.0 * dense_absent[allele]).abs() < 1e-8);
                }
            }
        }

        #[test]
        fn haploid_samples_are_half_of_homozygous_ones(pl in prop::collection::vec((0u32..90, 0u32..90), 1..6)) {
            let haploid: Vec<Class> = pl.iter().map(|&(a, b)| class(&[0, 1], 1, &[a, b, 9_000], 1)).collect();
            let diploid: Vec<Class> = pl.iter().map(|&(a, b)| sample([a, 9_000, b], 1)).collect();
            let flat = Model { pseudo_counts: &[1e-9, 1e-9], ..model(1e-12) };
            let a = expected_copies(&haploid.iter().map(Terms::new).collect::<Vec<_>>(), &[0.5, 0.5]);
            let b = expected_copies(&diploid.iter().map(Terms::new).collect::<Vec<_>>(), &[0.5, 0.5]);
            prop_assert!((2.0 * a[1] - b[1]).abs() < 1e-6, "{a:?} {b:?} {flat:?}");
        }
    }
}
