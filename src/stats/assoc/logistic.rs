//! Logistic regression of binary phenotypes on one variant and the covariates.
//!
//! Newton's method (iteratively reweighted least squares). It begins at the fit of the covariates alone, so its first step, like the
//! score test, costs sums over carriers and missing calls. Where the maximum likelihood is at infinity because the variant separates
//! cases from controls, or the iterations do not end, Firth's penalised likelihood has a finite estimate (Firth 1993; Heinze & Schemper
//! 2002).

use super::dosage::Dosages;
use super::estimate::{Estimate, Method, Outcome, Reason};
pub use super::irls::Design;
use super::irls::State;
use super::small::Cholesky;
use crate::stats::tails::ln_p_normal;

/// Newton steps before a fit counts as not converged.
const MAX_STEPS: usize = 25;
/// Steps of Firth's method, which converges linearly.
const MAX_FIRTH_STEPS: usize = 200;
/// A fit has converged when no coefficient moves by more than this, or this share of it; covariates have mean square 1.
const TOLERANCE: f64 = 1e-5;
/// The same for Firth's method.
const FIRTH_TOLERANCE: f64 = 1e-7;
/// Longest step of a coefficient in Firth's method (as logistf).
const MAX_FIRTH_STEP: f64 = 5.0;
/// Halvings of a step of Firth's method that lowers the likelihood.
const MAX_HALVINGS: usize = 25;
/// Share of a sum of squares below which it is rounding.
const ROUNDING: f64 = 1e-10;

/// What p is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// beta / se at the maximum likelihood (Wald).
    Wald,
    /// The slope of the likelihood at beta = 0 (Rao); beta is one Newton step.
    Score,
    /// Twice the logarithm of the ratio of likelihoods.
    LikelihoodRatio,
    /// The ratio of Firth's penalised likelihoods, for every variant.
    Firth,
}

/// How to test.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What p is of.
    pub test: Test,
    /// Whether Firth's method follows where maximum likelihood fails.
    pub firth_fallback: bool,
    /// Largest variance inflation of the copies.
    pub max_vif: f64,
}

/// One phenotype and the fit of the covariates alone.
#[derive(Clone, Debug)]
pub struct Trait {
    /// 1 for a case, 0 for a control, by row.
    y: Vec<f64>,
    n_cases: usize,
    null: State,
    log_likelihood: f64,
}

/// Memory for the test of one variant.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    state: State,
    null: State,
    gram: Vec<f64>,
    sums: Vec<f64>,
    trial: Vec<f64>,
    factor: Cholesky,
}

impl Trait {
    /// Fits the covariates. `None`: they separate cases from controls, or nearly so.
    pub fn new(design: &Design, y: Vec<f64>) -> Option<Trait> {
        let share = y.iter().sum::<f64>() / y.len() as f64;
        let mut null = State::default();
        null.coefficients.resize(design.k, 0.0);
        null.coefficients[0] = (share / (1.0 - share)).ln();
        let everybody = Dosages::default();
        design.evaluate(&y, &everybody, &mut null);
        // steps until rounding: the fits of variants build on this one
        for _ in 0..MAX_STEPS {
            let change = step(&mut null)?;
            design.evaluate(&y, &everybody, &mut null);
            if change < 1e-12 {
                break;
            }
        }
        let moved = step(&mut null.clone())?;
        let log_likelihood = design.log_likelihood(&y, &everybody, &null);
        let n_cases = y.iter().filter(|&&y| y == 1.0).count();
        (moved < TOLERANCE).then_some(Trait { y, n_cases, null, log_likelihood })
    }

    /// y - p of the fit of the covariates, by row.
    pub fn residual(&self) -> &[f64] {
        &self.null.residual
    }

    /// p (1 - p) of that fit, by row.
    pub fn weight(&self) -> &[f64] {
        &self.null.weight
    }

    /// X'WX of that fit, `[k x k]`, its lower triangle.
    pub fn information(&self) -> &[f64] {
        &self.null.information
    }

