//! The tail of a weighted sum of chi-squares, Q = sum of lambda_j z_j^2 with independent standard normal z_j and lambda_j > 0.
//!
//! Davies (1973, 1980) and Imhof (1961) invert the characteristic function along the imaginary axis: what they sum is of size 1
//! whatever the tail, so p has an absolute error, and with few lambda the terms decay as u^(-1-m/2). Here the same integral is taken
//! along a path through the saddle point (Rice 1980; Helstrom 1983), where what is summed is of the size of p and decays faster than
//! exponentially: p has a relative error (below 1e-9), also where it is below 1e-300, for some 75 terms.
//!
//! P(Q > q) = 1/(2 pi i) times the integral of exp(K(s) - s q) / s along s(t) = c + b t^2 + i t, K(s) = -1/2 sum of ln(1 - 2 lambda_j s),
//! with K'(c) - q - 1/c = 0. For q above the mean c is in (0, 1/(2 max lambda)); below it c < 0 and the integral is -P(Q < q). The path
//! bends away from the branch points of K, which are on the real axis right of c, and the trapezoidal rule converges
//! exponentially on it. Where the rule with half as many points differs, Liu, Tang & Zhang (2009) stand in.

use super::tails::{ln_p_chi2, ln_p_chi2_noncentral};
use std::f64::consts::PI;

/// Errors are the largest in 600 random mixtures of 1 to 250 weights.
const FINE: Rule = Rule { step: 0.2, small: 1e-13, difference: 1e-3 };
/// For sums of many tails: a relative error of 2e-6, a third of the terms.
const COARSE: Rule = Rule { step: 0.3, small: 1e-8, difference: 1e-2 };
/// Terms before there is no result.
const MAX_TERMS: usize = 600;
/// A weight below this share of the mean is rounding (as the SKAT package has it).
const LEAST_WEIGHT: f64 = 1e-5;
/// Factors of a product before its size is looked at.
const FACTORS: usize = 16;

/// How a tail was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Inversion of the characteristic function.
    Inversion,
    /// Four moments (Liu, Tang & Zhang 2009, with the kurtosis matched where the paper matches skewness: Lee et al. 2012).
    Liu,
}

/// The tail at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// ln P(Q > q).
    pub ln_p: f64,
    /// Its derivative by q.
    pub slope: f64,
    /// How it was found.
    pub how: How,
}

/// The trapezoidal rule.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// Step against the width of the saddle.
    step: f64,
    /// Terms end when they are this small against the first.
    small: f64,
    /// Largest difference of the rule with half as many points.
    difference: f64,
}

/// A weighted sum of chi-squares with one degree of freedom each.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// lambda over the largest of them.
    weights: Vec<f64>,
    largest: f64,
    /// Of the scaled sum.
    mean: f64,
}

/// Where the path crosses the real axis, and its shape.
struct Saddle {
    c: f64,
    /// Width: the step is a share of it.
    width: f64,
    bend: f64,
    /// K(c) - c q
    exponent: f64,
    /// 2 lambda_j / (1 - 2 lambda_j c)
    factors: Vec<f64>,
}

impl Mixture {
    /// Of eigenvalues, those that are rounding left out. `None`: none is positive.
    pub fn new(eigenvalues: &[f64]) -> Option<Mixture> {
        let positive = || eigenvalues.iter().copied().filter(|value| *value >= 0.0);
        let mean = positive().sum::<f64>() / positive().count() as f64;
        let mut weights: Vec<f64> = positive().filter(|value| *value > LEAST_WEIGHT * mean).collect();
        let largest = weights.iter().fold(0.0, |most: f64, value| most.max(*value));
        if !(largest > 0.0 && largest.is_finite()) {
            return None;
        }
        weights.iter_mut().for_each(|value| *value /= largest);
        Some(Mixture { mean: weights.iter().sum(), weights, largest })
    }

    /// Sum of the k-th powers of the weights.
    pub fn power_sum(&self, k: i32) -> f64 {
        self.weights.iter().map(|value| (value * self.largest).powi(k)).sum()
    }

    /// P(Q > q), with a relative error of 4e-10 at most.
    pub fn tail(&self, q: f64) -> Tail {
        self.tail_by(q, FINE)
    }

    /// P(Q > q), with a relative error of 2e-6 at most, in a third of the time.
    pub fn rough_tail(&self, q: f64) -> Tail {
        self.tail_by(q, COARSE)
    }

