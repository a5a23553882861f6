//! Fisher's exact test of a table of two by two.

/// Probabilities that are larger than the observed one by this share only count as equal (as R has it).
const EQUAL: f64 = 1e-7;

/// ln of the two-sided p: the probability, given the margins, of the tables that are not more probable than this one (Fisher 1935).
/// `table`: `[[a, b], [c, d]]`. Time: the smallest margin.
pub fn ln_p(table: [[u64; 2]; 2]) -> f64 {
    let [[a, b], [c, d]] = table;
    let (first, total, n) = (a + b, a + c, a + b + c + d);
    let least = (first + total).saturating_sub(n);
    let most = first.min(total);
    // ln of the probabilities against that of the first table; ratios of neighbours need no factorials
    let ratio = |k: u64| {
        let up = (first - k) as f64 * (total - k) as f64;
        (up / ((k + 1) as f64 * (n + k + 1 - first - total) as f64)).ln()
    };
    let mut ln_sizes = vec![0.0];
    for k in least..most {
        ln_sizes.push(ln_sizes[ln_sizes.len() - 1] + ratio(k));
    }
    let largest = ln_sizes.iter().fold(f64::NEG_INFINITY, |most: f64, size| most.max(*size));
    let observed = ln_sizes[(a - least) as usize];
    let sum = |values: &mut dyn Iterator<Item = &f64>, from: f64| values.map(|size| (size - from).exp()).sum::<f64>();
    let all = largest + sum(&mut ln_sizes.iter(), largest).ln();
    let extreme = observed + sum(&mut ln_sizes.iter().filter(|size| **size <= observed + EQUAL), observed).ln();
    (extreme - all).min(0.0)
}

/// ln of the odds ratio and its standard error (Woolf 1955); 1/2 is added to all cells where one is empty (Haldane 1956, Anscombe 1956).
pub fn ln_odds_ratio(table: [[u64; 2]; 2]) -> (f64, f64) {
    let cells = table.concat();
    let add = if cells.contains(&0) { 0.5 } else { 0.0 };
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| cells[at] as f64 + add);
    ((a * d / (b * c)).ln(), (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    /// Fisher's tea: 3 of 4 right has p 34/70; counting by hand.
    #[test]
    fn by_hand() {
        close(ln_p([[3, 1], [1, 3]]).exp(), 34.0 / 70.0);
        close(ln_p([[4, 0], [0, 4]]).exp(), 2.0 / 70.0);
        close(ln_p([[2, 2], [2, 2]]).exp(), 1.0);
        close(ln_p([[0, 0], [5, 7]]), 0.0);
        // one carrier of 3 among 10: 3 / 10
        close(ln_p([[1, 0], [2, 7]]).exp(), 0.3);
    }

    /// p far below 1e-308: only the most extreme table counts, 1 / binomial(2000, 1000).
    #[test]
    fn far_tail() {
        let ln_binomial: f64 = (1..=1000).map(|k| (f64::from(1000 + k) / f64::from(k)).ln()).sum();
        let found = ln_p([[1000, 0], [0, 1000]]);
        assert!((found - (2.0_f64.ln() - ln_binomial)).abs() < 1e-9, "{found}");
    }

    #[test]
    fn odds() {
        let (beta, se) = ln_odds_ratio([[12, 8], [10, 30]]);
        close(beta, (12.0_f64 * 30.0 / 80.0).ln());
        close(se, (1.0 / 12.0 + 1.0 / 8.0 + 1.0 / 10.0 + 1.0 / 30.0_f64).sqrt());
        close(ln_odds_ratio([[0, 4], [7, 9]]).0, (0.5_f64 * 9.5 / (4.5 * 7.5)).ln());
    }
}
