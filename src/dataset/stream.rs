//! Streams of batches from Parquet files, one batch in memory at a time.

use super::batch::Batch;
use crate::error::Result;
use crate::store::DataFile;
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows of a batch: large enough to decode fast, small enough that a window of them fits in memory.
const BATCH_ROWS: usize = 16 * 1024;

/// What to read of a file.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// Top-level columns; `None` is all. Names that the file does not have are skipped.
    pub columns: Option<Vec<String>>,
    /// Row groups in order; `None` is all.
    pub row_groups: Option<Vec<usize>>,
}

impl Select {
    /// These columns of all rows.
    pub fn columns<S: AsRef<str>>(names: &[S]) -> Select {
        Select { columns: Some(names.iter().map(|name| name.as_ref().to_owned()).collect()), row_groups: None }
    }

    /// Everything.
    pub fn all() -> Select {
        Select::default()
    }

    /// The same columns of these row groups only.
    #[must_use]
    pub fn with_row_groups(mut self, row_groups: Option<Vec<usize>>) -> Select {
        self.row_groups = row_groups;
        self
    }
}

pub use crate::store::parquet::reading_error as parquet_error;

/// The footer of a Parquet file.
pub fn read_metadata(path: &DataFile) -> Result<ParquetMetaData> {
    let reader = SerializedFileReader::new(path.open()?).map_err(|error| parquet_error(path, error))?;
    Ok(reader.metadata().clone())
}

/// Names of the top-level columns of a Parquet file.
pub fn column_names(metadata: &ParquetMetaData) -> Vec<String> {
    let root = metadata.file_metadata().schema_descr().root_schema();
    root.get_fields().iter().map(|field| field.name().to_owned()).collect()
}

/// Names and types of the top-level columns of a Parquet file, as a reader of batches finds them.
pub fn column_types(path: &DataFile) -> Result<Vec<(String, DataType)>> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(path.open()?, options)
        .map_err(|error| parquet_error(path, error))?;
    let fields = builder.schema().fields().iter();
    Ok(fields.map(|field| (field.name().clone(), field.data_type().clone())).collect())
}

/// Smallest and largest value of an int64 column per row group; `None` where the file has no statistics.
pub fn long_bounds(metadata: &ParquetMetaData, column: &str) -> Vec<Option<(i64, i64)>> {
    let schema = metadata.file_metadata().schema_descr();
    let at = (0..schema.num_columns()).find(|&at| schema.column(at).path().string() == column);
    let bounds = |group: usize| match metadata.row_group(group).column(at?).statistics()? {
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    };
    (0..metadata.num_row_groups()).map(bounds).collect()
}

/// Batches of one file, in row order.
pub struct FileStream {
    path: DataFile,
    reader: ParquetRecordBatchReader,
    index: Arc<HashMap<String, usize>>,
    place: Arc<str>,
}

impl FileStream {
    /// Opens `path`; dictionary-encoded text arrives as plain text.
    pub fn open(path: &DataFile, select: &Select) -> Result<FileStream> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(path.open()?, options)
            .map_err(|error| parquet_error(path, error))?
            .with_batch_size(BATCH_ROWS);
        if let Some(names) = &select.columns {
            let roots = builder.schema().fields().iter().enumerate();
            let wanted: Vec<usize> =
                roots.filter(|(_, field)| names.contains(field.name())).map(|(at, _)| at).collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
            builder = builder.with_projection(mask);
        }
        if let Some(groups) = &select.row_groups {
            builder = builder.with_row_groups(groups.clone());
        }
        let reader = builder.build().map_err(|error| parquet_error(path, error))?;
        let schema = arrow_array::RecordBatchReader::schema(&reader);
        let index = schema.fields().iter().enumerate().map(|(at, field)| (field.name().clone(), at)).collect();
        Ok(FileStream {
            path: path.clone(),
            reader,
            index: Arc::new(index),
            place: Arc::from(path.display().to_string()),
        })
    }
}

impl Iterator for FileStream {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let batch = match self.reader.next()? {
            Ok(batch) => batch,
            Err(error) => {
                let error = parquet::errors::ParquetError::from(error);
                return Some(Err(parquet_error(&self.path, error)));
            }
        };
        Some(Batch::new(&batch, Arc::clone(&self.index), Arc::clone(&self.place)))
    }
}

/// Batches of several files, one file open at a time.
pub struct Chain {
    files: std::vec::IntoIter<(DataFile, Select)>,
    current: Option<FileStream>,
}

impl Chain {
    /// The files in this order.
    pub fn new(files: Vec<(DataFile, Select)>) -> Chain {
        Chain { files: files.into_iter(), current: None }
    }

    /// The next batch that has rows.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(stream) = &mut self.current {
                match stream.next() {
                    Some(batch) => {
                        let batch = batch?;
                        if batch.n_rows() > 0 {
                            return Ok(Some(batch));
                        }
                        continue;
                    }
                    None => self.current = None,
                }
            }
            match self.files.next() {
                Some((path, select)) => self.current = Some(FileStream::open(&path, &select)?),
                None => return Ok(None),
            }
        }
    }
}
