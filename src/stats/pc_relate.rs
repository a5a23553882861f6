//! Kinship by PC-Relate: Conomos et al. 2016, Am J Hum Genet 98:127, doi:10.1016/j.ajhg.2015.11.022. As KING-robust it holds in
//! samples of several populations, and unlike it in those of mixed ancestry: frequencies are those that a sample's principal
//! components predict.
//!
//! Of each variant the copies g are regressed on the components and a constant, which gives every sample its own frequency mu. Then
//! `phi_ij = Σ (g_i - 2 mu_i)(g_j - 2 mu_j) / (4 Σ sqrt(mu_i (1 - mu_i) mu_j (1 - mu_j)))`, over the variants where both have a
//! call and a frequency between the bounds. Tiles and chunks depend on the data alone: any number of threads gives the same bytes.
//! Time: 2 n^2 M multiplications; memory: 16 n^2 bytes.

use super::block::Block;
use super::selection::SampleSet;
use super::source::Source;
use super::tables::frame;
use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use polars::prelude::{Column, DataFrame};
use rayon::prelude::*;
use std::ops::Range;

/// Variants that are multiplied at once.
const CHUNK: usize = 256;
/// Rows and columns of a tile.
const TILE: usize = 256;
/// Largest pair of matrices.
const MAX_BYTES: u64 = 64 << 30;
/// Pairs that are written at once.
const PIECE_PAIRS: usize = 1 << 18;

/// Kinship of all pairs.
pub struct PcRelate {
    n_samples: usize,
    /// Variants that were used.
    pub n_variants: u64,
    tiles: Vec<Tile>,
}

/// A part of the two sums, column by column.
struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
    products: Vec<f64>,
    variances: Vec<f64>,
}

impl Tile {
    fn add(&mut self, chunk: &Chunk) {
        let (n_rows, n_columns) = (self.rows.len(), self.columns.len());
        for (sums, values) in [(&mut self.products, &chunk.centred), (&mut self.variances, &chunk.deviations)] {
            let all = MatRef::from_column_major_slice(&values[..], chunk.n_samples, chunk.n_variants());
            let (left, right) = (all.subrows(self.rows.start, n_rows), all.subrows(self.columns.start, n_columns));
            let target = MatMut::from_column_major_slice_mut(sums, n_rows, n_columns);
            matmul(target, Accum::Add, left, right.transpose(), 1.0, Par::Seq);
        }
    }
}

/// Variants with the frequencies of every sample. Values are 0 where a sample has no call, or a frequency out of bounds.
struct Chunk {
    n_samples: usize,
    /// `g - 2 mu`, `[n_variants][n_samples]`
    centred: Vec<f64>,
    /// `sqrt(mu (1 - mu))`
    deviations: Vec<f64>,
}

impl Chunk {
    fn n_variants(&self) -> usize {
        self.centred.len() / self.n_samples.max(1)
    }
}

/// Predicts frequencies.
struct Frequencies {
    /// Orthonormal, of the constant and the components: `[k + 1][n_samples]`.
    basis: Vec<Vec<f64>>,
    min_maf: f64,
}

impl Frequencies {
    fn new(components: &[Vec<f64>], n_samples: usize, min_maf: f64) -> Frequencies {
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for vector in std::iter::once(&vec![1.0; n_samples]).chain(components) {
            let mut rest = vector.clone();
            // twice is enough
            for _ in 0..2 {
                for known in &basis {
                    let along = dot(known, &rest);
                    rest.iter_mut().zip(known).for_each(|(value, known)| *value -= along * known);
                }
            }
            let length = dot(&rest, &rest).sqrt();
            if length > 1e-9 {
                basis.push(rest.iter().map(|value| value / length).collect());
            }
        }
        Frequencies { basis, min_maf }
    }

    /// The variants of a block that have calls.
    fn chunks(&self, block: &Block) -> Vec<Chunk> {
        let n = block.n_samples;
        let called: Vec<usize> = (0..block.len()).filter(|&at| block.sites[at].counts.af().is_some()).collect();
        let mut copies = vec![0.0; n];
        let mut chunks = Vec::new();
        for variants in called.chunks(CHUNK) {
            let mut chunk = Chunk { n_samples: n, centred: Vec::new(), deviations: Vec::new() };
            for &variant in variants {
                block.copies_into(variant, f64::NAN, &mut copies);
                self.add(&copies, &mut chunk);
            }
            chunks.push(chunk);
        }
        chunks
    }

