//! How work is divided: inputs and settings to shards. No cores, tasks, clocks or hosts enter a plan.
//!
//! A shard owns the allele rows whose position lies in its range. It reads a halo around it, because trimming moves
//! rows right and left-alignment moves them left, by [`MAX_SHIFT_BP`] at most.

mod checked;
pub mod cuts;
pub mod inventory;
pub mod joint;
pub mod region;
pub mod stored;

use crate::alleles::MAX_SHIFT_BP;
use crate::call::joint::settings::JointSettings;
use crate::error::Result;
use crate::genome::{Contig, Locus};
use crate::input::file::Origin;
use crate::input::{Cohort, Format, InputFile, Layout};
use crate::store::at_once;
use region::Regions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
pub use stored::{PlanList, StoredPlan};

/// Version of the plan's own format.
pub const PLAN_VERSION: u32 = 2;
/// The stage of the shards that make rows of `variants` and `genotypes`, as commit records, messages and `work --stage` name it.
pub const CALL: &str = "call";
/// The stage of the shards that make parts of evidence.
pub const INGEST: &str = "ingest";
/// Default size of a shard: the input size divided by this, within the two limits below.
const SHARDS_WANTED: u64 = 128;
/// The same for inputs that come to less than [`SMALL_SHARD_BYTES`] so.
const SMALL_SHARDS_WANTED: u64 = 12;
/// Largest default size of a shard of a small input: a shard costs as much as some 0.3 MB of input.
const SMALL_SHARD_BYTES: u64 = 4 << 20;
/// Least default size of a shard in bytes of compressed input.
const MIN_SHARD_BYTES: u64 = 2 << 20;
/// Largest default size of a shard in bytes of compressed input.
const MAX_SHARD_BYTES: u64 = 64 << 20;
/// Plain text stands for so many times fewer compressed bytes.
const TEXT_PER_COMPRESSED: u64 = 8;

/// Which calls `genotypes` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Calls {
    /// Calls that are not plain reference: carriers and missing calls
    Carriers,
    /// Every call, so that no FORMAT value of the input is lost
    All,
}

/// What to do with a record that breaks the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnBadRecord {
    /// End the run with an error
    Fail,
    /// Set the record aside, count it and list it in the manifest
    Skip,
}

/// Resolved settings that shape the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Which calls are stored.
    pub calls: Calls,
    /// Bad records.
    pub on_bad_record: OnBadRecord,
    /// Wanted size of a shard in bytes of compressed input; `None`: by the size of the inputs.
    pub shard_bytes: Option<u64>,
    /// Fingerprint of the reference; alleles are left-aligned and REF is checked when it is there.
    pub reference: Option<String>,
    /// Records are taken when their POS is inside; empty: all.
    pub regions: Regions,
    /// How samples are called together from gVCFs, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<JointSettings>,
}

impl Settings {
    /// As the manifest lists them.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let json = serde_json::to_value(self).expect("settings are plain data");
        let fields = json.as_object().cloned().unwrap_or_default();
        fields
            .into_iter()
            .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_string)))
            .collect()
    }
}

/// One input in the plan: what a worker must know to open it and to say whether it is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanInput {
    /// As the user named it.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// By content.
    pub format: Format,
    /// Sampled digest of the content; of an object, size and ETag; empty where an inventory gives none.
    pub fingerprint: String,
    /// The records are read from this copy, a name in the dataset: sorted, or in a form that can be read from the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// Its samples in the order of its columns.
    pub samples: SampleSet,
    /// Those of its samples that no input before has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brings: Vec<PlanSample>,
    /// What it is as a gVCF, where samples are called together. An inventory does not say it: then whoever reads it finds out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gvcf: Option<PlanGvcf>,
}

/// Indexes of samples in the cohort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SampleSet {
    /// Consecutive ones.
    Run {
        /// The first.
        first: u32,
        /// How many.
        n: u32,
    },
    /// Any.
    List(Vec<u32>),
}

