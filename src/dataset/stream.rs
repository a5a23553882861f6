//! Streams of batches from Parquet files, one batch in memory at a time.

use super::batch::Batch;
use crate::error::Result;
use crate::store::DataFile;
use crate::store::data_file::FileReader;
use crate::store::parquet::{footer, guarded, next_batch};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use std::collections::HashMap;
use std::ops::Range;
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
    /// Only pages that can hold a `variant_id` from the first to the second are read; other rows of those pages come too.
    pub ids: Option<(i64, i64)>,
}

impl Select {
    /// These columns of all rows.
    pub fn columns<S: AsRef<str>>(names: &[S]) -> Select {
        Select { columns: Some(names.iter().map(|name| name.as_ref().to_owned()).collect()), ..Select::default() }
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

    /// The same columns of the pages that can hold a `variant_id` in this range.
    #[must_use]
    pub fn with_ids(mut self, ids: Option<(i64, i64)>) -> Select {
        self.ids = ids;
        self
    }

    /// Which page indexes it needs.
    pub fn page_index_policy(&self) -> PageIndexPolicy {
        if self.ids.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip }
    }

    /// A reader of these rows, and of the columns of `mask`. Of an object, what it will read is fetched, if it is not too much.
    pub fn reader(
        &self,
        path: &DataFile,
        input: FileReader,
        metadata: ArrowReaderMetadata,
        (mask, batch_rows): (ProjectionMask, usize),
    ) -> Result<ParquetRecordBatchReader> {
        let found = Arc::clone(metadata.metadata());
        let mut groups: Vec<usize> = self.row_groups.clone().unwrap_or_else(|| (0..found.num_row_groups()).collect());
        let mut kept: Vec<RowSelection> = Vec::new();
        if let Some(ids) = self.ids {
            let rows = |group: usize| (group, rows_with_ids(&found, group, ids));
            let chosen: Vec<_> = groups.into_iter().map(rows).filter(|(_, rows)| rows.selects_any()).collect();
            (groups, kept) = chosen.into_iter().unzip();
        }
        let ranges = groups.iter().enumerate().flat_map(|(at, &group)| byte_ranges(&found, group, &mask, kept.get(at)));
        input.prefetch(ranges.collect())?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata);
        let mut builder = builder.with_batch_size(batch_rows).with_projection(mask).with_row_groups(groups);
        if self.ids.is_some() {
            let selectors: Vec<RowSelector> = kept.iter().flat_map(|rows| rows.iter().copied()).collect();
            builder = builder.with_row_selection(RowSelection::from(selectors));
        }
        guarded(path, || builder.build())
    }
}

/// Rows of the pages of a row group that can hold a `variant_id` from the first to the second; all where there is no page index.
fn rows_with_ids(metadata: &ParquetMetaData, group: usize, (first, last): (i64, i64)) -> RowSelection {
    let n_rows = metadata.row_group(group).num_rows() as usize;
    let can_hold = |index: &ColumnIndexMetaData, page: usize| match index {
        ColumnIndexMetaData::INT64(values) => {
            Some(*values.min_value(page)? <= last && *values.max_value(page)? >= first)
        }
        _ => None,
    };
    let ranges = pages_that_may(metadata, group, "variant_id", can_hold);
    let ranges = ranges.unwrap_or_else(|| std::iter::once(0..n_rows).collect());
    RowSelection::from_consecutive_ranges(ranges.into_iter(), n_rows)
}

