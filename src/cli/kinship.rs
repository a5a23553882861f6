//! `varbatch kinship`

use super::analysis_flags::AnalysisFlags;
use super::select_flags::Defaults;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::stats::assoc::covariates::principal_components;
use crate::stats::block::Site;
use crate::stats::grm::Grm;
use crate::stats::kinship::{Kinship, Relation};
use crate::stats::pc_relate::PcRelate;
use crate::stats::pca::Wanted;
use crate::stats::results::Results;
use crate::stats::selection::{SampleSet, Selection};
use crate::stats::source::Source;
use std::collections::BTreeMap;

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
    #[command(flatten)]
    analysis: AnalysisFlags,
    /// What relatedness is
    #[arg(long, value_enum, default_value_t = Method::King)]
    method: Method,
    /// Principal components of pc-relate [default: 10]
    #[arg(short = 'k', long, value_name = "N")]
    components: Option<usize>,
    /// Take the first N principal components of the stored table pca for pc-relate
    #[arg(long, value_name = "N", conflicts_with = "components")]
    pcs: Option<usize>,
    /// Predicted frequencies that pc-relate uses: from this to 1 - this [default: --min-maf]
    #[arg(long, value_name = "MAF")]
    min_individual_maf: Option<f64>,
    /// Keep pairs with at least this coefficient [default: 0.0442, the third degree]
    #[arg(long, value_name = "PHI", allow_negative_numbers = true)]
    min_kinship: Option<f64>,
    /// Keep all pairs
    #[arg(long, conflicts_with = "min_kinship")]
    all_pairs: bool,
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

/// Components where nobody says how many.
const N_COMPONENTS: usize = 10;
/// Least coefficient of pairs of the third degree.
const THIRD_DEGREE: f64 = 0.0442;