    fn tail_by(&self, q: f64, rule: Rule) -> Tail {
        if q <= 0.0 {
            return Tail { ln_p: 0.0, slope: 0.0, how: How::Inversion };
        }
        self.invert(q / self.largest, rule).unwrap_or_else(|| {
            let ln_p = |q| self.liu().ln_p(q);
            let step = 1e-4 * self.mean * self.largest;
            Tail { ln_p: ln_p(q), slope: (ln_p(q + step) - ln_p(q - step)) / (2.0 * step), how: How::Liu }
        })
    }

    /// The q with this tail, by Newton's method on ln p between bounds that close in; ln p is met to 1e-6.
    pub fn quantile(&self, ln_p: f64) -> f64 {
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut q = self.mean * self.largest;
        for _ in 0..100 {
            let tail = self.rough_tail(q);
            let excess = tail.ln_p - ln_p;
            if excess > 0.0 {
                low = q;
            } else {
                high = q;
            }
            if excess.abs() <= 1e-7 * ln_p.abs() {
                break;
            }
            let next = q - excess / tail.slope;
            q = match next.is_finite() && next > low && next < high {
                true => next,
                false if high.is_infinite() => 2.0 * q,
                false => 0.5 * (low + high),
            };
        }
        q
    }

    /// Moments for Liu's approximation.
    pub fn liu(&self) -> Liu {
        let c: [f64; 4] = std::array::from_fn(|at| self.power_sum(at as i32 + 1));
        let (skew, kurt) = (c[2] / c[1].powf(1.5), c[3] / (c[1] * c[1]));
        let (df, noncentrality, a) = if skew * skew > kurt {
            let a = 1.0 / (skew - (skew * skew - kurt).sqrt());
            let d = skew * a.powi(3) - a * a;
            (a * a - 2.0 * d, d, a)
        } else {
            (1.0 / kurt, 0.0, (1.0 / kurt).sqrt())
        };
        Liu { mean: c[0], sd: (2.0 * c[1]).sqrt(), df, noncentrality, a }
    }

    /// `q` is scaled as the weights are.
    fn invert(&self, q: f64, rule: Rule) -> Option<Tail> {
        let saddle = self.saddle(q)?;
        let Saddle { c, width, bend, exponent, .. } = saddle;
        let (mut tail, mut tail_even, mut density) = (0.5, 0.5, 0.5);
        let mut n_terms = 1;
        loop {
            let t = n_terms as f64 * rule.step * width;
            let shift = bend * t * t;
            let (ln_size, angle) = ln_inverse_root(&saddle.factors, shift, t);
            let size = (ln_size - q * shift).exp();
            let (sin, cos) = (angle - q * t).sin_cos();
            // ds/dt, and c ds/dt / s
            let (rise, s_re) = (2.0 * bend * t, c + shift);
            let scale = c / (s_re * s_re + t * t);
            let over_s = (scale * (rise * s_re + t), scale * (s_re - rise * t));
            let term = size * (cos * over_s.1 + sin * over_s.0);
            tail += term;
            if n_terms % 2 == 0 {
                tail_even += term;
            }
            density += size * (cos + sin * rise);
            // the terms of the tail and of the density
            if size * over_s.0.hypot(over_s.1).max(rise.hypot(1.0)) < rule.small {
                break;
            }
            n_terms += 1;
            if n_terms > MAX_TERMS {
                return None;
            }
        }
        let is_sure = tail > 0.0 && (2.0 * tail_even - tail).abs() <= rule.difference * tail;
        let unit = (rule.step * width / PI).ln() + exponent;
        let (ln_tail, ln_density) = (unit + tail.ln() - c.abs().ln(), unit + density.ln() - self.largest.ln());
        let ln_p = if c > 0.0 { ln_tail } else { (-ln_tail.exp()).ln_1p() };
        let slope = -(ln_density - ln_p).exp();
        (is_sure && ln_p.is_finite() && slope.is_finite()).then_some(Tail { ln_p, slope, how: How::Inversion })
    }

