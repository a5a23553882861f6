//! A cohort with known truth: for the demo, tests and benchmarks.
//!
//! ```text
//! tree -> haplotypes -> sites -> vcf (cohort, truth)      one contig after the other, chunks of sites side by side
//!                          \---> gvcf                     samples side by side, with the reads of the cohort file
//! ```
//!
//! Enters: [`Settings`]. Leaves: `cohort.vcf.gz`, `truth.vcf.gz`, `reference.fa`, `reference.fa.fai`, `samples.tsv`
//! and, if asked for, `gvcf/<sample>.g.vcf.gz` with their sheet `inputs.tsv`. Every byte is a function of the settings; threads only share the work.
//! Memory: one contig of reference, some MiB of text per thread; for gVCFs also all contigs and 8 bytes per
//! genotype that is not reference.

pub mod copies;
pub mod files;
pub mod gvcf;
pub mod haplotypes;
pub mod random;
pub mod reads;
pub mod reference;
pub mod sites;
mod source;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod vcf;
mod writer;

use crate::error::{Class, Error, Result};
use copies::Copies;
use files::{Encoding, StagedFile, Staging};
use gvcf::Dialect;
use random::{Purpose, hash};
use rayon::prelude::*;
use reads::{Place, ReadModel, ReadSettings};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tree::Demography;
use vcf::Counts;
use writer::CohortWriter;

/// Shortest contig, in bp.
pub const MIN_LENGTH_BP: u64 = 1_000;

/// Longest contig: VCF positions are 32-bit.
pub const MAX_LENGTH_BP: u64 = 2_000_000_000;

/// Least contig length per asked-for site, in bp.
pub const MIN_BP_PER_SITE: u64 = 4;

/// FORMAT fields of the cohort file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatFields {
    /// GT.
    Gt,
    /// GT:AD:DP:GQ:PL.
    Full,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the files.
    pub output: PathBuf,
    /// Diploid samples, at least 1.
    pub n_samples: usize,
    /// Length of each contig.
    pub length_bp: u64,
    /// Exactly this many sites over all contigs; otherwise as many as the mutation rate gives.
    pub n_sites: Option<u64>,
    /// Decides everything random.
    pub seed: u64,
    /// Names of the contigs.
    pub contigs: Vec<String>,
    /// FORMAT fields of the cohort file.
    pub format: FormatFields,
    /// Also one gVCF per sample.
    pub gvcf: Option<GvcfSettings>,
    /// Contigs of which some or all samples have one copy: X and Y by their names, others in everybody.
    pub haploid_contigs: Vec<String>,
    /// Share of genotypes of the cohort file that are made missing.
    pub missing: f64,
    /// Share of sites that are insertions or deletions.
    pub indel_share: f64,
    /// Write the indels of the cohort file, and of every other gVCF, as far right as they can be, to test normalisation.
    pub shift_indels: bool,
    /// Share of the indels that are put into a repeat nearby.
    pub repeat_share: f64,
    /// Share of sites with one alternate that become deletions over the sites behind them, where those can bear it.
    pub overlap_share: f64,
    /// Share of sites with two or three alternate alleles.
    pub multiallelic_share: f64,
    /// Sizes of the population in the past.
    pub demography: Demography,
    /// Populations of equal numbers of samples.
    pub n_populations: usize,
    /// Mean read depth.
    pub mean_depth: f64,
    /// So many samples, the last ones, have a mean depth of [`reads::LOW_DEPTH`].
    pub n_low_depth: usize,
    /// Share of heterozygous genotypes of which only one haplotype is read.
    pub dropout: f64,
    /// Cohort and truth as plain text.
    pub plain: bool,
    /// Write the truth too.
    pub truth: bool,
    /// Replace the files of an earlier simulation in the same folder.
    pub force: bool,
    /// Threads to use.
    pub n_threads: usize,
}

/// How gVCFs are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct GvcfSettings {
    /// Whose style.
    pub dialect: Dialect,
    /// One record per base: in the style of GATK only.
    pub base_pair: bool,
    /// Share of the bases where the reads of some samples show an allele that nobody has.
    pub false_alleles: f64,
}

/// What the text of a cohort depends on.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// Decides everything random.
    pub seed: u64,
    /// Names of the contigs.
    pub contigs: Vec<String>,
    /// Length of each contig.
    pub length_bp: u64,
    /// Names of the samples.
    pub samples: Vec<String>,
    /// FORMAT fields of the cohort file.
    pub format: FormatFields,
    /// Share of genotypes that are made missing.
    pub missing: f64,
    /// Copies of each contig.
    pub copies: Vec<Copies>,
    /// Whether each sample is a woman.
    pub female: Vec<bool>,
}

