//! `varbatch assoc`

use super::result_flags::{ResultFlags, ResultWriter};
use super::select_flags::{Defaults, SelectFlags};
use super::trait_flags::{TraitFlags, say};
use super::verify::use_threads;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::stats::assoc::dosage::MissingCalls;
use crate::stats::assoc::summary::{Tally, summary};
use crate::stats::assoc::table::{Piece, append};
use crate::stats::assoc::{Analysis, Settings, logistic};
use crate::stats::block::Block;
use crate::stats::results::{DataFrame, Results};
use crate::stats::selection::Selection;
use crate::stats::source::Source;
use clap::ValueEnum;
use std::path::PathBuf;

/// All variants of all contigs, common and rare, as `plink2 --glm` does.
const DEFAULTS: Defaults = Defaults { contig_classes: &[], biallelic: false, min_maf: None };
/// Rows that are written at once: one row group of the stored table.
const ROWS_AT_ONCE: usize = 65_536;

/// Flags of `assoc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Phenotypes with numbers are tested by linear regression (t), those with 0/1 or 1/2 by logistic regression (Wald's z, and
Firth's method where the variant separates cases from controls). Each alternate allele is tested against all others.
All variants are tested, however rare; --min-mac 20 or so leaves out those without power.
The rows are stored as the table assoc, one for each variant and phenotype, and assoc_summary has lambda GC.
docs/methods-assoc.md has the formulas, and what happens to missing values.

Examples:
  varbatch assoc demo.ds --pheno traits.tsv --covar covariates.tsv --pcs 5
  varbatch assoc demo.ds --pheno traits.tsv --pheno-name bmi,t2d --min-mac 20 --max-p 1e-4 -o hits.tsv
  varbatch query demo.ds \"SELECT * FROM assoc WHERE neg_log10_p > 7.3 ORDER BY p\"")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    #[command(flatten)]
    traits: TraitFlags,
    /// Test of binary phenotypes
    #[arg(long, value_enum, default_value_t = TestName::Wald)]
    test: TestName,
    /// Leave variants that separate cases from controls without an estimate
    #[arg(long)]
    no_firth_fallback: bool,
    /// What to do with samples without a complete call at a variant
    #[arg(long, value_enum, default_value_t = MissingName::Drop)]
    missing: MissingName,
    /// Leave variants without an estimate whose copies the covariates explain so far that the variance is inflated by more than this
    #[arg(long, value_name = "FACTOR", default_value_t = 50.0)]
    max_vif: f64,
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

/// Names of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TestName {
    /// beta / se of the maximum likelihood
    Wald,
    /// Slope of the likelihood without the variant: fast; beta is approximate
    Score,
    /// Ratio of likelihoods
    Lrt,
    /// Ratio of Firth's penalised likelihoods for every variant: slow
    Firth,
}

impl TestName {
    /// As the analysis has it.
    pub(super) fn test(self) -> logistic::Test {
        match self {
            TestName::Wald => logistic::Test::Wald,
            TestName::Score => logistic::Test::Score,
            TestName::Lrt => logistic::Test::LikelihoodRatio,
            TestName::Firth => logistic::Test::Firth,
        }
    }
}

/// Names of what a missing call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MissingName {
    /// Leave them out of this variant's test
    Drop,
    /// Give them the mean of the others
    Mean,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    args.check()?;
    use_threads(args.threads)?;
    let dataset = Dataset::open(&args.dataset)?;
    let selection = args.select.resolve(&dataset, DEFAULTS)?;
    let source = Source::new(&dataset, &selection)?;
    let analysis = args.analysis(&dataset, &selection)?;
    let sizes = analysis.sizes();
    analysis.phenotypes.iter().zip(&sizes).for_each(|(phenotype, size)| say(phenotype, size));
    let results = Results::new(&dataset, "assoc", args.described());
    let mut sink = Sink::new(args.result.begin(&results, "assoc")?, analysis.test(&Block::default())?);
    source.run(|block| analysis.test(&block), |piece| sink.take(piece))?;
    let (writer, mut tallies) = sink.finish()?;
    let (frame, lines) = summary(&analysis.phenotypes, &sizes, &mut tallies)?;
    lines.iter().for_each(|line| eprintln!("{line}"));
    writer.finish(serde_json::json!({ "phenotypes": lines }))?;
    match args.result.output {
        Some(_) => Ok(()),
        None => results.store("assoc_summary", frame, serde_json::Value::Null),
    }
}

impl Args {
    fn check(&self) -> Result<()> {
        check_max_p(self.max_p)?;
        if self.max_vif.is_nan() || self.max_vif < 1.0 {
            return Err(Error::usage(format!("--max-vif is {}, expected 1 or more", self.max_vif)));
        }
        Ok(())
    }

    fn analysis<'a>(&self, dataset: &Dataset, selection: &'a Selection) -> Result<Analysis<'a>> {
        let samples = &selection.samples;
        let settings = Settings {
            logistic: logistic::Settings {
                test: self.test.test(),
                firth_fallback: !self.no_firth_fallback,
                max_vif: self.max_vif,
            },
            missing: match self.missing {
                MissingName::Drop => MissingCalls::Drop,
                MissingName::Mean => MissingCalls::Mean,
            },
            max_p: self.max_p,
        };
        let phenotypes = self.traits.phenotypes(samples)?;
        Analysis::new(dataset, samples, phenotypes, &self.traits.covariates(dataset, samples)?, settings)
    }

    fn described(&self) -> serde_json::Value {
        self.traits.described(serde_json::json!({
            "test": format!("{:?}", self.test).to_lowercase(), "firth_fallback": !self.no_firth_fallback,
            "missing": format!("{:?}", self.missing).to_lowercase(), "max_vif": self.max_vif, "max_p": self.max_p,
            "select": self.select.described(DEFAULTS),
        }))
    }
}

/// A bound on p as users may give it.
pub(super) fn check_max_p(max_p: Option<f64>) -> Result<()> {
    match max_p {
        Some(p) if !(p > 0.0 && p <= 1.0) => {
            Err(Error::usage(format!("--max-p is {p}, expected more than 0, up to 1")))
        }
        _ => Ok(()),
    }
}

/// Collects the rows of blocks into row groups.
struct Sink<'a> {
    writer: ResultWriter<'a>,
    waiting: DataFrame,
    is_begun: bool,
    tallies: Vec<Tally>,
}

impl<'a> Sink<'a> {
    /// `nothing`: no rows, of no block.
    fn new(writer: ResultWriter<'a>, nothing: Piece) -> Sink<'a> {
        Sink { writer, waiting: nothing.frame, is_begun: false, tallies: nothing.tallies }
    }

    fn take(&mut self, piece: Piece) -> Result<()> {
        self.tallies.iter_mut().zip(piece.tallies).for_each(|(own, next)| own.append(next));
        append(&mut self.waiting, &piece.frame)?;
        if self.waiting.height() >= ROWS_AT_ONCE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.is_begun = true;
        self.writer.write(&mut self.waiting)?;
        self.waiting = self.waiting.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(ResultWriter<'a>, Vec<Tally>)> {
        if self.waiting.height() > 0 || !self.is_begun {
            self.write()?;
        }
        Ok((self.writer, self.tallies))
    }
}
