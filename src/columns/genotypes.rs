//! Builder of the table `genotypes`: runs of calls, one run per allele row.

use super::field::{AlleleOfSite, FieldBuilder, Problem};
use super::schema::TableSchemas;
use crate::genome::genotype::RowCall;
use arrow_array::builder::StringBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::SchemaRef;
use std::collections::HashMap;
use std::sync::Arc;

/// What the fields of one FORMAT text are.
#[derive(Debug, Default)]
pub struct FormatLayout {
    /// One entry per field.
    pub slots: Vec<Slot>,
    /// Columns that this FORMAT does not fill.
    absent: Vec<usize>,
    /// Whether a field is not defined in the header.
    has_other: bool,
}

/// What one field of FORMAT is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// GT.
    Genotype,
    /// A defined field: index of its builder.
    Column(usize),
    /// Not defined in the header (or named twice): goes to `fmt_other`.
    Other(String),
}

impl FormatLayout {
    /// Place of a key.
    pub fn slot_of(&self, wanted: &Slot) -> Option<usize> {
        self.slots.iter().position(|slot| slot == wanted)
    }
}

/// A problem of a sample's field.
#[derive(Debug)]
pub enum CellProblem {
    /// The value of a field is wrong.
    Field {
        /// Its ID.
        id: String,
        /// What is wrong.
        problem: Problem,
    },
    /// The sample has more fields than FORMAT names.
    TooMany {
        /// Fields of FORMAT.
        n_slots: usize,
    },
}

/// Builds batches of `genotypes`.
pub struct GenotypesBuilder {
    schema: SchemaRef,
    variant_id: Vec<i64>,
    pos: Vec<i32>,
    sample_index: Vec<i32>,
    gt: Vec<i32>,
    n_gt_null: usize,
    dosage: Vec<i32>,
    formats: Vec<FieldBuilder>,
    format_ids: Vec<String>,
    format_index: HashMap<Vec<u8>, usize>,
    other: StringBuilder,
    other_text: Vec<u8>,
}

/// Stands for null in `gt` and `dosage` until the batch is finished.
const NULL: i32 = -1;

impl GenotypesBuilder {
    /// Empty; `None` when the cohort has no samples.
    pub fn new(schemas: &TableSchemas) -> Option<Self> {
        let index = schemas.formats.iter().enumerate().map(|(i, format)| (format.id.clone().into_bytes(), i)).collect();
        Some(GenotypesBuilder {
            schema: schemas.genotypes.clone()?,
            variant_id: Vec::new(),
            pos: Vec::new(),
            sample_index: Vec::new(),
            gt: Vec::new(),
            n_gt_null: 0,
            dosage: Vec::new(),
            formats: schemas.formats.iter().map(FieldBuilder::new).collect(),
            format_ids: schemas.formats.iter().map(|format| format.id.clone()).collect(),
            format_index: index,
            other: StringBuilder::new(),
            other_text: Vec::new(),
        })
    }

    /// Rows since the last batch.
    pub fn n_rows(&self) -> usize {
        self.variant_id.len()
    }

    /// What the fields of a FORMAT text are.
    pub fn layout(&self, format: &[u8]) -> FormatLayout {
        let mut slots: Vec<Slot> = Vec::new();
        if format != b"." && !format.is_empty() {
            for key in format.split(|&byte| byte == b':') {
                let slot = match self.format_index.get(key) {
                    _ if key == b"GT" => Slot::Genotype,
                    Some(&column) => Slot::Column(column),
                    None => Slot::Other(String::from_utf8_lossy(key).into_owned()),
                };
                let twice = slots.contains(&slot);
                slots.push(if twice { Slot::Other(String::from_utf8_lossy(key).into_owned()) } else { slot });
            }
        }
        let absent = (0..self.formats.len()).filter(|&column| !slots.contains(&Slot::Column(column))).collect();
        let has_other = slots.iter().any(|slot| matches!(slot, Slot::Other(_)));
        FormatLayout { slots, absent, has_other }
    }

