//! Tests of sets of variants, such as the rare variants of a gene, for association with phenotypes.
//!
//! ```text
//! sets (BED, GFF, table, consequences) + masks (SQL, frequencies) -> members, by variant
//! Source -> Blocks -> walk: the variants of each set, once its last has passed -> group: tests -> rows of `burden` (table)
//! ```
//!
//! Sets are tested in parallel, each on one thread with sums in a fixed order, and rows leave in the order of the sets. Memory: the
//! calls of the sets that are open; 32 bytes for each variant of each set; a few matrices of the variants of a set squared on each thread
//! (SKAT, 200 MB each for [`MAX_KERNEL`]). Formulas and what happens where there is no result: `docs/methods-burden.md`.

mod columns;
mod fisher;
mod group;
pub mod masks;
pub mod sets;
mod skat;
pub mod summary;
pub mod table;
pub mod walk;
pub mod weights;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::genome::ContigClass;
use crate::stats::assoc::basis::Rows;
use crate::stats::assoc::cohort::Cohort;
use crate::stats::assoc::dosage::{Dosages, MissingCalls, Takers};
use crate::stats::assoc::estimate::Reason;
use crate::stats::assoc::traits::{Covariate, Phenotype};
use crate::stats::assoc::{Size, logistic, no_fit};
use crate::stats::block::Block;
use crate::stats::selection::SampleSet;
use columns::Variant;
use group::Group;
pub use group::{MAX_KERNEL, Numbers, Record, Scratch};
use masks::Mask;
pub use skat::Quantiles;
use std::sync::Arc;
use weights::{Facts, Weights};

/// A test of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestName {
    /// Carriers of some allele against others.
    Collapsing,
    /// Regression on the weighted sum of copies.
    Burden,
    /// Sequence kernel association test.
    Skat,
    /// The best of mixtures of both.
    Skato,
}

impl TestName {
    /// Its name in the column `test`.
    pub fn name(self) -> &'static str {
        match self {
            TestName::Collapsing => "collapsing",
            TestName::Burden => "burden",
            TestName::Skat => "skat",
            TestName::Skato => "skato",
        }
    }

    fn has_kernel(self) -> bool {
        matches!(self, TestName::Skat | TestName::Skato)
    }
}

/// What a test finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// How p was found.
    pub method: &'static str,
    /// Effect of one unit.
    pub beta: Option<f64>,
    /// Its standard error.
    pub se: Option<f64>,
    /// The statistic.
    pub stat: Option<f64>,
    /// Of SKAT-O, the mixture with the smallest p.
    pub rho: Option<f64>,
    /// ln of the two-sided p.
    pub ln_p: f64,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// No variant of the set is in the mask.
    NoVariants,
    /// More variants than a kernel can have.
    TooManyVariants,
    /// As for single variants.
    Reason(Reason),
}

impl Gap {
    /// Its name in the column `status`.
    pub fn name(self) -> &'static str {
        match self {
            Gap::NoVariants => "no_variants",
            Gap::TooManyVariants => "too_many_variants",
            Gap::Reason(reason) => reason.name(),
        }
    }
}

/// A result, or why there is none.
pub type Outcome = std::result::Result<Finding, Gap>;

/// How to test.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tests, in the order of their rows.
    pub tests: Vec<TestName>,
    /// The masks, in the order of their rows.
    pub masks: Vec<Mask>,
    /// Weights of variants.
    pub weights: Weights,
    /// What a missing call means.
    pub missing: MissingCalls,
    /// Regression of binary phenotypes.
    pub logistic: logistic::Settings,
    /// Of SKAT-O.
    pub quantiles: Quantiles,
}

impl Settings {
    fn weight_of(&self, variant: &Variant) -> f64 {
        self.weights.of(Facts { mac: variant.mac, an: variant.an, column: variant.column })
    }
}

/// A variant of a set, with its calls.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where its calls are.
    pub block: Arc<Block>,
    /// Which of the block's variants it is.
    pub at: usize,
    /// Conditions that hold, as bits.
    pub conditions: u64,
    /// Value of the column of weights.
    pub column: f64,
}

/// Phenotypes and covariates of a dataset, ready for its sets.
#[derive(Debug)]
pub struct Analysis<'a> {
    /// The phenotypes, in the order of the result.
    pub phenotypes: Vec<Phenotype>,
    /// How to test.
    pub settings: Settings,
    /// Names of contigs.
    pub contigs: Vec<String>,
    covariates: Vec<Covariate>,
    samples: &'a SampleSet,
    groups: Vec<Group>,
}

