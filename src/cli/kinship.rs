//! `varbatch kinship`

use super::result_flags::ResultFlags;
use super::select_flags::{Defaults, SelectFlags};
use super::verify::use_threads;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::stats::assoc::covariates::principal_components;
use crate::stats::grm::Grm;
use crate::stats::kinship::{Kinship, Relation};
use crate::stats::pc_relate::PcRelate;
use crate::stats::pca::{exact, randomized};
use crate::stats::results::Results;
use crate::stats::selection::{SampleSet, Selection};
use crate::stats::source::Source;
use std::path::PathBuf;

/// As KING and PLINK 2: autosomes, one ALT, rare ones too.
const DEFAULTS: Defaults = Defaults { contig_classes: &[ContigClass::Autosome], biallelic: true, min_maf: None };

/// Of PC-Relate: rare variants say little of ancestry.
const COMMON: Defaults = Defaults { min_maf: Some(0.01), ..DEFAULTS };

/// Flags of `kinship`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
KING-robust coefficients, as `plink2 --make-king-table`: 0.5 for duplicates and twins, 0.25 for parent and child or full sibs, 0.125
for the second degree, 0.0625 for the third. They hold in samples of several populations; do not prune variants before.
Without other flags: alleles of the autosomes at sites with one ALT, of any frequency. Memory: 10 bytes x samples x samples.
Stored: kinship (a row for each pair).
--method grm makes the genomic relationship matrix in its place, as `plink2 --make-rel`: the mean product of standardised genotypes,
for mixed models and heritability. Stored: grm (a row for each pair, and each sample with itself).
--method pc-relate gives coefficients that hold in samples of mixed ancestry, as Hail and GENESIS: frequencies are predicted by principal
components, which are found first (-k) from the same variants; by default those with a frequency of 0.01 and more. --pcs takes
stored ones in their place, of variants that are not linked (`ld --prune`, then `pca --variants-file`). Stored: pc_relate.

Examples:
  varbatch kinship demo.ds
  varbatch query demo.ds \"SELECT sample_1, sample_2, kinship, relation FROM kinship ORDER BY kinship DESC\"
  varbatch kinship demo.ds --all-pairs -o pairs.tsv
  varbatch pca demo.ds --variants-file kept.tsv && varbatch kinship demo.ds --method pc-relate --pcs 5")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    /// What relatedness is
    #[arg(long, value_enum, default_value_t = Method::King)]
    method: Method,
    /// Principal components of pc-relate
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10)]
    components: usize,
    /// Take the first N principal components of the stored table pca for pc-relate
    #[arg(long, value_name = "N", conflicts_with = "components")]
    pcs: Option<usize>,
    /// Predicted frequencies that pc-relate uses: from this to 1 - this [default: --min-maf]
    #[arg(long, value_name = "MAF")]
    min_individual_maf: Option<f64>,
    /// Keep pairs with at least this coefficient; 0.0442 is the third degree
    #[arg(long, value_name = "PHI", default_value_t = 0.0442, allow_negative_numbers = true)]
    min_kinship: f64,
    /// Keep all pairs
    #[arg(long, conflicts_with = "min_kinship")]
    all_pairs: bool,
    #[command(flatten)]
    select: SelectFlags,
    #[command(flatten)]
    result: ResultFlags,
    /// Threads [default: all cores]
    #[arg(short = '@', long, value_name = "N")]
    threads: Option<usize>,
}

/// What relatedness is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Method {
    /// Coefficient of kinship, without allele frequencies
    King,
    /// Mean product of standardised genotypes
    Grm,
    /// Coefficient of kinship, with frequencies predicted by principal components
    PcRelate,
}

/// Samples up to which all eigenvectors are found, as in `pca`.
const MAX_EXACT: usize = 5_000;
/// Of the randomized method, as in `pca`.
const SEED: u64 = 1;

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    use_threads(args.threads)?;
    let dataset = Dataset::open(&args.dataset)?;
    if args.method != Method::King && args.method != Method::PcRelate && args.all_pairs {
        return Err(Error::usage("--method grm has all pairs always"));
    }
    if args.method != Method::PcRelate && (args.pcs.is_some() || args.min_individual_maf.is_some()) {
        return Err(Error::usage("--pcs and --min-individual-maf are of --method pc-relate"));
    }
    let defaults = if args.method == Method::PcRelate { COMMON } else { DEFAULTS };
    let selection = args.select.resolve(&dataset, defaults)?;
    match args.method {
        Method::King => run_king(&args, &dataset, &selection),
        Method::Grm => run_grm(&args, &dataset, &selection),
        Method::PcRelate => run_pc_relate(&args, &dataset, &selection),
    }
}

