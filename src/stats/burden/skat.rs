//! SKAT and SKAT-O from the scores of a set's variants and their covariance.
//!
//! S: scores, weighted, `[m]`, with covariance K `[m x m]` without an effect. SKAT (Wu et al. 2011): Q = S'S / 2, whose distribution is
//! that of a sum of chi-squares weighted by the eigenvalues of K / 2. SKAT-O (Lee et al. 2012): Q_rho = (1 - rho) S'S / 2 + rho (sum of
//! S)^2 / 2 for rho on a grid, and the smallest p of them as the statistic. The halves are those of the R package SKAT.

use crate::stats::quadratic_form::{How, Mixture};
use crate::stats::tails::ln_p_normal;
use faer::{Mat, Side};
use std::f64::consts::FRAC_2_PI;

/// The grid of rho, as the R package has it.
pub const RHO: [f64; 8] = [0.0, 0.01, 0.04, 0.09, 0.16, 0.25, 0.5, 1.0];
/// rho = 1 is taken as this, as the R package does: the conditions on the remainder divide by 1 - rho.
const LARGEST_RHO: f64 = 0.999;
/// Share of the trace below which a remainder is rounding.
const ROUNDING: f64 = 1e-8;
/// Widest piece of the integral over the burden's normal.
const PIECE: f64 = 0.5;
/// The integral ends where that normal is this large; what is beyond is 1e-340 of p at most.
const FARTHEST: f64 = 40.0;
/// Nodes and weights of the rule of Gauss and Legendre with 8 points, those above 0.
const GAUSS: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_5),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_3),
];

/// How SKAT-O finds the Q that has the smallest p for another rho.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantiles {
    /// From the distribution of Q_rho, as the paper defines it.
    Exact,
    /// From a chi-square with its mean, variance and kurtosis, as the R package computes it.
    Liu,
}

/// A test's p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Q, of SKAT-O that with the smallest p.
    pub q: f64,
    /// ln p.
    pub ln_p: f64,
    /// rho of Q.
    pub rho: f64,
    /// How p was found.
    pub how: How,
}

/// K / 2, `[m x m]` row-major, symmetric.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Number of variants.
    pub m: usize,
    /// The matrix.
    pub half: Vec<f64>,
}

impl Kernel {
    /// Sum of each row, and of all.
    fn row_sums(&self) -> (Vec<f64>, f64) {
        let sums: Vec<f64> = self.half.chunks_exact(self.m).map(|row| row.iter().sum()).collect();
        let all = sums.iter().sum();
        (sums, all)
    }

    fn trace(&self) -> f64 {
        (0..self.m).map(|at| self.half[at * self.m + at]).sum()
    }

    /// Distribution of Q_rho: eigenvalues of R^1/2 K/2 R^1/2, R = (1 - rho) I + rho 11'. R^1/2 = a I + b 11'.
    fn mixture(&self, rho: f64) -> Option<Mixture> {
        let m = self.m as f64;
        let a = (1.0 - rho).sqrt();
        let b = ((1.0 - rho + m * rho).sqrt() - a) / m;
        let (sums, all) = self.row_sums();
        let element = |row: usize, column: usize| {
            a * a * self.half[row * self.m + column] + a * b * (sums[row] + sums[column]) + b * b * all
        };
        mixture_of(self.m, element)
    }

    /// What is left of Q_0 when the burden is taken out: eigenvalues of K/2 - K/2 11' K/2 / (1' K/2 1).
    fn without_burden(&self) -> Option<Remainder> {
        let (sums, all) = self.row_sums();
        if all <= ROUNDING * self.trace() {
            return None;
        }
        let taken = |row: usize, column: usize| sums[row] * sums[column] / all;
        let left = |row: usize, column: usize| self.half[row * self.m + column] - taken(row, column);
        let trace: f64 = (0..self.m).map(|at| left(at, at)).sum();
        if trace <= ROUNDING * self.trace() {
            return None;
        }
        let mixture = mixture_of(self.m, left)?;
        let pairs = (0..self.m).flat_map(|row| (0..self.m).map(move |column| (row, column)));
        // the variance of the product of both parts, which is taken as one more part of the remainder (Lee et al. 2012)
        let shared = 4.0 * pairs.map(|(row, column)| taken(row, column) * left(row, column)).sum::<f64>();
        let own = 2.0 * mixture.power_sum(2);
        let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
        let tau = |rho: f64| all * rho + squares / all * (1.0 - rho);
        Some(Remainder {
            mean: mixture.power_sum(1),
            shrink: (own / (own + shared).max(own)).sqrt(),
            tau: RHO.map(|rho| tau(rho.min(LARGEST_RHO))),
            mixture,
        })
    }
}

fn mixture_of(m: usize, element: impl Fn(usize, usize) -> f64) -> Option<Mixture> {
    let matrix = Mat::<f64>::from_fn(m, m, |row, column| element(row.max(column), row.min(column)));
    Mixture::new(&matrix.self_adjoint_eigenvalues(Side::Lower).ok()?)
}

