//! All eigenvectors of the relationship matrix, of which the first are kept.

use super::Components;
use crate::error::{Error, Result};
use crate::stats::grm::Grm;
use faer::{Mat, Side};

/// The first `n` components of the matrix. Time: about 9 n_samples^3 operations on one core.
pub fn components(grm: &Grm, n: usize) -> Result<Components> {
    let size = grm.n_samples;
    let mut matrix = Mat::<f64>::zeros(size, size);
    let mut trace = 0.0;
    grm.for_each(|row, column, value| {
        matrix[(row, column)] = value;
        if row == column {
            trace += value;
        }
    });
    let eigen = matrix.self_adjoint_eigen(Side::Lower);
    let eigen = eigen.map_err(|_| Error::internal("the eigenvalues of the relationship matrix cannot be found"))?;
    // they come in rising order
    let last = (0..size).rev().take(n);
    let eigenvalues = last.clone().map(|at| eigen.S()[at]).collect();
    let vectors = last.map(|at| (0..size).map(|row| eigen.U()[(row, at)]).collect()).collect();
    Ok(Components { eigenvalues, vectors, trace, n_variants: grm.n_variants }.with_signs())
}
