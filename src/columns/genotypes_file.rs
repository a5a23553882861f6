//! A file of the table `genotypes`: batches of rows into pages, pages into row groups.
//!
//! What every row has (variant, place, sample, genotype) is known as runs and small codes and waits for the row group to be
//! full, as codes that repeat from variant to variant compress best in one page; FORMAT columns become pages batch by batch.

use super::genotypes::{GenotypesBuilder, NO_GT, Run};
use super::parquet_file::{GENOTYPES_ROW_GROUP, SORTED_BY, Written};
use super::values::Filled;
use crate::error::{Error, Result};
use crate::genome::genotype::dosage_of_text;
use crate::profile::{self, Stage};
use crate::store::hashing::Hashed;
use crate::store::parquet::arrays::{ArrayColumn, Nature};
use crate::store::parquet::chunk::{Codec, Effort};
use crate::store::parquet::columns::{self, Meaning};
use crate::store::parquet::file::ChunkFile;
use crate::store::parquet::integers::IntegerColumn;
use arrow_schema::SchemaRef;
use parquet::schema::types::ColumnDescPtr;
use std::io::Write;
use std::path::Path;

/// Writes one file of `genotypes`, all of one contig.
pub struct GenotypesFile<W: Write + Send> {
    file: ChunkFile<W>,
    codec: Codec,
    lists_codec: Codec,
    contig: String,
    n_samples: usize,
    schema: SchemaRef,
    leaves: Vec<ColumnDescPtr>,
    runs: Vec<Run>,
    sample_index: Vec<u32>,
    gt: Vec<u16>,
    fields: Vec<FieldColumn>,
    rows: u64,
}

/// Codes, and one number a call: a longer search makes codes smaller by 1 %, and finds nothing in depths and qualities, which
/// are noise with a distribution.
const CODES: Effort = Effort::level(1);

/// Lists repeat where genotype and depth do: three likelihoods, each an index of two bytes. The levels look for longer
/// repetitions, or look everything up in two tables.
const LISTS: Effort = Effort::level(1).with_search(5, 16);

/// Columns before those of FORMAT: variant_id, contig, pos, sample_index, gt, dosage.
const N_FIXED: usize = 6;

/// One column of a FORMAT field in the row group.
enum FieldColumn {
    /// Rows so far, all null.
    Nulls(usize),
    Integers(Box<IntegerColumn>),
    General(Box<ArrayColumn>),
}

impl<W: Write + Send> GenotypesFile<W> {
    /// Begins a file on `sink`.
    pub fn new(sink: W, schema: &SchemaRef, contig: &str, n_samples: usize) -> Result<Self> {
        let file = ChunkFile::new(sink, schema, &SORTED_BY)?;
        let leaves = file.columns();
        // every column of the table is one leaf: lists are of plain values
        let fields = (N_FIXED..leaves.len()).map(|_| FieldColumn::Nulls(0)).collect();
        Ok(GenotypesFile {
            file,
            codec: Codec::zstd(CODES),
            lists_codec: Codec::zstd(LISTS),
            contig: contig.to_string(),
            n_samples,
            schema: schema.clone(),
            leaves,
            runs: Vec::new(),
            sample_index: Vec::new(),
            gt: Vec::new(),
            fields,
            rows: 0,
        })
    }

    /// Takes the rows out of the builder. `gt_texts` are the texts that the calls refer to. `path` is for messages.
    pub fn write(&mut self, rows: &mut GenotypesBuilder, gt_texts: &[String], path: &Path) -> Result<()> {
        let _stage = profile::enter(Stage::Encode);
        self.rows += rows.n_rows() as u64;
        self.runs.extend(rows.runs.iter().filter(|run| run.n_rows > 0));
        self.sample_index.extend_from_slice(&rows.sample_index);
        self.gt.extend_from_slice(&rows.gt);
        let GenotypesBuilder { formats, other, .. } = rows;
        let values = formats.iter_mut().flat_map(|format| format.columns()).chain([other]);
        for (i, values) in values.enumerate() {
            self.take_field(i, values.filled())?;
        }
        rows.clear();
        if self.gt.len() >= GENOTYPES_ROW_GROUP { self.end_group(gt_texts, path) } else { Ok(()) }
    }