/// The part of Q_rho that does not go with the burden.
#[derive(Clone, Debug)]
struct Remainder {
    mixture: Mixture,
    mean: f64,
    /// Standard deviation of the mixture against that with the shared part.
    shrink: f64,
    /// Weight of the burden's chi-square by rho.
    tau: [f64; 8],
}

/// SKAT of one kernel, for any number of phenotypes.
#[derive(Clone, Debug)]
pub struct Skat {
    mixture: Mixture,
}

impl Skat {
    /// `None`: the covariance is 0.
    pub fn new(kernel: &Kernel) -> Option<Skat> {
        Some(Skat { mixture: kernel.mixture(0.0)? })
    }

    /// The test of these scores.
    pub fn test(&self, scores: &[f64]) -> Found {
        let q = 0.5 * scores.iter().map(|score| score * score).sum::<f64>();
        let tail = self.mixture.tail(q);
        Found { q, ln_p: tail.ln_p, rho: 0.0, how: tail.how }
    }
}

/// SKAT-O of one kernel, for any number of phenotypes.
#[derive(Clone, Debug)]
pub struct SkatO {
    /// By rho.
    mixtures: Vec<Mixture>,
    /// `None`: the variants are one for the tests, and all rho have the same p.
    remainder: Option<Remainder>,
}

impl SkatO {
    /// `None`: the covariance is 0.
    pub fn new(kernel: &Kernel) -> Option<SkatO> {
        let mixtures = RHO.iter().map(|rho| kernel.mixture(rho.min(LARGEST_RHO))).collect::<Option<_>>()?;
        Some(SkatO { mixtures, remainder: kernel.without_burden() })
    }

    /// SKAT of the same kernel: the mixture without burden.
    pub fn skat(&self) -> Skat {
        Skat { mixture: self.mixtures[0].clone() }
    }

    /// The test of these scores.
    pub fn test(&self, scores: &[f64], quantiles: Quantiles) -> Found {
        let squares: f64 = scores.iter().map(|score| score * score).sum();
        let burden = scores.iter().sum::<f64>().powi(2);
        let (mut best, mut is_inverted) = (Found { q: 0.0, ln_p: f64::INFINITY, rho: 0.0, how: How::Inversion }, true);
        for (&rho, mixture) in RHO.iter().zip(&self.mixtures) {
            let part = rho.min(LARGEST_RHO);
            let q = 0.5 * ((1.0 - part) * squares + part * burden);
            let tail = mixture.tail(q);
            is_inverted &= tail.how == How::Inversion;
            if tail.ln_p < best.ln_p {
                best = Found { q, ln_p: tail.ln_p, rho, how: tail.how };
            }
        }
        if let Some(remainder) = &self.remainder {
            let limit = |mixture: &Mixture| match quantiles {
                Quantiles::Exact => mixture.quantile(best.ln_p),
                Quantiles::Liu => mixture.liu().central_quantile(best.ln_p),
            };
            let limits: Vec<f64> = self.mixtures.iter().map(limit).collect();
            let (ln_ratio, is_exact) = remainder.integrate(&limits, best.ln_p);
            is_inverted &= is_exact;
            // the smallest of eight p is between one and eight of them (Bonferroni)
            let most = (RHO.len() as f64).ln();
            let least = if quantiles == Quantiles::Exact { 0.0 } else { f64::NEG_INFINITY };
            best.ln_p = (best.ln_p + ln_ratio.clamp(least, most)).min(0.0);
        }
        best.how = if is_inverted { How::Inversion } else { How::Liu };
        best
    }
}

/// A rising piece of the integral: from and to.
type Piece = (f64, f64);

impl Remainder {
    /// ln of p over the smallest p: the integral over the burden's z of the probability that the remainder exceeds the nearest of the
    /// lines (limit_rho - tau_rho z^2) / (1 - rho).
    fn integrate(&self, limits: &[f64], ln_least: f64) -> (f64, bool) {
        let lines: Vec<(f64, f64)> = RHO
            .iter()
            .zip(limits)
            .zip(&self.tau)
            .map(|((rho, limit), tau)| {
                let rest = 1.0 - rho.min(LARGEST_RHO);
                // on the scale of the mixture
                let at_zero = (limit / rest - self.mean) * self.shrink + self.mean;
                (at_zero, tau / rest * self.shrink)
            })
            .collect();
        let end = lines.iter().map(|(at_zero, fall)| (at_zero.max(0.0) / fall).sqrt()).fold(FARTHEST, f64::min);
        let mut is_exact = true;
        // twice the density of a normal: both signs
        let mut value = |t: f64| {
            let nearest = lines.iter().map(|(at_zero, fall)| at_zero - fall * t * t).fold(f64::INFINITY, f64::min);
            let tail = self.mixture.rough_tail(nearest);
            is_exact &= tail.how == How::Inversion;
            (tail.ln_p - ln_least - 0.5 * t * t).exp() * FRAC_2_PI.sqrt()
        };
        let pieces = pieces(&lines, end);
        let mut sum = 0.0;
        for (at, &piece) in pieces.iter().enumerate() {
            sum += integral(piece, at + 1 == pieces.len(), &mut value);
        }
        let beyond = if end < FARTHEST { (ln_p_normal(end) - ln_least).exp() } else { 0.0 };
        ((sum + beyond).ln(), is_exact)
    }
}

