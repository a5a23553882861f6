//! The first eigenvectors of `z z' / M` without the matrix: a block of random vectors is multiplied by it some times, and all
//! that came on the way is a basis in which the problem is small.
//!
//! Halko, Martinsson, Tropp 2011, SIAM Review 53:217, doi:10.1137/090771806; Galinsky et al. 2016, Am J Hum Genet 98:456,
//! doi:10.1016/j.ajhg.2015.12.022. Missing calls count as the mean.

use super::Components;
use super::standard::each_chunk;
use crate::error::{Error, Result};
use crate::stats::source::Source;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// Random vectors beyond the number of components.
const MORE_VECTORS: usize = 10;
/// Times that the vectors are multiplied by the matrix.
const N_PASSES: usize = 10;
/// Samples that one thread multiplies at once.
const ROWS: usize = 2048;

/// The first `n` components.
pub fn components(source: &Source, n_samples: usize, n: usize, seed: u64) -> Result<Components> {
    let width = (n + MORE_VECTORS).min(n_samples);
    let n_passes = N_PASSES.min(n_samples.div_ceil(width));
    let mut vectors = random(n_samples, width, seed);
    let mut basis = Mat::<f64>::zeros(n_samples, width * n_passes);
    let mut trace = 0.0;
    for pass in 0..n_passes {
        let (product, _, sum) = multiply(source, &vectors)?;
        trace = sum;
        // each block of an orthonormal basis: the columns would all turn to the first component
        vectors = orthonormal(&product);
        basis.subcols_mut(pass * width, width).copy_from(&vectors);
    }
    let basis = orthonormal(&basis);
    let (product, n_variants, _) = multiply(source, &basis)?;
    let mut small = Mat::<f64>::zeros(basis.ncols(), basis.ncols());
    matmul(small.as_mut(), Accum::Replace, basis.transpose(), product.as_ref(), 1.0, Par::Seq);
    let eigen = small.self_adjoint_eigen(Side::Lower);
    let eigen = eigen.map_err(|_| Error::internal("the eigenvalues of a basis cannot be found"))?;
    let first: Vec<usize> = (0..basis.ncols()).rev().take(n).collect();
    let eigenvalues = first.iter().map(|&at| eigen.S()[at]).collect();
    let mut found = Mat::<f64>::zeros(n_samples, basis.ncols());
    matmul(found.as_mut(), Accum::Replace, basis.as_ref(), eigen.U(), 1.0, Par::Seq);
    let vectors = first.iter().map(|&at| (0..n_samples).map(|row| found[(row, at)]).collect()).collect();
    Ok(Components { eigenvalues, vectors, trace, n_variants }.with_signs())
}

/// Normal numbers by Box and Muller's method.
fn random(n_rows: usize, n_columns: usize, seed: u64) -> Mat<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    Mat::from_fn(n_rows, n_columns, |_, _| {
        let (radius, turn): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    })
}

/// An orthonormal basis of the columns. They are made of length 1 first: their lengths differ by powers of the eigenvalues.
fn orthonormal(columns: &Mat<f64>) -> Mat<f64> {
    columns.qr().compute_thin_Q()
}

/// `z z' v / M`; M; and the trace of `z z' / M`.
fn multiply(source: &Source, vectors: &Mat<f64>) -> Result<(Mat<f64>, u64, f64)> {
    let (n_samples, width) = (vectors.nrows(), vectors.ncols());
    let narrow = Mat::<f32>::from_fn(n_samples, width, |row, column| vectors[(row, column)] as f32);
    let starts: Vec<usize> = (0..n_samples).step_by(ROWS).collect();
    let mut sums: Vec<Mat<f64>> = starts.iter().map(|&start| Mat::zeros(ROWS.min(n_samples - start), width)).collect();
    let mut trace = 0.0;
    let n_variants = each_chunk(source, n_samples, |chunk| {
        let z = MatRef::from_column_major_slice(&chunk.z, n_samples, chunk.n_variants());
        trace += chunk.z.par_chunks(n_samples).map(squares).collect::<Vec<f64>>().iter().sum::<f64>();
        let parts: Vec<Mat<f32>> = starts.par_iter().map(|&start| part(z, narrow.as_ref(), start)).collect();
        let mut scores = Mat::<f32>::zeros(chunk.n_variants(), width);
        parts.iter().for_each(|part| scores += part);
        sums.par_iter_mut().zip(&starts).for_each(|(sum, &start)| {
            let mut product = Mat::<f32>::zeros(sum.nrows(), width);
            let rows = z.subrows(start, sum.nrows());
            matmul(product.as_mut(), Accum::Replace, rows, scores.as_ref(), 1.0_f32, Par::Seq);
            *sum += Mat::<f64>::from_fn(product.nrows(), width, |row, column| f64::from(product[(row, column)]));
        });
        Ok(())
    })?;
    let n = n_variants.max(1) as f64;
    let product = Mat::from_fn(n_samples, width, |row, column| sums[row / ROWS][(row % ROWS, column)] / n);
    Ok((product, n_variants, trace / n))
}

fn squares(column: &[f32]) -> f64 {
    column.iter().map(|&z| f64::from(z) * f64::from(z)).sum()
}

/// `z' v` of some of the samples.
fn part(z: MatRef<f32>, vectors: MatRef<f32>, start: usize) -> Mat<f32> {
    let n_rows = ROWS.min(z.nrows() - start);
    let mut product = Mat::<f32>::zeros(z.ncols(), vectors.ncols());
    let (z, vectors) = (z.subrows(start, n_rows), vectors.subrows(start, n_rows));
    matmul(product.as_mut(), Accum::Replace, z.transpose(), vectors, 1.0_f32, Par::Seq);
    product
}
