//! The sample columns of one record: genotype codes, and where each sample's text is.
//!
//! The common case, nothing but diploid one-digit GT, is four bytes per sample and takes the fixed-stride kernel;
//! everything else takes the general path; only what is not `0/0` or `0|0` gets a code. A property test holds the two to the
//! same answer.
//!
//! What is looked at later is kept in one of three ways: the whole text with the borders of all fields; the text of some cells
//! only; or the numbers of cells that have the usual shape, and the text of the others.

mod kept;
mod typed;

use super::cells::Rows;
use super::delimiters::{self, FieldStarts};
use super::stride::{self, CELL, OtherCells};
use crate::error::{Error, Result};
use crate::genome::genotype::{ABSENT, GtCode, GtTable, HOM_REF_PHASED};
use crate::wide::wide;
use std::ops::Range;

/// Stands for a value that is missing, or no integer. VCF 4.5 section 1.3 keeps the eight lowest numbers out of use.
pub const NO_INTEGER: i32 = i32::MIN;

/// Sample columns of one record. Buffers are reused from record to record.
#[derive(Debug, Default)]
pub struct SampleColumns {
    /// Samples whose code is not diploid plain reference, ascending.
    pub not_reference: Vec<u32>,
    /// Their codes.
    pub codes: Vec<GtCode>,
    /// Each code among them once, and how often.
    pub distinct: Vec<(GtCode, u32)>,
    /// Codes of all samples, where they were asked for.
    pub every: Vec<GtCode>,
    /// Number of samples.
    n_samples: usize,
    /// Which cells there are.
    kept: Kept,
    /// Integers of all samples of the fields that were asked for, or none; [`NO_INTEGER`] where a sample has none.
    integers: [Vec<i32>; 2],
    /// Numbers of the cells, of [`Kept::Numbers`].
    rows: Rows,
    /// How often each code came, all 0 between records.
    counts: Vec<u32>,
    cells: OtherCells,
    /// Where the fields of all samples begin, then one more: two behind the last byte. Empty when the fixed-stride kernel ran:
    /// then sample `i` is bytes `4 i` to `4 i + 3`. `first`: of each sample, then one more.
    fields: FieldStarts,
    /// Of the text of some cells, while it is written.
    spare: FieldStarts,
}

/// The cells whose fields can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kept {
    /// Those of all samples, in the text that was read.
    #[default]
    Whole,
    /// Those that were chosen, in a text that was written.
    Chosen,
    /// The same, but only of those whose numbers are not in `rows`.
    Numbers,
}

/// The fields of one sample, in the order of FORMAT. Trailing fields may be left out (VCF 4.5 section 1.6.2).
#[derive(Clone, Debug, Default)]
pub struct Fields<'a> {
    text: &'a [u8],
    /// Where each begins, then one more.
    starts: &'a [u32],
}

impl Fields<'_> {
    /// Fields that are left.
    pub fn n_fields(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether the text begins with `prefix`, whatever fields it has.
    #[inline]
    fn starts_with(&self, prefix: &[u8]) -> bool {
        self.starts
            .first()
            .and_then(|&start| self.text.get(start as usize..))
            .is_some_and(|text| text.starts_with(prefix))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (&start, rest) = self.starts.split_first()?;
        let field = &self.text[start as usize..*rest.first()? as usize - 1];
        self.starts = rest;
        Some(field)
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<&'a [u8]> {
        self.starts = self.starts.get(n..)?;
        self.next()
    }
}

/// The texts of some samples, in the order of FORMAT and of samples.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    text: &'a [u8],
    columns: &'a SampleColumns,
    /// Which samples; `None`: the first `n` that have a text.
    samples: Option<&'a [u32]>,
    n: usize,
    rows: Option<&'a Rows>,
}