impl Cohort {
    /// Haplotypes of a sample on a contig.
    pub fn ploidy(&self, contig_id: usize, sample: usize) -> u8 {
        self.copies[contig_id].ploidy(self.female[sample])
    }

    /// The same for all samples; none where all have two.
    pub fn ploidies(&self, contig_id: usize) -> Option<Vec<u8>> {
        let of_all = || (0..self.samples.len()).map(|sample| self.ploidy(contig_id, sample)).collect();
        (self.copies[contig_id] != Copies::Autosome).then(of_all)
    }

    /// A sample on a contig.
    pub fn place(&self, contig_id: usize, sample: usize) -> Place {
        Place { contig_id, sample, copies: self.copies[contig_id], ploidy: self.ploidy(contig_id, sample) }
    }
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records of the cohort file.
    pub n_sites: u64,
    /// Of these, sites with an insertion or a deletion.
    pub n_indel_sites: u64,
    /// Of these, sites with two or three alternate alleles.
    pub n_multiallelic_sites: u64,
    /// Genotypes of the cohort file.
    pub counts: Counts,
    /// Bytes of all files.
    pub n_bytes: u64,
}

/// Makes the cohort. On an error no file of it is left.
///
/// Errors: [`Class::Usage`] for settings that cannot be met or a folder that holds a cohort already, and I/O.
pub fn run(settings: &Settings) -> Result<Summary> {
    check(settings)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.n_threads).build();
    let pool = pool.map_err(|error| Error::new(Class::Io, format!("cannot start threads: {error}")))?;
    pool.install(|| simulate(settings))
}

fn check(settings: &Settings) -> Result<()> {
    let length = settings.length_bp;
    if !(MIN_LENGTH_BP..=MAX_LENGTH_BP).contains(&length) {
        let expected = format!("expected {MIN_LENGTH_BP} to {MAX_LENGTH_BP}");
        return Err(Error::usage(format!("--length is {length} bp, {expected}")));
    }
    let n_contigs = settings.contigs.len() as u64;
    let room = n_contigs * (length - 2 * haplotypes::MARGIN_BP) / MIN_BP_PER_SITE;
    if let Some(n_sites) = settings.n_sites.filter(|n_sites| *n_sites > room) {
        let found = format!("--sites is {n_sites}, but {n_contigs} x {length} bp have room for {room}");
        return Err(Error::usage(found).hint("give a larger --length"));
    }
    let mut names = settings.contigs.clone();
    names.sort();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::usage(format!("contig {} is named twice", pair[0])));
    }
    if let Some(unknown) = settings.haploid_contigs.iter().find(|name| !names.contains(name)) {
        let found = format!("--haploid-contigs names {unknown}, which is no contig of this cohort");
        return Err(Error::usage(found).hint("--contig-name gives contigs their names"));
    }
    let earlier = ["cohort.vcf.gz", "cohort.vcf"].map(|name| settings.output.join(name));
    match earlier.iter().find(|path| path.exists()) {
        Some(path) if !settings.force => Err(Error::usage(format!("{} exists already", path.display()))
            .hint("give another folder, or --force to replace the cohort in this one")),
        _ => Ok(()),
    }
}

/// The files of a run, in the order in which they get their names: the cohort last.
struct Plan {
    fasta: StagedFile,
    index: StagedFile,
    samples: StagedFile,
    truth: Option<StagedFile>,
    sheet: Option<StagedFile>,
    gvcfs: Vec<StagedFile>,
    cohort: StagedFile,
}

impl Plan {
    fn new(settings: &Settings, cohort: &Cohort, staging: &mut Staging) -> Result<Plan> {
        let suffix = if settings.plain { "vcf" } else { "vcf.gz" };
        let gvcf_samples: &[String] = if settings.gvcf.is_some() { &cohort.samples } else { &[] };
        Ok(Plan {
            fasta: staging.add("reference.fa")?,
            index: staging.add("reference.fa.fai")?,
            samples: staging.add("samples.tsv")?,
            truth: if settings.truth { Some(staging.add(&format!("truth.{suffix}"))?) } else { None },
            sheet: settings.gvcf.map(|_| staging.add("inputs.tsv")).transpose()?,
            gvcfs: gvcf_samples
                .iter()
                .map(|sample| staging.add(&format!("gvcf/{sample}.g.vcf.gz")))
                .collect::<Result<_>>()?,
            cohort: staging.add(&format!("cohort.{suffix}"))?,
        })
    }
}

