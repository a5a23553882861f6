//! Reference, cohort and truth as files.

use super::files::{Encoding, Output};
use super::random::{Purpose, stream};
use super::reads::ReadModel;
use super::sites::Site;
use super::source::SiteSource;
use super::vcf::{self, Counts, Renderer, View};
use super::{Cohort, Plan, Settings, Summary, copies, gvcf, reference};
use crate::error::Result;
use rayon::prelude::*;

/// Genotypes that one task turns into text.
const GENOTYPES_PER_CHUNK: usize = 1 << 18;

/// Writes reference, cohort and truth, contig by contig.
pub(super) struct CohortWriter<'a> {
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
    pub(super) fn new(
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
    pub(super) fn contig(&mut self, contig_id: usize, population_of_sample: &[u8]) -> Result<()> {
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

    pub(super) fn finish(self) -> Result<(Summary, Option<gvcf::Evidence>, Vec<Vec<u8>>)> {
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
