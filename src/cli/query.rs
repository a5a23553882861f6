//! `varbatch query`

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::query::render::Format;
use crate::query::{Scope, append};
use crate::stats::results::{DataFrame, FileWriter};
use crate::stats::views::{self, Cells};
use clap::ValueEnum;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Flags of `query`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tables: variants, genotypes, samples, ref_blocks, evidence (those that the dataset has) and the stored results of analyses;
docs/formats.md names their columns, docs/queries.md has queries. The dataset may be a folder or s3://bucket/prefix.

Views (--view), of --region, --variant and --samples:
  calls      calls that are not plain reference, with alleles and names (also without --view, where there is no SQL)
  genotypes  the call of every sample, plain reference too
  matrix     a row for each variant, a column for each sample
  carriers   samples that have the allele, with depth and quality
  counts     allele counts and frequencies by --groups
With SQL as well, the view is the table `view`.

Examples:
  varbatch query demo.ds \"SELECT type, COUNT(*) AS n FROM variants GROUP BY type\"
  varbatch query demo.ds \"SELECT * FROM samples WHERE call_rate < 0.98\" --format csv -o low.csv
  varbatch query demo.ds --region chr20:1-5000000 --samples NA12878,NA12891
  varbatch query demo.ds --view matrix --region chr20:61000-62000 --cells dosage -o dosages.tsv
  varbatch query demo.ds --view carriers --variant chr20:61098:C:T
  varbatch query demo.ds --view counts --groups populations.tsv --region chr20 \"SELECT * FROM view WHERE af > 0.05\"")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    /// One SELECT; may be left out where a view, regions, variants or samples are named
    #[arg(required_unless_present_any = ["region", "samples", "variant", "view"])]
    sql: Option<String>,
    /// Only rows of these regions: chr20, chr20:1-5000000, ... with `,` between them; what is elsewhere is not read
    #[arg(short, long, value_name = "REGIONS")]
    region: Option<String>,
    /// Only rows of these samples: names with `,` between them
    #[arg(short, long, value_name = "NAMES", value_delimiter = ',')]
    samples: Vec<String>,
    /// Only these variants: chr20:61098:C:T, an ID or a variant_id, with `,` between them
    #[arg(long, value_name = "VARIANTS", value_delimiter = ',')]
    variant: Vec<String>,
    /// A ready-made table
    #[arg(long, value_enum)]
    view: Option<ViewName>,
    /// Groups of the view counts: a file with a sample and its group in each line, or a column of the table samples
    #[arg(long, value_name = "FILE|COLUMN")]
    groups: Option<String>,
    /// What the view matrix shows [default: gt]
    #[arg(long, value_enum)]
    cells: Option<CellName>,
    /// Form of the result [default: table on a terminal, else by the name of the output, else tsv]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Write the result to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Names of the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ViewName {
    /// Calls that are not plain reference
    Calls,
    /// The call of every sample
    Genotypes,
    /// A row for each variant, a column for each sample
    Matrix,
    /// Samples that have the allele
    Carriers,
    /// Allele counts by group
    Counts,
}

/// What a cell of the matrix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CellName {
    /// Genotype
    Gt,
    /// Copies of the allele
    Dosage,
}

/// Names of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    /// Aligned columns
    Table,
    /// Comma-separated
    Csv,
    /// Tab-separated
    Tsv,
    /// An array of objects
    Json,
    /// A Parquet file
    Parquet,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Format {
        match name {
            FormatName::Table => Format::Table,
            FormatName::Csv => Format::Csv,
            FormatName::Tsv => Format::Tsv,
            FormatName::Json => Format::Json,
            FormatName::Parquet => Format::Parquet,
        }
    }
}

/// The format that the name of a file says; TSV where it says nothing.
pub fn format_by_name(path: &Path) -> Format {
    match path.extension().unwrap_or_default().to_string_lossy().to_lowercase().as_str() {
        "csv" => Format::Csv,
        "json" => Format::Json,
        "parquet" => Format::Parquet,
        _ => Format::Tsv,
    }
}

fn default_format(output: Option<&Path>) -> Format {
    match output {
        None if std::io::stdout().is_terminal() => Format::Table,
        None => Format::Tsv,
        Some(path) => format_by_name(path),
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    args.check()?;
    let output = args.output.as_deref().filter(|path| path.as_os_str() != "-");
    let format = args.format.map_or_else(|| default_format(output), Format::from);
    if format == Format::Parquet && output.is_none() && std::io::stdout().is_terminal() {
        return Err(Error::usage("a Parquet file on a terminal is of no use").hint("name an output file with -o"));
    }
    let dataset = Dataset::open_for_query(&args.dataset)?;
    let scope = args.scope(&dataset)?;
    let mut writer = FileWriter::create(output.unwrap_or(Path::new("-")), format)?;
    args.rows(&dataset, &scope, |piece| writer.write(piece))?;
    writer.finish().map(drop)
}

impl Args {
    fn check(&self) -> Result<()> {
        let of_counts = self.view == Some(ViewName::Counts);
        if of_counts != self.groups.is_some() {
            return Err(Error::usage("--groups and --view counts need each other")
                .hint("--view counts --groups populations.tsv, or --groups sex for a column of the table samples"));
        }
        if self.cells.is_some() && self.view != Some(ViewName::Matrix) {
            return Err(Error::usage("--cells is of --view matrix"));
        }
        Ok(())
    }

    fn scope(&self, dataset: &Dataset) -> Result<Scope> {
        let scope = Scope::new(dataset, self.region.as_deref(), &self.samples)?;
        Ok(match self.variant.is_empty() {
            true => scope,
            false => scope.with_variants(views::variant_ids(dataset, &self.variant)?),
        })
    }

    /// Gives the rows of the result to `take`.
    fn rows(&self, dataset: &Dataset, scope: &Scope, mut take: impl FnMut(&mut DataFrame) -> Result<()>) -> Result<()> {
        let view = match &self.sql {
            None => self.view.unwrap_or(ViewName::Calls),
            Some(sql) => {
                let Some(view) = self.view else { return crate::query::run(dataset, scope, sql, None, take) };
                let mut whole = DataFrame::default();
                self.view(view, dataset, scope, |piece| append(&mut whole, piece))?;
                return crate::query::run(dataset, scope, sql, Some(whole), take);
            }
        };
        self.view(view, dataset, scope, |mut piece| take(&mut piece))
    }

    fn view(
        &self,
        view: ViewName,
        dataset: &Dataset,
        scope: &Scope,
        take: impl FnMut(DataFrame) -> Result<()>,
    ) -> Result<()> {
        match view {
            ViewName::Calls => views::calls(dataset, scope, take),
            ViewName::Genotypes => views::genotypes(dataset, scope, take),
            ViewName::Carriers => views::carriers(dataset, scope, take),
            ViewName::Matrix => {
                let cells = if self.cells == Some(CellName::Dosage) { Cells::Dosage } else { Cells::Gt };
                views::matrix(dataset, scope, cells, take)
            }
            ViewName::Counts => views::counts(dataset, scope, self.groups.as_deref().unwrap_or_default(), take),
        }
    }
}
