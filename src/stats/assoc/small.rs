//! Cholesky factors of small symmetric positive definite matrices: a handful of covariates and a genotype.

/// Least share of a diagonal element that must be left when the columns before it are taken out.
const LEAST_PIVOT: f64 = 1e-10;

/// The lower factor L of A = L L', `[size x size]` row-major.
#[derive(Clone, Debug, Default)]
pub struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors `matrix` (`[size x size]`, the lower triangle is read). `false`: it is not positive definite, as far as numbers
    /// can say, and there is no factor.
    #[must_use]
    pub fn factor(&mut self, size: usize, matrix: &[f64]) -> bool {
        self.size = size;
        self.lower.clear();
        self.lower.extend_from_slice(&matrix[..size * size]);
        for row in 0..size {
            for column in 0..=row {
                let (a, b) = (row * size, column * size);
                let dot: f64 = (0..column).map(|at| self.lower[a + at] * self.lower[b + at]).sum();
                let left = matrix[a + column] - dot;
                self.lower[a + column] = if row > column {
                    left / self.lower[b + column]
                } else if left > LEAST_PIVOT * matrix[a + column] {
                    left.sqrt()
                } else {
                    return false;
                };
            }
        }
        true
    }

    /// An element of L.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.lower[row * self.size + column]
    }

    /// Solves L x = b in place.
    pub fn solve_lower(&self, x: &mut [f64]) {
        for row in 0..self.size {
            let line = &self.lower[row * self.size..][..=row];
            let dot: f64 = line.iter().zip(&x[..row]).map(|(l, x)| l * x).sum();
            x[row] = (x[row] - dot) / line[row];
        }
    }

    /// Solves L L' x = b in place.
    pub fn solve(&self, x: &mut [f64]) {
        self.solve_lower(x);
        for row in (0..self.size).rev() {
            let dot: f64 = (row + 1..self.size).map(|at| self.lower[at * self.size + row] * x[at]).sum();
            x[row] = (x[row] - dot) / self.lower[row * self.size + row];
        }
    }

    /// The last element of the diagonal of the inverse of A.
    pub fn last_of_inverse(&self) -> f64 {
        let last = self.lower[self.size * self.size - 1];
        1.0 / (last * last)
    }

    /// ln det A.
    pub fn ln_det(&self) -> f64 {
        2.0 * (0..self.size).map(|at| self.lower[at * self.size + at].ln()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_by_hand() {
        let mut factor = Cholesky::default();
        // [[4, 2], [2, 5]] x = [8, 12] has x = [1, 2]; det 16; inverse [[5, -2], [-2, 4]] / 16
        assert!(factor.factor(2, &[4.0, f64::NAN, 2.0, 5.0]));
        let mut x = [8.0, 12.0];
        factor.solve(&mut x);
        assert_eq!(x, [1.0, 2.0]);
        assert!((factor.last_of_inverse() - 0.25).abs() < 1e-15 && (factor.ln_det() - 16_f64.ln()).abs() < 1e-15);
        assert!(!factor.factor(2, &[1.0, 1.0, 1.0, 1.0]));
    }
}
