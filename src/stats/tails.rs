//! Two-sided p values as natural logarithms, so that a p far below 1e-308 is still a number.

use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::gamma::ln_gamma;
use std::f64::consts::{LN_2, PI};

/// Median of chi-square with one degree of freedom, as genomic control divides by (Devlin & Roeder 1999).
pub const MEDIAN_CHI2: f64 = 0.454_936_423_119_572_8;
/// Terms of a continued fraction; it converges in some tens.
const MAX_TERMS: usize = 20_000;
/// From here on the normal tail is a continued fraction: `erfc` has lost no digits yet.
const FAR_Z: f64 = 5.0;

/// ln P(|Z| >= |z|) of a standard normal Z.
pub fn ln_p_normal(z: f64) -> f64 {
    let z = z.abs();
    if z < FAR_Z {
        return erfc(z / std::f64::consts::SQRT_2).ln();
    }
    if z.is_infinite() {
        return f64::NEG_INFINITY;
    }
    // Mills ratio: Q(z) = phi(z) / (z + 1/(z + 2/(z + ...))), from the inside out
    let fraction = (1..=100).rev().fold(z, |inner, term| z + f64::from(term) / inner);
    LN_2 - 0.5 * z * z - 0.5 * (2.0 * PI).ln() - fraction.ln()
}

/// ln P(|T| >= |t|) of Student's t with `df` > 0 degrees of freedom: I_x(df/2, 1/2) with x = df / (df + t^2).
pub fn ln_p_t(t: f64, df: f64) -> f64 {
    let odds = t * t / df;
    if odds.is_infinite() {
        return f64::NEG_INFINITY;
    }
    if odds == 0.0 {
        return 0.0;
    }
    let (a, b) = (0.5 * df, 0.5);
    let (ln_x, ln_rest) = (-odds.ln_1p(), odds.ln() - odds.ln_1p());
    let x = 1.0 / (1.0 + odds);
    let ln_front = a * ln_x + b * ln_rest - ln_beta_half(a);
    if x < (a + 1.0) / (a + b + 2.0) {
        ln_front - a.ln() + beta_fraction(x, a, b).ln()
    } else {
        let rest = odds / (1.0 + odds);
        (-(ln_front - b.ln() + beta_fraction(rest, b, a).ln()).exp()).ln_1p()
    }
}

/// ln B(a, 1/2). For large `a` by the series of the ratio of gammas, whose difference would lose digits.
fn ln_beta_half(a: f64) -> f64 {
    let ln_ratio = if a < 40.0 {
        ln_gamma(a + 0.5) - ln_gamma(a)
    } else {
        let inverse = 1.0 / a;
        let square = inverse * inverse;
        0.5 * a.ln() - inverse * (1.0 / 8.0 - square * (1.0 / 192.0 - square * (1.0 / 640.0 - square * 17.0 / 14336.0)))
    };
    0.5 * PI.ln() - ln_ratio
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by the method of Lentz.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for term in 1..MAX_TERMS {
        let m = term as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = result;
        for factor in [even, odd] {
            d = 1.0 / guard(1.0 + factor * d);
            c = guard(1.0 + factor / c);
            result *= d * c;
        }
        if (result - before).abs() <= 1e-16 * result.abs() {
            break;
        }
    }
    result
}

/// ln P(X > x) of chi-square with `df` > 0 degrees of freedom: Q(df/2, x/2), by the series or the continued fraction of the incomplete
/// gamma function (DLMF 8.11.4, 8.9.2).
pub fn ln_p_chi2(x: f64, df: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let (a, x) = (0.5 * df, 0.5 * x);
    let ln_front = a * x.ln() - x - ln_gamma(a);
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        let mut k = a;
        while term > 1e-17 * sum {
            k += 1.0;
            term *= x / k;
            sum += term;
        }
        return (-(ln_front + f64::ln(sum)).exp()).ln_1p();
    }
    let (mut b, mut c) = (x + 1.0 - a, f64::INFINITY);
    let mut d = 1.0 / b;
    let mut result = d;
    for term in 1..MAX_TERMS {
        let i = term as f64;
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        result *= d * c;
        if (d * c - 1.0).abs() <= 1e-16 {
            break;
        }
    }
    ln_front + result.ln()
}