impl<'a> Analysis<'a> {
    /// Fits the covariates. A phenotype without enough samples, and covariates that are combinations of others or separate cases from
    /// controls, are errors.
    pub fn new(
        dataset: &Dataset,
        samples: &'a SampleSet,
        phenotypes: Vec<Phenotype>,
        covariates: Vec<Covariate>,
        settings: Settings,
    ) -> Result<Analysis<'a>> {
        let mut groups = Vec::new();
        for cohort in Cohort::all(samples, &phenotypes, &covariates)? {
            let group = Group::new(cohort, &phenotypes, settings.logistic.max_vif);
            for &at in &group.members {
                if let Some(Err(reason)) = group.fit_of(at) {
                    return Err(no_fit(*reason, &group.rows, &phenotypes[at]));
                }
            }
            groups.push(group);
        }
        let contigs = dataset.manifest().contigs.iter().map(|contig| contig.name.clone()).collect();
        Ok(Analysis { phenotypes, settings, contigs, covariates, samples, groups })
    }

    /// Samples and cases of each phenotype, and the covariates that are left out because they are constant there.
    pub fn sizes(&self) -> Vec<Size> {
        let size = |at: usize| {
            let group = self.groups.iter().find(|group| group.members.contains(&at));
            let group = group.expect("every phenotype is in a group");
            let fit = group.fit_of(at).and_then(|fit| fit.as_ref().ok());
            let n_cases = fit.map(|fit| fit.n_cases(&Dosages::default()));
            Size { n: group.rows.n(), n_cases, constant: group.constant.clone() }
        };
        (0..self.phenotypes.len()).map(size).collect()
    }

    /// All tests of a set: index of the mask, and record; by mask, phenotype and test.
    pub fn test(&self, parts: &[Part], scratch: &mut Scratch) -> Vec<(usize, Record)> {
        let mut records = Vec::new();
        for group in &self.groups {
            let variants = self.read(group, parts);
            for mask in 0..self.settings.masks.len() {
                let chosen: Vec<usize> = (0..parts.len()).filter(|&at| variants[at].masks >> mask & 1 == 1).collect();
                let found = self.test_mask(group, parts, &variants, &chosen, scratch);
                records.extend(found.into_iter().map(|record| (mask, record)));
            }
        }
        let place = |test: TestName| self.settings.tests.iter().position(|own| *own == test);
        records.sort_by_key(|(mask, record)| (*mask, record.phenotype, place(record.test)));
        records
    }

    fn test_mask(
        &self,
        group: &Group,
        parts: &[Part],
        variants: &[Variant],
        chosen: &[usize],
        scratch: &mut Scratch,
    ) -> Vec<Record> {
        let is_complete = chosen.iter().all(|&at| variants[at].missing.is_empty());
        if self.settings.missing == MissingCalls::Mean || is_complete {
            let chosen: Vec<&Variant> = chosen.iter().map(|&at| &variants[at]).collect();
            return group.test(&chosen, &self.settings, scratch);
        }
        let missing = chosen.iter().flat_map(|&at| &variants[at].missing);
        match self.without(group, missing) {
            Ok(rest) => {
                let parts: Vec<Part> = chosen.iter().map(|&at| parts[at].clone()).collect();
                let variants = self.read(&rest, &parts);
                rest.test(&variants.iter().collect::<Vec<_>>(), &self.settings, scratch)
            }
            Err(reason) => group.nothing(chosen.len(), Gap::Reason(reason), &self.settings),
        }
    }

    /// The group without some of its rows.
    fn without<'r>(&self, group: &Group, missing: impl Iterator<Item = &'r u32>) -> std::result::Result<Group, Reason> {
        let mut is_in = vec![false; self.samples.len()];
        group.rows.positions.iter().for_each(|&position| is_in[position as usize] = true);
        missing.for_each(|&row| is_in[group.rows.positions[row as usize] as usize] = false);
        let rows = Rows::new(&is_in);
        if rows.n() < self.covariates.len() + 3 {
            return Err(Reason::TooFewSamples);
        }
        let cohort = Cohort::new(rows, self.samples, group.members.clone(), &self.covariates);
        let cohort = cohort.map_err(|_| Reason::Collinear)?;
        Ok(Group::new(cohort, &self.phenotypes, self.settings.logistic.max_vif))
    }

    /// The variants in the samples of a group.
    fn read(&self, group: &Group, parts: &[Part]) -> Vec<Variant> {
        let takers =
            Takers { rows: &group.rows, samples: self.samples, n_males: group.n_males, missing: MissingCalls::Drop };
        let mut dosages = Dosages::default();
        let mut read = |part: &Part| {
            let site = &part.block.sites[part.at];
            let is_x = ContigClass::of(&self.contigs[site.contig as usize]) == ContigClass::X;
            dosages.fill(&part.block, part.at, is_x, &takers);
            let (ac, an) = (site.counts.ac(), site.counts.an());
            let in_mask = |(bit, mask): (usize, &Mask)| u128::from(mask.has(part.conditions, ac, an)) << bit;
            Variant {
                carriers: dosages.carriers.clone(),
                missing: dosages.missing.clone(),
                mean: if dosages.n > 0 { dosages.sum / dosages.n as f64 } else { 0.0 },
                mac: dosages.ac.min(dosages.an - dosages.ac),
                an: dosages.an,
                is_constant: dosages.is_constant,
                column: part.column,
                masks: self.settings.masks.iter().enumerate().map(in_mask).fold(0, |bits, bit| bits | bit),
            }
        };
        parts.iter().map(&mut read).collect()
    }
}