impl<'a> Cells<'a> {
    /// Number of cells.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// What the ranges of [`Cells::range`] are in.
    #[inline]
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The numbers of the cells, where they are known; those that fit have no text then.
    pub fn rows(&self) -> Option<&'a Rows> {
        self.rows
    }

    #[inline]
    fn sample(&self, i: usize) -> usize {
        self.samples.map_or(i, |samples| samples[i] as usize)
    }

    /// The fields of the cell `i`.
    #[inline]
    pub fn fields(&self, i: usize) -> Fields<'a> {
        self.columns.fields(self.text, self.sample(i))
    }

    /// The cell `i` without its end.
    #[inline(always)]
    pub fn cell(&self, i: usize) -> &'a [u8] {
        self.columns.cell(self.text, self.sample(i))
    }

    /// Where in the text the field `slot` of the cell `i` is; empty where it is left out. There are fields beside GT.
    #[inline(always)]
    pub fn range(&self, i: usize, slot: usize) -> Range<usize> {
        self.columns.field_range(self.sample(i), slot)
    }
}

/// The one field of a fixed-stride cell.
const STRIDE_STARTS: [u32; 2] = [0, CELL as u32];

impl SampleColumns {
    /// Reads the sample columns `text` of `n_samples` samples. `gt_slot` is the place of GT in FORMAT, of `n_slots` fields.
    pub fn read(
        &mut self,
        text: &[u8],
        n_samples: usize,
        gt_slot: Option<usize>,
        n_slots: usize,
        table: &mut GtTable,
    ) -> Result<()> {
        self.clear();
        self.n_samples = n_samples;
        let fixed = gt_slot == Some(0) && n_slots == 1 && n_samples > 0 && text.len() == CELL * n_samples - 1;
        if !(fixed && self.read_fixed_stride(text)) {
            self.clear();
            self.read_general(text, n_samples, gt_slot, n_slots, table)?;
        }
        self.count();
        Ok(())
    }

