//! What each sample's gVCF says, kept for good: reference blocks and the records with something to say, as two tables.
//!
//! A *part* holds the evidence of some consecutive samples, over the whole genome (or, of a large file, over one range of
//! it): `ref_blocks/part-<n>.parquet` and `evidence/part-<n>.parquet`, each sorted by (contig order, start, sample). Parts
//! are written by ingest shards, each input read once, and read by position by the shards that call; they are part of the
//! published dataset, so that samples can be added later without the old inputs.
//!
//! Blocks of one sample do not overlap, neighbours that say the same are one, and none crosses a multiple of
//! [`GRID_BP`]: whoever looks for the state of a base need not look further back than that.

pub mod canonical;
pub mod read;
pub mod schema;
pub mod write;

pub use crate::decode::gvcf::evidence::{Blocks, MISSING, NO_FILTER, RecordText, Records};
pub use read::{contig_rows, read_blocks, read_records};
pub use schema::{BLOCKS_TABLE, RECORDS_TABLE};
pub use write::{BlockWriter, PartWritten, RecordWriter};

use serde::{Deserialize, Serialize};

/// No reference block crosses a multiple of this (position `1 + k * GRID_BP` starts a new one), in base pairs.
pub const GRID_BP: i32 = 1 << 16;

/// The cell of the grid that a 1-based position is in.
#[inline]
pub fn grid_cell(vcf_pos: i32) -> i32 {
    (vcf_pos - 1).div_euclid(GRID_BP)
}

/// First position of a cell of the grid.
pub fn cell_start(cell: i32) -> i32 {
    cell * GRID_BP + 1
}

/// Last position of a cell of the grid.
#[inline]
pub fn cell_end(cell: i32) -> i32 {
    (cell + 1).saturating_mul(GRID_BP)
}

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