impl SampleSet {
    /// From a list.
    pub fn of(indexes: &[u32]) -> SampleSet {
        let first = indexes.first().copied().unwrap_or(0);
        let is_run = indexes.iter().zip(first..).all(|(&index, expected)| index == expected);
        if is_run { SampleSet::Run { first, n: indexes.len() as u32 } } else { SampleSet::List(indexes.to_vec()) }
    }

    /// As a list.
    pub fn to_vec(&self) -> Vec<u32> {
        match self {
            SampleSet::Run { first, n } => (*first..first + n).collect(),
            SampleSet::List(list) => list.clone(),
        }
    }

    /// Whether one of them may be in a range; exact for consecutive ones.
    pub fn touches(&self, range: std::ops::Range<u32>) -> bool {
        match self {
            SampleSet::Run { first, n } => *first < range.end && first + n > range.start,
            SampleSet::List(_) => true,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            SampleSet::Run { n, .. } => *n as usize,
            SampleSet::List(list) => list.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A sample, in the plan of the first input that has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSample {
    /// Index in the cohort.
    pub index: u32,
    /// Name.
    pub name: String,
    /// `male` or `female`, where the sample sheet says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<String>,
}

/// What an input is as a gVCF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanGvcf {
    /// Who wrote it: a name of [`DIALECTS`](crate::decode::gvcf::dialect::DIALECTS).
    pub dialect: String,
    /// Reference bases stand one by one, without blocks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub base_pair: bool,
    /// Another input has the same samples.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shares_samples: bool,
}

/// Where a shard's records come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardSource {
    /// From an offset of a file that can be read from the middle.
    Range {
        /// First record to read, halo included.
        offset: u64,
        /// First position that the shard owns; `None`: from the start of the file.
        own_start: Option<Locus>,
        /// First position behind it; `None`: to the end of the file.
        own_end: Option<Locus>,
        /// Where the first record of the next shard starts: everything before is read, so that a file that is not
        /// sorted is noticed; `None`: to the end of the file.
        end_offset: Option<u64>,
    },
    /// All inputs of a cohort with different samples, each from where its records of the range begin.
    Merge {
        /// First position that the shard owns; `None`: from the start.
        own_start: Option<Locus>,
        /// First position behind it; `None`: to the end.
        own_end: Option<Locus>,
    },
    /// gVCF inputs: consecutive ones whole, or a range of one. They become parts of the evidence.
    Ingest {
        /// Number of inputs.
        n_inputs: usize,
        /// Which part of the input, where it is one and cut.
        range: Option<joint::IngestRange>,
    },
    /// A whole file read as one stream; its pieces get the shard numbers from here on, in order.
    Stream {
        /// Bytes of inflated records in a piece.
        piece_bytes: u64,
    },
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Number; file names follow it. Numbers of one contig ascend with position.
    pub number: u64,
    /// Index of the (first) input.
    pub input: usize,
    /// What it reads and owns.
    pub source: ShardSource,
    /// Bytes of input that it stands for.
    pub bytes: u64,
}

/// Everything that all shards have in common, and where the lists of inputs and shards are: the root of a plan. Without
/// clock or host, so that planning again gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// See [`PLAN_VERSION`].
    pub plan_version: u32,
    /// Program version: another one may write other bytes.
    pub varbatch_version: String,
    /// Resolved settings.
    pub settings: Settings,
    /// How the inputs belong together.
    pub layout: Layout,
    /// The reference as the user named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Header of the cohort as text, without samples.
    pub header: String,
    /// What was tolerated in the headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_warnings: Vec<String>,
    /// In cohort order.
    pub contigs: Vec<Contig>,
    /// Number of samples.
    pub n_samples: u64,
    /// Bytes of all inputs.
    pub input_bytes: u64,
    /// The inputs, in cohort order.
    pub inputs: PlanList,
    /// The shards that are known before anything is read: per group of inputs with the same samples, in order of their numbers.
    pub shards: PlanList,
}

