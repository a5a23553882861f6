//! `varbatch simulate`: flags to [`Settings`], and the closing line.

use crate::error::{Error, Result};
use crate::exec::resources;
use crate::simulate::gvcf::Dialect;
use crate::simulate::tree::Demography;
use crate::simulate::{self, FormatFields, GvcfSettings, MIN_LENGTH_BP, Settings, Summary};
use clap::ValueEnum;
use std::path::PathBuf;
use std::time::Instant;

/// Length of a contig without `--length` and `--sites`, in bp.
const DEFAULT_LENGTH_BP: u64 = 200_000;

/// Contig length per asked-for site without `--length`, in bp.
const DEFAULT_BP_PER_SITE: u64 = 100;

const EXAMPLES: &str = "\
Files in DIR:
  cohort.vcf.gz      what a caller would have seen: unphased, some genotypes missing
  truth.vcf.gz       the true genotypes, phased and complete
  reference.fa       random bases with repeats, and its index reference.fa.fai
  samples.tsv        sample, sex, population
  gvcf/*.g.vcf.gz    with --gvcf: one file per sample in the style of a caller
  inputs.tsv         with --gvcf: path, sample and sex of each, for `varbatch call --inputs`

Records are sorted, trimmed and (without --shift-indels) left-aligned. Samples have two copies of each contig but those of
--haploid-contigs. The same flags and seed give the same bytes with any number of threads.

Examples:
  A demo:
    varbatch simulate -o demo --samples 100 --length 200000 --seed 1
  A benchmark cohort of which about 17 % of the genotypes are not reference:
    varbatch simulate -o bench --samples 2500 --sites 30000 --common
  Per-sample gVCFs for joint calling:
    varbatch simulate -o trio --samples 3 --gvcf --format-fields full
  The same with what real callers leave behind:
    varbatch simulate -o hard --samples 100 --gvcf --contig-name chr1,chrX,chrM --haploid-contigs chrX,chrM \\
      --low-depth 2 --false-alleles 0.002 --dropout 0.002 --repeat-indels 0.5 --overlaps 0.05 --shift-indels";

/// Flags of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder for the files; made if needed
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Number of diploid samples
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: u32,
    /// Length of each contig in bp [default: 200000, or 100 per site where --sites needs more]
    #[arg(long, value_name = "BP", value_parser = clap::value_parser!(u64).range(MIN_LENGTH_BP..=simulate::MAX_LENGTH_BP))]
    length: Option<u64>,
    /// Make exactly this many sites over all contigs, instead of as many as a human mutation rate gives
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sites: Option<u64>,
    /// Seed of everything random
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Number of contigs, named chr1, chr2, ... [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    contigs: Option<u32>,
    /// Names of the contigs, separated by commas
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = contig_name)]
    contig_name: Vec<String>,
    /// FORMAT fields of cohort.vcf.gz
    #[arg(long, value_name = "FIELDS", value_enum, default_value_t = Fields::Gt)]
    format_fields: Fields,
    /// Also write gvcf/<sample>.g.vcf.gz, from the same reads as the fields of `--format-fields full`
    #[arg(long)]
    gvcf: bool,
    /// Style of the gVCFs
    #[arg(long, value_name = "CALLER", value_enum, default_value_t = Caller::Gatk, requires = "gvcf")]
    dialect: Caller,
    /// gVCFs with one record per base instead of blocks, as GATK writes them
    #[arg(long, requires = "gvcf")]
    base_pair: bool,
    /// Share of the bases where reads of some samples show an allele that nobody has: bases of one strand, lengths of
    /// homopolymers. The likelihoods in the gVCFs know the error rate of each place
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = share, requires = "gvcf")]
    false_alleles: f64,
    /// Share of heterozygous genotypes of which only one haplotype is read
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = share)]
    dropout: f64,
    /// So many samples, the last ones, have a mean read depth of 8
    #[arg(long, value_name = "N", default_value_t = 0)]
    low_depth: u32,
    /// Contigs of which not everybody has two copies: X (women two, men one) and Y (men one) by their names, others one
    /// in everybody
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = contig_name)]
    haploid_contigs: Vec<String>,
    /// Share of the genotypes in cohort.vcf.gz that are made missing
    #[arg(long, value_name = "RATE", default_value_t = 0.01, value_parser = share)]
    missing: f64,
    /// Share of the sites that are insertions or deletions
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    indels: f64,
    /// Write the indels of cohort.vcf.gz, and of about half of the gVCFs, as far right as they can be (the truth stays
    /// left-aligned), to test normalisation
    #[arg(long)]
    shift_indels: bool,
    /// Share of the indels that are put into a homopolymer or short tandem repeat nearby
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    repeat_indels: f64,
    /// Share of the sites that become deletions over the next one to three sites, where every allele of those keeps a
    /// carrier; haplotypes with the deletion have the allele * there
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    overlaps: f64,
    /// Share of the sites that have two or three alternate alleles
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, value_parser = share)]
    multiallelic: f64,
    /// Many common variants: populations of constant size, about 1/k of the sites have k derived alleles (17 % of
    /// the genotypes are not reference with 2,500 samples). Without it, recent growth makes most variants rare
    #[arg(long)]
    common: bool,
    /// Number of populations, with equal shares of the samples
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    populations: u8,
    /// Mean read depth of `--format-fields full` and `--gvcf`
    #[arg(long, value_name = "X", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=150))]
    depth: u32,
    /// Write cohort.vcf and truth.vcf uncompressed
    #[arg(long)]
    plain: bool,
    /// Leave truth.vcf.gz out
    #[arg(long)]
    no_truth: bool,
    /// Replace the cohort that is already in DIR
    #[arg(long)]
    force: bool,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    threads: Option<u32>,
}

/// FORMAT fields by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Fields {
    /// GT, equal to the truth where it is not missing
    Gt,
    /// GT:AD:DP:GQ:PL; GT is the genotype with the lowest PL, missing with fewer than 3 reads
    Full,
}

/// Styles of gVCFs by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Caller {
    /// GATK HaplotypeCaller: <NON_REF>, narrow bands, candidates that are not called
    Gatk,
    /// GATK ReblockGVCF: three bands, no PL in blocks, called variants only
    Reblocked,
    /// DeepVariant: <*>, uncertain reference calls are ./. with the filter RefCall
    Deepvariant,
    /// Strelka2: blocks without ALT, GQX, haploid calls under deletions
    Strelka,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

/// A contig name as § 1.4.7 of VCF 4.3 allows it.
fn contig_name(text: &str) -> std::result::Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\\,\"'`()[]{}<>".contains(&byte);
    if text.is_empty() || text.starts_with(['*', '=']) || !text.bytes().all(allowed) {
        return Err("expected printable ASCII without spaces, quotes, brackets and backslash".into());
    }
    Ok(text.to_owned())
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    let settings = args.resolve()?;
    let summary = simulate::run(&settings)?;
    print(&settings, &summary, started.elapsed().as_secs_f64());
    Ok(())
}

impl Args {
    fn resolve(self) -> Result<Settings> {
        if self.base_pair && !matches!(self.dialect, Caller::Gatk) {
            return Err(Error::usage("--base-pair is for --dialect gatk: other callers write blocks"));
        }
        let contigs = self.contig_names()?;
        let bp_for_sites = self.sites.unwrap_or(0).div_ceil(contigs.len() as u64).saturating_mul(DEFAULT_BP_PER_SITE);
        let n_samples = self.samples as usize;
        let n_populations = usize::from(self.populations).min(n_samples);
        let cores = resources::cores();
        Ok(Settings {
            output: self.output,
            n_samples,
            length_bp: self.length.unwrap_or(DEFAULT_LENGTH_BP.max(bp_for_sites)),
            n_sites: self.sites,
            seed: self.seed,
            contigs,
            format: match self.format_fields {
                Fields::Gt => FormatFields::Gt,
                Fields::Full => FormatFields::Full,
            },
            gvcf: self.gvcf.then_some(GvcfSettings {
                dialect: match self.dialect {
                    Caller::Gatk => Dialect::Gatk,
                    Caller::Reblocked => Dialect::Reblocked,
                    Caller::Deepvariant => Dialect::DeepVariant,
                    Caller::Strelka => Dialect::Strelka,
                },
                base_pair: self.base_pair,
                false_alleles: self.false_alleles,
            }),
            haploid_contigs: self.haploid_contigs,
            missing: self.missing,
            indel_share: self.indels,
            shift_indels: self.shift_indels,
            repeat_share: self.repeat_indels,
            overlap_share: self.overlaps,
            multiallelic_share: self.multiallelic,
            demography: if self.common { Demography::constant(n_populations) } else { Demography::growth() },
            n_populations,
            mean_depth: f64::from(self.depth),
            n_low_depth: n_samples.min(self.low_depth as usize),
            dropout: self.dropout,
            plain: self.plain,
            truth: !self.no_truth,
            force: self.force,
            n_threads: self.threads.map_or(cores, |threads| threads as usize),
        })
    }

    fn contig_names(&self) -> Result<Vec<String>> {
        let named = self.contig_name.len();
        match self.contigs {
            None if named > 0 => Ok(self.contig_name.clone()),
            Some(asked) if named > 0 && asked as usize != named => {
                Err(Error::usage(format!("--contig-name has {named} names, expected {asked} as --contigs says")))
            }
            Some(_) if named > 0 => Ok(self.contig_name.clone()),
            asked => Ok((1..=asked.unwrap_or(1)).map(|contig| format!("chr{contig}")).collect()),
        }
    }
}

/// What was made, on standard error.
fn print(settings: &Settings, summary: &Summary, seconds: f64) {
    let counts = summary.counts;
    let percent = 100.0 * counts.n_not_reference as f64 / counts.n_called.max(1) as f64;
    eprintln!(
        "simulate: {} samples, {} sites ({} indels, {} multi-allelic), {percent:.1} % of the called genotypes not reference",
        settings.n_samples, summary.n_sites, summary.n_indel_sites, summary.n_multiallelic_sites,
    );
    let megabytes = summary.n_bytes as f64 / 1e6;
    eprintln!("simulate: {} written: {megabytes:.1} MB in {seconds:.2} s", settings.output.display());
}
