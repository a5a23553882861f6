//! Least squares of quantitative phenotypes on one variant and the covariates.
//!
//! With an orthonormal basis Q of the covariates and y~ = y - QQ'y, the coefficient of the copies g is that of the regression of y~ on
//! g~ = g - QQ'g (Frisch & Waugh 1933, Lovell 1963), so a variant costs sums over its carriers:
//! g~'g~ = g'g - |Q'g|^2, beta = y~'g / g~'g~, RSS = y~'y~ - beta^2 g~'g~.
//!
//! Samples M without a call are taken out exactly. In the others A = Q'Q - Q_M'Q_M = I - Q_M'Q_M, b = Q'g, c = -Q_M'y~_M, and
//! g~'g~ = g'g - b'A^-1 b, g~'y~ = g'y~ - b'A^-1 c, y~'y~ = |y~|^2 - |y~_M|^2 - c'A^-1 c.

use super::basis::Basis;
use super::dosage::Dosages;
use super::estimate::{Estimate, Method, Outcome, Reason};
use super::small::Cholesky;
use crate::stats::tails::ln_p_t;

/// Share of a sum of squares below which it is rounding.
const ROUNDING: f64 = 1e-12;

/// Phenotypes of the same samples.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Columns of the basis.
    n_basis: usize,
    /// Number of phenotypes.
    n_traits: usize,
    /// Basis, then residual phenotypes: `[n_rows x (n_basis + n_traits)]`, row-major.
    wide: Vec<f64>,
    /// |y~|^2 by phenotype.
    squares: Vec<f64>,
    /// |y - mean|^2 by phenotype.
    total: Vec<f64>,
    /// Largest variance inflation of the copies.
    max_vif: f64,
}

/// Memory for the test of one variant.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    sums: Vec<f64>,
    gram: Vec<f64>,
    /// c of all phenotypes, `[n_traits x n_basis]`.
    crossed: Vec<f64>,
    /// L^-1 b.
    solved: Vec<f64>,
    factor: Cholesky,
}

/// g~'g~, g~'y~ and y~'y~ in the samples with a call.
struct Moments {
    gg: f64,
    gy: f64,
    yy: f64,
}

