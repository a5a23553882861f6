//! Phenotypes that are known for the same samples, and the covariates of those samples.

use super::basis::{Basis, Rows};
use super::traits::{Covariate, Phenotype};
use crate::error::{Error, Result};
use crate::genome::sex::Sex;
use crate::stats::selection::SampleSet;

/// Phenotypes that are known for the same samples.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// Samples that have the phenotypes and all covariates.
    pub rows: Rows,
    /// Men among them.
    pub n_males: u64,
    /// Their covariates.
    pub basis: Basis,
    /// Indexes of the phenotypes, ascending.
    pub members: Vec<usize>,
}

impl Cohort {
    /// Divides the phenotypes by the samples that have them, in the order of the first of each. Too few samples, and covariates that
    /// are combinations of others, are errors.
    pub fn all(samples: &SampleSet, phenotypes: &[Phenotype], covariates: &[Covariate]) -> Result<Vec<Cohort>> {
        let has_covariates: Vec<bool> =
            (0..samples.len()).map(|at| covariates.iter().all(|covariate| !covariate.values[at].is_nan())).collect();
        let mut masks: Vec<(Vec<bool>, Vec<usize>)> = Vec::new();
        for (at, phenotype) in phenotypes.iter().enumerate() {
            let mask: Vec<bool> =
                phenotype.values.iter().zip(&has_covariates).map(|(value, &known)| known && !value.is_nan()).collect();
            match masks.iter_mut().find(|(other, _)| *other == mask) {
                Some((_, members)) => members.push(at),
                None => masks.push((mask, vec![at])),
            }
        }
        let new = |(mask, members): (Vec<bool>, Vec<usize>)| {
            let name = &phenotypes[members[0]].name;
            let rows = Rows::new(&mask);
            let (n, k) = (rows.n(), covariates.len());
            if n < k + 3 {
                return Err(Error::bad_data(format!("{n} samples have the phenotype {name} and all {k} covariates"))
                    .hint(format!(
                        "expected at least {}; --pheno-name and --covar-name name the columns to take",
                        k + 3
                    )));
            }
            Cohort::new(rows, samples, members.clone(), covariates).map_err(|covariate| {
                Error::bad_data(format!(
                    "the covariate {covariate} is a combination of those before it where {name} is known"
                ))
                .hint("leave it out by --covar-name")
            })
        };
        masks.into_iter().map(new).collect()
    }

    /// `Err`: the name of a covariate that is a combination of those before it in these samples.
    pub fn new(
        rows: Rows,
        samples: &SampleSet,
        members: Vec<usize>,
        covariates: &[Covariate],
    ) -> std::result::Result<Cohort, String> {
        let n_males = rows.positions.iter().filter(|&&at| samples.sex(at as usize) == Some(Sex::Male)).count() as u64;
        Ok(Cohort { basis: Basis::new(&rows, covariates)?, rows, n_males, members })
    }
}
