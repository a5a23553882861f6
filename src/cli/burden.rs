//! `varbatch burden`

use super::assoc::{TestName as Regression, check_max_p};
use super::result_flags::{ResultFlags, ResultWriter};
use super::select_flags::{Defaults, SelectFlags};
use super::threads::use_threads;
use super::trait_flags::{TraitFlags, say};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::stats::assoc::dosage::MissingCalls;
use crate::stats::assoc::logistic;
use crate::stats::burden::masks::{self, Condition, Mask, Member};
use crate::stats::burden::sets::{Naming, Set, Sets};
use crate::stats::burden::summary::Summary;
use crate::stats::burden::table::Builder;
use crate::stats::burden::walk::{self, Records};
use crate::stats::burden::weights::Weights;
use crate::stats::burden::{Analysis, Quantiles, Settings, TestName};
use crate::stats::results::Results;
use crate::stats::selection::Selection;
use crate::stats::source::Source;
use clap::ValueEnum;
use std::collections::HashSet;
use std::path::PathBuf;

/// All variants of all contigs: masks say which are rare.
const DEFAULTS: Defaults = Defaults { contig_classes: &[], biallelic: false, min_maf: None };
/// Largest frequency where no mask and no bound is given.
const DEFAULT_MAX_AF: f64 = 0.01;
/// Variance inflation of a burden that counts as explained by the covariates, as in `assoc`.
const MAX_VIF: f64 = 50.0;
/// Lines about tests on standard error.
const LINES: usize = 40;
/// Rows that are written at once: one row group of the stored table.
const ROWS_AT_ONCE: usize = 65_536;

/// Flags of `burden`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Four tests of each set, mask and phenotype: collapsing (carriers against others; Fisher's exact test of a binary phenotype without
covariates, else regression), burden (regression on the weighted sum of copies), SKAT and SKAT-O. The default mask has the variants
with an allele frequency up to 0.01 in the samples. A set without a result keeps its row, and the column status says why.
The rows are stored as the table burden, and burden_summary has lambda GC. docs/methods-burden.md has the formulas.

Examples:
  varbatch burden demo.ds --pheno traits.tsv --covar covariates.tsv --sets genes.bed
  varbatch burden demo.ds --pheno traits.tsv --sets genes.gff3.gz --max-af 0.01,0.001 --pcs 5
  varbatch burden demo.ds --pheno traits.tsv --genes --mask \"lof=impact = 'HIGH' AND af < 0.001\" --tests burden,skato
  varbatch query demo.ds \"SELECT * FROM burden WHERE p < 2.5e-6 ORDER BY p\"")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    #[command(flatten)]
    traits: TraitFlags,
    #[command(flatten)]
    sets: SetFlags,
    /// Tests to do
    #[arg(
        long,
        value_enum,
        value_name = "TESTS",
        value_delimiter = ',',
        default_value = "collapsing,burden,skat,skato"
    )]
    tests: Vec<SetTestName>,
    /// Weight of a variant: flat, beta:A,B (density at the frequency of its rarer allele), madsen-browning, column (`weight` of the
    /// sets' table) or column:NAME (of variants and their annotation)
    #[arg(long, value_name = "WEIGHTS", default_value = "beta:1,25")]
    weights: String,
    /// Regression of binary phenotypes on carriers and burdens
    #[arg(long, value_enum, default_value_t = Regression::Wald)]
    regression: Regression,
    /// Leave burdens that separate cases from controls without an estimate
    #[arg(long)]
    no_firth_fallback: bool,
    /// Where SKAT-O takes quantiles from
    #[arg(long, value_enum, value_name = "HOW", default_value_t = QuantilesName::Exact)]
    skato_quantiles: QuantilesName,
    /// What to do with missing calls
    #[arg(long, value_enum, default_value_t = MissingName::Mean)]
    missing: MissingName,
    /// Keep only rows with this p or less
    #[arg(long, value_name = "P")]
    max_p: Option<f64>,
    #[command(flatten)]
    select: SelectFlags,
    #[command(flatten)]
    result: ResultFlags,
    /// Number of threads [default: all cores]
    #[arg(short = '@', long, value_name = "N")]
    threads: Option<usize>,
}