    /// Adds the call of one sample to the run of a row, without its FORMAT fields.
    #[inline]
    pub fn push_call(&mut self, variant_id: i64, vcf_pos: i32, sample: u32, call: &RowCall) {
        self.variant_id.push(variant_id);
        self.pos.push(vcf_pos);
        self.sample_index.push(sample as i32);
        let text = call.text.map_or(NULL, |text| text as i32);
        self.n_gt_null += usize::from(text == NULL);
        self.gt.push(text);
        self.dosage.push(call.dosage().unwrap_or(NULL));
    }

    /// Adds the FORMAT fields of one sample. After a problem the batch is void.
    pub fn push_cell(&mut self, cell: &[u8], layout: &FormatLayout, allele: AlleleOfSite) -> Result<(), CellProblem> {
        let mut start = 0;
        self.other_text.clear();
        for slot in &layout.slots {
            let value = if start <= cell.len() {
                let end = memchr::memchr(b':', &cell[start..]).map_or(cell.len(), |offset| start + offset);
                let value = &cell[start..end];
                start = end + 1;
                value
            } else {
                &[]
            };
            match slot {
                Slot::Genotype => {}
                Slot::Column(column) if value.is_empty() => self.formats[*column].append_null(),
                Slot::Column(column) => self.formats[*column]
                    .append(value, allele)
                    .map_err(|problem| CellProblem::Field { id: self.format_ids[*column].clone(), problem })?,
                Slot::Other(id) => {
                    if !value.is_empty() && value != b"." {
                        if !self.other_text.is_empty() {
                            self.other_text.push(b':');
                        }
                        self.other_text.extend_from_slice(id.as_bytes());
                        self.other_text.push(b'=');
                        self.other_text.extend_from_slice(value);
                    }
                }
            }
        }
        if start <= cell.len() && !layout.slots.is_empty() {
            return Err(CellProblem::TooMany { n_slots: layout.slots.len() });
        }
        if layout.has_other {
            let text = (!self.other_text.is_empty()).then(|| String::from_utf8_lossy(&self.other_text));
            self.other.append_option(text);
        }
        Ok(())
    }

    /// Ends the run of a row of `n` calls: fills the columns that its FORMAT does not have.
    pub fn end_run(&mut self, n: usize, layout: &FormatLayout) {
        for &column in &layout.absent {
            self.formats[column].append_nulls(n);
        }
        if !layout.has_other {
            self.other.append_nulls(n);
        }
    }

    /// The rows since the last batch. `gt_texts` are the texts that the calls refer to.
    pub fn finish(&mut self, contig: &str, gt_texts: &[String]) -> RecordBatch {
        let n_rows = self.n_rows();
        let contigs = DictionaryArray::<Int32Type>::new(
            Int32Array::from(vec![0; n_rows]),
            Arc::new(StringArray::from(vec![contig])),
        );
        let gt_nulls = (self.n_gt_null > 0).then(|| nulls(&self.gt));
        let gt = DictionaryArray::<Int32Type>::new(
            Int32Array::new(std::mem::take(&mut self.gt).into(), gt_nulls),
            Arc::new(StringArray::from_iter_values(gt_texts)),
        );
        let dosage_nulls = Some(nulls(&self.dosage)).filter(|nulls| nulls.null_count() > 0);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(std::mem::take(&mut self.variant_id))),
            Arc::new(contigs),
            Arc::new(Int32Array::from(std::mem::take(&mut self.pos))),
            Arc::new(Int32Array::from(std::mem::take(&mut self.sample_index))),
            Arc::new(gt),
            Arc::new(Int32Array::new(std::mem::take(&mut self.dosage).into(), dosage_nulls)),
        ];
        for builder in &mut self.formats {
            builder.finish(&mut columns);
        }
        columns.push(Arc::new(self.other.finish()));
        self.n_gt_null = 0;
        RecordBatch::try_new(self.schema.clone(), columns).expect("columns are built in schema order")
    }
}

fn nulls(values: &[i32]) -> NullBuffer {
    NullBuffer::from_iter(values.iter().map(|&value| value != NULL))
}
