//! A cohort with known truth: for the demo, tests and benchmarks.
//!
//! ```text
//! tree -> haplotypes -> sites -> vcf (cohort, truth)      one contig after the other, chunks of sites side by side
//!                          \---> gvcf                     samples side by side, with the reads of the cohort file
//! ```
//!
//! Enters: [`Settings`]. Leaves: `cohort.vcf.gz`, `truth.vcf.gz`, `reference.fa`, `reference.fa.fai`, `samples.tsv`
//! and, if asked for, `gvcf/<sample>.g.vcf.gz`. Every byte is a function of the settings; threads only share the work.
//! Memory: one contig of reference, some MiB of text per thread; for gVCFs also all contigs and 8 bytes per
//! genotype that is not reference.

pub mod files;
pub mod gvcf;
pub mod haplotypes;
pub mod random;
pub mod reads;
pub mod reference;
pub mod sites;
pub mod tree;
pub mod vcf;

use crate::error::{Class, Error, Result};
use files::{Encoding, Output, StagedFile, Staging};
use haplotypes::{HaplotypeSource, RawSite};
use random::{Purpose, hash, stream};
use rayon::prelude::*;
use reads::ReadModel;
use sites::{AlleleDesigner, Site};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tree::Demography;
use vcf::{Counts, Renderer, View};

/// Shortest contig, in bp.
pub const MIN_LENGTH_BP: u64 = 1_000;

/// Longest contig: VCF positions are 32-bit.
pub const MAX_LENGTH_BP: u64 = 2_000_000_000;

/// Least contig length per asked-for site, in bp.
pub const MIN_BP_PER_SITE: u64 = 4;

/// Genotypes that one task turns into text.
const GENOTYPES_PER_CHUNK: usize = 1 << 18;

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
    pub gvcf: bool,
    /// Share of genotypes of the cohort file that are made missing.
    pub missing: f64,
    /// Share of sites that are insertions or deletions.
    pub indel_share: f64,
    /// Write the indels of the cohort file as far right as they can be, to test normalisation.
    pub shift_indels: bool,
    /// Share of sites with two or three alternate alleles.
    pub multiallelic_share: f64,
    /// Sizes of the population in the past.
    pub demography: Demography,
    /// Populations of equal numbers of samples.
    pub n_populations: usize,
    /// Mean read depth.
    pub mean_depth: f64,
    /// Cohort and truth as plain text.
    pub plain: bool,
    /// Write the truth too.
    pub truth: bool,
    /// Replace the files of an earlier simulation in the same folder.
    pub force: bool,
    /// Threads to use.
    pub n_threads: usize,
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
    gvcfs: Vec<StagedFile>,
    cohort: StagedFile,
}