fn simulate(settings: &Settings) -> Result<Summary> {
    let n_samples = settings.n_samples;
    let digits = n_samples.to_string().len().max(4);
    let cohort = Cohort {
        seed: settings.seed,
        contigs: settings.contigs.clone(),
        length_bp: settings.length_bp,
        samples: (1..=n_samples).map(|sample| format!("S{sample:0digits$}")).collect(),
        format: settings.format,
        missing: settings.missing,
        copies: settings.contigs.iter().map(|contig| copies_of(settings, contig)).collect(),
        female: (0..n_samples).map(|rank| hash(settings.seed, Purpose::Samples, rank as u64, 0) & 1 == 0).collect(),
    };
    let mut staging = Staging::new(&settings.output)?;
    let plan = Plan::new(settings, &cohort, &mut staging)?;
    let population_of_sample: Vec<u8> =
        (0..n_samples).map(|sample| (sample * settings.n_populations / n_samples) as u8).collect();
    write_samples(&cohort, &population_of_sample, &plan.samples)?;
    if let Some(sheet) = &plan.sheet {
        write_sheet(&cohort, &settings.output, sheet)?;
    }

    let needs_reads = settings.gvcf.is_some() || settings.format == FormatFields::Full;
    let model = needs_reads.then(|| {
        let (n_low_depth, dropout) = (settings.n_low_depth, settings.dropout);
        ReadModel::new(settings.seed, ReadSettings { n_samples, mean_depth: settings.mean_depth, n_low_depth, dropout })
    });
    let mut writer = CohortWriter::new(settings, &cohort, &plan, model.as_ref())?;
    for contig_id in 0..cohort.contigs.len() {
        writer.contig(contig_id, &population_of_sample)?;
    }
    let (mut summary, evidence, references) = writer.finish()?;
    if let (Some(model), Some(evidence), Some(style)) = (&model, &evidence, settings.gvcf) {
        let source = gvcf::Source { cohort: &cohort, model, evidence, references: &references, style };
        let one = |(sample, file): (usize, &StagedFile)| {
            let mut output = file.create(Encoding::BgzfOnThisThread)?;
            let written = gvcf::write(&source, sample, &mut output);
            written.map_err(|error| Error::writing(output.path(), error))?;
            output.finish()
        };
        plan.gvcfs.par_iter().enumerate().map(one).collect::<Result<()>>()?;
    }
    if settings.force {
        remove_earlier(&settings.output)?;
    }
    summary.n_bytes = staging.publish()?;
    Ok(summary)
}

fn copies_of(settings: &Settings, contig: &String) -> Copies {
    if settings.haploid_contigs.contains(contig) { Copies::of_haploid(contig) } else { Copies::Autosome }
}

/// Writes `inputs.tsv`, the sheet for `call --inputs`: path, sample, sex.
fn write_sheet(cohort: &Cohort, folder: &Path, file: &StagedFile) -> Result<()> {
    let mut text = String::from("path\tsample\tsex\n");
    for (rank, sample) in cohort.samples.iter().enumerate() {
        let path = folder.join(format!("gvcf/{sample}.g.vcf.gz"));
        text += &format!("{}\t{sample}\t{}\n", path.display(), sex(cohort, rank));
    }
    let mut output = file.create(Encoding::Plain)?;
    output.append(text.as_bytes())?;
    output.finish()
}

fn sex(cohort: &Cohort, sample: usize) -> &'static str {
    if cohort.female[sample] { "female" } else { "male" }
}

/// Writes `samples.tsv`: sample, sex (drawn), population.
fn write_samples(cohort: &Cohort, population_of_sample: &[u8], file: &StagedFile) -> Result<()> {
    let mut text = String::from("sample\tsex\tpopulation\n");
    for (rank, (sample, population)) in cohort.samples.iter().zip(population_of_sample).enumerate() {
        text += &format!("{sample}\t{}\tPOP{}\n", sex(cohort, rank), population + 1);
    }
    let mut output = file.create(Encoding::Plain)?;
    output.append(text.as_bytes())?;
    output.finish()
}

/// Removes the files of an earlier simulation, indexes of them too. Files with other names stay.
fn remove_earlier(folder: &Path) -> Result<()> {
    let mut paths = vec![folder.join("inputs.tsv")];
    for name in ["cohort", "truth"] {
        for suffix in ["vcf", "vcf.gz", "vcf.gz.tbi", "vcf.gz.csi"] {
            paths.push(folder.join(format!("{name}.{suffix}")));
        }
    }
    if let Ok(entries) = fs::read_dir(folder.join("gvcf")) {
        let gvcfs = entries.flatten().map(|entry| entry.path());
        let ours = [".g.vcf.gz", ".g.vcf.gz.tbi", ".g.vcf.gz.csi"];
        paths.extend(gvcfs.filter(|path| ours.iter().any(|end| path.to_string_lossy().ends_with(end))));
    }
    for path in paths {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::writing(&path, error)),
            _ => {}
        }
    }
    Ok(())
}
