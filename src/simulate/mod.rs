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
pub mod tree;
pub mod vcf;

use crate::error::{Class, Error, Result};
use copies::Copies;
use files::{Encoding, Output, StagedFile, Staging};
use gvcf::Dialect;
use haplotypes::{HaplotypeSource, RawSite};
use rand::Rng;
use random::{Purpose, Stream, hash, stream};
use rayon::prelude::*;
use reads::{Place, ReadModel, ReadSettings};
use sites::{AlleleDesigner, Design, Site};
use std::collections::VecDeque;
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
        let evidence = settings.gvcf.map(|_| gvcf::Evidence::new(settings.n_samples));
        let (references, summary) = (Vec::new(), Summary::default());
        Ok(CohortWriter { settings, cohort, model, fasta, observed, truth, evidence, references, summary })
    }

    /// Makes one contig: while a batch of chunks becomes text, the sites of the next one are drawn.
    fn contig(&mut self, contig_id: usize, population_of_sample: &[u8]) -> Result<()> {
        let settings = self.settings;
        let reference = reference::bases(settings.seed, contig_id, settings.length_bp);
        self.fasta.write(&settings.output.join("reference.fa"), &self.cohort.contigs[contig_id], &reference)?;
        let haplotypes = copies::haplotypes(self.cohort, contig_id);
        let mut sites = SiteSource::new(settings, contig_id, population_of_sample, haplotypes, &reference);
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
        if let (Some(evidence), Some(style)) = (&mut self.evidence, settings.gvcf) {
            let seed = stream(settings.seed, Purpose::Artefacts, contig_id as u64, 0);
            evidence.add_artefacts(contig_id, &reference, seed, style.false_alleles);
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

/// A site to come.
struct Ahead {
    raw: RawSite,
    /// Haplotypes that a deletion has taken this site from.
    spanned: Vec<u32>,
    /// Where that deletion ends.
    spanned_to: u64,
}

/// The sites of a contig, with letters.
struct SiteSource<'a> {
    haplotypes: HaplotypeSource,
    /// The haplotype of each leaf of the tree.
    haplotype_of_leaf: Vec<u32>,
    designer: AlleleDesigner,
    reference: &'a [u8],
    overlap_share: f64,
    overlaps: Stream,
    /// The next sites: the one before them must know where they are.
    ahead: VecDeque<Ahead>,
    /// Nothing comes after those.
    at_end: bool,
}

/// Most sites under one deletion.
const MAX_SPANNED_SITES: usize = 3;

impl<'a> SiteSource<'a> {
    fn new(
        settings: &Settings,
        contig_id: usize,
        population_of_sample: &[u8],
        haplotype_of_leaf: Vec<u32>,
        reference: &'a [u8],
    ) -> Self {
        let id = contig_id as u64;
        let n_contigs = settings.contigs.len() as u64;
        let share = |n_sites: u64| n_sites / n_contigs + u64::from(id < n_sites % n_contigs);
        let population_of_leaf: Vec<u8> =
            haplotype_of_leaf.iter().map(|haplotype| population_of_sample[*haplotype as usize / 2]).collect();
        let haplotypes = HaplotypeSource::new(
            stream(settings.seed, Purpose::Haplotypes, id, 0),
            settings.demography,
            &population_of_leaf,
            settings.length_bp,
            settings.n_sites.map(share),
            settings.multiallelic_share,
        );
        let design = Design {
            indel_share: settings.indel_share,
            shift_indels: settings.shift_indels,
            repeat_share: settings.repeat_share,
        };
        SiteSource {
            haplotypes,
            haplotype_of_leaf,
            designer: AlleleDesigner::new(stream(settings.seed, Purpose::Alleles, id, 0), design),
            reference,
            overlap_share: settings.overlap_share,
            overlaps: stream(settings.seed, Purpose::Overlaps, id, 0),
            ahead: VecDeque::new(),
            at_end: false,
        }
    }

    /// Draws until there are `n` sites ahead, or the contig ends.
    fn look_ahead(&mut self, n: usize) {
        while self.ahead.len() < n && !self.at_end {
            let Some(mut raw) = self.haplotypes.next_site() else {
                self.at_end = true;
                return;
            };
            for (leaf, _) in &mut raw.carriers {
                *leaf = self.haplotype_of_leaf[*leaf as usize];
            }
            self.ahead.push_back(Ahead { raw, spanned: Vec::new(), spanned_to: 0 });
        }
    }

    fn next_site(&mut self) -> Option<Site> {
        self.look_ahead(2);
        let Ahead { raw, spanned, spanned_to } = self.ahead.pop_front()?;
        let next = self.ahead.front().map_or(self.reference.len() as u64, |next| next.raw.position);
        if !spanned.is_empty() {
            let mut site = self.designer.design(self.reference, raw, next.min(spanned_to));
            site.span(&spanned);
            if self.ahead.front().is_none_or(|next| next.spanned.is_empty()) {
                self.designer.reserve(spanned_to);
            }
            return Some(site);
        }
        if self.overlap_share > 0.0
            && self.overlaps.random_bool(self.overlap_share)
            && let Some(site) = self.spanning_deletion(&raw)
        {
            return Some(site);
        }
        Some(self.designer.design(self.reference, raw, next))
    }

    /// A deletion at `raw` over the next sites, as many as keep a carrier of each allele without its haplotypes.
    fn spanning_deletion(&mut self, raw: &RawSite) -> Option<Site> {
        self.look_ahead(MAX_SPANNED_SITES + 1);
        let deleted: Vec<u32> = raw.carriers.iter().map(|carrier| carrier.0).collect();
        let survives = |ahead: &Ahead| {
            let left = |allele| ahead.raw.carriers.iter().any(|(h, a)| *a == allele && !deleted.contains(h));
            (1..=ahead.raw.n_alts as u8).all(left)
        };
        let n_inside = self.ahead.iter().take(MAX_SPANNED_SITES).take_while(|ahead| survives(ahead)).count();
        let last = self.ahead.get(n_inside.checked_sub(1)?)?.raw.position;
        // room for an indel at the last site, but not for the one behind
        let behind = self.ahead.get(n_inside).map_or(self.reference.len() as u64, |ahead| ahead.raw.position);
        let end = (last + 12).min(behind);
        if end < last + 3 {
            return None;
        }
        let site = self.designer.spanning_deletion(self.reference, raw, (end - raw.position) as usize - 1)?;
        // left-aligned it may end earlier: a site is inside with its neighbours, or behind
        let end = site.end();
        let n_inside = self.ahead.iter().take(n_inside).take_while(|ahead| ahead.raw.position + 2 < end).count();
        if self.ahead.get(n_inside).is_some_and(|ahead| ahead.raw.position < end) {
            return None;
        }
        for ahead in self.ahead.iter_mut().take(n_inside) {
            ahead.raw.carriers.retain(|(haplotype, _)| !deleted.contains(haplotype));
            (ahead.spanned, ahead.spanned_to) = (deleted.clone(), end);
        }
        if n_inside == 0 {
            self.designer.reserve(end);
        }
        Some(site)
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
            gvcf: None,
            haploid_contigs: Vec::new(),
            missing: 0.01,
            indel_share: 0.1,
            shift_indels: false,
            repeat_share: 0.0,
            overlap_share: 0.0,
            multiallelic_share: 0.03,
            demography: Demography::growth(),
            n_populations: 3,
            mean_depth: 30.0,
            n_low_depth: 0,
            dropout: 0.0,
            plain: false,
            truth: true,
            force: false,
            n_threads: 1,
        }
    }

    /// With everything that real cohorts have.
    fn flawed(output: &Path) -> Settings {
        Settings {
            gvcf: Some(GvcfSettings { false_alleles: 0.01, ..GvcfSettings::default() }),
            haploid_contigs: vec!["chr2".into()],
            indel_share: 0.4,
            shift_indels: true,
            repeat_share: 0.5,
            overlap_share: 0.3,
            n_low_depth: 2,
            dropout: 0.02,
            ..settings(output)
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
            let settings = Settings { n_threads, format: FormatFields::Full, ..flawed(folder.path()) };
            run(&settings).unwrap();
            let mut files = all_files(folder.path());
            let sheet = String::from_utf8(files.remove("inputs.tsv").unwrap()).unwrap();
            assert_eq!(sheet.matches(&*folder.path().to_string_lossy()).count(), 30);
            files
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
    fn a_deleted_haplotype_has_no_other_allele_where_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        run(&Settings { plain: true, ..flawed(folder.path()) }).unwrap();
        let truth = fs::read_to_string(folder.path().join("truth.vcf")).unwrap();
        let mut deleted_to: BTreeMap<(&str, usize, usize), usize> = BTreeMap::new();
        let (mut n_spanned, mut before) = (0, ("", 0));
        for row in rows(&truth) {
            let pos: usize = row[1].parse().unwrap();
            assert!(before < (row[0], pos), "not sorted: {row:?}");
            before = (row[0], pos);
            let alleles: Vec<&str> = std::iter::once(row[3]).chain(row[4].split(',')).collect();
            assert_eq!(
                alleles.iter().position(|allele| *allele == "*").unwrap_or(alleles.len() - 1),
                alleles.len() - 1
            );
            for (sample, cell) in row[9..].iter().enumerate() {
                for (copy, allele) in cell.split('|').enumerate() {
                    let allele = alleles[allele.parse::<usize>().unwrap()];
                    let deleted_to = deleted_to.entry((row[0], sample, copy)).or_default();
                    assert_eq!(allele == "*", pos <= *deleted_to, "{row:?}");
                    n_spanned += usize::from(allele == "*");
                    if allele != "*" && allele.len() < row[3].len() {
                        *deleted_to = pos + row[3].len() - 1;
                    }
                }
            }
        }
        assert!(n_spanned > 20, "{n_spanned} copies under deletions");
        assert!(rows(&truth).iter().filter(|row| row[0] == "chr2").all(|row| !row[9].contains('|')));
    }

    /// Bases after the records of one sample, without overlaps.
    fn with_records(reference: &[u8], records: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
        let (mut bases, mut done) = (Vec::new(), 0);
        for (start, n_bases, allele) in records.iter().filter(|record| record.0 >= 1) {
            if *start >= done {
                bases.extend_from_slice(&reference[done..*start]);
                bases.extend_from_slice(allele);
                done = start + n_bases;
            }
        }
        bases.extend_from_slice(&reference[done..]);
        bases
    }

    #[test]
    fn haploid_gvcfs_spell_the_haplotypes_of_the_truth() {
        let folder = tempfile::tempdir().unwrap();
        let all = vec!["chr1".to_string(), "chr2".to_string()];
        let style = GvcfSettings::default();
        let base = settings(folder.path());
        run(&Settings {
            gvcf: Some(style),
            haploid_contigs: all,
            indel_share: 0.5,
            shift_indels: true,
            repeat_share: 0.5,
            mean_depth: 100.0,
            ..base
        })
        .unwrap();
        let fasta = fs::read_to_string(folder.path().join("reference.fa")).unwrap();
        let reference: Vec<u8> = fasta.split('>').nth(1).unwrap().lines().skip(1).collect::<String>().into_bytes();
        let truth = text(&folder.path().join("truth.vcf.gz"));
        let mut n_equal = 0;
        for sample in 0..30 {
            let records = |text: &str, column: usize| -> Vec<(usize, usize, Vec<u8>)> {
                let called = rows(text).into_iter().filter(|row| row[0] == "chr1").filter_map(|row| {
                    let allele: usize = row[column].split(':').next()?.parse().ok()?;
                    let allele = row[4].split(',').nth(allele.checked_sub(1)?)?.as_bytes().to_vec();
                    Some((row[1].parse::<usize>().ok()? - 1, row[3].len(), allele))
                });
                called.collect()
            };
            let gvcf = text(&folder.path().join(format!("gvcf/S{:04}.g.vcf.gz", sample + 1)));
            let (expected, found) = (records(&truth, 9 + sample), records(&gvcf, 9));
            assert!(found.len() + 3 >= expected.len(), "few sites are in gaps");
            n_equal += usize::from(with_records(&reference, &expected) == with_records(&reference, &found));
        }
        assert!(n_equal >= 15, "{n_equal} of 30 haplotypes without a site in a gap");
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
