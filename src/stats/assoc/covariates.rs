//! Covariates that the dataset itself has: sex, and principal components that were stored.

use super::traits::Covariate;
use crate::dataset::Dataset;
use crate::dataset::results::stored;
use crate::error::{Error, Result};
use crate::genome::sex::Sex;
use crate::query::query;
use crate::stats::selection::SampleSet;

/// Name of the stored table of principal components.
const TABLE: &str = "pca";

/// The first `n` principal components of the stored table `pca`. A sample that the table does not have is missing.
pub fn principal_components(dataset: &Dataset, samples: &SampleSet, n: usize) -> Result<Vec<Covariate>> {
    let how = "store one of this dataset: `varbatch pca DATASET`";
    if !stored(dataset)?.iter().any(|found| found.table == TABLE) {
        return Err(Error::usage("the dataset has no stored table pca, which --pcs takes components from").hint(how));
    }
    let names: Vec<String> = (1..=n).map(|at| format!("pc{at}")).collect();
    let frame = query(dataset, &format!("SELECT sample_index, {} FROM {TABLE}", names.join(", ")))?;
    let failed = |error| Error::bad_data(format!("the stored table pca is not as expected: {error}")).hint(how);
    let index = frame.column("sample_index").and_then(|column| column.i32()).map_err(failed)?;
    let mut covariates = Vec::with_capacity(n);
    for name in names {
        let column = frame.column(&name).and_then(|column| column.f64()).map_err(failed)?;
        let mut values = vec![f64::NAN; samples.len()];
        for (sample, value) in index.iter().zip(column.iter()) {
            if let (Some(position), Some(value)) = (sample.and_then(|sample| samples.position(sample)), value) {
                values[position as usize] = value;
            }
        }
        covariates.push(Covariate { name, values });
    }
    Ok(covariates)
}

/// 0 for men, 1 for women; a sample of unknown sex is missing.
pub fn sex(samples: &SampleSet) -> Covariate {
    let value = |at: usize| match samples.sex(at) {
        Some(Sex::Male) => 0.0,
        Some(Sex::Female) => 1.0,
        None => f64::NAN,
    };
    Covariate { name: "sex".into(), values: (0..samples.len()).map(value).collect() }
}
