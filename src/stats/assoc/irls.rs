//! Sums over samples that a logistic regression of one phenotype on covariates and one variant needs.
//!
//! The covariates are columns of length sqrt(n), the first constant; the copies are sparse. Samples without a call have residual and
//! weight 0.

use super::basis::Basis;
use super::dosage::Dosages;
use super::small::Cholesky;

/// Sums are made of this many partial sums: a fixed order, which the compiler can put into vectors.
const LANES: usize = 8;

/// Covariates of a logistic regression, by column and by row.
#[derive(Clone, Debug)]
pub struct Design {
    /// Number of covariates with the intercept.
    pub k: usize,
    /// Number of samples.
    pub n: usize,
    columns: Vec<Vec<f64>>,
    /// `[n x k]`, row-major.
    rows: Vec<f64>,
}

/// Where the fit of one variant is. Coefficients are those of the covariates, then of the copies where they take part.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The coefficients.
    pub coefficients: Vec<f64>,
    /// X'(y - p), and in [`Design::penalise`] with Firth's term.
    pub gradient: Vec<f64>,
    /// X'WX, `[p x p]`, its lower triangle.
    pub information: Vec<f64>,
    /// Its factor.
    pub factor: Cholesky,
    /// Linear predictor by sample.
    pub eta: Vec<f64>,
    /// y - p by sample.
    pub residual: Vec<f64>,
    /// p (1 - p) by sample.
    pub weight: Vec<f64>,
    product: Vec<f64>,
    /// L^-1 X', `[p x n]`.
    whitened: Vec<f64>,
    hat: Vec<f64>,
    /// p (1 - p) (1 + h) by sample.
    augmented: Vec<f64>,
    /// X' diag(`augmented`) X, `[p x p]`, its lower triangle.
    pub augmented_information: Vec<f64>,
}

impl Design {
    /// Of an orthonormal basis.
    pub fn new(basis: &Basis) -> Design {
        let (k, n) = (basis.columns.len(), basis.columns[0].len());
        let scale = (n as f64).sqrt();
        let scaled = |column: &Vec<f64>| column.iter().map(|value| value * scale).collect();
        let columns: Vec<Vec<f64>> = basis.columns.iter().map(scaled).collect();
        let rows = (0..n).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        Design { k, n, columns, rows }
    }

    /// Covariates of a sample.
    pub fn row(&self, row: u32) -> &[f64] {
        &self.rows[row as usize * self.k..][..self.k]
    }

    /// Residuals, weights, gradient and information at the coefficients, which are `k`, or `k + 1` with the copies.
    pub fn evaluate(&self, y: &[f64], dosages: &Dosages, state: &mut State) {
        self.predict(dosages, state);
        state.residual.resize(self.n, 0.0);
        state.weight.resize(self.n, 0.0);
        let moments = state.residual.iter_mut().zip(&mut state.weight);
        for ((residual, weight), (eta, y)) in moments.zip(state.eta.iter().zip(y)) {
            let p = 1.0 / (1.0 + (-eta).exp());
            *residual = y - p;
            *weight = p * (1.0 - p);
        }
        for &row in &dosages.missing {
            state.residual[row as usize] = 0.0;
            state.weight[row as usize] = 0.0;
        }
        self.gradient(dosages, state);
        let State { coefficients, information, weight, product, .. } = state;
        self.information(dosages, coefficients.len(), weight, product, information);
    }

    fn predict(&self, dosages: &Dosages, state: &mut State) {
        state.eta.clear();
        state.eta.resize(self.n, state.coefficients[0]);
        for (column, &coefficient) in self.columns.iter().zip(&state.coefficients).skip(1) {
            state.eta.iter_mut().zip(column).for_each(|(eta, value)| *eta += coefficient * value);
        }
        if let Some(&beta) = state.coefficients.get(self.k) {
            dosages.carriers.iter().for_each(|&(row, copies)| state.eta[row as usize] += beta * copies);
        }
    }

    fn gradient(&self, dosages: &Dosages, state: &mut State) {
        state.gradient.clear();
        state.gradient.extend(self.columns.iter().map(|column| dot(column, &state.residual)));
        if state.coefficients.len() > self.k {
            let carried = dosages.carriers.iter().map(|&(row, copies)| copies * state.residual[row as usize]);
            state.gradient.push(carried.sum());
        }
    }

