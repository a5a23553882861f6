//! `varbatch export`

use super::threads::Threads;
use crate::dataset::Dataset;
use crate::dataset::region::Region;
use crate::error::{Error, Result};
use crate::export::genotype::OtherAllele;
use crate::export::{Settings, export};
use clap::ValueEnum;
use std::path::PathBuf;

/// Flags of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  varbatch export demo.ds -o again.vcf.gz
  varbatch export demo.ds -o alleles.bcf --split --recount
  varbatch export demo.ds -o - --regions chr20:1-5000000 --samples NA12878,NA12891 | bcftools stats")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    /// Output: .vcf, .vcf.gz (with a tbi or csi index), .bcf (with a csi index), or `-` for VCF text on standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Only records that touch one of these regions, e.g. chr20:1-5000000,chr21
    #[arg(short, long, value_name = "REGIONS")]
    regions: Option<String>,
    /// Only these samples, in this order
    #[arg(short, long, value_name = "NAMES", value_delimiter = ',')]
    samples: Option<Vec<String>>,
    /// Only the samples of this file, one name a line, in its order
    #[arg(short = 'S', long, value_name = "FILE", conflicts_with = "samples")]
    samples_file: Option<PathBuf>,
    /// One record per normalised allele instead of the sites of the input
    #[arg(long)]
    split: bool,
    /// With --split: what a copy of another allele of the site is written as
    #[arg(long, value_name = "0|.", default_value = "0", requires = "split")]
    multi_overlaps: MultiOverlaps,
    /// Replace INFO/AC, AN and AF by counts of the calls that are written
    #[arg(long)]
    recount: bool,
    /// Of a joint call set: PL also for the samples that a reference block speaks for
    #[arg(long)]
    fill_pl: bool,
    #[command(flatten)]
    threads: Threads,
}

/// As `bcftools norm --multi-overlaps` has it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MultiOverlaps {
    /// As reference
    #[value(name = "0")]
    Reference,
    /// As unknown
    #[value(name = ".")]
    Missing,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    args.threads.begin()?;
    let dataset = Dataset::open(&args.dataset)?;
    let contigs: Vec<&str> = dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).collect();
    let regions = args.regions.as_deref().map(|text| Region::parse_list(text, &contigs)).transpose()?;
    let samples = match &args.samples_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Error::reading(path, error))?;
            Some(text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
        }
        None => args.samples,
    };
    let other = match args.multi_overlaps {
        MultiOverlaps::Reference => OtherAllele::Reference,
        MultiOverlaps::Missing => OtherAllele::Missing,
    };
    let settings =
        Settings { regions, samples, split: args.split, other, recount: args.recount, fill_pl: args.fill_pl };
    let summary = export(&dataset, &args.output, &settings)?;
    if args.output.as_os_str() != "-" {
        let index = match summary.index {
            Some(path) => format!(", index {}", path.display()),
            None if args.output.extension().is_some_and(|end| end == "bcf") => {
                ", without an index: several records are at position 0, which htslib cannot index".into()
            }
            None => String::new(),
        };
        let (records, samples) = (summary.n_records, summary.n_samples);
        eprintln!("wrote {}: {records} records, {samples} samples{index}", args.output.display());
    }
    Ok(())
}
