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
mod encoding;
pub mod read;
pub mod schema;
pub mod write;

pub use read::{read_blocks, read_records};
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

/// Stands for a missing value in the integer columns of [`Blocks`].
pub const MISSING: i32 = crate::decode::gvcf::MISSING;
/// Stands for the filters `.` and `PASS` in [`Blocks::filter`].
pub const NO_FILTER: u16 = crate::decode::gvcf::NO_FILTER;

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

/// Reference blocks as columns, sorted by (start, sample). All vectors have the same length.
#[derive(Debug, Default)]
pub struct Blocks {
    /// Index in the cohort.
    pub sample: Vec<u32>,
    /// First base, 1-based.
    pub start: Vec<i32>,
    /// Number of bases.
    pub length: Vec<i32>,
    /// Index into `gts`.
    pub gt: Vec<u16>,
    /// GQ or [`MISSING`].
    pub gq: Vec<i32>,
    /// MIN_DP or [`MISSING`].
    pub min_dp: Vec<i32>,
    /// DP or [`MISSING`].
    pub dp: Vec<i32>,
    /// PL of the genotype with the reference alone, with one other copy (diploid only), with other copies only; or
    /// [`MISSING`].
    pub pl: Vec<[i32; 3]>,
    /// Index into `filters`, or [`NO_FILTER`].
    pub filter: Vec<u16>,
    /// Genotype texts: `0/0`, `0`, `./.`, `.`, ...
    pub gts: Vec<String>,
    /// Filters that some block did not pass, as written.
    pub filters: Vec<String>,
}

impl Blocks {
    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.sample.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sample.is_empty()
    }
}

/// Records of samples, as written, as columns; sorted by (pos, sample, order in the input).
#[derive(Debug, Default)]
pub struct Records {
    /// Index in the cohort.
    pub sample: Vec<u32>,
    /// POS.
    pub pos: Vec<i32>,
    /// Last reference base (by LEN, END or REF).
    pub end: Vec<i32>,
    /// Texts of the record; see [`Text`].
    texts: Vec<Text>,
    bytes: Vec<u8>,
}

/// Where the fields of a record are in one buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    start: usize,
    ends: [u32; 8],
}

/// One record of one sample: the fields of its line as written.
#[derive(Clone, Copy, Debug)]
pub struct RecordText<'a> {
    /// ID.
    pub id: &'a [u8],
    /// REF.
    pub ref_allele: &'a [u8],
    /// ALT.
    pub alt: &'a [u8],
    /// QUAL.
    pub qual: &'a [u8],
    /// FILTER.
    pub filter: &'a [u8],
    /// INFO.
    pub info: &'a [u8],
    /// FORMAT.
    pub format: &'a [u8],
    /// The sample's column.
    pub cell: &'a [u8],
}

impl Records {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.sample.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sample.is_empty()
    }

    /// Appends a record.
    pub fn push(&mut self, sample: u32, pos: i32, end: i32, text: RecordText) {
        self.sample.push(sample);
        self.pos.push(pos);
        self.end.push(end);
        let start = self.bytes.len();
        let fields = [text.id, text.ref_allele, text.alt, text.qual, text.filter, text.info, text.format, text.cell];
        let mut ends = [0; 8];
        for (end, field) in ends.iter_mut().zip(fields) {
            self.bytes.extend_from_slice(field);
            *end = (self.bytes.len() - start) as u32;
        }
        self.texts.push(Text { start, ends });
    }

    /// The fields of record `index`.
    pub fn text(&self, index: usize) -> RecordText<'_> {
        let Text { start, ends } = self.texts[index];
        let field = |k: usize| {
            let from = if k == 0 { 0 } else { ends[k - 1] };
            &self.bytes[start + from as usize..start + ends[k] as usize]
        };
        RecordText {
            id: field(0),
            ref_allele: field(1),
            alt: field(2),
            qual: field(3),
            filter: field(4),
            info: field(5),
            format: field(6),
            cell: field(7),
        }
    }
}
