//! The calls of a record that the table `genotypes` holds.

use super::emit::Part;
use crate::columns::genotypes::{CellProblem, FormatLayout, GenotypesBuilder};
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

impl<'a> StoredCalls<'a> {
    /// Those of a record: of all samples, whose numbers are `every`, or of the listed ones. `text`: of the record's samples.
    pub fn of(
        record: &'a SampleColumns,
        text: &'a [u8],
        layout: &'a FormatLayout,
        every: Option<&'a [u32]>,
    ) -> StoredCalls<'a> {
        let cells = record.cells_of(text, every.is_some());
        match every {
            Some(samples) => StoredCalls { samples, codes: &record.every, cells, layout },
            None => StoredCalls { samples: &record.not_reference, codes: &record.codes, cells, layout },
        }
    }
}
