//! `varbatch pca`

use super::analysis_flags::AnalysisFlags;
use super::select_flags::Defaults;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::stats::pca::project::{Weights, project};
use crate::stats::pca::weights::loadings;
use crate::stats::pca::{Components, Method, Wanted};
use crate::stats::results::Results;
use crate::stats::source::Source;
use std::path::PathBuf;

/// Autosomes, one ALT, not rare: as is usual.
const DEFAULTS: Defaults = Defaults { contig_classes: &[ContigClass::Autosome], biallelic: true, min_maf: Some(0.01) };

/// Flags of `pca`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without other flags: alleles of the autosomes at sites with one ALT and a frequency of 0.01 and more. Variants in strong linkage
draw components to their place in the genome: prune them first.
Stored: pca (a row for each sample), pca_eigenvalues, pca_loadings (weights of the variants). --project stores pca_projection.

Examples:
  varbatch pca demo.ds
  varbatch ld demo.ds --min-maf 0.01 --prune 0.2 -o kept.tsv && varbatch pca demo.ds --variants-file kept.tsv -k 20
  varbatch pca new.ds --project reference.ds")]
pub struct Args {
    #[command(flatten)]
    analysis: AnalysisFlags,
    /// Number of components
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10)]
    components: usize,
    /// exact: all eigenvectors of the relationship matrix; randomized: a few passes over the genotypes
    #[arg(long, value_enum, default_value = "auto")]
    method: MethodName,
    /// Seed of the randomized method
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Project the samples on the stored components of this dataset
    #[arg(long, value_name = "DATASET", conflicts_with_all = ["components", "method", "seed"])]
    project: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum MethodName {
    /// exact up to 5,000 samples
    Auto,
    Exact,
    Randomized,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let dataset = args.analysis.open()?;
    match &args.project {
        Some(other) => run_projection(&args, &dataset, &Dataset::open(other)?),
        None => run_components(&args, &dataset),
    }
}

fn run_components(args: &Args, dataset: &Dataset) -> Result<()> {
    let selection = args.analysis.selection(dataset, DEFAULTS)?;
    let n_samples = selection.samples.len();
    let source = Source::new(dataset, &selection)?;
    let method = match args.method {
        MethodName::Auto => Method::Auto,
        MethodName::Exact => Method::Exact,
        MethodName::Randomized => Method::Randomized,
    };
    let wanted = Wanted { n_components: args.components, method, seed: args.seed };
    let is_exact = wanted.is_exact(n_samples);
    let found = wanted.find(&source, n_samples)?;
    let method = if is_exact { "exact" } else { "randomized" };
    let settings = serde_json::json!({
        "select": args.analysis.select.described(DEFAULTS), "components": args.components, "method": method,
        "seed": (!is_exact).then_some(args.seed),
    });
    let results = Results::new(dataset, "pca", settings);
    let summary = serde_json::json!({ "n_samples": n_samples, "n_variants": found.n_variants, "trace": found.trace });
    args.analysis.result.put(&results, "pca", found.frame(&selection.samples)?, summary.clone())?;
    if args.analysis.result.output.is_none() {
        results.store("pca_eigenvalues", found.eigenvalue_frame()?, summary.clone())?;
        store_loadings(dataset, &source, &found, &results, summary)?;
    }
    let share = |at: usize| format!("{:.2} %", 100.0 * found.eigenvalues[at] / found.trace);
    let shares: Vec<String> = (0..found.eigenvalues.len().min(4)).map(share).collect();
    eprintln!(
        "{}: {} components of {n_samples} samples from {} variants ({method}); the first have {} of the variance",
        args.analysis.dataset.display(),
        found.vectors.len(),
        found.n_variants,
        shares.join(", ")
    );
    Ok(())
}

fn store_loadings(
    dataset: &Dataset,
    source: &Source,
    found: &Components,
    results: &Results,
    summary: serde_json::Value,
) -> Result<()> {
    let mut writer = results.begin("pca_loadings")?;
    loadings(source, &contigs(dataset), found, |mut piece| writer.write(&mut piece))?;
    writer.finish(summary)
}

fn contigs(dataset: &Dataset) -> Vec<String> {
    dataset.manifest().contigs.iter().map(|contig| contig.name.clone()).collect()
}

fn run_projection(args: &Args, dataset: &Dataset, other: &Dataset) -> Result<()> {
    // what variants there are says the other dataset
    let selection = args.analysis.selection(dataset, Defaults::default())?;
    let weights = Weights::stored(other)?;
    let source = Source::new(dataset, &selection)?;
    let (frame, n_found) = project(&source, &selection.samples, &contigs(dataset), &weights)?;
    if n_found == 0 {
        return Err(Error::usage(format!(
            "none of the {} variants of the components is in this dataset",
            weights.n_variants()
        ))
        .hint("are contigs named alike, and was the same reference used?"));
    }
    let settings = serde_json::json!({
        "select": args.analysis.select.described(Defaults::default()), "project": other.manifest().plan_digest,
    });
    let summary = serde_json::json!({ "n_variants": n_found, "n_variants_of_components": weights.n_variants() });
    args.analysis.result.put(&Results::new(dataset, "pca", settings), "pca_projection", frame, summary)?;
    eprintln!(
        "{}: {} samples on the components of {}, by {n_found} of {} variants",
        args.analysis.dataset.display(),
        selection.samples.len(),
        args.project.as_deref().unwrap_or(&args.analysis.dataset).display(),
        weights.n_variants()
    );
    Ok(())
}
