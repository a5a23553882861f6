//! Exact tests of Hardy-Weinberg proportions.
//!
//! Wigginton, Cutler, Abecasis 2005, Am J Hum Genet 76:887, doi:10.1086/429864. Diploid complete calls only.

/// Relative slack when probabilities are compared with that of the observed table, as PLINK and GATK have it:
/// tables that tie in exact arithmetic must tie in floating point.
const TIE_SLACK: f64 = 1.0 + 1e-7;
/// Terms below this share of the sum so far cannot change a digit of it.
const NEGLIGIBLE: f64 = 1e-17;

/// Both tails of one table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hwe {
    /// Two-sided exact p in (0, 1].
    pub p: f64,
    /// P(as many heterozygotes as observed or more), one-sided.
    pub exc_het: f64,
}

/// Hardy-Weinberg exact test of one site; `None` without calls.
///
/// Probabilities of all heterozygote counts of the same parity are built from the most probable one outwards by the
/// recurrence of the paper, relative to it. O(rarer allele count) time at worst, no allocation.
pub fn hwe_exact(n_hom_ref: u64, n_het: u64, n_hom_alt: u64) -> Option<Hwe> {
    let n_calls = n_hom_ref + n_het + n_hom_alt;
    if n_calls == 0 {
        return None;
    }
    let rare = 2 * n_hom_ref.min(n_hom_alt) + n_het;
    if rare == 0 {
        return Some(Hwe { p: 1.0, exc_het: 1.0 });
    }
    if rare == 1 {
        return Some(Hwe { p: 1.0, exc_het: 1.0 });
    }
    let total = 2 * n_calls;
    // The most probable number of heterozygotes, of the parity that the allele counts allow.
    let mut mode = (rare as f64 * (total - rare) as f64 / total as f64) as u64;
    if mode % 2 != rare % 2 {
        mode += 1;
    }
    mode = mode.min(rare);
    // Everything is relative to the probability of the observed table, which is 1 here: no under- or overflow decides.
    let observed = n_het;
    let down = |het: u64| -> f64 {
        // p(het - 2) / p(het)
        let hom_rare = (rare - het) / 2;
        let hom_common = n_calls - het - hom_rare;
        (het as f64 * (het - 1) as f64) / (4.0 * (hom_rare + 1) as f64 * (hom_common + 1) as f64)
    };
    let up = |het: u64| -> f64 {
        // p(het + 2) / p(het)
        let hom_rare = (rare - het) / 2;
        let hom_common = n_calls - het - hom_rare;
        (4.0 * hom_rare as f64 * hom_common as f64) / ((het + 2) as f64 * (het + 1) as f64)
    };
    // Relative to the mode; the observed table's own relative probability is found on the way.
    let mut relative_observed = 1.0;
    if observed < mode {
        let mut het = mode;
        while het > observed {
            relative_observed *= down(het);
            het -= 2;
        }
    } else {
        let mut het = mode;
        while het < observed {
            relative_observed *= up(het);
            het += 2;
        }
    }
    let limit = relative_observed * TIE_SLACK;
    let (mut sum, mut two_sided, mut more) = (0.0f64, 0.0f64, 0.0f64);
    let mut add = |het: u64, p: f64| {
        sum += p;
        if p <= limit {
            two_sided += p;
        }
        if het >= observed {
            more += p;
        }
        // Terms fall monotonically away from the mode: beyond the observed table, stop when nothing can change.
        p < sum * NEGLIGIBLE && p < two_sided * NEGLIGIBLE && (het < observed || p < more * NEGLIGIBLE)
    };
    add(mode, 1.0);
    let (mut het, mut p) = (mode, 1.0);
    while het >= 2 {
        p *= down(het);
        het -= 2;
        if add(het, p) && het < observed {
            break;
        }
    }
    let (mut het, mut p) = (mode, 1.0);
    while het + 2 <= rare {
        p *= up(het);
        het += 2;
        if add(het, p) && het > observed {
            break;
        }
    }
    Some(Hwe { p: (two_sided / sum).min(1.0), exc_het: (more / sum).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= expected.abs() * 1e-4, "{found} is not {expected}");
    }

    #[test]
    fn published_values() {
        let found = hwe_exact(14, 57, 50).expect("calls");
        close(found.p, 0.84228);
        close(found.exc_het, 0.452549);
        let found = hwe_exact(0, 10, 0).expect("calls");
        close(found.p, 0.00690641);
        close(found.exc_het, 0.00554245);
        close(hwe_exact(0, 100, 0).expect("calls").p, 1.5114e-29);
    }

    #[test]
    fn agrees_with_a_direct_sum() {
        fn ln_factorial(n: u64) -> f64 {
            (1..=n).map(|i| (i as f64).ln()).sum()
        }
        for (a, h, b) in [(3, 4, 2), (0, 5, 7), (10, 1, 0), (2, 0, 2), (20, 30, 11), (1, 0, 40), (0, 0, 5)] {
            let n = a + h + b;
            let rare = 2 * a.min(b) + h;
            let ln_p = |het: u64| {
                let hom_rare = (rare - het) / 2;
                let hom_common = n - het - hom_rare;
                het as f64 * 2f64.ln() - ln_factorial(het) - ln_factorial(hom_rare) - ln_factorial(hom_common)
            };
            let all: Vec<(u64, f64)> =
                (0..=rare).filter(|het| het % 2 == rare % 2).map(|het| (het, ln_p(het).exp())).collect();
            let sum: f64 = all.iter().map(|(_, p)| p).sum();
            let observed = ln_p(h).exp();
            let p: f64 = all.iter().filter(|(_, p)| *p <= observed * TIE_SLACK).map(|(_, p)| p).sum::<f64>() / sum;
            let more: f64 = all.iter().filter(|(het, _)| *het >= h).map(|(_, p)| p).sum::<f64>() / sum;
            let found = hwe_exact(a, h, b).expect("calls");
            assert!(
                (found.p - p).abs() < 1e-12 && (found.exc_het - more).abs() < 1e-12,
                "{a} {h} {b}: {found:?} {p} {more}"
            );
        }
    }

    #[test]
    fn no_calls_no_p() {
        assert_eq!(hwe_exact(0, 0, 0), None);
    }
}
