//! Annotations of an allele from sums over its carriers: what filters of other tools need.
//!
//! Everything here is a function of integers that add up (strand counts, sums of squares, histograms, genotype counts), so
//! that neither the order of samples nor the way they were put together shows. Names are those of GATK's INFO keys.

use crate::call::hwe::hwe_exact;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Tables with more reads than [`FISHER_MAX_READS`] are shrunk to about this many before Fisher's test, as GATK does.
const FISHER_TARGET_READS: f64 = 200.0;
/// Tables with more reads are shrunk.
const FISHER_MAX_READS: u64 = 400;
/// Tables less likely than the observed one by no more than this (in logarithms) tie with it, as in R and GATK.
const LN_TIE_SLACK: f64 = 1e-7;
/// Least p-value of a test, so that its phred score is a number.
const LEAST_P: f64 = 1e-320;

/// Natural logarithms of 0!, 1!, ... up to the largest table.
static LN_FACTORIALS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let mut logs = vec![0.0];
    for n in 1..=FISHER_MAX_READS {
        logs.push(logs[logs.len() - 1] + (n as f64).ln());
    }
    logs
});

/// `-10 log10 p`, at least 0.
fn phred(p: f64) -> f64 {
    (-10.0 * p.max(LEAST_P).log10()).max(0.0) + 0.0
}

/// FS: phred-scaled p-value of Fisher's exact test, two-sided, on the table (REF forward, REF reverse, ALT forward, ALT
/// reverse): whether the two alleles are on the two strands in different proportions. 0 to 3,200.
///
/// Fisher 1922, J R Stat Soc 85:87. A table of more than 400 reads is first scaled to 200, each cell rounded down, and p is
/// at least 1e-320 (GATK: FisherStrand). O(rarer margin).
pub fn fisher_strand(table: [u64; 4]) -> f64 {
    phred(fisher_two_sided(shrunk(table)))
}

fn shrunk(table: [u64; 4]) -> [u64; 4] {
    let n_reads = table.iter().fold(0u64, |sum, &reads| sum.saturating_add(reads));
    if n_reads <= FISHER_MAX_READS {
        return table;
    }
    let scale = n_reads as f64 / FISHER_TARGET_READS;
    table.map(|reads| (reads as f64 / scale) as u64)
}

/// Two-sided p-value: with all margins as they are, a table has probability
/// `(a+b)! (c+d)! (a+c)! (b+d)! / (n! a! b! c! d!)`; the sum over the tables that are not more likely than this one. At most
/// 400 in total.
fn fisher_two_sided([a, b, c, d]: [u64; 4]) -> f64 {
    let (row, other_row, column) = (a + b, c + d, a + c);
    let ln_factorial = |n: u64| LN_FACTORIALS[n as usize];
    let margins = ln_factorial(row) + ln_factorial(other_row) + ln_factorial(column) + ln_factorial(b + d)
        - ln_factorial(row + other_row);
    let ln_p = |a: u64| {
        let cells = [a, row - a, column - a, other_row + a - column];
        margins - cells.into_iter().map(ln_factorial).sum::<f64>()
    };
    let limit = ln_p(a) + LN_TIE_SLACK;
    let possible = column.saturating_sub(other_row)..=row.min(column);
    let p: f64 = possible.map(ln_p).filter(|&ln_p| ln_p <= limit).map(f64::exp).sum();
    p.min(1.0)
}

/// SOR: `ln(R + 1/R) + ln(reference ratio) - ln(alternate ratio)`, where every cell has 1 added, `R` is the odds ratio
/// `ad / bc` of the table and a ratio is the smaller over the larger cell of a row (GATK: StrandOddsRatio). Large when the
/// alternate allele is on one strand; unlike FS it does not grow with depth.
pub fn strand_odds_ratio(table: [u64; 4]) -> f64 {
    let [a, b, c, d] = table.map(|reads| reads as f64 + 1.0);
    let ratio = a * d / (b * c);
    let (reference, alternate) = (a.min(b) / a.max(b), c.min(d) / c.max(d));
    (ratio + 1.0 / ratio).ln() + reference.ln() - alternate.ln()
}

/// MQ: `sqrt(sum of squared mapping qualities / reads)`, from the sums of RAW_MQandDP. `None` without reads.
pub fn root_mean_square(sum_of_squares: f64, n_reads: i64) -> Option<f64> {
    (n_reads > 0).then(|| (sum_of_squares / n_reads as f64).sqrt())
}

