//! Sample columns out of the typed arrays of BCF: codes from the stored bytes, numbers without text.

use super::kept::begin;
use super::{Kept, SampleColumns};
use crate::decode::bcf::TypedSamples;
use crate::decode::cells::Shape;
use crate::decode::stride;
use crate::error::{Error, Result};
use crate::genome::genotype::{ABSENT, GtCode, GtTable, HOM_REF_PHASED, HOM_REF_UNPHASED};

impl SampleColumns {
    /// Reads typed samples as [`SampleColumns::read`] reads text. There are no cells before [`SampleColumns::write_cells`] or
    /// [`SampleColumns::keep_typed_numbers`].
    pub fn read_typed(&mut self, samples: &TypedSamples, gt_slot: Option<usize>, table: &mut GtTable) -> Result<()> {
        self.clear();
        self.n_samples = samples.n_samples();
        self.kept = Kept::Chosen;
        match gt_slot.map(|slot| (slot, samples.diploid_bytes(slot))) {
            None => {
                self.not_reference.extend(0..self.n_samples as u32);
                self.codes.resize(self.n_samples, ABSENT);
            }
            Some((slot, Some(pairs))) => {
                self.cells.clear();
                stride::scan_pairs(pairs, &mut self.cells);
                std::mem::swap(&mut self.not_reference, &mut self.cells.indexes);
                if !stride::pair_codes(&self.cells.words, &mut self.codes) {
                    let unusual = self.not_reference.iter().zip(&self.cells.words).zip(&mut self.codes);
                    for ((&sample, _), code) in unusual.filter(|((_, pair), _)| stride::pair_code(**pair).1 != 0) {
                        *code = typed_code(samples, slot, sample as usize, table)?;
                    }
                }
            }
            Some((slot, None)) => {
                for sample in 0..self.n_samples {
                    let code = typed_code(samples, slot, sample, table)?;
                    if code > HOM_REF_PHASED {
                        self.not_reference.push(sample as u32);
                        self.codes.push(code);
                    }
                }
            }
        }
        self.count();
        Ok(())
    }

    /// As [`SampleColumns::read_every`].
    pub fn read_typed_every(&mut self, samples: &TypedSamples, gt_slot: Option<usize>) {
        self.every.clear();
        match gt_slot.map(|slot| (slot, samples.diploid_bytes(slot))) {
            None => self.every.resize(self.n_samples, ABSENT),
            Some((_, Some(pairs))) => {
                let phased = |pair: &[u8; 2]| HOM_REF_UNPHASED + GtCode::from(pair[1] & 1);
                self.every.extend(pairs.as_chunks().0.iter().map(phased));
            }
            Some((slot, None)) => {
                let mut text = Vec::new();
                for sample in 0..self.n_samples {
                    text.clear();
                    samples.append_field(slot, sample, &mut text);
                    self.every.push(if text == b"0|0" { HOM_REF_PHASED } else { HOM_REF_UNPHASED });
                }
            }
        }
        self.set_listed_codes();
    }

    /// As [`SampleColumns::read_integers`].
    pub fn read_typed_integers(&mut self, samples: &TypedSamples, slots: [Option<usize>; 2]) {
        for (integers, slot) in self.integers.iter_mut().zip(slots) {
            if let Some(slot) = slot {
                samples.integers(slot, integers);
            }
        }
    }

    /// Appends the stored cells to the text, after [`SampleColumns::read_typed`] and of the same samples.
    pub fn write_cells(&mut self, samples: &TypedSamples, all: bool, out: &mut Vec<u8>) {
        self.write_those(samples, all, Kept::Chosen, |_| true, out);
    }

    /// As [`SampleColumns::keep_numbers`], after [`SampleColumns::read_typed`] and of the same samples.
    pub fn keep_typed_numbers(&mut self, samples: &TypedSamples, all: bool, shape: &Shape, out: &mut Vec<u8>) {
        let mut rows = self.take_rows(self.stored(all).n_samples());
        for (slot, place) in shape.places().enumerate().filter(|(_, (_, n_numbers))| *n_numbers > 0) {
            samples.integers_of(slot, self.stored(all), place, &mut rows);
        }
        self.write_those(samples, all, Kept::Numbers, |i| !rows.fits[i], out);
        self.rows = rows;
    }

    fn write_those(
        &mut self,
        samples: &TypedSamples,
        all: bool,
        kept: Kept,
        is_written: impl Fn(usize) -> bool,
        out: &mut Vec<u8>,
    ) {
        let mut compact = std::mem::take(&mut self.spare);
        begin(&mut compact);
        let (start, stored) = (out.len(), self.stored(all));
        for i in 0..stored.n_samples() {
            if is_written(i) {
                for slot in 0..samples.n_fields() {
                    samples.append_field(slot, stored.sample(i), out);
                    out.push(b':');
                    compact.starts.push((out.len() - start) as u32);
                }
            }
            compact.first.push(compact.starts.len() as u32 - 1);
        }
        self.keep(compact, kept);
    }
}

