//! What is kept of the samples of a record for later, beside the codes of genotypes.

use super::{Cells, Fields, Kept, SampleColumns};
use crate::decode::bcf::Listed;
use crate::decode::cells::{Rows, Shape};
use crate::decode::delimiters::FieldStarts;
use crate::decode::numbers;
use crate::genome::genotype::{HOM_REF_PHASED, HOM_REF_UNPHASED};

impl SampleColumns {
    /// Fills `every` with the codes of all samples, after [`SampleColumns::read`] of this `text`: those that are not listed have
    /// `0/0` or `0|0`. `gt_slot`: the place of GT in FORMAT.
    pub fn read_every(&mut self, text: &[u8], gt_slot: Option<usize>) {
        let mut every = std::mem::take(&mut self.every);
        every.clear();
        let is_phased = |sample| match gt_slot {
            Some(0) => self.fields(text, sample).starts_with(b"0|0"),
            Some(slot) => self.fields(text, sample).nth(slot) == Some(b"0|0"),
            None => false,
        };
        let of_reference = |sample| if is_phased(sample) { HOM_REF_PHASED } else { HOM_REF_UNPHASED };
        every.extend((0..self.n_samples).map(of_reference));
        self.every = every;
        self.set_listed_codes();
    }

    /// Puts the codes of the listed samples among those of all.
    pub(super) fn set_listed_codes(&mut self) {
        for (&sample, &code) in self.not_reference.iter().zip(&self.codes) {
            self.every[sample as usize] = code;
        }
    }

    /// Keeps the integers that all samples have as their fields `slots`, after [`SampleColumns::read`] of this `text`.
    pub fn read_integers(&mut self, text: &[u8], slots: [Option<usize>; 2]) {
        for (which, slot) in slots.into_iter().enumerate() {
            let Some(slot) = slot.filter(|_| !self.fields.starts.is_empty()) else { continue };
            let FieldStarts { starts, first } = &self.fields;
            numbers::integers(text, starts, first, slot, &mut self.integers[which]);
        }
    }

    /// The integers of all samples of the field that was asked for as number `which`; [`NO_INTEGER`] where there is none. Empty
    /// when no sample has the field.
    pub fn integers(&self, which: usize) -> &[i32] {
        &self.integers[which]
    }

    /// Which samples are stored: all, or those that are listed.
    pub(super) fn stored(&self, all: bool) -> Listed<'_> {
        if all { Listed::First(self.n_samples) } else { Listed::These(&self.not_reference) }
    }

    /// Keeps the numbers of the stored cells that have a shape, and appends the others to `out`. After [`SampleColumns::read`] of
    /// this `text`, which need not be kept. There are fields beside GT.
    pub fn keep_numbers(&mut self, text: &[u8], all: bool, shape: &Shape, out: &mut Vec<u8>) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.read(self.cells_of(text, all), shape);
        let mut compact = std::mem::take(&mut self.spare);
        begin(&mut compact);
        let start = out.len();
        let stored = self.stored(all);
        for (i, fits) in rows.fits.iter().enumerate() {
            if !fits {
                append_fields(self.fields(text, stored.sample(i)), &mut compact, start, out);
            }
            compact.first.push(compact.starts.len() as u32 - 1);
        }
        self.rows = rows;
        self.keep(compact, Kept::Numbers);
    }

    /// Cells are in a text that was written from now on.
    pub(super) fn keep(&mut self, compact: FieldStarts, kept: Kept) {
        self.spare = std::mem::replace(&mut self.fields, compact);
        self.kept = kept;
    }

    /// Numbers of no cells yet.
    pub(super) fn take_rows(&mut self, n: usize) -> Rows {
        let mut rows = std::mem::take(&mut self.rows);
        rows.begin(n);
        rows
    }

    /// The cells of the stored samples out of the `text` that was read or written.
    pub fn cells_of<'a>(&'a self, text: &'a [u8], all: bool) -> Cells<'a> {
        let rows = (self.kept == Kept::Numbers).then_some(&self.rows);
        let samples = (self.kept == Kept::Whole && !all).then_some(&self.not_reference[..]);
        Cells { text, columns: self, samples, n: self.stored(all).n_samples(), rows }
    }

    /// Cells whose fields can be asked for: of all samples, or as many as are listed.
    pub fn n_cells(&self) -> usize {
        match self.kept {
            Kept::Whole => self.n_samples,
            Kept::Chosen | Kept::Numbers => self.fields.first.len().saturating_sub(1),
        }
    }
}

/// Before the first cell of a text that is written.
pub(super) fn begin(compact: &mut FieldStarts) {
    compact.clear();
    compact.starts.push(0);
    compact.first.push(0);
}

/// Writes the fields of a cell with an end each; the text begins at `start` of `out`.
fn append_fields(fields: Fields, compact: &mut FieldStarts, start: usize, out: &mut Vec<u8>) {
    for field in fields {
        out.extend_from_slice(field);
        out.push(b':');
        compact.starts.push((out.len() - start) as u32);
    }
}
