//! Hardy-Weinberg mid-p from counts and the exact p that the tables hold: no second walk over all heterozygote counts.
//!
//! Graffelman, Moreno 2013, Stat Appl Genet Mol Biol 12:433, doi:10.1515/sagmb-2012-0039: mid-p = p - P(tables as probable as the
//! observed one) / 2. Two tables tie at most, because probabilities fall to both sides of the most probable one; PLINK 2 takes half
//! of both.

/// Tables whose log probabilities differ by less tie, as in [`crate::call::hwe`].
const TIE_LN: f64 = 1e-7;

/// ln n! for n up to a largest one.
#[derive(Clone, Debug)]
pub struct LnFactorials {
    values: Vec<f64>,
}

impl LnFactorials {
    /// Up to the number of alleles of `n_samples` diploid samples. Sums are compensated (Neumaier 1974): 8 bytes an allele.
    pub fn of_samples(n_samples: usize) -> LnFactorials {
        let (mut sum, mut lost) = (0.0f64, 0.0f64);
        let mut values = Vec::with_capacity(2 * n_samples + 1);
        values.push(0.0);
        for n in 1..=2 * n_samples {
            let term = (n as f64).ln();
            let next = sum + term;
            lost += if sum >= term { (sum - next) + term } else { (term - next) + sum };
            sum = next;
            values.push(sum + lost);
        }
        LnFactorials { values }
    }

    fn of(&self, n: u64) -> f64 {
        self.values[n as usize]
    }
}

/// Genotype counts of diploid calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diploid {
    /// No copy.
    pub n_hom_ref: u64,
    /// One copy.
    pub n_het: u64,
    /// Two copies.
    pub n_hom_alt: u64,
}

impl Diploid {
    fn n_calls(self) -> u64 {
        self.n_hom_ref + self.n_het + self.n_hom_alt
    }

    /// Inbreeding coefficient of the variant: 1 - observed / expected heterozygotes, with 2npq expected (Wright 1922). `None` where
    /// none are expected.
    pub fn inbreeding(self) -> Option<f64> {
        let n = self.n_calls() as f64;
        let copies = (self.n_het + 2 * self.n_hom_alt) as f64;
        let expected = copies * (2.0 * n - copies) / (2.0 * n);
        (expected > 0.0).then(|| 1.0 - self.n_het as f64 / expected)
    }

    /// Mid-p of the table whose exact two-sided p is `p`. O(log rarer allele count) time.
    pub fn mid_p(self, p: f64, ln: &LnFactorials) -> f64 {
        let n = self.n_calls();
        let rare = 2 * self.n_hom_ref.min(self.n_hom_alt) + self.n_het;
        let ln_margins = ln.of(n) + ln.of(rare) + ln.of(2 * n - rare) - ln.of(2 * n);
        let ln_p = |het: u64| {
            let hom_rare = (rare - het) / 2;
            ln_margins + het as f64 * std::f64::consts::LN_2 - ln.of(het) - ln.of(hom_rare) - ln.of(n - het - hom_rare)
        };
        let observed = ln_p(self.n_het);
        let n_tied = 1 + u64::from(has_tie(rare, self.n_het, &ln_p));
        (p - 0.5 * n_tied as f64 * observed.exp()).max(0.0)
    }
}

/// Whether another number of heterozygotes is as probable as the observed one. Probabilities rise to the mode and fall after it.
fn has_tie(rare: u64, observed: u64, ln_p: &impl Fn(u64) -> f64) -> bool {
    let level = ln_p(observed);
    let parity = rare % 2;
    // heterozygotes = parity + 2 * step
    let (steps, own) = (rare / 2, observed / 2);
    let at = |step: u64| ln_p(parity + 2 * step);
    // the first step that is followed by a less probable one
    let mode = first(0, steps, |step| at(step + 1) < at(step));
    let tied = |step: u64| step != own && step <= steps && (at(step) - level).abs() < TIE_LN;
    let other = if own <= mode {
        first(mode, steps, |step| at(step) < level + TIE_LN)
    } else {
        first(0, mode, |step| at(step) > level - TIE_LN)
    };
    tied(other) || (own == mode && (own > 0 && tied(own - 1) || tied(own + 1)))
}

/// The first of `from..to` for which `test` holds, which is false before some point and true after; `to` where there is none.
fn first(from: u64, to: u64, test: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if test(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::hwe::hwe_exact;

    /// Exact p and mid-p by a sum over all tables, in a direct form.
    fn direct(a: u64, h: u64, b: u64) -> (f64, f64) {
        let ln = LnFactorials::of_samples((a + h + b) as usize);
        let rare = 2 * a.min(b) + h;
        let n = a + h + b;
        let weight = |het: u64| {
            let hom = (rare - het) / 2;
            (het as f64 * 2f64.ln() - ln.of(het) - ln.of(hom) - ln.of(n - het - hom)).exp()
        };
        let all: Vec<f64> = (0..=rare).filter(|het| het % 2 == rare % 2).map(weight).collect();
        let (sum, own) = (all.iter().sum::<f64>(), weight(h));
        let less: f64 = all.iter().filter(|&&p| p < own * (1.0 - 1e-7)).sum();
        let tied: f64 = all.iter().filter(|&&p| (p / own - 1.0).abs() <= 1e-7).sum();
        ((less + tied) / sum, (less + tied / 2.0) / sum)
    }

    #[test]
    fn mid_p_is_that_of_the_direct_sum() {
        for n in 1..14u64 {
            let ln = LnFactorials::of_samples(n as usize);
            for a in 0..=n {
                for h in 0..=n - a {
                    let (p, mid) = direct(a, h, n - a - h);
                    let exact = hwe_exact(a, h, n - a - h).expect("calls").p;
                    let found = Diploid { n_hom_ref: a, n_het: h, n_hom_alt: n - a - h }.mid_p(exact, &ln);
                    assert!((exact - p).abs() < 1e-12, "{a} {h} {}: p {exact}, not {p}", n - a - h);
                    assert!((found - mid).abs() < 1e-12, "{a} {h} {}: mid-p {found}, not {mid}", n - a - h);
                }
            }
        }
    }

    #[test]
    fn by_hand() {
        // two samples, two copies: P(het = 2) = 2/3, P(het = 0) = 1/3
        let ln = LnFactorials::of_samples(2);
        let mid_p = |n_hom_ref, n_het, n_hom_alt, p| Diploid { n_hom_ref, n_het, n_hom_alt }.mid_p(p, &ln);
        assert!((mid_p(0, 2, 0, 1.0) - 2.0 / 3.0).abs() < 1e-14);
        assert!((mid_p(1, 0, 1, 1.0 / 3.0) - 1.0 / 6.0).abs() < 1e-14);
        let f = |n_hom_ref, n_het, n_hom_alt| Diploid { n_hom_ref, n_het, n_hom_alt }.inbreeding();
        assert_eq!((f(1, 0, 1), f(0, 2, 0), f(2, 0, 0)), (Some(1.0), Some(-1.0), None));
    }
}
