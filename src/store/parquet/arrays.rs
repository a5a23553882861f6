//! Columns given as Arrow arrays, page by page: all types that the tables have.
//!
//! What the general writer of the parquet crate does for any type is done here for the few that are used, with one codec for
//! all columns of a thread and dictionaries that give up early: a table of many columns in many small parts would else spend
//! its time making compressors.

use super::chunk::{ChunkBuilder, Codec, DictionaryPage, EncodedChunk, PageFacts};
use super::columns::push_null_page;
use super::dictionary::{Dictionary, push_coded, push_floats, push_texts};
use super::encoding::{push_delta, push_packed_bytes};
use super::integers::IntegerDictionary;
use super::levels::{Lists, NO_LIST, push_levels};
use super::text_range::TextRange;
use super::word::Range;
use crate::error::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use parquet::basic::Encoding;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

/// What is known of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Nothing.
    Any,
    /// Integers that ascend, or nearly so: differences are small.
    Ascending,
    /// Hardly two are the same: a dictionary is of no use.
    Distinct,
}

/// One leaf column of a row group.
pub struct ArrayColumn {
    chunk: ChunkBuilder,
    nature: Nature,
    values: Values,
    body: Vec<u8>,
}

/// State of a column over its pages.
enum Values {
    Integers(IntegerDictionary, Option<Range<i32>>),
    Longs(Option<Range<i64>>),
    Floats(Dictionary<u64>, Option<(f64, f64)>),
    Texts(Dictionary<Box<str>>, Known),
    /// Whether there is a flag that is not set, and one that is.
    Flags([bool; 2]),
}

/// What is known of the least and largest text of a column.
enum Known {
    /// There was no text yet.
    Empty,
    Range(TextRange),
    /// A page did not tell.
    Unknown,
}

impl Known {
    fn join(&mut self, page: Option<TextRange>) {
        *self = match (std::mem::replace(self, Known::Unknown), page) {
            (Known::Empty, Some(page)) => Known::Range(page),
            (Known::Range(range), Some(page)) => Known::Range(TextRange::join(range, page)),
            _ => Known::Unknown,
        };
    }
}

pub(super) fn unknown(data_type: &DataType) -> Error {
    Error::internal(format!("no table has columns of the type {data_type}"))
}

impl ArrayColumn {
    /// Without rows; `data_type` of the column or, for lists, of the list.
    pub fn new(column: ColumnDescPtr, data_type: &DataType, nature: Nature) -> Result<Self> {
        let item = match data_type {
            DataType::List(item) => item.data_type(),
            other => other,
        };
        let values = match item {
            DataType::Int32 => Values::Integers(IntegerDictionary::default(), None),
            DataType::Int64 => Values::Longs(None),
            DataType::Float64 => Values::Floats(Dictionary::new(), None),
            DataType::Utf8 => Values::Texts(Dictionary::new(), Known::Empty),
            DataType::Dictionary(_, text) if **text == DataType::Utf8 => Values::Texts(Dictionary::new(), Known::Empty),
            DataType::Boolean => Values::Flags([false; 2]),
            other => return Err(unknown(other)),
        };
        Ok(ArrayColumn { chunk: ChunkBuilder::new(column), nature, values, body: Vec::new() })
    }

    /// Rows so far.
    pub fn n_rows(&self) -> usize {
        self.chunk.n_rows()
    }

    /// Appends a page of nulls.
    pub fn push_nulls(&mut self, n_rows: usize, codec: &mut Codec) -> Result<()> {
        if n_rows == 0 { Ok(()) } else { push_null_page(&mut self.chunk, n_rows, codec) }
    }

    /// Appends the rows of an array as one page.
    pub fn push(&mut self, array: &ArrayRef, codec: &mut Codec) -> Result<()> {
        let n_rows = array.len();
        if n_rows == 0 {
            return Ok(());
        }
        self.body.clear();
        let Some(lists) = array.as_list_opt::<i32>() else {
            let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
            let n_null = nulls.as_ref().map_or(0, NullBuffer::null_count);
            if self.chunk.column().max_def_level() > 0 {
                let levels: Vec<u8> = match &nulls {
                    Some(nulls) => nulls.iter().map(u8::from).collect(),
                    None => vec![1; n_rows],
                };
                push_levels(&mut self.body, &levels, n_null);
            }
            let facts = PageFacts { n_values: n_rows, n_rows, n_null, bounds: None };
            return self.push_values(array, nulls.as_ref(), facts, codec);
        };
        let offsets = lists.value_offsets();
        let (first, last) = (offsets[0], offsets[n_rows]);
        let items = lists.values().slice(first as usize, (last - first) as usize);
        let end = |row: usize| {
            let end = (offsets[row + 1] - first) as u32;
            if lists.is_null(row) { end | NO_LIST } else { end }
        };
        let ends: Vec<u32> = (0..n_rows).map(end).collect();
        let nulls = items.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let n_null = nulls.as_ref().map_or(0, NullBuffer::null_count);
        let is_null = |item| nulls.as_ref().is_some_and(|nulls| nulls.is_null(item));
        let levels = Lists { ends: &ends, n_items: items.len(), is_null, n_null };
        levels.push_levels(&mut self.body);
        let n_without = levels.n_without_items();
        let facts = PageFacts { n_values: items.len() + n_without, n_rows, n_null: n_null + n_without, bounds: None };
        self.push_values(&items, nulls.as_ref(), facts, codec)
    }