/// The same with a noncentrality: a Poisson sum of central ones.
pub fn ln_p_chi2_noncentral(x: f64, df: f64, noncentrality: f64) -> f64 {
    if x <= 0.0 || noncentrality <= 0.0 {
        return ln_p_chi2(x, df);
    }
    let half = 0.5 * noncentrality;
    let ln_term = |k: f64| k * half.ln() - half - ln_gamma(k + 1.0) + ln_p_chi2(x, df + 2.0 * k);
    let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
    for k in 0..MAX_TERMS {
        let term = ln_term(k as f64);
        if term > largest {
            sum = sum * (largest - term).exp() + 1.0;
            largest = term;
        } else {
            sum += (term - largest).exp();
        }
        if k as f64 > half && term < largest - 40.0 {
            break;
        }
    }
    largest + f64::ln(sum)
}

/// The chi-square of one degree of freedom whose upper tail is exp(`ln_p`).
pub fn chi2_of_ln_p(ln_p: f64) -> f64 {
    if ln_p < -600.0 {
        // z^2 / 2 = -ln p - ln z + ln(2 / sqrt(2 pi)), by iteration
        let constant = -ln_p + LN_2 - 0.5 * (2.0 * PI).ln();
        let z2 = (0..50).fold(2.0 * constant, |z2: f64, _| 2.0 * (constant - 0.5 * z2.ln() - (1.0 / z2).ln_1p()));
        return z2;
    }
    2.0 * erfc_inv(ln_p.exp()).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs().max(1e-12), "{found} is not {expected}");
    }

    /// Student's t with 1 degree of freedom is Cauchy: p = 1 - 2 atan(t) / pi; with 2: p = 1 - t / sqrt(2 + t^2).
    #[test]
    fn t_has_closed_forms() {
        for t in [0.01_f64, 0.3, 1.0, 2.5, 30.0, 1e6] {
            close(ln_p_t(t, 1.0), (2.0 * (1.0 / t).atan() / PI).ln(), 1e-10);
            let root = (2.0 + t * t).sqrt();
            close(ln_p_t(-t, 2.0), (2.0 / (root * (root + t))).ln(), 1e-10);
        }
        assert_eq!(ln_p_t(0.0, 7.0), 0.0);
    }

    /// Tails that underflow: 2 Q(50) by the series 1 - 1/z^2 + 3/z^4 - 15/z^6.
    #[test]
    fn far_tails() {
        let z: f64 = 50.0;
        let series = 1.0 - z.powi(-2) + 3.0 * z.powi(-4) - 15.0 * z.powi(-6);
        close(ln_p_normal(z), LN_2 - z * z / 2.0 - (z * (2.0 * PI).sqrt()).ln() + series.ln(), 1e-11);
        assert!(ln_p_normal(50.0) / std::f64::consts::LN_10 < -500.0);
        close(ln_p_normal(1.959_963_984_540_054), 0.05_f64.ln(), 1e-10);
        close(ln_p_normal(4.999_999_999), ln_p_normal(5.0), 1e-8);
        // many degrees of freedom are a normal
        close(ln_p_t(3.0, 1e7), ln_p_normal(3.0), 1e-6);
        close(ln_p_t(40.0, 1e12), ln_p_normal(40.0), 1e-6);
        // both ways to ln B meet
        close(ln_beta_half(39.999_999_9), ln_beta_half(40.000_000_1), 1e-8);
    }

    /// Two degrees of freedom are exponential, four a sum of two terms, one a normal.
    #[test]
    fn chi_square_tails() {
        for x in [1e-3, 0.7, 3.0, 12.0, 90.0, 3000.0_f64] {
            close(ln_p_chi2(x, 2.0), -0.5 * x, 1e-12);
            close(ln_p_chi2(x, 4.0), (0.5 * x).ln_1p() - 0.5 * x, 1e-9);
            // the error function has ten digits
            close(ln_p_chi2(x, 1.0), ln_p_normal(x.sqrt()), 1e-9);
        }
        assert_eq!(ln_p_chi2(-1.0, 3.0), 0.0);
        // (z + m)^2 with one degree of freedom: both tails of a normal
        for (x, m) in [(4.0, 1.5), (30.0, 2.0), (0.2, 0.5), (700.0, 3.0_f64)] {
            let upper = |z: f64| 0.5 * ln_p_normal(z).exp();
            let tail = |z: f64| if z < 0.0 { 1.0 - upper(z) } else { upper(z) };
            let expected = (tail(f64::sqrt(x) - m) + tail(f64::sqrt(x) + m)).ln();
            close(ln_p_chi2_noncentral(x, 1.0, m * m), expected, 1e-9);
        }
    }

    #[test]
    fn chi_square_of_p() {
        close(chi2_of_ln_p(0.5_f64.ln()), MEDIAN_CHI2, 1e-12);
        for z in [0.1, 1.0, 6.0, 33.0, 34.7, 60.0] {
            close(chi2_of_ln_p(ln_p_normal(z)), z * z, 1e-6);
        }
    }
}