    /// The root of K'(s) - q - 1/s, which rises on both sides of 0, by Newton's method between bounds.
    fn saddle(&self, q: f64) -> Option<Saddle> {
        let value = |s: f64| {
            let terms = self.weights.iter().map(|weight| weight / (1.0 - 2.0 * weight * s));
            let (first, second) =
                terms.fold((0.0, 0.0), |(sum, squares), term| (sum + term, squares + 2.0 * term * term));
            (first - q - 1.0 / s, second + 1.0 / (s * s))
        };
        let (mut low, mut high) = if q > self.mean { (0.0, 0.5 - 1e-16) } else { (-1.0, 0.0) };
        while high == 0.0 && value(low).0 > 0.0 {
            low *= 2.0;
        }
        let mut c = 0.5 * (low + high);
        for _ in 0..200 {
            let (excess, rise) = value(c);
            *(if excess > 0.0 { &mut high } else { &mut low }) = c;
            let next = c - excess / rise;
            let next = if next > low && next < high { next } else { 0.5 * (low + high) };
            let moved = (next - c).abs();
            c = next;
            if moved <= 1e-9 * c.abs().min((0.5 - c).abs()) {
                break;
            }
        }
        let factors: Vec<f64> = self.weights.iter().map(|weight| 2.0 * weight / (1.0 - 2.0 * weight * c)).collect();
        let squares: f64 = factors.iter().map(|f| 0.5 * f * f).sum::<f64>() + 1.0 / (c * c);
        let cubes: f64 = factors.iter().map(|f| f.powi(3)).sum();
        let exponent = -0.5 * self.weights.iter().map(|weight| (-2.0 * weight * c).ln_1p()).sum::<f64>() - c * q;
        let found = Saddle { c, width: 1.0 / squares.sqrt(), bend: cubes / (6.0 * squares), exponent, factors };
        (found.width > 0.0 && found.bend.is_finite() && exponent.is_finite()).then_some(found)
    }
}

/// ln size and angle of the product of (1 - f (re + i im))^(-1/2), each root continued from 1. `im` > 0: every factor has an angle in
/// (-pi, 0), so the angle of the product falls with each, and goes round where its imaginary part becomes positive.
fn ln_inverse_root(factors: &[f64], re: f64, im: f64) -> (f64, f64) {
    let (mut x, mut y, mut ln_size, mut turns) = (1.0_f64, 0.0_f64, 0.0, 0);
    for some in factors.chunks(FACTORS) {
        for f in some {
            let (a, b) = (1.0 - f * re, -f * im);
            let next = (x * a - y * b, x * b + y * a);
            turns += i32::from(y <= 0.0 && next.1 > 0.0);
            (x, y) = next;
        }
        let size = x.hypot(y);
        (x, y, ln_size) = (x / size, y / size, ln_size + size.ln());
    }
    (-0.5 * ln_size, -0.5 * (y.atan2(x) - 2.0 * PI * f64::from(turns)))
}

/// A chi-square, not central, with the moments of a mixture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Liu {
    mean: f64,
    sd: f64,
    df: f64,
    noncentrality: f64,
    a: f64,
}

impl Liu {
    /// ln P(Q > q).
    pub fn ln_p(&self, q: f64) -> f64 {
        let x = (q - self.mean) / self.sd * std::f64::consts::SQRT_2 * self.a + self.df + self.noncentrality;
        ln_p_chi2_noncentral(x, self.df, self.noncentrality)
    }