    /// Appends a page: the levels are in the body, the values that are not null follow.
    fn push_values(
        &mut self,
        array: &ArrayRef,
        nulls: Option<&NullBuffer>,
        mut facts: PageFacts,
        codec: &mut Codec,
    ) -> Result<()> {
        let body = &mut self.body;
        let encoding = match &mut self.values {
            _ if facts.n_null == facts.n_values => Encoding::PLAIN,
            Values::Integers(..) => {
                let present = present(array.as_primitive::<Int32Type>().values(), nulls);
                return self.push_present(&present, facts, codec);
            }
            Values::Longs(all) => {
                let present = present(array.as_primitive::<Int64Type>().values(), nulls);
                let range = Range::of_slice(&present);
                *all = Range::join(*all, range);
                facts.bounds = range.map(Range::bounds);
                push_delta(body, &present);
                Encoding::DELTA_BINARY_PACKED
            }
            Values::Floats(dictionary, all) => {
                let present = present(array.as_primitive::<Float64Type>().values(), nulls);
                facts.bounds =
                    widen(all, &present).map(|range| [range.0.to_le_bytes(), range.1.to_le_bytes()].map(Into::into));
                push_floats(body, &present, dictionary)
            }
            Values::Texts(dictionary, known) => {
                let (encoding, range) = match array.as_dictionary_opt::<Int32Type>() {
                    Some(coded) => push_coded(body, coded, dictionary)?,
                    None => push_texts(body, array.as_string::<i32>(), dictionary, self.nature),
                };
                facts.bounds = range.as_ref().map(TextRange::bounds);
                known.join(range);
                encoding
            }
            Values::Flags(all) => {
                let (is_false, is_true) = push_flags(body, array.as_boolean());
                *all = [all[0] | is_false, all[1] | is_true];
                facts.bounds = Some([vec![u8::from(!is_false)], vec![u8::from(is_true)]]);
                Encoding::PLAIN
            }
        };
        self.chunk.push_page(&self.body, encoding, facts, codec)
    }

    /// Appends a page of 32-bit integers, null where they are `null`.
    pub fn push_integers(&mut self, values: &[i32], null: i32, codec: &mut Codec) -> Result<()> {
        let n_rows = values.len();
        if n_rows == 0 {
            return Ok(());
        }
        self.body.clear();
        let nullable = self.chunk.column().max_def_level() > 0;
        let n_null = if nullable { values.iter().filter(|&&value| value == null).count() } else { 0 };
        if nullable {
            let levels = if n_null == 0 {
                vec![1; n_rows]
            } else {
                values.iter().map(|&value| u8::from(value != null)).collect()
            };
            push_levels(&mut self.body, &levels, n_null);
        }
        let facts = PageFacts { n_values: n_rows, n_rows, n_null, bounds: None };
        if n_null == 0 {
            return self.push_present(values, facts, codec);
        }
        let present: Vec<i32> = values.iter().copied().filter(|&value| value != null).collect();
        self.push_present(&present, facts, codec)
    }

    /// Appends a page of 32-bit integers: the levels are in the body, the values that are not null follow.
    fn push_present(&mut self, present: &[i32], mut facts: PageFacts, codec: &mut Codec) -> Result<()> {
        let Values::Integers(dictionary, all) = &mut self.values else {
            return Err(Error::internal("integers for a column of another type"));
        };
        let range = Range::of_slice(present);
        *all = Range::join(*all, range);
        facts.bounds = range.map(Range::bounds);
        let encoding = match self.nature {
            _ if present.is_empty() => Encoding::PLAIN,
            Nature::Any => dictionary.push(&mut self.body, present),
            _ => {
                push_delta(&mut self.body, present);
                Encoding::DELTA_BINARY_PACKED
            }
        };
        self.chunk.push_page(&self.body, encoding, facts, codec)
    }

