//! `_manifest.json`: the one file that makes a dataset published, and the structs it is made of.
//!
//! The manifest is a function of the plan and the inputs alone: no clock, host, thread count or path of this machine.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the manifest inside a dataset.
pub const MANIFEST_NAME: &str = "_manifest.json";
/// Version of the table schemas and of the manifest; a reader refuses a newer one.
pub const SCHEMA_VERSION: u32 = 1;

/// Most inputs that a manifest lists.
pub const MAX_INPUTS_LISTED: u64 = 10_000;

/// The published description of a dataset.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Manifest {
    /// Always `varbatch-dataset`.
    pub format: String,
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the program that published it.
    pub varbatch_version: String,
    /// SHA-256 (hex) of the canonical plan.
    pub plan_digest: String,
    /// Resolved settings that shape the rows, as `name -> value`.
    pub settings: BTreeMap<String, String>,
    /// Number of inputs.
    #[serde(default)]
    pub n_inputs: u64,
    /// Inputs in cohort order; none where there are more than [`MAX_INPUTS_LISTED`]: `_plan/inputs-*.json` have them.
    pub inputs: Vec<ManifestInput>,
    /// Contigs in order; the index in this list is the contig index of `variant_id`.
    pub contigs: Vec<ManifestContig>,
    /// Number of samples.
    pub n_samples: u64,
    /// Record accounting (promise 3).
    pub accounting: Accounting,
    /// What was tolerated, once per kind.
    pub warnings: Vec<Warning>,
    /// Every data file, sorted by path.
    pub files: Vec<ManifestFile>,
}

/// One input file.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ManifestInput {
    /// As the user named it.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// `vcf`, `vcf.bgzf`, `vcf.gzip`, `bcf`.
    pub format: String,
    /// Sampled content digest, see `plan`.
    pub fingerprint: String,
    /// Number of samples in its header.
    pub n_samples: u64,
}

/// One contig.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ManifestContig {
    /// Name as in the header.
    pub name: String,
    /// Length in base pairs, where the header gives it.
    pub length: Option<u64>,
}

/// Where every input record went. Identities (checked by finalize and verify):
/// `records_read = records_written + records_rejected` and
/// `alleles_read + spanning_rows = variant_rows + alleles_merged + alleles_left_out`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Accounting {
    /// Records read from the inputs (inside the regions asked for).
    pub records_read: u64,
    /// Records that became rows.
    pub records_written: u64,
    /// Records set aside, each with its reason in `rejections`.
    pub records_rejected: u64,
    /// Alternate alleles of the records written; a record without one counts 1.
    pub alleles_read: u64,
    /// Alleles that were the same as an allele of another input and share its row.
    pub alleles_merged: u64,
    /// Joint calling: alleles that no site was worth a row for (their QUAL is below the least, or nobody carries them).
    #[serde(default)]
    pub alleles_left_out: u64,
    /// Joint calling: rows of `*`, for samples with a deletion that began before the site.
    #[serde(default)]
    pub spanning_rows: u64,
    /// Rows of `variants`.
    pub variant_rows: u64,
    /// Rows of `genotypes`.
    pub genotype_rows: u64,
    /// Rows of `ref_blocks`.
    pub ref_block_rows: u64,
    /// gVCF inputs: reference blocks of samples; overlapping and equal neighbouring ones share a row.
    #[serde(default)]
    pub blocks_read: u64,
    /// Rows of `evidence`: gVCF records of samples that are more than a reference block.
    #[serde(default)]
    pub evidence_rows: u64,
    /// Alleles whose left shift reached the bound and were kept as written.
    pub shift_capped: u64,
    /// Alleles changed by trimming or left-alignment.
    pub alleles_normalised: u64,
    /// The rejected records, [`MAX_REJECTIONS`] at most.
    pub rejections: Vec<Rejection>,
}

/// Rejected records that are listed with their reasons, of a shard and of a dataset; the others are only counted.
pub const MAX_REJECTIONS: usize = 10_000;

impl Accounting {
    /// Adds the counts of another shard.
    pub fn add(&mut self, other: &Accounting) {
        let counts = [
            (&mut self.records_read, other.records_read),
            (&mut self.records_written, other.records_written),
            (&mut self.records_rejected, other.records_rejected),
            (&mut self.alleles_read, other.alleles_read),
            (&mut self.alleles_merged, other.alleles_merged),
            (&mut self.alleles_left_out, other.alleles_left_out),
            (&mut self.spanning_rows, other.spanning_rows),
            (&mut self.variant_rows, other.variant_rows),
            (&mut self.genotype_rows, other.genotype_rows),
            (&mut self.ref_block_rows, other.ref_block_rows),
            (&mut self.blocks_read, other.blocks_read),
            (&mut self.evidence_rows, other.evidence_rows),
            (&mut self.shift_capped, other.shift_capped),
            (&mut self.alleles_normalised, other.alleles_normalised),
        ];
        // sums of what a damaged record says stay below what it says; the identities then do not hold
        counts.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
        let room = MAX_REJECTIONS.saturating_sub(self.rejections.len());
        self.rejections.extend(other.rejections.iter().take(room).cloned());
    }
}

/// One record that was set aside.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// Input as the user named it.
    pub path: String,
    /// Contig, empty where the record has none.
    pub contig: String,
    /// 1-based position, -1 where the record has none.
    pub vcf_pos: i64,
    /// Why.
    pub reason: String,
}

/// Something tolerated, with how often.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// What, e.g. `INFO/XX is not defined in the header; taken as text into info_other`.
    pub message: String,
    /// How many records.
    pub count: u64,
}

/// One data file of the dataset.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ManifestFile {
    /// Path inside the dataset, with `/`.
    pub path: String,
    /// `variants`, `genotypes`, `samples`, `ref_blocks`, `evidence`, or `header` for header.vcf.
    pub table: String,
    /// Contig name, where the table is partitioned.
    pub contig: Option<String>,
    /// Rows; 0 for files that are not tables.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, hex.
    pub sha256: String,
}
