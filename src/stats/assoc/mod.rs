//! Association of variants with phenotypes: linear and logistic regression with covariates, variant by variant.
//!
//! ```text
//! columns of texts (sample_table) -> Phenotype, Covariate (traits) -> groups of phenotypes with the same samples
//! Block -> Dosages, once a group -> linear, logistic -> Outcome -> rows of `assoc` (table)
//! ```
//!
//! Many phenotypes cost one pass over the genotypes. Formulas and what happens where there is no estimate: `docs/methods-assoc.md`.

pub mod basis;
pub mod cohort;
pub mod covariates;
pub mod dosage;
pub mod estimate;
mod irls;
pub mod linear;
pub mod logistic;
pub mod small;
pub mod summary;
pub mod table;
pub mod traits;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::stats::block::Block;
use crate::stats::selection::SampleSet;
use basis::Rows;
use cohort::Cohort;
use dosage::{Dosages, MissingCalls, Takers};
use estimate::{Outcome, Reason};
use linear::Linear;
use logistic::{Design, Trait};
use traits::{Covariate, Kind, Phenotype};

/// How to test.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Tests of binary phenotypes.
    pub logistic: logistic::Settings,
    /// What a missing call means.
    pub missing: MissingCalls,
    /// Only results with this p or less are rows.
    pub max_p: Option<f64>,
}

/// Phenotypes and covariates of a dataset, ready for its variants.
#[derive(Debug)]
pub struct Analysis<'a> {
    /// The phenotypes, in the order of the result.
    pub phenotypes: Vec<Phenotype>,
    samples: &'a SampleSet,
    groups: Vec<Group>,
    settings: Settings,
    contigs: Vec<String>,
}

/// Phenotypes that are known for the same samples.
#[derive(Debug)]
struct Group {
    rows: Rows,
    n_males: u64,
    /// Covariates that are constant in these samples.
    constant: Vec<String>,
    /// Indexes of the phenotypes of `linear`.
    quantitative: Vec<usize>,
    linear: Linear,
    design: Design,
    binary: Vec<(usize, Trait)>,
}

/// A phenotype and one variant.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Samples in the regression.
    pub n: usize,
    /// Cases among them.
    pub n_cases: Option<usize>,
    /// Copies of the allele in their complete calls.
    pub ac: u64,
    /// Alleles in their complete calls.
    pub an: u64,
    /// What was found.
    pub outcome: Outcome,
}

/// Memory for the tests of one thread.
#[derive(Debug, Default)]
struct Scratch {
    dosages: Dosages,
    outcomes: Vec<Outcome>,
    linear: linear::Scratch,
    logistic: logistic::Scratch,
    /// By phenotype.
    records: Vec<Option<Record>>,
}

impl<'a> Analysis<'a> {
    /// Fits the covariates. A phenotype without enough samples, and covariates that are combinations of others or separate cases from
    /// controls, are errors.
    pub fn new(
        dataset: &Dataset,
        samples: &'a SampleSet,
        phenotypes: Vec<Phenotype>,
        covariates: &[Covariate],
        settings: Settings,
    ) -> Result<Analysis<'a>> {
        let cohorts = Cohort::all(samples, &phenotypes, covariates)?;
        let groups = cohorts.into_iter().map(|cohort| Group::new(cohort, &phenotypes, settings));
        let groups = groups.collect::<Result<Vec<Group>>>()?;
        let contigs = dataset.manifest().contigs.iter().map(|contig| contig.name.clone()).collect();
        Ok(Analysis { phenotypes, samples, groups, settings, contigs })
    }

    /// Samples and cases of each phenotype, and the covariates that are left out because they are constant there.
    pub fn sizes(&self) -> Vec<Size> {
        let size = |at: usize| {
            let group = self.groups.iter().find(|group| group.has(at)).expect("every phenotype is in a group");
            let trait_of = group.binary.iter().find(|(own, _)| *own == at);
            let n_cases = trait_of.map(|(_, binary)| binary.n_cases(&Dosages::default()));
            Size { n: group.rows.n(), n_cases, constant: group.constant.clone() }
        };
        (0..self.phenotypes.len()).map(size).collect()
    }

    /// Tests every variant of a block.
    pub fn test(&self, block: &Block) -> Result<table::Piece> {
        let mut scratch = Scratch { records: vec![None; self.phenotypes.len()], ..Scratch::default() };
        let mut builder = table::Builder::new(&self.contigs, &self.phenotypes, self.settings.max_p);
        for (at, site) in block.sites.iter().enumerate() {
            let is_x = ContigClass::of(&self.contigs[site.contig as usize]) == ContigClass::X;
            for group in &self.groups {
                let takers = Takers {
                    rows: &group.rows,
                    samples: self.samples,
                    n_males: group.n_males,
                    missing: self.settings.missing,
                };
                scratch.dosages.fill(block, at, is_x, &takers);
                group.test(self.settings, &mut scratch);
            }
            builder.push(site, &scratch.records);
        }
        builder.finish()
    }
}

