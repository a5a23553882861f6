//! `varbatch kinship`

use super::result_flags::ResultFlags;
use super::select_flags::{Defaults, SelectFlags};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::genome::ContigClass;
use crate::stats::kinship::{Kinship, table};
use crate::stats::results::Results;
use crate::stats::source::Source;
use std::path::PathBuf;

/// Flags of `kinship`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  varbatch kinship demo.ds -o related.tsv")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    /// Keep pairs with at least this coefficient; 0.0442 is the third degree
    #[arg(long, value_name = "PHI", default_value_t = 0.0442, allow_negative_numbers = true)]
    min_kinship: f64,
    /// Keep all pairs
    #[arg(long, conflicts_with = "min_kinship")]
    all_pairs: bool,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    select: SelectFlags,
    #[command(flatten)]
    result: ResultFlags,
}

/// Biallelic variants of the autosomes.
const DEFAULTS: Defaults = Defaults { contig_classes: &[ContigClass::Autosome], biallelic: true, min_maf: Some(0.01) };

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    super::verify::use_threads(args.threads)?;
    let dataset = Dataset::open(&args.dataset)?;
    let selection = args.select.resolve(&dataset, DEFAULTS)?;
    let mut counts = Kinship::new(selection.samples.len());
    Source::new(&dataset, &selection)?.run(Ok, |block| {
        counts.add(&block);
        Ok(())
    })?;
    let least = (!args.all_pairs).then_some(args.min_kinship);
    let frame = table(&counts.finish(), &selection.samples, least)?;
    let settings = serde_json::json!({ "select": args.select.described(DEFAULTS), "min_kinship": least });
    let summary = serde_json::json!({ "n_pairs": frame.height() });
    args.result.put(&Results::new(&dataset, "kinship", settings), "kinship", frame, summary)
}