    /// X'WX with these weights, its lower triangle; the copies are in X when `p` is more than `k`.
    fn information(
        &self,
        dosages: &Dosages,
        p: usize,
        weight: &[f64],
        product: &mut Vec<f64>,
        information: &mut Vec<f64>,
    ) {
        information.clear();
        information.resize(p * p, 0.0);
        product.resize(self.n, 0.0);
        for (at, column) in self.columns.iter().enumerate() {
            let products = product.iter_mut().zip(column.iter().zip(weight));
            products.for_each(|(product, (value, weight))| *product = value * weight);
            for (other, column) in self.columns[..=at].iter().enumerate() {
                information[at * p + other] = dot(column, product);
            }
        }
        if p > self.k {
            self.carried(dosages, |row| weight[row as usize], &mut information[self.k * p..]);
        }
    }

    /// The row of the information that belongs to the copies: g'WQ and g'Wg.
    pub fn carried(&self, dosages: &Dosages, weight: impl Fn(u32) -> f64, sums: &mut [f64]) {
        sums.fill(0.0);
        for &(row, copies) in &dosages.carriers {
            let share = copies * weight(row);
            sums.iter_mut().zip(self.row(row)).for_each(|(sum, value)| *sum += share * value);
            sums[self.k] += share * copies;
        }
    }

    /// Log likelihood at the last evaluation, over samples with a call.
    pub fn log_likelihood(&self, y: &[f64], dosages: &Dosages, state: &State) -> f64 {
        let term = |eta: f64, y: f64| y * eta - eta.max(0.0) - (-eta.abs()).exp().ln_1p();
        let all: f64 = state.eta.iter().zip(y).map(|(&eta, &y)| term(eta, y)).sum();
        all - dosages.missing.iter().map(|&row| term(state.eta[row as usize], y[row as usize])).sum::<f64>()
    }

    /// Adds Firth's term to the gradient: X'(h (1/2 - p)), h the diagonal of W^1/2 X (X'WX)^-1 X'W^1/2. Needs `state.factor` of X'WX
    /// with the copies. A step by X'WX would be up to twice too long where h is near 1 (one carrier), and so go to and fro;
    /// X' diag(w (1 + h)) X is the information of the logistic regression with cases and controls added that has the same gradient.
    pub fn penalise(&self, y: &[f64], dosages: &Dosages, state: &mut State) {
        let State { factor, whitened, hat, augmented, weight, residual, gradient, .. } = state;
        self.whiten(dosages, factor, whitened);
        hat.clear();
        hat.resize(self.n, 0.0);
        for column in whitened.chunks_exact(self.n) {
            hat.iter_mut().zip(column).for_each(|(sum, value)| *sum += value * value);
        }
        augmented.clear();
        for (at, h) in hat.iter_mut().enumerate() {
            *h *= weight[at];
            augmented.push(weight[at] * (1.0 + *h));
            // y - residual is p; missing samples have weight 0
            *h *= 0.5 - (y[at] - residual[at]);
        }
        gradient.iter_mut().zip(&self.columns).for_each(|(sum, column)| *sum += dot(column, hat));
        if let Some(last) = gradient.get_mut(self.k) {
            *last += dosages.carriers.iter().map(|&(row, copies)| copies * hat[row as usize]).sum::<f64>();
        }
        let State { augmented, product, augmented_information, .. } = state;
        self.information(dosages, self.k + 1, augmented, product, augmented_information);
    }

    /// L^-1 X', where the last row of X' is the copies.
    fn whiten(&self, dosages: &Dosages, factor: &Cholesky, whitened: &mut Vec<f64>) {
        whitened.clear();
        self.columns.iter().for_each(|column| whitened.extend_from_slice(column));
        let copies_at = whitened.len();
        whitened.resize(copies_at + self.n, 0.0);
        dosages.carriers.iter().for_each(|&(row, copies)| whitened[copies_at + row as usize] = copies);
        for at in 0..=self.k {
            let (before, rest) = whitened.split_at_mut(at * self.n);
            let own = &mut rest[..self.n];
            for (other, column) in before.chunks_exact(self.n).enumerate() {
                let share = factor.at(at, other);
                own.iter_mut().zip(column).for_each(|(value, one)| *value -= share * one);
            }
            let scale = 1.0 / factor.at(at, at);
            own.iter_mut().for_each(|value| *value *= scale);
        }
    }
}

/// Sum of products, in a fixed order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_add_up() {
        let values: Vec<f64> = (0..21).map(f64::from).collect();
        assert_eq!(dot(&values, &values), 2870.0);
    }
}
