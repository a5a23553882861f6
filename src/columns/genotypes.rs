//! Builder of the table `genotypes`: runs of calls, one run per allele row.

use super::field::{AlleleOfSite, FieldBuilder, Problem};
use super::schema::TableSchemas;
use super::values::Values;
use crate::decode::cells::{Items, Rows, Shape};
use crate::decode::header::Kind;
use crate::decode::samples::Cells;
use crate::genome::genotype::GtCode;
use std::collections::HashMap;
use std::ops::Range;

/// What the fields of one FORMAT text are.
#[derive(Debug, Default)]
pub struct FormatLayout {
    /// One entry per field.
    pub slots: Vec<Slot>,
    /// Columns that this FORMAT does not fill.
    absent: Vec<usize>,
    /// Whether a field is not defined in the header.
    has_other: bool,
    has_fields: bool,
    depth_slots: [Option<usize>; 2],
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
    /// Whether there are fields beside GT.
    pub fn has_fields(&self) -> bool {
        self.has_fields
    }

    /// Places of the columns `dp` and `gq`.
    pub fn depth_slots(&self) -> [Option<usize>; 2] {
        self.depth_slots
    }

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

/// Rows of `genotypes` of one contig, until they are encoded.
pub struct GenotypesBuilder {
    /// Rows of one variant follow each other.
    pub(super) runs: Vec<Run>,
    /// `[rows]`
    pub(super) sample_index: Vec<u32>,
    /// Index of each row's text, or [`NO_GT`]; `[rows]`.
    pub(super) gt: Vec<u16>,
    pub(super) formats: Vec<FieldBuilder>,
    pub(super) other: Values,
    format_ids: Vec<String>,
    /// Name of each field's first column.
    first_names: Vec<String>,
    format_index: HashMap<Vec<u8>, usize>,
    other_text: String,
    /// Numbers of the cells of one run, reused.
    rows: Rows,
}

/// Rows of one variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub variant_id: i64,
    pub vcf_pos: i32,
    pub n_rows: u32,
}

/// Stands for null in `gt`.
pub const NO_GT: u16 = u16::MAX;

impl GenotypesBuilder {
    /// Empty; `None` when the cohort has no samples.
    pub fn new(schemas: &TableSchemas) -> Option<Self> {
        schemas.genotypes.as_ref()?;
        let index = schemas.formats.iter().enumerate().map(|(i, format)| (format.id.clone().into_bytes(), i)).collect();
        Some(GenotypesBuilder {
            runs: Vec::new(),
            sample_index: Vec::new(),
            gt: Vec::new(),
            formats: schemas.formats.iter().map(FieldBuilder::new).collect(),
            other: Values::scalar(Kind::Text),
            format_ids: schemas.formats.iter().map(|format| format.id.clone()).collect(),
            first_names: schemas.formats.iter().map(|format| format.names[0].clone()).collect(),
            format_index: index,
            other_text: String::new(),
            rows: Rows::default(),
        })
    }

    /// Rows since the last batch.
    pub fn n_rows(&self) -> usize {
        self.gt.len()
    }

    /// The rows that follow are calls of this variant.
    pub fn start_run(&mut self, variant_id: i64, vcf_pos: i32) {
        self.runs.push(Run { variant_id, vcf_pos, n_rows: 0 });
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
        let has_fields = slots.iter().any(|slot| *slot != Slot::Genotype);
        let named = |name: &str| {
            let is_it = |slot: &Slot| matches!(slot, Slot::Column(column) if self.first_names[*column] == name);
            slots.iter().position(is_it)
        };
        let depth_slots = ["dp", "gq"].map(named);
        FormatLayout { slots, absent, has_other, has_fields, depth_slots }
    }

    /// Adds the call of one sample to the run, without its FORMAT fields. `text`: as [`RowCall::text`] has it.
    ///
    /// [`RowCall::text`]: crate::genome::genotype::RowCall::text
    #[inline]
    pub fn push_call(&mut self, sample: u32, text: Option<u32>) {
        self.sample_index.push(sample);
        self.gt.push(text.map_or(NO_GT, |text| text as u16));
    }

    /// Adds the calls of several samples to the run, without FORMAT fields: sample `first_sample + samples[i]` has the text
    /// `text_of[codes[i]]`.
    pub fn push_calls(&mut self, first_sample: u32, samples: &[u32], codes: &[GtCode], text_of: &[u16]) {
        match first_sample {
            0 => self.sample_index.extend_from_slice(samples),
            first => self.sample_index.extend(samples.iter().map(|sample| first + sample)),
        }
        self.gt.extend(codes.iter().map(|&code| text_of[usize::from(code)]));
    }

