//! `varbatch score`

use super::analysis_flags::AnalysisFlags;
use super::select_flags::Defaults;
use crate::error::{Error, Result};
use crate::stats::results::Results;
use crate::stats::score::Scoring;
use crate::stats::score::matching::{Matches, matches};
use crate::stats::score::weights::Weights;
use crate::stats::source::Source;
use crate::store::local;
use std::collections::HashSet;
use std::path::PathBuf;

/// Flags of `score`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Weighted sums of allele copies (polygenic scores), as `plink2 --score`. The weights have a header line: the variant (`id`, or
`contig` and `pos`), `effect_allele`, `other_allele` where known, and `weight`; files of the PGS Catalog are taken as they are. A line
whose allele is the reference counts copies of the reference. Strands are not flipped. docs/methods-score.md has the formulas.
Stored: score (a row for each sample).

Examples:
  varbatch score demo.ds --weights PGS000018.txt
  varbatch score demo.ds --weights scores.tsv --weight-columns ldl,hdl --no-mean-imputation -o scores.csv")]
pub struct Args {
    #[command(flatten)]
    analysis: AnalysisFlags,
    /// Table of weights
    #[arg(short, long, value_name = "FILE")]
    weights: PathBuf,
    /// Columns of weights, a score each [default: effect_weight, weight, beta or score; else all that begin so]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    weight_columns: Vec<String>,
    /// Let missing calls count nothing, in place of twice the frequency of the allele
    #[arg(long)]
    no_mean_imputation: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let dataset = args.analysis.open()?;
    let weights = Weights::parse(&local::read_text(&args.weights)?, &args.weights, &args.weight_columns)?;
    let found = matches(&dataset, &weights)?;
    if found.by_variant.is_empty() {
        return Err(Error::usage(format!("{}: none of its variants is in the dataset", args.weights.display())).hint(
            "are positions of the same genome build, or names the IDs of the dataset? `varbatch query` shows them",
        ));
    }
    let mut selection = args.analysis.selection(&dataset, Defaults::default())?;
    let matched: HashSet<i64> = found.by_variant.keys().copied().collect();
    selection.variants.variant_ids = Some(match selection.variants.variant_ids.take() {
        Some(chosen) => chosen.intersection(&matched).copied().collect(),
        None => matched,
    });
    let scoring = Scoring { weights: &weights, matches: &found, impute_mean: !args.no_mean_imputation };
    let scores = scoring.run(&Source::new(&dataset, &selection)?, &selection)?;
    let settings = serde_json::json!({
        "select": args.analysis.select.described(Defaults::default()), "weights": args.weights.display().to_string(),
        "weight_columns": weights.names, "mean_imputation": !args.no_mean_imputation,
    });
    let swapped = found.by_variant.values().filter(|found| found.counts_ref).count();
    let summary = serde_json::json!({
        "n_lines": weights.lines.len(), "n_variants": scores.n_variants, "n_swapped": swapped,
        "n_absent": found.n_absent, "n_mismatched": found.n_mismatched,
    });
    args.analysis.result.put(
        &Results::new(&dataset, "score", settings),
        "score",
        scores.frame(&selection.samples)?,
        summary,
    )?;
    eprintln!(
        "{}: {} scores of {} samples from {} of {} lines ({swapped} count the reference allele)",
        args.analysis.dataset.display(),
        weights.names.len(),
        selection.samples.len(),
        scores.n_variants,
        weights.lines.len(),
    );
    report(&found, &weights);
    Ok(())
}

/// What was left out.
fn report(found: &Matches, weights: &Weights) {
    let kinds = [(found.n_absent, "are not in the dataset"), (found.n_mismatched, "have other alleles there")];
    for ((n, what), example) in kinds.into_iter().zip(found.examples) {
        if let Some(at) = example {
            eprintln!("{n} lines {what}, first line {}", weights.lines[at].number);
        }
    }
}