fn run_pc_relate(args: &Args, dataset: &Dataset, selection: &Selection) -> Result<()> {
    let samples = &selection.samples;
    let n = samples.len();
    let min_maf = selection.variants.min_maf.unwrap_or_default();
    let min_individual_maf = args.min_individual_maf.unwrap_or(min_maf);
    if !(0.0..0.5).contains(&min_individual_maf) {
        return Err(Error::usage(format!("--min-individual-maf is {min_individual_maf}, expected 0 to less than 0.5")));
    }
    let source = Source::new(dataset, selection)?;
    let components = match args.pcs {
        Some(n_components) => stored_components(dataset, samples, n_components)?,
        None => components_of(&source, n, args.components)?,
    };
    let pairs = PcRelate::new(&source, n, &components, min_individual_maf)?;
    let least = (!args.all_pairs).then_some(args.min_kinship);
    let settings = serde_json::json!({
        "select": args.select.described(COMMON), "method": "pc-relate", "min_kinship": least,
        "components": args.pcs.unwrap_or(args.components), "stored_components": args.pcs.is_some(),
        "min_individual_maf": min_individual_maf,
    });
    let mut writer = args.result.begin(&Results::new(dataset, "kinship", settings), "pc_relate")?;
    let n_pairs = pairs.table(samples, least, |mut piece| writer.write(&mut piece))?;
    writer.finish(serde_json::json!({ "n_samples": n, "n_variants": pairs.n_variants, "n_pairs": n_pairs }))?;
    eprintln!("{}: {n_pairs} pairs of {n} samples, {} variants", args.dataset.display(), pairs.n_variants);
    Ok(())
}

/// The first `n_components` of these variants.
fn components_of(source: &Source, n: usize, n_components: usize) -> Result<Vec<Vec<f64>>> {
    if n_components == 0 || n_components > n {
        return Err(Error::usage(format!("-k is {n_components}, expected 1 to {n}, the number of samples")));
    }
    let found = match n <= MAX_EXACT {
        true => exact::components(&Grm::new(source, n)?, n_components)?,
        false => randomized::components(source, n, n_components, SEED)?,
    };
    if found.n_variants == 0 {
        return Err(Error::usage("no variant is left whose calls differ").hint("see --min-maf, --regions, --where"));
    }
    Ok(found.vectors)
}

/// The first `n_components` of the stored table `pca`, which has to have all samples.
fn stored_components(dataset: &Dataset, samples: &SampleSet, n_components: usize) -> Result<Vec<Vec<f64>>> {
    let found = principal_components(dataset, samples, n_components)?;
    for component in &found {
        if let Some(at) = component.values.iter().position(|value| !value.is_finite()) {
            let name = samples.name(at);
            return Err(Error::usage(format!("sample `{name}` has no {} in the stored table pca", component.name))
                .hint("find components of all samples, or leave out those without (`--samples-file`)"));
        }
    }
    Ok(found.into_iter().map(|component| component.values).collect())
}

fn run_grm(args: &Args, dataset: &Dataset, selection: &Selection) -> Result<()> {
    let samples = &selection.samples;
    let grm = Grm::new(&Source::new(dataset, selection)?, samples.len())?;
    if grm.n_variants == 0 {
        return Err(Error::usage("no variant is left whose calls differ").hint("see --min-maf, --regions, --where"));
    }
    let settings = serde_json::json!({ "select": args.select.described(DEFAULTS), "method": "grm" });
    let mut writer = args.result.begin(&Results::new(dataset, "kinship", settings), "grm")?;
    grm.table(samples, |mut piece| writer.write(&mut piece))?;
    writer.finish(serde_json::json!({ "n_samples": samples.len(), "n_variants": grm.n_variants }))?;
    let (n_samples, n_variants) = (samples.len(), grm.n_variants);
    eprintln!("{}: relationship matrix of {n_samples} samples, {n_variants} variants", args.dataset.display());
    Ok(())
}

fn run_king(args: &Args, dataset: &Dataset, selection: &Selection) -> Result<()> {
    let samples = &selection.samples;
    let mut counts = Kinship::new(samples.len())?;
    Source::new(dataset, selection)?.run(Ok, |block| {
        counts.add(&block);
        Ok(())
    })?;
    let n_variants = counts.n_variants;
    if n_variants == 0 {
        return Err(Error::usage("no variant is left to compare samples at").hint("see --min-maf, --regions, --where"));
    }
    let pairs = counts.finish();
    let least = (!args.all_pairs).then_some(args.min_kinship);
    let n_by_relation = pairs.n_by_relation();
    let settings = serde_json::json!({ "select": args.select.described(DEFAULTS), "min_kinship": least });
    let mut writer = args.result.begin(&Results::new(dataset, "kinship", settings), "kinship")?;
    pairs.table(samples, least, |mut piece| writer.write(&mut piece))?;
    let by_name: serde_json::Map<_, _> = names().zip(n_by_relation).map(|(name, n)| (name.into(), n.into())).collect();
    writer.finish(serde_json::json!({ "n_samples": samples.len(), "n_variants": n_variants, "n_pairs": by_name }))?;
    let found: Vec<String> = names().zip(n_by_relation).map(|(name, n)| format!("{n} {name}")).collect();
    eprintln!(
        "{}: {} pairs of {} samples, {n_variants} variants: {}",
        args.dataset.display(),
        n_by_relation.iter().sum::<u64>(),
        samples.len(),
        found.join(", ")
    );
    Ok(())
}

fn names() -> impl Iterator<Item = &'static str> {
    Relation::NAMES.into_iter().chain(["without_value"])
}