/// Shard numbers of a stream start at multiples of this, so that the number of pieces need not be known.
pub const STREAM_NUMBERS: u64 = 1 << 20;

/// A plan that is being made: the lists are still in memory.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// The root; its lists are empty.
    pub root: Plan,
    /// In cohort order.
    pub inputs: Vec<PlanInput>,
    /// In order of their numbers.
    pub shards: Vec<Shard>,
}

impl NewPlan {
    /// Divides the inputs. Reads a few blocks at each cut, not the whole inputs. `reference`: as the user named it; `dataset`:
    /// the folder below which copies of inputs are.
    pub fn new(cohort: &Cohort, settings: Settings, reference: Option<&Path>, dataset: &Path) -> Result<NewPlan> {
        let total: u64 = cohort.files.iter().map(compressed_bytes).sum();
        let wanted = settings.shard_bytes.unwrap_or_else(|| default_shard_bytes(total));
        let inputs = plan_inputs(cohort, dataset)?;
        let root = Plan {
            plan_version: PLAN_VERSION,
            varbatch_version: env!("CARGO_PKG_VERSION").into(),
            settings,
            layout: cohort.layout(),
            reference: reference.map(|path| path.display().to_string()),
            header: cohort.header.to_text(&cohort.contigs, &[]),
            header_warnings: cohort.header.warnings.clone(),
            contigs: cohort.contigs.iter().cloned().collect(),
            n_samples: cohort.samples.len() as u64,
            input_bytes: inputs.iter().map(|input| input.bytes).sum(),
            inputs: PlanList::default(),
            shards: PlanList::default(),
        };
        let mut plan = NewPlan { root, inputs, shards: Vec::new() };
        match cohort.layout() {
            Layout::Joint => plan.shards = joint::ingest_shards(cohort, &plan.root.settings.regions)?,
            Layout::Merge => plan.shards = merge_shards(cohort, wanted.max(1), total)?,
            Layout::Concatenation => {
                let mut next_number = 0;
                for group in &cohort.groups {
                    for input in cuts::in_order_of_position(cohort, &group.files)? {
                        plan.add_shards(cohort, input, wanted.max(1), &mut next_number)?;
                    }
                }
            }
        }
        Ok(plan)
    }
    fn add_shards(&mut self, cohort: &Cohort, input: usize, wanted: u64, next_number: &mut u64) -> Result<()> {
        let file = &cohort.files[input];
        if !file.format.is_splittable() {
            let piece_bytes = wanted.saturating_mul(TEXT_PER_COMPRESSED);
            let source = ShardSource::Stream { piece_bytes };
            let number = *next_number;
            *next_number += STREAM_NUMBERS;
            self.shards.push(Shard { number, input, source, bytes: file.mapped.len() as u64 });
            return Ok(());
        }
        let spacing = if matches!(file.format, Format::Vcf | Format::BcfRaw) {
            wanted.saturating_mul(TEXT_PER_COMPRESSED)
        } else {
            wanted
        };
        for (source, bytes) in cuts::ranges(file, &cohort.contigs, spacing, &self.root.settings.regions)? {
            self.shards.push(Shard { number: *next_number, input, source, bytes });
            *next_number += 1;
        }
        Ok(())
    }
}

impl Plan {
    /// How far behind its own end a shard reads, in base pairs.
    pub fn right_halo_bp(&self) -> i32 {
        if self.settings.reference.is_some() { MAX_SHIFT_BP } else { 0 }
    }

    /// Whether samples are called together, in two stages.
    pub fn is_joint(&self) -> bool {
        self.layout == Layout::Joint
    }

    /// Commit stage of the shards of the list: those of gVCFs become parts of evidence.
    pub fn first_stage(&self) -> &'static str {
        if self.is_joint() { INGEST } else { CALL }
    }
}

