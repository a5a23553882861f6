//! One HTML page that shows the quality of a cohort, readable offline.
//!
//! ```text
//! manifest, samples, variants (one pass), stored results -> Page (counts, bins, checks) -> JSON inside one HTML file
//! ```
//!
//! Nothing but tables of counts is read, never genotypes. Everything is counted in integers or read as stored, and there is no clock,
//! host or path of this machine in the page: the same dataset gives the same bytes. Memory: the samples table, and bins.

mod checks;
mod numbers;
mod page;
mod points;
mod relations;
mod results;
mod samples;
mod sets;
mod tally;
mod track;
mod variants;

use crate::commit::manifest::{Accounting, Warning};
use crate::dataset::Dataset;
use crate::error::Result;
pub use checks::{Assay, Status};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the user may choose.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Heading of the page.
    pub title: String,
    /// What was sequenced, for the expected Ti/Tv.
    pub assay: Assay,
    /// Label of each sample that has one (population, batch), by name.
    pub groups: BTreeMap<String, String>,
}

/// A finished page.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file.
    pub html: String,
    /// Checks that passed, warned and failed.
    pub n_checks: [usize; 3],
}

/// Where the numbers are from.
#[derive(Debug, Serialize)]
struct Provenance {
    program_version: &'static str,
    dataset_version: String,
    schema_version: u32,
    plan_digest: String,
    n_inputs: u64,
    inputs: Vec<String>,
    settings: BTreeMap<String, String>,
    results: Vec<String>,
}

/// Rejected records: all by reason, some by place.
#[derive(Debug, Serialize)]
struct Rejections {
    /// Those that the manifest lists.
    n_listed: usize,
    by_reason: Vec<(String, u64)>,
    first: Vec<(String, String, i64, String)>,
}

/// Everything the page shows.
#[derive(Debug, Serialize)]
struct Page<'a> {
    title: &'a str,
    provenance: Provenance,
    accounting: Accounting,
    rejections: Rejections,
    warnings: &'a [Warning],
    checks: Vec<checks::Check>,
    samples: &'a samples::Samples,
    variants: &'a variants::Variants,
    results: &'a results::Stored,
}

/// Inputs and places of rejected records that the page lists.
const MOST_LISTED: usize = 100;

/// Makes the page of `dataset`.
pub fn page(dataset: &Dataset, options: &Options) -> Result<Report> {
    let manifest = dataset.manifest();
    let samples = samples::read(dataset, &options.groups)?;
    let variants = variants::read(dataset)?;
    let results = results::read(dataset, &samples.names)?;
    let checks = checks::all(
        &checks::Facts { manifest, samples: &samples, variants: &variants, results: &results },
        options.assay,
    );
    let n_checks = [Status::Pass, Status::Warn, Status::Fail]
        .map(|status| checks.iter().filter(|check| check.status == status).count());
    let inputs = manifest.inputs.iter().take(MOST_LISTED).map(|input| input.path.clone()).collect();
    let provenance = Provenance {
        program_version: env!("CARGO_PKG_VERSION"),
        dataset_version: manifest.varbatch_version.clone(),
        schema_version: manifest.schema_version,
        plan_digest: manifest.plan_digest.clone(),
        n_inputs: manifest.n_inputs.max(manifest.inputs.len() as u64),
        inputs,
        settings: manifest.settings.clone(),
        results: results.names.clone(),
    };
    let (accounting, rejections) = accounting(&manifest.accounting);
    let page = Page {
        title: &options.title,
        provenance,
        accounting,
        rejections,
        warnings: &manifest.warnings,
        checks,
        samples: &samples,
        variants: &variants,
        results: &results,
    };
    Ok(Report { html: page::render(&options.title, &page)?, n_checks })
}

fn accounting(all: &Accounting) -> (Accounting, Rejections) {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for rejection in &all.rejections {
        *reasons.entry(&rejection.reason).or_default() += 1;
    }
    let mut by_reason: Vec<(String, u64)> = reasons.into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect();
    by_reason.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    by_reason.truncate(MOST_LISTED);
    let first = all.rejections.iter().take(MOST_LISTED);
    let first = first.map(|one| (one.path.clone(), one.contig.clone(), one.vcf_pos, one.reason.clone())).collect();
    (
        Accounting { rejections: Vec::new(), ..all.clone() },
        Rejections { n_listed: all.rejections.len(), by_reason, first },
    )
}