/// Code of any typed genotype, by its text.
fn typed_code(samples: &TypedSamples, slot: usize, sample: usize, table: &mut GtTable) -> Result<GtCode> {
    let mut text = Vec::new();
    samples.append_field(slot, sample, &mut text);
    table.code(&text).ok_or_else(|| {
        Error::bad_data(format!(
            "GT of sample {} is {:?}, expected allele numbers or . with / or | between them",
            sample + 1,
            String::from_utf8_lossy(&text)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::bcf::RecordReader;
    use crate::decode::bcf::testing::{Field, NAMES, dictionary, record};
    use crate::decode::cells::LANES;
    use proptest::prelude::*;

    /// Numbers of each field that the shape expects.
    const NUMBERS: [usize; 5] = [0, 2, 1, 1, 3];

    /// The texts of the fields beside GT of each cell, whichever way they are kept.
    fn fields_of(columns: &SampleColumns, text: &[u8], all: bool, shape: &Shape) -> Vec<Vec<String>> {
        let cells = columns.cells_of(text, all);
        let rows = cells.rows().expect("numbers");
        let of_cell = |i: usize| {
            if !rows.fits[i] {
                let texts = cells.fields(i).map(|field| String::from_utf8_lossy(field).into_owned());
                return texts.skip(1).collect();
            }
            let number = |(lane, n): (usize, usize)| {
                let items = rows.items[i][lane..lane + n].iter().map(|item| item.to_string());
                items.collect::<Vec<String>>().join(",")
            };
            shape.places().skip(1).map(number).collect()
        };
        (0..cells.len()).map(of_cell).collect()
    }

    fn genotype(width: usize) -> impl Strategy<Value = [i32; 2]> {
        let allele =
            prop_oneof![6 => Just(2), 3 => Just(4), 1 => Just(0), 1 => 2i32..60].prop_map(|allele| allele & !1);
        (allele.clone(), allele, 0i32..2, prop::bool::weighted(0.1)).prop_map(
            move |(first, second, phased, haploid)| {
                [first, if haploid { Field::least(width) + 1 } else { second | phased }]
            },
        )
    }

    fn field(key: u8, n_samples: usize) -> impl Strategy<Value = Field> {
        let width = prop::sample::select(vec![1usize, 2, 4]);
        (width, prop::sample::select(vec![0usize, 0, 0, 1])).prop_flat_map(move |(width, more)| {
            let len = NUMBERS[usize::from(key) - 1].max(1) + more;
            let least = Field::least(width);
            let value = prop_oneof![12 => 0i32..120, 1 => Just(least), 1 => Just(least + 1), 1 => Just(least + 9), 1 => Just(!least)];
            prop::collection::vec(value, len * n_samples).prop_map(move |values| Field { key, width, len, values })
        })
    }

    fn samples() -> impl Strategy<Value = (usize, Vec<Field>)> {
        (1usize..50, prop::sample::select(vec![1usize, 2])).prop_flat_map(|(n, width)| {
            let gt = prop::collection::vec(genotype(width), n).prop_map(move |pairs| Field {
                key: 1,
                width,
                len: 2,
                values: pairs.concat(),
            });
            (Just(n), (gt, field(2, n), field(3, n), field(4, n), field(5, n)))
                .prop_map(|(n, (gt, ad, dp, gq, pl))| (n, vec![gt, ad, dp, gq, pl]))
        })
    }

    proptest! {
        #[test]
        fn typed_samples_are_what_their_text_is((n, fields) in samples(), all in any::<bool>()) {
            let (dictionary, bytes) = (dictionary(n), record(0, 7, "x", &fields, n));
            let mut reader = RecordReader::new(&bytes, &dictionary);
            let (head, samples) = reader.next_record().expect("a record").expect("one");
            prop_assert!(head.ends_with(NAMES.join(":").as_bytes()));
            let mut text = Vec::new();
            for sample in 0..n {
                if sample > 0 {
                    text.push(b'\t');
                }
                samples.append_cell(sample, &mut text);
            }
            let shape = Shape::new(NUMBERS.into_iter()).expect("few numbers");
            assert!(NUMBERS.iter().sum::<usize>() < LANES);
            let (mut table, slots) = (GtTable::new(), [Some(2), Some(3)]);
            let (mut typed, mut by_text) = (SampleColumns::default(), SampleColumns::default());
            let (mut typed_text, mut kept_text) = (b"head\t".to_vec(), b"head\t".to_vec());
            typed.read_typed(&samples, Some(0), &mut table).expect("genotypes");
            by_text.read(&text, n, Some(0), NUMBERS.len(), &mut table).expect("genotypes");
            typed.read_typed_integers(&samples, slots);
            by_text.read_integers(&text, slots);
            typed.read_typed_every(&samples, Some(0));
            by_text.read_every(&text, Some(0));
            typed.keep_typed_numbers(&samples, all, &shape, &mut typed_text);
            by_text.keep_numbers(&text, all, &shape, &mut kept_text);
            prop_assert_eq!(&typed.not_reference, &by_text.not_reference);
            prop_assert_eq!(&typed.codes, &by_text.codes);
            prop_assert_eq!(&typed.distinct, &by_text.distinct);
            prop_assert_eq!(&typed.every, &by_text.every);
            for which in 0..2 {
                prop_assert_eq!(typed.integers(which), by_text.integers(which), "{}", String::from_utf8_lossy(&text));
            }
            let expected = fields_of(&by_text, &kept_text[5..], all, &shape);
            prop_assert_eq!(fields_of(&typed, &typed_text[5..], all, &shape), expected);
        }
    }
}