    /// Adds the FORMAT fields of one sample. After a problem the batch is void.
    pub fn push_fields<'a>(
        &mut self,
        mut fields: impl Iterator<Item = &'a [u8]>,
        layout: &FormatLayout,
        allele: AlleleOfSite,
    ) -> Result<(), CellProblem> {
        self.other_text.clear();
        for slot in &layout.slots {
            let value = fields.next().unwrap_or_default();
            match slot {
                Slot::Genotype => {}
                Slot::Column(column) if value.is_empty() => self.formats[*column].append_null(),
                Slot::Column(column) => self.formats[*column]
                    .append(value, allele)
                    .map_err(|problem| CellProblem::Field { id: self.format_ids[*column].clone(), problem })?,
                Slot::Other(id) => push_other(&mut self.other_text, id, value),
            }
        }
        if fields.next().is_some() && !layout.slots.is_empty() {
            return Err(CellProblem::TooMany { n_slots: layout.slots.len() });
        }
        if layout.has_other {
            match self.other_text.as_str() {
                "" => self.other.append_null(),
                text => self.other.append_text(text),
            }
        }
        Ok(())
    }

    /// Adds the FORMAT fields of several samples: those that look as they usually do column by column, others one by one.
    /// After a problem the batch is void; the index of its cell comes with it.
    pub fn push_cells(
        &mut self,
        cells: Cells,
        layout: &FormatLayout,
        allele: AlleleOfSite,
    ) -> Result<(), (usize, CellProblem)> {
        if let Some(rows) = cells.rows() {
            return self.push_rows(cells, rows, layout, allele);
        }
        let mut rows = std::mem::take(&mut self.rows);
        match self.shape(layout, allele) {
            Some(shape) => rows.read(cells, &shape),
            None => rows.fit_nothing(cells.len()),
        }
        let pushed = self.push_rows(cells, &rows, layout, allele);
        self.rows = rows;
        pushed
    }

    /// [`GenotypesBuilder::push_cells`] of cells whose numbers were read.
    fn push_rows(
        &mut self,
        cells: Cells,
        rows: &Rows,
        layout: &FormatLayout,
        allele: AlleleOfSite,
    ) -> Result<(), (usize, CellProblem)> {
        let mut start = 0;
        while start < cells.len() {
            let n_usual = rows.fits[start..].iter().take_while(|&&fits| fits).count();
            if n_usual == 0 {
                self.push_each(cells, start..start + 1, layout, allele)?;
                start += 1;
                continue;
            }
            let usual = &rows.items[start..start + n_usual];
            if self.push_usual(cells, start, usual, layout, allele).is_err() {
                // cell by cell, to name the first problem in the order of cells
                self.push_each(cells, start..cells.len(), layout, allele)?;
                break;
            }
            start += n_usual;
        }
        Ok(())
    }

    /// Adds the FORMAT fields of some cells one by one. After a problem as [`GenotypesBuilder::push_cells`].
    fn push_each(
        &mut self,
        cells: Cells,
        range: Range<usize>,
        layout: &FormatLayout,
        allele: AlleleOfSite,
    ) -> Result<(), (usize, CellProblem)> {
        for i in range {
            self.push_fields(cells.fields(i), layout, allele).map_err(|problem| (i, problem))?;
        }
        Ok(())
    }

    /// What samples usually look like in the rows of any allele of a site; `None` where that is not known, or there is more to
    /// them than genotypes and numbers.
    pub fn shape_of_numbers(&self, layout: &FormatLayout, n_alts: u32) -> Option<Shape> {
        let shape = self.shape(layout, AlleleOfSite::new(n_alts.min(1), n_alts))?;
        shape.is_numbers_but(layout.slot_of(&Slot::Genotype)).then_some(shape)
    }

    /// What samples usually look like; `None` where that is not known.
    fn shape(&self, layout: &FormatLayout, allele: AlleleOfSite) -> Option<Shape> {
        if layout.has_other {
            return None;
        }
        Shape::new(layout.slots.iter().map(|slot| match slot {
            Slot::Column(column) => self.formats[*column].n_items(allele),
            Slot::Genotype | Slot::Other(_) => 0,
        }))
    }

    /// Adds the fields of cells from `start` on that have the shape of the layout.
    fn push_usual(
        &mut self,
        cells: Cells,
        start: usize,
        rows: &[Items],
        layout: &FormatLayout,
        allele: AlleleOfSite,
    ) -> Result<(), Problem> {
        let mut lane = 0;
        for (slot, kind) in layout.slots.iter().enumerate() {
            let Slot::Column(column) = kind else {
                lane += 1;
                continue;
            };
            let format = &mut self.formats[*column];
            let n_items = format.n_items(allele);
            if n_items > 0 {
                format.append_rows(rows, lane, allele);
            } else {
                for i in start..start + rows.len() {
                    format.append_or_null(&cells.text()[cells.range(i, slot)], allele)?;
                }
            }
            lane += n_items.max(1);
        }
        Ok(())
    }

    /// Ends `n` calls of the run that have the same FORMAT: fills the columns that it does not have.
    pub fn end_calls(&mut self, n: usize, layout: &FormatLayout) {
        for &column in &layout.absent {
            self.formats[column].append_nulls(n);
        }
        if !layout.has_other {
            self.other.append_nulls(n);
        }
        if let Some(run) = self.runs.last_mut() {
            run.n_rows += n as u32;
        }
    }

    /// Forgets the rows.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.sample_index.clear();
        self.gt.clear();
        for values in self.formats.iter_mut().flat_map(FieldBuilder::columns).chain([&mut self.other]) {
            values.clear();
        }
    }
}

