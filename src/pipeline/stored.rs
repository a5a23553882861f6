//! The calls of a record that the table `genotypes` holds.

use super::emit::Part;
use crate::columns::genotypes::{CellProblem, FormatLayout, GenotypesBuilder, Slot};
use crate::decode::samples::{Cells, SampleColumns};
use crate::genome::genotype::GtCode;

/// Calls of one record that may become rows; `[calls]`.
pub struct StoredCalls<'a> {
    pub samples: &'a [u32],
    pub codes: &'a [GtCode],
    pub cells: Cells<'a>,
    pub layout: &'a FormatLayout,
}

impl StoredCalls<'_> {
    /// All of them into the builder, column by column. After a problem as [`GenotypesBuilder::push_cells`].
    pub fn push_all(
        &self,
        builder: &mut GenotypesBuilder,
        part: &Part,
        text_of: &[u16],
    ) -> Result<(), (usize, CellProblem)> {
        builder.push_calls(part.first_sample, self.samples, self.codes, text_of);
        if self.layout.has_fields() {
            builder.push_cells(self.cells, self.layout, part.allele)?;
        }
        Ok(())
    }

    /// Those whose code `is_carrier`, one by one. After a problem as [`GenotypesBuilder::push_cells`].
    pub fn push_carriers(
        &self,
        builder: &mut GenotypesBuilder,
        part: &Part,
        text_of: &[u16],
        mut is_carrier: impl FnMut(GtCode) -> bool,
    ) -> Result<(), (usize, CellProblem)> {
        for i in (0..self.codes.len()).filter(|&i| is_carrier(self.codes[i])) {
            builder.push_calls(part.first_sample, &self.samples[i..=i], &self.codes[i..=i], text_of);
            if self.layout.has_fields() {
                let fields = self.cells.fields(i);
                builder.push_fields(fields, self.layout, part.allele).map_err(|problem| (i, problem))?;
            }
        }
        Ok(())
    }
}

/// Samples and codes of a record whose calls are all stored. Buffers are reused from record to record.
#[derive(Debug, Default)]
pub struct EveryCall {
    samples: Vec<u32>,
    codes: Vec<GtCode>,
}

impl EveryCall {
    /// All calls of a record out of the `text` that was read.
    pub fn read<'a>(
        &'a mut self,
        record: &'a SampleColumns,
        text: &'a [u8],
        layout: &'a FormatLayout,
    ) -> StoredCalls<'a> {
        self.samples.clear();
        self.samples.extend(0..record.n_samples() as u32);
        record.all_codes(text, layout.slot_of(&Slot::Genotype), &mut self.codes);
        StoredCalls { samples: &self.samples, codes: &self.codes, cells: record.all_cells(text), layout }
    }
}
