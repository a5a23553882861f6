//! The command line: one file per subcommand, flags to resolved settings. Used by `main.rs` alone.

mod analysis_flags;
pub mod annotate;
pub mod assoc;
pub mod burden;
pub mod call;
pub mod explain;
pub mod export;
pub mod finalize;
pub mod kinship;
pub mod ld;
pub mod pca;
pub mod plan;
mod plan_flags;
mod progress;
pub mod query;
pub mod report;
pub mod result_flags;
mod run_flags;
pub mod score;
pub mod select_flags;
pub mod simulate;
pub mod stats;
pub mod status;
pub mod submit;
mod threads;
mod trait_flags;
pub mod validate;
pub mod verify;
pub mod work;

use crate::error::{Class, Error, Result};
use crate::store::s3;
use clap::{Parser, Subcommand};
use std::borrow::Cow;

/// Finds the variants of a cohort of genomes and loads them into columnar tables made for statistics.
#[derive(Debug, Parser)]
#[command(name = "varbatch", version, propagate_version = true, max_term_width = 110, after_help = EXAMPLES)]
pub struct Cli {
    /// S3 server of s3:// names, where it is not Amazon's [default: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", global = true)]
    endpoint_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  varbatch simulate -o demo --samples 100 --length 200000 --seed 1
  varbatch call demo/cohort.vcf.gz -o demo.ds
  varbatch query demo.ds \"SELECT type, COUNT(*) AS n FROM variants GROUP BY type\"
  varbatch export demo.ds -o again.vcf.gz

Exit codes: 0 done; 2 usage; 3 incomplete; 65 bad input data; 66 input missing; 70 a bug; 74 I/O, disk full;
75 interrupted or temporary; 77 permission.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Load VCF and BCF files into a dataset: plan, work and finalize in one process, on all cores
    Call(call::Args),
    /// Write down how the work is divided, for any number of tasks
    Plan(plan::Args),
    /// Give a planned dataset to AWS Batch, Slurm or Kubernetes
    Submit(submit::Args),
    /// Do one task's share of a planned dataset
    Work(work::Args),
    /// Publish a planned dataset whose shards are all done
    Finalize(finalize::Args),
    /// Say how far a planned dataset is, and what to run next
    Status(status::Args),
    /// Recompute counts and checksums of a published dataset
    Verify(verify::Args),
    /// Ask a dataset in SQL
    Query(query::Args),
    /// Join what other files say of the variants: VCF, Parquet, tables, BED, GFF; consequences of VEP, SnpEff, bcftools csq
    Annotate(annotate::Args),
    /// Test every variant for association with phenotypes, with covariates
    Assoc(assoc::Args),
    /// Test sets of rare variants, such as those of a gene: collapsing, burden, SKAT, SKAT-O
    Burden(Box<burden::Args>),
    /// Show the quality of a dataset: one HTML page, readable offline
    Report(report::Args),
    /// Say which records, and which rule, made a sample's call at a position
    Explain(explain::Args),
    /// Statistics per variant, per sample, of the cohort, and by group
    Stats(stats::Args),
    /// Linkage disequilibrium: r2 of pairs of variants, and pruning
    Ld(ld::Args),
    /// Principal components, and projection on those of another dataset
    Pca(pca::Args),
    /// Write a dataset back to VCF or BCF
    Export(export::Args),
    /// Find related samples: KING-robust kinship of pairs
    Kinship(kinship::Args),
    /// Score samples by weights of alleles: polygenic scores
    Score(score::Args),
    /// Check files against the VCF specification, and list all that is wrong
    Validate(validate::Args),
    /// Make a cohort with known truth, for demos, tests and benchmarks
    Simulate(simulate::Args),
}

/// Runs the command line of this process.
pub fn main() -> u8 {
    run(std::env::args_os())
}

/// Parses a command line, the name of the program first, runs it, and returns the exit code. Errors are printed to standard error.
pub fn run(arguments: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Class::Usage.exit_code() } else { 0 };
        }
    };
    s3::set_default_endpoint(cli.endpoint_url.as_deref());
    let result = match cli.command {
        Command::Call(args) => call::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Submit(args) => submit::run(args, cli.endpoint_url),
        Command::Work(args) => work::run(args),
        Command::Finalize(args) => finalize::run(args),
        Command::Status(args) => status::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Query(args) => query::run(args),
        Command::Annotate(args) => annotate::run(args),
        Command::Assoc(args) => assoc::run(args),
        Command::Burden(args) => burden::run(*args),
        Command::Report(args) => report::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Ld(args) => ld::run(args),
        Command::Pca(args) => pca::run(args),
        Command::Export(args) => export::run(args),
        Command::Kinship(args) => kinship::run(args),
        Command::Score(args) => score::run(args),
        Command::Validate(args) => validate::run(args),
        Command::Simulate(args) => simulate::run(args),
    };
    finish(result)
}

fn finish(result: Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            print_error(&error);
            error.class().exit_code()
        }
    }
}

/// Prints an error as `error: place: text` and `hint: what to do`.
pub fn print_error(error: &Error) {
    if error.class() == Class::ClosedPipe {
        return;
    }
    eprintln!("error: {}", visible(&error.to_string()));
    if let Some(hint) = error.hint_text() {
        eprintln!("hint: {}", visible(hint));
    }
}

/// A message without characters that a terminal obeys: names in it come from inputs.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if is_obeyed(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}