/// Sets and masks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sets and masks")]
#[group(skip)]
struct SetFlags {
    /// Sets of variants, by content: BED (name in the fourth column), GFF3 or GTF, or a table (text with tabs, Parquet) with the
    /// columns set and variant_id, or set, contig, pos, ref, alt, and if wanted weight and others for masks
    #[arg(long, value_name = "FILE", required_unless_present = "genes", conflicts_with = "genes")]
    sets: Option<PathBuf>,
    /// The genes of the stored table consequences; a mask on its columns is on the rows of the gene
    #[arg(long)]
    genes: bool,
    /// Column of consequences that names the gene
    #[arg(long, value_name = "COLUMN", default_value = "gene", requires = "genes")]
    gene_column: String,
    /// Features of GFF that are sets (its third column)
    #[arg(long, value_name = "TYPE", default_value = "gene")]
    gff_feature: String,
    /// Attribute of GFF that names a set [default: gene_name, gene, Name, gene_id or ID, the first there is]
    #[arg(long, value_name = "ATTRIBUTE")]
    gff_name: Option<String>,
    /// A mask: NAME=CONDITION, in SQL on the columns of variants and of the stored tables annotations and consequences. Any number
    #[arg(long, value_name = "NAME=SQL")]
    mask: Vec<String>,
    /// Largest allele frequency in the samples, one mask for each [default without --mask and --max-ac: 0.01]
    #[arg(long, value_name = "FREQS", value_delimiter = ',')]
    max_af: Vec<f64>,
    /// Largest number of copies of the allele in the samples, one mask for each
    #[arg(long, value_name = "COUNTS", value_delimiter = ',')]
    max_ac: Vec<u64>,
}

/// Names of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SetTestName {
    /// Carriers against others
    Collapsing,
    /// Weighted sum of copies
    Burden,
    /// Variance of the effects of single variants
    Skat,
    /// Best mixture of burden and SKAT
    Skato,
}

/// Names of where quantiles come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum QuantilesName {
    /// The distribution itself
    Exact,
    /// A chi-square with three of its moments, as the R package SKAT has it
    Liu,
}

/// Names of what a missing call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MissingName {
    /// The mean of the other samples; no carrier
    Mean,
    /// The sample is left out of the tests of that set and mask
    Drop,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    check_max_p(args.max_p)?;
    use_threads(args.threads)?;
    let dataset = Dataset::open(&args.dataset)?;
    let (conditions, masks) = args.sets.masks()?;
    let settings = args.settings(masks)?;
    let selection = args.select.resolve(&dataset, DEFAULTS)?;
    let analysis = args.analysis(&dataset, &selection, settings)?;
    analysis.phenotypes.iter().zip(&analysis.sizes()).for_each(|(phenotype, size)| say(phenotype, size));
    let sets = args.sets.read(&dataset)?;
    sets.notes.iter().for_each(|note| eprintln!("{note}"));
    let members = masks::members(&dataset, &sets, &conditions, analysis.settings.weights.column())?;
    let wanted = only(&selection, &members);
    let results = Results::new(&dataset, "burden", args.described());
    let mut sink = Sink {
        writer: args.result.begin(&results, "burden")?,
        rows: Builder::new(&analysis, args.max_p),
        sets: &sets.sets,
        summary: Summary::default(),
        is_begun: false,
    };
    walk::run(&Source::new(&dataset, &wanted)?, &analysis, &sets.sets, &members, |set, records| {
        sink.take(set, records)
    })?;
    let (writer, summary) = sink.finish()?;
    let (frame, lines) = summary.finish(&analysis)?;
    lines.iter().take(LINES).for_each(|line| eprintln!("{line}"));
    if lines.len() > LINES {
        eprintln!("... and {} more lines, as the table burden_summary has them", lines.len() - LINES);
    }
    writer.finish(serde_json::json!({ "n_sets": sets.sets.len(), "tests": lines, "notes": sets.notes }))?;
    match args.result.output {
        Some(_) => Ok(()),
        None => results.store("burden_summary", frame, serde_json::Value::Null),
    }
}

/// The selection with the variants of sets only.
fn only(selection: &Selection, members: &[Member]) -> Selection {
    let mut wanted = selection.clone();
    let ids: HashSet<i64> = members.iter().map(|member| member.variant_id).collect();
    wanted.variants.variant_ids = Some(match &selection.variants.variant_ids {
        Some(chosen) => chosen.intersection(&ids).copied().collect(),
        None => ids,
    });
    wanted
}