impl Args {
    /// A flag of another method is not passed over in silence.
    fn check(&self) -> Result<()> {
        let of_pc_relate = [
            ("-k", self.components.is_some()),
            ("--pcs", self.pcs.is_some()),
            ("--min-individual-maf", self.min_individual_maf.is_some()),
        ];
        let of_pairs = [("--min-kinship", self.min_kinship.is_some()), ("--all-pairs", self.all_pairs)];
        let given =
            |flags: &[(&'static str, bool)]| flags.iter().find(|(_, is_given)| *is_given).map(|(flag, _)| *flag);
        if let Some(flag) = given(&of_pc_relate).filter(|_| self.method != Method::PcRelate) {
            return Err(Error::usage(format!("{flag} is of --method pc-relate")));
        }
        match given(&of_pairs).filter(|_| self.method == Method::Grm) {
            Some(flag) => Err(Error::usage(format!("{flag} is not of --method grm, which has all pairs always"))),
            None => Ok(()),
        }
    }

    /// Least coefficient of the pairs that are kept; `None`: all.
    fn least(&self) -> Option<f64> {
        (!self.all_pairs).then(|| self.min_kinship.unwrap_or(THIRD_DEGREE))
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    args.check()?;
    let dataset = args.analysis.open()?;
    let defaults = if args.method == Method::PcRelate { COMMON } else { DEFAULTS };
    let selection = args.analysis.selection(&dataset, defaults)?;
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
    let n_components = args.components.unwrap_or(N_COMPONENTS);
    let components = match args.pcs {
        Some(n_components) => stored_components(dataset, samples, n_components)?,
        None => Wanted::first(n_components).find(&source, n)?.vectors,
    };
    let pairs = PcRelate::new(&source, n, &components, min_individual_maf)?;
    let least = args.least();
    let settings = serde_json::json!({
        "select": args.analysis.select.described(COMMON), "method": "pc-relate", "min_kinship": least,
        "components": args.pcs.unwrap_or(n_components), "stored_components": args.pcs.is_some(),
        "min_individual_maf": min_individual_maf,
    });
    let mut writer = args.analysis.result.begin(&Results::new(dataset, "kinship", settings), "pc_relate")?;
    let n_pairs = pairs.table(samples, least, |mut piece| writer.write(&mut piece))?;
    writer.finish(serde_json::json!({ "n_samples": n, "n_variants": pairs.n_variants, "n_pairs": n_pairs }))?;
    eprintln!("{}: {n_pairs} pairs of {n} samples, {} variants", args.analysis.dataset.display(), pairs.n_variants);
    Ok(())
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
    let settings = serde_json::json!({ "select": args.analysis.select.described(DEFAULTS), "method": "grm" });
    let mut writer = args.analysis.result.begin(&Results::new(dataset, "kinship", settings), "grm")?;
    grm.table(samples, |mut piece| writer.write(&mut piece))?;
    writer.finish(serde_json::json!({ "n_samples": samples.len(), "n_variants": grm.n_variants }))?;
    let (n_samples, n_variants) = (samples.len(), grm.n_variants);
    eprintln!("{}: relationship matrix of {n_samples} samples, {n_variants} variants", args.analysis.dataset.display());
    Ok(())
}

fn run_king(args: &Args, dataset: &Dataset, selection: &Selection) -> Result<()> {
    let samples = &selection.samples;
    let mut counts = Kinship::new(samples.len())?;
    let mut reach = Reach::default();
    Source::new(dataset, selection)?.run(Ok, |block| {
        reach.add(&block.sites);
        counts.add(&block);
        Ok(())
    })?;
    let n_variants = counts.n_variants;
    if n_variants == 0 {
        return Err(Error::usage("no variant is left to compare samples at").hint("see --min-maf, --regions, --where"));
    }
    let pairs = counts.finish();
    let least = args.least();
    let n_by_relation = pairs.n_by_relation();
    let settings = serde_json::json!({ "select": args.analysis.select.described(DEFAULTS), "min_kinship": least });
    let mut writer = args.analysis.result.begin(&Results::new(dataset, "kinship", settings), "kinship")?;
    pairs.table(samples, least, |mut piece| writer.write(&mut piece))?;
    let by_name: serde_json::Map<_, _> = names().zip(n_by_relation).map(|(name, n)| (name.into(), n.into())).collect();
    writer.finish(serde_json::json!({ "n_samples": samples.len(), "n_variants": n_variants, "n_pairs": by_name }))?;
    let found: Vec<String> = names().zip(n_by_relation).map(|(name, n)| format!("{n} {name}")).collect();
    eprintln!(
        "{}: {} pairs of {} samples, {n_variants} variants: {}",
        args.analysis.dataset.display(),
        n_by_relation.iter().sum::<u64>(),
        samples.len(),
        found.join(", ")
    );
    if let Some(warning) = reach.warning(dataset) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// First and last position of the variants on each contig.
#[derive(Debug, Default)]
struct Reach(BTreeMap<u32, (i32, i32)>);

/// Share of the genome that says who is related to whom. A chromosome of the human genome is at most 8 %.
const ENOUGH_OF_GENOME: f64 = 0.2;

impl Reach {
    fn add(&mut self, sites: &[Site]) {
        for site in sites {
            let (first, last) = self.0.entry(site.contig).or_insert((site.pos, site.pos));
            (*first, *last) = ((*first).min(site.pos), (*last).max(site.pos));
        }
    }

    /// What to say where the variants lie on a small part of the genome, whose contigs have known lengths.
    fn warning(&self, dataset: &Dataset) -> Option<String> {
        let genome: u64 = dataset.manifest().contigs.iter().filter_map(|contig| contig.length).sum();
        let reached: u64 = self.0.values().map(|(first, last)| (last - first) as u64 + 1).sum();
        let share = reached as f64 / genome as f64;
        (genome > 0 && share < ENOUGH_OF_GENOME).then(|| {
            format!(
                "the variants are on {:.1} Mb, {:.1} % of the genome: samples that share one haplotype there look like relatives; \
                 use variants of all autosomes",
                reached as f64 / 1e6,
                100.0 * share
            )
        })
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    Relation::NAMES.into_iter().chain(["without_value"])
}