/// The integral over a piece. At the end of the last one the tail leaves 1 as a root does: squares of the distance make it smooth.
fn integral((from, to): Piece, is_last: bool, value: &mut dyn FnMut(f64) -> f64) -> f64 {
    let (middle, half, root) = (0.5 * (from + to), 0.5 * (to - from), (to - from).sqrt());
    let mut at = |node: f64| {
        if !is_last {
            return half * value(middle + half * node);
        }
        let distance = 0.5 * root * (1.0 + node);
        root * distance * value(to - distance * distance)
    };
    GAUSS.iter().map(|&(node, weight)| weight * (at(-node) + at(node))).sum()
}

/// From 0 to `end`, cut where another line becomes the nearest, and into pieces that are short enough.
fn pieces(lines: &[(f64, f64)], end: f64) -> Vec<Piece> {
    let mut cuts = vec![0.0, end];
    for (at, a) in lines.iter().enumerate() {
        for b in &lines[..at] {
            let squared = (a.0 - b.0) / (a.1 - b.1);
            let on_line = a.0 - a.1 * squared;
            let is_nearest = lines.iter().all(|line| line.0 - line.1 * squared >= on_line - 1e-9 * on_line.abs());
            if squared > 0.0 && squared < end * end && is_nearest {
                cuts.push(squared.sqrt());
            }
        }
    }
    cuts.sort_by(f64::total_cmp);
    let mut pieces = Vec::new();
    for pair in cuts.windows(2).filter(|pair| pair[1] > pair[0]) {
        let n = ((pair[1] - pair[0]) / PIECE).ceil().max(1.0);
        let step = (pair[1] - pair[0]) / n;
        pieces.extend((0..n as usize).map(|at| (pair[0] + at as f64 * step, pair[0] + (at + 1) as f64 * step)));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(rows: &[&[f64]]) -> Kernel {
        Kernel { m: rows.len(), half: rows.concat().iter().map(|value| 0.5 * value).collect() }
    }

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs(), "{found} is not {expected}");
    }

    /// One variant, and variants that always go together: the square of a normal.
    #[test]
    fn one_dimension() {
        let one = kernel(&[&[4.0]]);
        let expected = ln_p_normal(3.0);
        close(Skat::new(&one).expect("a test").test(&[6.0]).ln_p, expected, 1e-8);
        close(SkatO::new(&one).expect("a test").test(&[6.0], Quantiles::Exact).ln_p, expected, 1e-8);
        let same = kernel(&[&[4.0, 8.0], &[8.0, 16.0]]);
        close(Skat::new(&same).expect("a test").test(&[6.0, 12.0]).ln_p, expected, 1e-8);
        close(SkatO::new(&same).expect("a test").test(&[6.0, 12.0], Quantiles::Exact).ln_p, expected, 1e-8);
        assert!(Skat::new(&kernel(&[&[0.0]])).is_none());
    }

    /// Two independent scores of one variance: SKAT is exponential; with rho near 1 the square of a normal.
    #[test]
    fn two_dimensions() {
        let two = kernel(&[&[1.0, 0.0], &[0.0, 1.0]]);
        let found = Skat::new(&two).expect("a test").test(&[3.0, 4.0]);
        close(found.ln_p, -12.5, 1e-8);
        close(found.q, 12.5, 1e-14);
        let found = SkatO::new(&two).expect("a test").test(&[3.0, 3.0], Quantiles::Exact);
        assert_eq!(found.rho, 1.0);
        let least = ln_p_normal(6.0 / 2.0_f64.sqrt());
        assert!(found.ln_p > least && found.ln_p < least + 8.0_f64.ln(), "{}", found.ln_p);
        let found = SkatO::new(&two).expect("a test").test(&[5.0, -5.0], Quantiles::Exact);
        assert_eq!(found.rho, 0.0);
    }

    #[test]
    fn the_line_that_is_nearest() {
        // 1 - x and 4 - 4 x meet at x = 1; 3 - x is never the nearest
        let found = pieces(&[(1.0, 0.4), (4.0, 4.0), (3.0, 0.4)], 1.0);
        assert_eq!((found[0].0, found[found.len() - 1].1), (0.0, 1.0));
        let meet = (3.0 / 3.6_f64).sqrt();
        assert!(found.iter().any(|piece| (piece.1 - meet).abs() < 1e-12));
        assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].1 - pair[0].0 <= PIECE + 1e-12));
        let total: f64 = GAUSS.iter().map(|(_, weight)| 2.0 * weight).sum();
        assert!((total - 2.0).abs() < 1e-14);
    }
}