/// Adds a field that the header does not define to the text of `fmt_other`.
fn push_other(text: &mut String, id: &str, value: &[u8]) {
    if value.is_empty() || value == b"." {
        return;
    }
    if !text.is_empty() {
        text.push(':');
    }
    text.push_str(id);
    text.push('=');
    text.push_str(&String::from_utf8_lossy(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::values::Filled;
    use crate::decode::header::Header;
    use crate::decode::samples::SampleColumns;
    use crate::genome::genotype::GtTable;
    use proptest::prelude::*;

    fn builder() -> GenotypesBuilder {
        let header = "##fileformat=VCFv4.3\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
            ##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"\">\n\
            ##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"\">\n\
            ##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"\">\n\
            ##FORMAT=<ID=FT,Number=1,Type=String,Description=\"\">\n\
            #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts\n";
        let header = Header::parse(header.as_bytes()).expect("a header");
        GenotypesBuilder::new(&TableSchemas::new(&header, true)).expect("samples")
    }

    fn content(builder: &mut GenotypesBuilder) -> Vec<String> {
        let show = |values: &mut Values| match values.filled() {
            Filled::Nulls(n) => format!("{n} nulls"),
            Filled::Integers(values) => format!("{values:?}"),
            Filled::Lists { ends, values } => format!("{ends:?} {values:?}"),
            Filled::General(array) => format!("{array:?}"),
        };
        builder.formats.iter_mut().flat_map(FieldBuilder::columns).map(show).collect()
    }

    proptest! {
        #[test]
        fn columns_of_cells_are_what_cells_give_one_by_one(
            cells in prop::collection::vec("(0/1|1/1|[.]/[.]|0/0)(:(0,[0-9]{1,2}|[0-9]{1,6},[0-9]|[.]|[.],[.]|7,x?)(:([0-9]{1,6}|[.]|)(:([0-9]{1,5},[0-9]{1,3},0|[.]|1,2|)(:(PASS|[.]|))?(:7)?)?)?)?", 1..30),
            format in prop::sample::select(vec!["GT:AD:DP:PL:FT", "GT:AD:DP:PL:XX", "GT:AD:DP:PL"]),
            allele in prop::sample::select(vec![(1, 1), (1, 2), (0, 0)]),
        ) {
            let text = cells.join("\t");
            let (mut samples, mut table) = (SampleColumns::default(), GtTable::new());
            let n_slots = format.split(':').count();
            samples.read(text.as_bytes(), cells.len(), Some(0), n_slots, &mut table).expect("genotypes");
            let cells = samples.cells_of(text.as_bytes(), false);
            let allele = AlleleOfSite::new(allele.0, allele.1);
            let (mut by_column, mut by_cell) = (builder(), builder());
            let layout = by_cell.layout(format.as_bytes());
            let one_by_one = (0..cells.len())
                .try_for_each(|i| by_cell.push_fields(cells.fields(i), &layout, allele).map_err(|problem| (i, problem)));
            match (by_column.push_cells(cells, &layout, allele), one_by_one) {
                (Ok(()), Ok(())) => prop_assert_eq!(content(&mut by_column), content(&mut by_cell)),
                (found, expected) => prop_assert_eq!(format!("{found:?}"), format!("{expected:?}")),
            }
        }
    }
}
