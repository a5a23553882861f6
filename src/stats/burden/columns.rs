//! The copies of a set's variants in the samples of a group, and the sums over them that the tests need.

use super::skat::Kernel;
use crate::stats::assoc::dosage::Dosages;
use crate::stats::assoc::estimate::Reason;
use crate::stats::assoc::logistic::Design;
use crate::stats::assoc::small::Cholesky;

/// Share of the trace below which a covariance is rounding.
const ROUNDING: f64 = 1e-10;

/// One variant in the samples of a group.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Rows with copies in a complete call, ascending, and their copies.
    pub carriers: Vec<(u32, f64)>,
    /// Rows without a complete call.
    pub missing: Vec<u32>,
    /// Mean of the copies in complete calls.
    pub mean: f64,
    /// Copies of the rarer allele.
    pub mac: u64,
    /// Alleles in complete calls.
    pub an: u64,
    /// Whether all samples have the same number of copies.
    pub is_constant: bool,
    /// Value of the column of weights.
    pub column: f64,
    /// The masks that it is in, as bits.
    pub masks: u128,
}

/// A number of copies that is not 0, or the mean in place of a missing call.
#[derive(Clone, Copy, Debug)]
struct Cell {
    row: u32,
    column: u32,
    copies: f64,
    is_carrier: bool,
}

/// Variants of one mask, those that are not constant, with their weights.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Weight by variant.
    pub weights: Vec<f64>,
    /// By row, then variant.
    cells: Vec<Cell>,
    n_rows: usize,
}

/// Kernel, and for each phenotype its scores.
pub struct Scored {
    /// Covariance of the scores, halved.
    pub kernel: Kernel,
    /// By phenotype, `[m]`.
    pub scores: Vec<Vec<f64>>,
}

impl Columns {
    /// A missing call has the mean of the others.
    pub fn new(variants: &[&Variant], weights: Vec<f64>, n_rows: usize) -> Columns {
        let mut cells = Vec::new();
        for (column, variant) in variants.iter().enumerate() {
            let column = column as u32;
            cells.extend(variant.carriers.iter().map(|&(row, copies)| Cell { row, column, copies, is_carrier: true }));
            let mean = variant.mean;
            if mean > 0.0 {
                let imputed = |&row: &u32| Cell { row, column, copies: mean, is_carrier: false };
                cells.extend(variant.missing.iter().map(imputed));
            }
        }
        cells.sort_unstable_by_key(|cell| (cell.row, cell.column));
        Columns { weights, cells, n_rows }
    }

    fn by_row(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunk_by(|a, b| a.row == b.row)
    }

    /// 1 for the samples that carry an allele of the set.
    pub fn carriers(&self) -> Dosages {
        let carrying = self.by_row().filter(|cells| cells.iter().any(|cell| cell.is_carrier));
        Dosages::of_values(self.n_rows, carrying.map(|cells| (cells[0].row, 1.0)).collect())
    }

    /// Weighted sums of copies.
    pub fn burden(&self) -> Dosages {
        let sum =
            |cells: &[Cell]| cells.iter().map(|cell| self.weights[cell.column as usize] * cell.copies).sum::<f64>();
        let sums = self.by_row().map(|cells| (cells[0].row, sum(cells))).filter(|(_, sum)| *sum > 0.0);
        Dosages::of_values(self.n_rows, sums.collect())
    }

    /// Scores w g'r of each residual r, and their covariance w (G'VG - G'VX (X'VX)^-1 X'VG) w, V the `variance` of each sample (1
    /// where there is none) and X'VX `information`. Time: cells x variants of the same sample + variants^2 x covariates.
    pub fn score(
        &self,
        design: &Design,
        variance: Option<&[f64]>,
        information: &[f64],
        residuals: &[&[f64]],
    ) -> Result<Scored, Reason> {
        let (m, k) = (self.weights.len(), design.k);
        let mut gram = vec![0.0; m * m];
        let mut crossed = vec![0.0; m * k];
        let mut scores = vec![vec![0.0; m]; residuals.len()];
        for cells in self.by_row() {
            let row = cells[0].row;
            let v = variance.map_or(1.0, |variance| variance[row as usize]);
            for (at, cell) in cells.iter().enumerate() {
                let column = cell.column as usize;
                let share = v * cell.copies;
                for other in &cells[..=at] {
                    gram[column * m + other.column as usize] += share * other.copies;
                }
                let sums = &mut crossed[column * k..][..k];
                sums.iter_mut().zip(design.row(row)).for_each(|(sum, x)| *sum += share * x);
                for (own, residual) in scores.iter_mut().zip(residuals) {
                    own[column] += cell.copies * residual[row as usize];
                }
            }
        }
        let total: f64 = (0..m).map(|at| gram[at * m + at]).sum();
        self.project(k, information, &crossed, &mut gram)?;
        if (0..m).map(|at| gram[at * m + at]).sum::<f64>() <= ROUNDING * total {
            return Err(Reason::Collinear);
        }
        for own in &mut scores {
            own.iter_mut().zip(&self.weights).for_each(|(score, weight)| *score *= weight);
        }
        Ok(Scored { kernel: Kernel { m, half: self.weighted_half(&gram) }, scores })
    }

    /// Takes out of the lower triangle of `gram` what the covariates explain.
    fn project(&self, k: usize, information: &[f64], crossed: &[f64], gram: &mut [f64]) -> Result<(), Reason> {
        let m = self.weights.len();
        let mut factor = Cholesky::default();
        if !factor.factor(k, information) {
            return Err(Reason::Collinear);
        }
        let mut solved = crossed.to_vec();
        solved.chunks_exact_mut(k).for_each(|own| factor.solve_lower(own));
        for (at, own) in solved.chunks_exact(k).enumerate() {
            for (other, before) in solved.chunks_exact(k).take(at + 1).enumerate() {
                gram[at * m + other] -= own.iter().zip(before).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        Ok(())
    }

    /// Both triangles, with the weights.
    fn weighted_half(&self, gram: &[f64]) -> Vec<f64> {
        let m = self.weights.len();
        let mut half = vec![0.0; m * m];
        for row in 0..m {
            for column in 0..=row {
                let value = 0.5 * self.weights[row] * self.weights[column] * gram[row * m + column];
                half[row * m + column] = value;
                half[column * m + row] = value;
            }
        }
        half
    }
}
