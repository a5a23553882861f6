//! Reads the calls of `genotypes` as three plain columns, with the genotype as a code: the fast way for statistics.
//!
//! Enters a file and its row groups; leaves batches of (variant_id, sample_index, code). The text of a genotype is looked
//! at once per dictionary entry.

use super::stream::{Select, parquet_error};
use crate::error::{Error, Result};
use crate::store::DataFile;
use crate::store::parquet::{footer, next_batch};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use std::sync::Arc;

/// Rows of a batch.
const BATCH_ROWS: usize = 64 * 1024;

/// Calls of consecutive rows, sorted by variant, then sample.
#[derive(Clone, Debug)]
pub struct CallBatch<C> {
    /// `variant_id` of each row.
    pub variant_ids: Int64Array,
    /// `sample_index` of each row.
    pub samples: Int32Array,
    /// What `gt` means, by the function given to [`CallStream::open`].
    pub calls: Vec<C>,
}

/// Batches of one genotypes file.
pub struct CallStream<F> {
    path: DataFile,
    reader: ParquetRecordBatchReader,
    meaning: F,
}

impl<F> CallStream<F> {
    /// Opens `path` with the row groups of `select`. `meaning` gives the code of a `gt` text, and of null.
    pub fn open(path: &DataFile, select: &Select, meaning: F) -> Result<CallStream<F>> {
        let failed = |error| parquet_error(path, error);
        let input = path.open()?;
        let found = footer::read_for_batches(path, &input, select.page_index_policy())?;
        let options = ArrowReaderOptions::new().with_schema(Arc::new(with_coded_gt(found.schema())));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options).map_err(failed)?;
        let roots = metadata.schema().fields().iter().enumerate();
        let wanted: Vec<usize> =
            roots.filter(|(_, field)| COLUMNS.contains(&field.name().as_str())).map(|(at, _)| at).collect();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), wanted);
        let reader = select.reader(path, input, metadata, (mask, BATCH_ROWS))?;
        Ok(CallStream { path: path.clone(), reader, meaning })
    }
}

const COLUMNS: [&str; 3] = ["variant_id", "sample_index", "gt"];

/// The schema of a genotypes file with `gt` left as a dictionary.
fn with_coded_gt(schema: &Schema) -> Schema {
    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = schema.fields().iter().map(|field| match field.name().as_str() {
        "gt" => Arc::new(Field::new("gt", coded.clone(), field.is_nullable())),
        _ => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

impl<C: Copy, F: Fn(Option<&str>) -> C> CallStream<F> {
    fn coded(&self, batch: &RecordBatch) -> Result<CallBatch<C>> {
        let wrong = |name: &str| {
            Error::bad_data(format!("{}: column `{name}` is not what a genotypes table has", self.path.display()))
                .hint("`varbatch verify` says which files differ from the manifest")
        };
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| wrong(name));
        let ids = column("variant_id")?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong("variant_id"))?;
        let samples = column("sample_index")?.as_primitive_opt::<Int32Type>().ok_or_else(|| wrong("sample_index"))?;
        let gt = column("gt")?.as_dictionary_opt::<Int32Type>().ok_or_else(|| wrong("gt"))?;
        let texts = gt.values().as_string_opt::<i32>().ok_or_else(|| wrong("gt"))?;
        let of_null = (self.meaning)(None);
        let codes: Vec<C> =
            (0..texts.len()).map(|at| (self.meaning)(texts.is_valid(at).then(|| texts.value(at)))).collect();
        let keys = gt.keys();
        let calls = match keys.null_count() {
            0 => keys.values().iter().map(|&key| codes[key as usize]).collect(),
            _ => keys.iter().map(|key| key.map_or(of_null, |key| codes[key as usize])).collect(),
        };
        Ok(CallBatch { variant_ids: ids.clone(), samples: samples.clone(), calls })
    }
}

impl<C: Copy, F: Fn(Option<&str>) -> C> Iterator for CallStream<F> {
    type Item = Result<CallBatch<C>>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = next_batch(&mut self.reader, &self.path)?;
        Some(batch.and_then(|batch| self.coded(&batch)))
    }
}