    /// Whether a row is a case.
    pub fn is_case(&self, row: u32) -> bool {
        self.y[row as usize] == 1.0
    }

    /// Cases among the rows that have a call.
    pub fn n_cases(&self, dosages: &Dosages) -> usize {
        self.n_cases - dosages.missing.iter().filter(|&&row| self.y[row as usize] == 1.0).count()
    }
}

/// A Newton step: the largest change of a coefficient, against its size where that is more than 1. `None`: the information is singular.
fn step(state: &mut State) -> Option<f64> {
    if !state.factor.factor(state.coefficients.len(), &state.information) {
        return None;
    }
    state.factor.solve(&mut state.gradient);
    let mut largest: f64 = 0.0;
    for (coefficient, change) in state.coefficients.iter_mut().zip(&state.gradient) {
        *coefficient += change;
        largest = largest.max(change.abs() / coefficient.abs().max(1.0));
    }
    largest.is_finite().then_some(largest)
}

/// A variant, a phenotype and the memory of their test.
struct Fit<'a> {
    design: &'a Design,
    binary: &'a Trait,
    dosages: &'a Dosages,
    scratch: &'a mut Scratch,
}

/// Tests one phenotype.
pub fn test(design: &Design, binary: &Trait, dosages: &Dosages, settings: Settings, scratch: &mut Scratch) -> Outcome {
    if dosages.is_constant {
        return Err(Reason::Monomorphic);
    }
    if dosages.n <= design.k + 1 {
        return Err(Reason::TooFewSamples);
    }
    let n_cases = binary.n_cases(dosages);
    if n_cases == 0 || n_cases == dosages.n {
        return Err(Reason::ConstantPhenotype);
    }
    let mut fit = Fit { design, binary, dosages, scratch };
    fit.check_collinear(settings.max_vif)?;
    match settings.test {
        Test::Score => return fit.score(),
        Test::Firth => return fit.firth(true),
        Test::Wald | Test::LikelihoodRatio => {}
    }
    let found = match fit.is_separated() {
        true => Err(Reason::Separation),
        false => fit.maximum_likelihood(settings.test),
    };
    match found {
        Err(_) if settings.firth_fallback => fit.firth(settings.test == Test::LikelihoodRatio),
        found => found,
    }
}