    /// The q with this tail where the chi-square is taken as central, as the SKAT package does in SKAT-O.
    pub fn central_quantile(&self, ln_p: f64) -> f64 {
        let df = self.df;
        let (mut low, mut high) = (0.0, df.max(1.0));
        while ln_p_chi2(high, df) > ln_p {
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            *(if ln_p_chi2(middle, df) > ln_p { &mut low } else { &mut high }) = middle;
        }
        (low - df) / (2.0 * df).sqrt() * self.sd + self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tails::ln_p_normal;

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs(), "{found} is not {expected}");
    }

    fn p(weights: &[f64], q: f64) -> f64 {
        let tail = Mixture::new(weights).expect("a mixture").tail(q);
        assert_eq!(tail.how, How::Inversion);
        tail.ln_p.exp()
    }

    /// One weight is the square of a normal; two equal weights are exponential; 2 n equal weights a sum of Poisson terms.
    #[test]
    fn closed_forms() {
        for q in [1e-6, 0.1, 0.9, 1.0, 1.1, 3.84, 40.0, 3000.0] {
            let tail = Mixture::new(&[2.5]).expect("a mixture").tail(2.5 * q);
            close(tail.ln_p, ln_p_normal(f64::sqrt(q)), 1e-8);
            let tail = Mixture::new(&[0.3, 0.3]).expect("a mixture").tail(0.3 * q);
            close(tail.ln_p, -0.5 * q, 1e-8);
            close(tail.slope, -0.5 / 0.3, 1e-8);
        }
        let poisson = |q: f64, n: u32| {
            let half = 0.5 * q;
            (0..n).scan(1.0, |term, k| Some(std::mem::replace(term, *term * half / f64::from(k + 1)))).sum::<f64>().ln()
                - half
        };
        for n in [2, 10, 300] {
            for share in [0.3, 0.8, 0.99, 1.0, 1.01, 1.2, 2.5] {
                let q = 2.0 * f64::from(n) * share;
                close(p(&vec![1.0; 2 * n as usize], q), poisson(q, n).exp(), 1e-8);
            }
        }
    }

    /// Table 1 of Imhof (1961), as Farebrother (1984, AS 204) and Davies (1980) also have it. Weights are repeated by their degrees of
    /// freedom; only forms without noncentrality.
    #[test]
    fn published_tables() {
        let q1 = [0.6, 0.3, 0.1];
        let q2: Vec<f64> = q1.iter().flat_map(|&w| [w, w]).collect();
        let q3: Vec<f64> = [(0.6, 6), (0.3, 4), (0.1, 2)].iter().flat_map(|&(w, n)| vec![w; n]).collect();
        let q4: Vec<f64> = [(0.6, 2), (0.3, 4), (0.1, 6)].iter().flat_map(|&(w, n)| vec![w; n]).collect();
        let rows: [(&[f64], f64, f64); 12] = [
            (&q1, 0.1, 0.9458),
            (&q1, 0.7, 0.5064),
            (&q1, 2.0, 0.1240),
            (&q2, 0.2, 0.9936),
            (&q2, 2.0, 0.3998),
            (&q2, 6.0, 0.0161),
            (&q3, 1.0, 0.9973),
            (&q3, 5.0, 0.4353),
            (&q3, 12.0, 0.0088),
            (&q4, 1.0, 0.9666),
            (&q4, 3.0, 0.4196),
            (&q4, 8.0, 0.0087),
        ];
        for (weights, q, expected) in rows {
            assert!((p(weights, q) - expected).abs() < 6e-5, "{} {q} {expected}", p(weights, q));
        }
    }

    /// Made with 40 digits by another method (residues of the characteristic function of pairs: hypoexponential sums).
    #[test]
    fn far_tails_of_unequal_weights() {
        // pairs of weights a > b: P = (a exp(-q/2a) - b exp(-q/2b)) / (a - b)
        for (a, b) in [(1.0, 0.5), (1.0, 0.99), (3.0, 0.01)] {
            for q in [0.01, 1.0, 8.0, 100.0, 1000.0, 20_000.0_f64] {
                let ratio = b / a * (q / (2.0 * a) - q / (2.0 * b)).exp();
                let expected = -q / (2.0 * a) + (-ratio).ln_1p() - (1.0 - b / a).ln();
                close(Mixture::new(&[a, a, b, b]).expect("a mixture").tail(q).ln_p, expected, 2e-8);
            }
        }
    }

    #[test]
    fn quantiles_go_back() {
        let weights: Vec<f64> = (1..40).map(|at| 1.0 / f64::from(at * at)).collect();
        let mixture = Mixture::new(&weights).expect("a mixture");
        for ln_p in [-1e-6, -0.01, -0.5, -2.0, -20.0, -2000.0] {
            close(mixture.tail(mixture.quantile(ln_p)).ln_p, ln_p, 1e-5);
        }
    }

    /// Equal weights make Liu's moments exact; and the tail is near where they are not.
    #[test]
    fn moments() {
        let liu = Mixture::new(&[0.5; 7]).expect("a mixture").liu();
        close(liu.ln_p(12.0), ln_p_chi2(24.0, 7.0), 1e-10);
        close(liu.central_quantile(liu.ln_p(12.0)), 12.0, 1e-8);
        let mixture = Mixture::new(&[0.6, 0.3, 0.1]).expect("a mixture");
        assert!((mixture.liu().ln_p(2.0).exp() - 0.124).abs() < 0.003);
        assert_eq!(Mixture::new(&[0.0, -1.0]), None);
        assert_eq!(Mixture::new(&[1.0, 1e-7, -1e-9]).expect("one").weights, [1.0]);
    }
}
