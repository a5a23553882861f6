//! The two stages of a gVCF cohort: inputs to parts of evidence, evidence to rows.

use super::inputs::{Opened, recognised};
use super::run::{Done, Run, check_unchanged};
use crate::call::joint::settings::JointSettings;
use crate::call::joint::sweep::JointCohort;
use crate::commit::samples::Dialects;
use crate::commit::stages::call_shards_of;
use crate::commit::{CommitRecord, StagedShard};
use crate::decode::gvcf::reading;
use crate::error::{Error, Result};
use crate::evidence::{BLOCKS_TABLE, RECORDS_TABLE};
use crate::genome::sex::Sex;
use crate::joint::EvidencePart;
use crate::pipeline::{Context, IngestSource, IngestTask, InputSpan, JointTask, run_ingest_shard, run_joint_shard};
use crate::plan::cuts::region_ranges;
use crate::plan::joint::{CallShard, n_inputs};
use crate::plan::{CALL, INGEST, PlanInput, Shard, ShardSource};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

impl Run<'_> {
    /// The task's share of the first stage: inputs to parts of evidence.
    pub fn ingest(&self) -> Result<Done> {
        let context = self.frame.context(self);
        let done = self.folder.committed_numbers(INGEST)?;
        let mine = self.share.of(self.shards, |shard| shard.bytes);
        let left: Vec<&Shard> = mine.iter().copied().filter(|shard| !done.contains(&shard.number)).collect();
        self.each_shard(INGEST, numbered(&left, |shard| shard.number), |_, shard| self.ingest_shard(&context, shard))?;
        Ok(Done { done: left.len() as u64, skipped: (mine.len() - left.len()) as u64 })
    }

    fn ingest_shard(&self, context: &Context, shard: &Shard) -> Result<StagedShard> {
        let range = shard.input..shard.input + n_inputs(shard);
        let planned = self.plan.inputs(range.clone())?;
        let files: Vec<Opened> = range.map(|index| self.inputs.open(index)).collect::<Result<_>>()?;
        let samples: Vec<Vec<u32>> = planned.iter().map(|input| input.samples.to_vec()).collect();
        let mut of_shard = samples.concat();
        of_shard.sort_unstable();
        of_shard.dedup();
        let mut sources = Vec::with_capacity(files.len());
        for (i, (input, file)) in planned.iter().zip(&files).enumerate() {
            sources.push(self.source(shard, i, input, file, &samples[i])?);
        }
        // an inventory is planned without all of them
        let found = sources.iter().zip(&planned).filter(|(_, input)| input.gvcf.is_none());
        let names: Vec<&str> = found.map(|(source, _)| source.recognised.dialect.name).collect();
        let dialects = names.chunk_by(|a, b| a == b).map(|run| (run[0].to_string(), run.len() as u32)).collect();
        let task = IngestTask { number: shard.number, sources, samples: of_shard };
        let outcome = run_ingest_shard(context, task, self.folder.staging())?;
        files.iter().try_for_each(|file| check_unchanged(file))?;
        self.folder.stage(INGEST, shard.number, false, outcome, dialects)
    }

    /// The task's share of the second stage: evidence to rows. `evidence`: commit records of all parts.
    pub fn call(&self, settings: &JointSettings, evidence: &BTreeMap<u64, CommitRecord>) -> Result<Done> {
        self.check_spans(evidence)?;
        let context = self.frame.context(self);
        let cohort = self.joint_cohort(settings, &Dialects::new(self.shards, evidence))?;
        let parts: Vec<EvidencePart> = evidence.values().map(|commit| self.part(commit)).collect();
        let done = self.folder.committed_numbers(CALL)?;
        let shards = call_shards_of(&self.plan.root, evidence);
        let mine = self.share.of(&shards, |_| 1);
        let left: Vec<&CallShard> = mine.iter().copied().filter(|shard| !done.contains(&shard.number)).collect();
        self.each_shard(CALL, numbered(&left, |shard| shard.number), |number, shard| {
            let CallShard { own_start, own_end, .. } = *shard;
            let task = JointTask { number, own_start, own_end, parts: &parts, cohort: &cohort };
            let outcome = run_joint_shard(&context, &task, self.folder.staging())?;
            self.folder.stage(CALL, number, false, outcome, Vec::new())
        })?;
        Ok(Done { done: left.len() as u64, skipped: (mine.len() - left.len()) as u64 })
    }

    fn joint_cohort(&self, settings: &JointSettings, dialects: &Dialects) -> Result<JointCohort> {
        let of_samples = self.plan.of_samples(|index, input, sample| {
            let reading = reading(dialects.of(index, input).unwrap_or_default());
            (reading, sample.sex.as_deref().and_then(Sex::parse))
        })?;
        let (readings, sexes) = of_samples.into_iter().unzip();
        Ok(JointCohort { settings: settings.clone(), readings, sexes })
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
                    let name = |input: usize| -> Result<String> {
                        Ok(self.plan.inputs(input..input + 1)?.into_iter().map(|input| input.path).collect())
                    };
                    let contig = self.frame.contigs.name(span.contig);
                    return Err(Error::bad_data(format!(
                        "{} and {} have the same samples and both have records at {contig}:{}",
                        name(last.input)?,
                        name(span.input)?,
                        span.first
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

    fn source<'b>(
        &self,
        shard: &Shard,
        i: usize,
        planned: &PlanInput,
        file: &'b Opened,
        samples: &'b [u32],
    ) -> Result<IngestSource<'b>> {
        let ShardSource::Ingest { range, .. } = shard.source else {
            return Err(Error::internal("a shard of the first stage reads no gVCF"));
        };
        let regions = &self.plan.root.settings.regions;
        let of_regions = if range.is_none() { region_ranges(file, &self.frame.contigs, regions)? } else { None };
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
        Ok(IngestSource {
            name: &file.name,
            lines,
            recognised: recognised(planned, file, &self.frame.contigs)?,
            samples,
            noted_as: planned.gvcf.as_ref().is_some_and(|gvcf| gvcf.shares_samples).then_some(shard.input + i),
            own_start: range.and_then(|range| range.own_start),
            own_end: range.and_then(|range| range.own_end),
            end_offset: range.and_then(|range| range.end_offset),
            lines_before: (is_whole && range.is_none_or(|range| range.own_start.is_none())).then_some(header),
        })
    }

    fn part(&self, commit: &CommitRecord) -> EvidencePart {
        let file = |table: &str| {
            let file = commit.files.iter().find(|file| file.table == table)?;
            Some((self.folder.place().file(&file.path), file.contigs.clone()))
        };
        EvidencePart { blocks: file(BLOCKS_TABLE), records: file(RECORDS_TABLE) }
    }
}

/// Gives each of a list once, in order, with its number.
fn numbered<'b, T>(
    list: &'b [&'b T],
    number: impl Fn(&T) -> u64 + Sync,
) -> impl Fn() -> Result<Option<(u64, &'b T)>> + Sync
where
    T: Sync,
{
    let next = AtomicUsize::new(0);
    move || Ok(list.get(next.fetch_add(1, Ordering::Relaxed)).map(|item| (number(item), *item)))
}