    fn add(&self, copies: &[f64], chunk: &mut Chunk) {
        let known = || copies.iter().filter(|value| !value.is_nan());
        let mean = known().sum::<f64>() / known().count() as f64;
        let filled: Vec<f64> = copies.iter().map(|&value| if value.is_nan() { mean } else { value }).collect();
        let along: Vec<f64> = self.basis.iter().map(|vector| dot(vector, &filled)).collect();
        for (sample, &value) in copies.iter().enumerate() {
            let predicted: f64 = self.basis.iter().zip(&along).map(|(vector, along)| vector[sample] * along).sum();
            let mu = predicted / 2.0;
            let is_used = !value.is_nan() && mu > self.min_maf && mu < 1.0 - self.min_maf;
            chunk.centred.push(if is_used { value - predicted } else { 0.0 });
            chunk.deviations.push(if is_used { (mu * (1.0 - mu)).sqrt() } else { 0.0 });
        }
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

impl PcRelate {
    /// Of the samples and variants of `source`, with these principal components (`[k][n_samples]`). Frequencies that are predicted
    /// below `min_maf`, or above `1 - min_maf`, are not used.
    pub fn new(source: &Source, n_samples: usize, components: &[Vec<f64>], min_maf: f64) -> Result<PcRelate> {
        if 16 * (n_samples as u64).pow(2) > MAX_BYTES {
            return Err(Error::usage(format!("{n_samples} samples are too many for PC-Relate"))
                .hint("use fewer samples (`--samples-file`), or KING-robust coefficients (`--method king`)"));
        }
        let frequencies = Frequencies::new(components, n_samples, min_maf);
        let cuts: Vec<_> = (0..n_samples).step_by(TILE).map(|start| start..n_samples.min(start + TILE)).collect();
        let pairs = (0..cuts.len()).flat_map(|row| (0..=row).map(move |column| (row, column)));
        let tile = |(row, column): (usize, usize)| {
            let (rows, columns) = (cuts[row].clone(), cuts[column].clone());
            let n = rows.len() * columns.len();
            Tile { rows, columns, products: vec![0.0; n], variances: vec![0.0; n] }
        };
        let mut found = PcRelate { n_samples, n_variants: 0, tiles: pairs.map(tile).collect() };
        source.run(
            |block| Ok(frequencies.chunks(&block)),
            |chunks| {
                for chunk in chunks {
                    found.n_variants += chunk.n_variants() as u64;
                    found.tiles.par_iter_mut().for_each(|tile| tile.add(&chunk));
                }
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Kinship of a pair, `column` not larger than `row`; `None` where they have no variant in common. Of a sample with itself
    /// `(1 + F) / 2`, with its inbreeding F.
    pub fn kinship(&self, row: usize, column: usize) -> Option<f64> {
        let (row_tile, column_tile) = (row / TILE, column / TILE);
        let tile = &self.tiles[row_tile * (row_tile + 1) / 2 + column_tile];
        let at = (column - tile.columns.start) * tile.rows.len() + row - tile.rows.start;
        (tile.variances[at] > 0.0).then(|| tile.products[at] / (4.0 * tile.variances[at]))
    }

    /// The table `pc_relate`: pairs with at least the kinship `least`, row by row of the lower triangle without its diagonal; in pieces.
    pub fn table(
        &self,
        samples: &SampleSet,
        least: Option<f64>,
        mut take: impl FnMut(DataFrame) -> Result<()>,
    ) -> Result<u64> {
        let mut n_pairs = 0;
        let mut open: Vec<(usize, usize, Option<f64>)> = Vec::new();
        for row in 0..self.n_samples {
            for column in 0..row {
                let kinship = self.kinship(row, column);
                if least.is_none_or(|least| kinship.is_some_and(|kinship| kinship >= least)) {
                    open.push((row, column, kinship));
                }
            }
            if open.len() >= PIECE_PAIRS || row + 1 == self.n_samples {
                n_pairs += open.len() as u64;
                take(piece(samples, &std::mem::take(&mut open))?)?;
            }
        }
        Ok(n_pairs)
    }
}

fn piece(samples: &SampleSet, pairs: &[(usize, usize, Option<f64>)]) -> Result<DataFrame> {
    let index = |at: usize| samples.indexes()[at] as i32;
    // the sample that comes first in the cohort first, as in `kinship`
    frame(vec![
        Column::new("sample_index_1".into(), pairs.iter().map(|pair| index(pair.1)).collect::<Vec<_>>()),
        Column::new("sample_1".into(), pairs.iter().map(|pair| samples.name(pair.1)).collect::<Vec<_>>()),
        Column::new("sample_index_2".into(), pairs.iter().map(|pair| index(pair.0)).collect::<Vec<_>>()),
        Column::new("sample_2".into(), pairs.iter().map(|pair| samples.name(pair.0)).collect::<Vec<_>>()),
        Column::new("kinship".into(), pairs.iter().map(|pair| pair.2).collect::<Vec<_>>()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_the_regression_on_the_components() {
        // without components everybody has the same one
        let mean = Frequencies::new(&[], 4, 0.0);
        let mut chunk = Chunk { n_samples: 4, centred: Vec::new(), deviations: Vec::new() };
        mean.add(&[0.0, 1.0, 2.0, f64::NAN], &mut chunk);
        let close = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&chunk.centred, &[-1.0, 0.0, 1.0, 0.0]), "{:?}", chunk.centred);
        assert!(close(&chunk.deviations, &[0.5, 0.5, 0.5, 0.0]), "{:?}", chunk.deviations);
        // two groups: each has its own; 0 and 1 are no frequencies that can be used
        let groups = Frequencies::new(&[vec![1.0, 1.0, -1.0, -1.0], vec![2.0, 2.0, -2.0, -2.0]], 4, 0.0);
        assert_eq!(groups.basis.len(), 2);
        let mut chunk = Chunk { n_samples: 4, centred: Vec::new(), deviations: Vec::new() };
        groups.add(&[0.0, 1.0, 0.0, 2.0], &mut chunk);
        assert!(close(&chunk.centred, &[-0.5, 0.5, -1.0, 1.0]), "{:?}", chunk.centred);
    }
}