/// Who takes part in the analysis of a phenotype.
#[derive(Clone, Debug)]
pub struct Size {
    /// Samples.
    pub n: usize,
    /// Cases among them, of a binary phenotype.
    pub n_cases: Option<usize>,
    /// Covariates that are constant in them.
    pub constant: Vec<String>,
}

impl Group {
    fn new(cohort: Cohort, phenotypes: &[Phenotype], settings: Settings) -> Result<Group> {
        let Cohort { rows, n_males, basis, members } = cohort;
        let design = Design::new(&basis);
        let of_kind = |kind| members.iter().copied().filter(move |&at| phenotypes[at].kind == kind);
        let quantitative: Vec<usize> = of_kind(Kind::Quantitative).collect();
        let values: Vec<Vec<f64>> = quantitative.iter().map(|&at| rows.of(&phenotypes[at].values)).collect();
        let fit = |at: usize| {
            let fit = fit_binary(&design, rows.of(&phenotypes[at].values));
            Ok((at, fit.map_err(|reason| no_fit(reason, &rows, &phenotypes[at]))?))
        };
        let binary = of_kind(Kind::Binary).map(fit);
        Ok(Group {
            n_males,
            constant: basis.constant.clone(),
            quantitative,
            linear: Linear::new(&basis, &values, settings.logistic.max_vif),
            binary: binary.collect::<Result<_>>()?,
            design,
            rows,
        })
    }

    fn has(&self, phenotype: usize) -> bool {
        self.quantitative.contains(&phenotype) || self.binary.iter().any(|(at, _)| *at == phenotype)
    }

    /// Tests the variant in `scratch.dosages` and puts what it finds into `scratch.records`.
    fn test(&self, settings: Settings, scratch: &mut Scratch) {
        let Scratch { dosages, outcomes, linear, logistic, records } = scratch;
        let record = |n_cases, outcome| Some(Record { n: dosages.n, n_cases, ac: dosages.ac, an: dosages.an, outcome });
        if !self.quantitative.is_empty() {
            outcomes.clear();
            self.linear.test(dosages, linear, outcomes);
            for (&at, &outcome) in self.quantitative.iter().zip(&*outcomes) {
                records[at] = record(None, outcome);
            }
        }
        for (at, binary) in &self.binary {
            let outcome = logistic::test(&self.design, binary, dosages, settings.logistic, logistic);
            records[*at] = record(Some(binary.n_cases(dosages)), outcome);
        }
    }
}

/// Fits the covariates of a binary phenotype; it must have cases and controls, which the covariates do not separate.
pub fn fit_binary(design: &Design, y: Vec<f64>) -> std::result::Result<Trait, Reason> {
    let n_cases = y.iter().filter(|&&y| y == 1.0).count();
    match n_cases == 0 || n_cases == y.len() {
        true => Err(Reason::ConstantPhenotype),
        false => Trait::new(design, y).ok_or(Reason::Separation),
    }
}

/// The error of a binary phenotype without a fit.
pub fn no_fit(reason: Reason, rows: &Rows, phenotype: &Phenotype) -> Error {
    let (name, y) = (&phenotype.name, rows.of(&phenotype.values));
    let n_cases = y.iter().filter(|&&y| y == 1.0).count();
    match reason {
        Reason::ConstantPhenotype => {
            Error::bad_data(format!("the phenotype {name} has {n_cases} cases among {} samples", y.len()))
                .hint("expected cases and controls; --pheno-name names the columns to take")
        }
        _ => Error::bad_data(format!(
            "the covariates separate cases from controls of {name}: without a variant there is no fit"
        ))
        .hint("leave covariates out by --covar-name, or the phenotype by --pheno-name"),
    }
}