/// QD: QUAL over the reads of the carriers. `None` without reads. GATK replaces values above 35 by 30 and a random number;
/// here they stay as they are.
pub fn qual_by_depth(qual_phred: f64, n_reads: i64) -> Option<f64> {
    (n_reads > 0).then(|| qual_phred / n_reads as f64)
}

/// Median of values counted by bin; between the two middle ones their mean. `None` without values. O(bins).
pub fn median_of_bins(bins: &BTreeMap<i32, u64>) -> Option<f64> {
    let total: u64 = bins.values().sum();
    let lower = value_at(bins, total.checked_sub(1)? / 2)?;
    let upper = value_at(bins, total / 2)?;
    Some((f64::from(lower) + f64::from(upper)) / 2.0)
}

/// The value of this rank, from 0.
fn value_at(bins: &BTreeMap<i32, u64>, rank: u64) -> Option<i32> {
    let mut n_before = 0;
    bins.iter().find_map(|(&value, &n)| {
        n_before += n;
        (rank < n_before).then_some(value)
    })
}

/// ExcessHet: phred-scaled p-value of as many heterozygotes or more in Hardy-Weinberg proportions, from complete diploid
/// calls. `None` without calls. [`hwe_exact`]'s one-sided test, without mid-p (GATK halved the observed term up to 4.2.3, so
/// its older values are up to 3.01 higher), and without a floor of 160.
pub fn excess_het(n_hom_ref: u64, n_het: u64, n_hom_alt: u64) -> Option<f64> {
    hwe_exact(n_hom_ref, n_het, n_hom_alt).map(|found| phred(found.exc_het))
}

