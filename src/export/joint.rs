//! Sample columns of a joint call set: worked out from the evidence again, so that every sample has its depth, quality
//! and reason, also those of which the tables hold no row.

use crate::call::joint::evaluate::block_likelihoods;
use crate::call::joint::likelihood::{Likelihoods, from_gq};
use crate::call::joint::settings::Genotypes;
use crate::call::joint::site::SiteAlleles;
use crate::call::joint::sweep::{SiteSample, Sweep};
use crate::dataset::joint::JointDataset;
use crate::dataset::sites::Site;
use crate::error::{Error, Result};
use crate::genome::genotype::UNKNOWN;
use crate::joint::EvidenceRange;
use std::io::Write;

/// FORMAT of the records.
pub const FORMAT: &str = "GT:AD:DP:GQ:PL:PS:RNC:FT";
/// Beyond so many genotypes a sample's PL is left out: a list that long helps nobody.
const MOST_GENOTYPES: usize = 5_000;

/// What the export of a joint call set needs.
pub struct JointExport {
    /// Evidence and settings.
    pub dataset: JointDataset,
    /// PL for samples that a reference block speaks for, too.
    pub fill_pl: bool,
}

/// The samples of some sites that follow each other.
pub struct JointChunk<'a> {
    export: &'a JointExport,
    range: EvidenceRange<'a>,
}

impl JointExport {
    /// Reads the evidence of a chunk of sites of one contig.
    pub fn chunk(&self, contig: &str, sites: &[Site]) -> Result<JointChunk<'_>> {
        let contig = self.dataset.contigs.index_of(contig.as_bytes());
        let contig = contig.ok_or_else(|| Error::internal("a site is on a contig that the dataset does not have"))?;
        let positions: Vec<i32> = sites.iter().map(|site| site.vcf_pos as i32).collect();
        let (first, last) = (positions.first().copied().unwrap_or(1), positions.last().copied().unwrap_or(1));
        let mut range = self.dataset.range(contig, first, last + 1)?;
        range.read_blocks(&positions)?;
        Ok(JointChunk { export: self, range })
    }
}

impl JointChunk<'_> {
    /// A writer that goes through the sites in order.
    pub fn writer(&self, sites: &[Site]) -> JointColumns<'_> {
        let positions: Vec<i32> = sites.iter().map(|site| site.vcf_pos as i32).collect();
        JointColumns { chunk: self, sweep: Sweep::new(&self.range.sweep_input(), &positions) }
    }
}

/// Writes the sample columns of one site after the other.
pub struct JointColumns<'a> {
    chunk: &'a JointChunk<'a>,
    sweep: Sweep<'a>,
}

impl JointColumns<'_> {
    /// Appends FORMAT and the columns of `samples` (indexes in the cohort), each with a tab before it.
    pub fn write(&mut self, site: &Site, samples: &[usize], out: &mut Vec<u8>) -> Result<()> {
        out.push(b'\t');
        out.extend_from_slice(FORMAT.as_bytes());
        let vcf_pos = site.vcf_pos as i32;
        let range = &self.chunk.range;
        let evaluated = range.sites(|position| position == vcf_pos).into_iter().next();
        let evaluated = evaluated.ok_or_else(|| Error::bad_data(format!("no evidence for the site at {vcf_pos}")))?;
        let alleles = written_alleles(site, &evaluated, range)?;
        let calls = self.sweep.calls(&evaluated);
        let settings = &self.chunk.export.dataset.cohort.settings;
        let calls = match settings.genotypes {
            Genotypes::Input => calls,
            Genotypes::Likelihoods => {
                let mut sorted = alleles.clone();
                sorted.sort_unstable();
                calls.iter().map(|call| call.from_likelihoods(&sorted, settings)).collect()
            }
        };
        let all = self.sweep.samples(&calls, true);
        for &sample in samples {
            out.push(b'\t');
            self.write_cell(&all[sample], &alleles, out);
        }
        Ok(())
    }

    fn write_cell(&self, sample: &SiteSample, alleles: &[u16], out: &mut Vec<u8>) {
        let mut gt = sample.gt.clone();
        for allele in gt.alleles.iter_mut().filter(|allele| **allele != UNKNOWN) {
            let place = alleles.iter().position(|&known| i32::from(known) == *allele);
            *allele = place.map_or(UNKNOWN, |place| place as i32);
        }
        gt.write(out);
        out.push(b':');
        match sample.call.filter(|call| !call.ad.is_empty()) {
            Some(call) => list(out, alleles.iter().map(|&allele| call.ad[usize::from(allele)])),
            None => out.push(b'.'),
        }
        for value in [sample.dp, sample.gq] {
            out.push(b':');
            number(out, value);
        }
        out.push(b':');
        match self.likelihoods(sample).and_then(|likelihoods| likelihoods.over(alleles, MOST_GENOTYPES)) {
            Some(pl) => list(out, pl.into_iter()),
            None => out.push(b'.'),
        }
        out.push(b':');
        match sample.call.and_then(|call| call.phase_set) {
            Some(phase_set) => drop(write!(out, "{phase_set}")),
            None => out.push(b'.'),
        }
        out.push(b':');
        out.push(sample.reason.map_or(b'.', |reason| reason.letter() as u8));
        out.push(b':');
        let range = &self.chunk.range;
        match sample.call.map(|call| &range.records[call.record]).filter(|record| record.filtered) {
            Some(record) => out.extend_from_slice(range.texts.text(record.text as usize).filter),
            None => out.push(b'.'),
        }
    }

    fn likelihoods(&self, sample: &SiteSample) -> Option<Likelihoods> {
        if let Some(call) = sample.call {
            return call.likelihoods.clone();
        }
        if !self.chunk.export.fill_pl {
            return None;
        }
        let class = self.sweep.census().class(sample.sample)?;
        let likelihoods = block_likelihoods(class).or_else(|| class.gq.map(|gq| from_gq(gq, class.ploidy)))?;
        if likelihoods.ploidy == 2 && sample.gt.alleles.len() == 1 {
            return Some(likelihoods.homozygous_only());
        }
        Some(likelihoods)
    }
}

/// The alleles of a record in its order, REF first, as numbers of the evaluated site.
fn written_alleles(site: &Site, evaluated: &SiteAlleles, range: &EvidenceRange) -> Result<Vec<u16>> {
    let mut alleles = vec![0];
    for row in &site.rows {
        let (reference, alternate) = (row.batch.texts("ref")?, row.batch.texts("alt")?);
        let (reference, alternate) = (reference.value(row.row).as_bytes(), alternate.value(row.row).as_bytes());
        if alternate == b"*" {
            alleles.push(evaluated.deleted());
            continue;
        }
        let found = evaluated.alts.iter().position(|&alt| {
            let allele = range.table.get(alt);
            allele.ref_allele == reference && allele.alt_allele == alternate
        });
        let place = found.ok_or_else(|| {
            Error::bad_data(format!("the evidence has no allele {} at {}", row.variant_id, site.vcf_pos))
                .hint("`varbatch verify` says which files differ from the manifest")
        })?;
        alleles.push(place as u16 + 1);
    }
    Ok(alleles)
}

fn number(out: &mut Vec<u8>, value: Option<u32>) {
    match value {
        Some(value) => drop(write!(out, "{value}")),
        None => out.push(b'.'),
    }
}

fn list(out: &mut Vec<u8>, values: impl Iterator<Item = u32>) {
    for (i, value) in values.enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{value}");
    }
}
