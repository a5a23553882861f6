//! The evidence of a range of a gVCF cohort, read and made ready for a sweep over its sites: what the shards that call,
//! the export and `explain` have in common, so that all three say the same.

use crate::alleles::MAX_SHIFT_BP;
use crate::call::joint::record::{AlleleTable, RecordReader, SampleRecord};
use crate::call::joint::site::SiteAlleles;
use crate::call::joint::sweep::{JointCohort, SweepInput, sex_groups};
use crate::decode::gvcf::evidence::{Blocks, Records};
use crate::error::{Error, Location, Result};
use crate::evidence::{ContigRows, read_blocks, read_records};
use crate::genome::sex::SexChromosome;
use crate::genome::{Contig, Contigs};
use crate::profile::{self, Stage};
use crate::store::DataFile;

/// Evidence files of some samples.
#[derive(Clone, Debug, Default)]
pub struct EvidencePart {
    /// `ref_blocks` and where the rows of each contig are.
    pub blocks: Option<(DataFile, Vec<ContigRows>)>,
    /// `evidence` and where the rows of each contig are.
    pub records: Option<(DataFile, Vec<ContigRows>)>,
}

/// Records that cover a range or have an allele in it, with their alleles.
pub struct EvidenceRange<'a> {
    cohort: &'a JointCohort,
    parts: &'a [EvidencePart],
    contig: u32,
    chromosome: Option<SexChromosome>,
    sex_groups: Vec<u8>,
    /// As written.
    pub texts: Records,
    /// Read, in the order of (position, sample, input).
    pub records: Vec<SampleRecord>,
    /// Their alleles.
    pub table: AlleleTable,
    /// Blocks over the sites, once [`EvidenceRange::read_blocks`] was called.
    pub blocks: Blocks,
}

fn no_such_sample(sample: u32) -> Error {
    Error::bad_data(format!("the evidence names sample {sample}, which the cohort does not have"))
        .hint("`varbatch verify` says which files differ from the manifest")
}

impl<'a> EvidenceRange<'a> {
    /// Reads the records that matter for sites in `[from, to)` (1-based) of a contig. Memory: those records.
    pub fn read(
        cohort: &'a JointCohort,
        parts: &'a [EvidencePart],
        contigs: &Contigs,
        contig: u32,
        from: i32,
        to: i32,
    ) -> Result<Self> {
        let _stage = profile::enter(Stage::ReadEvidence);
        let mut texts = Records::default();
        let last = to.saturating_sub(1).saturating_add(MAX_SHIFT_BP);
        for (path, rows) in parts.iter().filter_map(|part| part.records.as_ref()) {
            for rows in rows.iter().filter(|rows| rows.contig == contig) {
                read_records(path, rows, from, last, &mut texts)?;
            }
        }
        let Contig { name, length } = contigs.get(contig);
        let chromosome = SexChromosome::of(name, *length);
        let mut range = EvidenceRange {
            cohort,
            parts,
            contig,
            chromosome,
            sex_groups: sex_groups(cohort, chromosome),
            texts,
            records: Vec::new(),
            table: AlleleTable::default(),
            blocks: Blocks::default(),
        };
        range.parse(name)?;
        Ok(range)
    }

    fn parse(&mut self, contig: &str) -> Result<()> {
        let texts = &self.texts;
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&i| (texts.pos[i], texts.sample[i]));
        let mut reader = RecordReader::default();
        self.records.reserve(order.len());
        for i in order {
            let sample = texts.sample[i];
            let reading = self.cohort.readings.get(sample as usize).copied();
            let reading = reading.ok_or_else(|| no_such_sample(sample))?;
            let mut record =
                reader.read(sample, texts.pos[i], texts.end[i], texts.text(i), reading).map_err(|error| {
                    error.at(Location {
                        path: Some(format!("evidence of sample {sample}")),
                        line: None,
                        contig: Some(contig.to_string()),
                        vcf_pos: Some(i64::from(texts.pos[i])),
                    })
                })?;
            record.text = i as u32;
            self.records.push(record);
        }
        self.table = reader.into_table();
        Ok(())
    }

    /// The sites at the positions that are `wanted`, ascending.
    pub fn sites(&self, wanted: impl Fn(i32) -> bool) -> Vec<SiteAlleles> {
        let mut alts: Vec<(i32, u32)> = (0..self.table.alleles().len() as u32)
            .map(|alt| (self.table.get(alt).vcf_pos, alt))
            .filter(|&(vcf_pos, _)| wanted(vcf_pos))
            .collect();
        alts.sort_unstable();
        alts.chunk_by(|a, b| a.0 == b.0)
            .map(|alleles| SiteAlleles::new(alleles.iter().map(|&(_, alt)| alt).collect(), &self.table))
            .collect()
    }

    /// Reads the blocks that cover one of `sites` (positions, ascending). Memory: those blocks.
    pub fn read_blocks(&mut self, sites: &[i32]) -> Result<()> {
        let _stage = profile::enter(Stage::ReadEvidence);
        for (path, rows) in self.parts.iter().filter_map(|part| part.blocks.as_ref()) {
            for rows in rows.iter().filter(|rows| rows.contig == self.contig) {
                read_blocks(path, rows, sites, &mut self.blocks)?;
            }
        }
        match self.blocks.sample.iter().max() {
            Some(&sample) if sample as usize >= self.cohort.readings.len() => Err(no_such_sample(sample)),
            _ => Ok(()),
        }
    }

    /// For a sweep over sites of the range.
    pub fn sweep_input(&self) -> SweepInput<'_> {
        SweepInput {
            cohort: self.cohort,
            records: &self.records,
            table: &self.table,
            blocks: &self.blocks,
            sex_groups: &self.sex_groups,
            chromosome: self.chromosome,
        }
    }
}
