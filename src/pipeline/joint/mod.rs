//! One call shard of a gVCF cohort, on one thread: evidence of a range -> sites -> rows.
//!
//! The shard owns the sites whose normalised position lies in its range. It reads every record that covers the range or
//! could be left-aligned into it, and every block over it, so what is said of a site does not depend on where shards end.
//! Memory: the evidence of one range.

mod annotate;
mod rows;

pub use annotate::SiteAnnotations;

use super::emit::Emitter;
use super::shard::{Context, Outcome, interrupted, reference_of};
use super::writers::ShardFiles;
use crate::alleles::MAX_SHIFT_BP;
use crate::call::joint::record::{AlleleTable, RecordReader, SampleRecord};
use crate::call::joint::site::SiteAlleles;
use crate::call::joint::sweep::{JointCohort, Sweep, SweepInput, sex_groups};
use crate::commit::manifest::Accounting;
use crate::error::{Location, Result};
use crate::evidence::{Blocks, ContigRows, Records, read_blocks, read_records};
use crate::genome::Locus;
use crate::genome::sex::SexChromosome;
use rows::SiteWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Evidence files of some samples.
#[derive(Clone, Debug, Default)]
pub struct EvidencePart {
    /// `ref_blocks` and where the rows of each contig are.
    pub blocks: Option<(PathBuf, Vec<ContigRows>)>,
    /// `evidence` and where the rows of each contig are.
    pub records: Option<(PathBuf, Vec<ContigRows>)>,
}

/// One call shard.
pub struct JointTask<'a> {
    /// Shard number.
    pub number: u64,
    /// First owned position.
    pub own_start: Locus,
    /// First position behind.
    pub own_end: Locus,
    /// All evidence of the cohort, in the order of samples.
    pub parts: &'a [EvidencePart],
    /// Settings and samples.
    pub cohort: &'a JointCohort,
}

/// Runs one call shard; its files are below `staging` after.
pub fn run_joint_shard(context: &Context, task: &JointTask, staging: &Path) -> Result<Outcome> {
    let schemas = context.schemas;
    let files = ShardFiles::new(staging, task.number, schemas.variants.clone(), schemas.genotypes.clone());
    let mut emitter = Emitter::new(context, files);
    let mut accounting = Accounting::default();
    let mut n_sites = 0;
    for contig in task.own_start.contig..=task.own_end.contig {
        let from = if contig == task.own_start.contig { task.own_start.vcf_pos } else { i32::MIN };
        let to = if contig == task.own_end.contig { task.own_end.vcf_pos } else { i32::MAX };
        if from < to {
            let mut range = Range { context, task, contig, from, to, accounting: &mut accounting };
            n_sites += range.run(&mut emitter)?;
        }
    }
    emitter.finish(accounting, n_sites)
}

/// The part of a shard on one contig: positions `[from, to)`.
struct Range<'a, 'c> {
    context: &'a Context<'c>,
    task: &'a JointTask<'a>,
    contig: u32,
    from: i32,
    to: i32,
    accounting: &'a mut Accounting,
}

impl Range<'_, '_> {
    fn run(&mut self, emitter: &mut Emitter) -> Result<i64> {
        let texts = self.records()?;
        if texts.is_empty() {
            return Ok(0);
        }
        let reference = reference_of(self.context, self.contig)?;
        let mut reader = RecordReader::new(reference.as_deref());
        let records = self.parse(&texts, &mut reader)?;
        let table = reader.table;
        let sites = self.sites(&table, &records);
        if sites.is_empty() {
            return Ok(0);
        }
        let blocks = self.blocks(&sites)?;
        let chromosome = self.chromosome();
        let cohort = self.task.cohort;
        let sex_groups = sex_groups(cohort, chromosome);
        let input =
            SweepInput { cohort, records: &records, table: &table, blocks: &blocks, sex_groups: &sex_groups, chromosome };
        let positions: Vec<i32> = sites.iter().map(|site| site.vcf_pos).collect();
        let mut sweep = Sweep::new(&input, &positions);
        emitter.start_contig(self.contig)?;
        let mut writer = SiteWriter::new(self.context, &cohort.settings, &texts, &records, &table);
        for (n, site) in sites.iter().enumerate() {
            if n % 256 == 0 && self.context.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let calls = sweep.calls(site);
            writer.write(site, &calls, &sweep, emitter, self.accounting)?;
        }
        Ok(writer.n_sites)
    }

