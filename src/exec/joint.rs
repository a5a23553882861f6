//! The two stages of a gVCF cohort in one process: inputs to parts of evidence, evidence to rows.

use super::local::{LocalRun, check_unchanged};
use crate::call::joint::settings::JointSettings;
use crate::call::joint::sweep::JointCohort;
use crate::call::sample_counts::SampleCounts;
use crate::columns::schema::TableSchemas;
use crate::commit::CommitRecord;
use crate::commit::manifest::Manifest;
use crate::commit::publish::{add_counts, add_counts_of};
use crate::decode::gvcf::reading;
use crate::error::{Error, Result};
use crate::evidence::{BLOCKS_TABLE, ContigRows, RECORDS_TABLE};
use crate::genome::sex::Sex;
use crate::joint::EvidencePart;
use crate::pipeline::{
    Context, IngestSource, IngestTask, InputSpan, JointTask, interrupted, run_ingest_shard, run_joint_shard,
};
use crate::plan::cuts::region_ranges;
use crate::plan::joint::{BYTES_PER_ROW, CALL_SHARD_ROWS, CallShard, call_shards, n_inputs};
use crate::plan::{Shard, ShardSource};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Commit stage of the ingest shards.
const INGEST: &str = "ingest";

impl LocalRun<'_> {
    /// Does what is left of both stages, then publishes.
    pub(super) fn run_joint(&self, schemas: &TableSchemas, settings: &JointSettings) -> Result<Manifest> {
        let names = self.sample_names();
        let context = self.context(schemas, &names);
        let evidence = self.ingest(&context)?;
        self.check_spans(&evidence)?;
        let commits = self.call(&context, settings, &evidence)?;
        let mut counts = SampleCounts::new(names.len());
        for (shard, commit) in self.plan.shards.iter().zip(evidence.values()) {
            add_counts_of(self.folder, INGEST, commit, &self.samples_of(shard), &mut counts)?;
        }
        for commit in commits.values() {
            add_counts(self.folder, "", commit, &mut counts)?;
        }
        self.publish(schemas, evidence, commits, counts)
    }

    /// The first stage: commit records of all parts.
    fn ingest(&self, context: &Context) -> Result<BTreeMap<u64, CommitRecord>> {
        let done = self.folder.committed(INGEST)?;
        let left: Vec<&Shard> = self.plan.shards.iter().filter(|shard| !done.contains_key(&shard.number)).collect();
        self.each(&left, |shard| {
            let outcome = run_ingest_shard(context, self.ingest_task(shard)?, &self.folder.staging())?;
            for file in &self.cohort.files[shard.input..shard.input + n_inputs(shard)] {
                check_unchanged(file)?;
            }
            self.folder.commit(INGEST, "", shard.number, false, outcome)
        })?;
        self.folder.committed(INGEST)
    }

    /// The second stage: commit records of all rows.
    fn call(
        &self,
        context: &Context,
        settings: &JointSettings,
        evidence: &BTreeMap<u64, CommitRecord>,
    ) -> Result<BTreeMap<u64, CommitRecord>> {
        let samples = &self.plan.samples;
        let cohort = JointCohort {
            settings: settings.clone(),
            readings: samples.iter().map(|sample| reading(sample.dialect.as_deref().unwrap_or_default())).collect(),
            sexes: samples.iter().map(|sample| sample.sex.as_deref().and_then(Sex::parse)).collect(),
        };
        let parts: Vec<EvidencePart> = evidence.values().map(|commit| self.part(commit)).collect();
        let rows_wanted = self.plan.settings.shard_bytes.map_or(CALL_SHARD_ROWS, |bytes| bytes / BYTES_PER_ROW);
        let done = self.folder.committed("")?;
        let shards = call_shards(all_rows(evidence.values()), rows_wanted);
        let left: Vec<&CallShard> = shards.iter().filter(|shard| !done.contains_key(&shard.number)).collect();
        self.each(&left, |shard| {
            let CallShard { number, own_start, own_end } = **shard;
            let task = JointTask { number, own_start, own_end, parts: &parts, cohort: &cohort };
            let outcome = run_joint_shard(context, &task, &self.folder.staging())?;
            self.folder.commit("", "", number, false, outcome)
        })?;
        self.folder.committed("")
    }

    /// Does something with each of a list, on all workers, in order of start.
    fn each<T: Sync>(&self, list: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
        let next = AtomicUsize::new(0);
        self.on_workers(|| {
            while let Some(item) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(interrupted());
                }
                work(item)?;
                self.progress.shards.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
    }

    /// Inputs of the same samples must not speak for the same bases: nothing would say which of them holds.
    fn check_spans(&self, evidence: &BTreeMap<u64, CommitRecord>) -> Result<()> {
        let files = evidence.values().flat_map(|commit| &commit.files);
        let mut spans: Vec<InputSpan> = files.flat_map(|file| file.spans.iter().copied()).collect();
        spans.sort_unstable();
        let same = |a: &InputSpan, b: &InputSpan| (a.sample, a.contig) == (b.sample, b.contig);
        for of_contig in spans.chunk_by(same) {
            let mut last = of_contig[0];
            for span in &of_contig[1..] {
                if span.first <= last.last && span.input != last.input {
                    let names = [last.input, span.input].map(|input| &self.cohort.files[input].name);
                    let contig = self.cohort.contigs.name(span.contig);
                    return Err(Error::bad_data(format!(
                        "{} and {} have the same samples and both have records at {contig}:{}",
                        names[0], names[1], span.first
                    ))
                    .hint("leave one of them out, or join them with `bcftools concat -a` first"));
                }
                if span.last > last.last {
                    last = *span;
                }
            }
        }
        Ok(())
    }

    /// Samples of an ingest shard, ascending.
    fn samples_of(&self, shard: &Shard) -> Vec<u32> {
        let gvcfs = &self.cohort.gvcfs[shard.input..shard.input + n_inputs(shard)];
        let mut samples: Vec<u32> = gvcfs.iter().flat_map(|gvcf| gvcf.samples.iter().copied()).collect();
        samples.sort_unstable();
        samples.dedup();
        samples
    }

    fn ingest_task(&self, shard: &Shard) -> Result<IngestTask<'_>> {
        let ShardSource::Ingest { range, .. } = shard.source else {
            return Err(Error::internal("a shard of the first stage reads no gVCF"));
        };
        let mut sources = Vec::new();
        for input in shard.input..shard.input + n_inputs(shard) {
            let (file, gvcf) = (&self.cohort.files[input], &self.cohort.gvcfs[input]);
            let (contigs, regions) = (&self.cohort.contigs, &self.plan.settings.regions);
            let of_regions = if range.is_none() { region_ranges(file, contigs, regions)? } else { None };
            let is_whole = of_regions.is_none();
            let lines = match (range, of_regions) {
                (Some(range), _) => match range.end_offset {
                    Some(end) => file.lines_from(range.offset)?.expecting_end(end),
                    None => file.lines_from(range.offset)?,
                },
                (None, Some(ranges)) => file.lines_of(ranges),
                (None, None) => file.lines()?,
            };
            let header = if file.format.is_bcf() { 0 } else { file.n_header_lines };
            sources.push(IngestSource {
                name: &file.name,
                lines,
                recognised: gvcf.recognised,
                samples: &gvcf.samples,
                noted_as: gvcf.shares_samples.then_some(input),
                own_start: range.and_then(|range| range.own_start),
                own_end: range.and_then(|range| range.own_end),
                end_offset: range.and_then(|range| range.end_offset),
                lines_before: (is_whole && range.is_none_or(|range| range.own_start.is_none())).then_some(header),
            });
        }
        Ok(IngestTask { number: shard.number, sources, samples: self.samples_of(shard) })
    }

    fn part(&self, commit: &CommitRecord) -> EvidencePart {
        let file = |table: &str| {
            let file = commit.files.iter().find(|file| file.table == table)?;
            Some((self.folder.root().join(&file.path), file.contigs.clone()))
        };
        EvidencePart { blocks: file(BLOCKS_TABLE), records: file(RECORDS_TABLE) }
    }
}

/// Where the rows of each contig are, of every part.
fn all_rows<'a>(commits: impl Iterator<Item = &'a CommitRecord>) -> impl Iterator<Item = &'a [ContigRows]> {
    commits.flat_map(|commit| &commit.files).map(|file| &file.contigs[..])
}