    /// The chunk; the column is empty after.
    pub fn finish(&mut self, codec: &mut Codec) -> Result<EncodedChunk> {
        let n_null = self.chunk.n_null();
        match &mut self.values {
            Values::Integers(dictionary, range) => {
                let (plain, n_values) = dictionary.take();
                let page = (n_values > 0).then_some(DictionaryPage { values: &plain, n_values });
                self.chunk.finish(page, Some(Range::statistics(range.take(), n_null)), codec)
            }
            Values::Longs(range) => self.chunk.finish(None, Some(Range::statistics(range.take(), n_null)), codec),
            Values::Floats(dictionary, range) => {
                let (least, most) = range.take().filter(|range| !range.0.is_nan()).unzip();
                let statistics = Statistics::double(least, most, None, Some(n_null), false);
                let chunk = self.chunk.finish(dictionary.page(), Some(statistics), codec);
                dictionary.clear();
                chunk
            }
            Values::Texts(dictionary, known) => {
                let statistics = match std::mem::replace(known, Known::Empty) {
                    Known::Range(range) => Some(range.statistics(n_null)),
                    Known::Empty | Known::Unknown => None,
                };
                let chunk = self.chunk.finish(dictionary.page(), statistics, codec);
                dictionary.clear();
                chunk
            }
            Values::Flags(all) => {
                let range = match std::mem::take(all) {
                    [false, false] => None,
                    [is_false, is_true] => Some((!is_false, is_true)),
                };
                let (least, most) = range.unzip();
                self.chunk.finish(None, Some(Statistics::boolean(least, most, None, Some(n_null), false)), codec)
            }
        }
    }
}

/// The values that are not null.
fn present<'a, T: Copy>(values: &'a [T], nulls: Option<&NullBuffer>) -> std::borrow::Cow<'a, [T]> {
    match nulls {
        None => values.into(),
        Some(nulls) => nulls.valid_indices().map(|row| values[row]).collect::<Vec<T>>().into(),
    }
}

/// Least and largest of a page, and widens those of the column; not told where any is not a number.
fn widen(all: &mut Option<(f64, f64)>, values: &[f64]) -> Option<(f64, f64)> {
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for &value in values {
        if value.is_nan() {
            *all = Some((f64::NAN, f64::NAN));
            return None;
        }
        range = (range.0.min(value), range.1.max(value));
    }
    // zeros of both signs are equal: readers take -0 as the least and 0 as the largest
    let signed = (if range.0 == 0.0 { -0.0 } else { range.0 }, if range.1 == 0.0 { 0.0 } else { range.1 });
    let wide = all.map_or(signed, |all| (all.0.min(signed.0), all.1.max(signed.1)));
    *all = Some(if all.is_some_and(|all| all.0.is_nan()) { (f64::NAN, f64::NAN) } else { wide });
    Some(signed)
}

/// Appends flags, one bit each, least first; whether any is not set, and whether any is.
fn push_flags(body: &mut Vec<u8>, flags: &BooleanArray) -> (bool, bool) {
    let bits: Vec<u8> = flags.iter().flatten().map(u8::from).collect();
    let mut run = Vec::new();
    push_packed_bytes(&mut run, &bits, 1);
    // the packed run without its header
    let n_bytes = bits.len().div_ceil(8);
    body.extend_from_slice(&run[run.len() - n_bytes..]);
    (bits.contains(&0), bits.contains(&1))
}

