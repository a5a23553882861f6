//! `varbatch verify`

use super::threads::Threads;
use crate::commit::verify::verify;
use crate::dataset::Dataset;
use crate::error::{Class, Error, Result};
use std::path::PathBuf;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads every file: checksums, row counts, the order of rows, and every count and statistic that the calls determine. \
Each problem is one line on standard output; any problem ends with exit code 3.

Example:
  varbatch verify demo.ds")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    #[command(flatten)]
    threads: Threads,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    use std::io::Write;
    args.threads.begin()?;
    let dataset = Dataset::open_manifest_only(&args.dataset)?;
    let report = verify(&dataset)?;
    super::call::tell_requests();
    if report.problems.is_empty() {
        eprintln!(
            "{}: complete and consistent: {} files, {} bytes, {} samples, {} variant rows and {} calls recomputed",
            args.dataset.display(),
            report.n_files,
            report.n_bytes,
            dataset.manifest().n_samples,
            report.n_variants,
            report.n_genotypes
        );
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    for problem in &report.problems {
        // a reader that has seen enough (`| head`) does not make the dataset whole
        if writeln!(out, "{problem}").is_err() {
            break;
        }
    }
    let n = report.problems.len();
    Err(Error::new(
        Class::Incomplete,
        format!("{}: {n} problem{}", args.dataset.display(), if n == 1 { "" } else { "s" }),
    )
    .hint("the dataset differs from what was published: make it again, or restore the files named above"))
}
