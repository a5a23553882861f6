//! `varbatch assoc`

use super::result_flags::{ResultFlags, ResultWriter};
use super::select_flags::{Defaults, SelectFlags};
use super::verify::use_threads;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::stats::assoc::dosage::MissingCalls;
use crate::stats::assoc::summary::{Tally, summary};
use crate::stats::assoc::table::{Piece, append};
use crate::stats::assoc::traits::{Covariate, Kind, Phenotype};
use crate::stats::assoc::{Analysis, Settings, Size, covariates, logistic};
use crate::stats::block::Block;
use crate::stats::results::{DataFrame, Results};
use crate::stats::sample_table::SampleTable;
use crate::stats::selection::{SampleSet, Selection};
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
    /// Table of phenotypes: a header line, a column `sample` or `IID`, tabs or spaces between columns
    #[arg(long, value_name = "FILE")]
    pheno: PathBuf,
    /// Columns of that table to test [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pheno_name: Vec<String>,
    /// Take the phenotypes as binary: 1 and 0, or 2 and 1 with 0 and -9 for missing [default: by their values]
    #[arg(long, conflicts_with = "quantitative")]
    binary: bool,
    /// Take the phenotypes as numbers
    #[arg(long)]
    quantitative: bool,
    /// Table of covariates, of the same form; columns of text become one column of 0 and 1 for each level but the first
    #[arg(long, value_name = "FILE")]
    covar: Option<PathBuf>,
    /// Columns of that table to take [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "covar")]
    covar_name: Vec<String>,
    /// Columns of that table whose numbers are names of levels
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "covar")]
    covar_categorical: Vec<String>,
    /// Take the first N principal components of the stored table pca as covariates
    #[arg(long, value_name = "N", default_value_t = 0)]
    pcs: usize,
    /// Take the sex of the dataset's samples as a covariate
    #[arg(long)]
    sex_covariate: bool,
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
enum TestName {
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
    fn test(self) -> logistic::Test {
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

/// Who is analysed, on standard error.
fn say(phenotype: &Phenotype, size: &Size) {
    let name = &phenotype.name;
    let of = match (phenotype.kind, size.n_cases) {
        (Kind::Binary, Some(n_cases)) => format!("{n_cases} cases and {} controls, binary", size.n - n_cases),
        _ => format!("{} samples, quantitative", size.n),
    };
    let n_dropped = phenotype.n_known() - size.n;
    let dropped = if n_dropped > 0 { format!("; {n_dropped} more have no covariates") } else { String::new() };
    eprintln!("{name}: {of} ({}){dropped}", phenotype.coding);
    if !size.constant.is_empty() {
        eprintln!("{name}: left out covariates that are constant in these samples: {}", size.constant.join(", "));
    }
}

impl Args {
    fn check(&self) -> Result<()> {
        if self.max_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return Err(Error::usage(format!(
                "--max-p is {}, expected more than 0, up to 1",
                self.max_p.unwrap_or(0.0)
            )));
        }
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
        let phenotypes = self.phenotypes(samples)?;
        Analysis::new(dataset, samples, phenotypes, &self.covariates(dataset, samples)?, settings)
    }

    fn phenotypes(&self, samples: &SampleSet) -> Result<Vec<Phenotype>> {
        let table = read(&self.pheno, samples)?;
        let kind = match (self.binary, self.quantitative) {
            (true, _) => Some(Kind::Binary),
            (_, true) => Some(Kind::Quantitative),
            _ => None,
        };
        table.select(&self.pheno_name)?.into_iter().map(|column| Phenotype::new(column, kind)).collect()
    }

    fn covariates(&self, dataset: &Dataset, samples: &SampleSet) -> Result<Vec<Covariate>> {
        let mut found = Vec::new();
        if let Some(path) = &self.covar {
            let table = read(path, samples)?;
            table.select(&self.covar_categorical)?;
            for column in table.select(&self.covar_name)? {
                found.extend(Covariate::of_column(column, self.covar_categorical.contains(&column.name))?);
            }
        }
        if self.sex_covariate {
            found.push(covariates::sex(samples));
        }
        if self.pcs > 0 {
            found.extend(covariates::principal_components(dataset, samples, self.pcs)?);
        }
        Ok(found)
    }

    fn described(&self) -> serde_json::Value {
        let path = |path: &PathBuf| path.display().to_string();
        serde_json::json!({
            "pheno": path(&self.pheno), "pheno_name": self.pheno_name, "binary": self.binary,
            "quantitative": self.quantitative, "covar": self.covar.as_ref().map(path), "covar_name": self.covar_name,
            "covar_categorical": self.covar_categorical, "pcs": self.pcs, "sex_covariate": self.sex_covariate,
            "test": format!("{:?}", self.test).to_lowercase(), "firth_fallback": !self.no_firth_fallback,
            "missing": format!("{:?}", self.missing).to_lowercase(), "max_vif": self.max_vif, "max_p": self.max_p,
            "select": self.select.described(DEFAULTS),
        })
    }
}

fn read(path: &std::path::Path, samples: &SampleSet) -> Result<SampleTable> {
    let table = SampleTable::read(path, samples)?;
    if table.n_unknown > 0 {
        eprintln!("{}: {} rows are of samples that are not analysed", path.display(), table.n_unknown);
    }
    Ok(table)
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
