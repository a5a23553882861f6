//! `varbatch assoc`

use super::analysis_flags::AnalysisFlags;
use super::select_flags::Defaults;
use super::trait_flags::{TraitFlags, say};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::stats::assoc::dosage::MissingCalls;
use crate::stats::assoc::summary::summary;
use crate::stats::assoc::table::Piece;
use crate::stats::assoc::{Analysis, Settings, logistic};
use crate::stats::block::Block;
use crate::stats::results::Results;
use crate::stats::selection::Selection;
use crate::stats::source::Source;
use clap::ValueEnum;

/// All variants of all contigs, common and rare, as `plink2 --glm` does.
const DEFAULTS: Defaults = Defaults { contig_classes: &[], biallelic: false, min_maf: None };

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
    #[command(flatten)]
    analysis: AnalysisFlags,
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
    let dataset = args.analysis.open()?;
    let selection = args.analysis.selection(&dataset, DEFAULTS)?;
    let source = Source::new(&dataset, &selection)?;
    let analysis = args.analysis(&dataset, &selection)?;
    let sizes = analysis.sizes();
    analysis.phenotypes.iter().zip(&sizes).for_each(|(phenotype, size)| say(phenotype, size));
    let results = Results::new(&dataset, "assoc", args.described());
    let mut writer = args.analysis.result.begin(&results, "assoc")?;
    // no rows, of no block
    let Piece { mut frame, mut tallies } = analysis.test(&Block::default())?;
    writer.write(&mut frame)?;
    source.run(
        |block| analysis.test(&block),
        |mut piece| {
            tallies.iter_mut().zip(piece.tallies).for_each(|(own, next)| own.append(next));
            writer.write(&mut piece.frame)
        },
    )?;
    let (frame, lines) = summary(&analysis.phenotypes, &sizes, &mut tallies)?;
    lines.iter().for_each(|line| eprintln!("{line}"));
    writer.finish(serde_json::json!({ "phenotypes": lines }))?;
    match args.analysis.result.output {
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
            "select": self.analysis.select.described(DEFAULTS),
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