    fn records(&self) -> Result<Records> {
        let mut records = Records::default();
        let to = self.to.saturating_sub(1).saturating_add(MAX_SHIFT_BP);
        for (path, rows) in self.task.parts.iter().filter_map(|part| part.records.as_ref()) {
            for rows in rows.iter().filter(|rows| rows.contig == self.contig) {
                read_records(path, rows, self.from, to, &mut records)?;
            }
        }
        Ok(records)
    }

    fn blocks(&self, sites: &[SiteAlleles]) -> Result<Blocks> {
        let mut blocks = Blocks::default();
        let (Some(first), Some(last)) = (sites.first(), sites.last()) else { return Ok(blocks) };
        for (path, rows) in self.task.parts.iter().filter_map(|part| part.blocks.as_ref()) {
            for rows in rows.iter().filter(|rows| rows.contig == self.contig) {
                read_blocks(path, rows, first.vcf_pos, last.vcf_pos, &mut blocks)?;
            }
        }
        Ok(blocks)
    }

    /// Reads all records, in the order of (position, sample, input).
    fn parse(&self, texts: &Records, reader: &mut RecordReader) -> Result<Vec<SampleRecord>> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&i| (texts.pos[i], texts.sample[i]));
        let mut records = Vec::with_capacity(order.len());
        for i in order {
            let sample = texts.sample[i];
            let reading = self.task.cohort.readings[sample as usize];
            let mut record =
                reader.read(sample, texts.pos[i], texts.end[i], texts.text(i), reading).map_err(|error| {
                    error.at(Location {
                        contig: Some(self.context.contigs.name(self.contig).to_string()),
                        vcf_pos: Some(i64::from(texts.pos[i])),
                        path: Some(format!("sample {}", self.context.sample_names[sample as usize])),
                        line: None,
                    })
                })?;
            record.text = i as u32;
            records.push(record);
        }
        Ok(records)
    }

    /// The sites that the range owns, ascending.
    fn sites(&mut self, table: &AlleleTable, records: &[SampleRecord]) -> Vec<SiteAlleles> {
        let owned = |vcf_pos: i32| {
            (self.from..self.to).contains(&vcf_pos)
                && self.context.regions.contains(Locus { contig: self.contig, vcf_pos })
        };
        let mut alts: Vec<(i32, u32)> = (0..table.alleles().len() as u32)
            .map(|alt| (table.get(alt).vcf_pos, alt))
            .filter(|&(vcf_pos, _)| owned(vcf_pos))
            .collect();
        alts.sort_unstable();
        let mentions = records
            .iter()
            .flat_map(|record| record.alts())
            .filter(|&alt| owned(table.get(alt).vcf_pos))
            .count() as u64;
        self.accounting.alleles_read += mentions;
        self.accounting.alleles_merged += mentions - alts.len() as u64;
        let capped = alts.iter().filter(|&&(_, alt)| table.get(alt).shift_capped).count();
        self.accounting.shift_capped += capped as u64;
        alts.chunk_by(|a, b| a.0 == b.0)
            .map(|alleles| SiteAlleles::new(alleles.iter().map(|&(_, alt)| alt).collect(), table))
            .collect()
    }

    fn chromosome(&self) -> Option<SexChromosome> {
        let contig = self.context.contigs.get(self.contig);
        SexChromosome::of(&contig.name, contig.length)
    }
}