/// Size of a shard of inputs of `total` compressed bytes. An even number of them, so that two cores end at the same time.
fn default_shard_bytes(total: u64) -> u64 {
    let small = (total / SMALL_SHARDS_WANTED).clamp(MIN_SHARD_BYTES, SMALL_SHARD_BYTES);
    let wanted = (total / SHARDS_WANTED).clamp(small, MAX_SHARD_BYTES);
    let n_shards = total.div_ceil(wanted).next_multiple_of(2).max(2);
    total.div_ceil(n_shards).max(MIN_SHARD_BYTES / 2)
}

fn merge_shards(cohort: &Cohort, wanted: u64, total: u64) -> Result<Vec<Shard>> {
    let cuts = cuts::merge_cuts(cohort, wanted)?;
    let starts = std::iter::once(None).chain(cuts.iter().copied().map(Some));
    let ends = cuts.iter().copied().map(Some).chain([None]);
    let bytes = total / (cuts.len() as u64 + 1);
    Ok(starts
        .zip(ends)
        .enumerate()
        .map(|(number, (own_start, own_end))| Shard {
            number: number as u64,
            input: 0,
            source: ShardSource::Merge { own_start, own_end },
            bytes,
        })
        .collect())
}

fn plan_inputs(cohort: &Cohort, dataset: &Path) -> Result<Vec<PlanInput>> {
    let mut planned = vec![false; cohort.samples.len()];
    let mut samples_of = vec![0..0; cohort.files.len()];
    for group in &cohort.groups {
        let samples = group.first_sample as u32..(group.first_sample + group.n_samples) as u32;
        group.files.iter().for_each(|&file| samples_of[file] = samples.clone());
    }
    let origins = at_once(&cohort.files, InputFile::origin)?;
    let plan_input = |((index, file), origin): ((usize, &InputFile), Origin)| {
        let gvcf = cohort.gvcfs.get(index);
        let samples = match gvcf {
            Some(gvcf) => gvcf.samples.clone(),
            None => samples_of[index].clone().collect(),
        };
        let mut brings = Vec::new();
        for &index in &samples {
            if !std::mem::replace(&mut planned[index as usize], true) {
                let info = &cohort.samples[index as usize];
                brings.push(PlanSample { index, name: info.sample.clone(), sex: info.sex.clone() });
            }
        }
        brings.sort_by_key(|sample| sample.index);
        let copy = file.mapped.path().strip_prefix(dataset).ok().filter(|_| file.is_copy());
        PlanInput {
            path: file.name.clone(),
            bytes: origin.bytes,
            format: origin.format,
            fingerprint: origin.fingerprint,
            copy: copy.map(|path| path.display().to_string()),
            samples: SampleSet::of(&samples),
            brings,
            gvcf: gvcf.map(|gvcf| PlanGvcf {
                dialect: gvcf.recognised.dialect.name.into(),
                base_pair: gvcf.recognised.base_pair,
                shares_samples: gvcf.shares_samples,
            }),
        }
    };
    Ok(cohort.files.iter().enumerate().zip(origins).map(plan_input).collect())
}

fn compressed_bytes(file: &InputFile) -> u64 {
    let bytes = file.mapped.len() as u64;
    if matches!(file.format, Format::Vcf | Format::BcfRaw) { bytes / TEXT_PER_COMPRESSED } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_neither_tiny_nor_few() {
        const MIB: u64 = 1 << 20;
        for (total, n_shards) in [(MIB / 2, 1), (12 * MIB, 6), (36 * MIB, 12), (52 * MIB, 14), (1 << 30, 128)] {
            assert_eq!(total.div_ceil(default_shard_bytes(total)), n_shards, "{total}");
        }
        assert!(default_shard_bytes(1 << 50) > MAX_SHARD_BYTES / 2);
    }
}