    fn clear(&mut self) {
        self.kept = Kept::Whole;
        self.integers.iter_mut().for_each(Vec::clear);
        self.every.clear();
        self.codes.clear();
        self.not_reference.clear();
        self.distinct.clear();
        self.fields.clear();
        self.n_samples = 0;
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Four bytes per sample: allele, separator, allele, tab. False when the text is anything else.
    fn read_fixed_stride(&mut self, text: &[u8]) -> bool {
        self.cells.clear();
        let (whole, last) = text.split_at(text.len() / CELL * CELL);
        stride::scan(whole, &mut self.cells);
        // the last cell has no tab
        let n_before = self.cells.indexes.len();
        stride::scan(&[last[0], last[1], last[2], b'\t'], &mut self.cells);
        if let Some(index) = self.cells.indexes.get_mut(n_before) {
            *index = (whole.len() / CELL) as u32;
        }
        let good = stride::cell_codes(&self.cells.words, &mut self.codes);
        std::mem::swap(&mut self.not_reference, &mut self.cells.indexes);
        good
    }

    fn read_general(
        &mut self,
        text: &[u8],
        n_samples: usize,
        gt_slot: Option<usize>,
        n_slots: usize,
        table: &mut GtTable,
    ) -> Result<()> {
        let found = self.find_samples(text, n_samples);
        if found != n_samples {
            return Err(Error::bad_data(format!(
                "the line has {found} sample columns, expected {n_samples} as in the header"
            )));
        }
        self.n_samples = n_samples;
        self.list_candidates(text, gt_slot, n_slots);
        let mut n_listed = 0;
        for i in 0..self.not_reference.len() {
            let sample = self.not_reference[i];
            let code = match gt_slot {
                None => ABSENT,
                Some(slot) => self.genotype_code(text, sample as usize, slot, n_slots, table)?,
            };
            if code > HOM_REF_PHASED {
                self.not_reference[n_listed] = sample;
                n_listed += 1;
                self.codes.push(code);
            }
        }
        self.not_reference.truncate(n_listed);
        Ok(())
    }

    /// Code of the genotype of one sample: its field `slot` of `n_slots`.
    #[inline]
    fn genotype_code(
        &self,
        text: &[u8],
        sample: usize,
        slot: usize,
        n_slots: usize,
        table: &mut GtTable,
    ) -> Result<GtCode> {
        let mut fields = self.fields(text, sample);
        let n_fields = fields.n_fields();
        let gt = fields.nth(slot).unwrap_or_default();
        match table.code(gt) {
            // a GT alone is the whole text of the sample
            Some(code) if n_slots > 1 || n_fields == 1 => Ok(code),
            _ => {
                let shown = if n_slots > 1 { gt } else { self.cell(text, sample) };
                Err(Error::bad_data(format!(
                    "GT of sample {} is {:?}, expected allele numbers or . with / or | between them",
                    sample + 1,
                    String::from_utf8_lossy(shown)
                )))
            }
        }
    }

    /// Fills `not_reference` with the samples that may not be plain reference: where GT is the first of several fields, those
    /// that do not begin with `0/0:` or `0|0:`.
    fn list_candidates(&mut self, text: &[u8], gt_slot: Option<usize>, n_slots: usize) {
        if gt_slot != Some(0) || n_slots < 2 {
            self.not_reference.extend(0..self.n_samples as u32);
            return;
        }
        let FieldStarts { starts, first } = &self.fields;
        stride::scan_starts(text, starts, first, &mut self.not_reference);
    }

    /// Finds the fields of all samples; says how many samples there are.
    fn find_samples(&mut self, text: &[u8], n_samples: usize) -> usize {
        if n_samples == 0 || text.is_empty() {
            return 0;
        }
        let fields = &mut self.fields;
        fields.starts.push(0);
        fields.first.push(0);
        delimiters::scan(text, fields);
        let n_fields = fields.starts.len();
        fields.starts.push(text.len() as u32 + 1);
        fields.first.push(n_fields as u32);
        fields.first.len() - 1
    }

    /// Lists the codes that are there, in the order of their numbers.
    fn count(&mut self) {
        /// So many different ones are looked for one after the other.
        const FEW: usize = 8;
        let codes = &self.codes[..];
        let (mut at, mut n_left) = (0, codes.len());
        while n_left > 0 && self.distinct.len() < FEW {
            while self.distinct.iter().any(|(known, _)| *known == codes[at]) {
                at += 1;
            }
            let n = occurrences(&codes[at..], codes[at]);
            self.distinct.push((codes[at], n as u32));
            n_left -= n;
        }
        if n_left > 0 {
            self.distinct.clear();
            self.count_each();
        }
        self.distinct.sort_unstable();
    }

    /// The same code by code, for any number of different ones.
    fn count_each(&mut self) {
        for &code in &self.codes {
            let code = usize::from(code);
            if code >= self.counts.len() {
                self.counts.resize(code + 1, 0);
            }
            self.counts[code] += 1;
            if self.counts[code] == 1 {
                self.distinct.push((code as GtCode, 0));
            }
        }
        for (code, n) in &mut self.distinct {
            *n = std::mem::take(&mut self.counts[usize::from(*code)]);
        }
    }

    /// The fields of one sample out of the `text` that was read; of a text that was written, of the cell of that number.
    #[inline]
    pub fn fields<'a>(&'a self, text: &'a [u8], sample: usize) -> Fields<'a> {
        let FieldStarts { starts, first } = &self.fields;
        if starts.is_empty() {
            return Fields { text: &text[CELL * sample..], starts: &STRIDE_STARTS };
        }
        Fields { text, starts: &starts[first[sample] as usize..=first[sample + 1] as usize] }
    }

    /// Where the field `slot` of a sample is in the text that was read by the general path; empty where it is left out.
    #[inline(always)]
    fn field_range(&self, sample: usize, slot: usize) -> Range<usize> {
        let FieldStarts { starts, first } = &self.fields;
        let field = first[sample] as usize + slot;
        if field >= first[sample + 1] as usize {
            return 0..0;
        }
        starts[field] as usize..starts[field + 1] as usize - 1
    }

    /// Text of one sample out of the `text` that was read by the general path.
    #[inline(always)]
    fn cell<'a>(&self, text: &'a [u8], sample: usize) -> &'a [u8] {
        let FieldStarts { starts, first } = &self.fields;
        let [start, end] = [first[sample], first[sample + 1]].map(|field| starts[field as usize] as usize);
        // a sample without fields has no end either
        text.get(start..end.wrapping_sub(1)).unwrap_or_default()
    }
}