impl Linear {
    /// Of phenotypes whose values are all known, `[n_rows]` each.
    pub fn new(basis: &Basis, phenotypes: &[Vec<f64>], max_vif: f64) -> Linear {
        let (n_basis, n_traits) = (basis.columns.len(), phenotypes.len());
        let n_rows = basis.columns[0].len();
        let mut residuals = phenotypes.to_vec();
        residuals.iter_mut().for_each(|values| basis.residual(values));
        let columns: Vec<&Vec<f64>> = basis.columns.iter().chain(&residuals).collect();
        let wide = (0..n_rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        let squares = residuals.iter().map(|values| values.iter().map(|y| y * y).sum()).collect();
        Linear { n_basis, n_traits, wide, squares, total: phenotypes.iter().map(|y| centred(y)).collect(), max_vif }
    }

    /// Tests every phenotype, in order.
    pub fn test(&self, dosages: &Dosages, scratch: &mut Scratch, out: &mut Vec<Outcome>) {
        let common = self.prepare(dosages, scratch);
        for at in 0..self.n_traits {
            out.push(common.and_then(|gg| self.estimate(at, gg, dosages, scratch)));
        }
    }

    /// Sums over carriers and missing calls; g~'g~.
    fn prepare(&self, dosages: &Dosages, scratch: &mut Scratch) -> Result<f64, Reason> {
        if dosages.is_constant {
            return Err(Reason::Monomorphic);
        }
        if dosages.n <= self.n_basis + 1 {
            return Err(Reason::TooFewSamples);
        }
        self.add_up(dosages, scratch);
        if !dosages.missing.is_empty() {
            self.take_out(dosages, scratch)?;
        }
        scratch.solved.clear();
        scratch.solved.extend_from_slice(&scratch.sums[..self.n_basis]);
        if !dosages.missing.is_empty() {
            scratch.factor.solve_lower(&mut scratch.solved);
        }
        let gg = dosages.sum_squares - scratch.solved.iter().map(|b| b * b).sum::<f64>();
        let is_free = gg > ROUNDING * dosages.sum_squares && dosages.centred_squares() <= self.max_vif * gg;
        if is_free { Ok(gg) } else { Err(Reason::Collinear) }
    }

    fn row(&self, row: u32) -> &[f64] {
        let width = self.n_basis + self.n_traits;
        &self.wide[row as usize * width..][..width]
    }

    /// Q'g and y~'g.
    fn add_up(&self, dosages: &Dosages, scratch: &mut Scratch) {
        scratch.sums.clear();
        scratch.sums.resize(self.n_basis + self.n_traits, 0.0);
        for &(row, copies) in &dosages.carriers {
            scratch.sums.iter_mut().zip(self.row(row)).for_each(|(sum, value)| *sum += copies * value);
        }
    }

    /// Factors A, and L^-1 c of every phenotype.
    fn take_out(&self, dosages: &Dosages, scratch: &mut Scratch) -> Result<(), Reason> {
        let k = self.n_basis;
        let Scratch { gram, crossed, factor, .. } = scratch;
        gram.clear();
        gram.resize(k * k, 0.0);
        (0..k).for_each(|at| gram[at * k + at] = 1.0);
        crossed.clear();
        crossed.resize(k * self.n_traits, 0.0);
        for &row in &dosages.missing {
            let (q, y) = self.row(row).split_at(k);
            for (at, &value) in q.iter().enumerate() {
                gram[at * k..=at * k + at].iter_mut().zip(q).for_each(|(sum, other)| *sum -= value * other);
            }
            for (own, &value) in crossed.chunks_exact_mut(k).zip(y) {
                own.iter_mut().zip(q).for_each(|(sum, other)| *sum -= value * other);
            }
        }
        if !factor.factor(k, gram) {
            return Err(Reason::Collinear);
        }
        crossed.chunks_exact_mut(k).for_each(|own| factor.solve_lower(own));
        Ok(())
    }

    fn moments(&self, at: usize, gg: f64, dosages: &Dosages, scratch: &Scratch) -> Moments {
        let (mut gy, mut yy) = (scratch.sums[self.n_basis + at], self.squares[at]);
        if !dosages.missing.is_empty() {
            let own = &scratch.crossed[at * self.n_basis..][..self.n_basis];
            gy -= scratch.solved.iter().zip(own).map(|(b, c)| b * c).sum::<f64>();
            yy -= own.iter().map(|c| c * c).sum::<f64>();
            yy -= dosages.missing.iter().map(|&row| self.row(row)[self.n_basis + at].powi(2)).sum::<f64>();
        }
        Moments { gg, gy, yy }
    }

    fn estimate(&self, at: usize, gg: f64, dosages: &Dosages, scratch: &Scratch) -> Outcome {
        let Moments { gg, gy, yy } = self.moments(at, gg, dosages, scratch);
        if yy <= ROUNDING * self.total[at] || self.total[at] == 0.0 {
            return Err(Reason::ConstantPhenotype);
        }
        let df = (dosages.n - self.n_basis - 1) as f64;
        let beta = gy / gg;
        let rss = yy - beta * gy;
        if rss <= ROUNDING * yy {
            return Err(Reason::PerfectFit);
        }
        let se = (rss / df / gg).sqrt();
        let stat = beta / se;
        Ok(Estimate { method: Method::Linear, beta, se, stat, ln_p: ln_p_t(stat, df) })
    }
}

fn centred(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean) * (value - mean)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::assoc::basis::Rows;
    use crate::stats::assoc::traits::Covariate;

    fn dosages(copies: &[Option<u8>]) -> Dosages {
        let mut found = Dosages { n: copies.len(), ..Dosages::default() };
        for (row, copies) in copies.iter().enumerate() {
            match copies {
                None => found.missing.push(row as u32),
                Some(0) => {}
                Some(copies) => found.carriers.push((row as u32, f64::from(*copies))),
            }
        }
        found.n -= found.missing.len();
        found.sum = found.carriers.iter().map(|(_, copies)| copies).sum();
        found.sum_squares = found.carriers.iter().map(|(_, copies)| copies * copies).sum();
        found.is_constant = found.sum_squares * found.n as f64 == found.sum * found.sum;
        found
    }

