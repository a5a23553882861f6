//! `varbatch verify`

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
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Lets rayon's own pool have `n` threads; all cores without a number.
pub fn use_threads(n: Option<usize>) -> Result<()> {
    let Some(n) = n else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n.max(1)).build_global();
    pool.map_err(|error| Error::internal(format!("cannot start {n} threads: {error}")))
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    use std::io::Write;
    use_threads(args.threads)?;
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