impl Fit<'_> {
    /// g'g - g'Q(Q'Q)^-1 Q'g in the samples with a call, against the variance of g.
    fn check_collinear(&mut self, max_vif: f64) -> Result<(), Reason> {
        let k = self.design.k;
        let Scratch { gram, sums, factor, .. } = &mut *self.scratch;
        sums.resize(k + 1, 0.0);
        self.design.carried(self.dosages, |_| 1.0, sums);
        gram.clear();
        gram.resize(k * k, 0.0);
        (0..k).for_each(|at| gram[at * k + at] = self.design.n as f64);
        for &row in &self.dosages.missing {
            take_out(self.design.row(row), 1.0, k, gram);
        }
        if !factor.factor(k, gram) {
            return Err(Reason::Collinear);
        }
        factor.solve_lower(&mut sums[..k]);
        let free = sums[k] - sums[..k].iter().map(|b| b * b).sum::<f64>();
        let is_free = free > ROUNDING * sums[k] && self.dosages.centred_squares() <= max_vif * free;
        if is_free { Ok(()) } else { Err(Reason::Collinear) }
    }

    /// Whether some number of copies parts cases from controls, but for those that have it: no cases below it and no controls above,
    /// or the other way round. Then the likelihood grows without end.
    fn is_separated(&mut self) -> bool {
        let y = &self.binary.y;
        let mut bounds = [(f64::INFINITY, f64::NEG_INFINITY); 2];
        let mut listed = [0; 2];
        let mut take = |group: usize, copies: f64| {
            let (least, most): &mut (f64, f64) = &mut bounds[group];
            (*least, *most) = (least.min(copies), most.max(copies));
        };
        for &(row, copies) in &self.dosages.carriers {
            listed[y[row as usize] as usize] += 1;
            take(y[row as usize] as usize, copies);
        }
        let n_cases = self.binary.n_cases(self.dosages);
        for (group, n) in [(0, self.dosages.n - n_cases), (1, n_cases)] {
            if listed[group] < n {
                take(group, 0.0);
            }
        }
        let [controls, cases] = bounds;
        cases.0 >= controls.1 || controls.0 >= cases.1
    }

    /// Puts gradient and information at the fit of the covariates into `scratch.state`, from sums over carriers and missing calls.
    fn start(&mut self) {
        let (k, null) = (self.design.k, &self.binary.null);
        let state = &mut self.scratch.state;
        let p = k + 1;
        state.coefficients.clear();
        state.coefficients.extend_from_slice(&null.coefficients);
        state.coefficients.push(0.0);
        state.gradient.clear();
        state.gradient.resize(p, 0.0);
        state.information.clear();
        state.information.resize(p * p, 0.0);
        for at in 0..k {
            state.information[at * p..=at * p + at].copy_from_slice(&null.information[at * k..=at * k + at]);
        }
        for &row in &self.dosages.missing {
            let (q, at) = (self.design.row(row), row as usize);
            take_out(q, null.weight[at], p, &mut state.information);
            state.gradient.iter_mut().zip(q).for_each(|(sum, value)| *sum -= null.residual[at] * value);
        }
        self.design.carried(self.dosages, |row| null.weight[row as usize], &mut state.information[k * p..]);
        state.gradient[k] =
            self.dosages.carriers.iter().map(|&(row, copies)| copies * null.residual[row as usize]).sum();
    }

    fn maximum_likelihood(&mut self, test: Test) -> Outcome {
        self.start();
        let (k, y) = (self.design.k, &self.binary.y);
        let mut moved = step(&mut self.scratch.state);
        for _ in 0..MAX_STEPS {
            if moved.is_none() {
                break;
            }
            self.design.evaluate(y, self.dosages, &mut self.scratch.state);
            moved = step(&mut self.scratch.state);
            if moved.is_some_and(|moved| moved < TOLERANCE) {
                let state = &self.scratch.state;
                let (beta, se) = (state.coefficients[k], state.factor.last_of_inverse().sqrt());
                if test == Test::Wald {
                    return Ok(wald(Method::Logistic, beta, se));
                }
                let full = self.design.log_likelihood(y, self.dosages, state);
                return Ok(by_ratio(Method::Logistic, beta, se, full - self.null_likelihood()?));
            }
        }
        Err(Reason::NotConverged)
    }

    /// Fits the covariates alone in the samples with a call, into `scratch.null`.
    fn refit_null(&mut self) -> Result<(), Reason> {
        let (y, null) = (&self.binary.y, &mut self.scratch.null);
        null.coefficients.clone_from(&self.binary.null.coefficients);
        for _ in 0..MAX_STEPS {
            self.design.evaluate(y, self.dosages, null);
            if step(null).ok_or(Reason::NotConverged)? < TOLERANCE {
                self.design.evaluate(y, self.dosages, null);
                return Ok(());
            }
        }
        Err(Reason::NotConverged)
    }

    fn null_likelihood(&mut self) -> Result<f64, Reason> {
        if self.dosages.missing.is_empty() {
            return Ok(self.binary.log_likelihood);
        }
        self.refit_null()?;
        Ok(self.design.log_likelihood(&self.binary.y, self.dosages, &self.scratch.null))
    }

    /// U = g'(y - p), V = g'Wg - g'WQ(Q'WQ)^-1 Q'Wg at the fit of the covariates; z = U / sqrt(V), beta = U / V.
    fn score(&mut self) -> Outcome {
        let k = self.design.k;
        if !self.dosages.missing.is_empty() {
            self.refit_null()?;
        }
        let Scratch { null, sums, factor, .. } = &mut *self.scratch;
        let null = if self.dosages.missing.is_empty() { &self.binary.null } else { &*null };
        self.design.carried(self.dosages, |row| null.weight[row as usize], sums);
        if !factor.factor(k, &null.information) {
            return Err(Reason::NotConverged);
        }
        factor.solve_lower(&mut sums[..k]);
        let variance = sums[k] - sums[..k].iter().map(|b| b * b).sum::<f64>();
        if variance <= ROUNDING * sums[k] {
            return Err(Reason::Collinear);
        }
        let slope: f64 = self.dosages.carriers.iter().map(|&(row, g)| g * null.residual[row as usize]).sum();
        Ok(wald(Method::Logistic, slope / variance, 1.0 / variance.sqrt()))
    }

    /// Firth's estimate; p by the ratio of penalised likelihoods or, as PLINK 2, by beta / se.
    fn firth(&mut self, by_likelihood: bool) -> Outcome {
        let full = self.penalised(self.design.k + 1)?;
        let state = &self.scratch.state;
        let (beta, se) = (state.coefficients[self.design.k], state.factor.last_of_inverse().sqrt());
        if !by_likelihood {
            return Ok(wald(Method::Firth, beta, se));
        }
        let null = self.penalised(self.design.k)?;
        Ok(by_ratio(Method::Firth, beta, se, full - null))
    }

    /// Maximises ln L + 1/2 ln det X'WX over the first `n_free` coefficients; its maximum.
    fn penalised(&mut self, n_free: usize) -> Result<f64, Reason> {
        let state = &mut self.scratch.state;
        state.coefficients.clone_from(&self.binary.null.coefficients);
        state.coefficients.push(0.0);
        let mut reached = self.evaluate_penalised()?;
        for _ in 0..MAX_FIRTH_STEPS {
            let moved = self.firth_step(n_free)?;
            let mut next = self.evaluate_penalised();
            for _ in 0..MAX_HALVINGS {
                if next.is_ok_and(|next| next >= reached - ROUNDING * reached.abs()) {
                    break;
                }
                self.halve();
                next = self.evaluate_penalised();
            }
            reached = next?;
            if moved < FIRTH_TOLERANCE {
                return Ok(reached);
            }
        }
        Err(Reason::NotConverged)
    }

    fn evaluate_penalised(&mut self) -> Result<f64, Reason> {
        let (y, state) = (&self.binary.y, &mut self.scratch.state);
        self.design.evaluate(y, self.dosages, state);
        if !state.factor.factor(self.design.k + 1, &state.information) {
            return Err(Reason::NotConverged);
        }
        Ok(self.design.log_likelihood(y, self.dosages, state) + 0.5 * state.factor.ln_det())
    }

    /// One step with Firth's gradient; the largest change. The coefficients before it are kept in `scratch.trial`.
    fn firth_step(&mut self, n_free: usize) -> Result<f64, Reason> {
        let Scratch { state, gram, trial, factor, .. } = &mut *self.scratch;
        let p = self.design.k + 1;
        self.design.penalise(&self.binary.y, self.dosages, state);
        gram.clear();
        (0..n_free).for_each(|at| gram.extend_from_slice(&state.augmented_information[at * p..][..n_free]));
        if !factor.factor(n_free, gram) {
            return Err(Reason::NotConverged);
        }
        let change = &mut state.gradient[..n_free];
        factor.solve(change);
        let largest = change.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        let scale = (MAX_FIRTH_STEP / largest).min(1.0);
        trial.clone_from(&state.coefficients);
        state.coefficients.iter_mut().zip(change).for_each(|(coefficient, change)| *coefficient += scale * *change);
        if largest.is_finite() { Ok(largest) } else { Err(Reason::NotConverged) }
    }

    /// Goes half the way back.
    fn halve(&mut self) {
        let Scratch { state, trial, .. } = &mut *self.scratch;
        state.coefficients.iter_mut().zip(&*trial).for_each(|(now, before)| *now = 0.5 * (*now + before));
    }
}

