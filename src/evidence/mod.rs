//! What each sample's gVCF says, kept for good: reference blocks and the records with something to say, as two tables.
//!
//! A *part* holds the evidence of some consecutive samples, over the whole genome (or, of a large file, over one range of
//! it): `ref_blocks/part-<n>.parquet` and `evidence/part-<n>.parquet`, each sorted by (contig order, start, sample). Parts
//! are written by ingest shards, each input read once, and read by position by the shards that call; they are part of the
//! published dataset, so that samples can be added later without the old inputs.
//!
//! Blocks of one sample do not overlap, neighbours that say the same are one, and none crosses a multiple of
//! [`GRID_BP`]: whoever looks for the state of a base need not look further back than that.

use crate::decode::gvcf::evidence::{Blocks, Records};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// No reference block crosses a multiple of this (position `1 + k * GRID_BP` starts a new one), in base pairs.
pub const GRID_BP: i32 = 1 << 16;

/// Where the rows of one contig are in a part file; in its commit record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContigRows {
    /// Index of the contig in the cohort.
    pub contig: u32,
    /// First row in the file.
    pub first_row: u64,
    /// Number of rows.
    pub rows: u64,
    /// Least start (1-based).
    pub first_pos: i32,
    /// Largest last base (1-based, inclusive).
    pub last_pos: i32,
    /// Largest number of reference bases of a row.
    pub max_span: i32,
}

/// Appends the blocks of one contig that overlap `[from, to]` (1-based, inclusive) to `blocks`.
pub fn read_blocks(_path: &Path, _rows: &ContigRows, _from: i32, _to: i32, _blocks: &mut Blocks) -> Result<()> {
    todo!()
}

/// Appends the records of one contig that overlap `[from, to]` (1-based, inclusive) to `records`.
pub fn read_records(_path: &Path, _rows: &ContigRows, _from: i32, _to: i32, _records: &mut Records) -> Result<()> {
    todo!()
}

/// Where the rows of each contig are in a part file, from its footer.
pub fn contig_rows(_path: &Path) -> Result<Vec<ContigRows>> {
    todo!()
}
