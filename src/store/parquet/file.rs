//! A Parquet file whose row groups are given as encoded chunks.

use super::chunk::EncodedChunk;
use super::writing_error;
use crate::error::{Error, Result};
use crate::profile::{self, Stage};
use crate::store::hashing::{Hashed, Hashing};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;
use std::io::Write;
use std::path::Path;

/// Writes row groups, and keeps the digest of the file.
pub struct ChunkFile<W: Write + Send> {
    writer: SerializedFileWriter<Hashing<W>>,
}

fn not_accepted(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("the Parquet schema is not accepted: {error}"))
}

impl<W: Write + Send> ChunkFile<W> {
    /// Begins a file on `sink`. `sorted_by`: columns that the rows are in the order of, as far as the table has them from its
    /// first column on.
    pub fn new(sink: W, schema: &SchemaRef, sorted_by: &[&str]) -> Result<Self> {
        let columns = sorted_by.iter().filter_map(|name| schema.index_of(name).ok());
        let sorting: Vec<SortingColumn> = columns
            .map(|column| SortingColumn { column_idx: column as i32, descending: false, nulls_first: false })
            .collect();
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by("varbatch".into())
            .set_sorting_columns(
                Some(sorting).filter(|sorting| sorting.first().is_some_and(|first| first.column_idx == 0)),
            )
            .build();
        let writer =
            ArrowWriter::try_new(Hashing::new(sink), schema.clone(), Some(properties)).map_err(not_accepted)?;
        let (writer, _) = writer.into_serialized_writer().map_err(not_accepted)?;
        Ok(ChunkFile { writer })
    }

    /// The leaf columns.
    pub fn columns(&self) -> Vec<ColumnDescPtr> {
        self.writer.schema_descr().columns().to_vec()
    }

    /// Appends a row group: the chunks of all leaf columns in order. `path` is for the message only.
    pub fn write_group(&mut self, chunks: impl IntoIterator<Item = EncodedChunk>, path: &Path) -> Result<()> {
        let _stage = profile::enter(Stage::Write);
        let failed = |error| writing_error(path, error);
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for chunk in chunks {
            group.append_column(&chunk.bytes, chunk.close).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Adds an entry to the footer.
    pub fn add_metadata(&mut self, key: &str, value: String) {
        self.writer.append_key_value_metadata(KeyValue::new(key.into(), value));
    }

    /// Writes the footer and gives size, digest and the sink back.
    pub fn finish(self, path: &Path) -> Result<(Hashed, W)> {
        let _stage = profile::enter(Stage::Write);
        let hashing = self.writer.into_inner().map_err(|error| writing_error(path, error))?;
        Ok(hashing.finish())
    }
}
