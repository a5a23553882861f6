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
use crate::stats::grm::Grm;
use crate::stats::selection::SampleSet;
use crate::stats::source::Source;
use polars::prelude::*;

/// Samples up to which all eigenvectors are found.
const MAX_EXACT: usize = 5_000;

/// How components are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// All eigenvectors of the relationship matrix up to 5,000 samples, else a few passes over the genotypes.
    Auto,
    /// All eigenvectors.
    Exact,
    /// A few passes.
    Randomized,
}

/// Which components are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// How many: `-k`.
    pub n_components: usize,
    /// How.
    pub method: Method,
    /// Of the randomized method.
    pub seed: u64,
}

impl Wanted {
    /// As they are where nobody says more: by the method for so many samples, with seed 1.
    pub fn first(n_components: usize) -> Wanted {
        Wanted { n_components, method: Method::Auto, seed: 1 }
    }

    /// Whether all eigenvectors of so many samples are found.
    pub fn is_exact(&self, n_samples: usize) -> bool {
        self.method == Method::Exact || (self.method == Method::Auto && n_samples <= MAX_EXACT)
    }

    /// Finds them. More components than samples, and variants that do not differ, are [`crate::error::Class::Usage`].
    pub fn find(&self, source: &Source, n_samples: usize) -> Result<Components> {
        let n = self.n_components;
        if n == 0 || n > n_samples {
            return Err(Error::usage(format!("-k is {n}, expected 1 to {n_samples}, the number of samples")));
        }
        let found = match self.is_exact(n_samples) {
            true => exact::components(&Grm::new(source, n_samples)?, n)?,
            false => randomized::components(source, n_samples, n, self.seed)?,
        };
        match found.n_variants {
            0 => Err(Error::usage("no variant is left whose calls differ").hint("see --min-maf, --regions, --where")),
            _ => Ok(found),
        }
    }
}

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