/// InbreedingCoeff: `F = 1 - heterozygotes / (2 p q n)`, from complete diploid calls: Wright 1922, Am Nat 56:330. `None`
/// without both alleles. GATK has the expected instead of the called genotypes in it.
pub fn inbreeding_coefficient(n_hom_ref: u32, n_het: u32, n_hom_alt: u32) -> Option<f64> {
    let n_calls = f64::from(n_hom_ref) + f64::from(n_het) + f64::from(n_hom_alt);
    let p = (2.0 * f64::from(n_hom_alt) + f64::from(n_het)) / (2.0 * n_calls);
    let n_expected = 2.0 * p * (1.0 - p) * n_calls;
    (n_expected > 0.0).then(|| 1.0 - f64::from(n_het) / n_expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    /// The table of GATK's FisherStrandUnitTest, worked out in R's fisher.test after scaling.
    #[test]
    fn published_fisher_tests() {
        let cases: [([u64; 4], f64); 22] = [
            ([9, 11, 12, 10], 0.7578618),
            ([12, 10, 9, 11], 0.7578618),
            ([9, 10, 12, 10], 0.7578618),
            ([9, 9, 12, 10], 1.0),
            ([9, 13, 12, 10], 0.5466948),
            ([12, 10, 9, 13], 0.5466948),
            ([9, 12, 11, 9], 0.5377362),
            ([0, 0, 0, 0], 1.0),
            ([100_000, 100_000, 100_000, 100_000], 1.0),
            ([0, 0, 100_000, 100_000], 1.0),
            ([100_000, 100_000, 100_000, 0], 1.312515e-15),
            ([100, 100, 100, 0], 3.730187e-23),
            ([13_736, 9_047, 41, 1_433], 6.162592e-05),
            ([66, 14, 64, 4], 4.243330e-02),
            ([351_169, 306_836, 153_739, 2_379], 2.193607e-09),
            ([116_449, 131_216, 289, 16_957], 1.340052e-03),
            ([137, 159, 9, 23], 6.088506e-02),
            ([129, 90, 21, 20], 3.919603e-01),
            ([14_054, 9_160, 16, 7_827], 7.466277e-17),
            ([32_803, 9_184, 32_117, 3_283], 1.795855e-02),
            ([2_068, 6_796, 1_133, 0], 5.919091e-13),
            ([u64::MAX, u64::MAX, 0, 0], 1.0),
        ];
        for (table, p) in cases {
            near(fisher_strand(table), -10.0 * f64::log10(p), 1e-3);
        }
    }

    /// The table by exact counting: ways to choose, as whole numbers.
    fn fisher_by_counting([a, b, c, d]: [u64; 4]) -> f64 {
        let choose = |n: u64, k: u64| (0..k).fold(1u128, |ways, i| ways * u128::from(n - i) / u128::from(i + 1));
        let (row, other_row, all) = (a + b, c + d, a + c);
        let of = |x: u64| choose(row, x) * choose(other_row, all - x);
        let possible = all.saturating_sub(other_row)..=row.min(all);
        let as_rare: u128 = possible.map(of).filter(|&ways| ways <= of(a)).sum();
        as_rare as f64 / choose(row + other_row, all) as f64
    }

    /// The example of GATK's documentation of StrandOddsRatio, and tables without reads or without bias.
    #[test]
    fn published_odds_ratio() {
        near(strand_odds_ratio([1_450, 345, 160, 212]), 0.592, 5e-4);
        near(strand_odds_ratio([0; 4]), 2f64.ln(), 1e-12);
        near(strand_odds_ratio([7, 7, 9, 9]), 2f64.ln(), 1e-12);
        // R = 100, both ratios 1/10
        near(strand_odds_ratio([9, 0, 0, 9]), 100.01f64.ln(), 1e-12);
        // R = 1/10, only the alternate allele is on one strand
        near(strand_odds_ratio([9, 9, 0, 9]), 10.1f64.ln() + 10f64.ln(), 1e-12);
        // and only the reference
        near(strand_odds_ratio([0, 9, 9, 9]), 10.1f64.ln() - 10f64.ln(), 1e-12);
    }

    /// The examples of GATK's documentation of QualByDepth.
    #[test]
    fn published_quality_by_depth() {
        near(qual_by_depth(1063.77, 31).unwrap(), 34.32, 5e-3);
        near(qual_by_depth(4107.13, 356).unwrap(), 11.54, 5e-3);
        assert_eq!(qual_by_depth(10.0, 0), None);
    }

    #[test]
    fn middle_values() {
        assert_eq!(median_of_bins(&BTreeMap::from([(1, 1), (5, 2), (9, 1)])), Some(5.0));
        assert_eq!(median_of_bins(&BTreeMap::from([(1, 1), (4, 1)])), Some(2.5));
        assert_eq!(median_of_bins(&BTreeMap::from([(-4, 3), (8, 0), (9, 2)])), Some(-4.0));
        assert_eq!(median_of_bins(&BTreeMap::from([(i32::MIN, 1), (i32::MAX, 1)])), Some(-0.5));
        assert_eq!(median_of_bins(&BTreeMap::new()), None);
        assert_eq!(median_of_bins(&BTreeMap::from([(7, 0)])), None);
        // 40 x 36^2 + 2 x 29^2 over 42 reads
        near(root_mean_square(53_522.0, 42).unwrap(), 35.6978, 1e-4);
        assert_eq!(root_mean_square(0.0, 0), None);
    }

    /// Values of Wigginton's test as in GATK's ExcessHetUnitTest, which are checked to more digits in `call/hwe.rs`.
    #[test]
    fn heterozygotes() {
        near(excess_het(14, 57, 50).unwrap(), -10.0 * 0.452549f64.log10(), 1e-4);
        near(excess_het(0, 10, 0).unwrap(), -10.0 * 0.00554245f64.log10(), 1e-4);
        let none = excess_het(10, 0, 0).unwrap();
        assert!(none == 0.0 && none.is_sign_positive());
        assert!(excess_het(0, 100_000, 0).unwrap() <= 3_200.1);
        assert_eq!(excess_het(0, 0, 0), None);
        assert_eq!(inbreeding_coefficient(25, 50, 25), Some(0.0));
        assert_eq!(inbreeding_coefficient(0, 50, 0), Some(-1.0));
        assert_eq!(inbreeding_coefficient(50, 0, 50), Some(1.0));
        assert_eq!((inbreeding_coefficient(10, 0, 0), inbreeding_coefficient(0, 0, 0)), (None, None));
    }

    proptest! {
        #[test]
        fn fisher_is_counting(table in prop::array::uniform4(0u64..15)) {
            let (found, expected) = (fisher_two_sided(table), fisher_by_counting(table));
            prop_assert!((found - expected).abs() < 1e-10, "{table:?}: {found} {expected}");
            let [a, b, c, d] = table;
            for same in [[b, a, d, c], [c, d, a, b], [a, c, b, d]] {
                prop_assert!((fisher_strand(same) - fisher_strand(table)).abs() < 1e-9);
            }
        }
    }
}
