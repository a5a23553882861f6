//! Principal components of the standardised genotypes.
//!
//! ```text
//! exact:      Source -> columns of z -> relationship matrix -> eigenvectors            (memory 12 n^2 bytes)
//! randomized: Source, once a pass -> z z' q -> orthonormal basis -> small eigenproblem (memory 8 n (k + 10) (passes + 1) bytes)
//! ```
//! then one pass more for the weights of the variants, with which other samples are projected. Formulas: docs/methods-pca.md.

pub mod exact;
pub mod project;
pub mod randomized;
pub mod standard;
pub mod weights;

use crate::error::{Error, Result};
use crate::stats::selection::SampleSet;
use polars::prelude::*;

/// Components of samples.
#[derive(Clone, Debug)]
pub struct Components {
    /// Largest first.
    pub eigenvalues: Vec<f64>,
    /// `[n_components][n_samples]`, each of length 1; the largest entry is positive.
    pub vectors: Vec<Vec<f64>>,
    /// Sum of all eigenvalues.
    pub trace: f64,
    /// Variants that were used.
    pub n_variants: u64,
}

impl Components {
    /// Gives every vector the sign that makes its largest entry (the first of several) positive.
    fn with_signs(mut self) -> Components {
        for vector in &mut self.vectors {
            let largest =
                vector.iter().fold(0.0_f64, |best, &value| if value.abs() > best.abs() { value } else { best });
            if largest < 0.0 {
                vector.iter_mut().for_each(|value| *value = -*value);
            }
        }
        self
    }

    /// Table `pca`: one row for each sample.
    pub fn frame(&self, samples: &SampleSet) -> Result<DataFrame> {
        sample_frame(samples, Vec::new(), &self.vectors)
    }

    /// Table `pca_eigenvalues`: one row for each component.
    pub fn eigenvalue_frame(&self) -> Result<DataFrame> {
        let share: Vec<f64> = self.eigenvalues.iter().map(|value| value / self.trace).collect();
        let numbers: Vec<i32> = (1..=self.eigenvalues.len() as i32).collect();
        let columns = vec![
            Column::new("pc".into(), numbers),
            Column::new("eigenvalue".into(), &self.eigenvalues),
            Column::new("share".into(), share),
        ];
        DataFrame::new(self.eigenvalues.len(), columns).map_err(internal)
    }
}

/// `sample_index`, `sample`, the `middle`, then `pc1`, `pc2`, ...
fn sample_frame(samples: &SampleSet, middle: Vec<Column>, components: &[Vec<f64>]) -> Result<DataFrame> {
    let indexes: Vec<i32> = samples.indexes().iter().map(|&index| index as i32).collect();
    let names: Vec<&str> = samples.names().collect();
    let mut columns = vec![Column::new("sample_index".into(), indexes), Column::new("sample".into(), names)];
    columns.extend(middle);
    columns.extend(components.iter().zip(1..).map(|(values, at)| Column::new(format!("pc{at}").into(), values)));
    DataFrame::new(samples.len(), columns).map_err(internal)
}

fn internal(error: PolarsError) -> Error {
    Error::internal(format!("cannot make a table of components: {error}"))
}
