//! How work is divided: inputs and settings to shards. No cores, tasks, clocks or hosts enter a plan.
//!
//! A shard owns the allele rows whose position lies in its range. It reads a halo around it, because trimming moves
//! rows right and left-alignment moves them left, by [`MAX_SHIFT_BP`] at most.

pub mod cuts;
pub mod joint;
pub mod region;

use crate::alleles::MAX_SHIFT_BP;
use crate::call::joint::settings::JointSettings;
use crate::error::Result;
use crate::genome::{Contig, Locus};
use crate::input::{Cohort, Format, InputFile, Layout};
use region::Regions;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Version of the plan's own format.
pub const PLAN_VERSION: u32 = 1;
/// Default size of a shard: the input size divided by this, within the two limits below.
const SHARDS_WANTED: u64 = 128;
/// Least default size of a shard in bytes of compressed input.
const MIN_SHARD_BYTES: u64 = 2 << 20;
/// Largest default size of a shard in bytes of compressed input.
const MAX_SHARD_BYTES: u64 = 64 << 20;
/// Plain text stands for so many times fewer compressed bytes.
const TEXT_PER_COMPRESSED: u64 = 8;

/// Which calls `genotypes` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Calls {
    /// Calls that are not plain reference: carriers and missing calls
    Carriers,
    /// Every call, so that no FORMAT value of the input is lost
    All,
}

/// What to do with a record that breaks the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnBadRecord {
    /// End the run with an error
    Fail,
    /// Set the record aside, count it and list it in the manifest
    Skip,
}

/// Resolved settings that shape the rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// One input in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanInput {
    /// As the user named it.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// By content.
    pub format: Format,
    /// Sampled digest of the content.
    pub fingerprint: String,
    /// Samples in its header.
    pub n_samples: u64,
    /// The records are read from a copy: sorted, or in a form that can be read from the middle.
    pub copied: bool,
}

/// Where a shard's records come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// Everything a worker needs to know besides the inputs themselves.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// See [`PLAN_VERSION`].
    pub plan_version: u32,
    /// Program version: another one may write other bytes.
    pub varbatch_version: String,
    /// Resolved settings.
    pub settings: Settings,
    /// In cohort order.
    pub inputs: Vec<PlanInput>,
    /// In cohort order.
    pub contigs: Vec<Contig>,
    /// Sample names and sexes in cohort order.
    pub samples: Vec<crate::columns::samples::SampleInfo>,
    /// Per group of inputs with the same samples, in order of their numbers.
    pub shards: Vec<Shard>,
}

/// Shard numbers of a stream start at multiples of this, so that the number of pieces need not be known.
pub const STREAM_NUMBERS: u64 = 1 << 20;

impl Plan {
    /// Divides the inputs. Reads a few blocks at each cut, not the whole inputs.
    pub fn new(cohort: &Cohort, settings: Settings) -> Result<Plan> {
        let total: u64 = cohort.files.iter().map(compressed_bytes).sum();
        let wanted = settings.shard_bytes.unwrap_or((total / SHARDS_WANTED).clamp(MIN_SHARD_BYTES, MAX_SHARD_BYTES));
        let mut plan = Plan {
            plan_version: PLAN_VERSION,
            varbatch_version: env!("CARGO_PKG_VERSION").into(),
            settings,
            inputs: cohort.files.iter().map(plan_input).collect(),
            contigs: cohort.contigs.iter().cloned().collect(),
            samples: cohort.samples.clone(),
            shards: Vec::new(),
        };
        if cohort.layout() == Layout::Joint {
            plan.shards = joint::ingest_shards(cohort, &plan.settings.regions)?;
            return Ok(plan);
        }
        if needs_merge(cohort) {
            plan.shards = merge_shards(cohort, wanted.max(1), total)?;
            return Ok(plan);
        }
        let mut next_number = 0;
        for group in &cohort.groups {
            for input in cuts::in_order_of_position(cohort, &group.files)? {
                plan.add_shards(cohort, input, wanted.max(1), &mut next_number)?;
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
        let spacing = if file.format == Format::Vcf { wanted.saturating_mul(TEXT_PER_COMPRESSED) } else { wanted };
        for (source, bytes) in cuts::ranges(file, &cohort.contigs, spacing, &self.settings.regions)? {
            self.shards.push(Shard { number: *next_number, input, source, bytes });
            *next_number += 1;
        }
        Ok(())
    }

    /// SHA-256 (hex) of the canonical JSON of the plan.
    pub fn digest(&self) -> String {
        crate::store::hex(&Sha256::digest(self.to_json()))
    }

    /// Canonical JSON: fixed field order, no clock or host.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan is plain data")
    }

    /// How far behind its own end a shard reads, in base pairs.
    pub fn right_halo_bp(&self) -> i32 {
        if self.settings.reference.is_some() { MAX_SHIFT_BP } else { 0 }
    }
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

fn plan_input(file: &InputFile) -> PlanInput {
    let origin = file.origin();
    PlanInput {
        path: file.name.clone(),
        bytes: origin.bytes,
        format: origin.format,
        fingerprint: origin.fingerprint,
        n_samples: file.header.samples.len() as u64,
        copied: file.is_copy(),
    }
}

fn compressed_bytes(file: &InputFile) -> u64 {
    let bytes = file.mapped.len() as u64;
    if matches!(file.format, Format::Vcf | Format::BcfRaw) { bytes / TEXT_PER_COMPRESSED } else { bytes }
}

/// Whether a cohort needs the second stage.
pub fn needs_merge(cohort: &Cohort) -> bool {
    cohort.layout() == Layout::Merge
}