    fn take_field(&mut self, field: usize, filled: Filled) -> Result<()> {
        let leaf = &self.leaves[N_FIXED + field];
        let column = &mut self.fields[field];
        let codec = if leaf.max_rep_level() == 0 { &mut self.codec } else { &mut self.lists_codec };
        if let (FieldColumn::Nulls(n), Filled::Nulls(more)) = (&mut *column, &filled) {
            *n += more;
            return Ok(());
        }
        if let FieldColumn::Nulls(n) = *column {
            *column = if matches!(filled, Filled::General(_)) {
                let data_type = self.schema.field(N_FIXED + field).data_type();
                FieldColumn::General(Box::new(ArrayColumn::new(leaf.clone(), data_type, Nature::Any)?))
            } else {
                FieldColumn::Integers(Box::new(IntegerColumn::new(leaf.clone())))
            };
            append(column, Filled::Nulls(n), codec)?;
        }
        append(column, filled, codec)
    }

    /// Writes the rows so far as a row group, after which the texts of `gt` may change.
    pub fn end_group(&mut self, gt_texts: &[String], path: &Path) -> Result<()> {
        let _stage = profile::enter(Stage::Encode);
        let n_rows = self.gt.len();
        if n_rows == 0 {
            return Ok(());
        }
        let codec = &mut self.codec;
        let leaf = |i: usize| self.leaves[i].clone();
        let variant_ids: Vec<(i64, u32)> = self.runs.iter().map(|run| (run.variant_id, run.n_rows)).collect();
        let positions: Vec<(i32, u32)> = self.runs.iter().map(|run| (run.vcf_pos, run.n_rows)).collect();
        let mut chunks = vec![
            columns::runs(leaf(0), &variant_ids, codec)?,
            columns::one_text(leaf(1), &self.contig, n_rows, codec)?,
            columns::runs(leaf(2), &positions, codec)?,
            columns::indexes(leaf(3), &self.sample_index, self.n_samples, self.runs.len(), codec)?,
        ];
        let dosages: Vec<Option<i32>> = gt_texts.iter().map(|text| dosage_of_text(text)).collect();
        let gt = |text: usize| Meaning::Entry(text as u32);
        let dosage = |text: usize| dosages[text].map_or(Meaning::Null, |dosage| Meaning::Entry(dosage as u32));
        let no_gt = gt_texts.len() as u16;
        for code in self.gt.iter_mut().filter(|code| **code == NO_GT) {
            *code = no_gt;
        }
        let of_texts = |meaning: &dyn Fn(usize) -> Meaning| -> Vec<Meaning> {
            (0..gt_texts.len()).map(meaning).chain([Meaning::Null]).collect()
        };
        chunks.push(columns::coded_texts(leaf(4), &self.gt, &of_texts(&gt), gt_texts, codec)?);
        let values: Vec<i32> = (0..=dosages.iter().flatten().copied().max().unwrap_or(0)).collect();
        chunks.push(columns::coded_integers(leaf(5), &self.gt, &of_texts(&dosage), &values, codec)?);
        for (i, field) in self.fields.iter_mut().enumerate() {
            chunks.push(match std::mem::replace(field, FieldColumn::Nulls(0)) {
                FieldColumn::Nulls(n) => columns::nulls(leaf(N_FIXED + i), n, codec)?,
                FieldColumn::Integers(mut column) => column.finish(codec)?,
                FieldColumn::General(mut column) => column.finish(codec)?,
            });
        }
        self.file.write_group(chunks, path)?;
        self.runs.clear();
        self.sample_index.clear();
        self.gt.clear();
        Ok(())
    }

    /// Writes what is left and the footer, and gives the sink back.
    pub fn finish(mut self, gt_texts: &[String], path: &Path) -> Result<(Written, W)> {
        self.end_group(gt_texts, path)?;
        let (Hashed { bytes, sha256 }, sink) = self.file.finish(path)?;
        Ok((Written { rows: self.rows, bytes, sha256 }, sink))
    }
}

/// Appends a batch to a column that is no longer all null.
fn append(column: &mut FieldColumn, filled: Filled, codec: &mut Codec) -> Result<()> {
    match (column, filled) {
        (_, Filled::Nulls(0)) => Ok(()),
        (FieldColumn::Integers(column), Filled::Integers(values)) => column.push_page(values, codec),
        (FieldColumn::Integers(column), Filled::Lists { ends, values }) => column.push_list_page(ends, values, codec),
        (FieldColumn::Integers(column), Filled::Nulls(n)) => column.push_null_page(n, codec),
        (FieldColumn::General(column), Filled::General(array)) => column.push(&array, codec),
        (FieldColumn::General(column), Filled::Nulls(n)) => column.push_nulls(n, codec),
        _ => Err(Error::internal("a column of genotypes changed its type")),
    }
}
