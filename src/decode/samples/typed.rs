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
        let mut rows = self.take_rows(self.stored(all).len());
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
        for i in 0..stored.len() {
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
