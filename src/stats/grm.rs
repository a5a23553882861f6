//! The genomic relationship matrix: for each pair of samples the mean of `z_i z_j` over the variants where both have a call.
//! Yang et al. 2011, Am J Hum Genet 88:76, doi:10.1016/j.ajhg.2010.11.011 (without their correction of the diagonal, as
//! `plink2 --make-rel`).
//!
//! The matrix is cut into tiles; products of 128 variants are summed in f32, all else in f64. Tiles and chunks depend on the
//! data alone, so the same bytes come out of any number of threads. Time: n^2 M multiplications; memory: 6 n^2 bytes.

use super::pca::standard::each_chunk;
use super::selection::SampleSet;
use super::source::Source;
use super::tables::frame;
use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use polars::prelude::{Column, DataFrame};
use rayon::prelude::*;

/// Rows and columns of a tile.
const TILE: usize = 512;
/// Variants whose products are summed in f32: few, so that an entry is right to 1e-6.
const SUMMED: usize = 128;
/// Entries that are written at once.
const PIECE_ENTRIES: usize = 1 << 18;
/// Largest matrix.
const MAX_BYTES: u64 = 64 << 30;

/// The lower triangle of the matrix, in tiles.
pub struct Grm {
    /// Samples.
    pub n_samples: usize,
    /// Variants that were used.
    pub n_variants: u64,
    /// Variants where a sample has no call.
    n_missing: Vec<u32>,
    tiles: Vec<Tile>,
}

/// A part of the matrix, column by column.
struct Tile {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    sums: Vec<f64>,
    /// Variants where both have no call.
    n_both_missing: Vec<u32>,
}

impl Tile {
    fn new(rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Tile {
        let n = rows.len() * columns.len();
        Tile { rows, columns, sums: vec![0.0; n], n_both_missing: vec![0; n] }
    }

    /// Adds the products of a chunk.
    fn add(&mut self, z: MatRef<f32>) {
        let (n_rows, n_columns) = (self.rows.len(), self.columns.len());
        let mut products = vec![0.0_f32; n_rows * n_columns];
        for start in (0..z.ncols()).step_by(SUMMED) {
            let part = z.subcols(start, SUMMED.min(z.ncols() - start));
            let left = part.subrows(self.rows.start, n_rows);
            let right = part.subrows(self.columns.start, n_columns);
            let target = MatMut::from_column_major_slice_mut(&mut products, n_rows, n_columns);
            matmul(target, Accum::Replace, left, right.transpose(), 1.0_f32, Par::Seq);
            self.sums.iter_mut().zip(&products).for_each(|(sum, &product)| *sum += f64::from(product));
        }
    }

    /// Counts the pairs where both samples have no call: those were taken off twice.
    fn count_missing(&mut self, missing: &[Vec<u32>]) {
        let inside = |list: &[u32], range: &std::ops::Range<usize>| {
            list.partition_point(|&at| (at as usize) < range.start)
                ..list.partition_point(|&at| (at as usize) < range.end)
        };
        for list in missing {
            let rows = &list[inside(list, &self.rows)];
            for &column in &list[inside(list, &self.columns)] {
                let start = (column as usize - self.columns.start) * self.rows.len();
                for &row in rows {
                    self.n_both_missing[start + row as usize - self.rows.start] += 1;
                }
            }
        }
    }
}

impl Tile {
    /// Variants where both samples of an entry have a call.
    fn n_called(&self, at: usize, n_variants: u64, n_missing: &[u32]) -> u64 {
        let (row, column) = (self.rows.start + at % self.rows.len(), self.columns.start + at / self.rows.len());
        let n_one_missing =
            u64::from(n_missing[row]) + u64::from(n_missing[column]) - u64::from(self.n_both_missing[at]);
        n_variants - n_one_missing
    }
}

impl Grm {
    /// Of the samples and variants of `source`.
    pub fn new(source: &Source, n_samples: usize) -> Result<Grm> {
        let n_bytes = 6 * (n_samples as u64).pow(2);
        if n_bytes > MAX_BYTES {
            let message = format!("the relationship matrix of {n_samples} samples takes {} GB", n_bytes >> 30);
            return Err(
                Error::usage(message).hint("use fewer samples (`--samples-file`), or `pca --method randomized`")
            );
        }
        let cuts: Vec<_> = (0..n_samples).step_by(TILE).map(|start| start..n_samples.min(start + TILE)).collect();
        let pairs = (0..cuts.len()).flat_map(|row| (0..=row).map(move |column| (row, column)));
        let mut tiles: Vec<Tile> =
            pairs.map(|(row, column)| Tile::new(cuts[row].clone(), cuts[column].clone())).collect();
        let mut n_missing = vec![0_u32; n_samples];
        let n_variants = each_chunk(source, n_samples, |chunk| {
            chunk.missing.iter().flatten().for_each(|&sample| n_missing[sample as usize] += 1);
            let z = MatRef::from_column_major_slice(&chunk.z, n_samples, chunk.n_variants());
            tiles.par_iter_mut().for_each(|tile| {
                tile.add(z);
                tile.count_missing(&chunk.missing);
            });
            Ok(())
        })?;
        let mut grm = Grm { n_samples, n_variants, n_missing, tiles };
        grm.divide();
        Ok(grm)
    }

