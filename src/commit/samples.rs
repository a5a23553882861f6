//! The table `samples` out of a plan and commit records, some samples at a time: a cohort may have many millions.

use super::folder::{CommitRecord, DatasetFolder, stage_folder};
use crate::call::sample_counts::SampleCounts;
use crate::columns::samples::{SampleInfo, add_counts_batch, rows_of_counts};
use crate::error::{Class, Error, Result};
use crate::plan::joint::n_inputs;
use crate::plan::{PlanInput, PlanSample, SampleSet, Shard, StoredPlan};
use crate::store::local;
use crate::store::parquet::{footer, guarded, next_batch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Samples whose rows are made at a time.
const SAMPLES_AT_A_TIME: usize = 1 << 18;

/// Bytes of the sums that records are added to side by side.
const MAX_SUMS_BYTES: usize = 64 << 20;

/// Counts that are decoded at a time.
const ROWS_AT_A_TIME: usize = 1 << 16;

/// Calls `take` with all samples in order, some at a time, and the index of the first of them.
pub fn each_samples(
    plan: &StoredPlan,
    dialects: &Dialects,
    mut take: impl FnMut(usize, &[SampleInfo]) -> Result<()>,
) -> Result<()> {
    let n_samples = plan.root.n_samples as usize;
    let mut next = 0;
    let mut ascending = true;
    plan.each_input(|_, input| {
        for sample in &input.brings {
            ascending &= sample.index as usize == next;
            next += 1;
        }
        Ok(())
    })?;
    if next != n_samples {
        return Err(Error::bad_data(format!("the plan has {n_samples} samples, and lists {next}")));
    }
    if !ascending {
        let all = plan.of_samples(|index, input, sample| info(input, sample, dialects.of(index, input)))?;
        let mut chunks = all.chunks(SAMPLES_AT_A_TIME).enumerate();
        return chunks.try_for_each(|(i, infos)| take(i * SAMPLES_AT_A_TIME, infos));
    }
    let (mut open, mut first) = (Vec::new(), 0);
    plan.each_input(|index, input| {
        let dialect = dialects.of(index, input);
        open.extend(input.brings.iter().map(|sample| info(input, sample, dialect)));
        if open.len() >= SAMPLES_AT_A_TIME {
            take(first, &open)?;
            first += open.len();
            open.clear();
        }
        Ok(())
    })?;
    if open.is_empty() { Ok(()) } else { take(first, &open) }
}

fn info(input: &PlanInput, sample: &PlanSample, dialect: Option<&str>) -> SampleInfo {
    SampleInfo {
        sample: sample.name.clone(),
        source: input.path.clone(),
        sex: sample.sex.clone(),
        dialect: dialect.map(str::to_string),
    }
}

/// Who wrote the inputs: as planned, or as the shards found that read them.
pub struct Dialects<'a> {
    /// First input and runs of each shard that found some, ascending.
    found: Vec<(usize, &'a [(String, u32)])>,
}

impl<'a> Dialects<'a> {
    /// Of commit records of parts of evidence.
    pub fn new(shards: &[Shard], evidence: &'a BTreeMap<u64, CommitRecord>) -> Self {
        let found = shards.iter().filter_map(|shard| {
            let runs = &evidence.get(&shard.number)?.dialects[..];
            (!runs.is_empty()).then_some((shard.input, runs))
        });
        Dialects { found: found.collect() }
    }

    /// Of one input.
    pub fn of<'b>(&'b self, index: usize, input: &'b PlanInput) -> Option<&'b str> {
        if let Some(gvcf) = &input.gvcf {
            return Some(&gvcf.dialect);
        }
        let at = self.found.partition_point(|(first, _)| *first <= index).checked_sub(1)?;
        let (mut end, runs) = self.found[at];
        let run = runs.iter().find(|(_, n)| {
            end += *n as usize;
            index < end
        });
        run.map(|(name, _)| name.as_str())
    }
}

/// Samples of each ingest shard, ascending, by its number.
pub fn samples_of_shards(plan: &StoredPlan, shards: &[Shard]) -> Result<BTreeMap<u64, SampleSet>> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    let mut open: Vec<u32> = Vec::new();
    plan.each_input(|index, input| {
        // a large input is in several shards, and then alone in each
        while let Some(shard) = shards.get(at).filter(|shard| index >= shard.input) {
            let end = shard.input + n_inputs(shard);
            if index < end {
                open.extend(input.samples.to_vec());
            }
            if index + 1 < end {
                break;
            }
            open.sort_unstable();
            open.dedup();
            found.insert(shard.number, SampleSet::of(&open));
            open.clear();
            at += 1;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Commit records whose per-sample counts are added up.
pub struct CountSources<'a> {
    /// Where they are.
    pub folder: &'a DatasetFolder,
    /// Of parts of evidence, each with the samples that it has counts of.
    pub evidence: Vec<(&'a CommitRecord, SampleSet)>,
    /// Stage of those records.
    pub evidence_stage: &'a str,
    /// Of rows: counts of all samples.
    pub rows: Vec<&'a CommitRecord>,
    /// Stage of those records.
    pub call_stage: &'a str,
}

impl CountSources<'_> {
    /// Counts of the samples of a range; several records are read at once.
    pub fn of(&self, samples: Range<usize>) -> Result<SampleCounts> {
        let rows = self.rows.iter().map(|record| (*record, None));
        let touches = |set: &SampleSet| set.touches(samples.start as u32..samples.end as u32);
        let evidence = self.evidence.iter().filter(|(_, set)| touches(set)).map(|(record, set)| (*record, Some(set)));
        let records: Vec<(&CommitRecord, Option<&SampleSet>)> = rows.chain(evidence).collect();
        let bytes_of_sum = (samples.len() * SampleCounts::NAMES.len() * size_of::<i64>()).max(1);
        let n_sums = rayon::current_num_threads().min(MAX_SUMS_BYTES / bytes_of_sum).max(1);
        let sums = records.par_chunks(records.len().div_ceil(n_sums).max(1)).map(|records| {
            let mut sum = SampleCounts::new(samples.len());
            for (record, set) in records {
                match set {
                    None => self.add(self.call_stage, record, samples.clone(), &mut sum)?,
                    Some(set) => self.add_some(record, set, &samples, &mut sum)?,
                }
            }
            Ok(sum)
        });
        let mut sums = sums.collect::<Result<Vec<SampleCounts>>>()?.into_iter();
        let mut total = sums.next().unwrap_or_else(|| SampleCounts::new(samples.len()));
        for sum in sums {
            let own = total.counters.iter_mut().flatten();
            own.zip(sum.counters.iter().flatten()).for_each(|(own, more)| *own += more);
        }
        Ok(total)
    }

    /// Adds the counts of a record that has those of some samples.
    fn add_some(
        &self,
        record: &CommitRecord,
        set: &SampleSet,
        samples: &Range<usize>,
        total: &mut SampleCounts,
    ) -> Result<()> {
        let own = set.to_vec();
        let from = own.partition_point(|&sample| (sample as usize) < samples.start);
        let to = own.partition_point(|&sample| (sample as usize) < samples.end);
        if from == to {
            return Ok(());
        }
        let mut counts = SampleCounts::new(to - from);
        self.add(self.evidence_stage, record, from..to, &mut counts)?;
        for (total, own_counts) in total.counters.iter_mut().zip(&counts.counters) {
            for (&sample, value) in own[from..to].iter().zip(own_counts) {
                total[sample as usize - samples.start] += value;
            }
        }
        Ok(())
    }

    /// Adds rows of the counts of one record.
    fn add(&self, stage: &str, record: &CommitRecord, rows: Range<usize>, total: &mut SampleCounts) -> Result<()> {
        let Some(counts) = &record.counts else { return Ok(()) };
        let name = format!("{}/{}", stage_folder(stage), counts.name);
        let place = self.folder.place();
        let damaged = |what: String| {
            let message = format!("{} is damaged: {what}", place.uri_of(&name));
            Error::new(Class::Incomplete, message)
                .hint("remove it and the record beside it: its shard will be done again")
        };
        let bytes = place.read(&name)?.ok_or_else(|| damaged("it is not there".into()))?;
        if local::sha256_of(&bytes) != counts.sha256 {
            return Err(damaged("it is not what was committed".into()));
        }
        let (file, n_bytes) = (place.file(&name), bytes.len() as u64);
        let unread = |error: Error| damaged(error.message().to_owned());
        let reader = guarded(&file, || ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))).map_err(unread)?;
        footer::check(reader.metadata(), n_bytes).map_err(|what| damaged(what.to_owned()))?;
        let n_rows = reader.metadata().file_metadata().num_rows() as usize;
        let other = || damaged("it has other columns or samples".into());
        let wanted = rows_of_counts(n_rows, &rows).ok_or_else(other)?;
        let selection = RowSelection::from_consecutive_ranges(wanted.into_iter(), n_rows);
        let reader = reader.with_batch_size(ROWS_AT_A_TIME).with_row_selection(selection);
        let mut reader = guarded(&file, || reader.build()).map_err(unread)?;
        let mut n_added = 0;
        while let Some(batch) = next_batch(&mut reader, &file) {
            let batch = batch.map_err(unread)?;
            if !add_counts_batch(&batch, total, n_added) {
                return Err(other());
            }
            n_added += batch.num_rows();
        }
        Ok(())
    }
}
