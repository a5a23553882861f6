//! A Parquet file whose row groups are given as chunks: encoded ones, and ones of the general writer.

use super::chunk::EncodedChunk;
use super::writing_error;
use crate::error::{Error, Result};
use crate::store::hashing::{Hashed, Hashing};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;
use std::io::Write;
use std::path::Path;

/// A column chunk of a row group.
pub enum Chunk {
    /// Encoded here.
    Encoded(EncodedChunk),
    /// Encoded by the general writer.
    General(ArrowColumnChunk),
}

/// Writes row groups, and keeps the digest of the file.
pub struct ChunkFile<W: Write + Send> {
    writer: SerializedFileWriter<Hashing<W>>,
    factory: ArrowRowGroupWriterFactory,
    n_groups: usize,
}

fn not_accepted(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("the Parquet schema is not accepted: {error}"))
}

impl<W: Write + Send> ChunkFile<W> {
    /// Begins a file on `sink`.
    pub fn new(sink: W, schema: &SchemaRef, properties: WriterProperties) -> Result<Self> {
        let writer =
            ArrowWriter::try_new(Hashing::new(sink), schema.clone(), Some(properties)).map_err(not_accepted)?;
        let (writer, factory) = writer.into_serialized_writer().map_err(not_accepted)?;
        Ok(ChunkFile { writer, factory, n_groups: 0 })
    }

    /// The leaf columns.
    pub fn columns(&self) -> Vec<ColumnDescPtr> {
        self.writer.schema_descr().columns().to_vec()
    }

    /// General writers for the leaf columns of the next row group.
    pub fn general_columns(&self) -> Result<Vec<ArrowColumnWriter>> {
        self.factory.create_column_writers(self.n_groups).map_err(not_accepted)
    }

    /// Appends a row group: the chunks of all leaf columns in order. `path` is for the message only.
    pub fn write_group(&mut self, chunks: impl IntoIterator<Item = Chunk>, path: &Path) -> Result<()> {
        let failed = |error| writing_error(path, error);
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for chunk in chunks {
            match chunk {
                Chunk::Encoded(chunk) => group.append_column(&chunk.bytes, chunk.close),
                Chunk::General(chunk) => chunk.append_to_row_group(&mut group),
            }
            .map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.n_groups += 1;
        Ok(())
    }

    /// Adds an entry to the footer.
    pub fn add_metadata(&mut self, key: &str, value: String) {
        self.writer.append_key_value_metadata(KeyValue::new(key.into(), value));
    }

    /// Writes the footer and gives size, digest and the sink back.
    pub fn finish(self, path: &Path) -> Result<(Hashed, W)> {
        let hashing = self.writer.into_inner().map_err(|error| writing_error(path, error))?;
        Ok(hashing.finish())
    }
}