wide! {
    /// How often a code is there.
    fn occurrences(codes: &[GtCode], wanted: GtCode) -> usize {
        // sums that fit into a code, so that no lane need be wider
        let of_chunk = |chunk: &[GtCode]| chunk.iter().map(|&code| GtCode::from(code == wanted)).sum::<GtCode>();
        codes.chunks(1 << 12).map(|chunk| usize::from(of_chunk(chunk))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8], n: usize, fast: bool) -> Result<(Vec<String>, Vec<u32>)> {
        let mut table = GtTable::new();
        let mut columns = SampleColumns::default();
        if fast {
            columns.read(text, n, Some(0), 1, &mut table)?;
            columns.distinct.clear();
        } else {
            columns.read_general(text, n, Some(0), 1, &mut table)?;
        }
        columns.count();
        columns.read_every(text, Some(0));
        let codes = &columns.every;
        for &(code, n) in &columns.distinct {
            assert_eq!(codes.iter().filter(|&&found| found == code).count(), n as usize);
        }
        let texts = codes.iter().map(|&code| String::from_utf8_lossy(&table.genotype(code).text).into_owned());
        Ok((texts.collect(), columns.not_reference))
    }

    proptest! {
        #[test]
        fn the_kernel_agrees_with_the_general_path(cells in prop::collection::vec("[0-9.][/|][0-9.]|[0-9]{1,2}|[0-9x][/|:][0-9.]", 1..70)) {
            let text = cells.join("\t");
            match (read(text.as_bytes(), cells.len(), true), read(text.as_bytes(), cells.len(), false)) {
                (Ok(fast), Ok(general)) => prop_assert_eq!(fast, general),
                (Err(_), Err(_)) => {}
                (fast, general) => prop_assert!(false, "{:?} {:?}", fast, general),
            }
        }
    }

    proptest! {
        #[test]
        fn codes_are_counted_alike(codes in prop::collection::vec(prop_oneof![8 => 2..6u16, 1 => 0..300u16], 0..200)) {
            let mut both = [(); 2].map(|()| SampleColumns { codes: codes.clone(), ..Default::default() });
            both[0].count();
            both[1].count_each();
            both[1].distinct.sort_unstable();
            prop_assert_eq!(&both[0].distinct, &both[1].distinct);
        }
    }

    #[test]
    fn columns_are_counted() {
        assert!(read(b"0/0\t0/1", 3, true).is_err());
        assert!(read(b"0/0\t0/1\t1/1\t1/1", 3, true).is_err());
        assert!(read(b"0/0\t0/1:3\t1/1", 3, true).is_err());
    }

    #[test]
    fn fields_of_samples() {
        let (mut columns, mut table) = (SampleColumns::default(), GtTable::new());
        let cases = [
            (&b"0/0:1:2\t0/1:3:9,1\t1/1:4:5"[..], vec![(0, 1), (1, 3), (2, 4)]),
            (b"0/0\t0/1:3:9,1\t1/1::5:6", vec![(1, 3)]),
        ];
        for (text, expected_integers) in cases {
            columns.read(text, 3, Some(0), 3, &mut table).expect("columns");
            assert_eq!(columns.not_reference, [1, 2]);
            for (sample, cell) in text.split(|&byte| byte == b'\t').enumerate() {
                let expected: Vec<&[u8]> = cell.split(|&byte| byte == b':').collect();
                assert_eq!(columns.fields(text, sample).collect::<Vec<_>>(), expected);
                assert_eq!(columns.fields(text, sample).nth(2), expected.get(2).copied());
            }
            columns.read_integers(text, [None, Some(1)]);
            assert!(columns.integers(0).is_empty());
            let found = columns.integers(1).iter().enumerate().filter(|(_, value)| **value != NO_INTEGER);
            assert_eq!(found.map(|(sample, &value)| (sample, value)).collect::<Vec<_>>(), expected_integers);
        }
    }
}