impl SetFlags {
    fn masks(&self) -> Result<(Vec<Condition>, Vec<Mask>)> {
        let conditions = match self.mask.is_empty() {
            true => vec![Condition::all()],
            false => self.mask.iter().map(|text| Condition::parse(text)).collect::<Result<_>>()?,
        };
        let masks = masks::masks(&conditions, self.max_af(), &self.max_ac)?;
        Ok((conditions, masks))
    }

    /// The bounds on frequency, with the default.
    fn max_af(&self) -> &[f64] {
        let is_default = self.mask.is_empty() && self.max_af.is_empty() && self.max_ac.is_empty();
        if is_default { &[DEFAULT_MAX_AF] } else { &self.max_af }
    }

    fn read(&self, dataset: &Dataset) -> Result<Sets> {
        match &self.sets {
            Some(path) => {
                let naming = Naming { gff_feature: self.gff_feature.clone(), gff_name: self.gff_name.clone() };
                Sets::read(dataset, path, &naming)
            }
            None => Sets::of_consequences(dataset, &self.gene_column),
        }
    }
}

impl Args {
    fn settings(&self, masks: Vec<Mask>) -> Result<Settings> {
        let mut tests: Vec<TestName> = Vec::new();
        for test in &self.tests {
            let test = match test {
                SetTestName::Collapsing => TestName::Collapsing,
                SetTestName::Burden => TestName::Burden,
                SetTestName::Skat => TestName::Skat,
                SetTestName::Skato => TestName::Skato,
            };
            if tests.contains(&test) {
                return Err(Error::usage(format!("--tests has {} twice", test.name())));
            }
            tests.push(test);
        }
        Ok(Settings {
            tests,
            masks,
            weights: Weights::parse(&self.weights)?,
            missing: match self.missing {
                MissingName::Drop => MissingCalls::Drop,
                MissingName::Mean => MissingCalls::Mean,
            },
            logistic: logistic::Settings {
                test: self.regression.test(),
                firth_fallback: !self.no_firth_fallback,
                max_vif: MAX_VIF,
            },
            quantiles: match self.skato_quantiles {
                QuantilesName::Exact => Quantiles::Exact,
                QuantilesName::Liu => Quantiles::Liu,
            },
        })
    }

    fn analysis<'a>(&self, dataset: &Dataset, selection: &'a Selection, settings: Settings) -> Result<Analysis<'a>> {
        let samples = &selection.samples;
        let phenotypes = self.traits.phenotypes(samples)?;
        Analysis::new(dataset, samples, phenotypes, self.traits.covariates(dataset, samples)?, settings)
    }

    fn described(&self) -> serde_json::Value {
        let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        let sets = &self.sets;
        self.traits.described(serde_json::json!({
            "sets": sets.sets.as_ref().map(|path| path.display().to_string()), "genes": sets.genes,
            "gene_column": sets.gene_column, "gff_feature": sets.gff_feature, "gff_name": sets.gff_name,
            "mask": sets.mask, "max_af": sets.max_af(), "max_ac": sets.max_ac, "weights": self.weights,
            "tests": self.tests.iter().map(|test| name(test)).collect::<Vec<_>>(),
            "regression": name(&self.regression), "firth_fallback": !self.no_firth_fallback,
            "skato_quantiles": name(&self.skato_quantiles), "missing": name(&self.missing), "max_p": self.max_p,
            "select": self.select.described(DEFAULTS),
        }))
    }
}

/// Collects the rows of sets into row groups.
struct Sink<'a> {
    writer: ResultWriter<'a>,
    rows: Builder<'a>,
    sets: &'a [Set],
    summary: Summary,
    is_begun: bool,
}

impl<'a> Sink<'a> {
    fn take(&mut self, set: usize, records: Records) -> Result<()> {
        let set = &self.sets[set];
        self.summary.add(&set.name, &records);
        self.rows.push(set, records);
        if self.rows.len() >= ROWS_AT_ONCE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.is_begun = true;
        self.writer.write(&mut self.rows.take()?)
    }

    fn finish(mut self) -> Result<(ResultWriter<'a>, Summary)> {
        if !self.rows.is_empty() || !self.is_begun {
            self.write()?;
        }
        Ok((self.writer, self.summary))
    }
}
