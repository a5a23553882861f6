use super::super::genotypes::{for_each, index, n_genotypes, n_orders};
use super::sums::ln_sum;
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
        let classes: Vec<Class> = genotypes.iter().map(|genotype| called(genotype.len() as u8, genotype, 20)).collect();
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
