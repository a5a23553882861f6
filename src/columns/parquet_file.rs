//! One Parquet file: its layout, its digest, its row count.

use crate::error::Result;
use crate::profile::{self, Stage};
use crate::store::hashing::Hashed;
use crate::store::parquet::arrays::{ArrayColumn, Nature};
use crate::store::parquet::chunk::{Codec, Effort, EncodedChunk};
use crate::store::parquet::file::ChunkFile;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{FieldRef, SchemaRef};
use parquet::schema::types::ColumnDescPtr;
use std::io::Write;
use std::path::Path;

/// Rows of a row group of `genotypes`.
pub const GENOTYPES_ROW_GROUP: usize = 1 << 20;
/// Rows of a row group of `variants`.
pub const VARIANTS_ROW_GROUP: usize = 1 << 16;
/// How hard ZSTD works.
const ZSTD: Effort = Effort::level(3);

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// Writes batches of one table, a page each.
pub struct ParquetFile<W: Write + Send> {
    file: ChunkFile<W>,
    codec: Codec,
    columns: Vec<ArrayColumn>,
    row_group: usize,
    group_rows: usize,
    rows: u64,
}

/// Columns that ascend, or nearly so.
const ASCENDING: [&str; 5] = ["variant_id", "pos", "end", "sample_index", "site_id"];

/// What the rows of the tables are in the order of.
pub(super) const SORTED_BY: [&str; 2] = ["variant_id", "sample_index"];

impl<W: Write + Send> ParquetFile<W> {
    /// Begins a file on `sink`.
    pub fn new(sink: W, schema: &SchemaRef, row_group: usize) -> Result<Self> {
        let file = ChunkFile::new(sink, schema, &SORTED_BY)?;
        let column = |(column, field): (ColumnDescPtr, &FieldRef)| {
            let nature = if ASCENDING.contains(&field.name().as_str()) { Nature::Ascending } else { Nature::Any };
            ArrayColumn::new(column, field.data_type(), nature)
        };
        // every column of a table is one leaf
        let columns = file.columns().into_iter().zip(schema.fields()).map(column).collect::<Result<_>>()?;
        Ok(ParquetFile { file, codec: Codec::zstd(ZSTD), columns, row_group, group_rows: 0, rows: 0 })
    }

    /// Appends rows. `path` is for the message only.
    pub fn write(&mut self, batch: &RecordBatch, path: &Path) -> Result<()> {
        let _stage = profile::enter(Stage::Encode);
        let mut from = 0;
        while from < batch.num_rows() {
            let n_rows = (batch.num_rows() - from).min(self.row_group - self.group_rows);
            for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
                column.push(&array.slice(from, n_rows), &mut self.codec)?;
            }
            from += n_rows;
            self.group_rows += n_rows;
            self.rows += n_rows as u64;
            if self.group_rows == self.row_group {
                self.end_group(path)?;
            }
        }
        Ok(())
    }

    /// Ends the row group, where it has rows: the next rows begin another one.
    pub fn end_group(&mut self, path: &Path) -> Result<()> {
        let _stage = profile::enter(Stage::Encode);
        if self.group_rows == 0 {
            return Ok(());
        }
        let codec = &mut self.codec;
        let chunks: Vec<EncodedChunk> =
            self.columns.iter_mut().map(|column| column.finish(codec)).collect::<Result<_>>()?;
        self.group_rows = 0;
        self.file.write_group(chunks, path)
    }

    /// Writes the footer and gives the sink back.
    pub fn finish(mut self, path: &Path) -> Result<(Written, W)> {
        self.end_group(path)?;
        let (Hashed { bytes, sha256 }, sink) = self.file.finish(path)?;
        Ok((Written { rows: self.rows, bytes, sha256 }, sink))
    }
}
