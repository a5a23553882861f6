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
use arrow_buffer::{BooleanBuffer, NullBuffer};
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

    /// Takes note of the place of the next row.
    #[inline]
    fn note(&mut self, contig: u32, first: i32, last: i32) {
        match self.contigs.last_mut() {
            Some(here) if here.contig == contig => {
                here.rows += 1;
                here.last_pos = here.last_pos.max(last);
                here.max_span = here.max_span.max(last - first + 1);
            }
            _ => self.contigs.push(ContigRows {
                contig,
                first_row: self.rows,
                rows: 1,
                first_pos: first,
                last_pos: last,
                max_span: last - first + 1,
            }),
        }
        self.rows += 1;
    }

    /// Appends rows, a page of each column.
    fn write(&mut self, arrays: Vec<ArrayRef>) -> Result<()> {
        let _stage = profile::enter(Stage::Encode);
        for (column, array) in self.columns.iter_mut().zip(&arrays) {
            column.push(array, &mut self.codec)?;
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
    sample: Vec<i32>,
    rows: Vec<Block>,
}

impl<W: Write + Send> BlockWriter<W> {
    /// On `sink`; `path` is for messages.
    pub fn new(sink: W, path: &Path) -> Result<Self> {
        let part = Part::new(sink, path, &blocks_schema(), BLOCKS_ROW_GROUP)?;
        let (sample, rows) = (Vec::with_capacity(BATCH_ROWS), Vec::with_capacity(BATCH_ROWS));
        Ok(BlockWriter { part, contig: 0, contig_name: String::new(), sample, rows })
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
        self.part.note(self.contig, block.start, block.end);
        self.sample.push(sample as i32);
        self.rows.push(*block);
        if self.rows.len() == BATCH_ROWS { self.flush(filters) } else { Ok(()) }
    }

    fn flush(&mut self, filters: &FilterNames) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = &self.rows[..];
        let gt = DictionaryArray::<Int32Type>::new(
            rows.iter().map(|row| row.gt as i32).collect::<Vec<i32>>().into(),
            Arc::new(StringArray::from_iter_values(BlockGt::TEXTS)),
        );
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(self.sample.clone())),
            repeated(&self.contig_name, rows.len()),
            numbers(rows, |row| row.start),
            numbers(rows, |row| row.end - row.start + 1),
            Arc::new(gt),
            numbers(rows, |row| row.gq),
            numbers(rows, |row| row.min_dp),
            numbers(rows, |row| row.dp),
            numbers(rows, |row| row.pl[0]),
            numbers(rows, |row| row.pl[1]),
            numbers(rows, |row| row.pl[2]),
            filter_column(rows, filters),
        ];
        self.part.write(columns)?;
        self.sample.clear();
        self.rows.clear();
        Ok(())
    }

    /// Ends the file and gives the sink back.
    pub fn finish(mut self, filters: &FilterNames) -> Result<(PartWritten, W)> {
        self.flush(filters)?;
        self.part.finish()
    }
}

/// One text in every row.
fn repeated(text: &str, n_rows: usize) -> ArrayRef {
    let values = Arc::new(StringArray::from_iter_values([text]));
    Arc::new(DictionaryArray::<Int32Type>::new(vec![0; n_rows].into(), values))
}

/// A column of numbers, null where they are missing.
fn numbers(rows: &[Block], value: impl Fn(&Block) -> i32) -> ArrayRef {
    let values: Vec<i32> = rows.iter().map(value).collect();
    let missing = values.contains(&MISSING);
    let nulls =
        missing.then(|| NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| values[row] != MISSING)));
    Arc::new(Int32Array::new(values.into(), nulls))
}

fn filter_column(rows: &[Block], filters: &FilterNames) -> ArrayRef {
    let keys = rows.iter().map(|row| (row.filter != NO_FILTER).then_some(i32::from(row.filter)));
    let keys = Int32Array::from_iter(keys);
    // a dictionary must not be empty where keys are null
    let values = StringArray::from_iter_values(filters.names().iter().map(String::as_str));
    Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(values)))
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

/// Rows of `evidence` that are gathered before they are encoded.
const RECORD_BATCH_ROWS: usize = 8_192;

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
        self.part.note(self.contig, pos, end);
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
        self.part.write(arrays)
    }

    /// Ends the file and gives the sink back.
    pub fn finish(mut self) -> Result<(PartWritten, W)> {
        self.flush()?;
        self.part.finish()
    }
}
