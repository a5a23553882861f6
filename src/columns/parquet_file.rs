//! One Parquet file: its layout, its digest, its row count.

use crate::error::{Error, Result};
use crate::store::hashing::{Hashed, Hashing};
use crate::store::parquet::writing_error;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use std::io::Write;
use std::path::Path;

/// Rows of a row group of `genotypes`.
pub const GENOTYPES_ROW_GROUP: usize = 1 << 20;
/// Rows of a row group of `variants`.
pub const VARIANTS_ROW_GROUP: usize = 1 << 16;
/// ZSTD level of every column.
pub(super) const ZSTD: i32 = 3;

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

/// Writes batches of one table.
pub struct ParquetFile<W: Write + Send> {
    writer: ArrowWriter<Hashing<W>>,
    rows: u64,
}

/// Layout of a table: row group size, encodings, sort order.
pub(super) fn properties(schema: &SchemaRef, row_group: usize) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("varbatch".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD).expect("a valid level")))
        .set_max_row_group_row_count(Some(row_group))
        .set_statistics_enabled(EnabledStatistics::Page);
    for name in ["variant_id", "pos", "end", "sample_index", "site_id"] {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    let sorted: Vec<SortingColumn> = ["variant_id", "sample_index"]
        .iter()
        .filter_map(|name| schema.index_of(name).ok())
        .map(|column_idx| SortingColumn { column_idx: column_idx as i32, descending: false, nulls_first: false })
        .collect();
    if sorted.first().is_some_and(|first| first.column_idx == 0) {
        properties = properties.set_sorting_columns(Some(sorted));
    }
    properties.build()
}

impl<W: Write + Send> ParquetFile<W> {
    /// Begins a file on `sink`.
    pub fn new(sink: W, schema: &SchemaRef, row_group: usize) -> Result<Self> {
        let writer = ArrowWriter::try_new(Hashing::new(sink), schema.clone(), Some(properties(schema, row_group)))
            .map_err(|error| Error::internal(format!("the Parquet schema is not accepted: {error}")))?;
        Ok(ParquetFile { writer, rows: 0 })
    }

    /// Appends rows. `path` is for the message only.
    pub fn write(&mut self, batch: &RecordBatch, path: &Path) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(|error| writing_error(path, error))
    }

    /// Writes the footer and gives the sink back.
    pub fn finish(self, path: &Path) -> Result<(Written, W)> {
        let hashing = self.writer.into_inner().map_err(|error| writing_error(path, error))?;
        let (Hashed { bytes, sha256 }, sink) = hashing.finish();
        Ok((Written { rows: self.rows, bytes, sha256 }, sink))
    }
}
