//! The sample columns of a BCF record: one typed array for each FORMAT field, over all samples. VCF 4.5 section 6.3.3.

use super::Dictionary;
use super::value::{Cursor, INT8, INT16, INT32, Typed, width};
use crate::error::{Error, Result};

/// The FORMAT fields of a record.
pub struct TypedSamples<'a> {
    fields: Vec<Field<'a>>,
    n_samples: usize,
}

struct Field<'a> {
    /// Values of one sample, and the bytes of all.
    values: Typed<'a>,
    /// Bytes of one sample.
    n_bytes: usize,
    is_genotype: bool,
}

impl<'a> Field<'a> {
    fn of_sample(&self, sample: usize) -> Typed<'a> {
        Typed { bytes: &self.values.bytes[sample * self.n_bytes..(sample + 1) * self.n_bytes], ..self.values }
    }
}

impl<'a> TypedSamples<'a> {
    /// Samples of a record that says nothing of them.
    pub(super) fn without_fields(n_samples: usize) -> Self {
        TypedSamples { fields: Vec::new(), n_samples }
    }

    /// Finds the fields; appends FORMAT behind a tab to `head`.
    pub(super) fn new(
        mut individual: Cursor<'a>,
        n_format: u32,
        n_samples: usize,
        dictionary: &Dictionary,
        head: &mut Vec<u8>,
    ) -> Result<Self> {
        let mut fields = Vec::with_capacity(n_format as usize);
        for i in 0..n_format {
            head.push(if i == 0 { b'\t' } else { b':' });
            let key = individual.integer()?;
            let name = dictionary.string(key)?;
            head.extend_from_slice(name.as_bytes());
            let (kind, len) = individual.descriptor()?;
            let n_bytes = len.checked_mul(width(kind)?);
            let n_bytes = n_bytes.ok_or_else(|| Error::bad_data("a BCF FORMAT field is too long"))?;
            let all =
                n_bytes.checked_mul(n_samples).ok_or_else(|| Error::bad_data("a BCF FORMAT field is too long"))?;
            let is_genotype = name == "GT" && matches!(kind, INT8 | INT16 | INT32);
            fields.push(Field { values: Typed { kind, len, bytes: individual.take(all)? }, n_bytes, is_genotype });
        }
        Ok(TypedSamples { fields, n_samples })
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Appends the text of a sample: its fields with `:` between them.
    pub fn append_cell(&self, sample: usize, out: &mut Vec<u8>) {
        if self.fields.is_empty() {
            out.push(b'.');
        }
        for slot in 0..self.fields.len() {
            if slot > 0 {
                out.push(b':');
            }
            self.append_field(slot, sample, out);
        }
    }

    /// Number of fields.
    pub fn n_fields(&self) -> usize {
        self.fields.len()
    }

    /// Appends the text of one field of a sample.
    pub fn append_field(&self, slot: usize, sample: usize, out: &mut Vec<u8>) {
        let field = &self.fields[slot];
        let own = field.of_sample(sample);
        if field.is_genotype { own.append_genotype(out) } else { own.append(out) }
    }

    /// The genotypes of field `slot` as two bytes a sample, `[2 n_samples]`; `None` when they are not stored in that way.
    pub fn diploid_bytes(&self, slot: usize) -> Option<&'a [u8]> {
        let field = self.fields.get(slot).filter(|field| field.is_genotype)?;
        (field.values.kind == INT8 && field.values.len == 2).then_some(field.values.bytes)
    }

    /// Calls `take` with each sample that has an integer of 32 bits as its field `slot`.
    pub fn integers(&self, slot: usize, mut take: impl FnMut(usize, i32)) {
        let Some(field) = self.fields.get(slot) else { return };
        if field.values.len != 1 || !matches!(field.values.kind, INT8 | INT16 | INT32) {
            return;
        }
        for sample in 0..self.n_samples {
            if let Some(value) = field.values.int(sample) {
                take(sample, value as i32);
            }
        }
    }
}
