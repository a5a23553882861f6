//! Writes parts: rows into columns, columns into Parquet, and where the rows of each contig are.

use super::schema::{BLOCKS_ROW_GROUP, PAGE_ROWS, RECORDS_ROW_GROUP, ZSTD, blocks_schema, nature, records_schema};
use super::{ContigRows, RecordText};
use crate::decode::gvcf::{Block, BlockGt, FilterNames, MISSING, NO_FILTER};
use crate::error::Result;
use crate::profile::{self, Stage};
use crate::store::hashing::Hashed;
use crate::store::parquet::arrays::ArrayColumn;
use crate::store::parquet::chunk::{Codec, EncodedChunk};
use crate::store::parquet::file::ChunkFile;
use arrow_array::builder::{StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_schema::SchemaRef;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Key in the footer of a part under which its [`ContigRows`] stand, as JSON.
pub const CONTIG_ROWS_KEY: &str = "varbatch.contig_rows";
/// Rows that are gathered before they are encoded.
const BATCH_ROWS: usize = PAGE_ROWS;

/// A finished part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartWritten {
    /// Rows.
    pub rows: u64,
    /// Size and digest.
    pub file: Hashed,
    /// Where the rows of each contig are.
    pub contigs: Vec<ContigRows>,
}

/// Where some rows are.
struct Place {
    contig: u32,
    n_rows: u64,
    first_pos: i32,
    last_pos: i32,
    max_span: i32,
}

/// Rows of one column.
enum ColumnPage<'a> {
    Array(ArrayRef),
    /// [`MISSING`] where they are null.
    Integers(&'a [i32]),
}

/// The file of a part.
struct Part<W: Write + Send> {
    writer: ChunkFile<W>,
    codec: Codec,
    columns: Vec<ArrayColumn>,
    row_group: usize,
    path: PathBuf,
    rows: u64,
    contigs: Vec<ContigRows>,
}

