//! `varbatch query`

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::query::render::Format;
use crate::query::table_writer::TableWriter;
use crate::query::{CALLS_SQL, Scope};
use crate::store::Staged;
use clap::ValueEnum;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Flags of `query`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tables: variants, genotypes, samples, ref_blocks (those that the dataset has); docs/formats.md names their columns.

Examples:
  varbatch query demo.ds \"SELECT type, COUNT(*) AS n FROM variants GROUP BY type\"
  varbatch query demo.ds \"SELECT * FROM samples WHERE call_rate < 0.98\" --format csv -o low.csv
  varbatch query demo.ds \"SELECT contig, pos, ref, alt FROM variants WHERE ac = 1 LIMIT 10\"
  varbatch query demo.ds --region chr20:1-5000000 --samples NA12878,NA12891")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    /// One SELECT; with --region or --samples it may be left out, for the genotypes with alleles and names of samples
    #[arg(required_unless_present_any = ["region", "samples"])]
    sql: Option<String>,
    /// Only rows of these regions: chr20, chr20:1-5000000, ... with `,` between them; files of other contigs are not read
    #[arg(short, long, value_name = "REGIONS")]
    region: Option<String>,
    /// Only rows of these samples: names with `,` between them
    #[arg(short, long, value_name = "NAMES", value_delimiter = ',')]
    samples: Vec<String>,
    /// Form of the result [default: table on a terminal, else by the name of the output, else tsv]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Write the result to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
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
    let output = args.output.filter(|path| path.as_os_str() != "-");
    let format = args.format.map_or_else(|| default_format(output.as_deref()), Format::from);
    if format == Format::Parquet && output.is_none() && std::io::stdout().is_terminal() {
        return Err(Error::usage("a Parquet file on a terminal is of no use").hint("name an output file with -o"));
    }
    let dataset = Dataset::open(&args.dataset)?;
    let scope = Scope::new(&dataset, args.region.as_deref(), &args.samples)?;
    let sql = args.sql.as_deref().unwrap_or(CALLS_SQL);
    let Some(path) = output else {
        let out = std::io::BufWriter::new(std::io::stdout());
        return write(&dataset, &scope, sql, TableWriter::new(format, out), Error::stdout);
    };
    let failed = |error| Error::writing(&path, error);
    let staged = Staged::new(&path);
    let file = std::io::BufWriter::new(std::fs::File::create(staged.path()).map_err(failed)?);
    write(&dataset, &scope, sql, TableWriter::new(format, file), failed)?;
    staged.keep()
}

fn write<W: Write>(
    dataset: &Dataset,
    scope: &Scope,
    sql: &str,
    mut table: TableWriter<W>,
    failed: impl Fn(std::io::Error) -> Error,
) -> Result<()> {
    crate::query::run(dataset, scope, sql, |piece| table.write(piece).map_err(&failed))?;
    table.finish().map(drop).map_err(failed)
}