/// Rows of the pages of a column that `can_hold` does not exclude (`None`: it cannot say), which is asked by the index and the number
/// of the page. Pages of nulls are excluded. `None` where there is no page index.
pub fn pages_that_may(
    metadata: &ParquetMetaData,
    group: usize,
    column: &str,
    can_hold: impl Fn(&ColumnIndexMetaData, usize) -> Option<bool>,
) -> Option<Vec<Range<usize>>> {
    let n_rows = metadata.row_group(group).num_rows() as usize;
    let at = column_at(metadata, column)?;
    let pages = metadata.page_index_for_row_group(group);
    let (index, places) = (pages.column_index(at)?, pages.page_locations(at)?);
    let begins = |page: usize| places.get(page).map_or(n_rows, |place| place.first_row_index as usize);
    let is_kept = |&page: &usize| !index.is_null_page(page) && can_hold(index, page).unwrap_or(true);
    Some((0..places.len()).filter(is_kept).map(|page| begins(page)..begins(page + 1)).collect())
}

/// Which of the leaf columns has this name.
pub fn column_at(metadata: &ParquetMetaData, name: &str) -> Option<usize> {
    let schema = metadata.file_metadata().schema_descr();
    (0..schema.num_columns()).find(|&at| schema.column(at).path().string() == name)
}

/// Where the pages of some rows of a row group are, of the columns of `mask`.
pub fn byte_ranges(
    metadata: &ParquetMetaData,
    group: usize,
    mask: &ProjectionMask,
    rows: Option<&RowSelection>,
) -> Vec<Range<u64>> {
    let columns = metadata.row_group(group).columns();
    let pages = metadata.page_index_for_row_group(group);
    let mut ranges = Vec::new();
    for (at, column) in columns.iter().enumerate().filter(|(at, _)| mask.leaf_included(*at)) {
        let (start, length) = column.byte_range();
        match (rows, pages.page_locations(at)) {
            (Some(rows), Some(places)) if !places.is_empty() => {
                // a dictionary is before the first page
                ranges.push(start..places[0].offset as u64);
                ranges.extend(rows.scan_ranges(places));
            }
            _ => ranges.push(start..start + length),
        }
    }
    ranges
}

pub use crate::store::parquet::reading_error as parquet_error;

/// First bytes of a Parquet file.
pub const PARQUET_MAGIC: &[u8] = b"PAR1";

/// The footer of a Parquet file.
pub fn read_metadata(path: &DataFile) -> Result<ParquetMetaData> {
    footer::read(path, &path.open()?, PageIndexPolicy::Skip)
}

/// Names of the top-level columns of a Parquet file.
pub fn column_names(metadata: &ParquetMetaData) -> Vec<String> {
    let root = metadata.file_metadata().schema_descr().root_schema();
    root.get_fields().iter().map(|field| field.name().to_owned()).collect()
}

/// Names and types of the top-level columns of a Parquet file, as a reader of batches finds them.
pub fn column_types(path: &DataFile) -> Result<Vec<(String, DataType)>> {
    let metadata = footer::read_for_batches(path, &path.open()?, PageIndexPolicy::Skip)?;
    let fields = metadata.schema().fields().iter();
    Ok(fields.map(|field| (field.name().clone(), field.data_type().clone())).collect())
}

/// Smallest and largest value of an int64 column per row group; `None` where the file has no statistics.
pub fn long_bounds(metadata: &ParquetMetaData, column: &str) -> Vec<Option<(i64, i64)>> {
    let at = column_at(metadata, column);
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
        let input = path.open()?;
        let metadata = footer::read_for_batches(path, &input, select.page_index_policy())?;
        let mask = match &select.columns {
            None => ProjectionMask::all(),
            Some(names) => {
                let roots = metadata.schema().fields().iter().enumerate();
                let wanted: Vec<usize> =
                    roots.filter(|(_, field)| names.contains(field.name())).map(|(at, _)| at).collect();
                ProjectionMask::roots(metadata.parquet_schema(), wanted)
            }
        };
        let reader = select.reader(path, input, metadata, (mask, BATCH_ROWS))?;
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
        match next_batch(&mut self.reader, &self.path)? {
            Ok(batch) => Some(Batch::new(&batch, Arc::clone(&self.index), Arc::clone(&self.place))),
            Err(error) => Some(Err(error)),
        }
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