impl<W: Write + Send> Part<W> {
    fn new(sink: W, path: &Path, schema: &SchemaRef, row_group: usize) -> Result<Self> {
        let writer = ChunkFile::new(sink, schema, &[])?;
        // every column is one leaf
        let columns = writer.columns().into_iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| ArrayColumn::new(column, field.data_type(), nature(field.name())));
        let columns = columns.collect::<Result<_>>()?;
        let codec = Codec::zstd(ZSTD);
        Ok(Part { writer, codec, columns, row_group, path: path.to_path_buf(), rows: 0, contigs: Vec::new() })
    }

    /// Takes note of the place of the next rows, which are of one contig and begin with the least position.
    #[inline]
    fn note(&mut self, next: Place) {
        let Place { contig, n_rows, first_pos, last_pos, max_span } = next;
        match self.contigs.last_mut() {
            Some(here) if here.contig == contig => {
                here.rows += n_rows;
                here.last_pos = here.last_pos.max(last_pos);
                here.max_span = here.max_span.max(max_span);
            }
            _ => self.contigs.push(ContigRows {
                contig,
                first_row: self.rows,
                rows: n_rows,
                first_pos,
                last_pos,
                max_span,
            }),
        }
        self.rows += n_rows;
    }

    /// Appends rows, a page of each column.
    fn write(&mut self, pages: Vec<ColumnPage>) -> Result<()> {
        let _stage = profile::enter(Stage::Encode);
        for (column, page) in self.columns.iter_mut().zip(pages) {
            match page {
                ColumnPage::Array(array) => column.push(&array, &mut self.codec)?,
                ColumnPage::Integers(values) => column.push_integers(values, MISSING, &mut self.codec)?,
            }
        }
        if self.columns[0].n_rows() >= self.row_group { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<()> {
        let _stage = profile::enter(Stage::Encode);
        if self.columns[0].n_rows() == 0 {
            return Ok(());
        }
        let codec = &mut self.codec;
        let chunks: Vec<EncodedChunk> =
            self.columns.iter_mut().map(|column| column.finish(codec)).collect::<Result<_>>()?;
        self.writer.write_group(chunks, &self.path)
    }

    fn finish(mut self) -> Result<(PartWritten, W)> {
        self.end_group()?;
        let contigs = serde_json::to_string(&self.contigs).expect("rows are plain data");
        self.writer.add_metadata(CONTIG_ROWS_KEY, contigs);
        let (file, sink) = self.writer.finish(&self.path)?;
        Ok((PartWritten { rows: self.rows, file, contigs: self.contigs }, sink))
    }
}

/// Writes a part of `ref_blocks`.
pub struct BlockWriter<W: Write + Send> {
    part: Part<W>,
    contig: u32,
    contig_name: String,
    batch: BlockBatch,
}

/// Columns of a batch of blocks, by number.
mod column {
    pub const SAMPLE: usize = 0;
    pub const START: usize = 1;
    pub const LENGTH: usize = 2;
    pub const GT: usize = 3;
    pub const GQ: usize = 4;
    pub const MIN_DP: usize = 5;
    pub const DP: usize = 6;
    pub const PL: usize = 7;
    pub const FILTER: usize = 10;
    pub const N: usize = 11;
}

/// Room of a column. Columns that are filled side by side must not begin at the same place of a page of memory: they would
/// drive each other out of the cache.
const COLUMN_ROOM: usize = BATCH_ROWS + 80;

/// Blocks column by column, until they are a page.
struct BlockBatch {
    n_rows: usize,
    columns: Box<[[i32; COLUMN_ROOM]]>,
}

impl BlockBatch {
    fn new() -> Self {
        BlockBatch { n_rows: 0, columns: vec![[0; COLUMN_ROOM]; column::N].into_boxed_slice() }
    }

    #[inline]
    fn push(&mut self, sample: u32, block: &Block) {
        let row = [
            sample as i32,
            block.start,
            block.end - block.start + 1,
            block.gt as i32,
            block.gq,
            block.min_dp,
            block.dp,
            block.pl[0],
            block.pl[1],
            block.pl[2],
            i32::from(block.filter),
        ];
        for (column, value) in self.columns.iter_mut().zip(row) {
            column[self.n_rows] = value;
        }
        self.n_rows += 1;
    }

    fn column(&self, number: usize) -> &[i32] {
        &self.columns[number][..self.n_rows]
    }

    /// Where its rows are; there is one at least.
    fn place(&self, contig: u32) -> Place {
        let (starts, lengths) = (self.column(column::START), self.column(column::LENGTH));
        let ends = starts.iter().zip(lengths).map(|(start, length)| start + length - 1);
        Place {
            contig,
            n_rows: self.n_rows as u64,
            first_pos: starts[0],
            last_pos: ends.fold(i32::MIN, i32::max),
            max_span: lengths.iter().copied().fold(0, i32::max),
        }
    }
}

impl<W: Write + Send> BlockWriter<W> {
    /// On `sink`; `path` is for messages.
    pub fn new(sink: W, path: &Path) -> Result<Self> {
        let part = Part::new(sink, path, &blocks_schema(), BLOCKS_ROW_GROUP)?;
        Ok(BlockWriter { part, contig: 0, contig_name: String::new(), batch: BlockBatch::new() })
    }

    /// Rows of another contig follow.
    pub fn start_contig(&mut self, contig: u32, name: &str, filters: &FilterNames) -> Result<()> {
        self.flush(filters)?;
        (self.contig, self.contig_name) = (contig, name.to_string());
        Ok(())
    }

    /// Appends a row. Rows come sorted by (contig, start, sample).
    #[inline]
    pub fn push(&mut self, sample: u32, block: &Block, filters: &FilterNames) -> Result<()> {
        self.batch.push(sample, block);
        if self.batch.n_rows == BATCH_ROWS { self.flush(filters) } else { Ok(()) }
    }

    fn flush(&mut self, filters: &FilterNames) -> Result<()> {
        let batch = &self.batch;
        if batch.n_rows == 0 {
            return Ok(());
        }
        self.part.note(batch.place(self.contig));
        let integers = |number: usize| ColumnPage::Integers(batch.column(number));
        self.part.write(vec![
            integers(column::SAMPLE),
            ColumnPage::Array(repeated(&self.contig_name, batch.n_rows)),
            integers(column::START),
            integers(column::LENGTH),
            ColumnPage::Array(genotypes(batch.column(column::GT))),
            integers(column::GQ),
            integers(column::MIN_DP),
            integers(column::DP),
            integers(column::PL),
            integers(column::PL + 1),
            integers(column::PL + 2),
            ColumnPage::Array(filter_column(batch.column(column::FILTER), filters)),
        ])?;
        self.batch.n_rows = 0;
        Ok(())
    }

    /// Ends the file and gives the sink back.
    pub fn finish(mut self, filters: &FilterNames) -> Result<(PartWritten, W)> {
        self.flush(filters)?;
        self.part.finish()
    }
}

fn genotypes(numbers: &[i32]) -> ArrayRef {
    let texts = Arc::new(StringArray::from_iter_values(BlockGt::TEXTS));
    Arc::new(DictionaryArray::<Int32Type>::new(numbers.to_vec().into(), texts))
}

/// One text in every row.
fn repeated(text: &str, n_rows: usize) -> ArrayRef {
    let values = Arc::new(StringArray::from_iter_values([text]));
    Arc::new(DictionaryArray::<Int32Type>::new(vec![0; n_rows].into(), values))
}

fn filter_column(numbers: &[i32], filters: &FilterNames) -> ArrayRef {
    let is_set = |number: &i32| *number != i32::from(NO_FILTER);
    // a dictionary must not be empty where keys are null
    let values = Arc::new(StringArray::from_iter_values(filters.names().iter().map(String::as_str)));
    let keys = match numbers.iter().any(is_set) {
        true => Int32Array::from_iter(numbers.iter().map(|number| Some(*number).filter(is_set))),
        false => Int32Array::new_null(numbers.len()),
    };
    Arc::new(DictionaryArray::<Int32Type>::new(keys, values))
}

/// Writes a part of `evidence`.
pub struct RecordWriter<W: Write + Send> {
    part: Part<W>,
    contig: u32,
    contig_name: String,
    columns: RecordColumns,
    /// Texts that were not UTF-8.
    pub n_not_utf8: u64,
}

#[derive(Default)]
struct RecordColumns {
    sample: Vec<i32>,
    pos: Vec<i32>,
    end: Vec<i32>,
    /// `id`, `ref`, `alt`, `qual`, `info`, `cell`, `aligned`.
    texts: [StringBuilder; 7],
    filter: StringDictionaryBuilder<Int32Type>,
    format: StringDictionaryBuilder<Int32Type>,
}

/// Rows of `evidence` that are gathered before they are encoded: a page. Small, as a call shard reads all of a page for the
/// rows of its range.
const RECORD_BATCH_ROWS: usize = 2_048;

impl<W: Write + Send> RecordWriter<W> {
    /// On `sink`; `path` is for messages.
    pub fn new(sink: W, path: &Path) -> Result<Self> {
        let part = Part::new(sink, path, &records_schema(), RECORDS_ROW_GROUP)?;
        let columns = RecordColumns::default();
        Ok(RecordWriter { part, contig: 0, contig_name: String::new(), columns, n_not_utf8: 0 })
    }

    /// Rows of another contig follow.
    pub fn start_contig(&mut self, contig: u32, name: &str) -> Result<()> {
        self.flush()?;
        (self.contig, self.contig_name) = (contig, name.to_string());
        Ok(())
    }

    /// Appends a row. Rows come sorted by (contig, pos, sample, order in the input).
    pub fn push(&mut self, sample: u32, pos: i32, end: i32, text: RecordText) -> Result<()> {
        let (first_pos, last_pos, max_span) = (pos, end, (end - pos).saturating_add(1));
        self.part.note(Place { contig: self.contig, n_rows: 1, first_pos, last_pos, max_span });
        let columns = &mut self.columns;
        columns.sample.push(sample as i32);
        columns.pos.push(pos);
        columns.end.push(end);
        let n_not_utf8 = &mut self.n_not_utf8;
        let mut utf8 = |bytes| {
            let text = String::from_utf8_lossy(bytes);
            *n_not_utf8 += u64::from(matches!(text, std::borrow::Cow::Owned(_)));
            text
        };
        let [id, ref_allele, alt, qual, info, cell, aligned] = &mut columns.texts;
        id.append_option((text.id != b".").then(|| utf8(text.id)));
        ref_allele.append_value(utf8(text.ref_allele));
        alt.append_value(utf8(text.alt));
        qual.append_option((text.qual != b".").then(|| utf8(text.qual)));
        info.append_value(utf8(text.info));
        cell.append_value(utf8(text.cell));
        aligned.append_option((!text.aligned.is_empty()).then(|| utf8(text.aligned)));
        columns.filter.append_value(utf8(text.filter));
        columns.format.append_value(utf8(text.format));
        if columns.sample.len() == RECORD_BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let columns = &mut self.columns;
        let n_rows = columns.sample.len();
        if n_rows == 0 {
            return Ok(());
        }
        let ints = |values: &mut Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(std::mem::take(values))) };
        let [id, ref_allele, alt, qual, info, cell, aligned] =
            columns.texts.each_mut().map(|text| Arc::new(text.finish()));
        let arrays: Vec<ArrayRef> = vec![
            ints(&mut columns.sample),
            repeated(&self.contig_name, n_rows),
            ints(&mut columns.pos),
            ints(&mut columns.end),
            id,
            ref_allele,
            alt,
            qual,
            Arc::new(columns.filter.finish()),
            info,
            Arc::new(columns.format.finish()),
            cell,
            aligned,
        ];
        self.part.write(arrays.into_iter().map(ColumnPage::Array).collect())
    }

    /// Ends the file and gives the sink back.
    pub fn finish(mut self) -> Result<(PartWritten, W)> {
        self.flush()?;
        self.part.finish()
    }
}
