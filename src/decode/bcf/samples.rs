//! The sample columns of a BCF record: one typed array for each FORMAT field, over all samples. VCF 4.5 section 6.3.3.

use super::Dictionary;
use super::value::{Cursor, INT8, INT16, INT32, Typed, width};
use crate::decode::cells::Rows;
use crate::decode::samples::NO_INTEGER;
use crate::decode::vcf::parse_i32;
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

    /// The integer that each sample has as its field `slot`, or [`NO_INTEGER`]; `[n_samples]`, or none where there is no such
    /// field.
    pub fn integers(&self, slot: usize, out: &mut Vec<i32>) {
        out.clear();
        let Some(field) = self.fields.get(slot) else { return };
        match (field.values.kind, field.values.len) {
            (INT8, 1) => out.extend(field.values.bytes.iter().map(|&byte| known::<1>([byte]))),
            (INT16, 1) => out.extend(field.values.bytes.as_chunks().0.iter().map(|&bytes| known::<2>(bytes))),
            (INT32, 1) => out.extend(field.values.bytes.as_chunks().0.iter().map(|&bytes| known::<4>(bytes))),
            _ => {
                let mut text = Vec::new();
                for sample in 0..self.n_samples {
                    text.clear();
                    self.append_field(slot, sample, &mut text);
                    out.push(parse_i32(&text).unwrap_or(NO_INTEGER));
                }
            }
        }
    }

    /// The `n` integers of field `slot` of each of some samples into its row, from `lane` on. `fits` becomes false where a
    /// sample has not so many, or one is missing.
    pub fn integers_of(&self, slot: usize, samples: Listed, (lane, n): (usize, usize), rows: &mut Rows) {
        let field = &self.fields[slot];
        match (field.values.kind, field.values.len) {
            (INT8, len) if len >= n => gather::<1>(field, samples, (lane, n), rows),
            (INT16, len) if len >= n => gather::<2>(field, samples, (lane, n), rows),
            (INT32, len) if len >= n => gather::<4>(field, samples, (lane, n), rows),
            _ => rows.fits.fill(false),
        }
    }
}

/// Which samples.
#[derive(Clone, Copy)]
pub enum Listed<'a> {
    /// The first so many.
    First(usize),
    /// These.
    These(&'a [u32]),
}

impl Listed<'_> {
    /// How many.
    pub fn n_samples(self) -> usize {
        match self {
            Listed::First(n) => n,
            Listed::These(samples) => samples.len(),
        }
    }

    /// The `i`-th.
    #[inline(always)]
    pub fn sample(self, i: usize) -> usize {
        match self {
            Listed::First(_) => i,
            Listed::These(samples) => samples[i] as usize,
        }
    }
}

/// An integer of `W` bytes, and whether it is a value.
#[inline(always)]
fn integer<const W: usize>(bytes: [u8; W]) -> (i32, bool) {
    /// Behind the lowest number of a type, which says that the value is missing, comes the one that ends a vector; of the
    /// widest type VCF keeps six more out of use (VCF 4.5 section 6.3.3).
    const N_SPECIAL: [i32; 5] = [0, 2, 2, 0, 8];
    let mut word = [0; 4];
    word[4 - W..].copy_from_slice(&bytes);
    // in the highest bytes: what is behind is shifted out, and the sign stays
    let value = i32::from_le_bytes(word) >> (32 - 8 * W);
    let least = i32::MIN >> (32 - 8 * W);
    (value, value >= least + N_SPECIAL[W])
}

/// An integer, or [`NO_INTEGER`].
#[inline(always)]
fn known<const W: usize>(bytes: [u8; W]) -> i32 {
    let (value, is_value) = integer(bytes);
    if is_value { value } else { NO_INTEGER }
}

/// [`TypedSamples::integers_of`] of a type of `W` bytes.
#[inline(always)]
fn gather<const W: usize>(field: &Field, samples: Listed, (lane, n): (usize, usize), rows: &mut Rows) {
    let end = i32::MIN >> (32 - 8 * W) | 1;
    for (i, (row, fits)) in rows.items.iter_mut().zip(&mut rows.fits).enumerate() {
        let values = &field.of_sample(samples.sample(i)).bytes.as_chunks::<W>().0;
        let mut good = values.get(n).is_none_or(|&behind| integer(behind).0 == end);
        for (item, &bytes) in row[lane..lane + n].iter_mut().zip(values.iter()) {
            let (value, is_value) = integer(bytes);
            *item = value;
            good &= is_value;
        }
        *fits &= good;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width() {
        for (bytes, expected) in [(0x80, None), (0x81, None), (0x82, Some(-126)), (0, Some(0)), (0x7f, Some(127))] {
            assert_eq!(known([bytes]), expected.unwrap_or(NO_INTEGER));
        }
        let of = |value: i16| known(value.to_le_bytes());
        assert_eq!([i16::MIN, i16::MIN + 1, i16::MIN + 2, -1, 300].map(of), [NO_INTEGER, NO_INTEGER, -32_766, -1, 300]);
        let of = |value: i32| known(value.to_le_bytes());
        let values = [i32::MIN, i32::MIN + 1, i32::MIN + 7, i32::MIN + 8, 70_000];
        assert_eq!(values.map(of), [NO_INTEGER, NO_INTEGER, NO_INTEGER, i32::MIN + 8, 70_000]);
    }
}