#[cfg(test)]
mod tests {
    use super::super::chunk::Effort;
    use super::super::dictionary::MAX_ENTRIES;
    use super::super::file::ChunkFile;
    use super::*;
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
    use arrow_schema::{Field, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;
    use std::path::Path;
    use std::sync::Arc;

    /// Batches of any content, all with the same columns.
    fn batches() -> impl Strategy<Value = Vec<RecordBatch>> {
        let row = (
            prop::option::weighted(0.8, prop_oneof![0..4, any::<i32>()]),
            any::<i64>(),
            prop::option::weighted(0.7, prop_oneof![Just(0.5), Just(-0.0), any::<f64>()]),
            prop::option::weighted(0.7, "[a-c]{0,2}"),
            prop::option::weighted(0.9, 0..3i32),
            prop::option::weighted(0.5, any::<bool>()),
            prop::option::weighted(0.8, prop::collection::vec(prop::option::weighted(0.8, 0..300i32), 0..4)),
        );
        prop::collection::vec(prop::collection::vec(row, 1..60), 1..4).prop_map(|batches| {
            batches
                .into_iter()
                .map(|rows| {
                    let mut texts = ListBuilder::new(StringBuilder::new());
                    rows.iter().for_each(|row| {
                        row.6
                            .iter()
                            .flatten()
                            .for_each(|item| texts.values().append_option(item.map(|i| i.to_string())));
                        texts.append(row.6.is_some());
                    });
                    let lists = rows.iter().map(|row| row.6.clone());
                    let codes = Int32Array::from_iter(rows.iter().map(|row| row.4));
                    let values = Arc::new(StringArray::from_iter_values(["x", "", "yz"]));
                    RecordBatch::try_from_iter_with_nullable([
                        ("ints", Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.0))) as ArrayRef, true),
                        ("longs", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))), false),
                        ("floats", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.2))), true),
                        ("texts", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.3.clone()))), true),
                        ("codes", Arc::new(DictionaryArray::<Int32Type>::new(codes, values)), true),
                        ("flags", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.5))), true),
                        ("lists", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)), true),
                        ("text_lists", Arc::new(texts.finish()), true),
                    ])
                    .expect("columns of one length")
                })
                .collect()
        })
    }

    fn write(batches: &[RecordBatch], nature: Nature, codec: &mut Codec) -> Vec<u8> {
        let schema = batches[0].schema();
        let mut file = ChunkFile::new(Vec::new(), &schema, &[]).expect("a file");
        let mut columns: Vec<ArrayColumn> = file
            .columns()
            .into_iter()
            .zip(schema.fields())
            .map(|(column, field)| ArrayColumn::new(column, field.data_type(), nature).expect("a known type"))
            .collect();
        // two row groups of the same columns
        for _ in 0..2 {
            for batch in batches {
                for (column, array) in columns.iter_mut().zip(batch.columns()) {
                    column.push(array, codec).expect("a page");
                }
            }
            let chunks = columns.iter_mut().map(|column| column.finish(codec).expect("a chunk"));
            file.write_group(chunks.collect::<Vec<_>>(), Path::new("x")).expect("a row group");
        }
        file.finish(Path::new("x")).expect("a file").1
    }

    proptest! {
        #[test]
        fn the_general_reader_reads_what_was_written(batches in batches(), nature in 0..3) {
            let nature = [Nature::Any, Nature::Ascending, Nature::Distinct][nature as usize];
            let mut codec = Codec::zstd(Effort::level(1));
            let bytes = bytes::Bytes::from(write(&batches, nature, &mut codec));
            let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a footer");
            let found: Vec<RecordBatch> = builder.with_batch_size(1 << 20).build().expect("a reader").map(|batch| batch.expect("rows")).collect();
            let mut rows = found.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| batch.slice(row, 1)));
            for batch in batches.iter().chain(&batches) {
                for row in 0..batch.num_rows() {
                    let found = rows.next().expect("a row");
                    for (i, column) in batch.columns().iter().enumerate() {
                        // as text: dictionaries may be numbered in another way
                        let show = |array: &ArrayRef| match array.as_dictionary_opt::<Int32Type>() {
                            Some(coded) => {
                                let texts = coded.downcast_dict::<StringArray>().expect("texts");
                                format!("{:?}", texts.into_iter().next().flatten())
                            }
                            None => format!("{array:?}"),
                        };
                        prop_assert_eq!(show(found.column(i)), show(&column.slice(row, 1)));
                    }
                }
            }
            prop_assert!(rows.next().is_none());
        }
    }

    #[test]
    fn a_dictionary_gives_up() {
        let numbers: Vec<String> = (0..MAX_ENTRIES + 10).map(|i| (i * 7).to_string()).collect();
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(&numbers));
        let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..numbers.len()).map(|i| i as f64)));
        let schema =
            Schema::new(vec![Field::new("t", DataType::Utf8, false), Field::new("f", DataType::Float64, false)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![texts, floats]).expect("a batch");
        let halves = [batch.slice(0, 100), batch.slice(100, batch.num_rows() - 100)];
        let bytes = bytes::Bytes::from(write(&halves, Nature::Any, &mut Codec::zstd(Effort::level(1))));
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a footer").with_batch_size(1 << 20).build();
        let found: Vec<RecordBatch> = reader.expect("a reader").map(|batch| batch.expect("rows")).collect();
        assert_eq!(found[0].slice(0, batch.num_rows()), batch);
    }
}
