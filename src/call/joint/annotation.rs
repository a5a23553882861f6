//! Annotations of an allele from sums over its carriers.

use std::collections::BTreeMap;

/// Tables with more reads are shrunk to about this many before Fisher's test, as GATK does.
const FISHER_TARGET_READS: f64 = 200.0;
/// Tables with more than twice the target are shrunk.
const FISHER_MAX_READS: u64 = 400;
/// Least p-value of Fisher's test.
const LEAST_P: f64 = 1e-320;

/// FS: phred-scaled p-value of Fisher's exact test, two-sided, on the table (REF forward, REF reverse; ALT forward, ALT
/// reverse). Fisher 1922; table shrinking and floor as in GATK's StrandBiasTest and FisherStrand.
pub fn fisher_strand(table: [u64; 4]) -> f64 {
    let total: u64 = table.iter().sum();
    let table = if total > FISHER_MAX_READS {
        let scale = total as f64 / FISHER_TARGET_READS;
        table.map(|reads| (reads as f64 / scale) as u64)
    } else {
        table
    };
    (-10.0 * fisher_two_sided(table).max(LEAST_P).log10()).max(0.0) + 0.0
}

/// Two-sided p-value: the sum over all tables with the same margins that are not more likely than this one.
fn fisher_two_sided([a, b, c, d]: [u64; 4]) -> f64 {
    let (row, other_row, column) = (a + b, c + d, a + c);
    let total = row + other_row;
    if total == 0 {
        return 1.0;
    }
    let logs = log_factorials(total as usize);
    let log_p = |a: u64| {
        let cells = [a, row - a, column - a, other_row + a - column];
        let margins = [row, other_row, column, total - column];
        margins.iter().map(|&n| logs[n as usize]).sum::<f64>()
            - logs[total as usize]
            - cells.iter().map(|&n| logs[n as usize]).sum::<f64>()
    };
    let observed = log_p(a);
    let (first, last) = (column.saturating_sub(other_row), row.min(column));
    // sums of equal terms must not differ by rounding
    let p: f64 = (first..=last).map(log_p).filter(|&log| log <= observed + 1e-7).map(f64::exp).sum();
    p.min(1.0)
}

fn log_factorials(n: usize) -> Vec<f64> {
    let mut logs = vec![0.0; n + 1];
    for k in 1..=n {
        logs[k] = logs[k - 1] + (k as f64).ln();
    }
    logs
}

/// SOR: ln(R + 1/R) + ln(reference ratio) - ln(alternate ratio), every cell plus 1, where R is the odds ratio and a ratio
/// is the smaller over the larger cell of a row (GATK's StrandOddsRatio).
pub fn strand_odds_ratio(table: [u64; 4]) -> f64 {
    let [a, b, c, d] = table.map(|reads| reads as f64 + 1.0);
    let ratio = a * d / (b * c);
    let (reference, alternate) = (a.min(b) / a.max(b), c.min(d) / c.max(d));
    (ratio + 1.0 / ratio).ln() + reference.ln() - alternate.ln()
}

/// Root mean square of mapping qualities, from the sum of their squares and the number of reads.
pub fn root_mean_square(sum_of_squares: f64, n_reads: i64) -> Option<f64> {
    (n_reads > 0).then(|| (sum_of_squares / n_reads as f64).sqrt())
}

/// Median of values counted by bin; between the two middle ones their mean.
pub fn median_of_bins(bins: &BTreeMap<i32, u64>) -> Option<f64> {
    let total: u64 = bins.values().sum();
    if total == 0 {
        return None;
    }
    let at = |rank: u64| {
        let mut seen = 0;
        for (&value, &n) in bins {
            seen += n;
            if rank < seen {
                return f64::from(value);
            }
        }
        0.0
    };
    Some((at((total - 1) / 2) + at(total / 2)) / 2.0)
}

/// F = 1 - observed / expected heterozygotes, from diploid counts; `None` without both alleles.
pub fn inbreeding_coefficient(hom_ref: u32, het: u32, hom_alt: u32) -> Option<f64> {
    let n = f64::from(hom_ref) + f64::from(het) + f64::from(hom_alt);
    let p = (2.0 * f64::from(hom_alt) + f64::from(het)) / (2.0 * n);
    let expected = 2.0 * p * (1.0 - p) * n;
    (expected > 0.0).then(|| 1.0 - f64::from(het) / expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strand_bias() {
        assert!((fisher_two_sided([3, 1, 1, 3]) - 34.0 / 70.0).abs() < 1e-12);
        assert!((fisher_two_sided([8, 2, 1, 5]) - 400.0 / 11_440.0).abs() < 1e-12);
        assert_eq!(fisher_strand([0; 4]), 0.0);
        assert!(fisher_strand([2_000, 0, 0, 2_000]) > 500.0);
        assert!((strand_odds_ratio([0; 4]) - 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn middle_values() {
        assert_eq!(median_of_bins(&BTreeMap::from([(1, 1), (5, 2), (9, 1)])), Some(5.0));
        assert_eq!(median_of_bins(&BTreeMap::from([(1, 1), (4, 1)])), Some(2.5));
        assert_eq!(median_of_bins(&BTreeMap::new()), None);
        assert_eq!(root_mean_square(7_200.0, 2), Some(60.0));
        assert_eq!(inbreeding_coefficient(25, 50, 25), Some(0.0));
        assert_eq!(inbreeding_coefficient(10, 0, 0), None);
    }
}