    /// Sums to means.
    fn divide(&mut self) {
        let (n_variants, n_missing) = (self.n_variants, &self.n_missing);
        self.tiles.par_iter_mut().for_each(|tile| {
            for at in 0..tile.sums.len() {
                let n = tile.n_called(at, n_variants, n_missing);
                tile.sums[at] = if n == 0 { 0.0 } else { tile.sums[at] / n as f64 };
            }
        });
    }

    /// Entry of a row and a column that is not larger: its value, and the variants where both samples have a call.
    pub fn entry(&self, row: usize, column: usize) -> (f64, u64) {
        let (row_tile, column_tile) = (row / TILE, column / TILE);
        let tile = &self.tiles[row_tile * (row_tile + 1) / 2 + column_tile];
        let at = (column - tile.columns.start) * tile.rows.len() + row - tile.rows.start;
        (tile.sums[at], tile.n_called(at, self.n_variants, &self.n_missing))
    }

    /// The table `grm`, row by row of the lower triangle with its diagonal, in pieces.
    pub fn table(&self, samples: &SampleSet, mut take: impl FnMut(DataFrame) -> Result<()>) -> Result<()> {
        let pairs = |rows: std::ops::Range<usize>| rows.flat_map(|row| (0..=row).map(move |column| (row, column)));
        let mut start = 0;
        loop {
            let mut end = start;
            while end < self.n_samples && (end - start) * end <= PIECE_ENTRIES {
                end += 1;
            }
            let index = |at: usize| samples.indexes()[at] as i32;
            let entries: Vec<(usize, usize, f64, u64)> = pairs(start..end)
                .map(|(row, column)| {
                    let (value, n) = self.entry(row, column);
                    (row, column, value, n)
                })
                .collect();
            let n_variants: Vec<i32> = entries.iter().map(|entry| entry.3 as i32).collect();
            take(frame(vec![
                Column::new("sample_index_1".into(), entries.iter().map(|entry| index(entry.0)).collect::<Vec<_>>()),
                Column::new("sample_1".into(), entries.iter().map(|entry| samples.name(entry.0)).collect::<Vec<_>>()),
                Column::new("sample_index_2".into(), entries.iter().map(|entry| index(entry.1)).collect::<Vec<_>>()),
                Column::new("sample_2".into(), entries.iter().map(|entry| samples.name(entry.1)).collect::<Vec<_>>()),
                Column::new("n_variants".into(), n_variants),
                Column::new("relatedness".into(), entries.iter().map(|entry| entry.2).collect::<Vec<_>>()),
            ])?)?;
            start = end;
            if start == self.n_samples {
                return Ok(());
            }
        }
    }

    /// Calls `take` with row, column (not larger) and value of every entry, tile by tile.
    pub fn for_each(&self, mut take: impl FnMut(usize, usize, f64)) {
        for tile in &self.tiles {
            let n_rows = tile.rows.len();
            for (at, &value) in tile.sums.iter().enumerate() {
                let (row, column) = (tile.rows.start + at % n_rows, tile.columns.start + at / n_rows);
                if column <= row {
                    take(row, column, value);
                }
            }
        }
    }
}
