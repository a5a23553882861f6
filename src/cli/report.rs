//! `varbatch report`

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::report::{Assay, Options, page};
use crate::store::{Staged, local};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Flags of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The page is one HTML file that needs no network. It shows the tables variants and samples, and the results that pca, kinship,
stats --sex-check, assoc and burden stored beside the dataset; docs/guide.md says what each plot tells. The exit code does not depend on the checks.

Examples:
  varbatch report demo.ds -o report.html
  varbatch report exomes.ds -o report.html --assay exome --groups populations.tsv --title \"Exomes, batch 3\"")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    /// Write the page to this file; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Heading of the page
    #[arg(long, value_name = "TEXT", default_value = "Cohort report")]
    title: String,
    /// What was sequenced, for the expected Ti/Tv [default: either]
    #[arg(long, value_enum)]
    assay: Option<AssayName>,
    /// Labels of the samples (population, batch) for colours and strips: lines of sample, tab, label; lines with # are skipped
    #[arg(long, value_name = "FILE")]
    groups: Option<PathBuf>,
}

/// Names of the assays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AssayName {
    /// Whole genomes: Ti/Tv about 2.05
    Genome,
    /// Exomes: Ti/Tv about 3
    Exome,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let dataset = Dataset::open(&args.dataset)?;
    let groups = args.groups.as_deref().map(|path| groups(path, &dataset)).transpose()?.unwrap_or_default();
    let assay = match args.assay {
        None => Assay::Unknown,
        Some(AssayName::Genome) => Assay::Genome,
        Some(AssayName::Exome) => Assay::Exome,
    };
    let report = page(&dataset, &Options { title: args.title, assay, groups })?;
    if args.output.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        return out.write_all(report.html.as_bytes()).and_then(|()| out.flush()).map_err(Error::stdout);
    }
    let staged = Staged::new(&args.output);
    let file = std::fs::File::create(staged.path());
    file.and_then(|mut file| file.write_all(report.html.as_bytes()))
        .map_err(|error| Error::writing(&args.output, error))?;
    staged.keep()?;
    let [n_pass, n_warn, n_fail] = report.n_checks;
    let kilobytes = report.html.len().div_ceil(1000);
    eprintln!("{}: {kilobytes} kB; checks: {n_pass} passed, {n_warn} warned, {n_fail} failed", args.output.display());
    Ok(())
}

/// Reads the labels; a sample that the dataset does not have is an error.
fn groups(path: &Path, dataset: &Dataset) -> Result<BTreeMap<String, String>> {
    let text = local::read_text(path)?;
    let known: std::collections::BTreeSet<String> = dataset.sample_names()?.into_iter().collect();
    let mut groups = BTreeMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
        let wrong = |found: String| {
            Error::usage(format!("{}:{}: {found}", path.display(), at + 1))
                .hint("expected the name of a sample, a tab and its label on each line")
        };
        let (sample, label) = line.split_once('\t').ok_or_else(|| wrong("there is no tab".to_owned()))?;
        if !known.contains(sample) {
            return Err(wrong(format!("the dataset has no sample `{sample}`")));
        }
        groups.insert(sample.to_owned(), label.trim_end().to_owned());
    }
    Ok(groups)
}