    fn fit(phenotypes: &[&[f64]], covariates: &[&[f64]], copies: &[Option<u8>]) -> Vec<Outcome> {
        let covariates: Vec<Covariate> =
            covariates.iter().map(|values| Covariate { name: String::new(), values: values.to_vec() }).collect();
        let basis = Basis::new(&Rows::new(&vec![true; copies.len()]), &covariates).expect("independent");
        let phenotypes: Vec<Vec<f64>> = phenotypes.iter().map(|values| values.to_vec()).collect();
        let mut out = Vec::new();
        Linear::new(&basis, &phenotypes, 50.0).test(&dosages(copies), &mut Scratch::default(), &mut out);
        out
    }

    /// y = 1, 3, 2, 4 on g = 0, 1, 1, 2: means 2.5 and 1, Sgg = 2, Sgy = 3, Syy = 5; beta 1.5, RSS 0.5, se = sqrt(0.25 / 2).
    #[test]
    fn a_line_by_hand() {
        let found = fit(&[&[1.0, 3.0, 2.0, 4.0]], &[], &[Some(0), Some(1), Some(1), Some(2)])[0].expect("a fit");
        assert!((found.beta - 1.5).abs() < 1e-14 && (found.se - 0.125_f64.sqrt()).abs() < 1e-14);
        assert!((found.stat - 18_f64.sqrt()).abs() < 1e-12);
        // two degrees of freedom: p = 1 - t / sqrt(2 + t^2)
        assert!((found.ln_p.exp() - (1.0 - found.stat / 20_f64.sqrt())).abs() < 1e-14);
    }

    /// Samples without a call: the same as a regression without them.
    #[test]
    fn missing_calls_are_taken_out_exactly() {
        let y = [1.3, -0.2, 2.2, 0.7, 3.1, 0.4, 1.9, -1.0];
        let other = [0.1, 0.5, -2.2, 1.7, 0.1, 1.4, 0.9, -1.5];
        let age = [30.0, 41.0, 22.0, 35.0, 60.0, 51.0, 47.0, 28.0];
        let g = [Some(0), Some(1), None, Some(2), Some(1), None, Some(0), Some(1)];
        let found = fit(&[&y, &other], &[&age], &g);
        let keep = |values: &[f64]| -> Vec<f64> { (0..8).filter(|&at| g[at].is_some()).map(|at| values[at]).collect() };
        let called: Vec<Option<u8>> = g.into_iter().filter(Option::is_some).collect();
        let again = fit(&[&keep(&y), &keep(&other)], &[&keep(&age)], &called);
        for (a, b) in found.iter().zip(&again) {
            let (a, b) = (a.expect("a fit"), b.expect("a fit"));
            assert!((a.beta - b.beta).abs() < 1e-12 && (a.se - b.se).abs() < 1e-12 && (a.ln_p - b.ln_p).abs() < 1e-12);
        }
    }

    #[test]
    fn reasons() {
        let reason =
            |y: &[f64], covariates: &[&[f64]], g: &[Option<u8>]| fit(&[y], covariates, g)[0].expect_err("none");
        let y = [1.0, 3.0, 2.0, 4.0, 0.0];
        assert_eq!(reason(&y, &[], &[Some(1); 5]), Reason::Monomorphic);
        assert_eq!(reason(&y, &[], &[None; 5]), Reason::Monomorphic);
        assert_eq!(reason(&y, &[], &[Some(1), Some(0), None, None, None]), Reason::TooFewSamples);
        let g = [Some(0), Some(1), Some(1), Some(2), Some(0)];
        assert_eq!(reason(&y, &[&[0.0, 1.0, 1.0, 2.0, 0.0]], &g), Reason::Collinear);
        assert_eq!(reason(&[0.0, 1.0, 1.0, 2.0, 0.0], &[], &g), Reason::PerfectFit);
        assert_eq!(
            reason(&[1.0, 1.0, 1.0, 1.0, 7.0], &[], &[Some(0), Some(1), Some(1), Some(2), None]),
            Reason::ConstantPhenotype
        );
        // a covariate that is constant in the samples with a call
        assert_eq!(
            reason(&y, &[&[0.0, 0.0, 0.0, 0.0, 1.0]], &[Some(0), Some(1), Some(1), Some(2), None]),
            Reason::Collinear
        );
    }
}