impl Plan {
    fn new(settings: &Settings, cohort: &Cohort, staging: &mut Staging) -> Result<Plan> {
        let suffix = if settings.plain { "vcf" } else { "vcf.gz" };
        let gvcf_samples: &[String] = if settings.gvcf { &cohort.samples } else { &[] };
        Ok(Plan {
            fasta: staging.add("reference.fa")?,
            index: staging.add("reference.fa.fai")?,
            samples: staging.add("samples.tsv")?,
            truth: if settings.truth { Some(staging.add(&format!("truth.{suffix}"))?) } else { None },
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
    };
    let mut staging = Staging::new(&settings.output)?;
    let plan = Plan::new(settings, &cohort, &mut staging)?;
    let population_of_sample: Vec<u8> =
        (0..n_samples).map(|sample| (sample * settings.n_populations / n_samples) as u8).collect();
    write_samples(&cohort, &population_of_sample, &plan.samples)?;

    let needs_reads = settings.gvcf || settings.format == FormatFields::Full;
    let model = needs_reads.then(|| ReadModel::new(settings.seed, n_samples, settings.mean_depth));
    let mut writer = CohortWriter::new(settings, &cohort, &plan, model.as_ref())?;
    for contig_id in 0..cohort.contigs.len() {
        writer.contig(contig_id, &population_of_sample)?;
    }
    let (mut summary, evidence, references) = writer.finish()?;
    if let (Some(model), Some(evidence)) = (&model, &evidence) {
        let one = |(sample, file): (usize, &StagedFile)| {
            let mut output = file.create(Encoding::BgzfOnThisThread)?;
            let written = gvcf::write(&cohort, model, evidence, &references, sample, &mut output);
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

/// Writes `samples.tsv`: sample, sex (drawn), population.
fn write_samples(cohort: &Cohort, population_of_sample: &[u8], file: &StagedFile) -> Result<()> {
    let mut text = String::from("sample\tsex\tpopulation\n");
    for (rank, (sample, population)) in cohort.samples.iter().zip(population_of_sample).enumerate() {
        let female = hash(cohort.seed, Purpose::Samples, rank as u64, 0) & 1 == 0;
        text += &format!("{sample}\t{}\tPOP{}\n", if female { "female" } else { "male" }, population + 1);
    }
    let mut output = file.create(Encoding::Plain)?;
    output.append(text.as_bytes())?;
    output.finish()
}

/// Removes the files of an earlier simulation, indexes of them too. Files with other names stay.
fn remove_earlier(folder: &Path) -> Result<()> {
    let mut paths = Vec::new();
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

/// Writes reference, cohort and truth, contig by contig.
struct CohortWriter<'a> {
    settings: &'a Settings,
    cohort: &'a Cohort,
    model: Option<&'a ReadModel>,
    fasta: reference::FastaWriter<Output, Output>,
    observed: Output,
    truth: Option<Output>,
    evidence: Option<gvcf::Evidence>,
    /// Kept for the gVCFs only.
    references: Vec<Vec<u8>>,
    summary: Summary,
}

impl<'a> CohortWriter<'a> {
    fn new(
        settings: &'a Settings,
        cohort: &'a Cohort,
        plan: &Plan,
        model: Option<&'a ReadModel>,
    ) -> Result<CohortWriter<'a>> {
        let encoding = if settings.plain { Encoding::Plain } else { Encoding::Bgzf };
        let mut observed = plan.cohort.create(encoding)?;
        observed.append(vcf::header(cohort, View::Observed).as_bytes())?;
        let mut truth = plan.truth.as_ref().map(|file| file.create(encoding)).transpose()?;
        if let Some(truth) = &mut truth {
            truth.append(vcf::header(cohort, View::Truth).as_bytes())?;
        }
        let fasta =
            reference::FastaWriter::new(plan.fasta.create(Encoding::Plain)?, plan.index.create(Encoding::Plain)?);
        let evidence = settings.gvcf.then(|| gvcf::Evidence::new(settings.n_samples));
        let (references, summary) = (Vec::new(), Summary::default());
        Ok(CohortWriter { settings, cohort, model, fasta, observed, truth, evidence, references, summary })
    }

    /// Makes one contig: while a batch of chunks becomes text, the sites of the next one are drawn.
    fn contig(&mut self, contig_id: usize, population_of_sample: &[u8]) -> Result<()> {
        let settings = self.settings;
        let reference = reference::bases(settings.seed, contig_id, settings.length_bp);
        self.fasta.write(&settings.output.join("reference.fa"), &self.cohort.contigs[contig_id], &reference)?;
        let mut sites = SiteSource::new(settings, contig_id, population_of_sample, &reference);
        let sites_per_chunk = (GENOTYPES_PER_CHUNK / settings.n_samples).max(1);
        let n_chunks = 2 * settings.n_threads;
        let mut batch = sites.batch(n_chunks, sites_per_chunk);
        while !batch.is_empty() {
            let rendered = || batch.par_iter().map(|chunk| self.render(contig_id, chunk)).collect::<Vec<_>>();
            let (next, rendered) = rayon::join(|| sites.batch(n_chunks, sites_per_chunk), rendered);
            for text in rendered {
                self.observed.append(&text.observed)?;
                if let Some(truth) = &mut self.truth {
                    truth.append(&text.truth)?;
                }
                self.summary.counts += text.counts;
            }
            for site in batch.into_iter().flatten() {
                self.account(contig_id, site);
            }
            batch = next;
        }
        if settings.gvcf {
            self.references.push(reference);
        }
        Ok(())
    }

    fn render(&self, contig_id: usize, chunk: &[Site]) -> ChunkText {
        let mut text = ChunkText::default();
        let mut observed = Renderer::new(self.cohort, self.model, contig_id, View::Observed);
        chunk.iter().for_each(|site| text.counts += observed.site(site, &mut text.observed));
        if self.truth.is_some() {
            let mut truth = Renderer::new(self.cohort, None, contig_id, View::Truth);
            chunk.iter().for_each(|site| {
                truth.site(site, &mut text.truth);
            });
        }
        text
    }

    fn account(&mut self, contig_id: usize, site: Site) {
        self.summary.n_sites += 1;
        self.summary.n_indel_sites += u64::from(!site.is_substitution());
        self.summary.n_multiallelic_sites += u64::from(site.alleles.len() > 2);
        if let Some(evidence) = &mut self.evidence {
            evidence.push(contig_id, site);
        }
    }

    fn finish(self) -> Result<(Summary, Option<gvcf::Evidence>, Vec<Vec<u8>>)> {
        let (fasta, index) = self.fasta.into_inner();
        fasta.finish()?;
        index.finish()?;
        self.observed.finish()?;
        self.truth.map_or(Ok(()), Output::finish)?;
        Ok((self.summary, self.evidence, self.references))
    }
}

/// Text of some neighbouring sites.
#[derive(Default)]
struct ChunkText {
    observed: Vec<u8>,
    truth: Vec<u8>,
    counts: Counts,
}

/// The sites of a contig, with letters.
struct SiteSource<'a> {
    haplotypes: HaplotypeSource,
    designer: AlleleDesigner,
    reference: &'a [u8],
    /// The next site: the one before it must know where it is.
    pending: Option<RawSite>,
}

impl<'a> SiteSource<'a> {
    fn new(settings: &Settings, contig_id: usize, population_of_sample: &[u8], reference: &'a [u8]) -> Self {
        let id = contig_id as u64;
        let n_contigs = settings.contigs.len() as u64;
        let share = |n_sites: u64| n_sites / n_contigs + u64::from(id < n_sites % n_contigs);
        let population_of_haplotype: Vec<u8> =
            population_of_sample.iter().flat_map(|population| [*population; 2]).collect();
        let mut haplotypes = HaplotypeSource::new(
            stream(settings.seed, Purpose::Haplotypes, id, 0),
            settings.demography,
            &population_of_haplotype,
            settings.length_bp,
            settings.n_sites.map(share),
            settings.multiallelic_share,
        );
        let random = stream(settings.seed, Purpose::Alleles, id, 0);
        let designer = AlleleDesigner::new(random, settings.indel_share, settings.shift_indels);
        let pending = haplotypes.next_site();
        SiteSource { haplotypes, designer, reference, pending }
    }

    fn next_site(&mut self) -> Option<Site> {
        let raw = self.pending.take()?;
        self.pending = self.haplotypes.next_site();
        let next = self.pending.as_ref().map_or(self.reference.len() as u64, |next| next.position);
        Some(self.designer.design(self.reference, raw, next))
    }

    /// Up to `n_chunks` chunks of up to `n_sites` sites; empty at the end.
    fn batch(&mut self, n_chunks: usize, n_sites: usize) -> Vec<Vec<Site>> {
        let mut chunk = || (0..n_sites).map_while(|_| self.next_site()).collect::<Vec<_>>();
        (0..n_chunks).map(|_| chunk()).take_while(|chunk| !chunk.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read;

    fn settings(output: &Path) -> Settings {
        Settings {
            output: output.to_owned(),
            n_samples: 30,
            length_bp: 30_000,
            n_sites: None,
            seed: 1,
            contigs: vec!["chr1".into(), "chr2".into()],
            format: FormatFields::Gt,
            gvcf: false,
            missing: 0.01,
            indel_share: 0.1,
            shift_indels: false,
            multiallelic_share: 0.03,
            demography: Demography::growth(),
            n_populations: 3,
            mean_depth: 30.0,
            plain: false,
            truth: true,
            force: false,
            n_threads: 1,
        }
    }

    fn all_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                files.extend(all_files(&entry));
            } else {
                files.insert(entry.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&entry).unwrap());
            }
        }
        files
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        let file = fs::File::open(path).unwrap();
        noodles_bgzf::io::Reader::new(file).read_to_string(&mut text).unwrap();
        text
    }

    fn rows(text: &str) -> Vec<Vec<&str>> {
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect()
    }

    #[test]
    fn threads_do_not_change_a_byte() {
        let made = |n_threads| {
            let folder = tempfile::tempdir().unwrap();
            let settings = Settings { n_threads, gvcf: true, format: FormatFields::Full, ..settings(folder.path()) };
            run(&settings).unwrap();
            all_files(folder.path())
        };
        let (one, three) = (made(1), made(3));
        assert_eq!(one.len(), 5 + 30);
        assert!(one == three);
    }

    #[test]
    fn another_seed_gives_another_cohort() {
        let made = |seed| {
            let folder = tempfile::tempdir().unwrap();
            run(&Settings { seed, plain: true, ..settings(folder.path()) }).unwrap();
            fs::read(folder.path().join("cohort.vcf")).unwrap()
        };
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn sites_are_sorted_as_many_as_asked_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let made = run(&Settings { n_sites: Some(1_001), ..settings(folder.path()) }).unwrap();
        assert_eq!(made.n_sites, 1_001);
        let text = text(&folder.path().join("cohort.vcf.gz"));
        let rows = rows(&text);
        let places: Vec<(&str, u32)> = rows.iter().map(|row| (row[0], row[1].parse().unwrap())).collect();
        assert_eq!(places.len(), 1_001);
        assert!(places.is_sorted_by(|a, b| a < b));
        for row in &rows {
            let alleles: Vec<&str> = row[9..].iter().flat_map(|gt| gt.split('/')).collect();
            let copies = |wanted: &str| alleles.iter().filter(|allele| **allele == wanted).count();
            let ac: Vec<String> =
                (1..=row[4].split(',').count()).map(|allele| copies(&allele.to_string()).to_string()).collect();
            assert!(row[7].starts_with(&format!("AC={};AF=", ac.join(","))), "{}", row[7]);
            assert!(row[7].ends_with(&format!(";AN={}", alleles.len() - copies("."))), "{}", row[7]);
        }
    }

    #[test]
    fn the_cohort_is_the_truth_but_for_missing_genotypes() {
        let folder = tempfile::tempdir().unwrap();
        run(&settings(folder.path())).unwrap();
        let (observed, truth) = (text(&folder.path().join("cohort.vcf.gz")), text(&folder.path().join("truth.vcf.gz")));
        let mut n_missing = 0;
        for (observed, truth) in rows(&observed).iter().zip(rows(&truth)) {
            assert_eq!(observed[..5], truth[..5]);
            for (observed, truth) in observed[9..].iter().zip(&truth[9..]) {
                let mut alleles: Vec<&str> = truth.split('|').collect();
                alleles.sort_unstable();
                n_missing += usize::from(*observed == "./.");
                assert!(*observed == "./." || *observed == alleles.join("/"), "{observed} {truth}");
            }
        }
        assert!(n_missing > 0);
    }

    #[test]
    fn a_folder_with_a_cohort_is_left_alone_without_force() {
        let folder = tempfile::tempdir().unwrap();
        let first = Settings { plain: true, ..settings(folder.path()) };
        run(&first).unwrap();
        let second = settings(folder.path());
        let error = run(&second).unwrap_err();
        assert_eq!(error.class(), Class::Usage);
        assert!(folder.path().join("cohort.vcf").exists());
        run(&Settings { force: true, ..second }).unwrap();
        assert!(!folder.path().join("cohort.vcf").exists());
        assert!(folder.path().join("cohort.vcf.gz").exists());
    }

    #[test]
    fn settings_that_cannot_be_met_are_usage_errors() {
        let folder = tempfile::tempdir().unwrap();
        let base = settings(folder.path());
        let twice = vec!["a".to_owned(), "a".to_owned()];
        for wrong in [
            Settings { n_sites: Some(1_000_000), ..base.clone() },
            Settings { length_bp: 10, ..base.clone() },
            Settings { contigs: twice, ..base.clone() },
        ] {
            assert_eq!(run(&wrong).unwrap_err().class(), Class::Usage);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
