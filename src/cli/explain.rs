//! `varbatch explain`

use crate::dataset::Dataset;
use crate::dataset::region::Region;
use crate::error::{Error, Result};
use crate::explain::explain;
use std::io::Write;
use std::path::PathBuf;

/// Flags of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  varbatch explain trio.ds chr20:10000117 NA12878")]
pub struct Args {
    /// A dataset that was called from gVCFs
    dataset: PathBuf,
    /// Where, 1-based
    #[arg(value_name = "CONTIG:POS")]
    position: String,
    /// Which sample
    #[arg(value_name = "SAMPLE")]
    sample: String,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let dataset = Dataset::open(&args.dataset)?;
    let contigs: Vec<&str> = dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).collect();
    let region = Region::parse(&args.position, &contigs)?;
    let vcf_pos = i32::try_from(region.first).ok().filter(|_| region.first == region.last);
    let vcf_pos =
        vcf_pos.ok_or_else(|| Error::usage(format!("`{}` is not one position, expected contig:pos", args.position)))?;
    let text = explain(&dataset, &region.contig, vcf_pos, &args.sample)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::stdout)
}