/// Subtracts `weight` qq' from the lower triangle of a matrix with `width` columns.
fn take_out(q: &[f64], weight: f64, width: usize, matrix: &mut [f64]) {
    for (at, &value) in q.iter().enumerate() {
        let share = weight * value;
        matrix[at * width..=at * width + at].iter_mut().zip(q).for_each(|(sum, other)| *sum -= share * other);
    }
}

fn wald(method: Method, beta: f64, se: f64) -> Estimate {
    let stat = beta / se;
    Estimate { method, beta, se, stat, ln_p: ln_p_normal(stat) }
}

/// z has the sign of beta and the square 2 `gain`, chi-square with one degree of freedom.
fn by_ratio(method: Method, beta: f64, se: f64, gain: f64) -> Estimate {
    let stat = (2.0 * gain.max(0.0)).sqrt().copysign(beta);
    Estimate { method, beta, se, stat, ln_p: ln_p_normal(stat) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::assoc::basis::{Basis, Rows};

    /// A table of two by two: `[controls, cases]` without the allele, and with one copy.
    fn table(without: [usize; 2], with: [usize; 2], test_of: Test, firth_fallback: bool) -> Outcome {
        let mut y = Vec::new();
        let mut dosages = Dosages::default();
        for (copies, counts) in [(0, without), (1, with)] {
            for (status, n) in counts.into_iter().enumerate() {
                for _ in 0..n {
                    if copies == 1 {
                        dosages.carriers.push((y.len() as u32, 1.0));
                    }
                    y.push(status as f64);
                }
            }
        }
        dosages.n = y.len();
        dosages.sum = dosages.carriers.len() as f64;
        dosages.sum_squares = dosages.sum;
        let design = Design::new(&Basis::new(&Rows::new(&vec![true; y.len()]), &[]).expect("an intercept"));
        let binary = Trait::new(&design, y).expect("a fit");
        let settings = Settings { test: test_of, firth_fallback, max_vif: 50.0 };
        test(&design, &binary, &dosages, settings, &mut Scratch::default())
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-7, "{found} is not {expected}");
    }

    /// The log odds ratio, and the error of Woolf (1955).
    #[test]
    fn maximum_likelihood_of_a_table() {
        let found = table([30, 10], [8, 12], Test::Wald, true).expect("a fit");
        assert_eq!(found.method, Method::Logistic);
        close(found.beta, (30.0 * 12.0 / (10.0 * 8.0_f64)).ln());
        close(found.se, (1.0 / 30.0 + 1.0 / 10.0 + 1.0 / 8.0 + 1.0 / 12.0_f64).sqrt());
        // G = 2 sum of O ln(O / E)
        let found = table([30, 10], [8, 12], Test::LikelihoodRatio, true).expect("a fit");
        let cells = [(30.0, 40.0 * 38.0), (10.0, 40.0 * 22.0), (8.0, 20.0 * 38.0), (12.0, 20.0 * 22.0_f64)];
        close(found.stat.powi(2), cells.iter().map(|(o, e)| 2.0 * o * (o / (e / 60.0)).ln()).sum());
        // the score test is Pearson's chi-square
        let found = table([30, 10], [8, 12], Test::Score, true).expect("a fit");
        close(found.stat.powi(2), cells.iter().map(|(o, e)| (o - e / 60.0).powi(2) / (e / 60.0)).sum());
    }

    /// Of a table, Firth's estimate is that with 1/2 added to each cell (Heinze & Schemper 2002), also with an empty cell and one
    /// carrier.
    #[test]
    fn firth_of_a_table() {
        for (without, with) in [([30, 10], [0, 5]), ([500, 200], [1, 0]), ([7, 9], [4, 2])] {
            let [[a, b], [c, d]] = [without, with].map(|counts| counts.map(|n| n as f64 + 0.5));
            let found = table(without, with, Test::Firth, true).expect("a fit");
            close(found.beta, (a * d / (b * c)).ln());
            assert_eq!(found.method, Method::Firth);
        }
        let found = table([30, 10], [0, 5], Test::Wald, true).expect("a fit");
        assert_eq!((found.method, found.stat), (Method::Firth, found.beta / found.se));
        assert_eq!(table([30, 10], [0, 5], Test::Wald, false), Err(Reason::Separation));
        assert_eq!(table([30, 0], [0, 5], Test::Wald, false), Err(Reason::Separation));
    }
}
